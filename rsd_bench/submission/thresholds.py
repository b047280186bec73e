"""tau as it is written - a number, or lists by repeat, fold and tier - and as arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from rsd_bench.config import FOLDS, TAU_ALL_CLOUD
from rsd_bench.dataset.benchmark import Benchmark
from rsd_bench.metrics.arrays import FloatArray
from rsd_bench.submission.submission import Tau

_LISTED = ("repeats entered", "folds", "tiers to choose, the last left out")  # level by level


def fold_count(benchmark: Benchmark, track: str) -> int:
    """How many thresholds a list by fold has; 1 where a track is not cross-fitted. KeyError for an unknown track."""
    return FOLDS if benchmark.track(track).cross_fitted else 1


def tau_at(tau: Tau, track: str, scenario: str) -> tuple[Any, str]:
    """What is written for a scenario on a track, and where it stands; KeyError where nothing is."""
    value = tau[scenario]
    return (value[track], f"tau.{scenario}.{track}") if isinstance(value, Mapping) else (value, f"tau.{scenario}")


def as_array(value: Any, where: str, shape: tuple[int, int, int], track: str) -> tuple[FloatArray, list[str]]:
    """A threshold as an array of shape (repeats entered, folds, K - 1), and which of its lists have a wrong length.

    where: of the value in submission.json. NaN for what is no threshold, which the schema tells.
    """
    out, faults = np.full(shape, np.nan), list[str]()
    _fill(out, value, where, track, faults)
    return out, faults


def _fill(out: FloatArray, value: Any, where: str, track: str, faults: list[str]) -> None:
    if not isinstance(value, Sequence) or isinstance(value, str):
        if isinstance(value, (int, float)) and 0 <= value <= TAU_ALL_CLOUD:
            out[...] = value
        return
    if not out.ndim:
        return
    if len(value) != len(out):
        listed = _LISTED[-out.ndim]
        faults.append(f"{where} has {len(value)} values where track {track!r} has {len(out)} {listed}")
        return
    for at, inner in enumerate(value):
        _fill(out[at, ...], inner, f"{where}.{at}", track, faults)


def as_written(thresholds: FloatArray) -> Any:
    """An array of shape (repeats, folds, K - 1) as submission.json has it: no list where all of it is one number."""
    first = thresholds.flat[0]
    return float(first) if (thresholds == first).all() else [as_written(inner) for inner in thresholds]


def by_query(thresholds: FloatArray, benchmark: Benchmark, track: str, repeats: Sequence[int]) -> FloatArray:
    """Thresholds of shape (R, folds, K - 1) for each query of a track's test part, shape (R, n, K - 1), read only."""
    shape = (len(repeats), len(benchmark.rows(track, "test")), thresholds.shape[2])
    if (thresholds == thresholds[:, :1]).all():
        return np.broadcast_to(thresholds[:, :1], shape)
    return np.stack([of[benchmark.folds(track, repeat)] for of, repeat in zip(thresholds, repeats, strict=True)])
