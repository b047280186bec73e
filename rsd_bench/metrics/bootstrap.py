"""Uncertainty: the group bootstrap, its intervals, and rank bands.

The bootstrap resamples groups (queries that share an image or a seed question) with replacement and needs only the
sums of each group, so its cost grows with groups, not queries. Above N_BUNDLES groups it resamples random bundles of
them, so that its cost stops growing at all. Of few groups the percentiles of its samples lie too close together;
intervals and bands are corrected for that, as far as `benchmarks/coverage.py` shows.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Iterable
from functools import cache, lru_cache
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, stdtrit
from threadpoolctl import ThreadpoolController

from rsd_bench.config import CONFIDENCE, MAX_UNDEFINED, MIN_BAND_GROUPS, MIN_GROUPS, N_BOOT, N_BUNDLES
from rsd_bench.metrics.arrays import FloatArray, IntArray
from rsd_bench.types import Interval

_TAIL = (1 - CONFIDENCE) / 2
_Z = NormalDist().inv_cdf(1 - _TAIL)
_ANY = (-math.inf, math.inf)
_DECIMALS = 12  # of a bound: equal routers must differ by exactly 0, whatever the last bits of the BLAS
_CHUNK_CELLS = 1 << 18  # draws held at once: small enough for the cache
_DRAWN: dict[tuple[int, int, int], NDArray[np.uint16]] = {}
_DRAWN_BYTES = 400 << 20
ROUNDING = 1e-7  # a standard error of RCS below this is that of float32 arithmetic
_PAIR_CELLS = 1 << 24  # routers^2 x samples that the largest deviation is taken over
_MIN_PAIR_SAMPLES = 400
_ROUTERS_AT_ONCE = 8  # of which deviations from all others are held: long enough for threads to run side by side
_SAME = 1e-6  # differences of RCS up to this are never told apart


def group_sums(columns: FloatArray | Iterable[NDArray[Any]], codes: IntArray) -> FloatArray:
    """Sums over groups 0..G-1 -> (G, k) of a table (n, k), or of k columns that need never stand in memory at once."""
    n_groups = int(codes.max()) + 1
    each = columns.T if isinstance(columns, np.ndarray) else columns
    return np.column_stack([np.bincount(codes, column, n_groups) for column in each])


def resampling_units(codes: IntArray, seed: int = 0) -> IntArray:
    """What the bootstrap resamples, per query: its group, or above N_BUNDLES groups one of as many random bundles.

    Bundles are dealt by a seeded shuffle, sizes equal to within one. Sums of independent rows keep their variance when
    the rows are bundled at random, so intervals keep their width in expectation; its extra noise, 1/sqrt(2 N_BUNDLES) =
    1 %, is below that of 10,000 resamples. Equal seeds deal equally, so routers stay paired.
    """
    n_groups = int(codes.max()) + 1
    if n_groups <= N_BUNDLES:
        return codes
    return (np.random.default_rng((seed, n_groups)).permutation(n_groups) % N_BUNDLES)[codes]


def _draws(n_units: int, n_boot: int, seed: int) -> NDArray[np.uint16]:
    """How often each unit stands in each sample, shape (n_boot, n_units): drawn once, used by every router."""
    key = (n_units, n_boot, seed)
    if key not in _DRAWN:
        _DRAWN[key] = _draw(*key)
        while len(_DRAWN) > 1 and sum(times.nbytes for times in list(_DRAWN.values())) > _DRAWN_BYTES:
            _DRAWN.pop(next(iter(_DRAWN)), None)
    return _DRAWN[key]


def _draw(n_units: int, n_boot: int, seed: int) -> NDArray[np.uint16]:
    rng = np.random.default_rng(seed)
    times = np.empty((n_boot, n_units), np.uint16)
    rows = max(1, min(n_boot, _CHUNK_CELLS // n_units))
    offsets = np.arange(rows)[:, None] * n_units
    for start in range(0, n_boot, rows):
        size = min(rows, n_boot - start)
        picks = rng.integers(0, n_units, size=(size, n_units))
        picks += offsets[:size]
        times[start : start + size] = np.bincount(picks.ravel(), minlength=size * n_units).reshape(size, n_units)
    return times


def resample_sums(sums: FloatArray, n_boot: int = N_BOOT, seed: int = 0, first: int | None = None) -> FloatArray:
    """Sums of `n_boot` bootstrap samples of the G rows of `sums` (G, k) -> (n_boot, k). Same seed, same samples.

    first: only so many of them, at most `n_boot`.

    Every table of as many rows sees the same draws: samples of two routers on the same groups are paired. Fewer than
    MIN_GROUPS rows give NaN: one group drawn again and again would be an interval of no width.
    """
    wanted = n_boot if first is None else min(first, n_boot)
    if len(sums) < MIN_GROUPS:
        return np.full((wanted, sums.shape[1]), np.nan)
    units = group_sums(sums, resampling_units(np.arange(len(sums)), seed)) if len(sums) > N_BUNDLES else sums
    times = _draws(len(units), n_boot, seed)
    out = np.empty((wanted, sums.shape[1]))
    rows = max(1, _CHUNK_CELLS // len(units))
    with _ONE_THREAD:  # chunks are small: a second thread would only wait for the first
        for start in range(0, wanted, rows):
            stop = min(start + rows, wanted)
            out[start:stop] = times[start:stop].astype(np.float64) @ units
    return out


def resample_pairs(pairs: FloatArray, units: IntArray, n_units: int, n_boot: int, seed: int) -> FloatArray:
    """Sums over all pairs of some units, w K w, of the samples that `resample_sums` draws, shape (n_boot,).

    pairs: K, shape (U, U), of the `units` among n_units <= N_BUNDLES; of fewer than MIN_GROUPS the sums are NaN too.
    """
    if n_units < MIN_GROUPS:
        return np.full(n_boot, np.nan)
    times = _draws(n_units, n_boot, seed)[:, units].astype(np.float64)
    with _ONE_THREAD:
        return np.asarray(((times @ pairs) * times).sum(axis=1))


class _OneBlasThread:
    """A limit of BLAS to one thread. Whoever uses it at the same time shares it; it ends with the last of them."""

    def __init__(self) -> None:
        self._lock, self._users, self._limiter = threading.Lock(), 0, None

    def __enter__(self) -> None:
        with self._lock:
            if not self._users:
                self._limiter = _controller().limit(limits=1, user_api="blas")
            self._users += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._users -= 1
            if not self._users and self._limiter:
                self._limiter.restore_original_limits()


@cache
def _controller() -> ThreadpoolController:
    return ThreadpoolController()


_ONE_THREAD = _OneBlasThread()


def interval(value: float, samples: FloatArray, groups: int, within: tuple[float, float] = _ANY) -> Interval:
    """The 95 % interval of a figure from bootstrap samples (n_boot,) of `groups` groups. Every interval is made here.

    Each bound is the farther one of two: the percentile of the samples, its distance from the value scaled by
    sqrt(G / (G - 1)) t / z, and the value -+ sqrt(G / (G - 1)) t times the standard deviation of the samples, where t
    and z are the Student (G - 1 degrees of freedom) and normal quantiles. The first is skewed as the samples are, the
    second does not shrink where they take few values. Source of the factor: Hesterberg, The American Statistician 69
    (2015), which spends it on the percentile's level; a level cannot reach beyond the range of a handful of groups.
    within: what the figure can be. NaN where nothing was resampled (n_boot 0, or fewer than MIN_GROUPS groups).
    """
    value = float(value)
    if groups < MIN_GROUPS or not len(samples):
        return Interval(value, math.nan, math.nan)
    deviate = few_groups_deviate(_Z, groups)
    low, high = (value + deviate / _Z * (bound - value) for bound in np.quantile(_finite(samples), (_TAIL, 1 - _TAIL)))
    half = deviate * samples.std()
    bounds = np.clip((min(low, value - half), max(high, value + half)), *within)
    return Interval(value, *(float(bound) for bound in np.round(bounds, _DECIMALS) + 0.0))


def interval_where_defined(
    value: float, samples: FloatArray, groups: int, within: tuple[float, float] = _ANY
) -> Interval:
    """`interval` of a figure that not every resample has (NaN): AUROC where one label occurs, a share of nothing.

    Up to MAX_UNDEFINED of the resamples are passed over; of more, or where the figure itself is NaN, bounds are NaN.
    """
    defined = samples[~np.isnan(samples)]
    if math.isnan(value) or len(defined) < (1 - MAX_UNDEFINED) * len(samples):
        return Interval(float(value), math.nan, math.nan)
    return interval(value, defined, groups, within)


@lru_cache(maxsize=1024)
def few_groups_deviate(z: float, groups: int) -> float:
    """How many standard deviations of the bootstrap of G groups stand for `z` of the normal distribution.

    The bootstrap's variance divides by G where that of a sample divides by G - 1, and its spread is itself estimated:
    sqrt(G / (G - 1)) times the Student quantile, of G - 1 degrees of freedom, at the tail of z.
    """
    return float(-stdtrit(groups - 1, ndtr(-z)) * math.sqrt(groups / (groups - 1)))


def _finite(samples: FloatArray) -> FloatArray:
    """The samples. A single one that is no number would empty an interval, or put all routers into one band."""
    if not np.isfinite(samples).all():
        raise ValueError("a resample has no finite score: latencies were not checked by `check_latency`")
    return samples


def _centred(samples: FloatArray) -> FloatArray:
    """Deviations of each router's samples from their mean, shape (R, n_boot)."""
    each = np.ascontiguousarray(_finite(samples).T, np.float64)
    return np.asarray(each - each.mean(axis=1, keepdims=True))


