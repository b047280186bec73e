// How to read the page, and what its abbreviations stand for.
const GLOSSARY = [
  ["Gain, points", "a point is a hundredth of RCS; the gain is RCS above the better of the fixed policies; its interval is of the paired difference"],
  ["Solved (APSP)", "Average Problem-Solving Probability: share of queries whose delivered answer scores at least MES"],
  ["On edge (CA)", "Cost Advantage: share of queries that the small model answers, on the edge"],
  ["Seconds (AIL)", "Average Inference Latency: seconds to an answer, those of the router and of the model that answered"],
  ["Score (RCS)", "Routing Comprehensive Score: α APSP + β CA + γ (1 − AIL / AIL of all-cloud), weights of the scenario"],
  ["Skill", "how well p orders the queries, whatever the threshold: area between APSP over CA and the chord that mixes the fixed policies, as a share of the best order's; 0 is chance"],
  ["Lost", "points of APSP lost against all-cloud when 80 % of the queries stay on the edge"],
  ["MES", "Minimal Expectation Score: a delivered answer satisfies the user if its judge score, 0 to 10, is at least this"],
  ["Mean score", "mean score of the delivered answers, divided by 10: the other reading of problem-solving probability"],
  ["Smallest gap", "what two routers must differ by to be told apart with 80 % power"],
  ["Regret", "RCS below that of the RCS oracle"],
  ["Band", "routers that cannot be told apart: from the highest RCS down, one whose paired interval against the leader of the band contains 0 shares the band; intervals hold for all pairs at once (max-t)"],
  ["τ", "threshold: a query goes to the small model where the router's p, its belief that the small model is enough, is at least τ"],
  ["AUROC", "chance that p is higher for a query on which the small model is enough than for one on which it is not; 0.5 is guessing"],
  ["Brier, ECE", "mean squared error of p, and its expected calibration error; lower is better"],
  ["Area under APSP over CA", "APSP along the threshold curve, averaged over the share on the edge"],
  ["all-edge, all-cloud", "fixed policies: every query to the small or to the large model"],
  ["random", "a random share of the queries, as large as the router's CA, goes to the small model: the expected value"],
  ["Flags", "what a reader should know of a row; one with a question mark asks its author, and is no verdict: two honest runs of one recipe may decide alike, and a router may be that good"],
  ["Oracles", "decide with the scores of both answers in hand, which no router has: the label oracle stays on the edge wherever the small model is enough, the RCS oracle takes the decision of higher RCS"]];

// What stands behind the seconds; of a profile, the mean seconds of both models on the first track.
function latencyBasis(d) {
  const profiles = d.basis.filter((b) => b.startsWith("profile:")).map((b) => b.slice(8)), t = d.tables[0];
  if (!profiles.length || profiles.length < d.basis.length) return `latency ${d.basis.join(", ")}`;
  const [edge, cloud] = t ? board.fixedOf(board.policies(t.track, t.scenario, "")).filter((_, i, of) => i === 0 || i === of.length - 1) : [];
  return `modelled latency${t ? `: ${+edge.ail.toFixed(2)} s small, ${+cloud.ail.toFixed(2)} s large` : ""} (profile ${profiles.join(", ")})`;
}

// Ways out, and what this is: data, versions, and when the file was written, where its host says so.
function drawWays(d) {
  const files = [["CSV", "leaderboard.csv"], ["JSON", "leaderboard.json"], ["Text", "leaderboard.md"]], link = ([title, href]) => el("a", { href, rel: href.startsWith("https:") ? "noopener noreferrer" : null }, title);
  const written = new Date(document.lastModified), known = Date.now() - written > 5000;
  fill(byId("ways"), d.ways.map(link), el("span", {}, "Download ", files.map((file, i) => [i ? " · " : "", link(file)])),
    el("span", { class: "note" }, `rsd_bench ${d.versions.package}, metrics version ${d.versions.metrics}${known ? `, written ${written.toLocaleDateString("en-CA")}` : ""}`));
}
function drawNotes(d) {
  const link = (name) => el("a", { href: name }, name);
  const list = [`${capital(latencyBasis(d))}${d.basis.some((b) => b.startsWith("profile:")) ? "; a profile is not measured" : ""}. Router latencies are what their authors declare.`,
    d.noise.size ? "Noise ceiling: from the judge audit of this dataset." : "No judge audit of this dataset yet, so the noise ceiling of its labels is unknown.",
    ["The same data: ", link("leaderboard.csv"), ", ", link("leaderboard.json"), ", ", link("leaderboard.md"), ", results/. Rebuild: ", el("code", {}, "rsd-bench board build" + d.option), "."]];
  const refused = (r) => el("li", {}, bidi(r.slug), `: ${counted(r.problems, "problem")}`, r.first ? [", first ", bidi(r.first.what), "; to fix: ", bidi(r.first.fix)] : null);
  fill(byId("notes"), el("h2", {}, "How to read this page"), el("ul", {}, list.map((text) => el("li", {}, text))),
    el("h3", { id: "glossary", tabindex: -1 }, "Glossary"), el("dl", {}, GLOSSARY.map(([term, text]) => [el("dt", {}, term), el("dd", {}, text)])),
    d.refused.length ? [el("h3", {}, "Refused submissions"), el("ul", { id: "refused" }, d.refused.map(refused))] : null);
}
