(() => {
  const d = board.data, scenarios = Object.keys(d.scenarios);
  const DEFAULT = { scenario: scenarios[0], track: board.tracks.includes(d.home) ? d.home : board.tracks[0] || "", domain: "", sort: "band", dir: "asc", q: "", router: "" };
  let state = { ...DEFAULT };

  function read() {
    const given = new URLSearchParams(location.hash.slice(1)), next = { ...DEFAULT };
    for (const key of Object.keys(DEFAULT)) if (given.has(key)) next[key] = given.get(key);
    if (!scenarios.includes(next.scenario)) next.scenario = DEFAULT.scenario;
    if (!board.tracks.includes(next.track)) next.track = DEFAULT.track;
    const t = board.table(next.track, next.scenario);
    if (!t || !t.frames.some((f) => f.domain === next.domain)) next.domain = "";
    if (!COLUMNS.some((c) => c.key === next.sort)) next.sort = DEFAULT.sort;
    if (!["asc", "desc"].includes(next.dir)) next.dir = DEFAULT.dir;
    if (!d.submissions.some((s) => s.slug === next.router)) next.router = "";
    state = next;
  }
  function keep() {
    const given = new URLSearchParams(Object.entries(state).filter(([key, value]) => value !== DEFAULT[key]));
    history.replaceState(null, "", "#" + given);
  }
  function set(changes) {
    const moved = "scenario" in changes && changes.scenario !== state.scenario;
    state = { ...state, ...changes };
    const t = board.table(state.track, state.scenario);
    if (!t || !t.frames.some((f) => f.domain === state.domain)) state.domain = "";
    if (moved) slidersTo(d.scenarios[state.scenario]);
    keep();
    draw();
  }
  function select(slug) {
    set({ router: slug });
    const detail = byId("detail");
    detail.querySelector("button")?.focus({ preventScroll: true });
    detail.scrollIntoView({ block: "nearest" });
  }
  const actions = { select, sort: (c) => {
    const first = c.down ? "desc" : "asc";
    set({ sort: c.key, dir: state.sort !== c.key ? first : state.dir === "asc" ? "desc" : "asc" });
    document.querySelector(`#rows th button[data-key="${c.key}"]`).focus();
  } };
  const option = (value, text, chosen) => el("option", { value, selected: value === chosen }, text);

  function draw() {
    const t = board.table(state.track, state.scenario), weights = d.scenarios[state.scenario];
    const every = board.rows(state.track, state.scenario, state.domain), policies = board.policies(state.track, state.scenario, state.domain);
    const rows = every.filter((r) => matches(r, state.q)).sort(compare(state)), best = policies.length ? Math.max(policies[0].rcs, policies[1].rcs) : 0;
    for (const input of document.querySelectorAll("#scenarios input")) input.checked = input.value === state.scenario;
    fill(byId("track"), board.tracks.map((name) => option(name, words(name), state.track)));
    fill(byId("domain"), option("", "all domains", state.domain), (t ? t.frames : []).map((f) => option(f.domain, `${words(f.domain)} (${f.n})`, state.domain)));
    if (byId("filter").value !== state.q) byId("filter").value = state.q;
    const n = t ? (state.domain ? t.frames.find((f) => f.domain === state.domain).n : t.n) : 0;
    byId("caption").textContent = `${n} test queries. RCS = ${weights.alpha} solved + ${weights.beta} on the edge + ${weights.gamma} time saved, at MES ${weights.mes}. Brackets: 95 % interval over groups of queries. Routers of one band cannot be told apart, all pairs considered at once.`;
    drawTable(state, rows, policies, best, actions);
    byId("shown").textContent = rows.length === every.length ? counted(rows.length) : `${rows.length} of ${counted(every.length)} match “${state.q}”`;
    drawHeadline(state, every, policies);
    const chosen = every.find((r) => r.slug === state.router);
    drawDetail(state, chosen, () => { set({ router: "" }); byId("ranking").focus({ preventScroll: true }); });
    drawPlane(state, every, policies, select);
    const traced = chosen || [...every].sort((a, b) => a.band - b.band || b.rcs - a.rcs)[0];
    fill(byId("curve-router"), every.map((r) => option(r.slug, r.name, traced && traced.slug)));
    drawCurve(traced, weights);
    drawHeat(state, rows, select);
    drawWhatIf(state);
    drawSimplex(state);
    drawMes(state);
  }

  function notes() {
    const list = [`Latency basis: ${d.basis.join(", ")}${d.basis.some((b) => b.startsWith("profile:")) ? " (a profile is modelled, not measured)" : ""}. Router latencies are what their authors declare.`,
      `Bands: routers are taken from the highest RCS down; one whose paired bootstrap interval against the leader of the band contains 0 shares the band. Intervals hold for all pairs at once (max-t).`,
      `Oracles know every score and cannot be reached; “gain” is RCS above the better of all-edge and all-cloud.`,
      d.noise ? "Noise ceiling: from the judge audit of this dataset." : "No judge audit of this dataset yet, so the noise ceiling of its labels is unknown.",
      `The same data: leaderboard.csv, leaderboard.json, leaderboard.md, results/. Rebuild: rsd-bench board build.`];
    fill(byId("notes"), el("h2", {}, "How to read this page"), el("ul", {}, list.map((text) => el("li", {}, text))),
      d.refused.length ? el("p", { class: "note" }, "Refused: ", d.refused.map((r, i) => [i ? ", " : "", bidi(r.slug), ` (${r.problems} problems)`]).flat()) : null);
  }
  const THEMES = ["auto", "light", "dark"];
  function theme(name) {
    if (name === "auto") delete document.documentElement.dataset.theme; else document.documentElement.dataset.theme = name;
    byId("theme").textContent = "Theme: " + name;
    try { localStorage.setItem("rsd-theme", name); } catch { /* storage may be off: the choice then lasts for this visit */ }
  }
  let stored = null;
  try { stored = localStorage.getItem("rsd-theme"); } catch { /* as above */ }
  theme(THEMES.includes(stored) ? stored : "auto");
  byId("theme").addEventListener("click", (e) => theme(THEMES[(THEMES.indexOf(e.target.textContent.split(" ")[1]) + 1) % 3]));

  byId("about").textContent = `Which model should answer: ${d.dataset.pair.small} on the edge, or ${d.dataset.pair.large} in the cloud? ${counted(d.submissions.length)}, ${d.dataset.queries} queries. Metrics version ${d.versions.metrics}, latency ${d.basis.join(", ")}.`;
  byId("scenarios").append(...scenarios.map((name) => el("span", {}, el("input", { type: "radio", name: "scenario", id: "s-" + name, value: name, onchange: () => set({ scenario: name }) }), el("label", { for: "s-" + name }, words(name)))));
  byId("track").addEventListener("change", (e) => set({ track: e.target.value }));
  byId("domain").addEventListener("change", (e) => set({ domain: e.target.value }));
  byId("filter").addEventListener("input", (e) => set({ q: e.target.value }));
  byId("curve-router").addEventListener("change", (e) => set({ router: e.target.value }));
  makeSliders(() => drawWhatIf(state), () => { slidersTo(d.scenarios[state.scenario]); drawWhatIf(state); });
  addEventListener("hashchange", () => { read(); slidersTo(d.scenarios[state.scenario]); draw(); });
  addEventListener("keydown", (e) => { if (e.key === "Escape") hideTip(); });
  let width = innerWidth;
  addEventListener("resize", () => { if (innerWidth !== width) { width = innerWidth; draw(); } });
  read();
  slidersTo(d.scenarios[state.scenario]);
  notes();
  draw();
})();
