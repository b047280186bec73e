const PALETTE = ["#2f6fde", "#d9822b", "#1f9d78", "#a35bc7", "#c9405f", "#7c8a1f", "#1899b8", "#8a6239"];
const REST = "#8b939c";

function drawPlane(state, rows, policies, select) {
  const node = byId("plane"), [w, h] = sized(node), pad = { left: 46, right: 18, top: 26, bottom: 44 };
  const every = [...rows, ...policies];
  const span = (of) => { const v = every.map(of), low = Math.min(...v), high = Math.max(...v), m = (high - low) * 0.06 || 0.05; return [low - m, high + m]; };
  const x = scale(...span((r) => r.ail), pad.left, w - pad.right), y = scale(...span((r) => r.apsp), h - pad.bottom, pad.top);
  const policy = Object.fromEntries(policies.map((p) => [p.policy, p]));
  const fixed = [policy["all-edge"], policy["all-cloud"]];
  const front = frontier([...rows, ...fixed]);
  const names = { "all-edge": ["start", 9, 16], "all-cloud": ["end", -9, 16], "rcs-oracle": ["start", 9, -7], "label-oracle": ["start", 9, 16] };
  const same = policy["label-oracle"] && Math.abs(policy["label-oracle"].ail - policy["rcs-oracle"].ail) < 1e-9;
  const shown = policies.filter((p) => !(same && p.policy === "label-oracle"));
  fill(node, svg("svg", { viewBox: `0 0 ${w} ${h}`, role: "group", "aria-label": "Share of queries solved (APSP) against mean latency (AIL) of every router" },
    axes(x, y, w, h, pad, "mean latency AIL, seconds", "queries solved, APSP"),
    svg("path", { class: "mix", d: path(fixed.map((p) => [x(p.ail), y(p.apsp)])) }),
    svg("path", { class: "front", d: path(front.map((p) => [x(p.ail), y(p.apsp)])) }),
    shown.map((p) => { const [anchor, dx, dy] = names[p.policy]; return svg("g", {},
      svg("rect", { class: "policy", x: x(p.ail) - 4.5, y: y(p.apsp) - 4.5, width: 9, height: 9, transform: `rotate(45 ${x(p.ail)} ${y(p.apsp)})` }),
      svg("text", { class: "policy-name", x: x(p.ail) + dx, y: y(p.apsp) + dy, "text-anchor": anchor }, same && p.policy === "rcs-oracle" ? "oracle" : words(p.policy))); }),
    [...rows].reverse().map((r) => svg("circle", { class: "dot" + (r.slug === state.router ? " chosen" : ""), "data-slug": r.slug, cx: x(r.ail), cy: y(r.apsp), r: 6,
      tabindex: 0, role: "button", onclick: () => select(r.slug), onkeydown: (e) => { if (e.key === "Enter" || e.key === " ") { e.preventDefault(); select(r.slug); } },
      ...hinted(rowText(r), () => light(r.slug, true), () => light(r.slug, false)) }))));
}

const rowText = (r) => `${r.name}\nband ${r.band}, RCS ${number(r.rcs)} [${number(r.low)}, ${number(r.high)}]\ngain ${signed(r.gain)} over the best fixed policy\nAPSP ${number(r.apsp, 3)}, CA ${number(r.ca, 3)}, AIL ${number(r.ail, 3)} s`;
function light(slug, on) {
  for (const node of document.querySelectorAll("#rows tr[data-slug], .dot")) if (node.dataset.slug === slug) node.classList.toggle("lit", on);
}

// Upper hull of solved queries over latency: what mixing two rows at random can reach.
function frontier(points) {
  const sorted = [...points].sort((a, b) => a.ail - b.ail || b.apsp - a.apsp), hull = [];
  for (const p of sorted) {
    if (hull.length && p.apsp <= hull[hull.length - 1].apsp) continue;
    while (hull.length > 1) {
      const [a, b] = hull.slice(-2);
      if ((b.apsp - a.apsp) * (p.ail - a.ail) > (p.apsp - a.apsp) * (b.ail - a.ail)) break;
      hull.pop();
    }
    hull.push(p);
  }
  return hull;
}

