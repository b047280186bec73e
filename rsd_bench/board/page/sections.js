const COLUMNS = [
  { key: "band", title: "Band", hint: "Routers of one band cannot be told apart", cell: (r) => el("span", { class: "band" }, r.band) },
  { key: "name", title: "Router", class: "name", text: true },
  { key: "rcs", title: "RCS", down: true, cell: (r) => [number(r.rcs), " ", el("span", { class: "ci" }, `[${number(r.low, 3)}, ${number(r.high, 3)}]`)] },
  { key: "low", title: "95 %", class: "wide", down: true, hint: "The interval; the line marks the best fixed policy", whisker: true },
  { key: "gain", title: "Gain", down: true, hint: "RCS above the best fixed policy", cell: (r) => el("span", { class: r.gain >= 0 ? "up" : "down", title: r.gainLow === null ? null : `[${signed(r.gainLow)}, ${signed(r.gainHigh)}]` }, signed(r.gain)) },
  { key: "apsp", title: "APSP", class: "wide", down: true, hint: "Share of queries solved", cell: (r) => number(r.apsp, 3) },
  { key: "ca", title: "CA", class: "wide", down: true, hint: "Share answered by the small model", cell: (r) => number(r.ca, 3) },
  { key: "ail", title: "AIL s", class: "wide", hint: "Mean seconds to an answer, router included", cell: (r) => number(r.ail, 2) },
  { key: "auroc", title: "AUROC", class: "wide", down: true, cell: (r) => number(r.auroc, 3) },
  { key: "drop", title: "Drop", class: "wide", hint: "APSP lost against all-cloud with 80 % on the edge", cell: (r) => number(r.drop, 3) }];

function compare(state) {
  const sign = state.dir === "desc" ? -1 : 1, key = state.sort;
  const missing = (v) => v === null || v === undefined;
  return (a, b) => {
    if (missing(a[key]) || missing(b[key])) return missing(a[key]) - missing(b[key]);
    const d = key === "name" ? a.name.localeCompare(b.name, "en") : a[key] - b[key];
    return sign * d || b.rcs - a.rcs || (a.slug < b.slug ? -1 : 1);
  };
}
const matches = (r, q) => [r.name, r.slug, ...r.submission.authors, ...r.flags].join("\n").toLowerCase().includes(q.toLowerCase());

function drawTable(state, rows, policies, best, actions) {
  const all = [...rows, ...policies], low = Math.min(...all.map((r) => r.low ?? r.rcs)), high = Math.max(...all.map((r) => r.high ?? r.rcs));
  const x = scale(low, high, 4, 116);
  const whisker = (r) => svg("svg", { width: 120, height: 16, "aria-hidden": true }, svg("line", { class: "base", x1: x(best), x2: x(best), y1: 0, y2: 16 }),
    r.low === undefined ? null : svg("line", { class: "whisker", x1: x(r.low), x2: x(r.high), y1: 8, y2: 8 }), svg("circle", { class: "whisker-dot", cx: x(r.rcs), cy: 8, r: 3.5 }));
  const head = COLUMNS.map((c) => el("th", { scope: "col", class: c.class, "aria-sort": state.sort === c.key ? (state.dir === "desc" ? "descending" : "ascending") : null },
    el("button", { type: "button", "data-key": c.key, title: c.hint, onclick: () => actions.sort(c) }, c.title)));
  fill(document.querySelector("#rows thead"), el("tr", {}, head));
  const common = rows.length ? rows[0].flags.filter((f) => f.includes("latency") && rows.every((r) => r.flags.includes(f))) : [];
  const chips = (r) => r.flags.filter((f) => !common.includes(f)).map((f) => el("span", { class: "chip" + (f.includes("latency") ? "" : " warn") }, f));
  byId("common").textContent = common.length ? "All routers shown: " + common.join("; ") + "." : "";
  const cell = (c, r) => el("td", { class: c.class }, c.whisker ? whisker(r) : c.text ? [el("button", { type: "button", onclick: () => actions.select(r.slug) }, bidi(r.name)), el("div", {}, chips(r))] : c.cell(r));
  let last = null;
  fill(document.querySelector("#rows tbody"), rows.map((r) => {
    const opens = state.sort === "band" && last !== null && last !== r.band;
    last = r.band;
    return el("tr", { "data-slug": r.slug, class: (r.slug === state.router ? "chosen " : "") + (opens ? "opens" : ""), onmouseenter: () => light(r.slug, true), onmouseleave: () => light(r.slug, false) }, COLUMNS.map((c) => cell(c, r)));
  }));
  const plain = { band: () => "–", name: (p) => words(p.policy), rcs: (p) => number(p.rcs), low: whisker, gain: (p) => signed(p.rcs - best), apsp: (p) => number(p.apsp, 3), ca: (p) => number(p.ca, 3), ail: (p) => number(p.ail, 2) };
  fill(document.querySelector("#rows .policies"), policies.map((p) => el("tr", {}, COLUMNS.map((c) => el("td", { class: c.class }, plain[c.key] ? plain[c.key](p) : "")))));
}

