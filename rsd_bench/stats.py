"""Uncertainty and calibration: group bootstrap, paired comparison, rank bands, AUROC, Brier, ECE.

The bootstrap resamples groups (queries that share an image or a seed question) with replacement and needs only the sums
of each group, so its cost grows with groups, not queries, and no n_boot x n array ever exists.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rsd_bench import arrays
from rsd_bench.arrays import FloatArray, IntArray
from rsd_bench.config import CONFIDENCE, ECE_BINS, N_BOOT, scenario_named
from rsd_bench.metrics import Outcomes, check_scenario, metrics_of, routing_score, terms
from rsd_bench.types import Comparison, Interval, Scenario

_DECIMALS = 12
_CHUNK_CELLS = 1 << 18  # draws held at once: small enough for the cache
_PATTERN_COST = 8  # a multinomial cell costs about as much as this many drawn indices


def group_sums(values: FloatArray, codes: IntArray) -> FloatArray:
    """Sum rows of `values` (n, k) over groups 0..G-1 -> (G, k)."""
    n_groups = int(codes.max()) + 1
    return np.column_stack([np.bincount(codes, column, n_groups) for column in values.T])


def resample_sums(sums: FloatArray, n_boot: int = N_BOOT, seed: int = 0) -> FloatArray:
    """Sums of `n_boot` bootstrap samples of the G rows of `sums` (G, k) -> (n_boot, k). Same seed, same samples.

    Rows that are equal are interchangeable, so where few distinct rows exist one multinomial draw over those is exact
    and cheaper; elsewhere indices are drawn and counted in chunks that fit the cache.
    """
    rng = np.random.default_rng(seed)
    patterns, counts = np.unique(sums, axis=0, return_counts=True)
    n_groups = len(sums)
    out = np.empty((n_boot, sums.shape[1]))
    if len(patterns) * _PATTERN_COST <= n_groups:
        rows = max(1, _CHUNK_CELLS // len(patterns))
        for start in range(0, n_boot, rows):
            size = min(rows, n_boot - start)
            out[start : start + size] = rng.multinomial(n_groups, counts / n_groups, size=size) @ patterns
        return out
    rows = max(1, min(n_boot, _CHUNK_CELLS // n_groups))
    offsets = np.arange(rows)[:, None] * n_groups
    for start in range(0, n_boot, rows):
        size = min(rows, n_boot - start)
        picks = rng.integers(0, n_groups, size=(size, n_groups))
        picks += offsets[:size]
        times = np.bincount(picks.ravel(), minlength=size * n_groups).reshape(size, n_groups)
        out[start : start + size] = times @ sums
    return out


def interval(value: float, samples: FloatArray) -> Interval:
    """Percentile interval of bootstrap samples, shape (n_boot,)."""
    low, high = _percentiles(samples)
    return Interval(float(value), low, high)


def _percentiles(samples: FloatArray) -> tuple[float, float]:
    """Bounds of the interval without the last bits: equal routers must differ by exactly 0, whatever the BLAS."""
    tail = (1 - CONFIDENCE) / 2
    low, high = np.round(np.quantile(samples, (tail, 1 - tail)), _DECIMALS) + 0.0
    return float(low), float(high)


def compare(
    route_a: Any,
    route_b: Any,
    *,
    small: Any,
    large: Any,
    small_latency: Any = None,
    large_latency: Any = None,
    scenario: str | Scenario,
    router_latency_a_s: Any = 0.0,
    router_latency_b_s: Any = 0.0,
    groups: Any = None,
    n_boot: int = N_BOOT,
    seed: int = 0,
) -> Comparison:
    """Paired difference of two routings of the same queries, a - b, with bootstrap intervals over groups.

    groups: shape (n,), ids of queries that are resampled together; None makes each query its own group. Other
    arguments as `score_routing`. Raises ValueError naming the argument.
    """
    scenario = scenario_named(scenario)
    outcomes = Outcomes.of(small, large, small_latency, large_latency)
    n = len(outcomes)
    routes = arrays.decisions(route_a, "route_a", n), arrays.decisions(route_b, "route_b", n)
    latencies = (
        arrays.seconds(router_latency_a_s, "router_latency_a_s", n),
        arrays.seconds(router_latency_b_s, "router_latency_b_s", n),
    )
    codes = arrays.group_codes(groups, n)
    n_boot, seed = arrays.whole_number(n_boot, "n_boot", 1), arrays.whole_number(seed, "seed", 0)
    check_scenario(scenario, outcomes)
    both = np.hstack([terms(r, outcomes, scenario.mes, t) for r, t in zip(routes, latencies, strict=True)])
    sums = group_sums(both, codes)
    samples = resample_sums(sums, n_boot, seed)
    half = both.shape[1] // 2
    boot_a, boot_b = metrics_of(samples[:, :half], scenario), metrics_of(samples[:, half:], scenario)
    score_a, score_b = (routing_score(r, outcomes, scenario, t) for r, t in zip(routes, latencies, strict=True))
    a, b = score_a.to_dict(), score_b.to_dict()
    differences = {name: interval(a[name] - b[name], boot_a[name] - boot_b[name]) for name in boot_a}
    return Comparison(n=n, n_groups=len(sums), n_boot=n_boot, seed=seed, a=score_a, b=score_b, **differences)


def rank_bands(values: FloatArray, samples: FloatArray) -> IntArray:
    """Bands (1 = best) of R routers from their values (R,) and paired bootstrap samples (n_boot, R).

    Routers are taken from the highest value down. The first of a band leads it; whoever's paired interval against the
    leader contains 0 shares the band, the next one opens a new band.
    """
    bands = np.zeros(len(values), dtype=np.int64)
    leader, band = -1, 0
    for router in np.argsort(-values, kind="stable"):
        if leader < 0 or _percentiles(samples[:, leader] - samples[:, router])[0] > 0:
            leader, band = router, band + 1
        bands[router] = band
    return bands


def auroc(p_edge: FloatArray, labels: NDArray[np.int8]) -> float | None:
    """Area under the ROC curve of p against the label; None where only one label occurs."""
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(labels, p_edge)) if labels.min() != labels.max() else None


def brier(p_edge: FloatArray, labels: NDArray[np.int8]) -> float:
    """Mean squared difference of p and the label."""
    return float(np.mean((p_edge - labels) ** 2))


def expected_calibration_error(p_edge: FloatArray, labels: NDArray[np.int8], bins: int = ECE_BINS) -> float:
    """Expected calibration error over equal-width bins of p, each weighted by its share of queries."""
    which = np.minimum((p_edge * bins).astype(np.int64), bins - 1)
    gap = np.bincount(which, labels - p_edge, bins)
    return float(np.abs(gap).sum() / len(p_edge))
