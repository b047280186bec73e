// Quality against latency or cost: every router as a point, with what mixing and equal RCS look like.
const PLACES = [["start", 10, 18], ["start", 10, -8], ["end", -10, 18], ["end", -10, -8], ["start", 12, 5], ["end", -12, 5], ["middle", 0, 26], ["middle", 0, -16]];
const NEAR = 20; // pixels from the pointer within which a point answers

const rowText = (r) => [r.name, `band ${r.band ?? "–"}, RCS ${number(r.rcs, 3)} [${number(r.low, 3)}, ${number(r.high, 3)}]`,
  `${gained(r)} points${missing(r.gainLow) ? "" : " " + between(r.gainLow, r.gainHigh)} over the best fixed policy`,
  `${percent(r.apsp)} solved, ${percent(r.ca)} on the edge, ${number(r.ail, 2)} s`].join("\n");

// Where the name of each mark fits: the first place that meets no other name and as few points as can be.
function named(marks, dots, frame) {
  const taken = [], meets = (a, b) => a[0] < b[2] && b[0] < a[2] && a[1] < b[3] && b[1] < a[3];
  return marks.map(({ text, cx, cy }) => {
    const width = 7.2 * text.length, scored = PLACES.map(([anchor, dx, dy]) => {
      const left = cx + dx - (anchor === "end" ? width : anchor === "middle" ? width / 2 : 0), box = [left, cy + dy - 11, left + width, cy + dy + 3];
      const out = box[0] < frame.left || box[2] > frame.w || box[1] < 0 || box[3] > frame.h - frame.bottom + 4;
      return { anchor, x: cx + dx, y: cy + dy, box, cost: 20 * out + 10 * taken.filter((other) => meets(box, other)).length + dots.filter((d) => meets(box, [d.cx - 6, d.cy - 6, d.cx + 6, d.cy + 6])).length };
    }), best = scored.reduce((a, b) => (b.cost < a.cost ? b : a));
    taken.push(best.box, [cx - 6, cy - 6, cx + 6, cy + 6]);
    return best;
  });
}

// Upper hull of solved queries over x: what mixing two rows at random can reach.
function frontier(points) {
  const sorted = [...points].sort((a, b) => a.x - b.x || b.apsp - a.apsp), hull = [];
  for (const p of sorted) {
    if (hull.length && p.apsp <= hull[hull.length - 1].apsp) continue;
    while (hull.length > 1) {
      const [a, b] = hull.slice(-2);
      if ((b.apsp - a.apsp) * (p.x - a.x) > (p.apsp - a.apsp) * (b.x - a.x)) break;
      hull.pop();
    }
    hull.push(p);
  }
  return hull;
}

