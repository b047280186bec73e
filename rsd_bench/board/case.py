"""Which router for my case? What the page recommends, by formulas that it repeats on the figures that it ships.

A case: an MES and weights, one domain or all, and perhaps own latencies, prices and a budget. Decisions stay as they
were submitted: a candidate is what a router decided for one scenario of the board, scored as the case asks. With
latencies of one's own a query waits its model's seconds and the router's; without, AIL is that of the data, as
`rsd-bench eval --scenarios` has it. Tracks of two models only.

How sure a gain is follows from a normal form: gain = alpha (APSP - APSP_f) + b (CA - CA_f) + a constant, so its
standard error follows from those of the two means over queries and their correlation. They are kept by MES, for the
whole track and each domain, against both fixed policies f, as the bootstrap of groups gives them in the limit of many
resamples. Where latencies differ from query to query, b takes their means. On rsd-open the half width is within 5 % or
0.1 points of the bootstrap's, within 15 % where latencies were clocked query by query; `tests/board/test_case.py` holds
it there. That the router is the best of several is not in it.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import NormalDist
from typing import Any

import numpy as np

from rsd_bench.board.what_if import DomainFrame, Statistics, what_if
from rsd_bench.config import CONFIDENCE, MIN_GROUPS
from rsd_bench.dataset.parts import Part
from rsd_bench.metrics.arrays import BoolArray, IntArray, group_codes
from rsd_bench.metrics.bootstrap import few_groups_deviate, group_sums
from rsd_bench.metrics.routing import rcs
from rsd_bench.metrics.tiers import Tiers
from rsd_bench.types import Scenario

_GRID = tuple(k / 2 for k in range(21))
_SE_UNIT, _CORRELATION_UNIT = 2e-5, 1e-2
Z = NormalDist().inv_cdf((1 + CONFIDENCE) / 2)
FIXED = ("all-edge", "all-cloud")  # of two models, in the order of a spread

#: Of the whole track, then of each domain: [standard error of CA, then for each level of `spread_levels` and each fixed
#: policy that of the difference in APSP, and its correlation with CA], in units of 2e-5 and 0.01.
Spread = list[list[int]]


@dataclass(frozen=True, kw_only=True)
class Case:
    """What somebody asks. seconds: of the small and the large model, None: as in the data; usd: of a call of each.

    most: USD for 1,000 queries that may be spent, None: any.
    """

    scenario: Scenario
    seconds: tuple[float, float] | None = None
    usd: tuple[float, float] = (0.0, 0.0)
    most: float | None = None


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """What a router decided for a scenario: statistics by domain, as `what_if` takes them, and its spread, if known."""

    name: str
    statistics: Statistics
    spread: Spread = field(default_factory=list)
    router_s: float = 0.0
    cascade: bool = False


@dataclass(frozen=True, kw_only=True)
class Recommendation:
    """The best router and the best fixed policy for a case, and which to use: the router where it is shown to gain.

    figures: of both, by name: apsp, ca, ail, rcs, usd (for 1,000 queries). half: of the 95 % interval of the gain, NaN
    where it is not known. chance: that the gain is above 0, by the same normal form.
    """

    router: str | None
    fixed: str
    gain: float
    half: float
    chance: float
    use_router: bool
    figures: Mapping[str, Mapping[str, float]]


def spread_levels(frames: Sequence[DomainFrame]) -> tuple[float, ...]:
    """MES at which the spread of these domains is kept: their score levels, or every half where more than 21 occur."""
    found = sorted({level for frame in frames for level in frame.levels})
    return tuple(found) if len(found) <= len(_GRID) else _GRID


def spread_of(choices: Sequence[IntArray], tiers: Tiers, part: Part, frames: Sequence[DomainFrame]) -> Spread:
    """The spread of decisions, means over repeats; empty where there are more tiers than two.

    choices: the tier that answers, shape (n,), one array a repeat. frames: `domain_frames` of the part.
    """
    if tiers.count > 2:
        return []
    cuts = [(np.ones(len(part), np.bool_), frames)]
    if len(frames) > 1:
        cuts += [(part.by_domain[frame.domain], (frame,)) for frame in frames]
    return [_block(choices, tiers, part, inside, spread_levels(of)) for inside, of in cuts]


def _block(
    choices: Sequence[IntArray], tiers: Tiers, part: Part, inside: BoolArray, levels: Sequence[float]
) -> list[int]:
    n = int(inside.sum())
    codes, scores = group_codes(part.group_codes[inside], n), tiers.scores[inside]
    picked = [choice[inside] for choice in choices]
    every, delivered = np.arange(n), [scores[np.arange(n), of] for of in picked]
    kept = np.mean([tiers.advantage[of] for of in picked], axis=0)
    columns = [kept]
    for level in levels:
        solved = np.mean([of >= level for of in delivered], axis=0)
        columns += [solved - (scores[every, k] >= level) for k in range(2)]
    sums, size = group_sums(np.column_stack(columns), codes), np.bincount(codes)
    residuals = (sums - np.outer(size, sums.sum(axis=0) / n)) / n  # their squares sum to the variance of a ratio
    errors = np.sqrt((residuals**2).sum(axis=0))
    products = errors[0] * errors
    shared = residuals.T @ residuals[:, 0]
    correlations = np.divide(shared, products, out=np.zeros_like(shared), where=products > 0)
    found = [round(float(errors[0]) / _SE_UNIT)]
    for error, correlation in zip(errors[1:], correlations[1:], strict=True):
        found += [round(float(error) / _SE_UNIT), round(float(correlation) / _CORRELATION_UNIT)]
    return found


def outcome(frames: Sequence[DomainFrame], of: Candidate, case: Case, rows: Statistics | None = None) -> dict[str, Any]:
    """apsp, ca, ail, rcs and usd (for 1,000 queries) of decisions in a case; rows: of `frames`, where not all."""
    found = what_if(frames, of.statistics if rows is None else rows, case.scenario)
    if case.seconds:
        ail = of.router_s + paid(found["ca"], case.seconds, of.cascade)
        found |= {"ail": ail, "rcs": rcs(found["apsp"], found["ca"], ail, case.seconds[1], case.scenario)}
    return found | {"usd": 1000 * paid(found["ca"], case.usd, of.cascade)}


def paid(kept: Any, each: tuple[float, float], cascade: bool) -> Any:
    """Mean of what queries cost (seconds, USD) of which a share `kept` ends on the small model."""
    small, large = each
    return (small if cascade else kept * small) + (1 - kept) * large


def half_width(
    block: Sequence[int], levels: Sequence[float], groups: int, fixed: int, scenario: Scenario, slope: float
) -> float:
    """Half of the 95 % interval of a gain over a fixed policy (0 all-edge, 1 all-cloud). slope: of RCS in CA alone.

    As `bootstrap.interval`, which takes the percentiles too where they lie farther.
    """
    at = 1 + 4 * bisect_left(levels, scenario.mes) + 2 * fixed
    solved, correlation = block[at : at + 2] or (0, 0)
    a, b = scenario.alpha * solved * _SE_UNIT, slope * block[0] * _SE_UNIT
    variance = a * a + 2 * a * b * correlation * _CORRELATION_UNIT + b * b
    return deviate(groups) * math.sqrt(max(0.0, variance))


def deviate(groups: int) -> float:
    """Standard errors in half a 95 % interval; NaN of fewer than MIN_GROUPS groups, which have none."""
    return few_groups_deviate(Z, groups) if groups >= MIN_GROUPS else math.nan


def slope_of(scenario: Scenario, seconds: tuple[float, float], cascade: bool) -> float:
    """What RCS gains for each share of queries that ends on the small model, the worth of its answers left out."""
    small, large = seconds
    return scenario.beta + scenario.gamma * ((large if cascade else large - small) / large)


def chance(gain: float, half: float) -> float:
    """That a gain is above 0: 97.5 % where its interval begins at 0."""
    if math.isnan(half):
        return math.nan
    return NormalDist().cdf(Z * gain / half) if half > 0 else float(np.heaviside(gain, 0.5))


def recommend(
    frames: Sequence[DomainFrame],
    groups: Sequence[int],
    fixed: Mapping[str, Statistics],
    candidates: Sequence[Candidate],
    case: Case,
    domain: str = "",
) -> Recommendation:
    """What to use in a case. groups: of the whole track, then of each domain; domain: one of `frames`, or all of them.

    Who costs more than `case.most` is left out; where both fixed policies do, the cheaper one stays. Ties go to the
    dearer fixed policy, among routers to who solves more, keeps more, waits less, stands first.
    """
    at = [i for i, frame in enumerate(frames) if domain in ("", frame.domain)]
    inside, block = [frames[i] for i in at], 0 if not domain or len(frames) == 1 else 1 + at[0]

    def figures(of: Candidate) -> dict[str, Any]:
        return outcome(inside, of, case, [of.statistics[i] for i in at])

    def affordable(usd: float) -> bool:
        return case.most is None or round(usd, 9) <= case.most

    policies = {name: figures(Candidate(name=name, statistics=fixed[name])) for name in FIXED}
    within = [name for name in FIXED if affordable(policies[name]["usd"])]
    within = within or [min(FIXED, key=lambda name: policies[name]["usd"])]
    best = max(reversed(within), key=lambda name: policies[name]["rcs"])
    routers = {of.name: (of, found) for of in candidates if affordable((found := figures(of))["usd"])}
    if not routers:
        return Recommendation(
            router=None, fixed=best, gain=math.nan, half=math.nan, chance=math.nan, use_router=False, figures=policies
        )
    router, found = max(routers.values(), key=lambda of: _served(of[1]))
    gain, half = found["rcs"] - policies[best]["rcs"], math.nan
    if router.spread:
        seconds = case.seconds or (policies[FIXED[0]]["ail"], policies[FIXED[1]]["ail"])
        slope = slope_of(case.scenario, seconds, router.cascade)
        levels = spread_levels(inside)
        half = half_width(router.spread[block], levels, groups[block], FIXED.index(best), case.scenario, slope)
    return Recommendation(
        router=router.name,
        fixed=best,
        gain=gain,
        half=half,
        chance=chance(gain, half),
        use_router=gain - half > 0,
        figures={**policies, router.name: found},
    )


def _served(figures: Mapping[str, float]) -> tuple[float, ...]:
    return round(figures["rcs"], 9), figures["apsp"], figures["ca"], -figures["ail"]
