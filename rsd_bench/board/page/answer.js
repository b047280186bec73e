// Your case: what is asked for, one sentence, three cards, the command.
const MODEL = new Map([["all-edge", "the small model"], ["all-cloud", "the large model"]]);
const OWN = [["small-s", "Small model, seconds a query"], ["large-s", "Large model, seconds a query"], ["small-usd", "Small model, USD a call"], ["large-usd", "Large model, USD a call"], ["most", "Budget, USD per 1,000 queries"]];
const USUAL_USD = "0,0.005"; // an example: the first thing to replace

function makeOwn(onchange) {
  const [fast, slow, cheap, dear, most] = OWN.map(([key, title]) => el("input", { id: "own-" + key, type: "number", min: 0, step: "any", inputmode: "decimal", autocomplete: "off", "aria-label": title, oninput: onchange }));
  const head = (text) => el("span", { "aria-hidden": true }, text);
  fill(byId("own"), head(""), head("small"), head("large"), head("Seconds a query"), fast, slow, head("USD a call"), cheap, dear, head("Budget, USD per 1,000"), most);
  most.placeholder = "no limit";
}
const amount = (text) => { const value = Number(text); return text.trim() !== "" && Number.isFinite(value) && value >= 0 ? value : null; };
const owned = () => { const [a, b, c, d, most] = OWN.map(([key]) => byId("own-" + key).value); return { sec: a || b ? `${a},${b}` : "", usd: `${c},${d}`, most }; };
function ownTo({ sec, usd, most }) {
  [...(sec || ",").split(","), ...usd.split(","), most].forEach((value, i) => { byId("own-" + OWN[i][0]).value = amount(value) === null ? "" : value; });
}

// The case of a state; `data`: seconds of both models there, for whichever is not given.
function caseOf(state, weights, data) {
  const sec = (state.sec || ",").split(",").map(amount), usd = state.usd.split(",").map((text) => amount(text) ?? 0);
  const seconds = sec.some((value) => value !== null) ? sec.map((value, i) => value ?? data[i]) : null;
  return { ...(state.if ? scaled(slid()) : { mes: weights.mes, alpha: weights.alpha, beta: weights.beta, gamma: weights.gamma }), seconds: seconds && seconds[1] > 0 ? seconds : null, usd, most: amount(state.most) };
}

function commands(state, router, c) {
  const d = board.data, s = router.row.submission, lines = [];
  let scenario = ` --scenario ${state.scenario}`;
  if (state.if) {
    lines.push("cat > case.toml <<END", "[my_case]", `mes = ${c.mes}`, ...["alpha", "beta", "gamma"].map((key) => `${key} = ${key === "gamma" ? +(1 - round4(c.alpha) - round4(c.beta)).toFixed(4) : round4(c[key])}`), "END");
    scenario = " --scenarios case.toml --scenario my_case";
  }
  const options = scenario + (state.track === d.home ? "" : ` --track ${state.track}`) + (state.if ? d.option.replace(" --scenarios FILE", "") : d.option);
  lines.push(`rsd-bench router train '${s.train}'${options} --out router`, "rsd-bench serve --router router --edge MODEL@URL --cloud MODEL@URL");
  return lines.join("\n");
}
const round4 = (value) => Math.round(1e4 * value) / 1e4;

// A figure as it is told, and as it is.
const told = (key, value, text) => el("span", { "data-figure": key, "data-value": value }, text);

