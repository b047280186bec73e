"""The formulas, metrics version 1: APSP, CA, AIL, RCS, oracles and reference policies.

Pure numpy on arrays of length n, one definition per formula. Arrays are float64 in query order: small and large hold
judge scores in [0, 10], latencies are seconds. `docs/metrics.md` gives each definition with a worked example.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rsd_bench.config import (
    DEFAULT_PROFILE,
    NO_LATENCY_S,
    SCORE_MAX,
    TIE_DECIMALS,
    load_profile,
    scenario_named,
)
from rsd_bench.metrics import arrays
from rsd_bench.metrics.arrays import BoolArray, FloatArray, IntArray
from rsd_bench.metrics.label import label
from rsd_bench.types import RoutingScore, Scenario

#: Columns of `terms`: what a bootstrap has to sum, in this order.
TERMS = ("n", "solved", "delivered", "on_small", "latency", "large_latency")

#: What each metric can be, and the difference of two routers in it: no interval reaches beyond.
_SHARE, _ANY = (0.0, 1.0), (-math.inf, math.inf)
RANGES = {"apsp": _SHARE, "mean_score": _SHARE, "ca": _SHARE, "ail": (0.0, math.inf), "rcs": (-math.inf, 1.0)}
DIFFERENCE_RANGES = {name: (-1.0, 1.0) if within == _SHARE else _ANY for name, within in RANGES.items()}


@dataclass(frozen=True)
class Outcomes:
    """Both models' judged outcomes for n queries, checked once: scores in [0, 10], latencies in seconds, shape (n,)."""

    small: FloatArray
    large: FloatArray
    small_latency: FloatArray
    large_latency: FloatArray

    @classmethod
    def of(cls, small: Any, large: Any, small_latency: Any = None, large_latency: Any = None) -> Outcomes:
        """Check and convert; latencies left out mean the `paper-bounds` profile. Raises ValueError."""
        s = arrays.scores(small, "small")
        n = len(s)
        tiers = load_profile(DEFAULT_PROFILE).tiers
        fast = arrays.seconds(tiers["small"] if small_latency is None else small_latency, "small_latency", n)
        slow = arrays.seconds(tiers["large"] if large_latency is None else large_latency, "large_latency", n)
        if not slow.max() >= NO_LATENCY_S:
            raise ValueError("large_latency: is 0 for every query, so no latency can be saved against all-large")
        return cls(s, arrays.scores(large, "large", n), fast, slow)

    def __len__(self) -> int:
        return len(self.small)

    def take(self, index: IntArray | BoolArray) -> Outcomes:
        return Outcomes(self.small[index], self.large[index], self.small_latency[index], self.large_latency[index])


def rcs(apsp: Any, ca: Any, ail: Any, ail_all_large: Any, scenario: Scenario) -> Any:
    """Routing Comprehensive Score: alpha APSP + beta CA + gamma (1 - AIL / AIL_all-large). Scalars or arrays."""
    return scenario.alpha * apsp + scenario.beta * ca + scenario.gamma * (1 - ail / ail_all_large)


def worth_of_answering(scenario: Scenario, advantage: Any, ail: Any, ail_all_large: Any) -> Any:
    """RCS of a policy that solves nothing: alpha must exceed it, or no answer could make up for what it costs."""
    return scenario.beta * advantage + scenario.gamma * (1 - ail / ail_all_large)


def check_scenario(scenario: Scenario, outcomes: Outcomes) -> None:
    """Refuse a scenario whose weights make all-small the best policy whatever the answers are worth (ValueError)."""
    small, large = outcomes.small_latency.mean(), outcomes.large_latency.mean()
    floor = worth_of_answering(scenario, 1.0, small, large)
    if scenario.alpha <= floor:
        raise ValueError(
            f"scenario {scenario.name!r}: alpha {scenario.alpha:g} <= beta + gamma (1 - AIL_small/AIL_large) = "
            f"{floor:.4g}: all-small would beat all-large whatever the answers are worth; raise alpha"
        )


