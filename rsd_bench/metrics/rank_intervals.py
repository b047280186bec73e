"""Intervals of the figures that only the order of p decides: lift, skill, AUROC, APSP at a given CA.

Brute force would sort and sum all queries anew in each of 10,000 resamples of groups. Instead:

- from MIN_LINEAR_GROUPS groups on a figure is resampled through its influence function: each query gets terms, what it
  adds to the figure to first order, and a resample's figure comes from sums of terms, as RCS does (`RankTerms`). Lift
  and AUROC are means over pairs, whose terms are their first projection (Hoeffding 1948; DeLong et al. 1988); skill
  divides two projections, so that of the oracle order is 1 in every resample. For APSP at CA c the same queries are
  sent; where they are a share other than c of a resample, it goes on from there along the curve of all queries, which
  is the mean of the curves of a router's repeats.
- of fewer groups, where first order falls short, the curve itself is resampled: sums of the queries of each block of
  equal p, or of CURVE_POINTS blocks of equal size where there are more.

`tests/metrics/test_rank_intervals.py` holds both against brute force.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rsd_bench.config import CA_POINTS, CURVE_POINTS, MIN_LINEAR_GROUPS, N_BOOT
from rsd_bench.metrics import arrays
from rsd_bench.metrics.arrays import BoolArray, FloatArray, IntArray
from rsd_bench.metrics.bootstrap import group_sums, interval_where_defined, resample_sums, resampling_units
from rsd_bench.metrics.label import label
from rsd_bench.metrics.lift import Ranking, at_random, solved_by, twice_area, twice_best_area
from rsd_bench.types import Interval

_PAIR_CELLS = 1 << 18  # queries x groups whose pairs are counted at once: small enough for the cache

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

    Arguments as `lift`, but p_edge may have shape (n, repeats): of a router that was trained several times each figure
    is the mean over repeats, whose groups are resampled together. groups: shape (n,), ids of queries that are resampled
    together; None makes each query its own. A figure that does not exist is NaN (AUROC of one label, skill where no
    order gains), its bounds too; bounds alone are NaN where more than 1 % of the resamples lack it.
    Raises ValueError naming the argument. Source: rsd_bench metrics version 2.
    """
    small_solves, large_solves = solved_by(small, large, mes)
    repeats = arrays.repeated(p_edge, "p_edge", len(small_solves), arrays.probabilities)
    codes = arrays.group_codes(groups, len(small_solves))
    n_boot, seed = arrays.whole_number(n_boot, "n_boot", 1), arrays.whole_number(seed, "seed", 0)
    return rank_figures(repeats, small_solves, large_solves, label(small, large, mes), codes, n_boot, seed)


def rank_figures(
    repeats: Sequence[FloatArray | Ranking],
    small_solves: BoolArray,
    large_solves: BoolArray,
    labels: NDArray[np.int8],
    codes: IntArray,
    n_boot: int,
    seed: int,
) -> dict[str, Interval]:
    """`rank_intervals` for arguments that are already checked; n_boot may be 0, which leaves the bounds NaN."""
    n_groups, judged = int(codes.max()) + 1, (small_solves, large_solves, labels)
    terms = RankTerms.of(repeats, *judged)
    total = terms.table.sum(axis=0)
    if n_groups >= MIN_LINEAR_GROUPS or not n_boot:
        units = resampling_units(codes, seed) if n_boot else codes
        return linear_intervals(terms, total, resample_sums(group_sums(terms.table, units), n_boot, seed), n_groups)
    each = [curve_figures(resample_sums(curve_sums(p, *judged, codes), n_boot, seed)) for p in repeats]
    samples = {name: np.asarray(sum(of[name] for of in each) / len(each)) for name in RANK_RANGES}
    return _intervals(terms.figures(total), samples, n_groups)


def linear_intervals(terms: RankTerms, total: FloatArray, sums: FloatArray, n_groups: int) -> dict[str, Interval]:
    """Intervals from the terms summed over all queries, and over resamples (n_boot, terms)."""
    return _intervals(terms.figures(total), terms.figures(sums), n_groups)


def _intervals(
    values: Mapping[str, FloatArray], samples: Mapping[str, FloatArray], n_groups: int
) -> dict[str, Interval]:
    return {
        name: interval_where_defined(float(values[name]), samples[name], n_groups, within)
        for name, within in RANK_RANGES.items()
    }


def share_of(part: Any, whole: Any) -> FloatArray:
    """part / whole, NaN where there is no whole."""
    whole = np.asarray(whole, np.float64)
    return np.asarray(np.divide(part, whole, out=np.full(whole.shape, np.nan), where=whole > 0))


def _figures(lift: Any, best: Any, auroc: Any, fixed: tuple[Any, Any], apsp: list[Any]) -> dict[str, FloatArray]:
    """All figures by name, in the order of RANK_RANGES. fixed: APSP of all-cloud and of all-edge."""
    gains = [at - at_random(*fixed, ca) for at, ca in zip(apsp, CA_POINTS, strict=True)]
    return dict(zip(RANK_RANGES, (lift, share_of(lift, best), auroc, *apsp, *gains), strict=True))


