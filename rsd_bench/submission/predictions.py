"""Predictions as rows, and what every format must keep to: the columns, and bounds that a dataset sets.

The bounds are looked at before or while a file is unpacked, never after. What falls short is an InputError.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from rsd_bench.dataset.benchmark import Benchmark
from rsd_bench.metrics.arrays import BoolArray, FloatArray
from rsd_bench.submission.submission import COLUMNS, P_EDGE, REPEAT, TEXT_COLUMNS, number_columns
from rsd_bench.types import InputError, Problem

FIX_COLUMNS = f"columns: {', '.join(COLUMNS)}; {REPEAT} where a track is cross-fitted, p_1 ... where it has tiers"
_ODD_COLUMNS = 20  # that are named
_ROW_BYTES = 256  # of a row without its texts, in any format
_NUMBER_BYTES = 64  # that each of p_1 ... adds to it
_BYTES_PER_CHARACTER = 12  # JSON may write a character as two \\uXXXX


@dataclass(frozen=True)
class Bounds:
    """What a valid file has at most: rows, characters of an id, track or scenario, and bytes on disk or unpacked.

    tiers: of the track that has most of them, which says what columns there may be.
    """

    rows: int
    characters: int
    tiers: int = 2

    @property
    def numbers(self) -> tuple[str, ...]:
        return number_columns(self.tiers)

    @property
    def text_bytes(self) -> int:
        return _BYTES_PER_CHARACTER * self.characters

    @property
    def file_bytes(self) -> int:
        row = _ROW_BYTES + _NUMBER_BYTES * (self.tiers - 2) + self.text_bytes * len(TEXT_COLUMNS)
        return row * (self.rows + 1)


def bounds_of(benchmark: Benchmark) -> Bounds:
    """Every test query of every track in every scenario and repeat, and the longest text there is."""
    scenarios, tracks = benchmark.scenarios, benchmark.tracks
    rows = sum(len(benchmark.rows(track, "test")) * benchmark.repeats(track) for track in tracks) * len(scenarios)
    longest = max(int(benchmark.queries["query_id"].str.len().max()), *map(len, (*tracks, *scenarios)))
    return Bounds(rows, longest, max(benchmark.track(track).count for track in tracks))


@dataclass(frozen=True)
class Numbers:
    """A column of numbers; NaN where nothing stands, or something that is no number."""

    values: FloatArray
    text: pa.ChunkedArray | None = None  # as it was written, where that is text

    @cached_property
    def given(self) -> BoolArray:
        """Where something stands, whatever it is."""
        if self.text is None:
            return ~np.isnan(self.values)
        return np.asarray(pc.not_equal(self.text, "").to_numpy(), np.bool_)


@dataclass(frozen=True)
class Predictions:
    """The rows of a predictions file. Text stays in arrow, which needs a tenth of what Python strings would."""

    path: Path
    text: Mapping[str, pa.ChunkedArray]  # by TEXT_COLUMNS
    numbers: Mapping[str, Numbers]  # by the columns of numbers that the file has
    first_line: int
    lines: Sequence[int] | None = None  # where rows do not follow each other line by line
    faults: tuple[Problem, ...] = ()  # what its reader found, and read on
    told: tuple[int, ...] = ()  # rows whose numbers are among those faults

    def __len__(self) -> int:
        return len(self.text[TEXT_COLUMNS[0]])

    def where(self, row: int) -> str:
        return f"{self.path}:{self.lines[row] if self.lines else row + self.first_line}"

    def shown(self, column: str, row: int) -> str:
        """The value of a cell, short enough to print."""
        if column in self.text:
            return repr(str(self.text[column][row].as_py())[:80])
        numbers = self.numbers[column]
        value = numbers.values[row]
        if numbers.text is not None and np.isnan(value):
            return repr(str(numbers.text[row].as_py())[:80])
        return repr(f"{value:g}" if column == REPEAT else str(value))


def chunked(chunks: list[pa.Array]) -> pa.ChunkedArray:
    """The batches of a text column as one; there may be none."""
    return pa.chunked_array(chunks, None if chunks else pa.string())


def joined(chunks: list[pa.Array]) -> FloatArray:
    """The batches of a column of numbers as one, null as NaN."""
    out = [np.asarray(chunk.to_numpy(zero_copy_only=False), np.float64) for chunk in chunks]
    return np.concatenate(out) if out else np.empty(0)


def column_faults(path: Path, names: Sequence[str], bounds: Bounds) -> tuple[list[Problem], list[Problem]]:
    """Columns without which no row can be read, and columns beside which the rows can."""
    known = (*TEXT_COLUMNS, *bounds.numbers)
    of_tiers = any(name in names for name in bounds.numbers[2:])
    needed = [*TEXT_COLUMNS, *([] if of_tiers else [P_EDGE])]
    lacking = [f"column {n!r} is missing" for n in needed if n not in names]
    besides = [f"column {n!r} is not asked for" for n in dict.fromkeys(names) if n not in known]
    lacking += [f"column {n!r} stands twice" for n in known if names.count(n) > 1]
    told = ([Problem(str(path), what, FIX_COLUMNS) for what in of] for of in (lacking, besides[:_ODD_COLUMNS]))
    return next(told), next(told)


def need_few_rows(path: Path, rows: int, bounds: Bounds) -> None:
    if rows > bounds.rows:
        raise InputError([too_many_rows(path, rows, bounds)])


def too_many_rows(path: Path, rows: int, bounds: Bounds) -> Problem:
    return Problem(str(path), f"has {rows} rows, at most {bounds.rows} can be valid", "one row a test query")


def need_short_texts(path: Path, values: pa.Array, bounds: Bounds) -> None:
    """A text that is longer than any that can be valid is a bomb, or garbage; it is not printed."""
    found, most = pc.max(pc.binary_length(values)).as_py() or 0, bounds.text_bytes
    if found > most:
        raise InputError.at(path, f"holds a text of {found} bytes, more than the {most} a valid one needs")
