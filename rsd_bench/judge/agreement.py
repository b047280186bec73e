"""How far judge scores can be trusted: agreement with people, spread over repeats, verbosity, and labels that flip.

Pure functions of arrays. Judge and human scores lie in [0, 10], one of each an item (an answer to a query).
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from rsd_bench.config import CONFIDENCE, SCORE_MAX
from rsd_bench.metrics.arrays import FloatArray, IntArray
from rsd_bench.metrics.bootstrap import interval
from rsd_bench.types import Interval

NEAR = 1.0  # a score this close to the MES is near it


def quadratic_kappa(judge: FloatArray, human: FloatArray) -> float | None:
    """Cohen's kappa with quadratic weights over the whole scores 0..10 (halves round up). None where undefined."""
    from sklearn.metrics import cohen_kappa_score

    levels = list(range(int(SCORE_MAX) + 1))
    whole = [np.floor(scores + 0.5).astype(int) for scores in (judge, human)]
    if len(np.unique(np.concatenate(whole))) < 2:
        return None
    return float(cohen_kappa_score(*whole, labels=levels, weights="quadratic"))


def krippendorff_alpha(ratings: FloatArray) -> float | None:
    """Krippendorff's alpha, interval metric: 1 - observed / expected disagreement. None where undefined.

    ratings: shape (raters, items), NaN where a rater gave none; items with fewer than two ratings do not count.
    Source: Krippendorff, Computing Krippendorff's Alpha-Reliability (2011), in the closed form of squared differences.
    """
    given = ~np.isnan(ratings)
    items = given.sum(axis=0) >= 2
    values, given = np.where(given, ratings, 0.0)[:, items], given[:, items]
    counts = given.sum(axis=0)
    n = counts.sum()
    if n < 2:
        return None
    within = 2 * (counts * (values**2).sum(axis=0) - values.sum(axis=0) ** 2)  # sum over ordered pairs of an item
    observed = float((within / (counts - 1)).sum() / n)
    all_values = values[given]
    centred = all_values - all_values.mean()
    expected = float(2 * (centred**2).sum() / (n - 1))
    return 1 - observed / expected if expected > 0 else None


def rank_correlation(judge: FloatArray, human: FloatArray) -> float | None:
    """Spearman's rho; None where a side is constant."""
    from scipy.stats import spearmanr

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a constant side gives NaN and a warning
        rho = float(spearmanr(judge, human).statistic)
    return rho if math.isfinite(rho) else None


def verbosity_slope(difference: FloatArray, words: FloatArray) -> float | None:
    """Points by which `difference` (judge - human) grows when an answer doubles in length: least squares on log2."""
    length = np.log2(1 + words)
    centred = length - length.mean()
    spread = float((centred**2).sum())
    return float((centred * difference).sum() / spread) if spread > 0 else None


def bootstrap(
    figure: Callable[[IntArray], float | None],
    groups: IntArray,
    n_boot: int,
    seed: int,
    within: tuple[float, float] = (-math.inf, math.inf),
) -> Interval | None:
    """`figure` of all items, with its interval over resampled groups; None where it is undefined.

    figure: item positions -> value; within: what it can be. Where more resamples leave it undefined than a tail of the
    interval holds, its bounds are NaN: the rest says nothing of the tails.
    """
    value = figure(np.arange(len(groups)))
    if value is None:
        return None
    members = [np.flatnonzero(groups == group) for group in range(int(groups.max()) + 1)]
    rng = np.random.default_rng(seed)
    samples = []
    for _ in range(n_boot):
        picked = np.concatenate([members[g] for g in rng.integers(0, len(members), len(members))])
        if (sample := figure(picked)) is not None:
            samples.append(sample)
    if n_boot - len(samples) > n_boot * (1 - CONFIDENCE) / 2:
        samples = []
    return interval(value, np.array(samples), len(members), within)


def repeat_variance(repeats: Sequence[FloatArray]) -> tuple[float, int] | None:
    """(mean of the sample variances, number of answers) over answers judged more than once; None where none is."""
    variances = [float(np.var(scores, ddof=1)) for scores in repeats if len(scores) > 1]
    return (float(np.mean(variances)), len(variances)) if variances else None


def flip_probability(small: FloatArray, large: FloatArray, mes: float) -> float:
    """Probability that two independent judgings of one query give different labels at `mes`; unbiased.

    small, large: repeated judge scores of the two answers, shapes (K,) and (J,), K, J >= 2. The mean of [L != L'] over
    all pairs of judgings that share no judge call.
    """
    labels: NDArray[np.float64] = ((small[:, None] >= mes) | (small[:, None] >= large[None, :])).astype(np.float64)
    k, j = labels.shape
    total = labels.sum()
    both = total**2 - (labels.sum(axis=1) ** 2).sum() - (labels.sum(axis=0) ** 2).sum() + (labels**2).sum()
    return float(2 * (total * (k - 1) * (j - 1) - both) / (k * (k - 1) * j * (j - 1)))
