"use strict";
// The board's data and formulas: the other half of page/__init__.py. `window.board` lets a test read the same figures.
// What is looked up by name is a Map: a domain, a track or a router may be called "constructor".
const board = (() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  const FULL = 64 * 64 - 1;
  const ORACLES = ["label-oracle", "rcs-oracle"];
  const sum = (values) => values.reduce((a, b) => a + b, 0);
  const round9 = (value) => Math.round(value * 1e9) / 1e9;
  const rcs = (apsp, ca, ail, large, w) => w.alpha * apsp + w.beta * ca + w.gamma * (1 - ail / large);

  const tenThousandths = (whole) => (whole === 0 ? null : (whole > 0 ? whole - 1 : whole) / 1e4);
  function unpack(t, row) {
    const [at, tau, flags, text, packed, spread] = row, submission = data.submissions[at], { slug, name } = submission;
    const numbers = unpacked(text), [repeats, cascade, band] = numbers, many = t.frames.length > 1 ? 3 * t.frames.length : 0;
    const shown = numbers.slice(3, 17).map(tenThousandths), bounds = numbers.slice(17, 17 + many), counts = numbers.slice(17 + many);
    const [meanTau, low, high, gainLow, gainHigh, auroc, brier, ece, area, drop, mean, over, under, skill] = shown;
    const domains = bounds.length ? t.frames.map((_, i) => [bounds[3 * i] || null, tenThousandths(bounds[3 * i + 1]), tenThousandths(bounds[3 * i + 2])]) : null;
    return { slug, name, submission, band: band || null, tau, meanTau, low, high, gainLow, gainHigh, auroc, brier, ece, area, drop, mean, over, under, skill,
      flags: [...flags.map((k) => t.flags[k]), ...submission.flags], statistics: statisticsOf(t, counts, repeats, submission.latency), domains, packed, kind: cascade ? "cascade" : "query", spread: new Map(spread) };
  }
  // page_data.py: _counts.
  function statisticsOf(t, numbers, repeats, latency) {
    const fixed = [...t.fixed.values()], [first, last] = [fixed[0], fixed[fixed.length - 1]], unit = fixed.length === 2 ? repeats : 1e9;
    let next = 0;
    return t.frames.map((f, i) => {
      const kept = round9(numbers[next++] / unit), waited = kept * (first[i][1] / f.n) + (f.n - kept) * (last[i][1] / f.n) + latency * f.n;
      const row = [kept, round9(waited + numbers[next++] / 1e9)];
      let count = f.n * repeats;
      for (let level = 0; level < f.levels.length; level++, next++) {
        count -= numbers[next];
        row.push(round9(count / repeats));
      }
      return row;
    });
  }
  data.scenarios = new Map(data.scenarios);
  data.noise = new Map(data.noise);
  const parts = new Map(data.parts.map((part) => [part.track, { deviates: part.deviates, fixed: new Map(part.fixed),
    frames: part.frames.map(([domain, n, levels, large, groups]) => ({ domain, n, levels, large, groups })) }]));
  for (const t of data.tables) {
    Object.assign(t, parts.get(t.track));
    t.domainOracles = new Map(t.domainOracles.map(([domain, oracles]) => [domain, new Map(oracles)]));
    for (const key of ["oracles", "simplex"]) t[key] = new Map(t[key]);
    const packed = t.rows; // read where it is looked at
    let rows = null;
    Object.defineProperty(t, "rows", { get: () => (rows ??= packed.map((row) => unpack(t, row))) });
  }
  const at = (track, scenario) => JSON.stringify([track, scenario]), tables = new Map(data.tables.map((t) => [at(t.track, t.scenario), t]));
  const table = (track, scenario) => tables.get(at(track, scenario));
  // The domains that can be looked at alone: none where the track is one domain.
  const domains = (track, scenario) => { const t = table(track, scenario); return t && t.frames.length > 1 ? t.frames : []; };

  // Fixed decisions under any MES and weights, over the picked domains (what_if.py: what_if).
  function whatIf(t, statistics, domain, w) {
    const at = t.frames.map((_, i) => i).filter((i) => !domain || t.frames[i].domain === domain);
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
    const span = 2 ** DIGITS.indexOf(text[0]), value = (k) => (DIGITS.indexOf(text[k]) * 64 + DIGITS.indexOf(text[k + 1])) / FULL;
    return data.taus.map((tau, i) => {
      const [apsp, ca, saved] = [value(6 * i + 1), value(6 * i + 3), 1 - span * (1 - value(6 * i + 5))];
      return { tau, apsp, ca, rcs: w.alpha * apsp + w.beta * ca + w.gamma * saved };
    });
  }

  // Fixed policies from the cheapest tier up (of two: all-edge, all-cloud), label oracle, RCS oracle: of the whole track or
  // one domain of it.
  function policies(track, scenario, domain) {
    const t = table(track, scenario), w = data.scenarios.get(scenario);
    if (!t) return [];
    const oracles = t.domainOracles.get(domain) || t.oracles;
    return [...[...t.fixed].map(([policy, statistics]) => ({ policy, ...whatIf(t, statistics, domain, w) })),
      ...ORACLES.map((policy) => { const [apsp, ca, ail, value] = oracles.get(policy); return { policy, apsp, ca, ail, rcs: value }; })];
  }
  const fixedOf = (known) => known.slice(0, -ORACLES.length), oracleOf = (known) => known[known.length - 1];
  // Ties go to the dearest.
  const bestFixed = (known) => fixedOf(known).reduce((best, p) => (best.rcs > p.rcs ? best : p));

  // One object a router. Inside a domain, what is only known of the whole track is null, and so are intervals of gains.
  function rows(track, scenario, domain) {
    const t = table(track, scenario), w = data.scenarios.get(scenario);
    if (!t) return [];
    const known = policies(track, scenario, domain), [edge, cloud] = known, oracle = oracleOf(known), best = bestFixed(known).rcs;
    const pair = fixedOf(known).length === 2;
    const part = domains(track, scenario).findIndex((f) => f.domain === domain);
    return t.rows.map((r) => {
      const figures = whatIf(t, r.statistics, domain, w), { ca } = figures;
      const row = { ...r, ...figures, gain: figures.rcs - best, regret: r.kind === "query" ? oracle.rcs - figures.rcs : null, // a cascade has an oracle of its kind
        random: pair ? ca * edge.rcs + (1 - ca) * cloud.rcs : null }; // of more tiers the shares are not known here
      if (part < 0) return row;
      const [band, low, high] = r.domains[part];
      return { ...row, band, low, high, gainLow: null, gainHigh: null, auroc: null, drop: null, skill: null, flags: r.flags.filter((f) => !f.startsWith("below ")) };
    });
  }

  // By name: fixed policies, then routers by slug. The first of those that tie leads (sensitivity.py).
  const candidates = (t) => [...[...t.fixed].map(([name, statistics]) => [`(${name})`, statistics]),
    ...t.rows.map((r) => [r.slug, r.statistics]).sort((a, b) => (a[0] < b[0] ? -1 : 1))];

  const STEPS = 20;
  // Who leads at each point of the simplex of weights: [[alpha, beta, gamma, name], ...].
  function simplex(t, mes) {
    const w0 = { mes, alpha: 1, beta: 0, gamma: 0 };
    const parts = candidates(t).map(([name, s]) => { const f = whatIf(t, s, null, w0); return [name, f.apsp, f.ca, 1 - f.ail / f.large]; });
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

  const tracks = [...new Set(data.tables.map((t) => t.track))];
  return { data, tracks, table, domains, rows, policies, fixedOf, oracleOf, bestFixed, whatIf, curve, simplex, round9 };
})();
window.board = board;
