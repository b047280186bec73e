"""The scores of a submission as plain data, and how they are written."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from rsd_bench.version import METRICS_VERSION, __version__

if TYPE_CHECKING:
    import pandas as pd

_DECIMALS = 9  # of a published number: hides the last bits, in which machines differ
_BOUNDS = ("value", "low", "high")
_INTERVAL = set(_BOUNDS)


@dataclass(frozen=True)
class Result:
    """Scores of a submission. `scores` holds one dict per track and scenario (see `rsd-bench schema result`)."""

    slug: str
    name: str
    dataset: Mapping[str, str]
    latency_basis: tuple[str, ...]
    router_latency: Mapping[str, Any]
    bootstrap: Mapping[str, Any]
    scores: tuple[dict[str, Any], ...]
    metrics_version: int = METRICS_VERSION
    package_version: str = __version__

    def to_dict(self) -> dict[str, Any]:
        """Plain data, numbers rounded to nine decimals; equal inputs give an equal dict."""
        return {field.name: rounded(getattr(self, field.name)) for field in fields(self)}

    def to_frame(self) -> pd.DataFrame:
        """One row a track and scenario: the metrics with `_low` and `_high`, and the diagnostics."""
        import pandas as pd

        return pd.DataFrame([flat_row(row) for row in self.to_dict()["scores"]])


def flat_row(row: Mapping[str, Any]) -> dict[str, Any]:
    """A score dict without its nested tables; an interval {value, low, high} becomes three columns."""
    out: dict[str, Any] = {}
    for key, value in row.items():
        if isinstance(value, dict):
            if value.keys() == _INTERVAL:
                out[key], out[f"{key}_low"], out[f"{key}_high"] = value["value"], value["low"], value["high"]
        elif not isinstance(value, (list, tuple)):
            out[key] = value
    return out


def rounded(value: Any) -> Any:
    """Plain data as it is published: numbers to nine decimals, NaN as None."""
    if isinstance(value, float) and math.isnan(value):
        return None
    if isinstance(value, float):
        return round(value, _DECIMALS) + 0.0  # no -0.0
    if isinstance(value, Mapping):
        return {key: rounded(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [rounded(item) for item in value]
    return value


def interval_text(value: Mapping[str, float | None], digits: int = 4, sign: str = "") -> str:
    """value [low, high]; sign "+" shows the sign of positive numbers too; "-" stands for what is not known."""
    shown = ("-" if x is None or math.isnan(x) else f"{x:{sign}.{digits}f}" for x in map(value.get, _BOUNDS))
    return "{} [{}, {}]".format(*shown)
