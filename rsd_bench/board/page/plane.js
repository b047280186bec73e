// Quality against latency: every router as a point, with what mixing and equal RCS look like.
const LABELS = new Map([["all-edge", ["start", 10, 18]], ["all-cloud", ["end", -10, 18]], ["rcs-oracle", ["start", 10, -7]], ["label-oracle", ["start", 10, 18]]]);
const NEAR = 20; // pixels from the pointer within which a point answers

const rowText = (r) => [r.name, `band ${r.band ?? "–"}, RCS ${number(r.rcs, 3)} [${number(r.low, 3)}, ${number(r.high, 3)}]`,
  `${gained(r)} points${missing(r.gainLow) ? "" : " " + between(r.gainLow, r.gainHigh)} over the best fixed policy`,
  `${percent(r.apsp)} solved, ${percent(r.ca)} on the edge, ${number(r.ail, 2)} s`].join("\n");

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

function drawPlane(state, rows, policies, w, actions) {
  const node = byId("plane");
  if (!policies.length) return fill(node);
  const frame = framed(node), fixed = board.fixedOf(policies), edge = fixed[0], cloud = fixed[fixed.length - 1], [label, oracle] = policies.slice(-2), best = board.bestFixed(policies);
  const same = Math.abs(label.ail - oracle.ail) < 1e-9 && Math.abs(label.apsp - oracle.apsp) < 1e-9;
  const shown = same ? [...fixed, { ...oracle, title: "both oracles" }] : policies, pair = fixed.length === 2;
  const span = (of) => { const v = [...rows, ...shown].map(of), low = Math.min(...v), high = Math.max(...v), m = (high - low) * 0.06 || 0.05; return [low - m, high + m]; };
  const [from, to] = span((r) => r.ail), [floor, top] = span((r) => r.apsp);
  const x = scale(from, to, frame.left, frame.w - frame.right), y = scale(floor, top, frame.h - frame.bottom, frame.top);
  // Where each query's latency is its model's mean, CA follows from AIL, and RCS is equal along a line.
  const levelKnown = pair && cloud.ail !== edge.ail, slope = (w.beta / (cloud.ail - edge.ail) + w.gamma / cloud.ail) / w.alpha, level = (ail) => best.apsp + slope * (ail - best.ail);
  const ends = slope > 0 ? [Math.max(from, best.ail + (floor - best.apsp) / slope), Math.min(to, best.ail + (top - best.apsp) / slope)] : [from, to];

  const dots = rows.map((r) => ({ r, cx: x(r.ail), cy: y(r.apsp) })), inOrder = [...dots].sort((a, b) => a.cx - b.cx || b.cy - a.cy);
  const apart = (a, cx, cy) => Math.hypot(a.cx - cx, a.cy - cy);
  const text = (dot) => {
    const beside = dots.filter((other) => other !== dot && apart(other, dot.cx, dot.cy) < 7).map((other) => other.r.name);
    return rowText(dot.r) + (beside.length ? `\nAlso here: ${beside.slice(0, 5).join(", ")}${beside.length > 5 ? ` and ${beside.length - 5} more` : ""}` : "");
  };
  const nearest = (event) => {
    const [px, py] = pointed(event, drawing, frame), found = dots.reduce((a, b) => (!a || apart(b, px, py) < apart(a, px, py) ? b : a), null);
    return found && apart(found, px, py) < NEAR ? found : null;
  };
  const leave = () => { hideTip(); light(""); };
  const step = new Map([["ArrowRight", 1], ["ArrowUp", 1], ["ArrowLeft", -1], ["ArrowDown", -1]]);
  const press = (dot) => (event) => {
    if (event.key === "Enter" || event.key === " ") { event.preventDefault(); actions.select(dot.r.slug, "plane"); }
    if (!step.has(event.key)) return;
    event.preventDefault();
    const next = inOrder[(inOrder.indexOf(dot) + step.get(event.key) + inOrder.length) % inOrder.length];
    dot.node.setAttribute("tabindex", -1);
    next.node.setAttribute("tabindex", 0);
    next.node.focus();
  };
  const start = dots.find((d) => d.r.slug === state.router) || dots[0];
  for (const dot of dots) dot.node = svg("circle", { class: "dot" + (dot.r.slug === state.router ? " chosen" : ""), "data-slug": dot.r.slug, "data-opens": dot.r.slug, cx: dot.cx, cy: dot.cy, r: 6,
    tabindex: dot === start ? 0 : -1, role: "button", "aria-label": text(dot).replaceAll("\n", ", "), onkeydown: press(dot), onblur: leave,
    onfocus: () => { tipAt(dot.node, text(dot)); light(dot.r.slug); } });

  const drawing = svg("svg", { viewBox: `0 0 ${frame.w} ${frame.h}`, role: "group", "aria-label": "Share of queries solved (APSP) against mean latency (AIL) of every router; arrow keys go from point to point",
    onmousemove: (e) => {
      const dot = nearest(e);
      drawing.classList.toggle("near", Boolean(dot));
      if (dot) { follow = null; showTip(text(dot), e.clientX, e.clientY); light(dot.r.slug); } else leave();
    }, onmouseleave: leave, onclick: (e) => { const dot = nearest(e); if (dot) actions.select(dot.r.slug, "plane"); } },
  axes(x, y, frame, "mean latency AIL, seconds", "queries solved, APSP"),
  levelKnown ? svg("path", { class: "equal", d: path(ends.map((ail) => [x(ail), y(level(ail))])) }) : null,
  pair ? svg("path", { class: "mix", d: path([edge, cloud].map((p) => [x(p.ail), y(p.apsp)])) }) : null,
  svg("path", { class: "front", d: path(frontier([...rows, ...fixed]).map((p) => [x(p.ail), y(p.apsp)])) }),
  [...dots].reverse().map((dot) => dot.node),
  shown.map((p) => { const [anchor, dx, dy] = LABELS.get(p.policy) || ["start", 10, 18], cx = x(p.ail), cy = y(p.apsp); return svg("g", { class: "mark-of" },
    svg("rect", { class: "policy", x: cx - 4.5, y: cy - 4.5, width: 9, height: 9, transform: `rotate(45 ${cx} ${cy})` }),
    svg("text", { class: "policy-name", x: cx + dx, y: cy + dy, "text-anchor": anchor }, p.title || p.policy)); }));
  fill(node, drawing, el("div", { class: "key" }, el("span", { class: "k-front" }, "best mixtures of rows"), pair ? el("span", { class: "k-mix" }, "mixtures of all-edge and all-cloud") : null,
    levelKnown ? el("span", { class: "k-equal" }, `equal RCS to ${best.policy}, at mean latencies`) : null));
}