function drawHeadline(state, rows, policies) {
  const card = (title, value, text) => el("div", { class: "card" }, el("small", {}, title), el("b", {}, value), el("span", {}, text));
  const top = [...rows].sort((a, b) => a.band - b.band || b.rcs - a.rcs)[0];
  if (!top) return fill(byId("headline"), card("Routers", "none yet", "No router entered this track."));
  const shared = rows.filter((r) => r.band === 1).length, fixed = policies.slice(0, 2).sort((a, b) => b.rcs - a.rcs)[0], oracle = policies[3];
  const better = rows.filter((r) => r.gain > 0).length, recovered = (top.rcs - fixed.rcs) / (oracle.rcs - fixed.rcs), noise = board.data.noise?.[state.scenario];
  fill(byId("headline"),
    card(shared > 1 ? `${shared} routers share the first band` : "First", bidi(top.name), `RCS ${number(top.rcs)} [${number(top.low, 3)}, ${number(top.high, 3)}]`),
    card("Over the best fixed policy", signed(top.gain), `${words(fixed.policy)} scores ${number(fixed.rcs)}; ${better} of ${counted(rows.length)} score more`),
    card("Head room used", recovered > 0 && Number.isFinite(recovered) ? (recovered * 100).toFixed(0) + " %" : "none", `of the way from the best fixed policy to the oracle, ${number(oracle.rcs)}`),
    noise ? card("Noise ceiling of the labels", percent(noise.agreement_ceiling), `no router can agree with more labels: ${percent(noise.flip_prob)} flip when judged again`) : null);
}

function drawDetail(state, row, close) {
  const node = byId("detail");
  node.hidden = !row;
  if (!row) return fill(node);
  const s = row.submission, d = board.data, t = board.table(state.track, state.scenario), weights = d.scenarios[state.scenario];
  const pairs = [["Authors", s.authors.map((a, i) => [i ? ", " : "", bidi(a)])], ["About", s.description ? bidi(s.description) : "–"],
    ["Link", s.url ? el("a", { href: s.url, rel: "noopener noreferrer nofollow ugc" }, s.url) : "–"],
    ["Threshold τ", +row.tau.toFixed(4)], ["Router latency", `${s.latency} s, ${s.basis}, on `, bidi(s.hardware)],
    ["Flags", row.flags.length ? row.flags.join("; ") : "none"], ["Calibration", `Brier ${number(row.brier, 3)}, ECE ${number(row.ece, 3)}, area under APSP over CA ${number(row.area, 3)}`],
    ["Data", `${d.dataset.name} ${d.dataset.version}, manifest ${d.dataset.manifest_sha256.slice(0, 12)}, metrics version ${d.versions.metrics}`]];
  const domains = t.frames.map((f) => ({ ...f, ...board.rows(state.track, state.scenario, f.domain).find((r) => r.slug === row.slug) }));
  fill(node, el("header", {}, el("h2", { id: "detail-title" }, bidi(row.name)), el("button", { type: "button", class: "quiet", onclick: close }, "Close")),
    el("dl", {}, pairs.map(([term, ...value]) => [el("dt", {}, term), el("dd", {}, value)])),
    el("h3", {}, `By domain: ${words(state.scenario)}, ${words(state.track)}`),
    el("div", { class: "scroll", tabindex: 0 }, el("table", {}, el("thead", {}, el("tr", {}, ["Domain", "Queries", "Band", "RCS", "APSP", "CA"].map((c, i) => el("th", { scope: "col", class: i ? null : "name" }, c)))),
      el("tbody", {}, domains.map((r) => el("tr", {}, el("td", { class: "name" }, r.domain), el("td", {}, r.n), el("td", {}, r.band), el("td", {}, number(r.rcs, 3), " ", el("span", { class: "ci" }, `[${number(r.low, 3)}, ${number(r.high, 3)}]`)), el("td", {}, number(r.apsp, 3)), el("td", {}, number(r.ca, 3))))))),
    el("h3", {}, "Reproduce"), el("pre", {}, el("code", {}, `rsd-bench submit check submissions/${s.slug}\nrsd-bench eval submissions/${s.slug} --n-boot ${d.bootstrap.n_boot} --seed ${d.bootstrap.seed}\nrsd-bench board build --check`)),
    el("p", { class: "note" }, `Weights: MES ${weights.mes}, α ${weights.alpha}, β ${weights.beta}, γ ${weights.gamma}. All figures: results/${s.slug}.json`));
}

