"""Which score of inspect-ai samples counts, and on what scale: one scorer for a whole source, or none is guessed.

inspect-ai's own reading of a value (`value_to_float`) is kept: C is 1, P is a half, I and N are 0, as are "no" and
"false"; true and "yes" are 1; a number is itself, and so is a text that is one. N, "no answer", is a verdict on the
model and counts 0 in inspect-ai's accuracy. NaN says that there is no verdict: such a sample is unscored. Any other
text, which inspect-ai would count 0 with a warning, belongs to a scale of the task's own: it is refused by name.

Numbers are shares of 1 unless the choice states their full marks.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from rsd_bench.config import SCORE_MAX
from rsd_bench.sources.inspect_ai.inspect_sample import values_of
from rsd_bench.sources.source import SourceProblem
from rsd_bench.types import Report

_MARKS = {"C": 1.0, "P": 0.5, "I": 0.0, "N": 0.0}
_WORDS = {"yes": 1.0, "true": 1.0, "no": 0.0, "false": 0.0}


@dataclass
class _Values:
    """What the samples hold under one name."""

    count: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    foreign: dict[str, str] = field(default_factory=dict)  # value that is no score -> where it was first
    outside: list[tuple[str, float]] = field(default_factory=list)  # the first of them
    n_outside: int = 0


@dataclass
class ScoreChoice:
    """The scorer of a task. Feed it the scores of every sample with `note`, then `settle`; after that use `score`.

    wanted: the name of the scorer, SCORER or SCORER.KEY. full: full marks of its numbers.
    """

    wanted: str | None
    full: float = 1.0
    name: str = ""  # of the scorer, once settled
    _seen: dict[str, _Values] = field(default_factory=dict)

    def note(self, where: str, scores: Mapping[str, Any]) -> None:
        """Raises ValueError where a score cannot be read."""
        for name, value in values_of(scores).items():
            values = self._seen.setdefault(name, _Values())
            if value is None:
                continue
            values.count += 1
            kind, share = self._read(value)
            values.kinds[kind] += 1
            if kind == "foreign":
                values.foreign.setdefault(str(value)[:40], where)
            elif not 0 <= share <= 1:
                values.n_outside += 1
                values.outside = values.outside or [(where, share * self.full)]

    def _read(self, value: Any) -> tuple[str, float]:
        """What kind of value it is, and its share of the full marks."""
        if isinstance(value, bool):
            return "words", float(value)
        if isinstance(value, str):
            if value in _MARKS:
                return "marks", _MARKS[value]
            if value.strip().lower() in _WORDS:
                return "words", _WORDS[value.strip().lower()]
            try:
                value = float(value)
            except ValueError:
                return "foreign", math.nan
        if not isinstance(value, int | float) or math.isnan(value):
            return "foreign", math.nan
        try:
            return "numbers", float(value) / self.full
        except OverflowError:  # a whole number beyond every float
            return "numbers", math.inf

    def settle(self, where: str, report: Report) -> str:
        """Report what makes the choice impossible; return the score rule for SourceInfo."""
        scored = {name: values for name, values in self._seen.items() if values.count}
        listed = ", ".join(f"{name} ({values.count})" for name, values in sorted(scored.items())) or "none"
        if self.wanted and self.wanted not in scored:
            report(SourceProblem(where, f"no sample is scored by {self.wanted!r}; they have {listed}", "choose one"))
            return "unscored"
        if not self.wanted and len(scored) > 1:
            report(SourceProblem(where, f"samples have several scores: {listed}", "choose one with --scorer"))
            return "unscored"
        if not scored:
            return "unscored"
        name = self.wanted or next(iter(scored))
        values = scored[name]
        for value, first in list(values.foreign.items())[:1]:
            others = f" and {len(values.foreign) - 1} other values" if len(values.foreign) > 1 else ""
            what = f"{name} gives {value!r}{others}, which inspect-ai does not read as a score"
            report(SourceProblem(first, what, "choose another with --scorer"))
        for first, number in values.outside:
            what = f"{name} gives {number:g}, outside 0-{self.full:g} (so do {values.n_outside} samples)"
            report(SourceProblem(first, what, "state its full marks with --scale, or choose another with --scorer"))
        if not values.foreign and not values.outside:
            self.name = name
        return f"inspect-ai {name}: {self._rule(values)}"

    def _rule(self, values: _Values) -> str:
        rules = {
            "marks": "C = 10, P = 5, I = 0, N (no answer) = 0",
            "words": "true or yes = 10, false or no = 0",
            "numbers": f"numbers (0-{self.full:g}) x {SCORE_MAX / self.full:g}",
        }
        return "; ".join(rule for kind, rule in rules.items() if values.kinds[kind])

    def score(self, scores: Mapping[str, Any]) -> tuple[float, str] | None:
        """Score 0-10 of a sample and its value as it was logged; None where it has none."""
        value = values_of(scores).get(self.name) if self.name else None
        if value is None:
            return None
        return self._read(value)[1] * SCORE_MAX, str(value)
