"""Checked conversion of what a caller passes (numpy, pandas, lists) to arrays that formulas can trust.

Every public array function goes through here, so that NaN, text, a wrong length or a value out of range is a ValueError
naming the argument, never a wrong number.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rsd_bench.config import SCORE_MAX

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]
IntArray = NDArray[np.int64]


def _numeric(values: Any, name: str) -> NDArray[Any]:
    """A 1-d or 0-d numeric array; text, dates, complex numbers, masked or missing values are refused."""
    if isinstance(values, np.ma.MaskedArray) and np.ma.is_masked(values):
        raise ValueError(f"{name}: has masked values; every query needs one")
    try:
        array = np.asarray(values)
    except ValueError:
        raise ValueError(f"{name}: not a one-dimensional array of numbers") from None
    if array.dtype == object:
        missing = [i for i, v in enumerate(array.ravel()) if v is None or v != v or isinstance(v, (str, bytes))]
        if missing:
            raise ValueError(f"{name}[{missing[0]}]: not a number")
        try:
            array = array.astype(np.float64)
        except (TypeError, ValueError):
            raise ValueError(f"{name}: holds values that are not numbers") from None
    if array.dtype.kind not in "biuf":
        raise ValueError(f"{name}: holds {array.dtype}, not numbers")
    if array.ndim > 1:
        raise ValueError(f"{name}: must be one-dimensional, not of shape {array.shape}")
    return array


def _bounded(array: NDArray[Any], name: str, low: float, high: float) -> FloatArray:
    out = array.astype(np.float64, copy=False)
    bad = ~((out >= low) & (out <= high) & np.isfinite(out))
    if bad.any():
        i = int(np.argmax(bad))
        at = f"[{i}]" if out.ndim else ""
        span = f"in [{low:g}, {high:g}]" if np.isfinite(high) else f"finite and >= {low:g}"
        raise ValueError(f"{name}{at}: {out.ravel()[i]!r} is not {span}")
    return out


def _of_length(array: NDArray[Any], name: str, n: int | None) -> NDArray[Any]:
    if array.ndim == 0:
        raise ValueError(f"{name}: must be an array, not a single number")
    if n is not None and len(array) != n:
        raise ValueError(f"{name}: has {len(array)} values where {n} are needed")
    if len(array) == 0:
        raise ValueError(f"{name}: is empty")
    return array


def scores(values: Any, name: str, n: int | None = None) -> FloatArray:
    """Judge scores in [0, 10], shape (n,)."""
    return _bounded(_of_length(_numeric(values, name), name, n), name, 0, SCORE_MAX)


def probabilities(values: Any, name: str, n: int | None = None) -> FloatArray:
    """Probabilities in [0, 1], shape (n,)."""
    return _bounded(_of_length(_numeric(values, name), name, n), name, 0, 1)


def seconds(values: Any, name: str, n: int) -> FloatArray:
    """Latencies in seconds >= 0, shape (n,); a single number stands for every query."""
    array = _numeric(values, name)
    if array.ndim:
        _of_length(array, name, n)
    return np.broadcast_to(_bounded(array, name, 0, np.inf), (n,))


def decisions(values: Any, name: str, n: int | None = None) -> BoolArray:
    """Routing decisions, shape (n,): True (1) = small model. Anything but 0, 1, False, True is refused."""
    array = _of_length(_numeric(values, name), name, n)
    bad = (array != 0) & (array != 1)
    if bad.any():
        i = int(np.argmax(bad))
        raise ValueError(f"{name}[{i}]: {array[i]!r} is not a decision (0 = large, 1 = small)")
    return array.astype(np.bool_, copy=False)


def score_bound(value: Any, name: str) -> float:
    """One judge score in [0, 10], such as an MES."""
    array = _numeric(value, name)
    if array.ndim or array.dtype.kind == "b":
        raise ValueError(f"{name}: must be one number in [0, 10]")
    return float(_bounded(array, name, 0, SCORE_MAX))


def group_codes(groups: Any, n: int) -> IntArray:
    """Group ids of any hashable kind as codes 0..G-1, shape (n,); None makes each query its own group."""
    if groups is None:
        return np.arange(n)
    import pandas as pd

    codes, _ = pd.factorize(np.asarray(groups, dtype=object) if isinstance(groups, (list, tuple)) else groups)
    if len(codes) != n:
        raise ValueError(f"groups: has {len(codes)} values where {n} are needed")
    if (codes < 0).any():
        raise ValueError(f"groups[{int(np.argmax(codes < 0))}]: is missing")
    return codes.astype(np.int64)
