// The state of the page, kept in the address, and when which part is drawn again.
(() => {
  const d = board.data, scenarios = [...d.scenarios.keys()];
  const HOME = { scenario: scenarios[0], track: board.tracks.includes(d.home) ? d.home : board.tracks[0] || "", domain: "", sort: "band", dir: "asc", q: "", router: "", curve: "", if: "", sec: "", usd: USUAL_USD, most: "", view: d.overall ? "overall" : "table", by: "seconds" };
  let state = { ...HOME };
  const weights = () => d.scenarios.get(state.scenario), own = (w) => SLIDERS.map(([key]) => w[key]);

  // What does not hold in this board, or with the rest of the state, falls back.
  function settled(next) {
    const known = (slug) => (d.submissions.some((s) => s.slug === slug) ? slug : ""), values = next.if.split(",").map(Number);
    const scenario = scenarios.includes(next.scenario) ? next.scenario : HOME.scenario, track = board.tracks.includes(next.track) ? next.track : HOME.track;
    const column = sortable(next.sort) || COLUMNS[0], view = next.view === "overall" && d.overall ? "overall" : "table";
    return { ...next, view, by: next.by === "usd" ? "usd" : "seconds", scenario, track, domain: board.domains(track, scenario).some((f) => f.domain === next.domain) ? next.domain : "",
      sort: column.key, dir: ["asc", "desc"].includes(next.dir) ? next.dir : column.first, router: known(next.router), curve: known(next.curve),
      if: values.length === 4 && values.every((v, i) => v >= 0 && v <= SLIDERS[i][2]) ? next.if : "",
      sec: next.sec.split(",").length === 2 ? next.sec : "", usd: next.usd.split(",").length === 2 ? next.usd : USUAL_USD };
  }
  // Whether an address speaks of one table.
  const speaks = (of) => ["track", "domain", "sort", "q", "router"].some((key) => of[key] !== HOME[key]);
  function read() {
    const given = new URLSearchParams(location.hash.slice(1)), next = { ...HOME, dir: "" };
    for (const key of Object.keys(HOME)) if (given.has(key)) next[key] = given.get(key);
    if (!given.has("view") && speaks(next)) next.view = "table";
    state = settled(next);
    slidersTo(state.if ? state.if.split(",") : own(weights()));
    ownTo(state);
  }
  function keep() {
    const usual = { ...HOME, dir: sortable(state.sort).first, view: speaks(state) ? "table" : HOME.view };
    history.replaceState(null, "", "#" + new URLSearchParams(Object.entries(state).filter(([key, value]) => value !== usual[key])));
  }
  function set(changes, drawn = draw) {
    const moved = "scenario" in changes && changes.scenario !== state.scenario;
    state = settled({ ...state, ...changes, ...(moved ? { if: "" } : {}) });
    if (moved) slidersTo(own(weights()));
    keep();
    drawn();
  }

  let from = "rows"; // where the open detail was asked for: there its reader goes back to
  function select(slug, origin) {
    from = origin;
    set({ router: slug });
    byId("detail").querySelector("button")?.focus({ preventScroll: true });
    for (const id of ["detail", "detail-title"]) byId(id).scrollIntoView({ block: "nearest" }); // its head, where not all fits
  }
  function close() {
    const slug = state.router;
    set({ router: "" });
    (document.querySelector(`#${from} [data-opens="${CSS.escape(slug)}"]`) || byId("ranking")).focus();
  }
  const actions = { select, by: (by) => { set({ by }, () => drawPlane(state, board.rows(...view()).sort(byRank), board.policies(...view()), weights(), actions)); byId("by-" + by).focus(); }, sort: (c) => {
    set({ sort: c.key, dir: state.sort !== c.key ? c.first : state.dir === "asc" ? "desc" : "asc" }, drawRows);
    document.querySelector(`#rows th button[data-key="${c.key}"]`).focus();
  } };

  const view = () => [state.track, state.scenario, state.domain];
  // What sorting and filtering change: the table, and the map in its order.
  function drawRows(every = board.rows(...view()), policies = board.policies(...view())) {
    const rows = every.filter((r) => matches(r, state.q)).sort(compare(state));
    byId("caption").textContent = caption(every);
    const gap = board.table(state.track, state.scenario)?.gap;
    fill(byId("gap"), !every.length ? null : missing(gap) ? "Too few groups to say what gap this table can see." : ["Smallest gap that this table can see: ", el("b", {}, `${points(gap).slice(1)} points`), state.domain ? " on the whole track" : ""]);
    drawTable(state, rows, every, policies, actions);
    drawHeat(state, rows, actions);
  }
  function caption(every) {
    const t = board.table(state.track, state.scenario), w = weights(), part = board.domains(state.track, state.scenario).find((f) => f.domain === state.domain) || t;
    const shown = [words(state.scenario), titled(state.track), state.domain ? `only ${words(state.domain)}` : "", state.q ? `filter “${state.q}”` : ""].filter(Boolean).join(", ");
    if (!every.length) return state.track ? `${capital(shown)}: no router entered.` : "No router entered yet.";
    return `${capital(shown)}: ${counted(part.n, "test query")} in ${counted(part.groups, "group")}${part.n < 50 ? "; under 50 queries differences are rarely certain" : ""}. `
      + `Score = ${w.alpha} solved + ${w.beta} on the edge + ${w.gamma} time saved, at MES ${w.mes}. Brackets: 95 % interval over groups of queries. ${t.noBands ? `No bands: ${t.noBands}` : "Routers of one band cannot be told apart, all pairs considered at once"}. Protocol ${t.protocol}.`;
  }
  function drawCase() {
    drawSliders(Boolean(state.if));
    drawAnswer(state, weights());
  }
  const option = (value, text, chosen) => el("option", { value, selected: value === chosen }, text);
  function draw() {
    const every = board.rows(...view()).sort(byRank), policies = board.policies(...view());
    byId("main").classList.toggle("empty", !every.length);
    for (const input of document.querySelectorAll("#scenarios input")) input.checked = input.value === state.scenario;
    fillTracks(state);
    drawTabs(state, set);
    fill(byId("domain"), option("", "all domains", state.domain), board.domains(state.track, state.scenario).map((f) => option(f.domain, `${words(f.domain)} (${f.n})`, state.domain)));
    if (byId("filter").value !== state.q) byId("filter").value = state.q;
    for (const node of document.querySelectorAll(".scope")) node.textContent = state.domain ? `Whole track, not only ${words(state.domain)}. ` : "";
    drawHeadline(state, every, policies);
    drawRows(every, policies);
    drawDetail(state, every.find((r) => r.slug === state.router), policies, close);
    drawPlane(state, every, policies, weights(), actions);
    drawErrors(every);
    const traced = every.find((r) => r.slug === (state.curve || state.router)) || every[0];
    fill(byId("curve-router"), every.map((r) => option(r.slug, r.name, traced.slug)));
    drawCurve(traced, weights());
    drawLift(state, every, policies, weights(), traced);
    drawCase();
    drawSensitivity(state);
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

  byId("about").textContent = `Which model should answer: ${d.dataset.pair.small} on the edge, or ${d.dataset.pair.large} in the cloud? ${counted(d.submissions.length)}, ${counted(d.dataset.queries, "query")}. ${capital(latencyBasis(d))}.`;
  drawOverall(d);
  byId("main").classList.toggle("bare", !board.tracks.length);
  byId("scenarios").append(...scenarios.map((name) => el("span", {}, el("input", { type: "radio", name: "scenario", id: "s-" + name, value: name, onchange: () => set({ scenario: name }) }), el("label", { for: "s-" + name }, words(name)))));
  for (const key of ["track", "domain"]) byId(key).addEventListener("change", (e) => set({ [key]: e.target.value, view: "table" }));
  byId("curve-router").addEventListener("change", (e) => set({ curve: e.target.value }));
  const filtered = later(() => { keep(); drawRows(); }, 120), kept = later(keep, 200);
  byId("filter").addEventListener("input", (e) => { state.q = e.target.value; filtered(); });
  const asked = (changes) => { Object.assign(state, changes); drawCase(); if ("usd" in changes && state.by === "usd") draw(); kept(); };
  makeSliders(() => asked({ if: slid().join() }), () => { slidersTo(own(weights())); asked({ if: "" }); byId("if-mes").focus(); });
  makeOwn(() => asked(owned()));
  addEventListener("hashchange", () => { if (["#ranking", "#glossary"].includes(location.hash)) return keep(); read(); draw(); });
  addEventListener("keydown", (e) => {
    if (e.key !== "Escape") return;
    if (!byId("tip").hidden) hideTip();
    else if (state.router && !e.target.matches("input, select")) close();
  });
  let width = innerWidth;
  addEventListener("resize", () => { if (innerWidth !== width) { width = innerWidth; draw(); } });
  byId("every").open = innerWidth > 1000;
  read();
  drawWays(d);
  drawNotes(d);
  draw();
})();
