"""Sufficient statistics of a router's decisions: enough to recompute its ranking for any MES and weights.

Decisions are fixed, so APSP at any MES needs only how many delivered answers reach each score level, CA a count and AIL
a sum. The page ships these figures and recomputes with the formulas below; its tests hold the two equal to 1e-9.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from rsd_bench.config import SCORE_MAX
from rsd_bench.dataset.parts import Part
from rsd_bench.metrics.arrays import BoolArray, FloatArray
from rsd_bench.metrics.routing import Outcomes, rcs
from rsd_bench.types import Scenario

_MAX_LEVELS = 101
_DECIMALS = 9

#: Per domain [routed to small, summed latency, answers >= level 0, >= level 1, ...], as JSON has it.
Statistics = list[list[float]]


@dataclass(frozen=True)
class DomainFrame:
    """What all routers share on one domain: n, score levels, and the sum of the large model's latency."""

    domain: str
    n: int
    levels: tuple[float, ...]
    large_latency: float


def levels_of(outcomes: Outcomes) -> FloatArray:
    """Score levels, ascending: those that occur, or 0.0, 0.1 ... 10.0 where more than 101 do. Shape (L,)."""
    found = np.unique(np.concatenate([outcomes.small, outcomes.large]))
    return found if len(found) <= _MAX_LEVELS else np.arange(_MAX_LEVELS) / SCORE_MAX


def domain_frames(part: Part) -> tuple[DomainFrame, ...]:
    """A frame per domain of a part."""
    frames = []
    for domain, inside in part.by_domain.items():
        outcomes = part.outcomes.take(inside)
        latency = round(float(outcomes.large_latency.sum()), _DECIMALS)
        frames.append(DomainFrame(domain, len(outcomes), tuple(levels_of(outcomes).tolist()), latency))
    return tuple(frames)


def statistics_of(route: BoolArray, part: Part, router_latency: float) -> Statistics:
    """The statistics of decisions, a row per domain of `domain_frames`."""
    delivered = np.where(route, part.outcomes.small, part.outcomes.large)
    latency = router_latency + np.where(route, part.outcomes.small_latency, part.outcomes.large_latency)
    rows = []
    for inside in part.by_domain.values():
        levels = levels_of(part.outcomes.take(inside))
        at_least = int(inside.sum()) - np.searchsorted(np.sort(delivered[inside]), levels, side="left")
        total = round(float(latency[inside].sum()), _DECIMALS)
        rows.append([int(route[inside].sum()), total, *at_least.tolist()])
    return rows


def what_if(frames: Sequence[DomainFrame], statistics: Sequence[Any], scenario: Scenario) -> dict[str, FloatArray]:
    """apsp, ca, ail and rcs of fixed decisions under another MES and other weights, over the given domains.

    statistics: a row of `statistics_of` for each domain -> scalars, or the same rows of R routers, shape (R, 2 + L), ->
    arrays of shape (R,).
    """
    rows = [np.asarray(row) for row in statistics]
    n = sum(frame.n for frame in frames)
    solved: Any = 0.0
    for frame, row in zip(frames, rows, strict=True):
        level = bisect_left(frame.levels, scenario.mes)
        solved = solved + (row[..., 2 + level] if level < len(frame.levels) else 0)
    apsp, ca, ail = solved / n, sum(row[..., 0] for row in rows) / n, sum(row[..., 1] for row in rows) / n
    large = sum(frame.large_latency for frame in frames) / n
    return {"apsp": apsp, "ca": ca, "ail": ail, "rcs": rcs(apsp, ca, ail, large, scenario)}


def stacked(statistics: Iterable[Statistics]) -> list[FloatArray]:
    """Statistics of R routers as `what_if` takes them: per domain an array of shape (R, 2 + L)."""
    return [np.array(rows) for rows in zip(*statistics, strict=True)]
