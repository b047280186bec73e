// How much of the ranking is the scenario's choice: who leads over the weights, and over the expectation.
const PALETTE = ["#2f6fde", "#c8741c", "#1f9d78", "#d04a92", "#7c8a1f", "#1689a8", "#c9405f", "#96693a"];
const POLICY = new Map([["(all-edge)", "var(--policy)"], ["(all-cloud)", "var(--ink)"]]); // a slug may be "constructor"

const nameOf = (slug) => (slug.startsWith("(") ? slug.slice(1, -1) : board.data.submissions.find((s) => s.slug === slug).name);
const keyed = (names, colour, text) => el("div", { class: "key" }, names.map((n) => el("span", { "--k": colour(n) }, bidi(nameOf(n)), text(n))));

const leading = (shares) => [...shares].sort((a, b) => b[1] - a[1]).map(([name]) => name);

// A colour a name, the same in both drawings of a view: routers in order of their share, then of the ranking.
function colours(shares, rows) {
  const leaders = leading(shares), all = new Set([...leaders, ...rows.map((r) => r.slug)].filter((n) => !POLICY.has(n)));
  const at = new Map([...all].map((name, i) => [name, PALETTE[i] || "var(--soft)"]));
  return (name) => POLICY.get(name) || at.get(name) || "var(--policy)";
}

function drawSensitivity(state) {
  const t = board.table(state.track, state.scenario);
  for (const id of ["simplex", "mes"]) fill(byId(id));
  if (!t) return;
  const rows = board.rows(state.track, state.scenario, "").sort(byRank), colour = colours(t.simplex, rows);
  const scope = state.domain ? `Whole track, not only ${words(state.domain)}. ` : "";
  drawSimplex(state, t, colour, scope);
  drawMes(state, t, rows, colour, scope);
}

function drawSimplex(state, t, colour, scope) {
  const node = byId("simplex"), here = board.data.scenarios.get(state.scenario), shares = t.simplex;
  const { w } = framed(node), side = Math.min(w - 40, 430), h = side * 0.866 + 56, left = (w - side) / 2, r = side / 42;
  const at = (a, c) => [left + side * (c + a * 0.5), 28 + side * 0.866 * (1 - a)], mark = at(here.alpha, here.gamma);
  const names = leading(shares), fixed = names.filter((n) => n.startsWith("(")).reduce((a, n) => a + shares.get(n), 0);
  const point = ([a, b, c, name]) => { const [cx, cy] = at(a, c); return svg("circle", { cx, cy, r, fill: colour(name),
    onmousemove: (e) => showTip(`α ${a}, β ${b}, γ ${c}\n${nameOf(name)} leads`, e.clientX, e.clientY), onmouseleave: hideTip }); };
  fill(node, svg("svg", { viewBox: `0 0 ${w} ${h}`, role: "img", "aria-label": "Leading policy over the weights: " + names.map((n) => `${nameOf(n)} ${percent(shares.get(n))}`).join(", ") },
    board.simplex(t, here.mes).map(point), svg("circle", { class: "ring", cx: mark[0], cy: mark[1], r: r * 1.5 }),
    svg("text", { class: "label", x: at(1, 0)[0], y: 14, "text-anchor": "middle" }, "α: solved"),
    svg("text", { class: "label", x: left, y: h - 4, "text-anchor": "start" }, "β: on the edge"),
    svg("text", { class: "label", x: left + side, y: h - 4, "text-anchor": "end" }, "γ: time saved")),
  keyed(names.slice(0, 10), colour, (n) => " " + percent(shares.get(n))));
  byId("simplex-note").textContent = `${scope}MES stays ${here.mes}. The ring marks ${words(state.scenario)} (${here.alpha}, ${here.beta}, ${here.gamma}). In ${percent(fixed)} of the weights a fixed policy is at least as good as every router.`;
}

const MES_STEPS = Array.from({ length: 100 }, (_, i) => (i + 1) / 10);
function drawMes(state, t, rows, colour, scope) {
  const node = byId("mes"), here = board.data.scenarios.get(state.scenario), { winner, low, high } = t.mes;
  const fixed = board.bestFixed(board.policies(state.track, state.scenario, "")).policy, levels = [...new Set(t.frames.flatMap((f) => f.levels))].sort((a, b) => a - b);
  const chosen = [...rows].sort((a, b) => (b.slug === winner) - (a.slug === winner) || b.rcs - a.rcs).slice(0, 5);
  const lines = [...chosen.map((r) => [r.slug, r.statistics]), [`(${fixed})`, t.fixed.get(fixed)]].map(([name, s]) => [name, MES_STEPS.map((mes) => board.whatIf(t, s, null, { ...here, mes }).rcs)]);
  const all = lines.flatMap(([, v]) => v), frame = framed(node);
  const x = scale(0, 10, frame.left, frame.w - frame.right), y = scale(...atLeast(Math.min(...all), Math.max(...all), 0.1), frame.h - frame.bottom, frame.top);
  // RCS is constant between levels of the scores and falls just above one.
  const steps = (values) => values.map((v, i) => (i ? `V${y(v).toFixed(1)}` : `M${x(0)} ${y(v).toFixed(1)}`) + `H${x(MES_STEPS[i]).toFixed(1)}`).join("");
  const texts = MES_STEPS.map((mes, i) => [x(mes), [`MES ${mes.toFixed(1)}`, ...lines.map(([n, v]) => [v[i], nameOf(n)]).sort((a, b) => b[0] - a[0]).map(([v, n]) => `${number(v)} ${n}`)].join("\n")]);
  byId("mes-note").textContent = `${scope}With the weights of ${words(state.scenario)}, ${nameOf(winner)} stays the first of the routers for any MES ${low === null ? "up to" : `above ${low} and up to`} ${high}; the scenario asks for ${here.mes}. Scores that occur: ${levels.length > 12 ? levels.length + " levels" : levels.join(", ")}.`;
  fill(node, readAlong(frame, "RCS of the first routers and the best fixed policy at every MES", texts,
    svg("rect", { class: "span", x: x(low ?? 0), y: frame.top, width: x(high) - x(low ?? 0), height: frame.h - frame.top - frame.bottom }),
    axes(x, y, frame, "minimal expectation score MES", "RCS"),
    svg("line", { class: "mark", x1: x(here.mes), x2: x(here.mes), y1: frame.top, y2: frame.h - frame.bottom }),
    [...lines].reverse().map(([name, v]) => svg("path", { class: "line" + (name === winner ? " winner" : ""), d: steps(v), stroke: colour(name) }))),
  keyed(lines.map(([n]) => n), colour, () => ""));
}
