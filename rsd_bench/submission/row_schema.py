"""The rules of a row of probabilities in a dataset: those of `predictions`, with the columns that its tracks have."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from jsonschema import Draft202012Validator

from rsd_bench.schemas import schema
from rsd_bench.submission.submission import MOST_REPEATS, P_EDGE, REPEAT, TEXT_COLUMNS, number_columns

_NUMBERS = (int, float)


def row_rules(
    tiers: int, *, needed: Sequence[str] = TEXT_COLUMNS, more: Sequence[str] = (), closed: bool = True
) -> Draft202012Validator:
    """The rules of an object a line; `number_checks` says the same of numbers at a glance.

    tiers: of the track that has most of them; of two, every row needs a p_edge. more: columns of whole numbers beside
    `repeat`. closed: whether a row may have other columns.
    """
    rules = schema("predictions")
    kinds = {name: rules["properties"][name] for name in (*TEXT_COLUMNS, REPEAT, P_EDGE)}
    kinds |= dict.fromkeys(more, kinds[REPEAT]) | dict.fromkeys(number_columns(tiers)[2:], kinds[P_EDGE])
    if tiers == 2:
        kinds[P_EDGE] = kinds[P_EDGE] | {"type": "number"}
    required = [*needed, *([P_EDGE] if tiers == 2 else ())]
    found = {"type": "object", "properties": kinds, "required": required, "additionalProperties": not closed}
    return Draft202012Validator(found)


def number_checks(tiers: int, more: Sequence[str] = ()) -> dict[str, Callable[[Any], bool]]:
    """By column of numbers, whether a value, or None where there is none, satisfies the rules: quick, row by row."""
    whole, *of_p = number_columns(tiers)
    return dict.fromkeys((whole, *more), _is_whole) | dict.fromkeys(of_p, _is_p if tiers == 2 else _may_be_p)


def _is_p(value: Any) -> bool:
    return type(value) in _NUMBERS and 0 <= value <= 1


def _may_be_p(value: Any) -> bool:
    return value is None or (type(value) in _NUMBERS and 0 <= value <= 1)


def _is_whole(value: Any) -> bool:
    return value is None or (type(value) in _NUMBERS and 0 <= value <= MOST_REPEATS and value % 1 == 0)
