// The ranking. `first`: how a column is sorted before anybody asks for the other way; `wide`: left out on narrow screens.
const COLUMNS = [
  { key: "band", title: "Band", first: "asc", hint: "Routers of one band cannot be told apart", cell: (r) => el("span", { class: "band" }, r.band ?? "–") },
  { key: "name", title: "Router", first: "asc", class: "name" },
  { key: "gain", title: "Gain", first: "desc", hint: "Points (hundredths of RCS) above the best fixed policy; the 95 % interval is of the paired difference",
    cell: (r) => [el("span", { class: tone(r) }, gained(r)), missing(r.gainLow) ? null : el("span", { class: "ci under" }, between(r.gainLow, r.gainHigh))] },
  { key: "interval", title: "Interval of the gain", class: "whiskers" },
  { key: "rcs", title: "Score", first: "desc", hint: "RCS, Routing Comprehensive Score: solved, on the edge and time saved, as the scenario weighs them; with its 95 % interval", cell: (r) => [number(r.rcs, ofRcs(r.low, r.high)), " ", el("span", { class: "ci" }, `[${number(r.low, ofRcs(r.low, r.high))}, ${number(r.high, ofRcs(r.low, r.high))}]`)] },
  { key: "apsp", title: "Solved", class: "wide", first: "desc", hint: "APSP: share of queries whose delivered answer satisfies, at or above the MES", cell: (r) => percent(r.apsp) },
  { key: "ca", title: "On edge", class: "wide", first: "desc", hint: "CA, Cost Advantage: share answered by the small model", cell: (r) => percent(r.ca) },
  { key: "ail", title: "Seconds", class: "wide", first: "asc", hint: "AIL: mean seconds to an answer, router included", cell: (r) => number(r.ail, 2) },
  { key: "skill", title: "Skill", class: "wide", first: "desc", hint: "How well p orders the queries, whatever the threshold: 1 is the best order, 0 is chance", cell: (r) => number(r.skill, 2) },
  { key: "drop", title: "Lost", class: "wide", first: "asc", hint: "Solved queries lost against all-cloud, in points, when 80 % stay on the edge", cell: (r) => number(missing(r.drop) ? null : 100 * r.drop, 1) }];
const sortable = (key) => COLUMNS.find((c) => c.key === key && c.first);

// Coloured only where the interval of the gain excludes 0.
const tone = (r) => (r.gainLow > 0 ? "up" : !missing(r.gainHigh) && r.gainHigh < 0 ? "down" : null);
const byRank = (a, b) => (a.band ?? Infinity) - (b.band ?? Infinity) || b.rcs - a.rcs || (a.slug < b.slug ? -1 : 1);
function compare({ sort, dir }) {
  const sign = dir === "desc" ? -1 : 1;
  return (a, b) => {
    if (missing(a[sort]) || missing(b[sort])) return missing(a[sort]) - missing(b[sort]) || byRank(a, b);
    return sign * (sort === "name" ? a.name.localeCompare(b.name, "en") : a[sort] - b[sort]) || byRank(a, b);
  };
}
const matches = (r, q) => [r.name, r.slug, ...r.submission.authors, ...r.flags].join("\n").toLowerCase().includes(q.toLowerCase());

// Who submitted a router, and where it is told more.
const byline = (s) => el("div", { class: "by" }, s.authors.length ? [s.authors.map((a, i) => [i ? ", " : "", bidi(a)])] : null, s.url ? [s.authors.length ? " · " : "", el("a", { href: s.url, rel: "noopener noreferrer nofollow ugc" }, "link")] : null);
const opened = (r, actions, from) => el("button", { type: "button", "data-opens": r.slug, onclick: () => actions.select(r.slug, from) }, bidi(r.name));

let lit = "";
function light(slug) {
  if (slug === lit) return;
  lit = slug;
  for (const node of document.querySelectorAll("#rows tr[data-slug], .dot")) node.classList.toggle("lit", node.dataset.slug === slug);
}

