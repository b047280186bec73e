"""What a leaderboard is made of; `to_dict` gives leaderboard.json. Page, CSV and Markdown are written from the same.

Curves and spreads stand on a row for the page alone: leaderboard.json leaves curves to results/<slug>.json.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rsd_bench.board.case import Spread
from rsd_bench.board.sensitivity import Sensitivity
from rsd_bench.board.what_if import DomainFrame, Statistics
from rsd_bench.config import MAX_SHOWN_ROWS
from rsd_bench.dataset.manifest import ModelPair
from rsd_bench.evaluation.result import (
    EvalScore,
    OverallScore,
    Resampling,
    RouterLatency,
    json_data,
    policy_rows,
)
from rsd_bench.inert_text import html_table
from rsd_bench.submission.submission import Tau
from rsd_bench.types import Interval, Problem, RoutingScore, Scenario

_NOT_FIGURES = ("track", "scenario", "references", "domains", "sweep")  # fields of a score


@dataclass(frozen=True, kw_only=True)
class BoardDataset:
    """The dataset of a board."""

    name: str
    version: str
    pair: ModelPair
    queries: int
    manifest_sha256: str


@dataclass(frozen=True)
class NoiseCeiling:
    """Share of queries whose label flips when judged again, and the agreement that leaves."""

    flip_prob: float
    agreement_ceiling: float


@dataclass(frozen=True, kw_only=True)
class BoardSubmission:
    """Who submitted what. sha256: of the files; tau: as submitted, by scenario, where it differs by track too."""

    slug: str
    sha256: str
    name: str
    authors: tuple[str, ...]
    url: str | None
    description: str
    tau: Tau
    router_latency: RouterLatency
    flags: tuple[str, ...] = ()

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> BoardSubmission:
        listed = {name: tuple(data[name]) for name in ("authors", "flags")}
        return cls(**{**data, **listed, "router_latency": RouterLatency(**data["router_latency"])})


@dataclass(frozen=True)
class Refused:
    """A submission that is not scored. sha256: of its files, None where they cannot be read."""

    slug: str
    sha256: str | None
    problems: tuple[Problem, ...]


@dataclass(frozen=True, kw_only=True)
class BoardRow:
    """A router in a ranking. band: None where it cannot be compared with the others; a flag says why.

    domain_bands: its band within each of `score.domains`; statistics, spread, mean_tau
    (over repeats and folds), curve: for the page.
    """

    band: int | None
    slug: str
    name: str
    score: EvalScore
    domain_bands: tuple[int | None, ...]
    decisions_sha256: str
    flags: tuple[str, ...]
    statistics: Statistics
    spread: Spread
    mean_tau: float | None
    curve: str

    def figures(self) -> dict[str, Any]:
        """The row without its domains and flags."""
        return {"band": self.band, "slug": self.slug, "name": self.name, **self.score.to_dict(without=_NOT_FIGURES)}

    def to_dict(self) -> dict[str, Any]:
        domains = zip(self.score.domains, self.domain_bands, strict=True)
        return {
            **self.figures(),
            "domains": [{**json_data(domain), "band": band} for domain, band in domains],
            "decisions_sha256": self.decisions_sha256,
            "flags": list(self.flags),
        }


@dataclass(frozen=True, kw_only=True)
class BoardTable:
    """The ranking of one track and scenario: rows from the best band down, and reference policies without a rank.

    tiers: the models, cheapest first; empty: each query's own pair. minimum_detectable_gap: in RCS. no_bands: why there
    are none, so that every row has band 1; else None. best_fixed: the reference policy of the highest RCS.
    """

    track: str
    scenario: str
    protocol: str
    tiers: tuple[str, ...]
    n: int
    groups: int
    minimum_detectable_gap: float | None
    no_bands: str | None
    best_fixed: str
    rows: tuple[BoardRow, ...]
    references: Mapping[str, RoutingScore]
    domain_references: Mapping[str, Mapping[str, RoutingScore]]
    frames: tuple[DomainFrame, ...]
    fixed: Mapping[str, Statistics]
    sensitivity: Sensitivity

    def to_dict(self) -> dict[str, Any]:
        by_slug = sorted(self.rows, key=lambda row: row.slug)
        random = {row.slug: {"random": row.score.references["random"]} for row in by_slug}
        return {
            "track": self.track,
            "scenario": self.scenario,
            "protocol": self.protocol,
            "tiers": list(self.tiers),
            "n": self.n,
            "groups": self.groups,
            "minimum_detectable_gap": self.minimum_detectable_gap,
            "no_bands": self.no_bands,
            "best_fixed": self.best_fixed,
            "rows": [row.to_dict() for row in self.rows],
            "references": policy_rows(self.references),
            "domain_references": {domain: policy_rows(rows) for domain, rows in self.domain_references.items()},
            "random": {slug: policy_rows(row)[0] for slug, row in random.items()},
            "what_if": {
                "domains": json_data(self.frames),
                "statistics": {row.slug: row.statistics for row in by_slug},
                "fixed": dict(self.fixed),
            },
            "sensitivity": json_data(self.sensitivity),
        }


@dataclass(frozen=True, kw_only=True)
class OverallRow:
    """A router over the suite: means over its tracks and scenarios, and by scenario. band: by skill."""

    band: int
    slug: str
    name: str
    kind: str
    skill: Interval
    gain: Interval
    by_scenario: Mapping[str, OverallScore]


@dataclass(frozen=True, kw_only=True)
class BoardOverall:
    """Routers that enter every track of the suite. minimum_detectable_gap: in skill. no_bands: as in a table.

    A fixed policy has skill and gain 0: the reference row.
    """

    tracks: tuple[str, ...]
    groups: int
    minimum_detectable_gap: float | None
    no_bands: str | None
    rows: tuple[OverallRow, ...]

    def to_dict(self) -> dict[str, Any]:
        data: dict[str, Any] = {name: json_data(value) for name, value in vars(self).items()}
        return data | {"references": [{"policy": "best-fixed", "skill": 0.0, "gain": 0.0}]}


@dataclass(frozen=True, kw_only=True)
class Leaderboard:
    """All that is published: what holds for every table, who submitted, the tables, who is refused.

    scenarios_given: they are not the dataset's own; overall: None where nobody enters a whole suite; prices_day: of
    the prices behind `saved_usd`, None where no row has any. They are said where it is so.
    """

    dataset: BoardDataset
    metrics_version: int
    package_version: str
    latency_basis: tuple[str, ...]
    bootstrap: Resampling
    scenarios: Mapping[str, Scenario]
    scenarios_given: bool = False
    noise: Mapping[str, NoiseCeiling] | None
    submissions: tuple[BoardSubmission, ...]
    overall: BoardOverall | None = None
    prices_day: str | None = None
    tables: tuple[BoardTable, ...]
    refused: tuple[Refused, ...]

    def to_dict(self) -> dict[str, Any]:
        tables = [table.to_dict() for table in self.tables]
        data = {name: tables if name == "tables" else json_data(value) for name, value in vars(self).items()}
        data["overall"] = self.overall and self.overall.to_dict()
        left_out = {name for name in ("scenarios_given", "overall", "prices_day") if not data[name]}
        return {name: value for name, value in data.items() if name not in left_out}

    def _repr_html_(self) -> str:
        """The overall table, else that of the first track and scenario, for a notebook."""
        figure, first = "skill", self.overall or next(iter(self.tables), None)
        told, ranked = "no router", list[tuple[int | None, str, str, Interval]]()
        if self.overall:
            told = f"overall, {len(self.overall.tracks)} tracks, {self.overall.groups:,} groups"
            ranked = [(row.band, row.name, row.skill.text(3), row.gain) for row in self.overall.rows]
        elif self.tables:
            table, figure = self.tables[0], "RCS"
            told = f"{table.scenario} ({table.track}), {table.n:,} queries"
            ranked = [(row.band, row.name, row.score.rcs.text(3), row.score.gain) for row in table.rows]
        left = len(ranked) - MAX_SHOWN_ROWS
        notes = (told, first.no_bands if first else None, f"{left} more" if left > 0 else None)
        caption = f"{self.dataset.name} {self.dataset.version}: {'; '.join(filter(None, notes))}"
        rows = [(str(band or "-"), name, value, gain.points()) for band, name, value, gain in ranked[:MAX_SHOWN_ROWS]]
        return html_table(caption, ("band", "router", figure, "gain, points"), rows)
