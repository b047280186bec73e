"""Human scores: a CSV or JSONL file with query_id, model, score (0-10) and, where several people scored, annotator."""

from __future__ import annotations

import csv
import math
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rsd_bench.config import SCORE_MAX
from rsd_bench.records.jsonl import parse_json
from rsd_bench.types import InputError, Problem

_NEEDED = ("query_id", "model", "score")


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
            problems.append(Problem(where, what, "mend the id, or judge that answer"))
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
    if path.suffix == ".csv":
        reader = csv.DictReader(text.splitlines())
        if lacking := [name for name in _NEEDED if name not in (reader.fieldnames or ())]:
            problems.append(Problem(str(path), f"has no column {', '.join(lacking)}", ",".join(_NEEDED)))
            return
        yield from ((f"{path}:{reader.line_num}", row) for row in reader)
        return
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip():
            try:
                row = parse_json(line)
                if not isinstance(row, dict):
                    raise ValueError("not a JSON object")
            except ValueError as error:
                problems.append(Problem(f"{path}:{number}", str(error), "one JSON object a line"))
                continue
            yield f"{path}:{number}", row


def _score(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise ValueError(f"score {value!r} is no number")
    try:
        number = float(value)
    except ValueError:
        raise ValueError(f"score {str(value)[:40]!r} is no number") from None
    if not (math.isfinite(number) and 0 <= number <= SCORE_MAX):
        raise ValueError(f"score {number} is not in [0, 10]")
    return number