const WHISKER = { w: 132, h: 16 }, LEAST = 0.002; // a gain of less must not look like a cliff
function drawTable(state, rows, every, policies, actions) {
  const known = every.filter((r) => !missing(r.gainLow)), noBands = state.track && board.table(state.track, state.scenario)?.noBands;
  const x = scale(Math.min(-LEAST, ...known.map((r) => r.gainLow)), Math.max(LEAST, ...known.map((r) => r.gainHigh)), 6, WHISKER.w - 6);
  const drawn = (h, ...marks) => svg("svg", { width: WHISKER.w, height: h, "aria-hidden": true }, svg("line", { class: "base", x1: x(0), x2: x(0), y1: h - WHISKER.h, y2: h }), marks);
  const whisker = (r) => (missing(r.gainLow) ? null : drawn(WHISKER.h, svg("line", { class: "whisker " + tone(r), x1: x(r.gainLow), x2: x(r.gainHigh), y1: 8, y2: 8 }),
    svg("circle", { class: "whisker-dot " + tone(r), cx: x(r.gain), cy: 8, r: 3.5 })));
  const axis = () => drawn(28, svg("text", { x: x(0), y: 10, "text-anchor": "middle" }, "0"));
  const heading = (c) => (c.first ? el("th", { scope: "col", class: c.class, "aria-sort": state.sort === c.key ? state.dir + "ending" : null },
    el("button", { type: "button", "data-key": c.key, title: c.hint, onclick: () => actions.sort(c) }, c.title))
    : el("th", { scope: "col", class: c.class, "aria-label": c.title }, known.length ? ["95 % interval", axis()] : null));
  fill(document.querySelector("#rows thead"), el("tr", {}, COLUMNS.map(heading)));

  const shared = rows.length ? rows[0].flags.filter((f) => f.includes("latency") && rows.every((r) => r.flags.includes(f))) : [];
  const chips = (r) => [...(r.kind === "query" ? [] : [r.kind]), ...r.flags].filter((f) => !shared.includes(f)).map((f) => el("span", { class: "chip" + (f.includes("latency") ? "" : " warn") }, f));
  const brief = (r) => el("div", { class: "ci brief" }, `${percent(r.apsp)} solved · ${percent(r.ca)} on edge · ${number(r.ail, 2)} s`);
  const cell = (c, r) => (c.key === "name" ? el("th", { scope: "row", class: "name" }, opened(r, actions, "rows"), byline(r.submission), brief(r), el("div", {}, chips(r)))
    : el("td", { class: c.class, "data-key": c.key }, c.cell ? c.cell(r) : whisker(r)));
  const ranked = state.sort === "band" && state.dir === "asc", descending = ranked || (["rcs", "gain"].includes(state.sort) && state.dir === "desc");
  const best = policies.length ? board.bestFixed(policies) : null, lines = [];
  const sizes = new Map(); // of bands
  for (const r of rows) sizes.set(r.band, (sizes.get(r.band) || 0) + 1);
  const whole = (kind, ...text) => el("tr", { class: kind }, el("th", { scope: "rowgroup", colspan: COLUMNS.length }, text));
  const fixedLine = () => el("tr", { class: "line policy-line" }, COLUMNS.map((c) => (c.key === "name" ? el("th", { scope: "row", class: "name" }, `${best.policy}: the best fixed policy`, brief(best))
    : el("td", { class: c.class, "data-key": c.key }, plain.has(c.key) ? plain.get(c.key)(best) : ""))));
  const plain = new Map(Object.entries({ band: () => "–", rcs: (p) => number(p.rcs, 3), gain: (p) => points(p.rcs - best.rcs), apsp: (p) => percent(p.apsp), ca: (p) => percent(p.ca), ail: (p) => number(p.ail, 2) }));
  let band = null, passed = !descending || !best;
  for (const r of rows) {
    if (!passed && r.rcs < best.rcs) { lines.push(fixedLine()); passed = true; }
    if (ranked && !noBands && r.band !== band) lines.push(r.band === null ? whole("group", "No band", el("span", {}, "cannot be compared: no repeat shared with the others")) : whole("group", `Band ${r.band}`, el("span", {}, sizes.get(r.band) > 1 ? `${counted(sizes.get(r.band))} that cannot be told apart` : "told apart from all others")));
    band = r.band;
    lines.push(el("tr", { "data-slug": r.slug, class: r.slug === state.router ? "chosen" : "", onmouseenter: () => light(r.slug), onmouseleave: () => light("") }, COLUMNS.map((c) => cell(c, r))));
  }
  if (!passed && rows.length) lines.push(fixedLine());
  fill(document.querySelector("#rows tbody"), lines);
  fill(document.querySelector("#rows .policies"), policies.map((p) => el("tr", {}, COLUMNS.map((c) => (c.key === "name"
    ? el("th", { scope: "row", class: "name" }, p.policy, brief(p)) : el("td", { class: c.class, "data-key": c.key }, plain.has(c.key) ? plain.get(c.key)(p) : ""))))));
  document.querySelector("#ranking .scroll").classList.toggle("tall", rows.length > 30);
  byId("rows").classList.toggle("paired", known.length > 0);

  const by = sortable(state.sort), order = state.sort === "band" ? "" : `, sorted by ${by.title}, ${state.dir}ending`;
  byId("shown").textContent = (rows.length === every.length ? counted(rows.length) : `${rows.length} of ${counted(every.length)} match “${state.q}”`) + order;
  byId("common").textContent = [shared.length ? `All routers shown: ${shared.join("; ")}.` : "",
    state.domain ? "Intervals of the gain, Skill and Lost are known of whole tracks only." : ""].join(" ").trim();
}
