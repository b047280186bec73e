"""The scores of a submission, and how they are written.

A class per thing that a reader asks for; figures are those that are published: nine decimals, NaN where there is none.
`to_dict` gives the JSON of `rsd-bench schema result`, with null for NaN; `from_dict` reads it back.
"""

from __future__ import annotations

import math
from collections.abc import Container, Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import TYPE_CHECKING, Any

from rsd_bench.config import CONFIDENCE, DROP_AT_CA, INTERVAL, MAX_SHOWN_ROWS, PLAIN_INTERVAL, SCENARIOS, scenarios_of
from rsd_bench.inert_text import html_table
from rsd_bench.submission.submission import DatasetVersion as DatasetVersion
from rsd_bench.submission.submission import RouterLatency as DeclaredLatency
from rsd_bench.types import Interval, RoutingScore, Scenario
from rsd_bench.version import METRICS_VERSION, __version__

if TYPE_CHECKING:
    import pandas as pd

METRICS = ("apsp", "mean_score", "ca", "ail", "rcs")
_DECIMALS = 9  # of a published number: hides the last bits, in which machines differ
_BOUNDS = ("value", "low", "high")
_JSON_KEYS = {"apsp_drop": f"apsp_drop_at_ca_{DROP_AT_CA:g}"}  # where a field's name says less


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


@dataclass(frozen=True, kw_only=True)
class DomainScore:
    """Scores on one domain of a track's test part."""

    domain: str
    n: int
    groups: int
    apsp: Interval
    mean_score: Interval
    ca: Interval
    ail: Interval
    rcs: Interval

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> DomainScore:
        return cls(domain=data["domain"], n=data["n"], groups=data["groups"], **_intervals(data, METRICS))


@dataclass(frozen=True)
class SweepPoint:
    """Scores at one threshold: small model iff p_edge >= tau."""

    tau: float
    apsp: float
    ca: float
    ail: float
    rcs: float


@dataclass(frozen=True, kw_only=True)
class EvalScore:
    """Scores on one track under one scenario. gain: RCS minus that of `best_fixed`, paired; regret: to the RCS oracle.

    auroc: None where the test part has one label only. apsp_drop: at CA 0.8. references: scores by policy.
    """

    track: str
    scenario: str
    n: int
    groups: int
    tau: float
    apsp: Interval
    mean_score: Interval
    ca: Interval
    ail: Interval
    rcs: Interval
    best_fixed: str
    gain: Interval
    oracle_rcs: float
    regret: float
    auroc: float | None
    brier: float
    ece: float
    edge_label_rate: float
    area_apsp_ca: float
    apsp_drop: float
    worst_domain: str
    worst_domain_rcs: float
    references: Mapping[str, RoutingScore]
    domains: tuple[DomainScore, ...]
    sweep: tuple[SweepPoint, ...]

    def to_dict(self, without: Container[str] = ()) -> dict[str, Any]:
        """Plain data, `without` some of the fields."""
        kept = {name: value for name, value in vars(self).items() if name not in without}
        if "references" in kept:
            kept["references"] = policy_rows(self.references)
        return {_JSON_KEYS.get(name, name): json_data(value) for name, value in kept.items()}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> EvalScore:
        data = {"edge_label_rate": math.nan, **data}  # the schema does not require it
        figures = {field.name: data[_JSON_KEYS.get(field.name, field.name)] for field in fields(cls)}
        figures |= _intervals(data, (*METRICS, "gain"))
        figures["references"] = {
            row["policy"]: RoutingScore(**{k: v for k, v in row.items() if k != "policy"}) for row in data["references"]
        }
        figures["domains"] = tuple(map(DomainScore.from_dict, data["domains"]))
        figures["sweep"] = tuple(SweepPoint(**point) for point in data["sweep"])
        return cls(**figures)


