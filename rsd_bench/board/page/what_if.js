// What if the user wanted something else? Four sliders over the sufficient statistics of every router.
const SLIDERS = [["mes", "MES", 10, 0.1, "answers scored below this do not satisfy"], ["alpha", "α: solved queries", 1, 0.01], ["beta", "β: kept on the edge", 1, 0.01], ["gamma", "γ: time saved", 1, 0.01]];
const IF_ROWS = 14;

function makeSliders(onchange, reset) {
  fill(byId("sliders"), SLIDERS.map(([key, title, max, step, hint]) => el("div", { class: "slider" }, el("label", { for: "if-" + key }, title, hint ? el("span", { class: "note" }, " " + hint) : null),
    el("output", { id: "out-" + key, for: "if-" + key, "aria-live": "off" }), el("input", { id: "if-" + key, type: "range", min: 0, max, step, oninput: onchange }))),
  el("p", { class: "note" }, "The three weights are scaled to sum to 1. No intervals here: small differences are noise."),
  el("p", { id: "if-refused", class: "note", role: "status" }), el("button", { type: "button", class: "quiet", onclick: reset }, "Back to the scenario"));
}
const slid = () => SLIDERS.map(([key]) => Number(byId("if-" + key).value));
function slidersTo(values) { SLIDERS.forEach(([key], i) => { byId("if-" + key).value = values[i]; }); }
// The three weights as they count; all 0 is as good as all equal.
function scaled([mes, ...raw]) {
  const total = raw.reduce((a, b) => a + b, 0), [alpha, beta, gamma] = raw.map((v) => (total > 0 ? v / total : 1 / 3));
  return { mes, alpha, beta, gamma };
}

// Highest first; what is equal to nine decimals shares a place. Fixed policies take none.
function placed(list) {
  const rcs = (r) => board.round9(r.rcs), sorted = [...list].sort((a, b) => rcs(b) - rcs(a) || (a.slug < b.slug ? -1 : 1));
  const routers = sorted.filter((r) => !r.fixed);
  return sorted.map((r) => ({ ...r, place: r.fixed ? null : 1 + routers.findIndex((other) => rcs(other) === rcs(r)) }));
}

function drawWhatIf(state) {
  const t = board.table(state.track, state.scenario), w = scaled(slid());
  for (const [key] of SLIDERS) {
    const input = byId("if-" + key), digits = key === "mes" ? 1 : 2, own = Number(input.value).toFixed(digits), counts = w[key].toFixed(digits);
    byId("out-" + key).textContent = own === counts ? own : `${own} → ${counts}`;
    input.setAttribute("aria-valuetext", counts);
  }
  if (!t) return fill(byId("if-rows"));
  const rows = board.rows(state.track, state.scenario, state.domain), before = new Map(placed(rows).map((r) => [r.slug, r.place]));
  const fixed = [...t.fixed].map(([name, statistics]) => ({ slug: `(${name})`, name, fixed: true, ...board.whatIf(t, statistics, state.domain, w) }));
  const worth = (p) => w.beta * p.ca + w.gamma * (1 - p.ail / p.large), last = fixed[fixed.length - 1].name;
  const cheap = fixed.slice(0, -1).reduce((a, b) => (worth(b) > worth(a) ? b : a)), floor = worth(cheap);
  byId("if-refused").textContent = w.alpha <= floor ? `A scenario with these weights would be refused: α ${w.alpha.toFixed(2)} is not above ${floor.toFixed(2)}, so ${cheap.name} beats ${last} whatever the answers are worth.` : "";
  const line = (r) => {
    const moved = r.fixed ? 0 : before.get(r.slug) - r.place;
    return el("tr", { "data-slug": r.slug, "data-rcs": r.rcs, class: r.fixed ? "policies" : "" }, el("td", {}, r.fixed ? "–" : r.place), el("th", { scope: "row", class: "name" }, bidi(r.name)),
      el("td", {}, number(r.rcs)), el("td", {}, number(r.apsp, 3)), el("td", { class: "moved" }, moved > 0 ? "▲ " + moved : moved < 0 ? "▼ " + -moved : ""));
  };
  const lines = placed([...rows.map((r) => ({ ...r, ...board.whatIf(t, r.statistics, state.domain, w) })), ...fixed]).map(line), rest = lines.length - IF_ROWS;
  fill(byId("if-rows"), el("thead", {}, el("tr", {}, ["Place", "Router", "RCS", "APSP", "Moved"].map((title, i) => th(title, i === 1)))),
    el("tbody", {}, lines.slice(0, IF_ROWS)), rest > 0 ? el("tfoot", {}, el("tr", {}, el("td", { class: "name note", colspan: 5 }, `and ${rest} more`))) : null);
}
