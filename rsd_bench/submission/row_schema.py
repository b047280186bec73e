"""The rules of a row of probabilities in a dataset: those of `predictions`, with the columns that its tracks have."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jsonschema import Draft202012Validator

from rsd_bench.schemas import schema
from rsd_bench.submission.submission import MOST_REPEATS, P_EDGE, REPEAT, TEXT_COLUMNS, number_columns


def row_rules(
    tiers: int, *, needed: Sequence[str] = TEXT_COLUMNS, more: Sequence[str] = (), closed: bool = True
) -> Draft202012Validator:
    """The rules of an object a line; `fits` says the same of a number at a glance.

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


def fits(tiers: int, name: str, value: Any) -> bool:
    """Whether the value of a column of numbers, or None where there is none, satisfies the rules."""
    is_p = name in number_columns(tiers)[1:]
    if value is None:
        return tiers > 2 or not is_p
    if type(value) not in (int, float):
        return False
    return bool(0 <= value <= 1 if is_p else 0 <= value <= MOST_REPEATS and value % 1 == 0)
