"use strict";
// The board's data and formulas: the other half of page/__init__.py. `window.board` lets a test read the same figures.
const board = (() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  const FULL = 64 * 64 - 1;
  const sum = (values) => values.reduce((a, b) => a + b, 0);
  const rcs = (apsp, ca, ail, large, w) => w.alpha * apsp + w.beta * ca + w.gamma * (1 - ail / large);
  const tables = new Map(data.tables.map((t) => [t.track + "/" + t.scenario, t]));
  const frame = ([domain, n, levels, large]) => ({ domain, n, levels, large });
  for (const t of data.tables) t.frames = t.frames.map(frame);

  const table = (track, scenario) => tables.get(track + "/" + scenario);
  const picked = (t, domain) => t.frames.map((_, i) => i).filter((i) => !domain || t.frames[i].domain === domain);

  // Fixed decisions under any MES and weights, over the picked domains (what_if.py: what_if).
  function whatIf(t, statistics, domain, w) {
    const at = picked(t, domain);
    const n = sum(at.map((i) => t.frames[i].n));
    const solved = sum(at.map((i) => {
      const level = t.frames[i].levels.findIndex((value) => value >= w.mes);
      return level < 0 ? 0 : statistics[i][2 + level];
    }));
    const of = (k) => sum(at.map((i) => statistics[i][k])) / n;
    const large = sum(at.map((i) => t.frames[i].large)) / n;
    const [apsp, ca, ail] = [solved / n, of(0), of(1)];
    return { apsp, ca, ail, large, rcs: rcs(apsp, ca, ail, large, w) };
  }

  function curve(text, w) {
    const value = (k) => (DIGITS.indexOf(text[k]) * 64 + DIGITS.indexOf(text[k + 1])) / FULL;
    return data.taus.map((tau, i) => {
      const [apsp, ca, saved] = [value(6 * i), value(6 * i + 2), 2 * value(6 * i + 4) - 1];
      return { tau, apsp, ca, rcs: w.alpha * apsp + w.beta * ca + w.gamma * saved };
    });
  }

  // One object a router, for the whole track or one domain of it.
  function rows(track, scenario, domain) {
    const t = table(track, scenario), w = data.scenarios[scenario];
    const best = t ? whatIf(t, t.fixed[t.bestFixed], domain, w).rcs : 0;
    return !t ? [] : t.rows.map((r) => {
      const [at, band, tau, low, high, gainLow, gainHigh, auroc, brier, ece, area, drop, flags, statistics, domains, packed] = r;
      const submission = data.submissions[at], figures = whatIf(t, statistics, domain, w);
      const inside = domain && domains ? domains[t.frames.findIndex((f) => f.domain === domain)] : null;
      const whole = !inside;
      return { slug: submission.slug, name: submission.name, submission, statistics, packed, tau, ...figures,
        band: inside ? inside[0] : band, low: inside ? inside[1] : low, high: inside ? inside[2] : high,
        gain: figures.rcs - best, gainLow: whole ? gainLow : null, gainHigh: whole ? gainHigh : null,
        auroc: whole ? auroc : null, brier, ece, area, drop: whole ? drop : null,
        flags: [...flags.map((k) => t.flags[k]), ...submission.flags] };
    });
  }

  function policies(track, scenario, domain) {
    const t = table(track, scenario), w = data.scenarios[scenario];
    if (!t) return [];
    const of = (name, [apsp, ca, ail, rcs]) => ({ policy: name, apsp, ca, ail, rcs });
    const oracles = (domain && t.domainOracles[domain]) || t.oracles;
    return [...["all-edge", "all-cloud"].map((name) => ({ policy: name, ...whatIf(t, t.fixed[name], domain, w) })),
      ...["label-oracle", "rcs-oracle"].map((name) => of(name, oracles[name]))];
  }

  const round9 = (value) => Math.round(value * 1e9) / 1e9;
  // The best of {name: statistics} under weights; ties go to the first name (sensitivity.py).
  function leader(t, candidates, w) {
    let best = null;
    for (const [name, statistics] of candidates) {
      const value = round9(whatIf(t, statistics, null, w).rcs);
      if (best === null || value > best.value) best = { name, value };
    }
    return best && best.name;
  }
  const candidates = (t, fixed) => [
    ...t.rows.map((r) => [data.submissions[r[0]].slug, r[13]]).sort((a, b) => (a[0] < b[0] ? -1 : 1)),
    ...(fixed ? ["all-edge", "all-cloud"].map((name) => ["(" + name + ")", t.fixed[name]]) : [])];

  const STEPS = 20;
  // Who leads at each point of the simplex of weights: [[alpha, beta, gamma, name], ...].
  function simplex(t, mes) {
    const w0 = { mes, alpha: 1, beta: 0, gamma: 0 };
    const parts = candidates(t, true).map(([name, s]) => { const f = whatIf(t, s, null, w0); return [name, f.apsp, f.ca, 1 - f.ail / f.large]; });
    const points = [];
    for (let a = 0; a <= STEPS; a++) for (let b = 0; b <= STEPS - a; b++) {
      const [x, y, z] = [a / STEPS, b / STEPS, (STEPS - a - b) / STEPS];
      let best = null;
      for (const [name, p, c, s] of parts) {
        const value = round9(x * p + y * c + z * s);
        if (best === null || value > best.value) best = { name, value };
      }
      points.push([x, y, z, best.name]);
    }
    return points;
  }

  return { data, table, rows, policies, whatIf, curve, leader, candidates, simplex, tracks: [...new Set(data.tables.map((t) => t.track))] };
})();
window.board = board;
