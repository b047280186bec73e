"""How much of a ranking is the scenario's choice: who leads over the weights, and over which MES the winner stays.

Decisions stay as submitted (each router's threshold was chosen for the scenario); only the yardstick moves.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from rsd_bench.board.what_if import DomainFrame, Statistics, stacked, what_if
from rsd_bench.config import SCORE_MAX
from rsd_bench.types import Scenario

STEPS = 20  # the simplex of weights is walked in steps of 1 / 20
_DECIMALS = 9


@dataclass(frozen=True)
class MesRange:
    """The winner at the scenario's MES and the range (low, high] of MES in which it stays first; low None = any."""

    winner: str
    low: float | None
    high: float


@dataclass(frozen=True)
class Sensitivity:
    """Shares of the weights' simplex by leading router, and the MES range over which the winner stays first."""

    simplex: Mapping[str, float]
    mes: MesRange


def simplex() -> list[tuple[float, float, float]]:
    """(alpha, beta, gamma) on the grid, 231 points."""
    return [(a / STEPS, b / STEPS, (STEPS - a - b) / STEPS) for a in range(STEPS + 1) for b in range(STEPS + 1 - a)]


def sensitivity(
    frames: Sequence[DomainFrame],
    statistics: Mapping[str, Statistics],
    fixed: Mapping[str, Statistics],
    scenario: Scenario,
) -> Sensitivity:
    """How much of a ranking is the scenario's choice.

    statistics: slug -> `statistics_of`; fixed: the same of all-edge and all-cloud. A point where a fixed policy is
    at least as good as every router counts under that policy's name in parentheses. Routers that tie: the first slug.
    """
    candidates = {f"({name})": value for name, value in fixed.items()} | dict(sorted(statistics.items()))
    figures = what_if(frames, stacked(candidates.values()), scenario)
    large = sum(frame.large_latency for frame in frames) / sum(frame.n for frame in frames)
    parts = (figures["apsp"], figures["ca"], 1 - figures["ail"] / large)
    weights = np.array(simplex())
    scores = np.round(sum(weights[:, k, None] * parts[k] for k in range(3)), _DECIMALS)
    names = list(candidates)
    leads = Counter(names[i] for i in scores.argmax(axis=1))
    shares = {name: count / len(weights) for name, count in sorted(leads.items())}
    return Sensitivity(shares, _mes_range(frames, statistics, scenario))


def _mes_range(frames: Sequence[DomainFrame], statistics: Mapping[str, Statistics], scenario: Scenario) -> MesRange:
    slugs = sorted(statistics)
    rows = stacked(statistics[slug] for slug in slugs)

    def winner(mes: float) -> str:
        moved = replace(scenario, mes=mes)
        return slugs[int(np.round(what_if(frames, rows, moved)["rcs"], _DECIMALS).argmax())]

    tops = sorted({level for frame in frames for level in frame.levels} | {SCORE_MAX})
    here = next(i for i, level in enumerate(tops) if level >= scenario.mes)
    first = winner(scenario.mes)
    low, high = here, here
    while low > 0 and winner(tops[low - 1]) == first:
        low -= 1
    while high + 1 < len(tops) and winner(tops[high + 1]) == first:
        high += 1
    return MesRange(first, tops[low - 1] if low else None, tops[high])