@dataclass(frozen=True)
class Result:
    """Scores of a submission, one EvalScore per track and scenario that it enters.

    slug, name: of the submission. dataset: name, version and hash of what it was scored on. latency_basis: where the
    seconds come from (a profile, or a measurement). router_latency: what was declared, in seconds. bootstrap: how
    intervals were made. scores: by track and scenario; the MES they are scored at is in [0, 10]. metrics_version,
    package_version: of the package that scored it.
    scenarios: what the names of the scenarios stand for, None where they are the presets.
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

    def to_dict(self) -> dict[str, Any]:
        """Plain data, as results/<slug>.json has it; equal inputs give an equal dict."""
        data = {name: json_data(value) for name, value in vars(self).items() if name != "scenarios"}
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
        return cls(**{**data, **typed})

    def to_frame(self) -> pd.DataFrame:
        """One row a track and scenario: the metrics with `_low` and `_high`, and the diagnostics."""
        import pandas as pd

        return pd.DataFrame([flat_row(score.to_dict()) for score in self.scores])

    def _repr_html_(self) -> str:
        """A row a track and scenario, for a notebook."""
        header = ("track", "scenario", "queries", "RCS", "gain", "APSP", "CA", "AIL, seconds")
        rows = [
            (
                *(score.track, score.scenario, f"{score.n:,}"),
                *(score.rcs.text(), score.gain.text(sign="+")),
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


def policy_rows(references: Mapping[str, RoutingScore]) -> list[dict[str, Any]]:
    """Reference policies as JSON has them, each row with its name."""
    return [{"policy": name, **json_data(score)} for name, score in references.items()]


def flat_row(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row of JSON without its nested tables; an interval {value, low, high} becomes three columns."""
    out: dict[str, Any] = {}
    for key, value in row.items():
        if isinstance(value, dict):
            if value.keys() == set(_BOUNDS):
                out[key], out[f"{key}_low"], out[f"{key}_high"] = value["value"], value["low"], value["high"]
        elif not isinstance(value, (list, tuple)):
            out[key] = value
    return out


def rounded(value: Any) -> Any:
    """Figures as they are published, to nine decimals, also inside dataclasses, mappings, lists and tuples."""
    if isinstance(value, float):
        return round(value, _DECIMALS) + 0.0  # no -0.0
    if isinstance(value, (list, tuple)):
        return type(value)(map(rounded, value))
    if isinstance(value, Mapping):
        return {key: rounded(item) for key, item in value.items()}
    if is_dataclass(value) and not isinstance(value, type):
        return type(value)(**{name: rounded(item) for name, item in vars(value).items()})
    return value


def json_data(value: Any) -> Any:
    """What JSON can hold: dataclasses as dicts, tuples as lists, NaN as None."""
    if isinstance(value, float):
        return None if math.isnan(value) else value
    if value is None or isinstance(value, (str, int)):
        return value
    if isinstance(value, (list, tuple)):
        return [json_data(item) for item in value]
    if isinstance(value, Mapping):
        return {key: json_data(item) for key, item in value.items()}
    if isinstance(value, EvalScore):
        return value.to_dict()
    if is_dataclass(value):
        return {name: json_data(item) for name, item in vars(value).items()}
    return value


def interval_text(interval: Interval, digits: int = 4, sign: str = "") -> str:
    """value [low, high]; sign "+" shows the sign of positive numbers too; "-" stands for what is not known."""
    return interval.text(digits, sign)


def _intervals(data: Mapping[str, Any], names: tuple[str, ...]) -> dict[str, Interval]:
    return {name: _interval(data[name]) for name in names}


def _interval(data: Mapping[str, float | None]) -> Interval:
    value, low, high = (math.nan if (bound := data[name]) is None else bound for name in _BOUNDS)
    return Interval(value, low, high)


def _known(kind: type[Any], data: Mapping[str, Any]) -> Any:
    """A dataclass from what it knows of an object that may hold more."""
    return kind(**{field.name: data[field.name] for field in fields(kind)})
