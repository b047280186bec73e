"""What people say of answers: CSV, TSV or JSONL, a row for each answer and person. Every such file is read here.

A row names query_id, model (by any name that the aliases know) and, where several people spoke, annotator; what was
said stands in a column that the caller reads. A person speaks of an answer once.
"""

from __future__ import annotations

import csv
import io
import math
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Generic, TypeVar

from rsd_bench.config import load_aliases
from rsd_bench.jsonl import parse_json
from rsd_bench.model_names import find_model
from rsd_bench.types import InputError, Problem

_SEPARATORS = {".csv": ",", ".tsv": "\t"}  # any other file is JSONL
_SHOWN = 40  # characters of a cell in a message
_LONGEST_NAME = 300  # of a model: no store has a longer one
_MODEL_FIX = "name a model of the store, or import its answers"

Row = Mapping[str, Any]
Answer = tuple[str, str]  # query_id, model
T = TypeVar("T")


@dataclass(frozen=True)
class Form(Generic[T]):
    """How the rows of a kind of file are read.

    column: what a table must have beside query_id and model. read: what a row says; KeyError, TypeError or ValueError
    where it does not. fix: what to do about such a row. header_fix: more to do about a table without the column.
    person: columns that tell those apart who may all speak of one answer. needs, done: what an answer must be, and what
    the file does to it.
    """

    column: str
    read: Callable[[Row], T]
    fix: str
    needs: str
    done: str
    header_fix: str = ""
    person: tuple[str, ...] = ("annotator",)


@dataclass(frozen=True)
class Said(Generic[T]):
    """What one person said of one answer; person: the cells of `Form.person`, "" where a row has none."""

    query_id: str
    model: str
    person: tuple[str, ...]
    value: T


def read_people(path: Path, form: Form[T], known: Collection[Answer]) -> list[Said[T]]:
    """All that a file says. known: every answer that it may speak of. InputError listing every fault."""
    problems: list[Problem] = []
    said: list[Said[T]] = []
    seen: dict[tuple[Answer, tuple[str, ...]], str] = {}
    columns = ("query_id", "model", form.column)
    try:
        rows = list(_rows(path, columns, form.header_fix, problems))
    except UnicodeDecodeError:
        raise InputError.at(path, "is not UTF-8", "save the file as UTF-8") from None
    except OSError as error:
        raise InputError.at(path, error.strerror or "cannot be read", "name a readable file") from None
    except csv.Error as error:
        raise InputError.at(path, f"is no CSV: {error}", ",".join(columns)) from None
    model_of = _canonical(known)
    for where, row in rows:
        try:
            query, name, value = str(row["query_id"]), str(row["model"]), form.read(row)
        except (KeyError, ValueError, TypeError) as error:
            what = f"lacks {error}" if isinstance(error, KeyError) else str(error)
            problems.append(Problem(where, what, form.fix))
            continue
        person = tuple(str(row.get(column) or "") for column in form.person)
        model, unknown = model_of(name)
        key = (query, model), person
        if unknown:
            problems.append(Problem(where, unknown, _MODEL_FIX))
        elif key[0] not in known:
            what = f"no {form.needs} answer of {model[:_SHOWN]!r} to {query[:_SHOWN]!r}"
            problems.append(Problem(where, what, "fix the id, or judge that answer"))
        elif first := seen.get(key):
            what = f"the same answer is {form.done} at {first} too"
            problems.append(Problem(where, what, "name the annotator, or keep one"))
        else:
            seen[key] = where
            said.append(Said(query, model, person, value))
    if not rows and not problems:
        problems.append(Problem(str(path), "is empty", ", ".join(columns)))
    if problems:
        raise InputError(problems)
    return said


def number(name: str, value: Any) -> float:
    """A finite number from a cell; ValueError or TypeError naming the column otherwise."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise ValueError(f"{name} {str(value)[:_SHOWN]} is no number")
    try:
        found = float(value)
    except (ValueError, OverflowError):
        raise ValueError(f"{name} {str(value)[:_SHOWN]!r} is no number") from None
    if not math.isfinite(found):
        raise ValueError(f"{name} {found} is no number")
    return found


def _canonical(known: Collection[Answer]) -> Callable[[str], tuple[str, str]]:
    """From the name of a model to its canonical id and what is wrong with the name ("": nothing)."""
    answers, aliases = Counter(model for _, model in known), load_aliases()

    @cache
    def model_of(name: str) -> tuple[str, str]:
        try:
            return find_model(name[:_LONGEST_NAME], answers, aliases), ""
        except ValueError as error:
            return name, str(error)

    return model_of


def _rows(path: Path, columns: tuple[str, ...], header_fix: str, problems: list[Problem]) -> Iterator[tuple[str, Row]]:
    text = path.read_text("utf-8-sig")
    if separator := _SEPARATORS.get(path.suffix.lower()):
        yield from _table(path, text, separator, columns, header_fix, problems)
        return
    for number, line in enumerate(text.split("\n"), 1):  # not splitlines: a JSON text may hold U+2028
        if line.strip():
            try:
                row = parse_json(line)
                if not isinstance(row, dict):
                    raise ValueError("not a JSON object")
            except ValueError as error:
                problems.append(Problem(f"{path}:{number}", str(error), "one JSON object a line, or a .csv file"))
                continue
            yield f"{path}:{number}", row


def _table(
    path: Path, text: str, separator: str, columns: tuple[str, ...], header_fix: str, problems: list[Problem]
) -> Iterator[tuple[str, Row]]:
    """Rows of a CSV or TSV; a header that does not name each column once is one Problem."""
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=separator, skipinitialspace=True, strict=True)
    names = [name.strip() for name in reader.fieldnames or ()]
    reader.fieldnames = names
    fix = separator.join(columns)
    if lacking := [name for name in columns if name not in names]:
        other = next((s for s in ";\t," if s != separator and any(s in name for name in names)), None)
        hint = f"; it is separated by {other!r}, not {separator!r}" if other else ""
        problems.append(Problem(str(path), f"has no column {', '.join(lacking)}{hint}", f"{fix}{header_fix}"))
        return
    if twice := [name for name in dict.fromkeys(names) if names.count(name) > 1]:
        problems.append(Problem(str(path), f"has column {', '.join(twice)} twice", fix))
        return
    for row in reader:
        where = f"{path}:{reader.line_num}"
        if None in row:
            problems.append(Problem(where, "has more cells than the header", "quote cells that hold the separator"))
        else:
            yield where, row