def _errors(centred: FloatArray) -> FloatArray:
    with _ONE_THREAD:
        covariance = centred @ centred.T / centred.shape[1]
    variance = covariance.diagonal()
    return np.asarray(np.sqrt(np.maximum(variance[:, None] + variance - 2 * covariance, 0)))


def paired_errors(samples: FloatArray) -> FloatArray:
    """Standard errors of all differences of R routers from paired bootstrap samples (n_boot, R), shape (R, R).

    Not corrected for few groups; below ROUNDING it is that of float32 arithmetic.
    """
    return _errors(_centred(samples))


def simultaneous_margins(samples: FloatArray, groups: int, families: int = 1) -> FloatArray:
    """Half-widths of the 95 % intervals of all differences of R routers that hold at once, shape (R, R).

    samples: paired bootstrap samples of `groups` groups, (n_boot, R). The max-t method over all pairs: the bootstrap
    gives the standard error of each difference and the 95 % quantile of the largest studentised deviation of any pair,
    which `few_groups_deviate` corrects; where pairs are very many, that quantile is read from fewer of the samples. A
    standard error below 1e-7 is rounding: its margin is _SAME. Fewer than MIN_BAND_GROUPS groups tell nothing apart:
    margins are infinite. families: how many such families of pairs a table has, whose errors add up (Bonferroni).
    Source: Romano & Wolf, Econometrica 73 (2005).
    """
    if groups < MIN_BAND_GROUPS or not len(samples):
        return np.full((samples.shape[1], samples.shape[1]), np.inf)
    centred = _centred(samples)
    n_routers = len(centred)
    errors = _errors(centred)
    scale = np.divide(1, errors, out=np.zeros_like(errors), where=errors > ROUNDING)
    few = centred[:, : max(_MIN_PAIR_SAMPLES, _PAIR_CELLS // n_routers**2)].astype(np.float32)
    largest, scale = np.zeros(few.shape[1], np.float32), scale.astype(np.float32)
    room = np.empty((_ROUTERS_AT_ONCE, *few.shape), np.float32)
    for i in range(0, n_routers, _ROUTERS_AT_ONCE):
        some = few[i : i + _ROUTERS_AT_ONCE, None]
        deviations = np.subtract(few[i:], some, out=room[: len(some), i:])
        np.abs(deviations, out=deviations)
        deviations *= scale[i : i + len(some), i:, None]
        np.maximum(largest, deviations.max(axis=(0, 1)), out=largest)
    deviate = few_groups_deviate(float(np.quantile(largest, 1 - (1 - CONFIDENCE) / families)), groups)
    return np.asarray(np.maximum(deviate * errors, _SAME))


def rank_bands(values: FloatArray, samples: FloatArray, groups: int) -> IntArray:
    """Bands (1 = best) of R routers from their values (R,) and paired bootstrap samples (n_boot, R) of `groups` groups.

    Routers are taken from the highest value down. The first of a band leads it; whoever's paired interval against the
    leader contains 0 shares the band, the next one opens a new band. Intervals hold for all pairs of routers at once.
    """
    return bands_within(values, values[:, None] - values, simultaneous_margins(samples, groups))


def bands_within(values: FloatArray, differences: FloatArray, margins: FloatArray) -> IntArray:
    """`rank_bands` from differences a - b and their margins, shape (R, R), where each pair has its own."""
    bands = np.zeros(len(values), dtype=np.int64)
    leader, band = -1, 0
    for router in np.argsort(-values, kind="stable"):
        if leader < 0 or differences[leader, router] > margins[leader, router]:
            leader, band = router, band + 1
        bands[router] = band
    return bands
