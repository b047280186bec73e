"""Read predictions from CSV and JSON Lines: no value is guessed, and a row is known by its line.

Nothing is unpacked, so the size of the file, which was looked at, is the bound.
"""

from __future__ import annotations

import math
import re
import sys
from array import array
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv

from rsd_bench.jsonl import describe, read_rows
from rsd_bench.submission.predictions import (
    FIX_COLUMNS,
    Bounds,
    Numbers,
    Predictions,
    chunked,
    column_faults,
    joined,
    need_few_rows,
    need_short_texts,
    too_many_rows,
)
from rsd_bench.submission.row_schema import number_checks, row_rules
from rsd_bench.submission.submission import REPEAT, TEXT_COLUMNS
from rsd_bench.types import InputError, Problem

_HEADING_BYTES = 1000  # of a CSV
_BLOCK_BYTES = 16 << 20
_FAULTY_ROWS = 20  # that are told one by one
_NO_NUMBER = (math.nan, -1.0)  # for a probability, for a repeat: in place of one that was told to be none
#: A decimal number as people write it; what float() takes besides (nan, 1_0, other digits) is a mistake in a table.
PLAIN_NUMBER = r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?"


def read_csv(path: Path, bounds: Bounds) -> Predictions:
    """Lines with more or fewer cells than the heading are told and left out; the others are read."""
    _need_short_heading(path)
    try:
        return _read_csv(path, bounds, None)
    except pa.ArrowInvalid:
        _need_utf8(path)  # arrow's own way to tell of a line prints a traceback where it is not
    odd: list[tuple[int, int, int]] = []
    found = _read_csv(path, bounds, odd)
    lines = np.asarray(found.lines)
    at = np.array([number for number, _, _ in odd], np.intp) - 2  # counted from the heading, without empty lines
    fix = "quote a cell that holds a comma"
    told = [
        Problem(f"{path}:{line}", f"cannot be read: has {cells} cells where the heading has {expected}", fix)
        for line, (_, cells, expected) in zip(lines[at[:_FAULTY_ROWS]].tolist(), odd, strict=False)
    ]
    faults = (*found.faults, *told, *_more(path, len(odd)))
    return replace(found, lines=np.delete(lines, at).tolist(), faults=faults)


def _read_csv(path: Path, bounds: Bounds, odd: list[tuple[int, int, int]] | None) -> Predictions:
    """odd: takes row, cells and cells expected of the lines that are left out; None leaves out none."""
    found = [] if odd is None else odd

    def skip(row: pa_csv.InvalidRow) -> str:
        found.append((row.number, row.actual_columns, row.expected_columns))
        return "skip"

    known = (*TEXT_COLUMNS, *bounds.numbers)
    convert = pa_csv.ConvertOptions(column_types={name: pa.string() for name in known}, strings_can_be_null=False)
    parse = pa_csv.ParseOptions(newlines_in_values=False, invalid_row_handler=None if odd is None else skip)
    read = pa_csv.ReadOptions(block_size=_BLOCK_BYTES, use_threads=odd is None)  # several cannot say which row it is
    rows = 0
    with pa_csv.open_csv(path, read_options=read, parse_options=parse, convert_options=convert) as reader:
        lacking, besides = column_faults(path, reader.schema.names, bounds)
        if lacking:
            raise InputError([*lacking, *besides])
        chunks: dict[str, list[pa.Array]] = {name: [] for name in known if name in reader.schema.names}
        parsed: dict[str, list[pa.Array]] = {name: [] for name in chunks if name in bounds.numbers}
        for batch in reader:
            rows += len(batch)
            need_few_rows(path, rows, bounds)
            for name in TEXT_COLUMNS:
                column = batch.column(name)
                need_short_texts(path, column, bounds)
                chunks[name].append(column if name == "query_id" else column.dictionary_encode())
            for name, numbers in parsed.items():
                chunks[name].append(batch.column(name))
                numbers.append(_parsed(batch.column(name)))
    read_text = {name: chunked(found) for name, found in chunks.items()}
    columns = {name: Numbers(joined(numbers), read_text.pop(name)) for name, numbers in parsed.items()}
    return Predictions(path, read_text, columns, 2, _row_lines(path), tuple(besides))


