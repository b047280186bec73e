"""Checked conversion of what a caller passes (numpy, pandas, lists) to arrays that formulas can trust.

Every public array function goes through here, so that NaN, text, a wrong length or a value out of range is a ValueError
naming the argument, never a wrong number.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rsd_bench.config import MAX_SECONDS, SCORE_DECIMALS, SCORE_MAX

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]
IntArray = NDArray[np.int64]


_NOT_NUMBERS = (str, bytes, complex, np.complexfloating, np.timedelta64, np.datetime64)


_SHAPES = {1: "one-dimensional", 2: "two-dimensional"}


def _numeric(values: Any, name: str, dimensions: int = 1) -> NDArray[Any]:
    """A numeric array of so many dimensions at most; text, dates, complex numbers, masked or missing are refused."""
    if isinstance(values, np.ma.MaskedArray) and np.ma.is_masked(values):
        raise ValueError(f"{name}: has masked values; every query needs one")
    try:
        array = np.asarray(values)
    except (TypeError, ValueError, OverflowError, RuntimeError):  # the last: a tensor that still has its gradient
        raise ValueError(f"{name}: not a {_SHAPES[dimensions]} array of numbers") from None
    if array.ndim > dimensions:
        raise ValueError(f"{name}: must be {_SHAPES[dimensions]}, not of shape {array.shape}")
    if array.dtype == object:
        each = (_number(value, f"{name}[{_place(array, i)}]") for i, value in enumerate(array.ravel()))
        array = np.array(list(each)).reshape(array.shape)
    if array.dtype.kind not in "biuf":
        raise ValueError(f"{name}: holds {array.dtype}, not numbers")
    return array


def _place(array: NDArray[Any], i: int) -> str:
    """Where the i-th element stands: "3", or "3, 1" of a table."""
    return ", ".join(str(int(k)) for k in np.unravel_index(i, array.shape or (1,)))


def _number(value: Any, at: str) -> float:
    """One element of an object array as a float; ValueError for whatever is no number."""
    try:
        if isinstance(value, _NOT_NUMBERS) or np.ndim(value):
            raise TypeError
        return float(value)
    except (TypeError, ValueError, ArithmeticError):
        shown = repr(value)
        raise ValueError(f"{at}: {shown if len(shown) < 80 else type(value)} is not a number") from None


def outside(values: NDArray[Any], high: float) -> BoolArray:
    """Which of the values are not in [0, high]; NaN is not."""
    return ~((values >= 0) & (values <= high))


def _bounded(array: NDArray[Any], name: str, low: float, high: float) -> FloatArray:
    out = array.astype(np.float64, copy=False)
    bad = ~((out >= low) & (out <= high))
    if bad.any():
        i = int(np.argmax(bad))
        at = f"[{_place(out, i)}]" if out.ndim else ""
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


def shares(values: Any, name: str) -> FloatArray:
    """Shares in [0, 1] from one number or several, shape (k,)."""
    return probabilities(np.atleast_1d(_numeric(values, name)), name)


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


def finite(value: Any, name: str) -> float:
    """One finite number."""
    array = _numeric(value, name)
    if array.ndim or array.dtype.kind == "b" or not np.isfinite(array):
        raise ValueError(f"{name}: must be one finite number")
    return float(array)


def thresholds(values: Any, name: str) -> FloatArray:
    """Thresholds >= 0 from one number or any iterable of numbers, shape (k,); above 1 means all-large."""
    if isinstance(values, (str, bytes, dict)) or not isinstance(values, (Iterable, Real)):
        raise ValueError(f"{name}: must be numbers >= 0")
    if not isinstance(values, (np.ndarray, list, tuple, Real)) and not hasattr(values, "__array__"):
        values = list(values)
    array = np.atleast_1d(_numeric(values, name))
    return _bounded(_of_length(array, name, None), name, 0, MAX_SECONDS)


def _table(values: Any, name: str, columns: int | None, high: float, n: int | None = None) -> FloatArray:
    """A table of numbers in [0, high], shape (n, columns), whose columns lie together in memory."""
    array = _numeric(values, name, 2)
    if array.ndim < 2:
        raise ValueError(f"{name}: must be two-dimensional, a row for each query and a column for each tier")
    for found, needed, what in ((len(array), n, "rows"), (array.shape[1], columns, "columns")):
        if needed is not None and found != needed:
            raise ValueError(f"{name}: has {found} {what} where {needed} are needed")
    if not array.size:
        raise ValueError(f"{name}: is empty")
    return np.asfortranarray(_bounded(array, name, 0, high))


def amounts(values: Any, name: str, n: int | None = None) -> FloatArray:
    """Amounts >= 0 in any unit, shape (n,). Those beyond MAX_SECONDS are refused, so that sums stay finite."""
    return _bounded(_of_length(_numeric(values, name), name, n), name, 0, MAX_SECONDS)


def tier_scores(values: Any, name: str) -> FloatArray:
    """Judge scores of K >= 2 tiers in [0, 10], shape (n, K). Flags are refused: True would count as 1 of 10."""
    array = _numeric(values, name, 2)
    if array.dtype.kind == "b":
        raise ValueError(f"{name}: holds flags, not judge scores in [0, 10]")
    table = _table(array, name, None, SCORE_MAX)
    if table.shape[1] < 2:
        raise ValueError(f"{name}: has 1 tier where at least 2 are needed to choose from")
    return table


def model_values(values: Any, name: str) -> FloatArray:
    """Values of K >= 1 models in any unit, shape (n, K); flags are 0 and 1. None is larger than MAX_SECONDS."""
    array = _numeric(values, name, 2)
    if array.ndim < 2:
        raise ValueError(f"{name}: must be two-dimensional, a row for each query and a column for each model")
    if not array.size:
        raise ValueError(f"{name}: is empty")
    return _bounded(array, name, -MAX_SECONDS, MAX_SECONDS)


def tier_amounts(values: Any, name: str, n: int, tiers: int) -> FloatArray:
    """Amounts >= 0 of each tier (seconds, USD), shape (n, tiers); one number for each tier stands for every query."""
    array = _numeric(values, name, 2)
    if array.ndim == 2:
        return _table(array, name, tiers, MAX_SECONDS, n)
    return np.broadcast_to(_bounded(_of_length(array, name, tiers), name, 0, MAX_SECONDS), (n, tiers))


def tier_count(values: Any, name: str) -> int:
    """K >= 2, of a table (n, K) or of one number for each tier (K,)."""
    shape = _numeric(values, name, 2).shape
    if not shape or shape[-1] < 2:
        raise ValueError(f"{name}: must have a number for each of at least 2 tiers")
    return int(shape[-1])


def tier_probabilities(values: Any, name: str, n: int | None = None, tiers: int | None = None) -> FloatArray:
    """Probabilities in [0, 1] of every tier but the last, shape (n, tiers - 1); of two tiers shape (n,) will do."""
    array = _numeric(values, name, 2)
    table = array[:, None] if array.ndim == 1 else array
    return _table(table, name, None if tiers is None else tiers - 1, 1, n)


def tier_choice(values: Any, name: str, n: int | None, tiers: int) -> IntArray:
    """The tier that answers each query, 0 ... tiers - 1, shape (n,). Flags are refused: True is the *small* model."""
    array = _of_length(_numeric(values, name), name, n)
    if array.dtype.kind == "b":
        raise ValueError(f"{name}: holds flags, not tiers 0 to {tiers - 1} (0 = the cheapest)")
    bad = ~((array >= 0) & (array < tiers)) | (array != np.floor(array))
    if bad.any():
        i = int(np.argmax(bad))
        raise ValueError(f"{name}[{i}]: {array[i].item()!r} is not a tier from 0 to {tiers - 1}")
    return array.astype(np.int64, copy=False)


def flag(value: Any, name: str) -> bool:
    """True or False."""
    if not isinstance(value, (bool, np.bool_)):
        raise ValueError(f"{name}: must be True or False, not {str(value)[:80]!r}")
    return bool(value)


def whole_number(value: Any, name: str, low: int) -> int:
    """A whole number >= low as an int; flags and floats are refused."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, np.integer)) or value < low:
        raise ValueError(f"{name}: must be a whole number >= {low}, not {str(value)[:80]!r}")
    return int(value)


