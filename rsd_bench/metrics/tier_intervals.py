"""Intervals of everything that the decisions of a router decide, over resampled groups: scores, gain, savings.

Every figure comes from sums over queries, so one product of draws and group sums resamples them all.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rsd_bench.config import N_BOOT, scenario_named
from rsd_bench.metrics import arrays
from rsd_bench.metrics.arrays import FloatArray, IntArray
from rsd_bench.metrics.bootstrap import group_sums, interval, interval_where_defined, resample_sums
from rsd_bench.metrics.escalation import PER, calls_saved, captured_share, escalated, usd_saved
from rsd_bench.metrics.latency import unclocked_groups
from rsd_bench.metrics.routing import DIFFERENCE_RANGES, RANGES, TERMS, metrics_of, over_repeats, rcs
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

    choice: the tier that answers, 0 ... K - 1, shape (n,), or (n, repeats) of a router that was trained several times:
    then figures are means over the repeats, and a group is resampled with all of them.
    costs: USD of a query on each tier, shape (n, K) or (K,). groups: shape (n,), ids of queries that are resampled
    together; None makes each query its own. n_boot: resamples, at least 1; seed: of their draw, a whole number from 0.
    Other arguments as `score_tiers`. captured is NaN where the oracle gains nothing, bounds are where that holds in
    more than 1 % of resamples. Raises ValueError naming the argument.
    Source: rsd_bench metrics version 2.
    """
    found = scenario_named(scenario)
    tiers = Tiers.of(scores, latencies, advantage, cascade)
    n = len(tiers)
    choices = arrays.repeated(
        choice, "choice", n, lambda values, name, rows: arrays.tier_choice(values, name, rows, tiers.count)
    )
    router_latency = arrays.seconds(router_latency_s, "router_latency_s", n)
    spent = None if costs is None else arrays.tier_amounts(costs, "costs", n, tiers.count)
    codes = arrays.group_codes(groups, n)
    n_boot, seed = arrays.whole_number(n_boot, "n_boot", 1), arrays.whole_number(seed, "seed", 0)
    check_tiers_scenario(found, tiers)
    if bare := unclocked_groups(tiers.latencies[:, -1], codes):
        raise ValueError(f"latencies: of tier {tiers.count} are 0 in {bare}; a resample may save none; clock it")
    sums = group_sums(decided_columns(choices, tiers, found, router_latency, spent), codes)
    values, samples = (decided_figures(of, found) for of in (sums.sum(axis=0), resample_sums(sums, n_boot, seed)))
    return decided_intervals(values, samples, len(sums))


def decided_intervals(
    values: Mapping[str, FloatArray], samples: Mapping[str, FloatArray], groups: int
) -> dict[str, Interval]:
    """The interval of each of `decided_figures`, from the figures of all queries and of resamples of `groups`."""
    return {
        name: interval_where_defined(float(values[name]), samples[name], groups, within)
        for name, within in TIER_RANGES.items()
        if name in values
    }


def saved_usd_interval(
    choice: Any,
    *,
    costs: Any,
    cascade: bool = False,
    groups: Any = None,
    n_boot: int = N_BOOT,
    seed: int = 0,
) -> Interval:
    """`saved_usd` with its 95 % interval over groups, where nothing but costs is known of the queries.

    Arguments as `tier_intervals`; n_boot 0 leaves the bounds out (NaN). Raises ValueError naming the argument.
    Source: rsd_bench metrics version 2.
    """
    count = arrays.tier_count(costs, "costs")
    repeats = arrays.repeated(
        choice, "choice", None, lambda values, name, n: arrays.tier_choice(values, name, n, count)
    )
    n = len(repeats[0])
    spent, cascade = arrays.tier_amounts(costs, "costs", n, count), arrays.flag(cascade, "cascade")
    codes = arrays.group_codes(groups, n)
    n_boot, seed = arrays.whole_number(n_boot, "n_boot", 0), arrays.whole_number(seed, "seed", 0)
    saved = over_repeats([usd_saved(of, spent, cascade)] for of in repeats)
    sums = group_sums([np.ones(n), *saved], codes)
    value, samples = (of[..., 1] / of[..., 0] for of in (sums.sum(axis=0), resample_sums(sums, n_boot, seed)))
    return interval(float(value), samples, len(sums), TIER_RANGES["saved_usd"])


