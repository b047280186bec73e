"""Intervals of everything that the decisions of a router decide, over resampled groups: scores, gain, savings.

Every figure comes from sums over queries, so one product of draws and group sums resamples them all.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rsd_bench.config import N_BOOT, scenario_named
from rsd_bench.metrics import arrays
from rsd_bench.metrics.arrays import FloatArray, IntArray
from rsd_bench.metrics.bootstrap import group_sums, interval_where_defined, resample_sums
from rsd_bench.metrics.escalation import PER, calls_saved, captured_share, escalated, usd_saved
from rsd_bench.metrics.latency import unclocked_groups
from rsd_bench.metrics.routing import DIFFERENCE_RANGES, RANGES, TERMS, metrics_of
from rsd_bench.metrics.tier_policies import best_fixed_tier, fixed_rows, label_oracle_choice, rcs_oracle_choice
from rsd_bench.metrics.tiers import Tiers, check_tiers_scenario, tier_columns
from rsd_bench.types import Interval, Scenario

#: What each figure can be: no interval reaches beyond.
TIER_RANGES: dict[str, tuple[float, float]] = {
    **RANGES,
    "gain": DIFFERENCE_RANGES["rcs"],
    "captured": (-np.inf, 1.0),
    "over_escalated": (0.0, 1.0),
    "under_escalated": (0.0, 1.0),
    "saved_calls": (0.0, PER),
    "saved_usd": (-np.inf, np.inf),
}


def tier_intervals(
    choice: Any,
    *,
    scores: Any,
    latencies: Any = None,
    scenario: str | Scenario,
    advantage: Any = None,
    cascade: bool = False,
    router_latency_s: Any = 0.0,
    costs: Any = None,
    groups: Any = None,
    n_boot: int = N_BOOT,
    seed: int = 0,
) -> dict[str, Interval]:
    """Every figure of a router's decisions with its 95 % interval over groups.

    The metrics of `score_tiers`; gain over the best fixed policy; captured, the gain's share of what the RCS oracle
    gains; over- and under-escalated; calls of the last tier and, given costs, USD saved per 1,000 queries. A fixed
    policy goes straight to its tier, whatever kind the router is; the oracle is of the router's kind. Both decide as
    they do on all queries, and are scored anew in each resample.

    costs: USD of a query on each tier, shape (n, K) or (K,). groups: shape (n,), ids of queries that are resampled
    together; None makes each query its own. n_boot: resamples. seed: of the bootstrap. Other arguments as
    `score_tiers`. captured is NaN where the oracle gains nothing, bounds are where that holds in more than 1 % of
    resamples. Raises ValueError naming the argument. Source: rsd_bench metrics version 2.
    """
    found = scenario_named(scenario)
    tiers = Tiers.of(scores, latencies, advantage, cascade)
    n = len(tiers)
    chosen = arrays.tier_choice(choice, "choice", n, tiers.count)
    router_latency = arrays.seconds(router_latency_s, "router_latency_s", n)
    spent = None if costs is None else arrays.tier_amounts(costs, "costs", n, tiers.count)
    codes = arrays.group_codes(groups, n)
    n_boot, seed = arrays.whole_number(n_boot, "n_boot", 1), arrays.whole_number(seed, "seed", 0)
    check_tiers_scenario(found, tiers)
    if bare := unclocked_groups(tiers.latencies[:, -1], codes):
        raise ValueError(f"latencies: of tier {tiers.count} are 0 in {bare}; a resample may save none; clock it")
    sums = group_sums(_columns(chosen, tiers, found, router_latency, spent), codes)
    values, samples = (_figures(of, found) for of in (sums.sum(axis=0), resample_sums(sums, n_boot, seed)))
    return {
        name: interval_where_defined(float(values[name]), samples[name], len(sums), within)
        for name, within in TIER_RANGES.items()
        if name in values
    }


def _columns(
    choice: IntArray, tiers: Tiers, scenario: Scenario, router_latency: FloatArray, costs: FloatArray | None
) -> Iterator[NDArray[Any]]:
    """TERMS of the router, the best fixed policy and the oracle; then what is a mean over queries by itself."""
    straight = replace(tiers, cascade=False)
    fixed = np.full(len(tiers), best_fixed_tier(list(fixed_rows(straight, scenario).values())))
    yield from tier_columns(choice, tiers, scenario.mes, router_latency)
    yield from tier_columns(fixed, straight, scenario.mes)
    yield from tier_columns(rcs_oracle_choice(tiers, scenario), tiers, scenario.mes)
    yield from escalated(choice, label_oracle_choice(tiers, scenario))
    yield calls_saved(choice, tiers.count)
    if costs is not None:
        yield usd_saved(choice, costs, tiers.cascade)


def _figures(sums: FloatArray, scenario: Scenario) -> dict[str, FloatArray]:
    router, fixed, oracle, rest = np.split(sums, [len(TERMS) * k for k in (1, 2, 3)], axis=-1)
    found = metrics_of(router, scenario)
    best, most = (metrics_of(of, scenario)["rcs"] for of in (fixed, oracle))
    gain = found["rcs"] - best
    means = np.moveaxis(rest, -1, 0) / router[..., 0]
    names = list(TIER_RANGES)[-4:]
    return found | {
        "gain": gain,
        "captured": captured_share(gain, most - best),
        **dict(zip(names, means, strict=False)),
    }
