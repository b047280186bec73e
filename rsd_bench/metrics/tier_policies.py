"""What a router among K tiers is measured against: fixed policies, oracles, random choice, and its own threshold sweep.

Everything holds for cascades too: what a query pays there is in `Tiers.paid`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rsd_bench.config import TIE_DECIMALS, scenario_named
from rsd_bench.metrics import arrays
from rsd_bench.metrics.arrays import FloatArray, IntArray
from rsd_bench.metrics.routing import answer_columns, gains_or_ties, mixed, rcs, rcs_gain, score_of
from rsd_bench.metrics.threshold_curve import descending, sums_of_first, sweep_thresholds
from rsd_bench.metrics.tiers import Tiers, check_tiers_scenario, first_hit, labels_of, tier_columns
from rsd_bench.types import RoutingScore, Scenario


def checked_tiers(
    scores: Any, latencies: Any, scenario: str | Scenario, advantage: Any, cascade: Any
) -> tuple[Tiers, Scenario]:
    """Both as functions of this package want them. Raises ValueError naming the argument."""
    found = scenario_named(scenario)
    tiers = Tiers.of(scores, latencies, advantage, cascade)
    check_tiers_scenario(found, tiers)
    return tiers, found


def rcs_oracle_tiers(
    *,
    scores: Any,
    latencies: Any = None,
    scenario: str | Scenario,
    advantage: Any = None,
    cascade: bool = False,
) -> IntArray:
    """The tier of highest RCS for each query when every score is known, 0 ... K - 1, shape (n,); ties: the cheaper.

    It maximises alpha [s_k >= M] + beta a_k - gamma t_k / AIL_all-K, in a cascade with t_1 + ... + t_k for t_k.
    Arguments and errors as `score_tiers`. Source: rsd_bench metrics version 2.
    """
    return rcs_oracle_choice(*checked_tiers(scores, latencies, scenario, advantage, cascade))


def rcs_oracle_choice(tiers: Tiers, scenario: Scenario) -> IntArray:
    """`rcs_oracle_tiers` for arguments that are already checked."""
    last, reference = tiers.count - 1, tiers.latencies[:, -1].mean()
    choice = np.full(len(tiers), last, np.int64)
    solved = (tiers.scores[:, last] >= scenario.mes).astype(np.float64)
    kept, paid = np.full(len(tiers), tiers.advantage[last]), tiers.paid[:, last].copy()
    for k in reversed(range(last)):
        solved_here, kept_here, paid_here = tiers.scores[:, k] >= scenario.mes, tiers.advantage[k], tiers.paid[:, k]
        saved = (paid - paid_here) / reference
        better = gains_or_ties(rcs_gain(solved_here - solved, kept_here - kept, saved, scenario))
        for best, here in ((choice, k), (kept, kept_here), (solved, solved_here), (paid, paid_here)):
            np.copyto(best, here, where=better)
    return choice


def label_oracle_choice(tiers: Tiers, scenario: Scenario) -> IntArray:
    """The competent tier of each query, 0 ... K - 1, shape (n,)."""
    return first_hit(labels_of(tiers.scores, scenario.mes) == 1)


def fixed_rows(tiers: Tiers, scenario: Scenario) -> dict[str, RoutingScore]:
    """`all-at-1` ... `all-at-K`: every query to one tier, with no router; in a cascade by way of the tiers below."""
    n, reference = len(tiers), tiers.latencies[:, -1]
    rows = {}
    for k in range(tiers.count):
        kept = np.broadcast_to(tiers.advantage[k], n)
        columns = answer_columns(tiers.scores[:, k], scenario.mes, kept, tiers.paid[:, k], reference)
        rows[f"all-at-{k + 1}"] = score_of(columns, scenario)
    return rows


def best_fixed_tier(fixed: Sequence[RoutingScore]) -> int:
    """The tier, 0 ... K - 1, of the fixed policy with the highest RCS; ties go to the dearest."""
    return max(range(len(fixed)), key=lambda k: (round(fixed[k].rcs, TIE_DECIMALS), k))


def reference_tiers(
    *,
    scores: Any,
    latencies: Any = None,
    scenario: str | Scenario,
    advantage: Any = None,
    cascade: bool = False,
    choice: Any = None,
) -> dict[str, RoutingScore]:
    """The rows to read a score against: `all-at-1` ... `all-at-K`, `best-fixed`, `label-oracle` and `rcs-oracle`.

    choice: decisions of a router, 0 ... K - 1, shape (n,); given, there is `random` too: the expected score of dealing
    the queries to the tiers at random in equal shares, which mixes the fixed policies. No row has a router to wait for.
    Other arguments and errors as `score_tiers`. Source: rsd_bench metrics version 2.
    """
    tiers, found = checked_tiers(scores, latencies, scenario, advantage, cascade)
    fixed = fixed_rows(tiers, found)
    policies = list(fixed.values())
    oracles = {"label-oracle": label_oracle_choice(tiers, found), "rcs-oracle": rcs_oracle_choice(tiers, found)}
    rows = {**fixed, "best-fixed": policies[best_fixed_tier(policies)]}
    rows |= {name: score_of(tier_columns(best, tiers, found.mes), found) for name, best in oracles.items()}
    if choice is not None:
        chosen = arrays.tier_choice(choice, "choice", len(tiers), tiers.count)
        shares = np.bincount(chosen, minlength=tiers.count)[:-1] / len(tiers)
        rows["random"] = mixed(policies, [*shares.tolist(), 1 - float(shares.sum())])
    return rows


def tier_curve(
    p: FloatArray,
    tiers: Tiers,
    scenario: Scenario,
    taus: Iterable[float] | None = None,
    router_latency: FloatArray | float = 0.0,
    order: IntArray | None = None,
) -> dict[str, FloatArray]:
    """`sweeps.sweep_tiers` for arguments that are already checked, as arrays: one sort, one cumulative sum per term.

    order: `descending` of the p of two tiers, where it is at hand.

    A query stays at tier k or below as long as tau does not exceed the largest of p_1 ... p_k. So each of these K - 1
    maxima is a step of one query, from tier k + 1 down to tier k, and at tau those steps are done that reach it.
    """
    n, last = len(p), tiers.count - 1
    steps = np.maximum.accumulate(p, axis=1).ravel(order="F")
    order = descending(steps) if order is None else order
    ascending = steps[order[::-1]]
    thresholds, done = sweep_thresholds(ascending, taus)

    def total(columns: NDArray[Any]) -> FloatArray:
        down = (columns[:, :-1] - columns[:, 1:]).ravel(order="F")
        return np.asarray((columns[:, -1].sum() + sums_of_first(down[order])[done]) / n)

    tier = order // n
    below: list[Any] = [sums_of_first(tier == k)[done] for k in range(last - 1)]  # queries at tier k or below
    below.append(done - sum(below))
    apsp = total((tiers.scores >= scenario.mes).astype(np.int8))  # small integers: their sums are exact
    ca = sum(tiers.advantage[k] * (below[k] - (below[k - 1] if k else 0)) for k in range(last)) / n
    more = tiers.asked(np.arange(tiers.count)) - 1  # how often the router is asked beyond the first time
    waited = tiers.paid + np.multiply.outer(np.broadcast_to(router_latency, n), more) if tiers.cascade else tiers.paid
    ail = total(waited) + np.mean(router_latency)
    values = rcs(apsp, ca, ail, tiers.latencies[:, -1].mean(), scenario)
    return {"tau": thresholds, "apsp": apsp, "ca": ca, "ail": ail, "rcs": values}