def repeated_columns(
    choices: Sequence[IntArray], tiers: Tiers, mes: float, router_latency: FloatArray | float
) -> Iterator[NDArray[Any]]:
    """TERMS of a router's decisions as `tier_columns` gives them, each the mean over its repeats."""
    yield from over_repeats(tier_columns(choice, tiers, mes, router_latency) for choice in choices)


_OWN = ("solved", "on_small", "latency")  # of TERMS: what RCS needs and policies of the same queries do not share
_N, _LARGE = TERMS.index("n"), TERMS.index("large_latency")


def own_columns(columns: Iterable[NDArray[Any]]) -> Iterator[NDArray[Any]]:
    """Of `tier_columns` those that RCS needs and that policies of the same queries do not share."""
    yield from (column for name, column in zip(TERMS, columns, strict=True) if name in _OWN)


def own_rcs(own: FloatArray, router: FloatArray, scenario: Scenario) -> FloatArray:
    """RCS from sums of `own_columns`, (..., 3), and of anybody's TERMS on the same queries, (..., 6)."""
    n = router[..., _N]
    solved, kept, waited = (own[..., k] / n for k in range(len(_OWN)))
    return np.asarray(rcs(solved, kept, waited, router[..., _LARGE] / n, scenario))


def decided_columns(
    choices: Sequence[IntArray],
    tiers: Tiers,
    scenario: Scenario,
    router_latency: FloatArray | float = 0.0,
    costs: FloatArray | None = None,
) -> Iterator[NDArray[Any]]:
    """Per-query terms of every figure of decisions, one array a repeat, each the mean over repeats: for arguments that
    are already checked.

    TERMS of the router; of the best fixed policy and of the oracle what RCS needs beyond those; then what is a mean by
    itself.
    """
    straight = replace(tiers, cascade=False)
    fixed = np.full(len(tiers), best_fixed_tier(list(fixed_rows(straight, scenario).values())))
    competent = label_oracle_choice(tiers, scenario)
    yield from repeated_columns(choices, tiers, scenario.mes, router_latency)
    yield from own_columns(tier_columns(fixed, straight, scenario.mes))
    yield from own_columns(tier_columns(rcs_oracle_choice(tiers, scenario), tiers, scenario.mes))
    yield from over_repeats(_spared(choice, competent, tiers, costs) for choice in choices)


def _spared(choice: IntArray, competent: IntArray, tiers: Tiers, costs: FloatArray | None) -> Iterator[NDArray[Any]]:
    yield from escalated(choice, competent)
    yield calls_saved(choice, tiers.count)
    if costs is not None:
        yield usd_saved(choice, costs, tiers.cascade)


def decided_figures(sums: FloatArray, scenario: Scenario) -> dict[str, FloatArray]:
    """Figures from summed `decided_columns`, shape (..., columns) -> arrays of shape (...)."""
    ends = [len(TERMS), len(TERMS) + len(_OWN), len(TERMS) + 2 * len(_OWN)]
    router, fixed, oracle, rest = np.split(sums, ends, axis=-1)
    found = metrics_of(router, scenario)
    best, most = (own_rcs(of, router, scenario) for of in (fixed, oracle))
    gain = found["rcs"] - best
    means = np.moveaxis(rest, -1, 0) / router[..., 0]
    names = list(TIER_RANGES)[-4:]
    return found | {
        "gain": gain,
        "captured": captured_share(gain, most - best),
        **dict(zip(names, means, strict=False)),
    }
