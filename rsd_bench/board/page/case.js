// Which router for my case: what case.py recommends, from the figures that the page has. A case is { mes, alpha, beta,
// gamma, seconds: [small, large] or null, usd: [small, large], most: a number or null }.
const casework = (() => {
  const FIXED = ["all-edge", "all-cloud"], SE = 2e-5, CORRELATION = 1e-2;
  const GRID = Array.from({ length: 21 }, (_, k) => k / 2);
  const { round9 } = board, Z = board.data.z;

  // What queries cost on average (seconds, USD) of which a share `kept` ends on the small model.
  const paid = (kept, [small, large], cascade) => (cascade ? small : kept * small) + (1 - kept) * large;

  function outcome(t, of, domain, c) {
    const found = board.whatIf(t, of.statistics, domain, c);
    if (c.seconds) {
      found.ail = of.latency + paid(found.ca, c.seconds, of.cascade);
      found.large = c.seconds[1];
      found.rcs = c.alpha * found.apsp + c.beta * found.ca + c.gamma * (1 - found.ail / found.large);
    }
    return { ...found, usd: 1000 * paid(found.ca, c.usd, of.cascade) };
  }

  function spreadLevels(frames) {
    const found = [...new Set(frames.flatMap((f) => f.levels))].sort((a, b) => a - b);
    return found.length <= GRID.length ? found : GRID;
  }
  function halfWidth(block, levels, deviate, fixed, c, slope) {
    if (deviate === null) return NaN;
    const level = levels.findIndex((value) => value >= c.mes), at = 1 + 4 * level + 2 * fixed;
    const [solved, correlation] = level < 0 ? [0, 0] : block.slice(at, at + 2);
    const a = c.alpha * solved * SE, b = slope * block[0] * SE;
    return deviate * Math.sqrt(Math.max(0, a * a + 2 * a * b * correlation * CORRELATION + b * b));
  }
  // What a level differs by from the one before (page_data.py: _differences).
  function spreadOf(text) {
    const numbers = unpacked(text);
    for (let i = 5; i < numbers.length; i++) numbers[i] += numbers[i - 4];
    return numbers;
  }
  const slopeOf = (c, [small, large], cascade) => c.beta + c.gamma * ((cascade ? large : large - small) / large);

  // The normal distribution to 15 digits: Marsaglia, Journal of Statistical Software 11 (2004).
  function normal(x) {
    if (Math.abs(x) > 8) return x > 0 ? 1 : 0;
    let sum = x, term = x;
    for (let k = 3; Math.abs(term) > 1e-17; k += 2) sum += term *= (x * x) / k;
    return 0.5 + sum * Math.exp(-x * x / 2) / Math.sqrt(2 * Math.PI);
  }
  const chance = (gain, half) => (Number.isNaN(half) ? NaN : half > 0 ? normal((Z * gain) / half) : gain > 0 ? 1 : gain < 0 ? 0 : 0.5);

  // The decisions of every router for every scenario of the board.
  const candidates = (track) => [...board.data.scenarios.keys()].flatMap((scenario) => (board.table(track, scenario)?.rows || []).map((row) => ({ row, scenario,
    slug: row.slug, name: row.name, statistics: row.statistics, spread: row.spread, latency: row.submission.latency, cascade: row.kind === "cascade" })));
  // Above 0 where b serves better; where RCS ties, by what it is made of.
  const better = (a, b) => round9(b.rcs) - round9(a.rcs) || b.apsp - a.apsp || b.ca - a.ca || a.ail - b.ail;

  // The best router and the best fixed policy, and which to use: the router where it is shown to gain.
  function recommend(track, scenario, domain, c) {
    const t = board.table(track, scenario);
    if (!t || t.fixed.size !== 2) return null;
    const at = domain ? t.frames.findIndex((f) => f.domain === domain) : -1, frames = at < 0 ? t.frames : [t.frames[at]];
    const block = at < 0 || t.frames.length === 1 ? 0 : 1 + at, affordable = (f) => c.most === null || round9(f.usd) <= c.most;
    const policies = FIXED.map((name, k) => ({ name, k, fixed: true, ...outcome(t, { statistics: t.fixed.get(name), latency: 0 }, domain, c) }));
    const within = policies.filter(affordable), allowed = within.length ? within : [policies[0].usd <= policies[1].usd ? policies[0] : policies[1]];
    const best = allowed.reduce((a, b) => (a.rcs > b.rcs ? a : b));
    const routers = candidates(track).map((of) => ({ ...of, ...outcome(t, of, domain, c) }));
    const router = routers.filter(affordable).reduce((a, b) => (a && better(a, b) <= 0 ? a : b), null);
    const found = { t, frames, block, policies, best, routers, router, over: !within.length, gain: NaN, half: NaN, chance: NaN, useRouter: false };
    if (!router) return found;
    found.gain = router.rcs - best.rcs;
    if (router.spread.has(block)) {
      const slope = slopeOf(c, c.seconds || policies.map((p) => p.ail), router.cascade);
      found.half = halfWidth(spreadOf(router.spread.get(block)), spreadLevels(frames), t.deviates[block], best.k, c, slope);
    }
    found.chance = chance(found.gain, found.half);
    found.useRouter = found.gain - found.half > 0;
    return found;
  }
  return { recommend };
})();
window.casework = casework;
