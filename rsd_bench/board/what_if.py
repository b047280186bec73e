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
from rsd_bench.metrics.arrays import FloatArray, IntArray
from rsd_bench.metrics.routing import rcs
from rsd_bench.metrics.tiers import Tiers
from rsd_bench.types import Scenario

_MAX_LEVELS = 101
_DECIMALS = 9

#: Per domain [summed cost advantage, which is queries on the small model of two, summed latency, answers >= level 0,
#: >= level 1, ...], as JSON has it.
Statistics = list[list[float]]


@dataclass(frozen=True)
class DomainFrame:
    """What all routers share on one domain: n, score levels, and the sum of the last tier's latency."""

    domain: str
    n: int
    levels: tuple[float, ...]
    large_latency: float


def levels_of(scores: FloatArray) -> FloatArray:
    """Score levels, ascending: those that occur, or 0.0, 0.1 ... 10.0 where more than 101 do. Shape (L,)."""
    found = np.unique(scores)
    return found if len(found) <= _MAX_LEVELS else np.arange(_MAX_LEVELS) / SCORE_MAX


def domain_frames(part: Part) -> tuple[DomainFrame, ...]:
    """A frame per domain of a part."""
    frames = []
    for domain, inside in part.by_domain.items():
        latency = round(float(part.last_latency[inside].sum()), _DECIMALS)
        levels = levels_of(part.tiers.scores[inside])
        frames.append(DomainFrame(domain, int(inside.sum()), tuple(levels.tolist()), latency))
    return tuple(frames)


def statistics_of(choices: Sequence[IntArray], tiers: Tiers, part: Part, router_latency: float) -> Statistics:
    """The statistics of decisions, a row per domain of `domain_frames`: means over repeats.

    choices: the tier that answers, shape (n,), one array a repeat; tiers: those of the part as the router meets them.
    """
    rows, every = [], np.arange(len(part))
    answered = [
        (tiers.advantage[of], tiers.scores[every, of], router_latency * tiers.asked(of) + tiers.paid[every, of])
        for of in choices
    ]
    for inside in part.by_domain.values():
        levels, n = levels_of(tiers.scores[inside]), int(inside.sum())
        each = [
            [kept[inside].sum(), waited[inside].sum(), *(n - np.searchsorted(np.sort(delivered[inside]), levels))]
            for kept, delivered, waited in answered
        ]
        kept, waited, *at_least = (sum(of) / len(each) for of in zip(*each, strict=True))
        rows.append([_count(kept), round(float(waited), _DECIMALS), *map(_count, at_least)])
    return rows


def _count(value: float) -> float:
    """A sum of repeats, a whole number where it is one: it is published so."""
    shown = round(float(value), _DECIMALS)
    return int(shown) if shown.is_integer() else shown


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
