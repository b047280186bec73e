"""How figures are published, and read back: rounded once, null for NaN, an interval as {value, low, high}."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import is_dataclass
from typing import Any

from rsd_bench.config import DROP_AT_CA
from rsd_bench.types import Interval, RoutingScore

_DECIMALS = 9  # of a published number: hides the last bits, in which machines differ
_AT_CA, DROP = "apsp_at_ca", f"apsp_drop_at_ca_{DROP_AT_CA:g}"  # keys of a score
_BOUNDS = ("value", "low", "high")


class Published:
    """What says itself how it stands in JSON."""

    def to_dict(self) -> dict[str, Any]:
        raise NotImplementedError


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
    if isinstance(value, Published):
        return value.to_dict()
    if is_dataclass(value):
        return {name: json_data(item) for name, item in vars(value).items()}
    return value


def policy_rows(references: Mapping[str, RoutingScore]) -> list[dict[str, Any]]:
    """Reference policies as JSON has them, each row with its name."""
    return [{"policy": name, **json_data(score)} for name, score in references.items()]


def flat_row(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row of JSON without its nested tables; an interval {value, low, high} becomes three columns.

    So does APSP at each fixed CA.
    """
    out: dict[str, Any] = {}
    at_ca = {f"apsp_at_ca_{of['ca']:g}": of["apsp"] for of in row.get(_AT_CA, ())}
    for key, value in {**row, **at_ca}.items():
        if isinstance(value, dict):
            if value.keys() == set(_BOUNDS):
                out[key], out[f"{key}_low"], out[f"{key}_high"] = value["value"], value["low"], value["high"]
        elif not isinstance(value, (list, tuple)):
            out[key] = value
    return out


def interval_text(interval: Interval, digits: int = 4, sign: str = "") -> str:
    """value [low, high]; sign "+" shows the sign of positive numbers too; "-" stands for what is not known."""
    return interval.text(digits, sign)


def interval_of(data: Mapping[str, float | None]) -> Interval:
    """An interval as JSON has it."""
    value, low, high = (math.nan if (bound := data[name]) is None else bound for name in _BOUNDS)
    return Interval(value, low, high)
