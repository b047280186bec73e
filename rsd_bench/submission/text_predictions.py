"""Read predictions from CSV and JSON Lines: no value is guessed, and a row is known by its line.

Nothing is unpacked, so the size of the file, which was looked at, is the bound.
"""

from __future__ import annotations

import re
import sys
from array import array
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv

from rsd_bench.jsonl import read_rows
from rsd_bench.schemas import validator
from rsd_bench.submission.predictions import (
    FIX_COLUMNS,
    TEXT_COLUMNS,
    Bounds,
    Predictions,
    chunked,
    joined,
    need_columns,
    need_few_rows,
    need_short_texts,
    too_many_rows,
)
from rsd_bench.submission.submission import COLUMNS
from rsd_bench.types import InputError, Problem

_HEADING_BYTES = 1000  # of a CSV
_BLOCK_BYTES = 16 << 20
_FAULTY_ROWS = 20  # of JSON Lines, which are told one by one
_COLUMN_SET = set(COLUMNS)
#: A decimal number as people write it; what float() takes besides (nan, 1_0, other digits) is a mistake in a table.
PLAIN_NUMBER = r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?"


def read_csv(path: Path, bounds: Bounds) -> Predictions:
    _need_short_heading(path)
    convert = pa_csv.ConvertOptions(column_types={name: pa.string() for name in COLUMNS}, strings_can_be_null=False)
    parse = pa_csv.ParseOptions(newlines_in_values=False)
    read = pa_csv.ReadOptions(block_size=_BLOCK_BYTES)
    chunks: dict[str, list[pa.Array]] = {name: [] for name in COLUMNS}
    numbers: list[pa.Array] = []
    rows = 0
    with pa_csv.open_csv(path, read_options=read, parse_options=parse, convert_options=convert) as reader:
        need_columns(path, reader.schema.names)
        for batch in reader:
            rows += len(batch)
            need_few_rows(path, rows, bounds)
            for name in TEXT_COLUMNS:
                column = batch.column(name)
                need_short_texts(path, column, bounds)
                chunks[name].append(column if name == "query_id" else column.dictionary_encode())
            chunks["p_edge"].append(batch.column("p_edge"))
            numbers.append(_parsed(batch.column("p_edge")))
    text = {name: chunked(chunks[name]) for name in COLUMNS}
    p_text = text.pop("p_edge")
    return Predictions(path, text, joined(numbers), first_line=2, lines=_row_lines(path), p_text=p_text)


def _need_short_heading(path: Path) -> None:
    """InputError for a first line that names far more than four columns; arrow needs seconds for 200,000."""
    with path.open("rb") as file:
        start = file.read(_HEADING_BYTES + 1).lstrip(b"\xef\xbb\xbf\r\n")
    if len(re.split(rb"[\r\n]", start, maxsplit=1)[0]) >= _HEADING_BYTES:
        raise InputError.at(path, f"has a heading of {_HEADING_BYTES} bytes or more", FIX_COLUMNS)


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
    problems: list[Problem] = []
    texts: dict[str, list[str]] = {name: [] for name in TEXT_COLUMNS}
    numbers, lines = array("d"), array("q")
    rules, fix = validator("predictions"), "see `rsd-bench schema predictions`"
    for where, row in read_rows(path, rules, problems.append, _sound_row, fix=fix, most=_FAULTY_ROWS):
        if len(numbers) == bounds.rows:
            problems.append(too_many_rows(path, len(numbers) + 1, bounds))
            break
        for name in TEXT_COLUMNS:
            texts[name].append(sys.intern(row[name]) if name != "query_id" else row[name])
        numbers.append(row["p_edge"])
        lines.append(int(where.rpartition(":")[2]))
    if problems:
        raise InputError(problems)
    columns = {name: pa.array(texts[name], pa.string()) for name in TEXT_COLUMNS}
    for column in columns.values():
        need_short_texts(path, column, bounds)
    text = {name: pa.chunked_array([column]) for name, column in columns.items()}
    return Predictions(path, text, np.asarray(numbers, np.float64), first_line=1, lines=lines)


def _sound_row(row: Any) -> bool:
    """Whether a row satisfies the schema at a glance; where not, the schema says why."""
    if type(row) is not dict or row.keys() != _COLUMN_SET:
        return False
    p = row["p_edge"]
    return (
        all(type(row[name]) is str and row[name] for name in TEXT_COLUMNS) and type(p) in (int, float) and 0 <= p <= 1
    )