def repeated(
    values: Any, name: str, n: int | None, check: Callable[[Any, str, int | None], NDArray[Any]]
) -> list[NDArray[Any]]:
    """What a router says in each of its repeats, every one checked: (n,) is a single one, (n, repeats) several."""
    array = _numeric(values, name, 2)
    if array.ndim < 2:
        return [check(array, name, n)]
    if not array.shape[1]:
        raise ValueError(f"{name}: has no repeat; give a column for each")
    return [check(column, f"{name}, repeat {i}", n) for i, column in enumerate(array.T)]


def group_codes(groups: Any, n: int) -> IntArray:
    """Group ids of any hashable kind as codes 0..G-1, shape (n,); None makes each query its own group."""
    return np.arange(n) if groups is None else _factorized(groups, n)[0]


def joint_group_codes(groups: Sequence[Any], lengths: Sequence[int]) -> list[IntArray]:
    """Group ids of several tables as codes 0..G-1 of all their groups together: equal ids, equal codes."""
    each = [_factorized(ids, n) for ids, n in zip(groups, lengths, strict=True)]
    joint = np.split(_factorized(np.concatenate([ids for _, ids in each]))[0], np.cumsum([len(i) for _, i in each]))
    return [own[codes] for own, (codes, _) in zip(joint, each, strict=False)]


def _factorized(groups: Any, n: int | None = None) -> tuple[IntArray, NDArray[Any]]:
    """Codes of group ids, numbered as they first occur, and the id of each code."""
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
        codes, kept = pd.factorize(groups)
    except (TypeError, ValueError):
        raise ValueError("groups: must be one hashable id per query") from None
    if n is not None and len(codes) != n:
        raise ValueError(f"groups: has {len(codes)} values where {n} are needed")
    if (codes < 0).any():
        raise ValueError(f"groups[{int(np.argmax(codes < 0))}]: is missing")
    found = np.empty(len(kept), dtype=object)
    found[:] = list(kept)
    return np.asarray(codes, np.int64), found
