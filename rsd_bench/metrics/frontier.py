"""The best mean score that any choice among K models can reach at every mean cost: what no router can exceed.

A query's models are points (cost, score). What the query can add, and at which price, is the rising part of their
concave hull from its cheapest model on. The steps of all hulls, taken from the steepest down, are the best use of every
budget: a linear program whose greedy solution is exact. Within a step a query is dealt at random between two models.

RouterBench draws the non-decreasing hull, MMR-Bench the Pareto points, of means over all queries: of fixed policies, or
of a router at several thresholds. Such a hull is the frontier of one query, `frontier([mean scores], [mean costs])`; it
knows nothing of the queries themselves and lies below theirs. MMR-Bench's oracle bounds the cost of every query by the
same number, which buys less than a mean cost does. Areas differ in their range of costs: RouterBench divides by the
largest cost, MMR-Bench by the range of the router's own points, this module by that of all mean costs there can be.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from rsd_bench.metrics import arrays
from rsd_bench.metrics.arrays import FloatArray


@dataclass(frozen=True)
class Frontier:
    """Corners of the curve by rising mean cost, shape (m,), and its area over the costs that can be spent.

    cost: mean per query, in the unit of the costs; from what the cheapest models cost to where no score can be gained.
    score: the best mean score at that cost, in the unit of the values; linear between corners, level after the last.
    area: mean of the best score over all mean costs, from every query's cheapest model to every query's dearest.
    """

    cost: FloatArray
    score: FloatArray
    area: float

    def at(self, cost: Any) -> FloatArray:
        """The best mean score at a mean cost; NaN below what the cheapest models cost."""
        return np.asarray(np.interp(cost, self.cost, self.score, left=np.nan))


def frontier(values: Any, costs: Any) -> Frontier:
    """The best mean score at every mean cost over K models, and its normalised area.

    values: score of each model on each query in any one unit (0 to 10, or 0 and 1), shape (n, K). costs: >= 0, in any
    one unit (USD, seconds), shape (n, K), or (K,) for every query; models may stand in any order. One model will do.
    Where all models cost the same the curve is one point and the area its score. Raises ValueError naming the argument.
    Source: rsd_bench metrics version 2.
    """
    score = arrays.model_values(values, "values")
    n, models = score.shape
    cost = arrays.tier_amounts(costs, "costs", n, models)
    start_cost, start_score, added_cost, added_score = _hull_steps(score, cost)
    with np.errstate(over="ignore"):  # a gain at next to no cost: infinitely steep, and first
        slope = added_score / added_cost
    steepest = np.argsort(-slope, kind="stable")
    ranked = slope[steepest]
    corner = np.append(
        True, np.append(ranked[1:] < ranked[:-1], True)[: len(ranked)]
    )  # equal slopes: one straight line
    mean_cost = start_cost.mean() + np.append(0, np.cumsum(added_cost[steepest]))[corner] / n
    mean_score = start_score.mean() + np.append(0, np.cumsum(added_score[steepest]))[corner] / n
    dearest = max(cost.max(axis=1).mean(), mean_cost[-1])
    width = dearest - mean_cost[0]
    area = np.trapezoid(mean_score, mean_cost) + mean_score[-1] * (dearest - mean_cost[-1])
    return Frontier(mean_cost, mean_score, float(area / width if width > 0 else mean_score[-1]))


def _hull_steps(score: FloatArray, cost: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Cost and score of each query's cheapest model (the better of equals), and what every step of a hull adds to both.

    From where a query stands the next corner of its hull is the dearer model of the steepest gain. All queries step
    together, K - 1 times at most; who finds no gain is done.
    """
    rows = np.arange(len(score))
    cheapest = cost == cost.min(axis=1, keepdims=True)
    here = np.argmax(np.where(cheapest, score, -np.inf), axis=1)
    start = cost[rows, here], score[rows, here]
    steps: list[tuple[FloatArray, FloatArray]] = []
    while len(score):
        more, gain = cost - cost[rows, here][:, None], score - score[rows, here][:, None]
        with np.errstate(over="ignore"):
            slope = np.divide(gain, more, out=np.full(score.shape, -np.inf), where=(more > 0) & (gain > 0))
        going = slope.max(axis=1) > 0
        score, cost, slope = score[going], cost[going], slope[going]
        rows, more, gain = rows[: len(score)], more[going], gain[going]
        here = slope.argmax(axis=1)
        steps.append((more[rows, here], gain[rows, here]))
    return *start, *(np.concatenate(column) for column in zip(*steps, strict=True))
