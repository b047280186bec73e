"""Which number of an lmms-eval sample is the score: the metrics of a task's logs, chosen or refused as a whole.

A sample holds its metrics beside its other fields: a number, a truth value, or (as MME has it) an object with a number
under `score`. Without a choice, the only metric of each row is taken; where a row has two that differ, the choice is
the user's. A metric is a share of 1 unless the choice names its full marks ("gpt_score/5"). A metric of which less is
better is no score, nor is a `submission`: an answer to be sent to those who hold the truth. A metric that is there and
no number, such as the text "1.0", is a fault of its row; null or nothing says that there is none.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterator, Mapping, Set
from dataclasses import dataclass, field
from typing import Any

from rsd_bench.config import SCORE_MAX
from rsd_bench.sources.cells import NUMBER
from rsd_bench.sources.source import SourceProblem
from rsd_bench.types import Problem, Report

#: Fields of a sample that are no metrics.
FIELDS = frozenset(
    ("doc_id", "doc", "input", "target", "arguments", "resps", "filtered_resps", "token_counts", "filter", "metrics")
) | {"doc_hash", "prompt_hash", "target_hash", "input_media"}
_NOTHING: tuple[Any, ...] = (None, "", [], {})
_WITH_FULL_MARKS = re.compile(r"(.+)/(\d{1,9}(?:\.\d{1,9})?)")


def is_submission(name: str) -> bool:
    return name not in FIELDS and "submission" in name.lower().split("_")


def metrics_of(row: Mapping[str, Any]) -> dict[str, float]:
    """The metrics of a sample that are one number; those that only an aggregation can read are left out."""
    found = {}
    for name, number in _may_be_metrics(row):
        if not isinstance(number, (bool, int, float)):
            continue
        try:
            found[name] = float(number)
        except OverflowError:  # an integer of 400 digits
            found[name] = math.inf
    return {name: number for name, number in found.items() if not math.isnan(number)}


def _may_be_metrics(row: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """The fields of a sample that are metrics if they are numbers, and what stands there."""
    for name, value in row.items():
        if name not in FIELDS and not is_submission(name):
            yield name, value.get("score", value) if isinstance(value, dict) else value


@dataclass(frozen=True)
class _Unread:
    """A metric of a row that is no number."""

    where: str
    shown: str
    is_numeral: bool  # a number, but written as text


@dataclass
class MetricChoice:
    """The metric of a task. Feed it every sample with `note`, then `settle`; after that `score` gives 0-10 or None.

    wanted: the user's choice.
    """

    wanted: str | None
    full: float = 1.0
    _seen: set[str] = field(default_factory=set)
    _rivals: set[frozenset[frozenset[str]]] = field(default_factory=set)  # of a row, names of one number in one set
    _submissions: set[str] = field(default_factory=set)
    _unread: dict[str, list[_Unread]] = field(default_factory=dict)
    _outside: dict[str, tuple[str, float, int]] = field(default_factory=dict)  # metric -> first row, value, count
    _used: frozenset[str] = frozenset()
    _by_doc: dict[str, tuple[str, frozenset[str]]] = field(default_factory=dict)  # where first, its metrics
    _apart: tuple[str, str, frozenset[str], frozenset[str]] | None = (
        None  # two rows of one query without a common metric
    )

    def __post_init__(self) -> None:
        if self.wanted and (match := _WITH_FULL_MARKS.fullmatch(self.wanted)):
            self.wanted, self.full = match[1], float(match[2])

    def note(self, where: str, row: Mapping[str, Any]) -> None:
        metrics = metrics_of(row)
        if metrics and "doc_id" in row:
            first, known = self._by_doc.setdefault(str(row["doc_id"]), (where, frozenset(metrics)))
            if known.isdisjoint(metrics) and self._apart is None:
                self._apart = first, where, known, frozenset(metrics)
        self._seen |= metrics.keys()
        for name, value in _may_be_metrics(row):
            if value not in _NOTHING and not isinstance(value, (bool, int, float)):
                numeral = isinstance(value, str) and NUMBER.fullmatch(value.strip()) is not None
                self._unread.setdefault(name, []).append(_Unread(where, repr(value)[:40], numeral))
        self._submissions |= set(filter(is_submission, row))
        if len(numbers := set(metrics.values())) > 1:
            names = (frozenset(n for n, number in metrics.items() if number == value) for value in numbers)
            self._rivals.add(frozenset(names))
        for name, number in metrics.items():
            if not 0 <= number <= self.full:
                first, value, count = self._outside.get(name, (where, number, 0))
                self._outside[name] = (first, value, count + 1)

    def settle(self, where: str, higher_is_better: Mapping[str, Any], report: Report) -> str:
        """Report what makes the choice impossible, and rows whose metric is no number; return the score rule."""
        if self._tell_unread(higher_is_better, report):
            return "unscored"
        scores = {name for name in self._seen if higher_is_better.get(name) is not False}
        what, fix = self._refusal(scores)
        if what:
            report(SourceProblem(where, what, fix))
            return "unscored"
        used = {self.wanted} if self.wanted else scores
        for name in sorted(used & self._outside.keys()):
            first, value, count = self._outside[name]
            what = f"{name} is {value:g}, outside 0-{self.full:g} (so are {count} samples)"
            report(SourceProblem(first, what, f'give its full marks (--metric "{name}/100"), or choose another'))
        self._used = frozenset(used)
        rule = (
            f"lmms-eval {', '.join(sorted(used))} (0-{self.full:g}) x {SCORE_MAX / self.full:g}" if used else "unscored"
        )
        sent = ", ".join(sorted(self._submissions))
        return f"{rule}; {sent} holds answers to be sent in, no scores" if sent else rule

    def _tell_unread(self, known: Collection[str], report: Report) -> bool:
        """Report the rows in which the score is no number, if any; whether they have it as a number in no row at all.

        known: what the results call a metric. Any other field that is text may be something else, unless no row has a
        metric: then it is one if its text is a number.
        """
        wanted = {self.wanted} if self.wanted else {*self._seen, *known} if self._seen else self._unread.keys()
        told = set()
        for name in sorted(wanted & self._unread.keys()):
            for row in self._unread[name]:
                if row.is_numeral or name in self._seen or self.wanted:
                    told.add(name)
                    what = f"{name} is {row.shown}, {'a text and ' if row.is_numeral else ''}no number"
                    report(Problem(row.where, what, "write the metric as a number, or null where there is none"))
        return bool(told) and self._seen.isdisjoint(wanted)

    def _refusal(self, scores: Set[str]) -> tuple[str, str]:
        """Why no metric can be the score though there are some, and what to do; "" where one can."""
        choices = ", ".join(sorted(scores)) or "none that is a score"
        choose = f"choose with --metric: {choices}"
        if not self.full:
            return f"--metric {self.wanted}/0 gives no full marks", 'give the highest value, as in "gpt_score/5"'
        if self.wanted and is_submission(self.wanted):
            return f"{self.wanted} holds answers to be sent in, no scores", choose
        if self.wanted and self.wanted not in self._seen:
            return (
                f"no sample has a metric {self.wanted!r}; they have {', '.join(sorted(self._seen)) or choices}",
                choose,
            )
        used = {self.wanted} if self.wanted else self._seen
        if used and not used & scores:
            return f"{', '.join(sorted(used))} is better when lower: it is no score", choose
        if self._apart and not self.wanted:
            one, other, ours, theirs = self._apart
            here, there = ", ".join(sorted(theirs)), ", ".join(sorted(ours))
            what = f"{other} is scored by {here}, the same query at {one} by {there}"
            return what, "import logs of one metric together"
        rivals = [[names & scores for names in row if names & scores] for row in self._rivals]
        if not self.wanted and (several := {name for row in rivals if len(row) > 1 for names in row for name in names}):
            return f"samples have several metrics: {', '.join(sorted(several))}", choose
        return "", ""

    def score(self, row: Mapping[str, Any]) -> tuple[str, float] | None:
        """Metric and score 0-10 of a sample, or None where it has none."""
        for name, number in sorted(metrics_of(row).items()):
            if name in self._used and 0 <= number <= self.full:
                return name, number * SCORE_MAX / self.full
        return None
