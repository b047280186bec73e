"""Lift and skill, metrics version 2: how well p orders the queries, whatever a scenario's weights and whatever tau.

With d = [s >= M] - [l >= M], what the small model adds to the solved queries or takes from them, lift is the area
between the APSP of sending the queries of highest p to the small model and the chord of sending them at random. Queries
of equal p enter together, as if dealt at random: APSP is linear across them, and no order of rows can matter. Counts
are whole numbers: a constant p has lift 0 and the oracle order skill 1 to the last bit. As sums over pairs of queries,

    lift = sum over i, j of (d_i - d_j) sign(p_i - p_j) / (4 n^2),    skill = lift / (sum of |d_i - d_j| / (4 n^2)),

which shows that no order beats that of d, and that reversing p turns the sign.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from rsd_bench.config import CA_POINTS, TAU_ALL_CLOUD
from rsd_bench.metrics import arrays
from rsd_bench.metrics.arrays import BoolArray, FloatArray, IntArray
from rsd_bench.metrics.threshold_curve import apsp_at, descending

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Lift:
    """Area gained over random choice, and its share of what the best order would gain; NaN where no order gains.

    curve: DataFrame tau, ca, apsp, random (APSP of choosing at random) by rising CA, from all-cloud to all-edge.
    """

    lift: float
    skill: float
    curve: pd.DataFrame = field(repr=False, compare=False)

    def to_dict(self) -> dict[str, float]:
        return {"lift": self.lift, "skill": self.skill}


@dataclass(frozen=True)
class Ranking:
    """Queries from the highest p to the lowest, those of equal p in one block.

    order: positions, shape (n,). ends: how many queries the first 0, 1, 2 ... blocks hold, from 0 to n.
    """

    order: IntArray
    ends: IntArray

    @classmethod
    def of(cls, p: FloatArray | Ranking) -> Ranking:
        """The ranking of p; a ranking is its own, which saves the sort where it is at hand."""
        if isinstance(p, Ranking):
            return p
        order = descending(p)
        ranked = p[order]
        return cls(order, np.append(np.flatnonzero(np.append(True, ranked[1:] < ranked[:-1])), len(p)))

    def summed(self, values: Any) -> Any:
        """Sum of `values` (n,) or of each column of (n, k) over the first 0, 1, 2 ... blocks."""
        sums = np.cumsum(values[self.order], axis=0)
        return np.concatenate([np.zeros_like(sums[:1]), sums])[self.ends]

    @property
    def block(self) -> IntArray:
        """The block of each query, 0 ... blocks - 1, shape (n,)."""
        found = np.empty(len(self.order), np.int64)
        found[self.order] = np.repeat(np.arange(len(self.ends) - 1), np.diff(self.ends))
        return found


def twice_area(solved: Any, queries: Any) -> Any:
    """2 n^2 lift from sums of d and of queries over the first 0, 1, 2 ... blocks (last axis); exact for integers."""
    trapezoids = np.diff(queries) * (solved[..., 1:] + solved[..., :-1])
    return trapezoids.sum(axis=-1) - queries[..., -1] * solved[..., -1]


def twice_best_area(better: Any, equal: Any, worse: Any) -> Any:
    """2 n^2 lift of the order of d, from the numbers of queries with d = 1, 0, -1. Scalars or arrays."""
    return equal * (better + worse) + 2 * better * worse


def solved_by(small: Any, large: Any, mes: Any) -> tuple[BoolArray, BoolArray]:
    """Which queries the small and the large model solve, from arguments that are checked here."""
    s = arrays.scores(small, "small")
    large_scores, threshold = arrays.scores(large, "large", len(s)), arrays.score_bound(mes, "mes")
    return s >= threshold, large_scores >= threshold


def lift(p_edge: Any, *, small: Any, large: Any, mes: float) -> Lift:
    """Lift and skill of p, and the curve that they are the area of.

    p_edge: P(edge competent) in [0, 1], shape (n,). small, large: judge scores in [0, 10], shape (n,). mes: one number
    in [0, 10]. lift lies in [-1/4, 1/4], skill in [-1, 1]: 1 is the order of [s >= M] - [l >= M], 0 a constant p. Where
    that difference is the same for every query no order gains anything: lift is 0 and skill NaN.
    Raises ValueError naming the argument. Source: rsd_bench metrics version 2.
    """
    import pandas as pd

    small_solves, large_solves = solved_by(small, large, mes)
    n = len(small_solves)
    p = arrays.probabilities(p_edge, "p_edge", n)
    ranking = Ranking.of(p)
    added = small_solves.astype(np.int64) - large_solves
    solved = ranking.summed(added)
    area = int(twice_area(solved, ranking.ends))
    best = twice_best_area(*(int(np.count_nonzero(added == d)) for d in (1, 0, -1)))
    ca, apsp = ranking.ends / n, (np.count_nonzero(large_solves) + solved) / n
    tau = np.append(TAU_ALL_CLOUD, p[ranking.order[ranking.ends[1:] - 1]])
    curve = pd.DataFrame({"tau": tau, "ca": ca, "apsp": apsp, "random": at_random(apsp[0], apsp[-1], ca)})
    return Lift(area / (2 * n * n), area / best if best else math.nan, curve)


def at_random(all_cloud: Any, all_edge: Any, ca: Any) -> Any:
    """APSP of sending a random share `ca` of the queries to the small model, from those of the fixed policies."""
    return (1 - ca) * all_cloud + ca * all_edge


def apsp_at_ca(p_edge: Any, *, small: Any, large: Any, mes: float, ca: Any = CA_POINTS) -> pd.DataFrame:
    """APSP where a share `ca` of the queries, those of highest p, goes to the small model; and of a random share.

    ca: shares in [0, 1], one or several. Other arguments and errors as `lift`. Between two distinct p the curve is
    linear, which is what choosing at random among queries of equal p gives.
    Returns a DataFrame ca, apsp, random, gain (apsp - random). Source: rsd_bench metrics version 2.
    """
    import pandas as pd

    shares = arrays.shares(ca, "ca")
    found = lift(p_edge, small=small, large=large, mes=mes).curve
    rising = {name: found[name].to_numpy()[::-1] for name in ("ca", "apsp")}
    apsp, random = apsp_at(rising, shares), at_random(rising["apsp"][-1], rising["apsp"][0], shares)
    return pd.DataFrame({"ca": shares, "apsp": apsp, "random": random, "gain": apsp - random})
