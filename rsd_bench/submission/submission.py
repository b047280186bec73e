"""A submission: submission.json and a table of predictions. Decisions only; no score or cost in it counts.

The names of its files, columns and fields, and the dataclasses that the rest of this package passes on.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from rsd_bench.config import ROUTER_LATENCY_S
from rsd_bench.version import SUBMISSION_SCHEMA_VERSION

if TYPE_CHECKING:
    from rsd_bench.metrics.arrays import FloatArray, IntArray

SUBMISSION = "submission.json"
README = "README.md"
PREDICTION_FILES = ("predictions.parquet", "predictions.jsonl", "predictions.csv")
ALLOWED_FILES = {SUBMISSION, *PREDICTION_FILES, README}
TEXT_COLUMNS = ("track", "query_id", "scenario")
REPEAT, P_EDGE = "repeat", "p_edge"
COLUMNS = (*TEXT_COLUMNS, P_EDGE)  # of every table; `repeat` and `p_1` ... where a track has them
TIER_COLUMN = re.compile(r"p_[1-9][0-9]*")
MOST_REPEATS = 1_000  # no deal has a larger number
ALL_SCENARIOS = "*"
QUERY, CASCADE = KINDS = ("query", "cascade")
SLUG = re.compile(r"[a-z0-9][a-z0-9-]{1,62}")
SLUG_FIX = "use 2 to 63 of a-z, 0-9 and -, the first no -"
NO_INK = "\u034f\u115f\u1160\u2800\u3164\uffa0"  # letters, symbols and marks to Unicode, blank to the eye

Threshold = (
    float | Sequence[Any]
)  # a number, or a list by repeat of numbers or lists by fold of numbers or lists by tier
Tau = Mapping[str, Threshold | Mapping[str, Threshold]]  # by scenario: a threshold, or one by track


def p_columns(tiers: int) -> tuple[str, ...]:
    """The columns of probabilities of a track of so many tiers."""
    return (P_EDGE,) if tiers == 2 else tuple(f"p_{k}" for k in range(1, tiers))


def number_columns(tiers: int) -> tuple[str, ...]:
    """The columns of numbers that a table may have where no track has more tiers than that."""
    return (REPEAT, P_EDGE, *(p_columns(tiers) if tiers > 2 else ()))


@dataclass(frozen=True)
class RouterLatency:
    """The router's own seconds per query, and what it ran on; where nothing was measured, what the paper states."""

    seconds: float = ROUTER_LATENCY_S
    hardware: str = "not stated"


@dataclass(frozen=True, kw_only=True)
class Declaration:
    """What an author states of a router: words to be shown, the thresholds, and the router's latency.

    kind: `cascade` where the router sees a tier's answer before it decides whether to go on. A router that is trained
    first is given its name, authors and tau where they are left out.
    """

    name: str = ""
    authors: tuple[str, ...] = ()
    tau: Tau = field(default_factory=dict)
    router_latency: RouterLatency = RouterLatency()
    description: str | None = ""
    url: str | None = None
    kind: str = QUERY


@dataclass(frozen=True)
class DatasetVersion:
    """The data that a router's predictions are for."""

    name: str
    version: str
    manifest_sha256: str


@dataclass(frozen=True)
class Metadata:
    """What submission.json says."""

    slug: str
    dataset: DatasetVersion
    declared: Declaration

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> Metadata:
        """Of fields that the schema holds for sound; numbers stay as they were written."""
        declared = Declaration(
            name=fields["name"],
            authors=tuple(fields["authors"]),
            tau=fields["tau"],
            router_latency=RouterLatency(**fields["router_latency"]),
            description=fields.get("description"),
            url=fields.get("url"),
            kind=fields.get("kind", QUERY),
        )
        return cls(fields["slug"], DatasetVersion(**fields["dataset"]), declared)

    def to_dict(self) -> dict[str, Any]:
        """As submission.json: what was not given is not there."""
        declared = asdict(self.declared) | {"authors": list(self.declared.authors)}
        given = {name: value for name, value in declared.items() if value is not None}
        return {
            "schema_version": SUBMISSION_SCHEMA_VERSION,
            "slug": self.slug,
            "dataset": asdict(self.dataset),
            **given,
        }


@dataclass(frozen=True)
class Decisions:
    """What a submission says of a track under a scenario: R repeats of n queries, in the order of its test part.

    repeats: which deals of the folds, rising; (0,) where the track is not cross-fitted. p: P(tier k is good enough), of
    shape (R, n, K - 1); one array for all scenarios that it was given for. tau: what each p is held against, of that
    shape, and not to be written to: it may differ by repeat, fold and tier.
    """

    repeats: tuple[int, ...]
    p: FloatArray
    tau: FloatArray

    @cached_property
    def choice(self) -> IntArray:
        """The tier that answers, 0 ... K - 1, shape (R, n): the first whose p reaches its tau, else the last."""
        from rsd_bench.metrics.tiers import first_hit  # numpy is wanted only here: results name what stands above

        n_repeats, n, _ = self.p.shape
        return first_hit((self.p >= self.tau).reshape(n_repeats * n, -1)).reshape(n_repeats, n)


@dataclass(frozen=True)
class Submission:
    """A checked submission: what it says of each (track, scenario) that it enters."""

    meta: Metadata
    entries: Mapping[tuple[str, str], Decisions]

    @property
    def slug(self) -> str:
        return self.meta.slug

    @property
    def cascade(self) -> bool:
        """Whether the router sees a tier's answer before it goes on to the next."""
        return self.meta.declared.kind == CASCADE

    @property
    def router_latency_s(self) -> float:
        return float(self.meta.declared.router_latency.seconds)
