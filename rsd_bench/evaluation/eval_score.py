"""The scores of a submission on one track under one scenario.

What a file of metrics version 1 does not hold is None, or empty, when it is read back.
"""

from __future__ import annotations

import math
from collections.abc import Container, Mapping
from dataclasses import dataclass, fields
from typing import Any

from rsd_bench.evaluation.published import DROP, Published, interval_of, json_data, policy_rows
from rsd_bench.types import Interval, RoutingScore

METRICS = ("apsp", "mean_score", "ca", "ail", "rcs")
_JSON_KEYS = {"apsp_drop": DROP}  # where a field's name says less
#: Figures that not every score has: lift and skill of two tiers only, USD where tokens and prices are known.
_OPTIONAL = (
    *("lift", "skill", "captured", "over_escalated", "under_escalated", "saved_calls", "saved_usd"),
    *("saved_usd_queries", "repeats", "auroc_tiers", "apsp_at_ca"),
)


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
    """Scores at one threshold of all tiers: the first tier whose p reaches tau. Means over repeats."""

    tau: float
    apsp: float
    ca: float
    ail: float
    rcs: float


@dataclass(frozen=True)
class Repeats:
    """Deals of the folds that are entered, the RCS of each, and its standard deviation over them (None of one)."""

    entered: tuple[int, ...]
    rcs: tuple[float, ...]
    rcs_std: float | None

    @property
    def number(self) -> int:
        return len(self.entered)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Repeats:
        return cls(tuple(data["entered"]), tuple(data["rcs"]), data["rcs_std"])


@dataclass(frozen=True)
class ApspAtCa:
    """APSP where a share `ca` of the queries, those of highest p, stays on the small model; and over a random share."""

    ca: float
    apsp: Interval
    gain: Interval

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> ApspAtCa:
        return cls(data["ca"], interval_of(data["apsp"]), interval_of(data["gain"]))


@dataclass(frozen=True, kw_only=True)
class EvalScore(Published):
    """Scores on one track under one scenario, means over repeats.

    kind: query, or cascade: the router saw a tier's answer before it went on. tau: None where it differs by repeat,
    fold or tier. gain: RCS minus that of `best_fixed`, paired; regret: to the RCS oracle of its kind; captured: the
    gain's share of what that oracle gains. over_escalated, under_escalated: shares sent beyond, kept below the
    competent tier. saved_calls, saved_usd: per 1,000 queries, against all on the last tier; USD over the
    saved_usd_queries whose costs are known on every tier.
    auroc: of the first tier, NaN where the test part has one label only; auroc_tiers: of each tier but the last, where
    there are more than two. brier, ece: means over tiers. apsp_drop: at CA 0.8. references: scores by policy.
    """

    track: str
    scenario: str
    kind: str
    n: int
    groups: int
    repeats: Repeats | None
    tau: float | None
    apsp: Interval
    mean_score: Interval
    ca: Interval
    ail: Interval
    rcs: Interval
    best_fixed: str
    gain: Interval
    oracle_rcs: float
    regret: float
    captured: Interval | None
    lift: Interval | None
    skill: Interval | None
    auroc: Interval
    auroc_tiers: tuple[Interval, ...]
    apsp_at_ca: tuple[ApspAtCa, ...]
    over_escalated: Interval | None
    under_escalated: Interval | None
    saved_calls: Interval | None
    saved_usd: Interval | None
    saved_usd_queries: int | None
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
        """Plain data, `without` some of the fields; optional ones that are not known are not there."""
        kept = {name: value for name, value in vars(self).items() if name not in without}
        kept = {name: value for name, value in kept.items() if name not in _OPTIONAL or value not in (None, ())}
        if "references" in kept:
            kept["references"] = policy_rows(self.references)
        found = {_JSON_KEYS.get(name, name): json_data(value) for name, value in kept.items()}
        if self.repeats and "repeats" in found:
            found["repeats"] = {"number": self.repeats.number, **found["repeats"]}
        return found

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> EvalScore:
        """From data that the schema `result` allows, of this metrics version or the first."""
        defaults = {"edge_label_rate": math.nan, "kind": "query"}
        data = {**dict.fromkeys(_OPTIONAL), **defaults, **data}  # the schema does not require them
        figures = {field.name: data[_JSON_KEYS.get(field.name, field.name)] for field in fields(cls)}
        figures |= _intervals(data, (*METRICS, "gain"))
        figures |= _intervals(data, tuple(name for name in _OPTIONAL[:7] if data[name] is not None))
        auroc = data["auroc"]
        figures["auroc"] = interval_of(
            auroc if isinstance(auroc, dict) else {"value": auroc, "low": None, "high": None}
        )
        figures["repeats"] = data["repeats"] and Repeats.from_dict(data["repeats"])
        figures["auroc_tiers"] = tuple(map(interval_of, data["auroc_tiers"] or ()))
        figures["apsp_at_ca"] = tuple(map(ApspAtCa.from_dict, data["apsp_at_ca"] or ()))
        figures["references"] = {
            row["policy"]: RoutingScore(**{k: v for k, v in row.items() if k != "policy"}) for row in data["references"]
        }
        figures["domains"] = tuple(map(DomainScore.from_dict, data["domains"]))
        figures["sweep"] = tuple(SweepPoint(**point) for point in data["sweep"])
        return cls(**figures)


def _intervals(data: Mapping[str, Any], names: tuple[str, ...]) -> dict[str, Interval]:
    return {name: interval_of(data[name]) for name in names}
