"""Gains of decisions that were drawn several times, averaged over parts of a dataset that weigh alike.

A part is a domain, or a pair of models; of each query what counts is the share of draws that keep it on the edge, among
those draws that test it. The bootstrap resamples groups within parts; parts of the same queries are resampled together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rsd_bench.config import ROUTER_LATENCY_S
from rsd_bench.metrics.arrays import BoolArray, FloatArray, group_codes
from rsd_bench.metrics.bootstrap import group_sums, interval, resample_sums
from rsd_bench.metrics.routing import best_fixed, metrics_of, term_columns
from rsd_bench.routers.interface import TrainingData
from rsd_bench.types import Interval

COLUMNS = ("gain", "low", "high", "over", "over low", "over high", "over %", "draws sd")
DIGITS = (2, 2, 2, 2, 2, 2, 1, 2)
N_BOOT = 2_000


@dataclass(frozen=True)
class Decisions:
    """share: of the draws that test a query, those that keep it on the edge, (n,). gains: by draw, in points.

    tested: which queries any draw tests, (n,). router_latency: seconds that a decision takes. cascade: who goes on has
    waited for the small model too.
    """

    share: FloatArray
    tested: BoolArray
    gains: FloatArray
    router_latency: float = ROUTER_LATENCY_S
    cascade: bool = False


def decided_once(route: BoolArray) -> Decisions:
    """Decisions that no draw changes."""
    return Decisions(route.astype(np.float64), np.ones(len(route), np.bool_), np.zeros(1))


def fixed_policy(data: TrainingData) -> Decisions:
    """The best fixed policy of a part, chosen in hindsight."""
    route = best_fixed(data.outcomes, data.scenario)[1]
    return Decisions(route.astype(np.float64), np.ones(len(route), np.bool_), np.zeros(1), 0.0)


@dataclass(frozen=True)
class MeanGains:
    """gain: RCS against the best fixed policy of each part. over: against `base`; over_share: of the RCS of that."""

    gain: Interval
    over: Interval
    over_share: float
    draws_sd: float

    @property
    def cells(self) -> tuple[float, ...]:
        """As COLUMNS: in points, and in percent."""
        points = (100 * of for each in (self.gain, self.over) for of in (each.value, each.low, each.high))
        return (*points, 100 * self.over_share, self.draws_sd)


def mean_gains(
    parts: Sequence[TrainingData], ours: Sequence[Decisions], base: Sequence[Decisions], together: bool
) -> MeanGains:
    """Means over parts. together: every part has the same queries, for other models."""
    values, samples, groups = [], [], 0
    for i, (data, own, other) in enumerate(zip(parts, ours, base, strict=True)):
        each = np.hstack([_terms(data, of) for of in (own, other, fixed_policy(data))])[own.tested]
        sums = group_sums(each, group_codes(data.groups[own.tested], len(each)))
        value, sample = (
            np.column_stack([metrics_of(part, data.scenario)["rcs"] for part in np.split(table, 3, axis=-1)])
            for table in (sums.sum(axis=0)[None], resample_sums(sums, N_BOOT, 0 if together else i))
        )
        values.append(value[0])
        samples.append(sample)
        groups = len(sums) if together else groups + len(sums)
    (rcs, before, fixed), drawn = np.mean(values, axis=0), np.mean(samples, axis=0)
    return MeanGains(
        interval(rcs - fixed, drawn[:, 0] - drawn[:, 2], groups),
        interval(rcs - before, drawn[:, 0] - drawn[:, 1], groups),
        float((rcs - before) / before),
        float(np.mean([of.gains for of in ours], axis=0).std()),
    )


def _terms(data: TrainingData, of: Decisions) -> FloatArray:
    """`term_columns` of queries that stay on the edge in a share of the draws, shape (n, 6)."""
    given = (data.outcomes, data.scenario.mes, of.router_latency, of.cascade)
    edge, cloud = (np.column_stack(list(term_columns(np.full(len(data), to), *given))) for to in (True, False))
    return np.asarray(of.share[:, None] * edge + (1 - of.share[:, None]) * cloud)
