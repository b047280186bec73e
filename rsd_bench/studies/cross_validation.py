"""Grouped cross-validation of a router over every query of a dataset, whatever its own protocol is.

Folds are hashes of group ids: seed r deals those of repeat r of a cross-fitted track, and is the router's seed there,
so that a study decides as a submission does. A fold is tested once; the next one is the validation part, the rest
trains. Queries decided in all folds are scored together, over several seeds, and compared with the best fixed policy of
the same queries, which is chosen in hindsight.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from rsd_bench.config import FOLDS, IN_DOMAIN, N_BOOT, ROUTER_LATENCY_S
from rsd_bench.dataset.benchmark import Benchmark
from rsd_bench.dataset.splits import fold_of, turns
from rsd_bench.features.feature_table import Features
from rsd_bench.metrics.arrays import FloatArray, group_codes
from rsd_bench.metrics.bootstrap import group_sums, interval, resample_sums
from rsd_bench.metrics.calibration import auroc
from rsd_bench.metrics.latency import check_latency
from rsd_bench.metrics.routing import best_fixed, metrics_of, terms
from rsd_bench.routers.interface import TrainingData
from rsd_bench.routers.registry import Make
from rsd_bench.routers.track_training import data_at
from rsd_bench.types import Interval, Scenario


@dataclass(frozen=True)
class Decided:
    """p_edge and decisions of n queries, each made by a router that had not seen its group."""

    p_edge: FloatArray
    route: FloatArray  # 0 or 1


@dataclass(frozen=True)
class Summary:
    """Means over seeds; `gain` is RCS minus that of the best fixed policy, its interval over groups."""

    rcs: float
    gain: Interval
    gain_share: float  # gain / RCS of the best fixed policy
    gain_by_seed: tuple[float, ...]
    auroc: float | None
    ca: float
    apsp: float
    best_fixed: str


def every_query(benchmark: Benchmark, features: Features, scenario: Scenario) -> TrainingData:
    """All queries with the outcomes of their own pair, in the order of Benchmark.queries."""
    return data_at(benchmark, features, IN_DOMAIN, np.arange(len(benchmark.queries)), scenario)


def decide_out_of_fold(make: Make, data: TrainingData, seed: int) -> Decided:
    """Train FOLDS routers and decide every query once."""
    fold = fold_of(data.groups.tolist(), FOLDS, seed)
    p, route = np.zeros(len(data)), np.zeros(len(data))
    for train, validation, test in turns(fold):
        held_out = data.take(validation)
        router = make(seed).fit(data.take(train), held_out)
        p[test] = router.predict_p_edge(data.features.take(test))
        route[test] = p[test] >= router.threshold(held_out)
    return Decided(p, route)


def summarise(
    data: TrainingData,
    decided: Iterable[Decided],
    n_boot: int = N_BOOT,
    seed: int = 0,
    router_latency_s: float = ROUTER_LATENCY_S,
) -> Summary:
    """Score decisions of the same queries, one per seed of the router; the bootstrap resamples groups."""
    runs, outcomes, scenario = list(decided), data.outcomes, data.scenario
    name, fixed = best_fixed(outcomes, scenario)
    ours = [terms(run.route.astype(np.bool_), outcomes, scenario.mes, router_latency_s) for run in runs]
    both = np.hstack([np.mean(ours, axis=0), terms(fixed, outcomes, scenario.mes)])
    half = both.shape[1] // 2
    value, reference = (metrics_of(part.sum(axis=0), scenario) for part in (both[:, :half], both[:, half:]))
    codes = group_codes(data.groups, len(data))
    check_latency(outcomes.large_latency, codes)
    sums = group_sums(both, codes)
    samples = resample_sums(sums, n_boot, seed)
    a, b = (metrics_of(part, scenario)["rcs"] for part in (samples[:, :half], samples[:, half:]))
    base = float(reference["rcs"])
    areas = [auroc(run.p_edge, data.labels) for run in runs]
    known = [area for area in areas if area is not None]
    return Summary(
        rcs=float(value["rcs"]),
        gain=interval(float(value["rcs"]) - base, a - b, len(sums)),
        gain_share=(float(value["rcs"]) - base) / base,
        gain_by_seed=tuple(float(metrics_of(t.sum(axis=0), scenario)["rcs"]) - base for t in ours),
        auroc=float(np.mean(known)) if known else None,
        ca=float(value["ca"]),
        apsp=float(value["apsp"]),
        best_fixed=name,
    )
