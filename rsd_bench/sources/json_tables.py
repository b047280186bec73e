"""Tables that other tools wrote as JSON, read like any other table: every value as text, no row guessed at.

    .jsonl   an object a line
    .json    a list of objects; or the columns that pandas writes: {"column": {"0": value, ...}}, or lists of values

null and NaN are empty cells, true and 7 are "True" and "7" as in a table that Python wrote, a list or an object is its
JSON. A `.json` file is read whole, a `.jsonl` file line by line.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rsd_bench.jsonl import parse_json
from rsd_bench.sources.inspect_hint import inspect_hint
from rsd_bench.sources.source import SourceProblem
from rsd_bench.types import Problem, Report

JSON_SUFFIXES = (".json", ".jsonl")
_MAX_FILE = 512 << 20  # bytes of a .json file
_MAX_LINE = 64 << 20  # bytes of a line of a .jsonl file
_SHAPES = 'a list of objects, or the columns that pandas writes: {"index": {"0": 7, ...}, "prediction": {...}}'


def json_rows(path: Path, report: Report) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield (where, cells by column) for each row; faults of a row, and of the file as a SourceProblem, to `report`."""
    found = _lines(path, report) if path.suffix.lower() == ".jsonl" else _whole(path, report)
    rows, sound = 0, False
    try:
        for where, row in found:
            rows += 1
            if isinstance(row, dict):
                yield where, {key: _cell(value) for key, value in row.items()}
                sound = True
            elif row is not None:
                report(Problem(where, "is no object", "give the row as an object: column names and values"))
    except OSError as error:
        report(SourceProblem(str(path), error.strerror or "cannot be read", "name a readable file"))
    except ValueError as error:
        report(SourceProblem(str(path), str(error), f"write {_SHAPES}; {inspect_hint(path)} to see what it is"))
    else:
        if not sound:
            what = "has no row that can be read" if rows else "is empty"
            report(SourceProblem(str(path), what, "export the file again"))


def _lines(path: Path, report: Report) -> Iterator[tuple[str, Any]]:
    """The value of each line; None for one that was reported."""
    with path.open("rb") as stream:
        for number, raw in enumerate(iter(lambda: stream.readline(_MAX_LINE + 1), b""), 1):
            if len(raw) > _MAX_LINE:
                raise ValueError(f"line {number} is longer than {_MAX_LINE >> 20} MiB")
            line, where = (raw.removeprefix(b"\xef\xbb\xbf") if number == 1 else raw).strip(), f"{path}:{number}"
            if not line:
                continue
            try:
                value = parse_json(line.decode(), nan=True)
            except ValueError as error:
                report(Problem(where, _what(error), "write one JSON object a line"))
                value = None
            yield where, value


def _whole(path: Path, report: Report) -> Iterator[tuple[str, Any]]:
    with path.open("rb") as stream:
        raw = stream.read(_MAX_FILE + 1)
    if len(raw) > _MAX_FILE:
        raise ValueError(f"is larger than {_MAX_FILE >> 20} MiB; .jsonl is read line by line")
    try:
        value = parse_json(raw.decode("utf-8-sig"), nan=True) if raw.strip() else []
    except ValueError as error:
        raise ValueError(_what(error)) from None
    rows = _of_columns(value) if isinstance(value, dict) else value
    if not isinstance(rows, list):
        raise ValueError("holds no table")
    for number, row in enumerate(rows, 1):
        where = f"{path}: row {number}"
        if row is None:
            report(Problem(where, "is no object", "give the row as an object: column names and values"))
        yield where, row


def _of_columns(columns: dict[str, Any]) -> list[dict[str, Any]]:
    """The rows of columns that are all lists of one length, or all objects of the same keys. ValueError for others."""
    keyed = {
        name: dict(enumerate(column)) if isinstance(column, list) else column
        for name, column in columns.items()
        if isinstance(column, (list, dict))
    }
    if not keyed or len(keyed) < len(columns):
        raise ValueError("holds an object whose values are no columns")
    (first, rows), *others = keyed.items()
    for name, column in others:
        if column.keys() != rows.keys():
            raise ValueError(f"columns {first!r} and {name!r} are not of the same rows")
    return [{name: column[key] for name, column in keyed.items()} for key in rows]


def _what(error: ValueError) -> str:
    return f"not UTF-8: {error.reason}" if isinstance(error, UnicodeDecodeError) else str(error)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else _written(value)


def _written(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, (list, dict)) else str(value)
