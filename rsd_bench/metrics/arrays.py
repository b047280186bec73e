"""Checked conversion of what a caller passes (numpy, pandas, lists) to arrays that formulas can trust.

Every public array function goes through here, so that NaN, text, a wrong length or a value out of range is a ValueError
naming the argument, never a wrong number.
"""

from __future__ import annotations

from collections.abc import Iterable
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rsd_bench.config import MAX_SECONDS, SCORE_DECIMALS, SCORE_MAX

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]
IntArray = NDArray[np.int64]


_NOT_NUMBERS = (str, bytes, complex, np.complexfloating, np.timedelta64, np.datetime64)


def _numeric(values: Any, name: str) -> NDArray[Any]:
    """A 1-d or 0-d numeric array; text, dates, complex numbers, masked or missing values are refused."""
    if isinstance(values, np.ma.MaskedArray) and np.ma.is_masked(values):
        raise ValueError(f"{name}: has masked values; every query needs one")
    try:
        array = np.asarray(values)
    except (TypeError, ValueError, OverflowError, RuntimeError):  # the last: a tensor that still has its gradient
        raise ValueError(f"{name}: not a one-dimensional array of numbers") from None
    if array.ndim > 1:
        raise ValueError(f"{name}: must be one-dimensional, not of shape {array.shape}")
    if array.dtype == object:
        array = np.array([_number(v, name, i) for i, v in enumerate(array.ravel())]).reshape(array.shape)
    if array.dtype.kind not in "biuf":
        raise ValueError(f"{name}: holds {array.dtype}, not numbers")
    return array


def _number(value: Any, name: str, i: int) -> float:
    """One element of an object array as a float; ValueError for whatever is no number."""
    try:
        if isinstance(value, _NOT_NUMBERS) or np.ndim(value):
            raise TypeError
        return float(value)
    except (TypeError, ValueError, ArithmeticError):
        shown = repr(value)
        raise ValueError(f"{name}[{i}]: {shown if len(shown) < 80 else type(value)} is not a number") from None


def outside(values: NDArray[Any], high: float) -> BoolArray:
    """Which of the values are not in [0, high]; NaN is not."""
    return ~((values >= 0) & (values <= high))


def _bounded(array: NDArray[Any], name: str, low: float, high: float) -> FloatArray:
    out = array.astype(np.float64, copy=False)
    bad = ~((out >= low) & (out <= high))
    if bad.any():
        i = int(np.argmax(bad))
        at = f"[{i}]" if out.ndim else ""
        raise ValueError(f"{name}{at}: {float(out.ravel()[i])!r} is not in [{low:g}, {high:g}]")
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
    """Judge scores in [0, 10], shape (n,). Flags are refused: True would count as 1 of 10."""
    array = _of_length(_numeric(values, name), name, n)
    if array.dtype.kind == "b":
        raise ValueError(f"{name}: holds flags, not judge scores in [0, 10]")
    return _bounded(array, name, 0, SCORE_MAX)


def entered(score: float) -> float:
    """A judge score as it enters a store or a dataset: rounded to SCORE_DECIMALS."""
    return float(np.round(score, SCORE_DECIMALS))


def probabilities(values: Any, name: str, n: int | None = None) -> FloatArray:
    """Probabilities in [0, 1], shape (n,)."""
    return _bounded(_of_length(_numeric(values, name), name, n), name, 0, 1)


def seconds(values: Any, name: str, n: int) -> FloatArray:
    """Latencies in seconds >= 0, shape (n,); a single number stands for every query."""
    array = _numeric(values, name)
    if array.ndim:
        _of_length(array, name, n)
    return np.broadcast_to(_bounded(array, name, 0, MAX_SECONDS), (n,))


def decisions(values: Any, name: str, n: int | None = None) -> BoolArray:
    """Routing decisions, shape (n,): True (1) = small model. Anything but 0, 1, False, True is refused."""
    return flags(values, name, n, "a decision (0 = large, 1 = small)")


def flags(values: Any, name: str, n: int | None, meaning: str) -> BoolArray:
    """Yes or no, shape (n,). Anything but 0, 1, False, True is refused: it "is not" `meaning`."""
    array = _of_length(_numeric(values, name), name, n)
    bad = (array != 0) & (array != 1)
    if bad.any():
        i = int(np.argmax(bad))
        raise ValueError(f"{name}[{i}]: {array[i].item()!r} is not {meaning}")
    return array.astype(np.bool_, copy=False)


def score_bound(value: Any, name: str) -> float:
    """One judge score in [0, 10], such as an MES."""
    array = _numeric(value, name)
    if array.ndim or array.dtype.kind == "b":
        raise ValueError(f"{name}: must be one number in [0, 10]")
    return float(_bounded(array, name, 0, SCORE_MAX))


def thresholds(values: Any, name: str) -> FloatArray:
    """Thresholds >= 0 from one number or any iterable of numbers, shape (k,); above 1 means all-large."""
    if isinstance(values, (str, bytes, dict)) or not isinstance(values, (Iterable, Real)):
        raise ValueError(f"{name}: must be numbers >= 0")
    if not isinstance(values, (np.ndarray, list, tuple, Real)) and not hasattr(values, "__array__"):
        values = list(values)
    array = np.atleast_1d(_numeric(values, name))
    return _bounded(_of_length(array, name, None), name, 0, MAX_SECONDS)


def whole_number(value: Any, name: str, low: int) -> int:
    """A whole number >= low as an int; flags and floats are refused."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, np.integer)) or value < low:
        raise ValueError(f"{name}: must be a whole number >= {low}, not {str(value)[:80]!r}")
    return int(value)


def group_codes(groups: Any, n: int) -> IntArray:
    """Group ids of any hashable kind as codes 0..G-1, shape (n,); None makes each query its own group."""
    if groups is None:
        return np.arange(n)
    import pandas as pd

    if isinstance(groups, np.ma.MaskedArray) and np.ma.is_masked(groups):
        raise ValueError("groups: has masked values; every query needs one")
    if isinstance(groups, (str, bytes, dict, pd.DataFrame)) or getattr(groups, "ndim", 1) != 1:
        raise ValueError("groups: must be one id per query")
    if not isinstance(groups, (np.ndarray, pd.Series, pd.Index, pd.api.extensions.ExtensionArray)):
        plain = getattr(groups, "to_pylist", None) or getattr(groups, "tolist", None)  # arrow, torch
        try:
            groups = plain() if plain else list(groups)
        except TypeError:
            raise ValueError("groups: must be one id per query") from None
        ids = np.empty(len(groups), dtype=object)
        ids[:] = groups  # kept as they are: tuples stay ids, 1 and "1" stay different
        groups = ids
    try:
        codes, _ = pd.factorize(groups)
    except (TypeError, ValueError):
        raise ValueError("groups: must be one hashable id per query") from None
    if len(codes) != n:
        raise ValueError(f"groups: has {len(codes)} values where {n} are needed")
    if (codes < 0).any():
        raise ValueError(f"groups[{int(np.argmax(codes < 0))}]: is missing")
    return np.asarray(codes, np.int64)