def _more(path: Path, faulty: int) -> list[Problem]:
    """The faulty rows beyond those that are told one by one, as a count."""
    more = faulty - _FAULTY_ROWS
    return [Problem(str(path), f"has {more} more such rows", "fix these first")] if more > 0 else []


def _need_short_heading(path: Path) -> None:
    """InputError for a first line that names far more than four columns; arrow needs seconds for 200,000."""
    with path.open("rb") as file:
        start = file.read(_HEADING_BYTES + 1).lstrip(b"\xef\xbb\xbf\r\n")
    if len(re.split(rb"[\r\n]", start, maxsplit=1)[0]) >= _HEADING_BYTES:
        raise InputError.at(path, f"has a heading of {_HEADING_BYTES} bytes or more", FIX_COLUMNS)


def _need_utf8(path: Path) -> None:
    with path.open(encoding="utf-8") as lines:
        for _ in lines:
            pass


def _row_lines(path: Path) -> Sequence[int]:
    """The line of each row of a CSV below its heading. Arrow skips empty lines without a word, so they are found here.

    Latin-1 takes any byte, and text mode ends lines where arrow does: after \\n, \\r and \\r\\n.
    """
    with path.open(encoding="latin-1") as lines:
        return array("q", (number for number, line in enumerate(lines, 1) if line != "\n"))[1:]


def _parsed(column: pa.Array) -> pa.Array:
    """Plain decimal numbers as float64, null where a text is none."""
    try:
        return column.cast(pa.float64())
    except pa.ArrowInvalid:
        plain = pc.match_substring_regex(column, f"^({PLAIN_NUMBER})$")
        return pc.if_else(plain, column, None).cast(pa.float64())


def read_jsonl(path: Path, bounds: Bounds) -> Predictions:
    """A faulty row that still says which query it is for keeps its place, so that all can be held against the dataset.

    InputError where lines that say no such thing are so many that reading ended at them.
    """
    problems: list[Problem] = []
    lost: list[Problem] = []

    def lose(problem: Problem) -> None:
        lost.append(problem)
        problems.append(problem)

    texts: dict[str, list[str]] = {name: [] for name in TEXT_COLUMNS}
    numbers = {name: array("d") for name in bounds.numbers}
    known, seen = frozenset((*TEXT_COLUMNS, *numbers)), set[str]()
    lines, told = array("q"), array("q")
    rules, checks, fix = row_rules(bounds.tiers), number_checks(bounds.tiers), "see `rsd-bench schema predictions`"
    for where, row in read_rows(path, rules, lose, _names_its_query, fix=fix, most=_FAULTY_ROWS):
        if len(lines) == bounds.rows:
            raise InputError([*problems, too_many_rows(path, len(lines) + 1, bounds)])
        sound = row.keys() <= known and all(check(row.get(name)) for name, check in checks.items())
        if not sound:
            told.append(len(lines))
            if len(told) <= _FAULTY_ROWS:
                problems += (Problem(where, describe(fault), fix) for fault in rules.iter_errors(row))
        for name in TEXT_COLUMNS:
            texts[name].append(sys.intern(row[name]) if name != "query_id" else row[name])
        for name, column in numbers.items():
            value = row.get(name)
            if value is None:
                value = math.nan
            elif not (sound or checks[name](value)):
                value = _NO_NUMBER[name == REPEAT]
            column.append(value)
        seen |= row.keys()
        lines.append(int(where.rpartition(":")[2]))
    problems += _more(path, len(told))
    if lost and (len(lost) >= _FAULTY_ROWS or not lines):
        raise InputError(problems)
    columns = {name: pa.array(texts[name], pa.string()) for name in TEXT_COLUMNS}
    for column in columns.values():
        need_short_texts(path, column, bounds)
    text = {name: pa.chunked_array([column]) for name, column in columns.items()}
    columns_read = {name: Numbers(np.asarray(column, np.float64)) for name, column in numbers.items() if name in seen}
    return Predictions(path, text, columns_read, first_line=1, lines=lines, faults=tuple(problems), told=tuple(told))


def _names_its_query(row: Any) -> bool:
    return type(row) is dict and all(type(row.get(name)) is str and row[name] for name in TEXT_COLUMNS)
