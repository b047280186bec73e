"""What every importer yields: one SourceInfo, then queries and responses, each with where it was read.

An importer only parses. Checking across rows (duplicates, unknown queries, images that do not decode), model aliases
and storage are done once, in `store`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from rsd_bench.config import MAX_SECONDS, SCORE_MAX, UNSUPPORTED, is_latency
from rsd_bench.metrics.arrays import entered
from rsd_bench.types import InputError, Problem

#: How an outcome ended. `ok` has a score; so has `unsupported`, always 0: the model takes no such medium, which is an
#: outcome and no gap. All others have none. `unsent`: the query's media could not be sent, whatever the model takes.
UNSENT = "unsent"
STATUSES = ("ok", "unscored", "refused", "filtered", "truncated", "unparseable", UNSUPPORTED, UNSENT, "error")
#: What a query may hold beside its text, and the modality of one that holds nothing else.
MEDIA_KINDS, TEXT = ("image", "audio", "video"), "text"


def modality_of(kinds: Iterable[str]) -> str:
    """The modality of a query with media of these kinds: "image", "image+audio", "text" where there are none."""
    given = set(kinds)
    return "+".join(kind for kind in MEDIA_KINDS if kind in given) or TEXT


class SourceProblem(Problem):
    """A fault of a source as a whole, which leaving out some of its rows does not mend."""


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
    metric: str = ""  # what all scores of the source must be, where its tool gives several and one was chosen
    latency_basis: str = "reported"


def metric_of(score_rule: str) -> str:
    """The metric that a score rule speaks of, and its scale: the rule without what it adds; "" for no scores."""
    return "" if score_rule.startswith(("unscored", "no responses")) else score_rule.partition(";")[0]


@dataclass(frozen=True)
class Media:
    """One image, sound or video of a query: `read` gives its original bytes (OSError where it cannot).

    name: what the source calls it, for what is said of it; "" where it has no name.
    """

    kind: str  # one of MEDIA_KINDS
    read: Callable[[], bytes]
    name: str = ""


@dataclass(frozen=True)
class Query:
    """A question and what it is about: one or more media in the order in which a model sees them, or none.

    modality: the kinds of media, joined by "+", or "text"; by default that of `media`. One that is stated with no
        media says that the media are not to be had, which is no fault: the question and its outcomes still count.
    """

    where: str
    query_id: str
    domain: str
    group: str
    question: str
    reference_answer: str | None
    media: tuple[Media, ...] = ()
    modality: str = ""

    def __post_init__(self) -> None:
        if not self.modality:
            object.__setattr__(self, "modality", modality_of(media.kind for media in self.media))

    @property
    def media_available(self) -> bool:
        return bool(self.media) or self.modality == TEXT


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
    """A model's outcome on a query. `score` None with a status other than ok; seconds, US dollars and joules as given.

    Whatever enters a store, read or clocked, is one of these: its score is rounded as all scores are that enter, and a
    score outside of 0 to 10, or a latency that is none, is an InputError. detail: why there is no answer, in a line.
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
    first_token_s: float | None = None
    cost_usd: float | None = None
    energy_j: float | None = None
    energy_basis: str | None = None
    judgments: tuple[Judgment, ...] = field(default=())
    detail: str | None = None

    def __post_init__(self) -> None:
        if self.status == UNSUPPORTED:
            if self.score:
                raise InputError.at(self.where, f"score {self.score} of an unsupported query", "give 0, or none")
            object.__setattr__(self, "score", 0.0)
        if self.score is not None:
            if not 0 <= self.score <= SCORE_MAX:
                raise InputError.at(self.where, f"score {self.score} is not in [0, 10]", "give a score, or none")
            object.__setattr__(self, "score", entered(self.score))
        for field_name in ("latency_s", "first_token_s"):
            seconds = getattr(self, field_name)
            if seconds is not None and not is_latency(seconds):
                what = f"{field_name} is {seconds}, which is no latency"
                raise InputError.at(self.where, what, f"give a number of seconds from 0 to {MAX_SECONDS:g}")


@dataclass(frozen=True)
class VariantScores:
    """A model's scores, 0-10, on the variants of one question: the queries of a group are some of those variants."""

    where: str
    group: str
    model: str
    scores: tuple[float, ...]


@dataclass(frozen=True)
class Source:
    """An opened source: its provenance and its rows, read as they are asked for, queries first.

    Faults of a row go to the `report` the importer was given, and the row is left out of the iterators; faults of the
    source as a whole go there as SourceProblem, or are raised.
    """

    info: SourceInfo
    queries: Iterator[Query]
    responses: Iterator[Response]
    variants: Iterator[VariantScores] = field(default_factory=lambda: iter(()))
