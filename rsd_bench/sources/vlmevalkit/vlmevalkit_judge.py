"""Judge files of VLMEvalKit: the result table that an evaluation writes beside a model's predictions.

Which column scores is read off the header: the one of `hit`, `score` and `judge` that the benchmark itself does not
have. How it becomes 0-10 (`JudgeFile.rule`):

    hit                     a share of 1, x 10
    score (0-N), score_0_N  x 10 / N: the file says so
    score                   as the benchmark is known to be scored (`_FULL_MARKS`), else x 10 where no score of the file
                            exceeds 1; any other range is a Problem, because 4 may be of 5, of 10 or of 100
    judge                   yes/no, true/false, correct/incorrect: 10/0
    none of these           10 where `res`, what the judge read out of the answer, is the answer, else 0
                            (`vlmevalkit_extraction`)

VLMEvalKit scores even where its judge failed: a random option is matched, or 0.0 stored, and only `log` tells. Such
rows are `unparseable` without a score, as is an empty `res`, and a score of -1, its mark for a reply that no score
could be read from. A row that is about another question than the benchmark's row of its index spoils the whole file.
"""

from __future__ import annotations

import math
import re
from collections.abc import Set
from dataclasses import dataclass, field
from pathlib import Path

from rsd_bench.config import SCORE_MAX
from rsd_bench.sources.ids import row_id
from rsd_bench.sources.source import SourceProblem
from rsd_bench.sources.spreadsheets import AS_NAMED, Naming, Row, read_table
from rsd_bench.sources.vlmevalkit.vlmevalkit_benchmark import Agreement
from rsd_bench.sources.vlmevalkit.vlmevalkit_extraction import NEEDED, RULE, is_hit
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


def read_judge_file(
    path: Path,
    judge: str,
    benchmark: str,
    own_columns: Set[str],
    report: Report,
    naming: Naming = AS_NAMED,
    agreement: Agreement | None = None,
) -> JudgeFile:
    """Read a judge file whole. `own_columns`: columns of the benchmark, which a judge file repeats.

    agreement: looks at what the rows say of their questions.
    """
    rows = _rows_by_index(path, report, naming)
    if not rows:
        return JudgeFile(judge)
    column = _score_column(path, set().union(*(row.cells for row in rows.values())), own_columns, report)
    if column is None:
        return JudgeFile(judge)
    numbers: dict[str, float] = {}
    for index, row in rows.items():
        if agreement:
            agreement.look(row, index)
        try:
            if column == "res":
                cells = agreement.filled(row, index) if agreement else row.cells
                numbers[index] = 0.0 if _judge_failed(row, column) else float(is_hit(cells))
            else:
                numbers[index] = _stated(row, column)
        except ValueError as error:
            fix = "judge the row again, or delete it: its answer then counts as unscored"
            report(Problem(row.where, str(error), fix))
    if agreement:
        agreement.tell(report)
    full, reason = _full_marks(path, column, benchmark, max(numbers.values(), default=0.0), report)
    if full is None:
        return JudgeFile(judge)
    found = {index: _verdict(rows[index], column, number, full, report) for index, number in numbers.items()}
    rule = RULE if column == "res" else f"{column} {reason}"
    verdicts = {index: verdict for index, verdict in found.items() if verdict}
    return JudgeFile(judge, f"{rule} x {SCORE_MAX / full:g}", verdicts)


def _rows_by_index(path: Path, report: Report, naming: Naming) -> dict[str, Row]:
    rows: dict[str, Row] = {}
    for row in read_table(path, ("index",), report, naming):
        index = row_id(row.cells["index"])
        first = rows.setdefault(index, row)
        if first.cells != row.cells:
            report(SourceProblem(row.where, f"index {index!r} is judged at {first.where} too", "keep one"))
    return rows


def _score_column(path: Path, columns: Set[str], own_columns: Set[str], report: Report) -> str | None:
    """The column that scores: one of the judge's own, or `res` where it can be compared with the answer."""
    own = columns - own_columns
    found = sorted(c for c in own if c in ("hit", "score", "judge") or _SCALED.fullmatch(c))
    if len(found) == 1:
        return found[0]
    if found:
        report(SourceProblem(str(path), f"has several score columns: {', '.join(found)}", "keep the one to be used"))
    elif columns >= set(NEEDED):
        return "res"
    else:
        have = ", ".join(sorted(name for name in own if name)) or "none"
        fix = "name a file with hit, score or judge, or leave it out: the answers then count as unscored"
        if "res" in own:
            fix = f"to compare res takes columns {' and '.join(NEEDED[1:])}; {fix}"
        what = f"has no score column of its own; beside the benchmark's it has {have}"
        report(SourceProblem(str(path), what, fix))
    return None


def _stated(row: Row, column: str) -> float:
    number = _number(row.cells.get(column, ""))
    if number is None:
        raise ValueError(f"{column} is {row.cells.get(column, '')!r}, not a number")
    return number


def _judge_failed(row: Row, column: str) -> bool:
    """Whether the judge gave no verdict, whatever the row is scored."""
    said_nothing = column == "res" and not row.cells.get("res", "").strip()
    return said_nothing or _JUDGE_FAILED.search(row.cells.get("log", "")) is not None


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
    if column in ("hit", "judge", "res"):
        return 1.0, "(0-1)"
    if scaled := _SCALED.fullmatch(column):
        return float(scaled[1]), "as its name says"
    for name, full in _FULL_MARKS.items():
        if benchmark.startswith(name):
            return full, f"(0-{full:g}, as {name} is scored)"
    if highest <= 1:
        return 1.0, "(0-1: none is higher)"
    fix = 'name the column "score (0-5)", "score (0-10)" or "score (0-100)"'
    report(SourceProblem(str(path), f"score goes up to {highest:g}: its scale cannot be told", fix))
    return None, ""


def _verdict(row: Row, column: str, number: float, full: float, report: Report) -> Verdict | None:
    prediction = row.cells.get("prediction")
    if _judge_failed(row, column) or (number == -1 and column not in ("hit", "judge")):
        return Verdict(row.where, "unparseable", None, prediction)
    if not 0 <= number <= full:
        report(Problem(row.where, f"{column} {number:g} lies outside 0-{full:g}", "judge the row again or delete it"))
        return None
    return Verdict(row.where, "ok", number * SCORE_MAX / full, prediction)
