"""What every importer yields: one SourceInfo, then queries and responses, each with where it was read.

An importer only parses. Checking across rows (duplicates, unknown queries, images that do not decode), model aliases
and storage are done once, in `store`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from rsd_bench.config import MAX_SECONDS, SCORE_MAX, is_latency
from rsd_bench.metrics.arrays import entered
from rsd_bench.types import InputError

#: How an outcome ended. Only `ok` has a score.
STATUSES = ("ok", "unscored", "refused", "filtered", "truncated", "unparseable", "error")


@dataclass(frozen=True)
class SourceInfo:
    """Provenance of a source. `redistributable`: may images and texts be re-hosted?"""

    source: str  # short id, as in the queries
    name: str
    license: str
    redistributable: bool
    repository: str = ""
    commit: str = ""
    notes: str = ""
    score_rule: str = ""  # how the tool's own scores became 0-10
    latency_basis: str = "reported"


@dataclass(frozen=True)
class Query:
    """A question about an image. `image` reads its original bytes (OSError where it cannot).

    image_name: what the source calls the image, for what is said of it; "" where it has no name.
    """

    where: str
    query_id: str
    domain: str
    group: str
    question: str
    reference_answer: str | None
    image: Callable[[], bytes]
    image_name: str = ""


@dataclass(frozen=True)
class Judgment:
    """One judge call: score 0-10, what the judge said, and which presentation or repeat it was."""

    score: float
    verdict: str
    repeat: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "score", entered(self.score))


@dataclass(frozen=True)
class Response:
    """A model's outcome on a query. `score` None with a status other than ok; latency in seconds, energy in joules.

    Whatever enters a store, read or clocked, is one of these: its score is rounded as all scores are that enter, and a
    score outside of 0 to 10, or a latency that is none, is an InputError.
    """

    where: str
    query_id: str
    model: str
    status: str
    response: str | None = None
    score: float | None = None
    judge: str | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    latency_s: float | None = None
    latency_basis: str | None = None  # default: that of the source
    energy_j: float | None = None
    energy_basis: str | None = None
    judgments: tuple[Judgment, ...] = field(default=())

    def __post_init__(self) -> None:
        if self.score is not None:
            if not 0 <= self.score <= SCORE_MAX:
                raise InputError.at(self.where, f"score {self.score} is not in [0, 10]", "give a score, or none")
            object.__setattr__(self, "score", entered(self.score))
        if self.latency_s is not None and not is_latency(self.latency_s):
            what = f"latency_s is {self.latency_s}, which is no latency"
            raise InputError.at(self.where, what, f"give a number of seconds from 0 to {MAX_SECONDS:g}")


@dataclass(frozen=True)
class Source:
    """An opened source: its provenance and its rows, read as they are asked for, queries first.

    Faults of a row go to the `report` the importer was given, and the row is left out of the iterators.
    """

    info: SourceInfo
    queries: Iterator[Query]
    responses: Iterator[Response]