function drawCurve(row, weights) {
  const node = byId("curve");
  if (!row) return fill(node, el("p", { class: "note" }, "No router entered this track."));
  const [w, h] = sized(node), pad = { left: 46, right: 18, top: 54, bottom: 44 }, points = board.curve(row.packed, weights);
  const x = scale(0, 1.01, pad.left, w - pad.right), y = scale(0, 1, h - pad.bottom, pad.top);
  const line = (k) => svg("path", { class: "line l-" + k, d: path(points.map((p) => [x(p.tau), y(p[k])])) });
  const text = points.map((p) => `τ ${p.tau.toFixed(2)}: APSP ${number(p.apsp, 3)}, CA ${number(p.ca, 3)}, RCS ${number(p.rcs, 3)}`);
  fill(node, svg("svg", { viewBox: `0 0 ${w} ${h}`, role: "group", "aria-label": `APSP, CA and RCS of ${row.name} at every threshold` },
    axes(x, y, w, h, pad, "threshold τ: small model if p ≥ τ", ""),
    [["apsp", "APSP solved"], ["ca", "CA on the edge"], ["rcs", "RCS"]].map(([k, name], i) => svg("text", { class: "t-" + k, x: pad.left + i * 118, y: 16 }, "● " + name)),
    svg("line", { class: "mark", x1: x(row.tau), x2: x(row.tau), y1: pad.top - 8, y2: h - pad.bottom }),
    svg("text", { class: "label", x: x(row.tau), y: pad.top - 10, "text-anchor": row.tau > 0.8 ? "end" : "middle" }, `submitted τ ${+row.tau.toFixed(4)}`),
    ["ca", "apsp", "rcs"].map(line),
    points.map((p, i) => svg("rect", { class: "probe", x: x(p.tau) - 9, y: pad.top, width: 18, height: h - pad.top - pad.bottom, "fill-opacity": 0, onmousemove: (e) => showTip(text[i], e.clientX, e.clientY), onmouseleave: hideTip }))));
}

// Up to 45 % of the tone over the card: text stays readable on every cell, in both themes.
const shade = (gain, most) => Math.round(45 * Math.min(1, Math.abs(gain) / most)) + "%";
const HEAT_ROWS = 40;
function drawHeat(state, order, select) {
  const grid = board.tracks.map((track) => new Map(board.rows(track, state.scenario, "").map((r) => [r.slug, r])));
  const shown = order.slice(0, HEAT_ROWS);
  const most = Math.max(0.01, ...shown.flatMap((r) => grid.map((m) => Math.abs(m.get(r.slug)?.gain || 0))));
  const head = el("tr", {}, el("th", { class: "name", scope: "col" }, "Router"), board.tracks.map((t) => el("th", { scope: "col" }, words(t))));
  const body = shown.map((r) => el("tr", {}, el("th", { class: "name", scope: "row" }, bidi(r.name)), grid.map((m, i) => {
    const at = m.get(r.slug), here = board.tracks[i] === state.track ? " here" : "";
    return at ? el("td", { class: (at.gain >= 0 ? "gains" : "loses") + here, "--k": shade(at.gain, most), title: `${board.tracks[i]}: RCS ${number(at.rcs)}, gain ${signed(at.gain)} [${signed(at.gainLow)}, ${signed(at.gainHigh)}]` }, signed(at.gain, 3))
      : el("td", { class: "none" + here }, "not entered");
  })));
  fill(byId("heat"), el("table", { class: "heat" }, el("caption", { class: "note" }, order.length > shown.length ? `The first ${shown.length} of ${order.length} routers shown above.` : ""), el("thead", {}, head), el("tbody", {}, body)));
}

function colours(names) {
  const colour = new Map();
  names.filter((n) => !n.startsWith("(")).forEach((n, i) => colour.set(n, PALETTE[i] || REST));
  names.filter((n) => n.startsWith("(")).forEach((n, i) => colour.set(n, ["#9aa2ab", "#5f6871"][i % 2]));
  return colour;
}
const nameOf = (slug) => (slug.startsWith("(") ? words(slug.slice(1, -1)) : board.data.submissions.find((s) => s.slug === slug).name);

