// Which ranking is shown: the suite as a whole, or one track, of which there may be many.
const GROUPS = [["home", "All domains"], ["pairs", "Pairs of models"], ["unseen", "Domains never seen"], ["others", "Other tracks"]];
function groupOf(track) {
  const d = board.data, t = d.tables.find((of) => of.track === track);
  return track === d.home ? "home" : d.overall?.tracks.includes(track) ? "pairs" : t.protocol === "domain-out" ? "unseen" : "others";
}
const grouped = () => GROUPS.map(([key, title]) => [key, title, board.tracks.filter((track) => groupOf(track) === key)]).filter(([, , tracks]) => tracks.length);

function drawTabs(state, set) {
  const overall = state.view === "overall", here = overall || !state.track ? "" : groupOf(state.track), groups = board.tracks.length ? grouped() : [];
  const tab = (key, title, action) => el("button", { type: "button", "data-tab": key, "aria-pressed": String(key === here || (overall && key === "overall")), onclick: () => { action(); document.querySelector(`#ranking [data-tab="${CSS.escape(key)}"]`)?.focus(); } }, title);
  const inside = groups.find(([key]) => key === here)?.[2] || [];
  fill(byId("tabs"), board.data.overall && tab("overall", "Overall", () => set({ view: "overall" })), groups.map(([key, title, tracks]) => tab(key, title, () => set({ view: "table", track: tracks.includes(state.track) ? state.track : tracks[0] }))));
  fill(byId("subtabs"), inside.length > 1 ? inside.map((track) => tab(track, titled(track), () => set({ view: "table", track }))) : null);
  for (const button of byId("subtabs").children) button.setAttribute("aria-pressed", String(button.dataset.tab === state.track));
  byId("overall").hidden = !overall;
  byId("table").hidden = overall;
  byId("filtering").hidden = overall;
}
function fillTracks(state) {
  fill(byId("track"), grouped().map(([, title, tracks]) => el("optgroup", { label: title }, tracks.map((name) => el("option", { value: name, selected: name === state.track }, titled(name))))));
}
