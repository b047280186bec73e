"""The Minimal Expectation Score (MES) from people: the judge score that best separates satisfied from not.

People said of answers whether they were satisfied; a judge scored the same answers. Nothing here knows a file. Scores
count by their hundredth, so that a table of counts per group and score is all that the value and every resample need.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from rsd_bench.config import CONFIDENCE, N_BOOT_FIT, SCORE_DECIMALS, SCORE_MAX
from rsd_bench.metrics import arrays
from rsd_bench.metrics.arrays import BoolArray, FloatArray, IntArray, group_codes
from rsd_bench.metrics.bootstrap import group_sums, interval, resample_sums, resampling_units
from rsd_bench.types import Interval

_UNIT = 100  # an MES is a whole number of hundredths
_PARTS = 10**SCORE_DECIMALS // _UNIT  # steps in which scores enter, to a hundredth
_ROUND = (100, 50, 10, 1)  # a whole number, else a half, a tenth, a hundredth
_NO_CHANCE = 0.5  # AUROC of a score that says nothing


@dataclass(frozen=True)
class MesFit:
    """The MES of n ratings of queries in n_groups groups, and how far judge scores tell who is satisfied at all.

    satisfied: share of the ratings. mes: with the interval of a bootstrap over groups. alike: any MES above the first
    number, up to the second, separates these ratings as `mes` does. balanced_accuracy: of that separation, on the
    ratings that it was chosen on. auroc: of the score for satisfaction. Where `predicts` is False, `mes` means nothing.
    """

    n: int
    n_groups: int
    satisfied: float
    mes: Interval
    alike: tuple[float, float]
    balanced_accuracy: float
    auroc: Interval

    @property
    def predicts(self) -> bool:
        """Whether higher scores go with satisfaction beyond chance: the interval of AUROC lies above 0.5."""
        return self.auroc.low > _NO_CHANCE


def fit_mes(scores: Any, satisfied: Any, groups: Any = None, *, n_boot: int = N_BOOT_FIT, seed: int = 0) -> MesFit:
    """The judge score that best separates satisfied ratings from others.

    scores: judge scores in [0, 10] of the rated answers, shape (n,), one a rating. satisfied: 1 where the person was,
    else 0, shape (n,). groups: ids of what is resampled together, such as the queries, shape (n,); None: each rating.
    n_boot: bootstrap resamples. seed: of the bootstrap.
    MES: of the scores that occur, the one from which on "satisfied" is right most often in balanced accuracy, the mean
    of the shares of satisfied ratings at or above it and of unsatisfied ones below. Of several that are equally good,
    the middle one (the lower of two). It is written as the roundest number that separates these ratings alike: whole,
    else a half, a tenth, a hundredth; of those, the nearest to the middle of the gap to the next lower score.
    Raises ValueError naming the argument, and where only one kind of rating occurs.
    """
    given = arrays.scores(scores, "scores")
    n = len(given)
    yes = arrays.flags(satisfied, "satisfied", n, "a rating (0 = not satisfied, 1 = satisfied)")
    codes = group_codes(groups, n)
    n_boot, seed = arrays.whole_number(n_boot, "n_boot", 0), arrays.whole_number(seed, "seed", 0)
    if yes.all() or not yes.any():
        raise ValueError(f"satisfied: is {int(yes[0])} in all {n} ratings: there is nothing to separate")
    levels, at = np.unique(np.rint(given * 10**SCORE_DECIMALS).astype(np.int64) // _PARTS, return_inverse=True)
    counts = _counts(at, yes, resampling_units(codes, seed), len(levels))
    total, below = counts.sum(axis=0), np.append(-1, levels[:-1])
    mes = np.array([_roundest(*gap) for gap in zip(below.tolist(), levels.tolist(), strict=True)]) / _UNIT
    n_groups = int(codes.max()) + 1
    samples = _with_both(resample_sums(counts, n_boot, seed)) if n_boot and len(counts) > 1 else counts[:0]
    best = int(_best(total))
    return MesFit(
        n=n,
        n_groups=n_groups,
        satisfied=float(yes.mean()),
        mes=interval(mes[best], mes[_best(samples)], n_groups, (0, SCORE_MAX)),
        alike=(max(0.0, float(below[best]) / _UNIT), float(levels[best]) / _UNIT),
        balanced_accuracy=float(_separated(total)[best] / (2 * np.prod(_kinds(total)))),
        auroc=interval(float(_auroc(total)), _auroc(samples), n_groups, (0, 1)),
    )


def rater_agreement(raters: IntArray, satisfied: IntArray, groups: Any) -> Interval | None:
    """Krippendorff's alpha of people who rated the same answers, with the interval of a bootstrap over groups.

    raters, satisfied: of each answer, by how many it was rated, 2 or more, and how many of them were satisfied, shape
    (n,); groups: ids of what is resampled together, shape (n,). 1 - observed / expected disagreement; of yes and no,
    the alpha of nominal and of interval data are one. None where all or none are satisfied.
    Source: Krippendorff, Computing Krippendorff's Alpha-Reliability (2011).
    """
    if satisfied.sum() in (0, raters.sum()):
        return None
    codes = group_codes(groups, len(raters))
    disagreement = 2 * satisfied * (raters - satisfied) / (raters - 1)
    sums = group_sums([disagreement, raters, satisfied], resampling_units(codes))
    samples = resample_sums(sums, N_BOOT_FIT) if len(sums) > 1 else sums[:0]
    samples = _told(samples, (samples[:, 2] > 0) & (samples[:, 2] < samples[:, 1]))
    return interval(float(_alpha(sums.sum(axis=0))), _alpha(samples), int(codes.max()) + 1, (-math.inf, 1))


def _alpha(sums: FloatArray) -> FloatArray:
    """Alpha from summed disagreement, ratings and satisfied ratings, shape (..., 3)."""
    disagreement, n, satisfied = np.moveaxis(sums, -1, 0)
    return np.asarray(1 - (n - 1) * disagreement / (2 * satisfied * (n - satisfied)))


def _counts(at: IntArray, yes: BoolArray, units: IntArray, n_levels: int) -> FloatArray:
    """Ratings per unit of resampling by level: satisfied ones, then the others; shape (units, 2 levels)."""
    n_units = int(units.max()) + 1
    cells = units * 2 * n_levels + at + n_levels * ~yes
    return np.bincount(cells, minlength=n_units * 2 * n_levels).reshape(n_units, -1).astype(np.float64)


def _kinds(counts: FloatArray) -> tuple[FloatArray, FloatArray]:
    """How many are satisfied, and how many are not, from counts (..., 2 levels)."""
    satisfied, others = np.split(counts, 2, axis=-1)
    return satisfied.sum(axis=-1), others.sum(axis=-1)


def _with_both(samples: FloatArray) -> FloatArray:
    """The samples of counts (n_boot, 2 levels) in which both kinds occur, as far as they tell anything."""
    satisfied, others = _kinds(samples)
    return _told(samples, (satisfied > 0) & (others > 0))


def _told(samples: FloatArray, defined: BoolArray) -> FloatArray:
    """The samples that have a figure; none where more lack it than a tail of an interval holds."""
    kept = samples[defined]
    return kept if len(samples) - len(kept) <= len(samples) * (1 - CONFIDENCE) / 2 else kept[:0]


def _separated(counts: FloatArray) -> FloatArray:
    """Balanced accuracy of "satisfied from this level on", times twice the product of both counts: a whole number.

    counts: (..., 2 levels) -> (..., levels). Whole numbers tie exactly where levels are equally good.
    """
    satisfied, others = np.split(counts, 2, axis=-1)
    kept = np.cumsum(satisfied[..., ::-1], axis=-1)[..., ::-1]
    refused = np.cumsum(others, axis=-1) - others
    all_satisfied, all_others = (of[..., None] for of in _kinds(counts))
    return np.asarray(kept * all_others + refused * all_satisfied)


def _best(counts: FloatArray) -> IntArray:
    """The level that separates best; of several, the middle one (the lower of two). (..., 2 levels) -> (...)."""
    separated = _separated(counts)
    tied = separated == separated.max(axis=-1, keepdims=True)
    rank = np.cumsum(tied, axis=-1)
    return np.asarray((tied & (rank == (rank[..., -1:] + 1) // 2)).argmax(axis=-1))


def _auroc(counts: FloatArray) -> FloatArray:
    """Chance that a satisfied rating has the higher score of two, ties half. (..., 2 levels) -> (...)."""
    satisfied, others = np.split(counts, 2, axis=-1)
    lower = np.cumsum(others, axis=-1) - others / 2
    return np.asarray((satisfied * lower).sum(axis=-1) / np.multiply(*_kinds(counts)))


def _roundest(below: int, level: int) -> int:
    """The roundest number of hundredths above `below`, up to `level`; of several, the nearest to the middle between."""
    for step in _ROUND:
        first, last = below // step + 1, level // step
        if first <= last:
            nearest = math.floor((below + level) / (2 * step) + 0.5)  # halves up
            return step * min(max(nearest, first), last)
    raise AssertionError("a level is above the one before it")