function drawSimplex(state) {
  const node = byId("simplex"), t = board.table(state.track, state.scenario), here = board.data.scenarios[state.scenario];
  if (!t) return fill(node);
  const [w] = sized(node), side = Math.min(w - 40, 430), h = side * 0.866 + 56, left = (w - side) / 2;
  const at = (a, b, c) => [left + side * (b * 0 + c * 1 + a * 0.5), 28 + side * 0.866 * (1 - a)];
  const points = board.simplex(t, here.mes), shares = t.sensitivity.simplex;
  const names = Object.keys(shares).sort((a, b) => shares[b] - shares[a]), colour = colours(names), r = side / 42;
  const corner = at(1, 0, 0), mark = at(here.alpha, here.beta, here.gamma);
  fill(node, svg("svg", { viewBox: `0 0 ${w} ${h}`, role: "img", "aria-label": "Leading policy over the weights: " + names.map((n) => `${nameOf(n)} ${percent(shares[n])}`).join(", ") },
    points.map(([a, b, c, name]) => { const [px, py] = at(a, b, c); return svg("circle", { cx: px, cy: py, r, fill: colour.get(name), onmousemove: (e) => showTip(`α ${a}, β ${b}, γ ${c}\n${nameOf(name)} leads`, e.clientX, e.clientY), onmouseleave: hideTip }); }),
    svg("circle", { class: "ring", cx: mark[0], cy: mark[1], r: r * 1.5, fill: "none" }),
    svg("text", { class: "label", x: corner[0], y: 14, "text-anchor": "middle" }, "α: solved"),
    svg("text", { class: "label", x: left, y: h - 4, "text-anchor": "start" }, "β: on the edge"),
    svg("text", { class: "label", x: left + side, y: h - 4, "text-anchor": "end" }, "γ: time saved")),
  el("div", { class: "key" }, names.slice(0, 10).map((n) => el("span", { "--k": colour.get(n) }, bidi(nameOf(n)), " " + percent(shares[n])))));
  const fixed = names.filter((n) => n.startsWith("(")).reduce((a, n) => a + shares[n], 0);
  byId("simplex-note").textContent = `MES stays ${here.mes}. The ring marks ${words(state.scenario)} (${here.alpha}, ${here.beta}, ${here.gamma}). Over ${percent(fixed)} of the weights a fixed policy beats every router.`;
}

function drawMes(state) {
  const node = byId("mes"), t = board.table(state.track, state.scenario), here = board.data.scenarios[state.scenario];
  if (!t) return fill(node);
  const { winner, low, high } = t.sensitivity.mes, rows = board.rows(state.track, state.scenario, "");
  const levels = [...new Set(t.frames.flatMap((f) => f.levels))].sort((a, b) => a - b);
  const first = rows.filter((r) => r.slug === winner), others = [...rows].sort((a, b) => b.rcs - a.rcs).filter((r) => r.slug !== winner).slice(0, 4);
  const lines = [...first, ...others].map((r) => [r.slug, r.statistics]).concat(["all-edge", "all-cloud"].map((n) => ["(" + n + ")", t.fixed[n]]));
  const colour = colours(lines.map(([n]) => n)), steps = [];
  for (let m = 1; m <= 100; m++) steps.push(m / 10);
  const values = lines.map(([name, s]) => [name, steps.map((mes) => [mes, board.whatIf(t, s, null, { ...here, mes }).rcs])]);
  const all = values.flatMap(([, v]) => v.map((p) => p[1])), [w, h] = sized(node), pad = { left: 46, right: 18, top: 26, bottom: 44 };
  const x = scale(0, 10, pad.left, w - pad.right), y = scale(Math.min(...all), Math.max(...all), h - pad.bottom, pad.top);
  fill(node, svg("svg", { viewBox: `0 0 ${w} ${h}`, role: "img", "aria-label": byId("mes-note").textContent },
    svg("rect", { class: "span", x: x(low ?? 0), y: pad.top, width: x(high) - x(low ?? 0), height: h - pad.top - pad.bottom }),
    axes(x, y, w, h, pad, "minimal expectation score MES", "RCS"),
    svg("line", { class: "mark", x1: x(here.mes), x2: x(here.mes), y1: pad.top, y2: h - pad.bottom }),
    [...values].reverse().map(([name, v]) => { const p = svg("path", { class: "line", d: path(v.map(([a, b]) => [x(a), y(b)])) }); p.style.stroke = colour.get(name); return p; })),
  el("div", { class: "key" }, lines.map(([n]) => el("span", { "--k": colour.get(n) }, bidi(nameOf(n))))));
  byId("mes-note").textContent = `With the weights of ${words(state.scenario)}, ${nameOf(winner)} stays the first of the routers for any MES ${low === null ? "up to" : "above " + low + " and up to"} ${high}; the scenario asks for ${here.mes}. Scores that occur: ${levels.length > 12 ? levels.length + " levels" : levels.join(", ")}.`;
  node.firstChild.setAttribute("aria-label", byId("mes-note").textContent);
}
