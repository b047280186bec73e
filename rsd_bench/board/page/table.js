// The ranking. `first`: how a column is sorted before anybody asks for the other way; `wide`: left out on narrow screens.
const COLUMNS = [
  { key: "band", title: "Band", first: "asc", hint: "Routers of one band cannot be told apart", cell: (r) => el("span", { class: "band" }, r.band ?? "–") },
  { key: "name", title: "Router", first: "asc", class: "name" },
  { key: "rcs", title: "RCS", first: "desc", hint: "Routing Comprehensive Score, with its 95 % interval", cell: (r) => [number(r.rcs), " ", el("span", { class: "ci" }, `[${number(r.low, 3)}, ${number(r.high, 3)}]`)] },
  { key: "gain", title: "Gain", first: "desc", hint: "RCS above the best fixed policy; the 95 % interval is of the paired difference",
    cell: (r) => [el("span", { class: tone(r) }, signed(r.gain)), missing(r.gainLow) ? null : el("span", { class: "ci under" }, between(r.gainLow, r.gainHigh))] },
  { key: "interval", title: "Interval of the gain", class: "whiskers" },
  { key: "apsp", title: "APSP", class: "wide", first: "desc", hint: "Share of queries solved", cell: (r) => number(r.apsp, 3) },
  { key: "ca", title: "CA", class: "wide", first: "desc", hint: "Share answered by the small model", cell: (r) => number(r.ca, 3) },
  { key: "ail", title: "AIL s", class: "wide", first: "asc", hint: "Mean seconds to an answer, router included", cell: (r) => number(r.ail, 2) },
  { key: "auroc", title: "AUROC", class: "wide", first: "desc", hint: "How well the router ranks queries by whether the small model is enough", cell: (r) => number(r.auroc, 3) },
  { key: "drop", title: "Drop", class: "wide", first: "asc", hint: "APSP lost against all-cloud with 80 % on the edge", cell: (r) => number(r.drop, 3) }];
const sortable = (key) => COLUMNS.find((c) => c.key === key && c.first);

// Coloured only where the interval of the gain excludes 0.
const tone = (r) => (r.gainLow > 0 ? "up" : !missing(r.gainHigh) && r.gainHigh < 0 ? "down" : null);
const byRank = (a, b) => a.band - b.band || b.rcs - a.rcs || (a.slug < b.slug ? -1 : 1);
function compare({ sort, dir }) {
  const sign = dir === "desc" ? -1 : 1;
  return (a, b) => {
    if (missing(a[sort]) || missing(b[sort])) return missing(a[sort]) - missing(b[sort]) || byRank(a, b);
    return sign * (sort === "name" ? a.name.localeCompare(b.name, "en") : a[sort] - b[sort]) || byRank(a, b);
  };
}
const matches = (r, q) => [r.name, r.slug, ...r.submission.authors, ...r.flags].join("\n").toLowerCase().includes(q.toLowerCase());

const opened = (r, actions, from) => el("button", { type: "button", "data-opens": r.slug, onclick: () => actions.select(r.slug, from) }, bidi(r.name));

let lit = "";
function light(slug) {
  if (slug === lit) return;
  lit = slug;
  for (const node of document.querySelectorAll("#rows tr[data-slug], .dot")) node.classList.toggle("lit", node.dataset.slug === slug);
}

const WHISKER = { w: 132, h: 16 };
function drawTable(state, rows, every, policies, actions) {
  const known = every.filter((r) => !missing(r.gainLow)), best = policies.length ? board.bestFixed(policies).rcs : 0;
  const x = scale(Math.min(0, ...known.map((r) => r.gainLow)), Math.max(0, ...known.map((r) => r.gainHigh)), 6, WHISKER.w - 6);
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
  const brief = (r) => el("div", { class: "ci brief" }, `AIL ${number(r.ail, 2)} s · CA ${number(r.ca, 2)} · APSP ${number(r.apsp, 2)}`);
  const cell = (c, r) => (c.key === "name" ? el("th", { scope: "row", class: "name" }, opened(r, actions, "rows"), brief(r), el("div", {}, chips(r)))
    : el("td", { class: c.class, "data-key": c.key }, c.cell ? c.cell(r) : whisker(r)));
  let last = null;
  fill(document.querySelector("#rows tbody"), rows.map((r) => {
    const opens = state.sort === "band" && last !== null && last !== r.band;
    last = r.band;
    return el("tr", { "data-slug": r.slug, class: (r.slug === state.router ? "chosen " : "") + (opens ? "opens" : ""), onmouseenter: () => light(r.slug), onmouseleave: () => light("") },
      COLUMNS.map((c) => cell(c, r)));
  }));
  const plain = new Map(Object.entries({ band: () => "–", rcs: (p) => number(p.rcs), gain: (p) => signed(p.rcs - best), apsp: (p) => number(p.apsp, 3), ca: (p) => number(p.ca, 3), ail: (p) => number(p.ail, 2) }));
  fill(document.querySelector("#rows .policies"), policies.map((p) => el("tr", {}, COLUMNS.map((c) => (c.key === "name"
    ? el("th", { scope: "row", class: "name" }, p.policy, brief(p)) : el("td", { class: c.class, "data-key": c.key }, plain.has(c.key) ? plain.get(c.key)(p) : ""))))));
  document.querySelector("#ranking .scroll").classList.toggle("tall", rows.length > 30);
  byId("rows").classList.toggle("paired", known.length > 0);

  const by = sortable(state.sort), order = state.sort === "band" ? "" : `, sorted by ${by.title.replace(" s", "")}, ${state.dir}ending`;
  byId("shown").textContent = (rows.length === every.length ? counted(rows.length) : `${rows.length} of ${counted(every.length)} match “${state.q}”`) + order;
  byId("common").textContent = [shared.length ? `All routers shown: ${shared.join("; ")}.` : "",
    state.domain ? "Intervals of the gain, AUROC and Drop are known of whole tracks only." : ""].join(" ").trim();
}
