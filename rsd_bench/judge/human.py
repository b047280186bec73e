"""Human scores: a CSV, TSV or JSONL file with query_id, model, score (0-10) and, where several scored, annotator."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rsd_bench.config import SCORE_MAX
from rsd_bench.jsonl import parse_json
from rsd_bench.metrics.arrays import entered
from rsd_bench.types import InputError, Problem

_NEEDED = ("query_id", "model", "score")
_SEPARATORS = {".csv": ",", ".tsv": "\t"}  # any other file is JSONL


@dataclass(frozen=True)
class HumanScore:
    """One person's score of one answer."""

    query_id: str
    model: str
    score: float
    annotator: str


def read_human_scores(path: Path, known: Collection[tuple[str, str]]) -> list[HumanScore]:
    """The scores of a file. known: (query_id, model) of every judged answer. InputError listing every fault."""
    problems: list[Problem] = []
    scores: list[HumanScore] = []
    seen: dict[tuple[str, str, str], str] = {}
    try:
        rows = list(_rows(path, problems))
    except UnicodeDecodeError:
        raise InputError.at(path, "is not UTF-8", "save the file as UTF-8") from None
    except OSError as error:
        raise InputError.at(path, error.strerror or "cannot be read", "name a readable file") from None
    except csv.Error as error:
        raise InputError.at(path, f"is no CSV: {error}", "query_id,model,score") from None
    for where, row in rows:
        try:
            score = HumanScore(
                str(row["query_id"]), str(row["model"]), _score(row["score"]), str(row.get("annotator") or "")
            )
        except (KeyError, ValueError, TypeError) as error:
            what = f"lacks {error}" if isinstance(error, KeyError) else str(error)
            problems.append(Problem(where, what, "query_id, model, score from 0 to 10"))
            continue
        key = score.query_id, score.model, score.annotator
        if key[:2] not in known:
            what = f"no judged answer of {score.model!r} to {score.query_id!r}"
            problems.append(Problem(where, what, "fix the id, or judge that answer"))
        elif first := seen.get(key):
            problems.append(
                Problem(where, f"the same answer is scored at {first} too", "name the annotator, or keep one")
            )
        else:
            seen[key] = where
            scores.append(score)
    if not rows and not problems:
        problems.append(Problem(str(path), "is empty", "query_id, model, score"))
    if problems:
        raise InputError(problems)
    return scores


def _rows(path: Path, problems: list[Problem]) -> Iterator[tuple[str, dict[str, Any]]]:
    text = path.read_text("utf-8-sig")
    if separator := _SEPARATORS.get(path.suffix.lower()):
        yield from _table(path, text, separator, problems)
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


def _table(path: Path, text: str, separator: str, problems: list[Problem]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Rows of a CSV or TSV; a header that does not name each column once is one Problem."""
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=separator, skipinitialspace=True, strict=True)
    names = [name.strip() for name in reader.fieldnames or ()]
    reader.fieldnames = names
    fix = separator.join(_NEEDED)
    if lacking := [name for name in _NEEDED if name not in names]:
        other = next((s for s in ";\t," if s != separator and any(s in name for name in names)), None)
        hint = f"; it is separated by {other!r}, not {separator!r}" if other else ""
        problems.append(Problem(str(path), f"has no column {', '.join(lacking)}{hint}", fix))
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


def _score(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise ValueError(f"score {value!r} is no number")
    try:
        number = float(value)
    except ValueError:
        raise ValueError(f"score {str(value)[:40]!r} is no number") from None
    if not (math.isfinite(number) and 0 <= number <= SCORE_MAX):
        raise ValueError(f"score {number} is not in [0, 10]")
    return entered(number)
