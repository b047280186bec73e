"""Whether people were satisfied: a file of `people` whose rows have `satisfied` (0 or 1), or `rating` on a scale.

Optional columns: annotator, and cohort: the group of people, or the case of use, that the rating speaks for.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from rsd_bench.judge.people import Answer, Form, Row, number, read_people

_YES_NO = {"0": False, "1": True, "0.0": False, "1.0": True, "false": False, "true": True}
_SCALE = re.compile(r"(-?\d+(?:\.\d+)?)(?:-|\.\.)(-?\d+(?:\.\d+)?)")
_OR_RATING = "; of a column `rating` say what it means: --scale 1-5 --satisfied-from 4"


@dataclass(frozen=True)
class Scale:
    """A scale of ratings from `low` to `high`; who gives `satisfied_from` or more is satisfied."""

    low: float
    high: float
    satisfied_from: float

    @classmethod
    def of(cls, text: str, satisfied_from: float) -> Scale:
        """From LOW-HIGH (or LOW..HIGH); ValueError where that is none, or leaves nobody unsatisfied."""
        found = _SCALE.fullmatch(text.strip())
        low, high = map(float, found.groups()) if found else (0.0, 0.0)
        if not low < high:
            raise ValueError(f"scale: {text[:40]!r} is not LOW-HIGH, such as 1-5")
        if not low < satisfied_from <= high:
            raise ValueError(f"satisfied_from: must be above {low:g} and at most {high:g}, not {satisfied_from:g}")
        return cls(low, high, satisfied_from)

    def satisfies(self, row: Row) -> bool:
        """Whether the rating of a row does; ValueError where it is not of this scale."""
        rating = number("rating", row["rating"])
        if not self.low <= rating <= self.high:
            raise ValueError(f"rating {rating:g} is not in [{self.low:g}, {self.high:g}]")
        return rating >= self.satisfied_from

    def __str__(self) -> str:
        return f"{self.satisfied_from:g} or more of {self.low:g} to {self.high:g}"


@dataclass(frozen=True)
class Rating:
    """Whether one person was satisfied with one answer. annotator, cohort: "" where the file does not say."""

    query_id: str
    model: str
    satisfied: bool
    annotator: str
    cohort: str


def read_ratings(path: Path, known: Collection[Answer], scale: Scale | None = None) -> list[Rating]:
    """The ratings of a file. known: (query_id, model) of every scored answer. InputError listing every fault.

    scale: of the column `rating`; without one, the column `satisfied` is read.
    """
    if scale is None:
        column, read, or_else = "satisfied", _satisfied, _OR_RATING
        fix = "query_id, model, satisfied (0 or 1)" + or_else
    else:
        column, read, or_else = "rating", scale.satisfies, ""
        fix = f"a rating from {scale.low:g} to {scale.high:g}, or the --scale that people were given"
    person = ("annotator", "cohort")
    form = Form(column, read, fix, needs="scored", done="rated", header_fix=or_else, person=person)
    return [Rating(s.query_id, s.model, s.value, *s.person) for s in read_people(path, form, known)]


def _satisfied(row: Row) -> bool:
    value = row["satisfied"]
    try:
        return _YES_NO[str(value).strip().casefold()]
    except KeyError:
        raise ValueError(f"satisfied {str(value)[:40]!r} is neither 0 nor 1") from None
