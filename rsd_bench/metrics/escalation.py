"""What a routing wastes and what it saves, metrics version 2: escalation, calls and USD saved, the share captured.

For K tiers; a routing `route_small` of two models is the choice `1 - route_small`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from rsd_bench.metrics import arrays
from rsd_bench.metrics.arrays import BoolArray, FloatArray, IntArray
from rsd_bench.metrics.tiers import competent_tier

PER = 1_000.0  # queries that savings are stated for
_NO_ROOM = 1e-12  # of RCS: what rounding leaves between equal sums


@dataclass(frozen=True)
class Escalation:
    """Shares of all queries. over: sent beyond the cheapest tier that is good enough; under: kept below it."""

    over: float
    under: float

    def to_dict(self) -> dict[str, float]:
        return dict(vars(self))


def escalation(choice: Any, *, scores: Any, mes: float) -> Escalation:
    """How many queries went too far up, and how many not far enough.

    choice: the tier that answers, 0 ... K - 1, shape (n,). scores: judge scores in [0, 10], shape (n, K). mes: one
    number in [0, 10]. Over-escalated: answered by a dearer tier than the competent one (of two tiers: sent up although
    the label says `edge`); under-escalated: by a cheaper one (kept although it says `cloud`). Both are shares of all
    queries. Raises ValueError naming the argument. Source: rsd_bench metrics version 2.
    """
    competent = competent_tier(scores, mes)
    chosen = arrays.tier_choice(choice, "choice", len(competent), np.asarray(scores).shape[1])
    over, under = escalated(chosen, competent)
    return Escalation(float(over.mean()), float(under.mean()))


def escalated(choice: IntArray, competent: IntArray) -> tuple[BoolArray, BoolArray]:
    """Which queries are over-, which under-escalated."""
    return choice > competent, choice < competent


def saved_calls(choice: Any, *, tiers: int = 2) -> float:
    """Calls of the largest model saved per 1,000 queries, against sending all of them there.

    choice: the tier that answers, 0 ... tiers - 1, shape (n,), of a cascade too: who stopped before never asked it.
    Raises ValueError naming the argument. Source: rsd_bench metrics version 2.
    """
    count = arrays.whole_number(tiers, "tiers", 2)
    return float(calls_saved(arrays.tier_choice(choice, "choice", None, count), count).mean())


def calls_saved(choice: IntArray, tiers: int) -> FloatArray:
    """Per query; the mean is stated per 1,000."""
    return np.where(choice < tiers - 1, PER, 0.0)


def saved_usd(choice: Any, *, costs: Any, cascade: bool = False) -> float:
    """USD saved per 1,000 queries against sending all of them to the largest model; negative where it costs more.

    choice: the tier that answers, 0 ... K - 1, shape (n,). costs: USD of a query on each tier, shape (n, K), or (K,)
    for every query: tokens times prices, as `endpoints.prices.Price.of` reckons them for arrays too. cascade: a query
    costs all tiers up to the one that answers. Raises ValueError naming the argument.
    Source: rsd_bench metrics version 2.
    """
    count = arrays.tier_count(costs, "costs")
    chosen = arrays.tier_choice(choice, "choice", None, count)
    spent = arrays.tier_amounts(costs, "costs", len(chosen), count)
    return float(usd_saved(chosen, spent, arrays.flag(cascade, "cascade")).mean())


def usd_saved(choice: IntArray, costs: FloatArray, cascade: bool) -> FloatArray:
    """Per query; the mean is stated per 1,000."""
    spent = np.cumsum(costs, axis=1) if cascade else costs
    return np.asarray(PER * (costs[:, -1] - spent[np.arange(len(choice)), choice]))


def captured(rcs: float, *, best_fixed: float, rcs_oracle: float) -> float:
    """Share of what routing can gain that a router gains: (rcs - best_fixed) / (rcs_oracle - best_fixed).

    rcs of the router, of the best fixed policy and of the RCS oracle on the same queries. 1 at the oracle, 0 at the
    fixed policy, negative below it; NaN where the oracle gains nothing. Raises ValueError naming the argument.
    Source: rsd_bench metrics version 2.
    """
    own, fixed, oracle = (
        arrays.finite(value, name)
        for value, name in ((rcs, "rcs"), (best_fixed, "best_fixed"), (rcs_oracle, "rcs_oracle"))
    )
    return float(captured_share(own - fixed, oracle - fixed))


def captured_share(gain: Any, room: Any) -> FloatArray:
    """gain / room, NaN where there is no room. Scalars or arrays."""
    gain, room = np.asarray(gain, np.float64), np.asarray(room, np.float64)
    return np.asarray(np.divide(gain, room, out=np.full(room.shape, math.nan), where=room > _NO_ROOM))
