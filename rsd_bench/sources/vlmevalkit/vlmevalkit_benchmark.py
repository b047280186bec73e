"""The questions of a VLMEvalKit benchmark: of its TSV, or of the prediction files, which repeat all but the images.

Every fault of a row is found when the benchmark is read: the row is left out, and its index is kept in `faulty`, so
that no answer to it is taken for one to an unknown question. Files must agree on what they repeat: the question of one
model's file is that of every other's, so that models imported one by one meet the same queries.

Circular evaluation asks a multiple-choice question once for each rolling of its options; the further rolls have the
index of the first plus multiples of 1,000,000. A row is a roll only where that first row is there and has the same
question and the same options in another order. Rolls are no queries of their own.
"""

from __future__ import annotations

import math
import string
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from rsd_bench.sources.ids import row_id, slug
from rsd_bench.sources.source import Media, Query, SourceProblem
from rsd_bench.sources.spreadsheets import Row, column_name
from rsd_bench.sources.vlmevalkit.vlmevalkit_images import listed
from rsd_bench.sources.vlmevalkit.vlmevalkit_names import AGREED, CATEGORIES, ColumnMap
from rsd_bench.types import Problem, Report

ROLL = 1_000_000  # between the indexes of the rolls of a question; the kit's
_LONGEST_INDEX = 18  # digits of an index that is a number
FIX_ROW = "fix the row or leave it out"


@dataclass(frozen=True)
class Reading:
    """How a benchmark is read.

    images: folder of images that rows name by path, id or index. no_images: they are not to be had. columns: names of
        columns that are not the kit's. domain_column: the column that is a query's domain; default: category, else
        l2-category, else the source. circular: what counts of a question that was asked in several rolls.
    """

    images: Path | None = None
    no_images: bool = False
    columns: ColumnMap = field(default_factory=ColumnMap)
    domain_column: str | None = None
    circular: Literal["first", "all"] = "first"

    def __post_init__(self) -> None:
        if self.domain_column is not None:
            object.__setattr__(self, "domain_column", column_name(self.domain_column))


@dataclass(frozen=True)
class Question:
    """A row of the benchmark: its text cells, and the media that its query shows."""

    where: str
    cells: Mapping[str, str]
    domain: str
    media: tuple[Media, ...] = ()


@dataclass
class Benchmark:
    """The questions by index, rolls among them; `columns` are those of its file."""

    source: str
    name: str  # as in file names
    columns: set[str] = field(default_factory=set)
    questions: dict[str, Question] = field(default_factory=dict)
    faulty: set[str] = field(default_factory=set)  # indexes of rows that were left out: their answers are, too
    modality: str = ""
    first_of: dict[str, str] = field(default_factory=dict)  # the first roll's index, by that of a further one
    rolls: dict[str, list[str]] = field(default_factory=dict)  # the further rolls' indexes, by that of the first

    def query_id(self, index: str) -> str:
        return f"{self.source}/{index}"

    def queries(self) -> Iterator[Query]:
        for index, question in self.questions.items():
            if index not in self.first_of:
                yield Query(
                    where=question.where,
                    query_id=self.query_id(index),
                    domain=question.domain,
                    group=self.query_id(index),
                    question=wording(question.cells),
                    reference_answer=reference(question.cells.get("answer", "")),
                    media=question.media,
                    modality=self.modality,
                )

    def fill(self, index: str, told: Question, domain_column: str | None) -> None:
        """Take from another file what the question's own row leaves empty."""
        question = self.questions[index]
        cells = {**told.cells, **{name: text for name, text in question.cells.items() if text.strip()}}
        domain = domain_of(cells, self.source, domain_column) or question.domain
        self.questions[index] = replace(question, cells=cells, domain=domain)

    def leave_out(self, index: str) -> None:
        self.questions.pop(index, None)
        self.faulty.add(index)


def wording(cells: Mapping[str, str]) -> str:
    """Hint, question and "A. ..." lines; empty where there is no question."""
    question = cells.get("question", "").strip()
    options = [f"{letter}. {text}" for letter, text in _options(cells).items()]
    return "\n".join(filter(None, [cells.get("hint", "").strip(), question, *options])) if question else ""


def reference(cell: str) -> str | None:
    """The reference answer; of a list of texts each, with how often it is given, the most frequent first."""
    cell = cell.strip()
    items = listed(cell)
    if not items or not all(isinstance(item, str) for item in items):
        return cell or None
    given = Counter(text for item in items if (text := str(item).strip()))
    told = [text if n == 1 else f"{text} ({n} of {given.total()})" for text, n in given.most_common()]
    return " | ".join(told) or None


def domain_of(cells: Mapping[str, str], source: str, column: str | None) -> str | None:
    """The legal id of a row's domain; of a list of several, in the order of the alphabet. None where it has none."""
    given = [cells.get(name, "").strip() for name in ((column,) if column else CATEGORIES)]
    text = next(filter(None, given), "")
    items = sorted({str(item) for item in listed(text)})
    return slug("_".join(items) if items else text or source)