def answer_columns(
    delivered: FloatArray, mes: float, advantage: NDArray[Any], latency: FloatArray, large_latency: FloatArray
) -> Iterator[NDArray[Any]]:
    """Per-query terms of every metric from the answers delivered, one array of shape (n,) at a time, as TERMS.

    advantage: of the model that answered, 1 the small one ... 0 the large one. latency: what each query waited.
    """
    yield np.ones(len(delivered))
    yield delivered >= mes
    yield delivered
    yield advantage
    yield latency
    yield large_latency


def term_columns(
    route: BoolArray,
    outcomes: Outcomes,
    mes: float,
    router_latency: FloatArray | float = 0.0,
    cascade: bool = False,
) -> Iterator[NDArray[Any]]:
    """`answer_columns` of a routing of two models; in a cascade who goes on to the large model waited for both."""
    delivered = np.where(route, outcomes.small, outcomes.large)
    large = outcomes.small_latency + outcomes.large_latency if cascade else outcomes.large_latency
    latency = router_latency + np.where(route, outcomes.small_latency, large)
    yield from answer_columns(delivered, mes, route, latency, outcomes.large_latency)


def over_repeats(repeats: Iterable[Iterable[NDArray[Any]]]) -> Iterator[NDArray[Any]]:
    """Columns of a router that was trained several times: of each the mean over its repeats, one at a time."""
    for columns in zip(*repeats, strict=True):
        yield columns[0] if len(columns) == 1 else np.mean(columns, axis=0)


def terms(route: BoolArray, outcomes: Outcomes, mes: float, router_latency: FloatArray | float = 0.0) -> FloatArray:
    """`term_columns` as one table, shape (n, 6). Sums over any set of queries give its scores."""
    return np.column_stack(list(term_columns(route, outcomes, mes, router_latency))).astype(np.float64)


def metrics_of(sums: FloatArray, scenario: Scenario) -> dict[str, FloatArray]:
    """Metrics from summed terms, shape (..., 6) -> arrays of shape (...): apsp, mean_score, ca, ail, rcs."""
    n, solved, delivered, on_small, latency, large_latency = np.moveaxis(sums, -1, 0)
    apsp, ca, ail = solved / n, on_small / n, latency / n
    return {
        "apsp": apsp,
        "mean_score": delivered / n / SCORE_MAX,
        "ca": ca,
        "ail": ail,
        "rcs": rcs(apsp, ca, ail, large_latency / n, scenario),
    }


def score_of(columns: Iterable[NDArray[Any]], scenario: Scenario) -> RoutingScore:
    """The score of all queries together, from their `answer_columns`."""
    sums = np.array([column.sum() for column in columns], np.float64)
    return RoutingScore(int(sums[0]), **{name: float(value) for name, value in metrics_of(sums, scenario).items()})


def routing_score(
    route: BoolArray,
    outcomes: Outcomes,
    scenario: Scenario,
    router_latency: FloatArray | float = 0.0,
    cascade: bool = False,
) -> RoutingScore:
    """`score_routing` for arguments that are already checked."""
    return score_of(term_columns(route, outcomes, scenario.mes, router_latency, cascade), scenario)


def score_routing(
    route_small: Any,
    *,
    small: Any,
    large: Any,
    small_latency: Any = None,
    large_latency: Any = None,
    scenario: str | Scenario,
    router_latency_s: Any = 0.0,
    cascade: bool = False,
) -> RoutingScore:
    """Score the decisions of a router.

    route_small: shape (n,), 1 where the small model answers. small, large: judge scores in [0, 10], shape (n,).
    small_latency, large_latency, router_latency_s: seconds, shape (n,) or one number; latencies left out mean the
    `paper-bounds` profile. scenario: a preset's name or a Scenario. cascade: the router saw the small model's answer
    before it decided, so that a query of the large model waited for both; RCS still divides by the large one's alone.
    Raises ValueError naming the argument that is wrong. Source: rsd_bench metrics version 1; cascades version 2.
    """
    scenario = scenario_named(scenario)
    outcomes = Outcomes.of(small, large, small_latency, large_latency)
    route = arrays.decisions(route_small, "route_small", len(outcomes))
    cascade = arrays.flag(cascade, "cascade")
    check_scenario(scenario, outcomes)
    router_latency = arrays.seconds(router_latency_s, "router_latency_s", len(outcomes))
    return routing_score(route, outcomes, scenario, router_latency, cascade)


