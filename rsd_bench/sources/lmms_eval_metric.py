"""Which number of an lmms-eval sample is the score: the metrics of a task's logs, chosen or refused as a whole.

A sample holds its metrics beside its other fields: a number, a truth value, or (as MME has it) an object with a number
under `score`. Without a choice, the only metric of each row is taken; where a row has two that differ, the choice is
the user's. A metric is a share of 1 unless the choice names its full marks ("gpt_score/5").
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from rsd_bench.config import SCORE_MAX
from rsd_bench.types import Problem, Report

#: Fields of a sample that are no metrics.
FIELDS = frozenset(
    ("doc_id", "doc", "input", "target", "arguments", "resps", "filtered_resps", "token_counts", "filter", "metrics")
) | {"doc_hash", "prompt_hash", "target_hash"}
_WITH_FULL_MARKS = re.compile(r"(.+)/(\d+(?:\.\d+)?)")


def metrics_of(row: Mapping[str, Any]) -> dict[str, float]:
    """The metrics of a sample that are one number; those that only an aggregation can read are left out."""
    found = {}
    for name, value in row.items():
        number = value.get("score") if isinstance(value, dict) else value
        if name not in FIELDS and isinstance(number, (bool, int, float)) and math.isfinite(number):
            found[name] = float(number)
    return found


@dataclass
class MetricChoice:
    """The metric of a task. Feed it every sample with `note`, then `settle`; after that `score` gives 0-10 or None."""

    wanted: str | None
    full: float = 1.0
    _seen: set[str] = field(default_factory=set)
    _candidates: set[str] = field(default_factory=set)
    _outside: dict[str, tuple[str, float, int]] = field(default_factory=dict)  # metric -> first row, value, count
    _usable: bool = False

    def __post_init__(self) -> None:
        if self.wanted and (match := _WITH_FULL_MARKS.fullmatch(self.wanted)):
            self.wanted, self.full = match[1], float(match[2])

    def note(self, where: str, row: Mapping[str, Any]) -> None:
        metrics = metrics_of(row)
        self._seen |= metrics.keys()
        if len(set(metrics.values())) > 1:
            self._candidates |= metrics.keys()
        for name, number in metrics.items():
            if not 0 <= number <= self.full:
                first, value, count = self._outside.get(name, (where, number, 0))
                self._outside[name] = (first, value, count + 1)

    def settle(self, where: str, higher_is_better: Mapping[str, Any], report: Report) -> str:
        """Report what makes the choice impossible; return the score rule for SourceInfo."""
        names = ", ".join(sorted(self._seen)) or "none that is a number"
        if self.wanted and self.wanted not in self._seen:
            report(Problem(where, f"no sample has a metric {self.wanted!r}; they have {names}", "choose one of these"))
            return "unscored"
        if not self.wanted and self._candidates:
            names = ", ".join(sorted(self._candidates))
            report(Problem(where, f"samples have several metrics: {names}", "choose one with `metric`"))
            return "unscored"
        used = [self.wanted] if self.wanted else sorted(self._seen)
        for name in used:
            if higher_is_better.get(name) is False:
                report(Problem(where, f"{name} is better when lower: it is no score", "choose another with `metric`"))
            if name in self._outside:
                first, value, count = self._outside[name]
                what = f"{name} is {value:g}, outside 0-{self.full:g} (so are {count} samples)"
                report(Problem(first, what, f'give its full marks ("{name}/100") or choose another with `metric`'))
        self._usable = bool(used)
        return f"lmms-eval {', '.join(used)} (0-{self.full:g}) x {SCORE_MAX / self.full:g}" if used else "unscored"

    def score(self, row: Mapping[str, Any]) -> tuple[str, float] | None:
        """Metric and score 0-10 of a sample, or None where it has none."""
        if not self._usable:
            return None
        for name, number in sorted(metrics_of(row).items()):
            if self.wanted in (None, name) and 0 <= number <= self.full:
                return name, number * SCORE_MAX / self.full
        return None