function drawAnswer(state, weights) {
  const node = byId("answer"), t = board.table(state.track, state.scenario);
  if (!t) return fill(node, el("p", { class: "lead" }, "No router yet: the board fills with the first submission."));
  byId("every").hidden = t.fixed.size !== 2;
  if (t.fixed.size !== 2) return fill(node, el("p", { class: "lead" }, "A case is asked of two models: compare on another track. The ranking of these tiers is below."));
  const inData = [...t.fixed.values()].map((statistics) => board.whatIf(t, statistics, state.domain, weights).ail);
  const c = caseOf(state, weights, inData), found = casework.recommend(state.track, state.scenario, state.domain, c), { router, best } = found;
  ["small-s", "large-s"].forEach((key, i) => { byId("own-" + key).placeholder = number(inData[i], 2); });
  const used = found.useRouter ? router : best, cloud = found.policies[1], n = state.domain ? found.frames[0].n : t.n, groups = state.domain ? found.frames[0].groups : t.groups;
  const gain = () => el("span", { class: "whole" }, told("gain", found.gain, `${points(found.gain)} points`)), name = router && bidi(router.name);
  const every = `Send every query to ${MODEL.get(best.name)}`;
  const sentence = !router ? [`${every}: no router stays within this budget.`] : found.useRouter ? ["Use ", name, ": ", gain(), ` over ${best.name}.`]
    : found.gain > 0 ? [`${every}: `, "no router is shown to beat that. The best guess is ", name, ", ", gain(), "."] : [`${every}: no router scores higher here.`];
  const card = (title, big, ...rest) => el("div", { class: "card" }, el("small", {}, title), el("b", {}, big), rest);
  const item = (...parts) => el("li", {}, parts), tau = used.row && (missing(used.row.tau) ? used.row.meanTau : used.row.tau);
  const threshold = used.fixed ? `No threshold: ${best.name}, nothing to train.` : [missing(tau) ? "Threshold as submitted" : ["Threshold τ ", missing(used.row.tau) ? "about " : "", el("span", { class: "whole" }, number(tau, 2))],
    ` as it chose for ${words(used.scenario)}: the small model answers where p ≥ τ.`, used.cascade ? " A cascade: it sees the small model's answer first." : ""];
  const faster = cloud.ail - used.ail, cheaper = cloud.usd - used.usd;
  const cards = [
    card("Use", used.fixed ? capital(MODEL.get(used.name)) + ", always" : bidi(used.name), el("p", {}, threshold)),
    card("What you get", told("apsp", used.apsp, percent(used.apsp) + " solved"), el("ul", {},
      item(told("ca", used.ca, percent(used.ca)), ` stay on the small model: `, told("calls", 1000 * used.ca, `${Math.round(1000 * used.ca)} of 1,000`), " large calls saved"),
      item(told("usd", used.usd, number(used.usd, 2)), " USD per 1,000", Math.abs(cheaper) < 5e-3 ? "" : `, ${number(Math.abs(cheaper), 2)} ${cheaper > 0 ? "less" : "more"} than all-cloud`),
      item(told("ail", used.ail, number(used.ail, 2)), " s a query", Math.abs(faster) < 5e-3 ? "" : `, ${number(Math.abs(faster), 2)} s ${faster > 0 ? "faster" : "slower"} than all-cloud`))),
    card("How sure", router && !Number.isNaN(found.half) ? told("half", found.half, `${points(found.gain)} [${points(found.gain - found.half)}, ${points(found.gain + found.half)}]`) : "–", el("p", {}, router && !Number.isNaN(found.half) ? [
      "points of ", found.useRouter ? "gain" : [name, "’s gain"], ` over ${best.name}. Chance to be better: `, el("b", {}, told("chance", found.chance, likely(found.chance))), `, on other queries of this kind (${n} in ${counted(groups, "group")} here).`]
      : router ? "How far other queries would differ is not known here." : "Nothing to compare."))];
  const toml = router && router.row.submission.train ? commands(state, router, c) : null;
  fill(node, el("p", { class: "lead", "data-use": used.fixed ? `(${used.name})` : used.slug, "data-scenario": used.fixed ? null : used.scenario, "data-best": router ? `${router.slug} ${router.scenario}` : null }, sentence),
    el("div", { class: "cards" }, cards),
    found.over ? el("p", { class: "note" }, "Both fixed policies cost more than the budget: the cheaper one is shown.") : null,
    router && el("div", { class: "do" }, el("small", {}, found.useRouter ? "Train and serve it" : `Try ${router.name} on it all the same`),
      toml ? el("pre", {}, el("code", {}, toml)) : el("p", { class: "note" }, bidi(router.name), " comes from its authors", router.row.submission.url ? [": ", el("a", { href: router.row.submission.url, rel: "noopener noreferrer nofollow ugc" }, router.row.submission.url)] : ", who give no link", ".")));
  drawEvery(found, c);
}
const likely = (share) => (share > 0.999 ? "over 99.9 %" : share < 0.001 ? "under 0.1 %" : percent(share));
