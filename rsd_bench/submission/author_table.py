"""An author's own table of probabilities, for `submit new`: read exactly, or refused with file and line.

The number that is written is the number that was read: one unit in the last place turns a decision where p_edge = tau.
So JSON goes through the strict reader of this package and CSV through `csv` and float(), not through a guessing one.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from jsonschema import Draft202012Validator

from rsd_bench.config import IN_DOMAIN
from rsd_bench.jsonl import read_rows
from rsd_bench.schemas import schema
from rsd_bench.submission.parquet_predictions import need_types
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


def predictions_frame(path: Path) -> pd.DataFrame:
    """The four columns from an author's file: query_id and p_edge are needed, track and scenario have defaults.

    The index says where each row stands, as `FILE:LINE`. InputError for a file, heading or row that does not say
    plainly what it means.
    """
    readers = {".parquet": _parquet, ".jsonl": _jsonl, ".csv": _csv, ".tsv": _csv}
    if path.suffix not in readers:
        raise InputError.at(path, f"has the ending {path.suffix!r}", "give .csv, .tsv, .jsonl or .parquet")
    rows: list[list[Any]] = []
    places: list[str] = []
    problems: list[Problem] = []
    try:
        for where, row in readers[path.suffix](path, problems):
            if _sound(row):
                rows.append([row.get(name, _DEFAULTS.get(name)) for name in COLUMNS])
                places.append(where)
            else:
                problems.append(_fault(where, row))
    except InputError as error:
        problems += error.problems
    except (OSError, UnicodeError, csv.Error, pa.ArrowException) as error:
        what = f"cannot be read: {(str(error).splitlines() or [type(error).__name__])[0][:200]}"
        problems.append(Problem(str(path), what, "give CSV, JSONL or Parquet"))
    if len(problems) > _SHOWN:
        problems[_SHOWN:] = [Problem(str(path), f"has {len(problems) - _SHOWN} more problems", "fix these first")]
    if problems:
        raise InputError(problems)
    return pd.DataFrame(rows, places, list(COLUMNS)).astype({"p_edge": float})


def _sound(row: Any) -> bool:
    """Whether a row satisfies the schema at a glance."""
    if type(row) is not dict:
        return False
    p: Any = row.get("p_edge")
    texts = (row.get(name, _DEFAULTS.get(name)) for name in COLUMNS[:3])
    return all(type(text) is str and text for text in texts) and type(p) in (int, float) and 0 <= p <= 1


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
    return read_rows(path, _ROW, problems.append, _sound, fix=fix, most=_SHOWN)


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
        need_types(path, file.schema_arrow)
        table = file.read([name for name in COLUMNS if name in names])
    at = table.column_names.index("p_edge")
    table = table.set_column(at, "p_edge", table["p_edge"].cast(pa.float64(), safe=False))
    for number, row in enumerate(table.to_pylist(), 1):
        yield f"{path}: row {number}", row
