// Routers over the whole suite, by the bands of overall skill. Hidden where the dataset has no suite.
function drawOverall(d) {
  const node = byId("overall"), o = d.overall;
  node.hidden = !o;
  if (!o) return;
  const figure = (value, low, high, digits, shown) => [shown(value, digits), " ", el("span", { class: "ci" }, `[${shown(low, digits)}, ${shown(high, digits)}]`)];
  const lines = o.rows.map(([at, band, skill, low, high, gain, gainLow, gainHigh]) => el("tr", {}, el("td", {}, o.noBands ? "–" : el("span", { class: "band" }, band)),
    el("th", { scope: "row", class: "name" }, bidi(d.submissions[at].name)), el("td", {}, figure(skill, low, high, 3, number)), el("td", {}, figure(gain, gainLow, gainHigh, 4, signed))));
  const fixed = el("tr", {}, el("td", {}, "–"), el("th", { scope: "row", class: "name" }, "best fixed policy"), el("td", {}, number(0, 3)), el("td", {}, number(0)));
  fill(node, el("h2", { id: "overall-title" }, "Overall"),
    el("p", { class: "note" }, `Means over ${counted(o.tracks, "track")} of the suite and all scenarios. Skill: how well p orders the queries, 1 is the best order and 0 is chance. Gain: RCS above the best fixed policy. `
      + (o.noBands ? `No bands: ${o.noBands}.` : "Routers of one band cannot be told apart in skill.") + (missing(o.gap) ? "" : ` Minimum detectable gap in skill: ${number(o.gap, 3)}.`)),
    scrolling("overall-title", el("table", { "aria-labelledby": "overall-title" }, el("thead", {}, el("tr", {}, ["Band", "Router", "Skill", "Gain"].map((title, i) => th(title, i === 1)))),
      el("tbody", {}, lines), el("tbody", { class: "policies" }, fixed))));
}