const SLIDERS = [["mes", "MES", 0, 10, 0.1, "answers below this do not satisfy"], ["alpha", "α: solved queries", 0, 1, 0.01, ""], ["beta", "β: kept on the edge", 0, 1, 0.01, ""], ["gamma", "γ: time saved", 0, 1, 0.01, ""]];
function makeSliders(onchange, reset) {
  fill(byId("sliders"), SLIDERS.map(([key, title, min, max, step]) => el("label", { class: "slider" }, el("span", {}, title), el("output", { id: "out-" + key, for: "if-" + key }),
    el("input", { id: "if-" + key, type: "range", min, max, step, oninput: onchange }))), el("button", { type: "button", class: "quiet", onclick: reset }, "Back to the scenario"));
}
function slidersTo(w) { for (const [key] of SLIDERS) byId("if-" + key).value = w[key]; }
// Effective weights: the three sliders are scaled to sum to 1.
function slid() {
  const raw = Object.fromEntries(SLIDERS.map(([key]) => [key, Number(byId("if-" + key).value)])), total = raw.alpha + raw.beta + raw.gamma;
  const of = (v) => (total > 0 ? v / total : 1 / 3);
  return { mes: raw.mes, alpha: of(raw.alpha), beta: of(raw.beta), gamma: of(raw.gamma) };
}
function drawWhatIf(state) {
  const t = board.table(state.track, state.scenario), w = slid();
  for (const [key] of SLIDERS) byId("out-" + key).textContent = w[key].toFixed(key === "mes" ? 1 : 2);
  if (!t) return fill(byId("if-rows"));
  const rank = (list) => list.sort((a, b) => b.rcs - a.rcs || (a.slug < b.slug ? -1 : 1));
  const before = rank(board.rows(state.track, state.scenario, state.domain)).map((r) => r.slug);
  const fixed = ["all-edge", "all-cloud"].map((n) => ({ slug: "(" + n + ")", ...board.whatIf(t, t.fixed[n], state.domain, w) }));
  const now = rank([...board.rows(state.track, state.scenario, state.domain).map((r) => ({ ...r, ...board.whatIf(t, r.statistics, state.domain, w) })), ...fixed]);
  let place = 0;
  const line = (r) => {
    const policy = r.slug.startsWith("("), moved = policy ? 0 : before.indexOf(r.slug) - place;
    if (!policy) place++;
    return el("tr", { "data-slug": r.slug, "data-rcs": r.rcs, class: policy ? "policies" : "" }, el("td", {}, policy ? "–" : place), el("td", { class: "name" }, policy ? words(r.slug.slice(1, -1)) : bidi(r.name)),
      el("td", {}, number(r.rcs)), el("td", {}, number(r.apsp, 3)), el("td", { class: moved > 0 ? "up" : moved < 0 ? "down" : "" }, moved > 0 ? "▲ " + moved : moved < 0 ? "▼ " + -moved : ""));
  };
  const lines = now.map(line), SHOWN = 14;
  fill(byId("if-rows"), el("thead", {}, el("tr", {}, ["Place", "Router", "RCS", "APSP", "Moved"].map((c, i) => el("th", { scope: "col", class: i === 1 ? "name" : null }, c)))),
    el("tbody", {}, lines.slice(0, SHOWN)), lines.length > SHOWN ? el("tfoot", {}, el("tr", {}, el("td", { class: "name note", colspan: 5 }, `and ${lines.length - SHOWN} more`))) : null);
}
