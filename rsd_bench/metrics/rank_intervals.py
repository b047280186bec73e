"""Intervals of the figures that only the order of p decides: lift, skill, AUROC, APSP at a given CA.

Brute force would sort and sum all queries anew in each of 10,000 resamples of groups. Instead:

- from MIN_LINEAR_GROUPS groups on a figure is resampled through its influence function: each query gets terms, what it
  adds to the figure to first order, and a resample's figure comes from sums of terms, as RCS does (`RankTerms`). Lift
  and AUROC are means over pairs, whose terms are their first projection (Hoeffding 1948; DeLong et al. 1988); skill
  divides two projections, so that of the oracle order is 1 in every resample. For APSP at CA c the same queries are
  sent; where they are a share other than c of a resample, it goes on from there along the curve of all queries.
- of fewer groups, where first order falls short, the curve itself is resampled: sums of the queries of each block of
  equal p, or of CURVE_POINTS blocks of equal size where there are more.

`tests/metrics/test_rank_intervals.py` holds both against brute force.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rsd_bench.config import CA_POINTS, CURVE_POINTS, MIN_LINEAR_GROUPS, N_BOOT
from rsd_bench.metrics import arrays
from rsd_bench.metrics.arrays import BoolArray, FloatArray, IntArray
from rsd_bench.metrics.bootstrap import group_sums, interval_where_defined, resample_sums
from rsd_bench.metrics.label import label
from rsd_bench.metrics.lift import Ranking, at_random, solved_by, twice_area, twice_best_area
from rsd_bench.types import Interval

#: What each figure can be: no interval reaches beyond.
RANK_RANGES: dict[str, tuple[float, float]] = {
    "lift": (-0.25, 0.25),
    "skill": (-1.0, 1.0),
    "auroc": (0.0, 1.0),
    **{f"apsp_at_{ca:g}": (0.0, 1.0) for ca in CA_POINTS},
    **{f"gain_at_{ca:g}": (-1.0, 1.0) for ca in CA_POINTS},
}


def rank_intervals(
    p_edge: Any,
    *,
    small: Any,
    large: Any,
    mes: float,
    groups: Any = None,
    n_boot: int = N_BOOT,
    seed: int = 0,
) -> dict[str, Interval]:
    """Lift, skill, AUROC, and APSP at CA 0.5, 0.8 and 0.9 with its gain over random mixing, with 95 % intervals.

    Arguments as `lift`; groups: shape (n,), ids of queries that are resampled together; None makes each query its own.
    n_boot: resamples. seed: of the bootstrap.
    A figure that does not exist is NaN (AUROC of one label, skill where no order gains), its bounds too; bounds alone
    are NaN where more than 1 % of the resamples lack it. Raises ValueError naming the argument.
    Source: rsd_bench metrics version 2.
    """
    p, small_solves, large_solves = solved_by(p_edge, small, large, mes)
    codes = arrays.group_codes(groups, len(p))
    n_boot, seed = arrays.whole_number(n_boot, "n_boot", 1), arrays.whole_number(seed, "seed", 0)
    n_groups = int(codes.max()) + 1
    labels = label(small, large, mes)
    terms = RankTerms.of(p, small_solves, large_solves, labels)
    values = terms.figures(terms.table.sum(axis=0))
    if n_groups >= MIN_LINEAR_GROUPS:
        samples = terms.figures(resample_sums(group_sums(terms.table, codes), n_boot, seed))
    else:
        curve = curve_sums(p, small_solves, large_solves, labels, codes)
        samples = curve_figures(resample_sums(curve, n_boot, seed))
    return {
        name: interval_where_defined(float(values[name]), samples[name], n_groups, within)
        for name, within in RANK_RANGES.items()
    }


def _share(part: Any, whole: Any) -> FloatArray:
    """part / whole, NaN where there is no whole."""
    whole = np.asarray(whole, np.float64)
    return np.asarray(np.divide(part, whole, out=np.full(whole.shape, np.nan), where=whole > 0))


def _figures(lift: Any, best: Any, auroc: Any, fixed: tuple[Any, Any], apsp: list[Any]) -> dict[str, FloatArray]:
    """All figures by name, in the order of RANK_RANGES. fixed: APSP of all-cloud and of all-edge."""
    gains = [at - at_random(*fixed, ca) for at, ca in zip(apsp, CA_POINTS, strict=True)]
    return dict(zip(RANK_RANGES, (lift, _share(lift, best), auroc, *apsp, *gains), strict=True))


@dataclass(frozen=True)
class RankTerms:
    """Per-query terms of every rank figure, shape (n, 8 + 2 len(CA_POINTS)), and the curve of all queries.

    ca, solved: the curve, each over n: queries sent to the small model, and what that adds to the solved ones.
    """

    table: FloatArray
    ca: FloatArray
    solved: FloatArray

    @classmethod
    def of(cls, p: FloatArray, small_solves: BoolArray, large_solves: BoolArray, labels: NDArray[np.int8]) -> RankTerms:
        n, ranking = len(p), Ranking.of(p)
        added = small_solves.astype(np.int64) - large_solves
        solved = ranking.summed(added)
        pairs = *_area_terms(ranking, added, solved), *_auroc_terms(ranking, labels == 1)
        columns = [np.ones(n), large_solves, small_solves, *pairs, *_sent_terms(ranking, added)]
        return cls(np.column_stack(columns).astype(np.float64), ranking.ends / n, solved / n)

    def figures(self, sums: FloatArray) -> dict[str, FloatArray]:
        """Figures from summed terms, shape (..., terms) -> arrays of shape (...)."""
        n, large, small, lift, best, edge, won_by_edge, won_by_cloud, *sent = np.moveaxis(sums, -1, 0)
        auroc = _share(won_by_edge, edge) + _share(won_by_cloud, n - edge)
        apsp = []
        for ca, gained, share in zip(CA_POINTS, sent[::2], sent[1::2], strict=True):
            beyond = np.interp([2 * ca - share / n, np.broadcast_to(ca, n.shape)], self.ca, self.solved)
            apsp.append((large + gained) / n + beyond[0] - beyond[1])
        return _figures(lift / n, best / n, auroc, (large / n, small / n), apsp)


def _area_terms(ranking: Ranking, added: IntArray, solved: IntArray) -> tuple[FloatArray, FloatArray]:
    """Terms of lift, and of the lift of the oracle order."""
    n, block = len(added), ranking.block
    above, up_to = ranking.ends[:-1][block], ranking.ends[1:][block]
    pairs = added * (n - up_to - above) - (solved[-1] - solved[1:][block] - solved[:-1][block])
    better, equal, worse = (int(np.count_nonzero(added == d)) for d in (1, 0, -1))
    best_pairs = np.choose(added + 1, [equal + 2 * better, better + worse, equal + 2 * worse])
    areas = twice_area(solved, ranking.ends), twice_best_area(better, equal, worse)
    lift, best = ((of * n - area) / (2 * n * n) for of, area in zip((pairs, best_pairs), areas, strict=True))
    return lift, best


def _auroc_terms(ranking: Ranking, edge: BoolArray) -> tuple[BoolArray, FloatArray, FloatArray]:
    """The label; the share of queries of the other label that a query is ranked rightly against, ties half, by label.

    Less AUROC / 2, so that the means of both add up to AUROC.
    """
    found = ranking.summed(edge)
    missed = ranking.ends - found
    won = np.zeros(len(edge))
    if 0 < found[-1] < len(edge):
        before, behind = (found[1:] + found[:-1]) / 2, missed[-1] - (missed[1:] + missed[:-1]) / 2
        block = ranking.block
        won = np.where(edge, behind[block] / missed[-1], before[block] / found[-1])
        won -= won[edge].mean() / 2
    return edge, np.where(edge, won, 0), np.where(edge, 0, won)


def _sent_terms(ranking: Ranking, added: IntArray) -> Iterator[FloatArray]:
    """Per CA: what sending that share adds to the solved queries, and how much of each query is sent."""
    n, block = len(added), ranking.block
    above, up_to = ranking.ends[:-1][block], ranking.ends[1:][block]
    for ca in CA_POINTS:
        sent = np.clip((ca * n - above) / (up_to - above), 0, 1)
        yield added * sent
        yield sent


def curve_sums(
    p: FloatArray, small_solves: BoolArray, large_solves: BoolArray, labels: NDArray[np.int8], codes: IntArray
) -> FloatArray:
    """What `curve_figures` needs of each group, shape (G, 3 + 3 points): totals, then three sums along the curve."""
    n, ranking = len(p), Ranking.of(p)
    point, points = ranking.block, len(ranking.ends) - 1
    if points > CURVE_POINTS:
        point, points = ranking.ends[:-1][point] * CURVE_POINTS // n, CURVE_POINTS
    added = small_solves.astype(np.int64) - large_solves
    totals = group_sums(iter([large_solves, added == 1, added == -1]), codes)
    cells, size = codes * points + point, len(totals) * points
    along = (np.bincount(cells, values, size).reshape(-1, points) for values in (np.ones(n), added, labels == 1))
    return np.hstack([totals, *along])


def curve_figures(sums: FloatArray) -> dict[str, FloatArray]:
    """Figures from summed `curve_sums`, shape (n_boot, 3 + 3 points) -> arrays of shape (n_boot,)."""
    large, better, worse = sums[:, :3].T
    queries, solved, found = (
        np.cumsum(np.pad(part, ((0, 0), (1, 0))), axis=1) for part in np.split(sums[:, 3:], 3, axis=1)
    )
    n, missed = queries[:, -1], queries - found
    best = twice_best_area(better, n - better - worse, worse)
    won = (np.diff(missed) * (found[:, 1:] + found[:, :-1])).sum(axis=1)
    auroc = _share(won, 2 * found[:, -1] * missed[:, -1])
    apsp = [(large + _at(ca * n, queries, solved)) / n for ca in CA_POINTS]
    fixed = large / n, (large + solved[:, -1]) / n
    return _figures(twice_area(solved, queries) / (2 * n * n), best / (2 * n * n), auroc, fixed, apsp)


def _at(x: FloatArray, xs: FloatArray, ys: FloatArray) -> FloatArray:
    """np.interp of each row: ys at x > 0 along xs, which rise from 0."""
    row, left = np.arange(len(x)), np.count_nonzero(xs[:, 1:-1] < x[:, None], axis=1)
    start, step = xs[row, left], xs[row, left + 1] - xs[row, left]
    return np.asarray(ys[row, left] + (x - start) / step * (ys[row, left + 1] - ys[row, left]))
