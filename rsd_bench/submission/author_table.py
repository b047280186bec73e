"""An author's own table of probabilities, for `submit new`: read exactly, or refused with file and line.

The number that is written is the number that was read: one unit in the last place turns a decision where p_edge = tau.
So JSON goes through the strict reader of this package and CSV through `csv` and float(), not through a guessing one.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from rsd_bench.config import IN_DOMAIN
from rsd_bench.jsonl import describe, read_rows
from rsd_bench.submission.parquet_predictions import type_faults
from rsd_bench.submission.row_schema import number_checks, row_rules
from rsd_bench.submission.submission import ALL_SCENARIOS, P_EDGE, REPEAT, TEXT_COLUMNS, number_columns
from rsd_bench.submission.text_predictions import PLAIN_NUMBER
from rsd_bench.types import InputError, Problem

FOLD = "fold"  # of a table that tau is chosen on: which fold is decided by the router that says p
_DEFAULTS = {"track": IN_DOMAIN, "scenario": ALL_SCENARIOS}
_SHOWN = 20
_NUMBER = re.compile(PLAIN_NUMBER)
_Rows = Iterator[tuple[str, dict[str, Any]]]  # file and line, values by column


@dataclass(frozen=True)
class AuthorTable:
    """The columns of predictions in an author's file, and what is wrong with it.

    The index of `frame` says where each row stands, as `FILE:LINE`. A faulty row that says which query it is for keeps
    its place, with a p of 0: nothing is written of a table with problems, but the rest can be looked at. No row is
    there of a file that cannot be read to its end.
    """

    frame: pd.DataFrame
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True)
class _Columns:
    """Columns of numbers that mean something where no track has more than `tiers` tiers; others are let be.

    whole: those of whole numbers, each of which may be left out. p: those of probabilities.
    """

    tiers: int
    whole: tuple[str, ...]
    p: tuple[str, ...]
    checks: Mapping[str, Callable[[Any], bool]]  # by column, of a value

    @classmethod
    def of(cls, tiers: int, folds: bool) -> _Columns:
        more = (FOLD,) if folds else ()
        return cls(tiers, (REPEAT, *more), number_columns(tiers)[1:], number_checks(tiers, more))

    def lacking(self, names: Collection[str]) -> str | None:
        """A column without which no row says anything."""
        if "query_id" not in names:
            return "query_id"
        return None if any(name in names for name in self.p) else P_EDGE

    def faulty(self, row: Mapping[str, Any]) -> list[str]:
        """The numbers of a row that are none."""
        return [name for name, check in self.checks.items() if name in row and not check(row[name])]


def read_author_table(path: Path, tiers: int = 2, *, folds: bool = False) -> AuthorTable:
    """The table of a file: query_id and probabilities are needed; track, scenario and repeat have defaults.

    tiers: of the track that has most of them: of more than two p_1 ... are read too. folds: a column `fold` as well.
    A problem for a file, heading or row that does not say plainly what it means.
    """
    readers = {".parquet": _parquet, ".jsonl": _jsonl, ".csv": _csv, ".tsv": _csv}
    columns = _Columns.of(tiers, folds)
    rows: list[list[Any]] = []
    names, there = [*TEXT_COLUMNS, *columns.checks], set[str]()
    places: list[str] = []
    problems: list[Problem] = []
    try:
        if path.suffix not in readers:
            raise InputError.at(path, f"has the ending {path.suffix!r}", "give .csv, .tsv, .jsonl or .parquet")
        for where, row in readers[path.suffix](path, columns, problems):
            named, faulty = _names_its_query(row), columns.faulty(row)
            if not named or faulty:
                problems += _faults(where, row, faulty)
            if named:
                sound = row | {name: 0.0 if name in columns.p else None for name in faulty} if faulty else row
                rows.append([sound.get(name, _DEFAULTS.get(name)) for name in names])
                places.append(where)
                there |= row.keys()
    except InputError as error:
        rows, places = [], []
        problems += error.problems
    except (OSError, UnicodeError, csv.Error, pa.ArrowException) as error:
        rows, places = [], []
        what = f"cannot be read: {(str(error).splitlines() or [type(error).__name__])[0][:200]}"
        problems.append(Problem(str(path), what, "give CSV, JSONL or Parquet"))
    if len(problems) > _SHOWN:
        problems[_SHOWN:] = [Problem(str(path), f"has {len(problems) - _SHOWN} more problems", "fix these first")]
    frame = pd.DataFrame(rows, places, names).astype(dict.fromkeys(columns.checks, float))
    silent = [name for name in columns.checks if name not in there and (rows or name != P_EDGE)]
    return AuthorTable(frame.drop(columns=silent), tuple(problems))


def _names_its_query(row: Any) -> bool:
    if type(row) is not dict:
        return False
    texts = (row.get(name, _DEFAULTS.get(name)) for name in TEXT_COLUMNS)
    return all(type(text) is str and text for text in texts)


def _shown(value: Any) -> str:
    """A cell as it was written: a column of whole numbers may have been read as floats."""
    return str(int(value) if isinstance(value, float) and value.is_integer() else value)[:80]


def _faults(where: str, row: Mapping[str, Any], faulty: Sequence[str]) -> Iterator[Problem]:
    empty = [name for name in TEXT_COLUMNS if name in row and not row[name]]
    if empty:
        yield Problem(where, f"has no {', '.join(empty)}", "give every row an id")
        return
    for name in faulty:
        if name in (REPEAT, FOLD):
            yield Problem(where, f"{name} {_shown(row[name])!r} is no whole number", f"0, 1 ..., or no {name}")
        else:
            yield Problem(where, f"{name} {_shown(row[name])!r} is no number in [0, 1]", "give a probability")


def _need_heading(path: Path, names: Sequence[str], columns: _Columns) -> None:
    if lacking := columns.lacking(names):
        fix = f"give query_id and {', '.join(columns.p)}; it has {', '.join(names)[:200] or 'none'}"
        raise InputError.at(path, f"has no column {lacking!r}", fix)
    twice = [name for name in (*TEXT_COLUMNS, *columns.checks) if names.count(name) > 1]
    if twice:
        raise InputError([Problem(str(path), f"column {name!r} stands twice", "keep one") for name in twice])


def _jsonl(path: Path, columns: _Columns, problems: list[Problem]) -> _Rows:
    fix = f"an object a line with query_id (text) and {', '.join(columns.p)} (a number in [0, 1])"
    lost: list[Problem] = []
    rules = row_rules(columns.tiers, needed=["query_id"], more=columns.whole[1:], closed=False)
    for where, row in read_rows(path, rules, lost.append, _names_its_query, fix=fix, most=_SHOWN):
        faulty = columns.faulty(row)
        lacking = columns.lacking(row)
        if lacking or faulty:
            told = [Problem(where, describe(fault), fix) for fault in rules.iter_errors(row)]
            problems += told or [Problem(where, f"has no {lacking}", fix)]
            row = row | dict.fromkeys((*faulty, *([lacking] if lacking else ())), 0)
        yield where, row
    if len(lost) >= _SHOWN:  # the rest was not read
        raise InputError(lost)
    problems += lost


def _csv(path: Path, columns: _Columns, problems: list[Problem]) -> _Rows:
    with path.open(encoding="utf-8-sig", newline="") as stream:
        lines = csv.reader(stream, delimiter="\t" if path.suffix == ".tsv" else ",", strict=True)
        names = next(lines, [])
        _need_heading(path, names, columns)
        known = {*TEXT_COLUMNS, *columns.checks}
        given = [name for name in columns.checks if name in names]
        for cells in filter(None, lines):
            where = f"{path}:{lines.line_num}"
            if len(cells) != len(names):
                what = f"has {len(cells)} cells where the heading has {len(names)}"
                problems.append(Problem(where, what, "quote a cell that holds the separator"))
                continue
            row: dict[str, Any] = {name: cell for name, cell in zip(names, cells, strict=True) if name in known}
            for name in given:
                cell = row[name]
                if _NUMBER.fullmatch(cell):
                    row[name] = float(cell)
                elif not cell and columns.checks[name](None):
                    row[name] = None
            yield where, row


def _parquet(path: Path, columns: _Columns, problems: list[Problem]) -> _Rows:
    with pq.ParquetFile(path) as file:
        names = file.schema_arrow.names
        _need_heading(path, names, columns)
        if wrong := type_faults(path, file.schema_arrow, list(columns.checks), needed=columns.tiers == 2):
            raise InputError(wrong)
        table = file.read([name for name in (*TEXT_COLUMNS, *columns.checks) if name in names])
    for name in set(columns.checks).intersection(table.column_names):
        table = table.set_column(table.column_names.index(name), name, table[name].cast(pa.float64(), safe=False))
    blank = [name for name, check in columns.checks.items() if name in table.column_names and check(None)]
    for number, row in enumerate(table.to_pylist(), 1):
        for name in blank:
            if row[name] != row[name]:  # NaN: nothing stands there
                row[name] = None
        yield f"{path}: row {number}", row