@dataclass(frozen=True)
class RankTerms:
    """Per-query terms of every rank figure, shape (n, 8 + 2 len(CA_POINTS)), and the curve of all queries.

    Both are means over repeats. ca, solved: the curve, each over n: queries sent to the small model, and what that adds
    to the solved ones.
    """

    table: FloatArray
    ca: FloatArray
    solved: FloatArray

    @classmethod
    def of(
        cls,
        p: FloatArray | Sequence[FloatArray | Ranking],
        small_solves: BoolArray,
        large_solves: BoolArray,
        labels: NDArray[np.int8],
    ) -> RankTerms:
        """p: shape (n,), or one such array, or its ranking, a repeat."""
        repeats: list[Any] = [p] if isinstance(p, np.ndarray) else list(p)
        added, n = small_solves.astype(np.int64) - large_solves, len(labels)
        each, curves = [], []
        for ranking in map(Ranking.of, repeats):
            solved = ranking.summed(added)
            terms = *area_terms(ranking, added, solved), *_auroc_terms(ranking, labels == 1)
            each.append((*terms, *_sent_terms(ranking, added)))
            curves.append((ranking.ends / n, solved / n))
        means = (sum(columns) / len(each) for columns in zip(*each, strict=True))
        table = np.column_stack([np.ones(n), large_solves, small_solves, *means]).astype(np.float64)
        ca = curves[0][0] if len(curves) == 1 else np.unique(np.concatenate([curve[0] for curve in curves]))
        return cls(table, ca, np.mean([np.interp(ca, *curve) for curve in curves], axis=0))

    def figures(self, sums: FloatArray) -> dict[str, FloatArray]:
        """Figures from summed terms, shape (..., terms) -> arrays of shape (...)."""
        n, large, small, lift, best, edge, won_by_edge, won_by_cloud, *sent = np.moveaxis(sums, -1, 0)
        auroc = share_of(won_by_edge, edge) + share_of(won_by_cloud, n - edge)
        apsp = []
        for ca, gained, share in zip(CA_POINTS, sent[::2], sent[1::2], strict=True):
            beyond = np.interp([2 * ca - share / n, np.broadcast_to(ca, n.shape)], self.ca, self.solved)
            apsp.append((large + gained) / n + beyond[0] - beyond[1])
        return _figures(lift / n, best / n, auroc, (large / n, small / n), apsp)


def area_terms(ranking: Ranking, added: IntArray, solved: IntArray) -> tuple[FloatArray, FloatArray]:
    """Per-query terms of lift, and of the lift of the oracle order, which sum to n times either; solved: of `added`."""
    n, block = len(added), ranking.block
    above, up_to = ranking.ends[:-1][block], ranking.ends[1:][block]
    pairs = added * (n - up_to - above) - (solved[-1] - solved[1:][block] - solved[:-1][block])
    better, equal, worse = (int(np.count_nonzero(added == d)) for d in (1, 0, -1))
    best_pairs = np.choose(added + 1, [equal + 2 * better, better + worse, equal + 2 * worse])
    areas = twice_area(solved, ranking.ends), twice_best_area(better, equal, worse)
    lift, best = ((of * n - area) / (2 * n * n) for of, area in zip((pairs, best_pairs), areas, strict=True))
    return lift, best


def area_by_pairs(ranking: Ranking, added: IntArray, codes: IntArray) -> FloatArray:
    """`twice_area` by pairs of groups, shape (G, G): w K w is that of a sample in which group g stands w_g times."""
    n_groups, block, found = int(codes.max()) + 1, ranking.block, []
    at_once = max(1, _PAIR_CELLS // len(codes))
    for start in range(0, n_groups, at_once):
        ranked = ranking.summed(codes[:, None] == np.arange(start, min(start + at_once, n_groups)))
        won = ranked[-1] - ranked[1:][block] - ranked[:-1][block]  # ranked below each query less ranked above it
        found.append(group_sums(added[:, None] * won, codes))
    return np.hstack(found)


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
    p: FloatArray | Ranking,
    small_solves: BoolArray,
    large_solves: BoolArray,
    labels: NDArray[np.int8],
    codes: IntArray,
) -> FloatArray:
    """What `curve_figures` needs of each group, shape (G, 3 + 3 points): totals, then three sums along the curve."""
    n, ranking = len(labels), Ranking.of(p)
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
    auroc = share_of(won, 2 * found[:, -1] * missed[:, -1])
    apsp = [(large + _at(ca * n, queries, solved)) / n for ca in CA_POINTS]
    fixed = large / n, (large + solved[:, -1]) / n
    return _figures(twice_area(solved, queries) / (2 * n * n), best / (2 * n * n), auroc, fixed, apsp)


def _at(x: FloatArray, xs: FloatArray, ys: FloatArray) -> FloatArray:
    """np.interp of each row: ys at x > 0 along xs, which rise from 0."""
    row, left = np.arange(len(x)), np.count_nonzero(xs[:, 1:-1] < x[:, None], axis=1)
    start, step = xs[row, left], xs[row, left + 1] - xs[row, left]
    return np.asarray(ys[row, left] + (x - start) / step * (ys[row, left + 1] - ys[row, left]))
