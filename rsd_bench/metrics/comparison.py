"""Two routings of the same queries: the paired difference of every metric, with intervals over groups."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from numpy.typing import NDArray

from rsd_bench.config import N_BOOT, scenario_named
from rsd_bench.metrics import arrays
from rsd_bench.metrics.arrays import IntArray
from rsd_bench.metrics.bootstrap import group_sums, interval, resample_sums
from rsd_bench.metrics.latency import check_latency
from rsd_bench.metrics.routing import DIFFERENCE_RANGES, Outcomes, check_scenario, metrics_of, score_of, term_columns
from rsd_bench.types import Comparison, Scenario


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

    route_a, route_b: shape (n,), 1 where the small model answers. router_latency_a_s, router_latency_b_s: seconds,
    shape (n,) or one number. n_boot: resamples. seed: of the bootstrap. groups: shape (n,), ids of queries that are
    resampled together; None makes each query its own group. Other arguments as `score_routing`. Raises ValueError
    naming the argument.
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
    check_latency(outcomes.large_latency, codes)
    a, b = (list(term_columns(r, outcomes, scenario.mes, t)) for r, t in zip(routes, latencies, strict=True))
    return compared(a, b, scenario, codes, n_boot, seed)


def compared(
    a: Sequence[NDArray[Any]], b: Sequence[NDArray[Any]], scenario: Scenario, codes: IntArray, n_boot: int, seed: int
) -> Comparison:
    """`compare` of per-query TERMS of two routers, one array a term, whose groups have codes 0..G-1."""
    sums = group_sums(iter([*a, *b]), codes)
    samples = resample_sums(sums, n_boot, seed)
    boot_a, boot_b = metrics_of(samples[:, : len(a)], scenario), metrics_of(samples[:, len(a) :], scenario)
    score_a, score_b = score_of(a, scenario), score_of(b, scenario)
    of_a, of_b = score_a.to_dict(), score_b.to_dict()
    differences = {
        name: interval(of_a[name] - of_b[name], boot_a[name] - boot_b[name], len(sums), within)
        for name, within in DIFFERENCE_RANGES.items()
    }
    n = len(codes)
    return Comparison(n=n, n_groups=len(sums), n_boot=n_boot, seed=seed, a=score_a, b=score_b, **differences)
