// The sliders of a case, and every router in it: each with the decisions, for one scenario or another, that serve best.
const SLIDERS = [["mes", "Lowest score that satisfies, MES", 10, 0.1], ["alpha", "Solved queries, α", 1, 0.01], ["beta", "Kept on the edge, β", 1, 0.01], ["gamma", "Time saved, γ", 1, 0.01]];
const IF_ROWS = 14;

function makeSliders(onchange, reset) {
  fill(byId("sliders"), SLIDERS.map(([key, title, max, step]) => el("div", { class: "slider" }, el("label", { for: "if-" + key }, title),
    el("output", { id: "out-" + key, for: "if-" + key, "aria-live": "off" }), el("input", { id: "if-" + key, type: "range", min: 0, max, step, oninput: onchange }))));
  fill(byId("if-back"), el("button", { type: "button", class: "quiet", onclick: reset }, "Back to the scenario"));
}
const slid = () => SLIDERS.map(([key]) => Number(byId("if-" + key).value));
function slidersTo(values) { SLIDERS.forEach(([key], i) => { byId("if-" + key).value = values[i]; }); }
// The three weights as they count; all 0 is as good as all equal.
function scaled([mes, ...raw]) {
  const total = raw.reduce((a, b) => a + b, 0), [alpha, beta, gamma] = raw.map((v) => (total > 0 ? v / total : 1 / 3));
  return { mes, alpha, beta, gamma };
}
function drawSliders(moved) {
  const w = scaled(slid());
  for (const [key] of SLIDERS) {
    const input = byId("if-" + key), digits = key === "mes" ? 1 : 2, own = Number(input.value).toFixed(digits), counts = w[key].toFixed(digits);
    byId("out-" + key).textContent = own === counts ? own : `${own} → ${counts}`;
    input.setAttribute("aria-valuetext", counts);
  }
  byId("if-back").hidden = !moved;
}

// Highest first; what is equal to nine decimals shares a place. Fixed policies take none.
function placed(list) {
  const rcs = (r) => board.round9(r.rcs), sorted = [...list].sort((a, b) => rcs(b) - rcs(a) || (a.slug < b.slug ? -1 : 1));
  const routers = sorted.filter((r) => !r.fixed);
  return sorted.map((r) => ({ ...r, place: r.fixed ? null : 1 + routers.findIndex((other) => rcs(other) === rcs(r)) }));
}

function drawEvery(found, c) {
  const worth = (p) => c.beta * p.ca + c.gamma * (1 - p.ail / p.large), [edge] = found.policies, floor = worth(edge);
  byId("if-refused").textContent = c.alpha <= floor ? `A scenario with these weights would be refused: α ${c.alpha.toFixed(2)} is not above ${floor.toFixed(2)}, so all-edge beats all-cloud whatever the answers are worth.` : "";
  const serves = new Map();
  for (const r of found.routers) if (!serves.has(r.slug) || board.round9(r.rcs) > board.round9(serves.get(r.slug).rcs)) serves.set(r.slug, r);
  const line = (r) => el("tr", { "data-slug": r.slug, "data-rcs": r.rcs, class: r.fixed ? "policies" : "" }, el("td", {}, r.fixed ? "–" : r.place), el("th", { scope: "row", class: "name" }, bidi(r.name)),
    el("td", { class: "wide" }, r.fixed ? "" : words(r.scenario)), el("td", {}, number(r.rcs, 3)), el("td", {}, percent(r.apsp)), el("td", {}, percent(r.ca)), el("td", { class: "wide" }, number(r.ail, 2)), el("td", { class: "wide" }, number(r.usd, 2)));
  const lines = placed([...serves.values(), ...found.policies.map((p) => ({ ...p, slug: `(${p.name})` }))]).map(line), rest = lines.length - IF_ROWS;
  const heads = [["Place"], ["Router"], ["Decided for", "wide"], ["RCS"], ["Solved"], ["On edge"], ["Seconds", "wide"], ["USD per 1,000", "wide"]];
  fill(byId("if-rows"), el("thead", {}, el("tr", {}, heads.map(([title, kind], i) => el("th", { scope: "col", class: i === 1 ? "name" : kind }, title)))),
    el("tbody", {}, lines.slice(0, IF_ROWS)), rest > 0 ? el("tfoot", {}, el("tr", {}, el("td", { class: "name note", colspan: 8 }, `and ${rest} more`))) : null);
}
