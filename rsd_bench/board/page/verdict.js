// What a view says, before its tables: is a router shown to beat the best fixed policy, by how much, at what cost?
function verdict(state, rows, fixed) {
  const first = [...rows].sort(byRank)[0], sure = rows.filter((r) => r.gainLow > 0).sort((a, b) => b.gain - a.gain || byRank(a, b));
  const shown = sure[0] || first, gain = el("span", { class: tone(shown) }, `${gained(shown)} points`);
  const interval = missing(shown.gainLow) ? null : [" ", el("span", { class: "whole" }, between(shown.gainLow, shown.gainHigh))];
  if (sure.length) return { shown, text: [bidi(shown.name), ` beats ${fixed.policy}: `, gain, interval], more: `${sure.length} of ${counted(rows.length)} ${sure.length === 1 ? "is" : "are"} shown to, each by its own interval.` };
  if (interval && rows.every((r) => r.gainHigh < 0)) return { shown, text: [`Every router is shown to fall short of ${fixed.policy}: `, gain, interval] };
  if (interval) return { shown, text: [`No router is shown to beat ${fixed.policy}: `, gain, interval] };
  return { shown, text: [shown.gain > 0 ? [bidi(shown.name), ` scores above ${fixed.policy}: `] : `No router scores above ${fixed.policy}: `, gain], more: "No interval of this gain is known, so it may be chance." };
}
const CONSTANT = new Map([[0, " It sends every query to the large model."], [1, " It sends every query to the small model."]]);

function drawHeadline(state, rows, policies) {
  const card = (title, value, text, kind = "") => el("div", { class: "card " + kind }, el("small", {}, title), el("b", {}, value), el("span", {}, text));
  const view = [words(state.scenario), titled(state.track), words(state.domain)].filter(Boolean).join(" · ");
  if (!rows.length) return fill(byId("headline"));
  const fixed = board.bestFixed(policies), oracle = board.oracleOf(policies), noise = board.data.noise.get(state.scenario);
  const { shown, text, more } = verdict(state, rows, fixed);
  const cost = `solves ${percent(shown.apsp)} of the queries at ${number(shown.ail, 2)} s each, ${percent(shown.ca)} of them on the edge`;
  const shared = rows.filter((r) => r.band === 1).length, headroom = oracle.rcs - fixed.rcs, covered = Math.max(...rows.map((r) => r.gain)) / headroom;
  fill(byId("headline"),
    card(view, text, [bidi(shown.name), ` ${cost}.`, CONSTANT.get(shown.ca), ` ${capital(fixed.policy)} solves ${percent(fixed.apsp)} at ${number(fixed.ail, 2)} s. `, more], "verdict"),
    card("First band", `${shared} of ${counted(rows.length)}`, shared > 1 ? "cannot be told apart from the first" : "is told apart from all others"),
    card("Headroom", `${points(headroom)} points`, `from ${fixed.policy} to the oracle; ` + (covered > 0 && headroom > 0
      ? `${percent(covered)} of it covered${rows.some((r) => r.gainLow > 0) ? "" : ", which may be chance"}` : "none of it covered")),
    noise ? card("Noise ceiling of the labels", percent(noise.agreement_ceiling), `no router can agree with more labels: ${percent(noise.flip_prob)} flip when judged again`) : null);
}

function drawDetail(state, row, policies, close) {
  const node = byId("detail");
  node.hidden = !row;
  if (!row) return fill(node);
  const s = row.submission, d = board.data, weights = d.scenarios.get(state.scenario), whole = state.domain ? " (whole track)" : "";
  const parts = board.table(state.track, state.scenario).frames.map((f) => ({ ...f, ...board.rows(state.track, state.scenario, f.domain).find((r) => r.slug === row.slug) }));
  const worst = parts.reduce((a, b) => (b.rcs < a.rcs || (b.rcs === a.rcs && b.domain < a.domain) ? b : a)), oracle = board.oracleOf(policies);
  const hardware = s.hardware === "not stated" ? "hardware not stated" : ["on ", bidi(s.hardware)];
  const pairs = [["Authors", s.authors.map((a, i) => [i ? ", " : "", bidi(a)])], ["About", s.description ? bidi(s.description) : "–"],
    ["Link", s.url ? el("a", { href: s.url, rel: "noopener noreferrer nofollow ugc" }, s.url) : "–"],
    ["Threshold τ", missing(row.tau) ? "differs by repeat, fold or tier" : +row.tau.toFixed(4)], ["Router latency", `${s.latency} s, ${s.basis}, `, hardware],
    ["Flags", row.flags.length ? row.flags.join("; ") : "none"],
    row.kind === "query" ? null : ["Kind", "cascade: decides after it saw the answer of a cheaper model, and waits for each model that it asked"],
    missing(row.random) ? null : ["Against chance", `random at equal CA scores ${number(row.random, 3)}; this router is ${points(row.rcs - row.random)} points from that`],
    missing(row.regret) ? null : ["Regret", `${number(100 * row.regret, 1)} points to the oracle, ${number(oracle.rcs, 3)}`],
    parts.length > 1 ? ["Worst domain", `${words(worst.domain)}, score ${number(worst.rcs, 3)}`] : null,
    ["Mean score" + whole, `${number(row.mean, 3)} of 1, delivered answers as judged`],
    ["Probabilities" + whole, `AUROC ${number(row.auroc, 3)}, Brier ${number(row.brier, 3)}, ECE ${number(row.ece, 3)}`],
    ["Threshold curve" + whole, `area under APSP over CA ${number(row.area, 3)}`],
    ["Data", `${d.dataset.name} ${d.dataset.version}, manifest ${d.dataset.manifest_sha256.slice(0, 12)}, metrics version ${d.versions.metrics}`]];
  const cells = (r) => [r.n, r.band ?? "–", [number(r.rcs, ofRcs(r.low, r.high)), " ", el("span", { class: "ci" }, `[${number(r.low, ofRcs(r.low, r.high))}, ${number(r.high, ofRcs(r.low, r.high))}]`)], points(r.gain), percent(r.apsp), percent(r.ca)];
  const heads = ["Domain", "Queries", "Band", "Score", "Gain", "Solved", "On edge"].map((title, i) => th(title, i === 0));
  const lines = parts.map((r) => el("tr", {}, el("th", { scope: "row", class: "name" }, words(r.domain)), cells(r).map((value) => el("td", {}, value))));
  fill(node, el("header", {}, el("h2", { id: "detail-title" }, bidi(row.name)), el("button", { type: "button", class: "quiet", onclick: close }, "Close")),
    el("dl", {}, pairs.filter(Boolean).map(([term, ...value]) => [el("dt", {}, term), el("dd", {}, value)])),
    parts.length > 1 ? [el("h3", { id: "by-domain" }, `By domain: ${words(state.scenario)}, ${titled(state.track)}`),
      scrolling("by-domain", el("table", { "aria-labelledby": "by-domain" }, el("thead", {}, el("tr", {}, heads)), el("tbody", {}, lines)))] : null,
    el("h3", {}, "Reproduce"), el("pre", {}, el("code", {}, `rsd-bench submit check submissions/${s.slug}${d.option}\nrsd-bench eval submissions/${s.slug}${d.option} --n-boot ${d.bootstrap.n_boot} --seed ${d.bootstrap.seed}\nrsd-bench board build --check${d.option}`)),
    el("p", { class: "note" }, `Weights: MES ${weights.mes}, α ${weights.alpha}, β ${weights.beta}, γ ${weights.gamma}. All figures: `, el("a", { href: `results/${s.slug}.json` }, `results/${s.slug}.json`)));
}
