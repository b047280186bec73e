"""The result of a submission, and how it is written.

Figures are those that are published: nine decimals, NaN where there is none. `to_dict` gives the JSON of `rsd-bench
schema result`, with null for NaN; `from_dict` reads it back, that of metrics version 1 too, whose new figures are None.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from rsd_bench.config import CONFIDENCE, INTERVAL, MAX_SHOWN_ROWS, PLAIN_INTERVAL, SCENARIOS, scenarios_of
from rsd_bench.evaluation.eval_score import METRICS as METRICS
from rsd_bench.evaluation.eval_score import DomainScore as DomainScore
from rsd_bench.evaluation.eval_score import EvalScore as EvalScore
from rsd_bench.evaluation.eval_score import SweepPoint as SweepPoint
from rsd_bench.evaluation.published import flat_row as flat_row
from rsd_bench.evaluation.published import interval_of
from rsd_bench.evaluation.published import interval_text as interval_text
from rsd_bench.evaluation.published import json_data as json_data
from rsd_bench.evaluation.published import policy_rows as policy_rows
from rsd_bench.evaluation.published import rounded as rounded
from rsd_bench.inert_text import html_table
from rsd_bench.submission.submission import DatasetVersion as DatasetVersion
from rsd_bench.submission.submission import RouterLatency as DeclaredLatency
from rsd_bench.types import Interval, Scenario
from rsd_bench.version import METRICS_VERSION, __version__

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class RouterLatency(DeclaredLatency):
    """What was declared, marked as such."""

    basis: str = "declared"


@dataclass(frozen=True)
class Resampling:
    """How often and of what the bootstrap draws, n_boot 0: not at all; and how intervals follow from its samples."""

    n_boot: int
    seed: int
    unit: str = "group"
    interval: str = INTERVAL


@dataclass(frozen=True)
class Bootstrap(Resampling):
    """What a result says of its intervals."""

    confidence: float = CONFIDENCE


@dataclass(frozen=True)
class OverallScore:
    """Overall skill and gain over all scenarios, or one: means over the suite's tracks, jointly resampled."""

    skill: Interval
    gain: Interval

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> OverallScore:
        return cls(interval_of(data["skill"]), interval_of(data["gain"]))


@dataclass(frozen=True)
class Overall(OverallScore):
    """What a submission reaches over a suite. groups: of the track that has the fewest."""

    by_scenario: Mapping[str, OverallScore]
    tracks: tuple[str, ...]
    groups: int

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Overall:
        by_scenario = {name: OverallScore.from_dict(score) for name, score in data["by_scenario"].items()}
        whole = OverallScore.from_dict(data)
        return cls(whole.skill, whole.gain, by_scenario, tuple(data["tracks"]), data["groups"])


@dataclass(frozen=True)
class Result:
    """Scores of a submission, one EvalScore per track and scenario that it enters.

    slug, name: of the submission. dataset: name, version and hash of what it was scored on. latency_basis: where the
    seconds come from (a profile, or a measurement). router_latency: what was declared, in seconds. bootstrap: how
    intervals were made. scores: by track and scenario; the MES they are scored at is in [0, 10]. metrics_version,
    package_version: of the package that scored it.
    scenarios: what the names of the scenarios stand for, None where they are the presets. overall: None where the
    dataset has no suite, or not every track of it is entered. prices_day: of the prices behind `saved_usd`.
    """

    slug: str
    name: str
    dataset: DatasetVersion
    latency_basis: tuple[str, ...]
    router_latency: RouterLatency
    bootstrap: Bootstrap
    scores: tuple[EvalScore, ...]
    metrics_version: int = METRICS_VERSION
    package_version: str = __version__
    scenarios: Mapping[str, Scenario] | None = None
    overall: Overall | None = None
    prices_day: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain data, as results/<slug>.json has it; equal inputs give an equal dict."""
        data = {
            name: json_data(value)
            for name, value in vars(self).items()
            if name != "scenarios" and not (name in ("overall", "prices_day") and value is None)
        }
        if self.scenarios is not None:
            data["scenarios"] = {name: scenario.figures for name, scenario in self.scenarios.items()}
        return data

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Result:
        """A Result from data that the schema `result` allows."""
        typed = {
            "dataset": DatasetVersion(**data["dataset"]),
            "latency_basis": tuple(data["latency_basis"]),
            "router_latency": _known(RouterLatency, data["router_latency"]),
            "bootstrap": _known(Bootstrap, {"interval": PLAIN_INTERVAL, **data["bootstrap"]}),
            "scores": tuple(map(EvalScore.from_dict, data["scores"])),
        }
        if "scenarios" in data:
            typed["scenarios"] = scenarios_of(data["scenarios"].items(), data["slug"])
        if "overall" in data:
            typed["overall"] = Overall.from_dict(data["overall"])
        return cls(**{**data, **typed})

    def to_frame(self) -> pd.DataFrame:
        """One row a track and scenario: the metrics with `_low` and `_high`, and the diagnostics."""
        import pandas as pd

        return pd.DataFrame([flat_row(score.to_dict()) for score in self.scores])

    def _repr_html_(self) -> str:
        """A row a track and scenario, for a notebook."""
        header = ("track", "scenario", "queries", "RCS", "gain, points", "APSP", "CA", "AIL, seconds")
        rows = [
            (
                *(score.track, score.scenario, f"{score.n:,}"),
                *(score.rcs.text(), score.gain.points()),
                *(f"{score.apsp.value:.3f}", f"{score.ca.value:.3f}", f"{score.ail.value:.2f}"),
            )
            for score in self.scores[:MAX_SHOWN_ROWS]
        ]
        left = len(self.scores) - len(rows)
        caption = f"{self.name} on {self.dataset.name} {self.dataset.version}; gain: over the best fixed policy"
        return html_table(caption + (f"; {left} more rows in to_frame()" if left else ""), header, rows)


def are_presets(scenarios: Mapping[str, Scenario]) -> bool:
    """Whether these are the presets, or some of them."""
    return all(SCENARIOS.get(name) == scenario for name, scenario in scenarios.items())


def _known(kind: type[Any], data: Mapping[str, Any]) -> Any:
    """A dataclass from what it knows of an object that may hold more."""
    return kind(**{field.name: data[field.name] for field in fields(kind)})
