"""Judge files of VLMEvalKit: the result table that an evaluation writes beside a model's predictions.

Which column scores is read off the header: the one of `hit`, `score` and `judge` that the benchmark itself does not
have. How it becomes 0-10 (`JudgeFile.rule`):

    hit                     a share of 1, x 10
    score (0-N), score_0_N  x 10 / N: the file says so
    score                   as the benchmark is known to be scored (`_FULL_MARKS`), else x 10 where no score of the file
                            exceeds 1; any other range is a Problem, because 4 may be of 5, of 10 or of 100
    judge                   yes/no, true/false, correct/incorrect: 10/0

VLMEvalKit scores even where its judge failed: a random option is matched, or 0.0 stored, and only `log` tells. Such
rows are `unparseable` without a score, as is a score of -1, its mark for a reply that no score could be read from.
"""

from __future__ import annotations

import math
import re
from collections.abc import Set
from dataclasses import dataclass, field
from pathlib import Path

from rsd_bench.config import SCORE_MAX
from rsd_bench.sources.ids import row_id
from rsd_bench.sources.spreadsheets import Row, read_table
from rsd_bench.types import Problem, Report

#: Full marks of the bare `score` column, by the start of the benchmark's name.
_FULL_MARKS = {"LLaVABench": 10.0, "MMVet": 1.0}
_SCALED = re.compile(r"score[\s_]*\(?\s*0\s*[-_]\s*(1|5|10|100)\s*\)?")
_WORDS = {"yes": 1.0, "true": 1.0, "correct": 1.0, "no": 0.0, "false": 0.0, "incorrect": 0.0}
_JUDGE_FAILED = re.compile(
    r"thus randomly generate one|\ball \d+ retries failed|^\s*failed to obtain answer", re.IGNORECASE
)
_NAME_ENDS = re.compile(r"(_result|_score|_auxmatch)$")


@dataclass(frozen=True)
class Verdict:
    """What a judge file says of one answer. `prediction` is the text it judged, where the file keeps it."""

    where: str
    status: str
    score: float | None
    prediction: str | None


@dataclass(frozen=True)
class JudgeFile:
    """A read judge file: the judge's name, how its scores became 0-10, verdicts by index."""

    judge: str
    rule: str = ""
    verdicts: dict[str, Verdict] = field(default_factory=dict)


def judge_name(judge_file: Path, prediction_file: Path) -> str:
    """The judge as VLMEvalKit names it: what it puts between a prediction file's name and "_result"."""
    name = _NAME_ENDS.sub("", judge_file.stem.removeprefix(prediction_file.stem)).strip("_")
    return name or judge_file.stem


def read_judge_file(path: Path, judge: str, benchmark: str, own_columns: Set[str], report: Report) -> JudgeFile:
    """Read a judge file whole. `own_columns`: columns of the benchmark TSV, which a judge file repeats."""
    rows = list(read_table(path, ("index",), report))
    column = _score_column(path, rows[0].cells.keys() - own_columns, report) if rows else None
    if column is None:
        return JudgeFile(judge)
    scored = {}
    for row in rows:
        number = _number(row.cells[column])
        if number is None:
            what = f"{column} is {row.cells[column]!r}, not a number"
            report(Problem(row.where, what, "judge the row again, or delete it: its answer then counts as unscored"))
        else:
            scored[row.where] = number
    full, reason = _full_marks(path, column, benchmark, max(scored.values(), default=0.0), report)
    if full is None:
        return JudgeFile(judge)
    verdicts: dict[str, Verdict] = {}
    for row in rows:
        index = row_id(row.cells["index"])
        if first := verdicts.get(index):
            report(Problem(row.where, f"index {index!r} is judged at {first.where} too", "keep one"))
        elif row.where in scored and (verdict := _verdict(row, column, scored[row.where], full, report)):
            verdicts[index] = verdict
    return JudgeFile(judge, f"{column} {reason} x {SCORE_MAX / full:g}", verdicts)


def _score_column(path: Path, columns: Set[str], report: Report) -> str | None:
    found = sorted(c for c in columns if c in ("hit", "score", "judge") or _SCALED.fullmatch(c))
    if len(found) == 1:
        return found[0]
    if found:
        report(Problem(str(path), f"has several score columns: {', '.join(found)}", "keep the one to be used"))
    else:
        have = ", ".join(sorted(name for name in columns if name)) or "none"
        fix = "name a file with hit, score or judge, or leave it out: the answers then count as unscored"
        report(Problem(str(path), f"has no score column of its own; beside the benchmark's it has {have}", fix))
    return None


def _number(text: str) -> float | None:
    word = _WORDS.get(text.strip().lower())
    if word is not None:
        return word
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _full_marks(path: Path, column: str, benchmark: str, highest: float, report: Report) -> tuple[float | None, str]:
    """The score that is worth 10, and why; None where that cannot be told."""
    if column in ("hit", "judge"):
        return 1.0, "(0-1)"
    if scaled := _SCALED.fullmatch(column):
        return float(scaled[1]), "as its name says"
    for name, full in _FULL_MARKS.items():
        if benchmark.startswith(name):
            return full, f"(0-{full:g}, as {name} is scored)"
    if highest <= 1:
        return 1.0, "(0-1: none is higher)"
    fix = 'name the column "score (0-5)", "score (0-10)" or "score (0-100)"'
    report(Problem(str(path), f"score goes up to {highest:g}: its scale cannot be told", fix))
    return None, ""


def _verdict(row: Row, column: str, number: float, full: float, report: Report) -> Verdict | None:
    prediction = row.cells.get("prediction")
    failed = _JUDGE_FAILED.search(row.cells.get("log", "")) or (number == -1 and column not in ("hit", "judge"))
    if failed:
        return Verdict(row.where, "unparseable", None, prediction)
    if not 0 <= number <= full:
        report(Problem(row.where, f"{column} {number:g} lies outside 0-{full:g}", "judge the row again or delete it"))
        return None
    return Verdict(row.where, "ok", number * SCORE_MAX / full, prediction)
