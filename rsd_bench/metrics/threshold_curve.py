"""What a router scores at every threshold, from one sort and one cumulative sum per term, and what is read from it.

`sweeps` makes tables of it; `tier_policies` sweeps K tiers by the same steps. Formulas of a score are in `routing`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rsd_bench.config import DROP_AT_CA, TAU_ALL_CLOUD, TAU_GRID, TIE_DECIMALS
from rsd_bench.metrics.arrays import FloatArray, IntArray
from rsd_bench.metrics.routing import Outcomes, rcs
from rsd_bench.types import Scenario


def descending(p_edge: FloatArray) -> IntArray:
    """Positions from the highest p to the lowest, equals in their order."""
    return np.argsort(-p_edge, kind="stable")


def sweep_thresholds(ascending: FloatArray, taus: Iterable[float] | None) -> tuple[FloatArray, IntArray]:
    """Thresholds of a sweep, rising, and how many of the values reach each: p >= tau holds for the k largest.

    Each distinct value of `ascending`, or `taus` and 0; and what none reaches.
    """
    if taus is None:
        first = np.flatnonzero(np.append(True, ascending[1:] > ascending[:-1]))
        return np.append(ascending[first], TAU_ALL_CLOUD), len(ascending) - np.append(first, len(ascending))
    thresholds = np.unique(np.append(np.asarray(list(taus), dtype=np.float64), (0.0, TAU_ALL_CLOUD)))
    return thresholds, len(ascending) - np.searchsorted(ascending, thresholds, side="left")


def sums_of_first(values: NDArray[Any]) -> FloatArray:
    """Sums of the first 0, 1, 2 ... n values, shape (n + 1,)."""
    sums = np.zeros(len(values) + 1)
    np.cumsum(values, out=sums[1:])
    return sums


def sweep_curve(
    p_edge: FloatArray,
    outcomes: Outcomes,
    scenario: Scenario,
    taus: Iterable[float] | None = None,
    router_latency: FloatArray | float = 0.0,
    order: IntArray | None = None,
) -> dict[str, FloatArray]:
    """`sweeps.sweep` for arguments that are already checked, as arrays. One sort and one cumulative sum per term.

    order: `descending(p_edge)`, where it is at hand.
    """
    n = len(p_edge)
    order = descending(p_edge) if order is None else order
    ascending = p_edge[order[::-1]]
    thresholds, k = sweep_thresholds(ascending, taus)

    def total(if_small: Any, if_large: Any) -> FloatArray:
        return np.asarray((if_large.sum() + sums_of_first((if_small - if_large)[order])[k]) / n)

    small_solved, large_solved = (s >= scenario.mes for s in (outcomes.small, outcomes.large))
    apsp = total(small_solved.astype(np.float64), large_solved.astype(np.float64))
    ca = k / n
    ail = total(outcomes.small_latency, outcomes.large_latency) + np.mean(router_latency)
    return {
        "tau": thresholds,
        "apsp": apsp,
        "ca": ca,
        "ail": ail,
        "rcs": rcs(apsp, ca, ail, outcomes.large_latency.mean(), scenario),
    }


def choose_tau(p_edge: FloatArray, outcomes: Outcomes, scenario: Scenario) -> float:
    """The tau of the grid 0.00, 0.05 ... 1.00, 1.01 with the highest RCS; ties go to higher APSP, then higher tau."""
    return best_tau(sweep_curve(p_edge, outcomes, scenario, TAU_GRID))


def best_tau(curve: dict[str, FloatArray]) -> float:
    """The tau of a sweep with the highest RCS; ties go to higher APSP, then higher tau."""
    ranked = np.lexsort((curve["tau"], np.round(curve["apsp"], TIE_DECIMALS), np.round(curve["rcs"], TIE_DECIMALS)))
    return float(curve["tau"][ranked[-1]])


def area_apsp_ca(curve: dict[str, FloatArray]) -> float:
    """Area under APSP against CA from all-cloud (0) to all-edge (1): trapezoids, random mixing between points."""
    return float(np.trapezoid(curve["apsp"][::-1], curve["ca"][::-1]))


def apsp_at(curve: dict[str, FloatArray], ca: Any) -> Any:
    """APSP when a share `ca` goes to the small model, linear between the points of the curve. Scalars or arrays."""
    return np.interp(ca, curve["ca"][::-1], curve["apsp"][::-1])


def apsp_drop(curve: dict[str, FloatArray], ca: float = DROP_AT_CA) -> float:
    """APSP lost against all-cloud when a share `ca` goes to the small model."""
    return float(curve["apsp"][-1] - apsp_at(curve, ca))