function drawPlane(state, rows, policies, w, actions) {
  const node = byId("plane");
  if (!policies.length) return fill(node);
  const seconds = state.by === "seconds", usd = state.usd.split(",").map((text) => amount(text) ?? 0), priced = board.fixedOf(policies).length === 2;
  fill(byId("plane-by"), [["seconds", "latency"], ["usd", "cost"]].map(([key, title]) => el("button", { type: "button", id: "by-" + key, class: "quiet", "aria-pressed": String((key === "seconds") === (seconds || !priced)), disabled: key === "usd" && !priced, onclick: () => actions.by(key) }, title)));
  const costed = (r) => (seconds || !priced ? r.ail : 1000 * ((r.kind === "cascade" ? usd[0] : r.ca * usd[0]) + (1 - r.ca) * usd[1]));
  [rows, policies] = [rows, policies].map((list) => list.map((r) => ({ ...r, x: costed(r) })));
  const frame = framed(node), fixed = board.fixedOf(policies), edge = fixed[0], cloud = fixed[fixed.length - 1], [label, oracle] = policies.slice(-2), best = board.bestFixed(policies);
  const same = Math.abs(label.x - oracle.x) < 1e-9 && Math.abs(label.apsp - oracle.apsp) < 1e-9;
  const shown = same ? [...fixed, { ...oracle, title: "both oracles" }] : policies, pair = fixed.length === 2;
  const span = (of, least) => { const v = [...rows, ...shown].map(of), [low, high] = atLeast(Math.min(...v), Math.max(...v), least), m = (high - low) * 0.07; return [low - m, high + m]; };
  const [from, to] = span((r) => r.x, 0.1), [floor, top] = span((r) => r.apsp, 0.1);
  const x = scale(from, to, frame.left, frame.w - frame.right), y = scale(floor, top, frame.h - frame.bottom, frame.top);
  // Where each query's latency is its model's mean, CA follows from AIL, and RCS is equal along a line.
  const levelKnown = seconds && pair && cloud.ail !== edge.ail, slope = (w.beta / (cloud.ail - edge.ail) + w.gamma / cloud.ail) / w.alpha, level = (ail) => best.apsp + slope * (ail - best.ail);
  const ends = slope > 0 ? [Math.max(from, best.ail + (floor - best.apsp) / slope), Math.min(to, best.ail + (top - best.apsp) / slope)] : [from, to];

  const dots = rows.map((r) => ({ r, cx: x(r.x), cy: y(r.apsp) })), inOrder = [...dots].sort((a, b) => a.cx - b.cx || b.cy - a.cy);
  const first = dots[0], short = first ? first.r.name : "", brief = short.length > 28 ? short.slice(0, 27) + "…" : short;
  const labels = named([...shown.map((p) => ({ text: p.title || p.policy, cx: x(p.x), cy: y(p.apsp) })), ...(first ? [{ text: brief, cx: first.cx, cy: first.cy }] : [])], dots, frame);
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

  const drawing = svg("svg", { viewBox: `0 0 ${frame.w} ${frame.h}`, role: "group", "aria-label": `Share of queries solved (APSP) against ${seconds || !priced ? "mean latency (AIL)" : "cost"} of every router; arrow keys go from point to point`,
    onmousemove: (e) => {
      const dot = nearest(e);
      drawing.classList.toggle("near", Boolean(dot));
      if (dot) { follow = null; showTip(text(dot), e.clientX, e.clientY); light(dot.r.slug); } else leave();
    }, onmouseleave: leave, onclick: (e) => { const dot = nearest(e); if (dot) actions.select(dot.r.slug, "plane"); } },
  axes(x, y, frame, seconds || !priced ? "seconds a query" : "USD per 1,000 queries, at your prices", "queries solved"),
  levelKnown ? svg("path", { class: "equal", d: path(ends.map((ail) => [x(ail), y(level(ail))])) }) : null,
  pair ? svg("path", { class: "mix", d: path([edge, cloud].map((p) => [x(p.x), y(p.apsp)])) }) : null,
  svg("path", { class: "front", d: path(frontier([...rows, ...fixed]).map((p) => [x(p.x), y(p.apsp)])) }),
  [...dots].reverse().map((dot) => dot.node),
  shown.map((p, i) => svg("g", { class: "mark-of" },
    svg("rect", { class: "policy", x: x(p.x) - 4.5, y: y(p.apsp) - 4.5, width: 9, height: 9, transform: `rotate(45 ${x(p.x)} ${y(p.apsp)})` }),
    svg("text", { class: "policy-name", x: labels[i].x, y: labels[i].y, "text-anchor": labels[i].anchor }, p.title || p.policy))),
  first && labels[shown.length].cost < 10 ? svg("text", { class: "label mark-of", x: labels[shown.length].x, y: labels[shown.length].y, "text-anchor": labels[shown.length].anchor }, brief) : null);
  byId("dotted").hidden = !levelKnown;
  fill(node, drawing, el("div", { class: "key" }, el("span", { class: "k-front" }, "best mixtures of rows"), pair ? el("span", { class: "k-mix" }, "mixtures of all-edge and all-cloud") : null,
    levelKnown ? el("span", { class: "k-equal" }, `equal RCS to ${best.policy}, at mean latencies`) : null));
}
