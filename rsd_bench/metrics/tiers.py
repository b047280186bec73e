"""K tiers and cascades, metrics version 2: labels, decisions and scores of a router that chooses among K >= 2 models.

Tiers stand in order of cost, the cheapest first: tier k of the definitions is column k - 1 and choice k - 1 here. Two
tiers give the figures of `routing`, to the last bit. `docs/metrics.md` gives each definition with a worked example.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rsd_bench.config import DEFAULT_PROFILE, NO_LATENCY_S, load_profile, scenario_named
from rsd_bench.metrics import arrays
from rsd_bench.metrics.arrays import FloatArray, IntArray
from rsd_bench.metrics.routing import answer_columns, score_of, worth_of_answering
from rsd_bench.types import RoutingScore, Scenario


@dataclass(frozen=True)
class Tiers:
    """K models' judged outcomes for n queries, checked once; column 0 is the cheapest model.

    scores in [0, 10] and latencies in seconds, shape (n, K); advantage, shape (K,), falls from 1 to 0.
    cascade: the router sees a tier's answer before it goes on to the next, so a query pays for every tier it asked.
    """

    scores: FloatArray
    latencies: FloatArray
    advantage: FloatArray
    cascade: bool = False

    @classmethod
    def of(cls, scores: Any, latencies: Any = None, advantage: Any = None, cascade: Any = False) -> Tiers:
        """Check and convert. Raises ValueError naming the argument.

        latencies left out: those of `paper-bounds` for the first and the last tier, evenly spaced between.
        advantage left out: evenly spaced from 1 to 0; `cost_advantage` makes it of stated costs.
        """
        answers = arrays.tier_scores(scores, "scores")
        n, k = answers.shape
        if latencies is None:
            modelled = load_profile(DEFAULT_PROFILE).tiers
            latencies = np.linspace(modelled["small"], modelled["large"], k)
        seconds = arrays.tier_amounts(latencies, "latencies", n, k)
        if not seconds[:, -1].max() >= NO_LATENCY_S:
            raise ValueError(f"latencies: of tier {k} are 0 for every query, so no latency can be saved against it")
        kept = np.linspace(1, 0, k) if advantage is None else _advantage(advantage, k)
        return cls(answers, seconds, kept, arrays.flag(cascade, "cascade"))

    def __len__(self) -> int:
        return len(self.scores)

    @property
    def count(self) -> int:
        """K, the number of tiers."""
        return int(self.scores.shape[1])

    @cached_property
    def paid(self) -> FloatArray:
        """Seconds that a query waits whose answer comes from a tier, shape (n, K): in a cascade t_1 + ... + t_d."""
        if not self.cascade:
            return self.latencies
        paid = np.empty_like(self.latencies, order="F")
        paid[:, 0] = self.latencies[:, 0]
        for k in range(1, self.count):
            np.add(paid[:, k - 1], self.latencies[:, k], out=paid[:, k])
        return paid

    def asked(self, choice: Any) -> Any:
        """How often the router is asked for a query that ends at tier `choice`: once, in a cascade after each tier.

        After the last tier there is nothing left to decide.
        """
        return np.minimum(choice + 1, self.count - 1) if self.cascade else 1


def _advantage(values: Any, k: int) -> FloatArray:
    kept = arrays.probabilities(values, "advantage", k)
    if kept[0] != 1 or kept[-1] != 0 or (np.diff(kept) > 0).any():
        shown = ", ".join(f"{value:g}" for value in kept[:8])
        raise ValueError(f"advantage: must fall from 1 to 0, tiers standing in order of cost, not {shown}")
    return kept


def cost_advantage(costs: Any) -> FloatArray:
    """Advantage of each tier from stated costs: (C_K - C_k) / (C_K - C_1), from 1 for the cheapest to 0 for the last.

    costs: of an average query on each tier, in any one unit (USD, joules), >= 0, rising, shape (K,).
    Returns shape (K,). Raises ValueError naming costs. Source: rsd_bench metrics version 2.
    """
    stated = arrays.amounts(costs, "costs")
    if len(stated) < 2:
        raise ValueError(f"costs: has {len(stated)} tier where at least 2 are needed to choose from")
    if (np.diff(stated) < 0).any() or stated[0] == stated[-1]:
        raise ValueError("costs: must rise from tier to tier; put the tiers in order of cost, the cheapest first")
    return np.asarray((stated[-1] - stated) / (stated[-1] - stated[0]))


def label_tiers(scores: Any, mes: float) -> NDArray[np.int8]:
    """1 where a tier is good enough: its score is at least mes, or at least that of every dearer tier; else 0.

    scores: judge scores in [0, 10], shape (n, K), the cheapest tier first. mes: one number in [0, 10].
    Returns int8, shape (n, K - 1): the last tier needs no label. Of two tiers it is `label`.
    Raises ValueError naming the argument. Source: rsd_bench metrics version 2.
    """
    answers = arrays.tier_scores(scores, "scores")
    return labels_of(answers, arrays.score_bound(mes, "mes"))


def labels_of(scores: FloatArray, mes: float) -> NDArray[np.int8]:
    """`label_tiers` for arguments that are already checked."""
    labels = np.empty((len(scores), scores.shape[1] - 1), np.int8, order="F")
    dearer = scores[:, -1]
    for k in reversed(range(scores.shape[1] - 1)):
        labels[:, k] = (scores[:, k] >= mes) | (scores[:, k] >= dearer)
        dearer = np.maximum(dearer, scores[:, k])
    return labels


def competent_tier(scores: Any, mes: float) -> IntArray:
    """The cheapest tier that is good enough, 0 ... K - 1, shape (n,): what the label oracle chooses.

    The first tier whose label is 1, the last tier where none is. Arguments and errors as `label_tiers`.
    """
    return first_hit(label_tiers(scores, mes) == 1)


def first_hit(hit: NDArray[np.bool_]) -> IntArray:
    """The first column that is True, shape (n,); the number of columns where none is."""
    choice = np.full(len(hit), hit.shape[1], np.int64)
    for k in reversed(range(hit.shape[1])):
        np.copyto(choice, k, where=hit[:, k])
    return choice


def decide_tiers(p: Any, tau: Any) -> IntArray:
    """The tier that answers: the first k with p_k >= tau_k, else the last; 0 ... K - 1, shape (n,).

    p: P(tier k is good enough) in [0, 1], shape (n, K - 1); of two tiers shape (n,) will do. tau: thresholds >= 0, one
    for each column of p, or one number for all; above 1 a tier is never chosen. Raises ValueError naming the argument.
    """
    probabilities = arrays.tier_probabilities(p, "p")
    thresholds = arrays.thresholds(tau, "tau")
    if len(thresholds) not in (1, probabilities.shape[1]):
        raise ValueError(f"tau: has {len(thresholds)} thresholds where p has {probabilities.shape[1]} columns")
    return first_hit(probabilities >= thresholds)


def check_tiers_scenario(scenario: Scenario, tiers: Tiers) -> None:
    """Refuse a scenario that lets a tier beat the last one whatever their answers are worth (ValueError).

    Each tier is taken by its own latency, in a cascade too, so that one scenario holds for routers of either kind.
    """
    ail = [tiers.latencies[:, k].mean() for k in range(tiers.count)]
    floors = [worth_of_answering(scenario, tiers.advantage[k], ail[k], ail[-1]) for k in range(tiers.count - 1)]
    worst = int(np.argmax(floors))
    if scenario.alpha <= floors[worst]:
        k, last = worst + 1, tiers.count
        raise ValueError(
            f"scenario {scenario.name!r}: alpha {scenario.alpha:g} <= beta a_{k} + gamma (1 - AIL_{k}/AIL_{last}) = "
            f"{floors[worst]:.4g}: all-at-{k} would beat all-at-{last} whatever the answers are worth; raise alpha"
        )


def tier_columns(
    choice: IntArray, tiers: Tiers, mes: float, router_latency: FloatArray | float = 0.0
) -> Iterator[NDArray[Any]]:
    """Per-query terms of every metric for the tiers that answer, as `routing.answer_columns` orders them."""
    rows = np.arange(len(choice))
    waited = router_latency * tiers.asked(choice) + tiers.paid[rows, choice]
    yield from answer_columns(tiers.scores[rows, choice], mes, tiers.advantage[choice], waited, tiers.latencies[:, -1])


def score_tiers(
    choice: Any,
    *,
    scores: Any,
    latencies: Any = None,
    scenario: str | Scenario,
    advantage: Any = None,
    cascade: bool = False,
    router_latency_s: Any = 0.0,
) -> RoutingScore:
    """Score a router that chooses among K tiers.

    choice: the tier that answers, 0 (the cheapest) ... K - 1, shape (n,). scores: judge scores in [0, 10], shape (n,
    K), every query with one of every tier. latencies: seconds, shape (n, K), or (K,) for every query; left out they
    are those of `paper-bounds` for the first and last tier, evenly spaced between. scenario: a preset's name or a
    Scenario. advantage: shape (K,), from 1 to 0; left out it is evenly spaced; `cost_advantage` makes it of costs.
    cascade: a query waits for every tier up to the one that answers, and for the router after each of them but the
    last. router_latency_s: seconds, shape (n,) or one.
    Returns apsp, mean_score, ca (the mean advantage), ail in seconds, and rcs against the latency of the last tier.
    Raises ValueError naming the argument. Source: rsd_bench metrics version 2; two tiers equal `score_routing`.
    """
    scenario = scenario_named(scenario)
    tiers = Tiers.of(scores, latencies, advantage, cascade)
    chosen = arrays.tier_choice(choice, "choice", len(tiers), tiers.count)
    router_latency = arrays.seconds(router_latency_s, "router_latency_s", len(tiers))
    check_tiers_scenario(scenario, tiers)
    return score_of(tier_columns(chosen, tiers, scenario.mes, router_latency), scenario)
