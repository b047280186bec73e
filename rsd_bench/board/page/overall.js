// Routers over the whole suite, by the bands of overall skill: the first ranking, where the dataset has a suite.
function drawOverall(d) {
  const o = d.overall;
  if (!o) return;
  const figure = (value, low, high, shown) => [shown(value, low, high), " ", el("span", { class: "ci" }, `[${shown(low, low, high)}, ${shown(high, low, high)}]`)];
  const skilled = (value, low, high) => number(value, ofRcs(low, high)), gains = (value, low, high) => points(value, borne(low, high));
  const sizes = new Map(), lines = [];
  for (const [, band] of o.rows) sizes.set(band, (sizes.get(band) || 0) + 1);
  const fixed = () => el("tr", { class: "line policy-line" }, el("td", {}, "–"), el("th", { scope: "row", class: "name" }, "the best fixed policy of each track"), el("td", {}, "0.00"), el("td", {}, "0.0"));
  let last = null, passed = false;
  for (const [at, band, skill, low, high, gain, gainLow, gainHigh] of o.rows) {
    if (!passed && skill < 0) { lines.push(fixed()); passed = true; }
    if (!o.noBands && band !== last) lines.push(el("tr", { class: "group" }, el("th", { scope: "rowgroup", colspan: 4 }, `Band ${band}`, el("span", {}, sizes.get(band) > 1 ? `${counted(sizes.get(band))} that cannot be told apart` : "told apart from all others"))));
    last = band;
    lines.push(el("tr", { "data-slug": d.submissions[at].slug }, el("td", {}, o.noBands ? "–" : el("span", { class: "band" }, band)), el("th", { scope: "row", class: "name" }, bidi(d.submissions[at].name), byline(d.submissions[at])),
      el("td", {}, figure(skill, low, high, skilled)), el("td", {}, figure(gain, gainLow, gainHigh, gains))));
  }
  if (!passed) lines.push(fixed());
  const heads = [["Band", "Routers of one band cannot be told apart"], ["Router"], ["Skill", "How well p orders the queries, whatever the threshold: 1 is the best order, 0 is chance"], ["Gain", "Points (hundredths of RCS) above the best fixed policy, mean over tracks and scenarios"]];
  fill(byId("overall"), el("p", { class: "note" }, `Means over ${counted(o.tracks.length, "pair")} of models and all scenarios, at least ${counted(o.groups, "group")} of queries each. `
      + (o.noBands ? `No bands: ${o.noBands}.` : "Bands are of skill: routers of one cannot be told apart, all pairs considered at once.")),
    el("p", { class: "gap" }, missing(o.gap) ? "Too few groups to say what gap this table can see." : ["Smallest gap in skill that this table can see: ", el("b", {}, number(o.gap, 3))]),
    scrolling("ranking-title", el("table", { "aria-label": "Overall" }, el("thead", {}, el("tr", {}, heads.map(([title, hint], i) => el("th", { scope: "col", class: i === 1 ? "name" : null, title: hint }, title)))), el("tbody", {}, lines))));
}
