"""A submission: submission.json and a table of predictions. Decisions only; no score or cost in it counts."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rsd_bench.metrics.arrays import FloatArray

SUBMISSION = "submission.json"
README = "README.md"
PREDICTION_FILES = ("predictions.parquet", "predictions.jsonl", "predictions.csv")
COLUMNS = ("track", "query_id", "scenario", "p_edge")
ALL_SCENARIOS = "*"
SLUG = re.compile(r"[a-z0-9][a-z0-9-]{1,62}")
SLUG_FIX = "use 2 to 63 of a-z, 0-9 and -, the first no -"


@dataclass(frozen=True)
class Submission:
    """A checked submission. `p_edge` maps (track, scenario) to probabilities in the order of the track's test part."""

    meta: Mapping[str, Any]
    p_edge: Mapping[tuple[str, str], FloatArray]

    @property
    def slug(self) -> str:
        return str(self.meta["slug"])

    @property
    def router_latency_s(self) -> float:
        return float(self.meta["router_latency"]["seconds"])

    def tau(self, track: str, scenario: str) -> float:
        return tau_of(self.meta["tau"], track, scenario)


def tau_of(tau: Mapping[str, Any], track: str, scenario: str) -> float:
    """The threshold of a scenario on a track; KeyError where it is not given."""
    value = tau[scenario]
    return float(value[track] if isinstance(value, Mapping) else value)