def rcs_gain(solved: Any, advantage: Any, saved: Any, scenario: Scenario) -> Any:
    """What RCS gains by other answers, from their differences in [solved], advantage and seconds / AIL_all-large."""
    return scenario.alpha * solved + scenario.beta * advantage + scenario.gamma * saved


def gains_or_ties(gain: Any) -> Any:
    """Whether a gain of RCS is one, or a tie: what rounding leaves of equal sums is none of either."""
    return np.round(gain, TIE_DECIMALS) >= 0


def routing_gain(outcomes: Outcomes, scenario: Scenario) -> FloatArray:
    """What RCS gains when one query goes to the small instead of the large model, times n; shape (n,).

    alpha ([s >= M] - [l >= M]) + beta + gamma (t^L - t^S) / AIL_all-large: RCS is a mean of per-query terms.
    """
    solved = (outcomes.small >= scenario.mes).astype(np.float64) - (outcomes.large >= scenario.mes)
    saved = (outcomes.large_latency - outcomes.small_latency) / outcomes.large_latency.mean()
    return np.asarray(rcs_gain(solved, 1.0, saved, scenario))


def rcs_oracle(outcomes: Outcomes, scenario: Scenario) -> BoolArray:
    """The routing of highest RCS when every score is known, shape (n,): small wherever that gains or costs nothing."""
    return np.asarray(gains_or_ties(routing_gain(outcomes, scenario)))


def label_oracle(outcomes: Outcomes, scenario: Scenario) -> BoolArray:
    """The routing that follows the label: small wherever the small model is good enough, shape (n,)."""
    return label(outcomes.small, outcomes.large, scenario.mes).astype(np.bool_)


def reference_scores(outcomes: Outcomes, scenario: Scenario, ca: float | None = None) -> dict[str, RoutingScore]:
    """The rows every board shows: all-edge, all-cloud, label oracle, RCS oracle and, given `ca`, random at that CA.

    `random` is the expected value of routing a random share `ca` to the small model: the mixture of the fixed policies.
    """
    n = len(outcomes)
    rows = {
        "all-edge": routing_score(np.ones(n, np.bool_), outcomes, scenario),
        "all-cloud": routing_score(np.zeros(n, np.bool_), outcomes, scenario),
        "label-oracle": routing_score(label_oracle(outcomes, scenario), outcomes, scenario),
        "rcs-oracle": routing_score(rcs_oracle(outcomes, scenario), outcomes, scenario),
    }
    return rows if ca is None else with_random(rows, ca)


def with_random(rows: dict[str, RoutingScore], ca: float) -> dict[str, RoutingScore]:
    """The rows with `random` at a share `ca`: the mixture of the fixed policies."""
    return {**rows, "random": mixed([rows["all-edge"], rows["all-cloud"]], [ca, 1 - ca])}


def mixed(policies: Sequence[RoutingScore], shares: Sequence[float]) -> RoutingScore:
    """The expected score of dealing queries to policies at random, in these shares: every metric but n is a mean."""
    each = [policy.to_dict() for policy in policies]
    names = [name for name in each[0] if name != "n"]
    return RoutingScore(
        policies[0].n,
        **{name: sum(share * score[name] for share, score in zip(shares, each, strict=True)) for name in names},
    )


def better_fixed(rows: dict[str, RoutingScore]) -> str:
    """Name of the fixed policy with the higher RCS among reference rows; all-cloud on a tie."""
    return "all-cloud" if gains_or_ties(rows["all-cloud"].rcs - rows["all-edge"].rcs) else "all-edge"


def best_fixed(outcomes: Outcomes, scenario: Scenario) -> tuple[str, BoolArray]:
    """Name and decisions of the fixed policy with the higher RCS; all-cloud on a tie."""
    name = better_fixed(reference_scores(outcomes, scenario))
    return name, np.full(len(outcomes), name == "all-edge")
