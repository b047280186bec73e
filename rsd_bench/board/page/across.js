// The threshold curve of one router, and all routers over all tracks.
function drawCurve(row, weights) {
  const node = byId("curve");
  if (!row) return fill(node);
  if (!row.packed) return fill(node, el("p", { class: "note" }, "The page holds threshold curves of the suite only. That of this track: ", el("a", { href: `results/${row.slug}.json` }, `results/${row.slug}.json`), "."));
  const frame = framed(node, 54), points = board.curve(row.packed, weights);
  const x = scale(0, 1.01, frame.left, frame.w - frame.right), y = scale(0, 1, frame.h - frame.bottom, frame.top), chosen = !missing(row.tau), at = chosen ? x(row.tau) : 0;
  const KINDS = [["apsp", "APSP solved"], ["ca", "CA on the edge"], ["rcs", "RCS"]];
  const texts = points.map((p) => [x(p.tau), `τ ${p.tau.toFixed(2)}: APSP ${number(p.apsp, 3)}, CA ${number(p.ca, 3)}, RCS ${number(p.rcs, 3)}`]);
  fill(node, readAlong(frame, `APSP, CA and RCS of ${row.name} at every threshold`, texts,
    axes(x, y, frame, "threshold τ: small model if p ≥ τ", ""),
    KINDS.map(([k, name], i) => svg("text", { class: "t-" + k, x: frame.left + i * 118, y: 16 }, "● " + name)),
    chosen && svg("line", { class: "mark", x1: at, x2: at, y1: frame.top - 8, y2: frame.h - frame.bottom }),
    chosen && svg("text", { class: "label", x: at, y: frame.top - 10, "text-anchor": row.tau > 0.8 ? "end" : "middle" }, `submitted τ ${+row.tau.toFixed(4)}`),
    ["ca", "apsp", "rcs"].map((k) => svg("path", { class: "line l-" + k, d: path(points.map((p) => [x(p.tau), y(p[k])])) }))));
}

// Up to 45 % of the tone over the card: text stays readable on every cell, in both themes.
const shade = (gain, most) => Math.round(45 * Math.min(1, Math.abs(gain) / most)) + "%";
const HEAT_ROWS = 40, TONES = new Map([["up", "gains"], ["down", "loses"]]);
function drawHeat(state, order, actions) {
  const groups = grouped(), tracks = groups.flatMap(([, , of]) => of);
  const grid = tracks.map((track) => new Map(board.rows(track, state.scenario, "").map((r) => [r.slug, r])));
  const shown = order.slice(0, HEAT_ROWS), here = (i) => (tracks[i] === state.track ? " here" : "");
  const most = Math.max(0.01, ...shown.flatMap((r) => grid.map((m) => Math.abs(m.get(r.slug)?.gain || 0))));
  const cell = (r, i) => (r ? el("td", { class: (TONES.get(tone(r)) || "") + here(i), "--k": shade(r.gain, most),
    title: `${titled(tracks[i])}: ${gained(r)} points ${between(r.gainLow, r.gainHigh)}, score ${number(r.rcs, 3)}` }, points(r.gain)) : el("td", { class: "none" + here(i) }, "not entered"));
  const lines = shown.map((r) => el("tr", {}, el("th", { class: "name", scope: "row" }, opened(r, actions, "heat")), grid.map((m, i) => cell(m.get(r.slug), i))));
  const ramp = el("div", { class: "ramp" }, el("span", {}, points(-most)), el("i"), el("span", {}, points(most)));
  fill(byId("heat"), el("table", { class: "heat", "aria-labelledby": "heat-title" },
    el("thead", {}, el("tr", {}, el("td"), groups.map(([, title, of]) => el("th", { scope: "colgroup", colspan: of.length }, title))), el("tr", {}, th("Router", true), tracks.map((t) => th(titled(t))))), el("tbody", {}, lines)));
  fill(byId("heat-key"), ramp, order.length > shown.length ? ` The first ${shown.length} of ${order.length} routers shown above.` : "");
}