def text_row(row: Row, benchmark: Benchmark, reading: Reading, report: Report) -> tuple[str, Question] | None:
    """The index and the question of a row, media aside; None where a fault was reported. Its `image` is not kept."""
    index = row_id(row.cells["index"])
    faults = [] if index else ["has no index"]
    if not wording(row.cells):
        faults.append("has no question")
    domain = domain_of(row.cells, benchmark.source, reading.domain_column)
    if domain is None:
        name = reading.domain_column or "category"
        faults.append(f"{name} {row.cells.get(name, '')!r} has no Latin letter or digit")
    for fault in faults:
        report(Problem(row.where, fault, FIX_ROW))
    if faults or domain is None:
        benchmark.faulty.add(index)
        return None
    cells = {name: text for name, text in row.cells.items() if name != "image"}
    return index, Question(row.where, cells, domain)


def find_rolls(benchmark: Benchmark, circular: str, report: Report) -> None:
    """Find which questions are further rolls of others. Where all count, a question with a faulty one is left out."""
    questions = benchmark.questions
    further: dict[str, str] = {}
    for index in [*questions, *benchmark.faulty]:
        if index.isdecimal() and len(index) <= _LONGEST_INDEX and int(index) >= ROLL:
            further[index] = str(int(index) % ROLL)
    rolls = {i: first for i, first in further.items() if i in questions and _is_roll(i, first, questions)}
    if not rolls:
        return
    for index, first in further.items():
        if index in rolls:
            benchmark.first_of[index] = first
            benchmark.rolls.setdefault(first, []).append(index)
        elif index in questions and first in questions:
            what = f"is no roll of {questions[first].where}, as its index says: question or options differ"
            report(SourceProblem(questions[index].where, what, "repair the row; other rows are rolls"))
        elif index in questions:
            if first not in benchmark.faulty:
                report(Problem(questions[index].where, f"is a roll of question {first!r}, which is not there", FIX_ROW))
            benchmark.leave_out(index)
        elif circular == "all":
            benchmark.leave_out(first)


def _is_roll(index: str, first: str, questions: Mapping[str, Question]) -> bool:
    if first not in questions:
        return False
    ours, theirs = questions[index].cells, questions[first].cells
    options, of_first = list(_options(ours).values()), list(_options(theirs).values())
    same_question = _folded(ours["question"]) == _folded(theirs["question"])
    return same_question and len(options) > 1 and options != of_first and sorted(options) == sorted(of_first)


def _options(cells: Mapping[str, str]) -> dict[str, str]:
    return {letter: text for letter in string.ascii_uppercase if (text := cells.get(letter, "").strip())}


def _folded(text: str) -> str:
    return " ".join(text.split())


def same_text(text: str, other: str) -> bool:
    """Equal up to what a way through pandas or a spreadsheet changes: spaces, "3" to "3.0", an empty cell to "nan"."""
    a, b = _folded(text), _folded(other)
    if a == b or {a, b} == {"", "nan"}:
        return True
    if {a.lower(), b.lower()} < {"true", "false"} or (listed(a) and listed(b)):
        return a.lower() == b.lower() or (listed(a) == listed(b) != [])
    try:
        return math.isfinite(float(a)) and float(a) == float(b)
    except ValueError:
        return False


class Agreement:
    """Whether the rows of a file say of their question what the benchmark says of it. An empty cell says nothing."""

    def __init__(self, path: Path, benchmark: Benchmark, columns: tuple[str, ...] = AGREED) -> None:
        self._path, self._benchmark, self._columns = path, benchmark, columns
        self._first: tuple[str, str] | None = None
        self._rows = 0

    def look(self, row: Row, index: str) -> None:
        question = self._benchmark.questions.get(index)
        if question is None:
            return
        for name in self._columns:
            ours, theirs = row.cells.get(name, ""), question.cells.get(name, "")
            if ours.strip() and theirs.strip() and not same_text(ours, theirs):
                self._first = self._first or (row.where, f"{name} of index {index!r} is not that of {question.where}")
                self._rows += 1
                return

    def filled(self, row: Row, index: str) -> Mapping[str, str]:
        """The cells of a row, those that are empty filled with what the benchmark says."""
        question = self._benchmark.questions.get(index)
        given = {name: text for name, text in row.cells.items() if text.strip()}
        return {**row.cells, **(question.cells if question else {}), **given}

    def tell(self, report: Report) -> None:
        """Report, once for the file, that its rows are not those of the benchmark."""
        if self._first:
            where, what = self._first
            rows = "" if self._rows == 1 else f", and so in {self._rows} rows"
            report(SourceProblem(where, what + rows, "name files of one version of the benchmark"))
