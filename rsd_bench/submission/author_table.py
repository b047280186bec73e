"""An author's own table of probabilities, for `submit new`: read exactly, or refused with file and line.

The number that is written is the number that was read: one unit in the last place turns a decision where p_edge = tau.
So JSON goes through the strict reader of this package and CSV through `csv` and float(), not through a guessing one.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from jsonschema import Draft202012Validator

from rsd_bench.config import IN_DOMAIN
from rsd_bench.jsonl import describe, read_rows
from rsd_bench.schemas import schema
from rsd_bench.submission.parquet_predictions import type_faults
from rsd_bench.submission.submission import ALL_SCENARIOS, COLUMNS
from rsd_bench.submission.text_predictions import PLAIN_NUMBER
from rsd_bench.types import InputError, Problem

_NEEDED = ("query_id", "p_edge")
_DEFAULTS = {"track": IN_DOMAIN, "scenario": ALL_SCENARIOS}
_SHOWN = 20
_NUMBER = re.compile(PLAIN_NUMBER)
_Rows = Iterator[tuple[str, dict[str, Any]]]  # file and line, values by column
#: A row of predictions, but that track and scenario may be left out and other columns are let be.
_ROW = Draft202012Validator(schema("predictions") | {"required": list(_NEEDED), "additionalProperties": True})


@dataclass(frozen=True)
class AuthorTable:
    """The four columns of an author's file, and what is wrong with it.

    The index of `frame` says where each row stands, as `FILE:LINE`. A faulty row that says which query it is for keeps
    its place, with a p_edge of 0: nothing is written of a table with problems, but the rest can be looked at. No row is
    there of a file that cannot be read to its end.
    """

    frame: pd.DataFrame
    problems: tuple[Problem, ...] = ()


def read_author_table(path: Path) -> AuthorTable:
    """The table of a file: query_id and p_edge are needed, track and scenario have defaults.

    A problem for a file, heading or row that does not say plainly what it means.
    """
    readers = {".parquet": _parquet, ".jsonl": _jsonl, ".csv": _csv, ".tsv": _csv}
    rows: list[list[Any]] = []
    places: list[str] = []
    problems: list[Problem] = []
    try:
        if path.suffix not in readers:
            raise InputError.at(path, f"has the ending {path.suffix!r}", "give .csv, .tsv, .jsonl or .parquet")
        for where, row in readers[path.suffix](path, problems):
            sound = _sound(row)
            if not sound:
                problems.append(_fault(where, row))
            if _names_its_query(row):
                p = row["p_edge"] if sound else 0.0
                rows.append([*(row.get(name, _DEFAULTS.get(name)) for name in COLUMNS[:3]), p])
                places.append(where)
    except InputError as error:
        rows, places = [], []
        problems += error.problems
    except (OSError, UnicodeError, csv.Error, pa.ArrowException) as error:
        rows, places = [], []
        what = f"cannot be read: {(str(error).splitlines() or [type(error).__name__])[0][:200]}"
        problems.append(Problem(str(path), what, "give CSV, JSONL or Parquet"))
    if len(problems) > _SHOWN:
        problems[_SHOWN:] = [Problem(str(path), f"has {len(problems) - _SHOWN} more problems", "fix these first")]
    frame = pd.DataFrame(rows, places, list(COLUMNS)).astype({"p_edge": float})
    return AuthorTable(frame, tuple(problems))


def _names_its_query(row: Any) -> bool:
    if type(row) is not dict:
        return False
    texts = (row.get(name, _DEFAULTS.get(name)) for name in COLUMNS[:3])
    return all(type(text) is str and text for text in texts)


def _sound(row: Mapping[str, Any]) -> bool:
    """Whether a row satisfies the schema at a glance."""
    p: Any = row.get("p_edge")
    return _names_its_query(row) and type(p) in (int, float) and 0 <= p <= 1


def _fault(where: str, row: Mapping[str, Any]) -> Problem:
    empty = [name for name in COLUMNS[:3] if name in row and not row[name]]
    if empty:
        return Problem(where, f"has no {', '.join(empty)}", "give every row an id")
    return Problem(where, f"p_edge {str(row['p_edge'])[:80]!r} is no number in [0, 1]", "give a probability")


def _need_heading(path: Path, names: Sequence[str]) -> None:
    for name in _NEEDED:
        if name not in names:
            fix = f"give query_id and p_edge; it has {', '.join(names)[:200] or 'none'}"
            raise InputError.at(path, f"has no column {name!r}", fix)
    twice = [name for name in COLUMNS if names.count(name) > 1]
    if twice:
        raise InputError([Problem(str(path), f"column {name!r} stands twice", "keep one") for name in twice])


def _jsonl(path: Path, problems: list[Problem]) -> _Rows:
    fix = "an object a line with query_id (text) and p_edge (a number in [0, 1])"
    lost: list[Problem] = []
    for where, row in read_rows(path, _ROW, lost.append, _names_its_query, fix=fix, most=_SHOWN):
        if not _sound(row):
            problems += (Problem(where, describe(fault), fix) for fault in _ROW.iter_errors(row))
            row = row | {"p_edge": 0.0}
        yield where, row
    if len(lost) >= _SHOWN:  # the rest was not read
        raise InputError(lost)
    problems += lost


def _csv(path: Path, problems: list[Problem]) -> _Rows:
    with path.open(encoding="utf-8-sig", newline="") as stream:
        lines = csv.reader(stream, delimiter="\t" if path.suffix == ".tsv" else ",", strict=True)
        names = next(lines, [])
        _need_heading(path, names)
        for cells in filter(None, lines):
            where = f"{path}:{lines.line_num}"
            if len(cells) != len(names):
                what = f"has {len(cells)} cells where the heading has {len(names)}"
                problems.append(Problem(where, what, "quote a cell that holds the separator"))
                continue
            row: dict[str, Any] = {name: cell for name, cell in zip(names, cells, strict=True) if name in COLUMNS}
            if _NUMBER.fullmatch(row["p_edge"]):
                row["p_edge"] = float(row["p_edge"])
            yield where, row


def _parquet(path: Path, problems: list[Problem]) -> _Rows:
    with pq.ParquetFile(path) as file:
        names = file.schema_arrow.names
        _need_heading(path, names)
        if wrong := type_faults(path, file.schema_arrow):
            raise InputError(wrong)
        table = file.read([name for name in COLUMNS if name in names])
    at = table.column_names.index("p_edge")
    table = table.set_column(at, "p_edge", table["p_edge"].cast(pa.float64(), safe=False))
    for number, row in enumerate(table.to_pylist(), 1):
        yield f"{path}: row {number}", row
