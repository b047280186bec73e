"""What a manifest is made of: models, files, sources, queries that are missing, what a track can tell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any


def given(values: dict[str, Any]) -> dict[str, Any]:
    """What is not None."""
    return {key: value for key, value in values.items() if value is not None}


@dataclass(frozen=True)
class ModelPair:
    """The two models that queries are routed between."""

    small: str
    large: str


@dataclass(frozen=True)
class TrackCounts:
    """How much a track can tell. minimum_detectable_gap: in RCS, by scenario, of two routers that are alike."""

    queries: int
    groups: int
    minimum_detectable_gap: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class FileEntry:
    """A file of a dataset. `rows`: of a Parquet file that can be read."""

    sha256: str
    bytes: int
    rows: int | None = None

    def to_dict(self) -> dict[str, Any]:
        return given(asdict(self))


@dataclass(frozen=True)
class SourceEntry:
    """Provenance of a source: whose it is, what may be done with it, how it was scored. `live`, `judging`: by model.

    unvaried: of a source that is scored over the variants of a question, the models without them: they have no score.
    """

    name: str
    license: str
    redistributable: bool
    repository: str
    commit: str
    notes: str
    score_rule: str
    queries: int
    live: Mapping[str, Any] | None = None
    judging: Mapping[str, Any] | None = None
    unvaried: Sequence[str] | None = None
    others: Mapping[str, Any] = field(default_factory=dict)  # keys that this version does not know

    def to_dict(self) -> dict[str, Any]:
        return given({name: getattr(self, name) for name in _SOURCE_KEYS}) | dict(self.others)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> SourceEntry:
        known = {key: value for key, value in data.items() if key in _SOURCE_KEYS}
        return cls(**known, others={key: value for key, value in data.items() if key not in known})


_SOURCE_KEYS = tuple(item.name for item in fields(SourceEntry) if item.name != "others")


@dataclass(frozen=True)
class MissingQuery:
    """A query of a source that stands in no table, and why."""

    query_id: str
    reason: str


@dataclass(frozen=True)
class PrivateOutcomes:
    """Where the test outcomes of a publication lie. `sha256`: in publications before 0.2.0, from which it told them."""

    repository: str
    sha256: str | None = None
