// Lift: what the order of p solves at every share on the edge, above a coin that mixes the fixed policies. And the errors
// that decisions make: sent up although the small model was enough, kept although it was not.
const LIFTED = 4; // routers drawn at once: colours can be told apart
function drawLift(state, rows, policies, weights, traced) {
  const node = byId("lift"), fixed = board.fixedOf(policies), shown = [...new Set([traced, ...rows])].filter((r) => r?.packed).slice(0, LIFTED);
  if (!shown.length || fixed.length !== 2) return fill(node, el("p", { class: "note" }, fixed.length > 2 ? "Of two models only." : "No threshold curves of this track on the page."));
  const known = board.policies(state.track, state.scenario, ""), whole = board.fixedOf(known), oracle = known[2]; // curves are of the whole track
  const curves = shown.map((r) => [[0, whole[1].apsp], ...board.curve(r.packed, weights).map((p) => [p.ca, p.apsp]), [1, whole[0].apsp]].sort((a, b) => a[0] - b[0]));
  const all = [...curves.flat().map(([, y]) => y), oracle.apsp, ...whole.map((p) => p.apsp)], frame = framed(node);
  const x = scale(0, 1, frame.left, frame.w - frame.right), y = scale(...atLeast(Math.min(...all), Math.max(...all), 0.1), frame.h - frame.bottom, frame.top);
  const chord = (ca) => whole[1].apsp + ca * (whole[0].apsp - whole[1].apsp), at = (curve, ca) => {
    const i = Math.max(1, curve.findIndex(([c]) => c >= ca)), [[a, p], [b, q]] = [curve[i - 1], curve[i]];
    return b > a ? p + ((ca - a) / (b - a)) * (q - p) : q;
  };
  const texts = Array.from({ length: 21 }, (_, k) => k / 20).map((ca) => [x(ca), [`${percent(ca)} on the edge`, ...shown.map((r, i) => `${percent(at(curves[i], ca))} ${r.name}`), `${percent(chord(ca))} a coin`].join("\n")]);
  const [cx, cy] = [x(oracle.ca), y(oracle.apsp)];
  fill(node, readAlong(frame, "Share solved at every share on the edge", texts, axes(x, y, frame, "share on the edge", "queries solved"),
    svg("path", { class: "mix", d: path([[0, whole[1].apsp], [1, whole[0].apsp]].map(([a, b]) => [x(a), y(b)])) }),
    svg("rect", { class: "policy", x: cx - 4.5, y: cy - 4.5, width: 9, height: 9, transform: `rotate(45 ${cx} ${cy})` }), svg("text", { class: "policy-name", x: cx - 10, y: cy + 4, "text-anchor": "end" }, oracle.policy),
    [...curves].reverse().map((curve, i) => svg("path", { class: "line", d: path(curve.map(([a, b]) => [x(a), y(b)])), stroke: PALETTE[curves.length - 1 - i] }))),
  el("div", { class: "key" }, shown.map((r, i) => el("span", { "--k": PALETTE[i] }, bidi(r.name))), el("span", { class: "k-mix" }, "a coin")));
}

const ERROR_ROWS = 12;
function drawErrors(rows) {
  const node = byId("errors"), known = rows.filter((r) => !missing(r.over)).slice(0, ERROR_ROWS), most = Math.max(0.2, ...known.flatMap((r) => [r.over, r.under]));
  const bar = (kind, share) => el("td", { class: kind }, el("i", { "--w": (100 * share) / most + "%" }), el("span", {}, percent(share)));
  const lines = known.map((r) => el("tr", {}, el("th", { scope: "row", class: "name" }, bidi(r.name)), bar("under-kept", r.under), bar("over-sent", r.over)));
  fill(node, known.length ? el("table", { class: "bars", "aria-labelledby": "errors-title" }, el("thead", {}, el("tr", {}, th("Router", true), th("Kept, not enough"), th("Sent, not needed"))), el("tbody", {}, lines)) : el("p", { class: "note" }, "Not known here."));
}
