"""What people must say of a dataset, because no figure can: uses, limits, biases, contact, citation.

`dataset_cards/facts.toml` holds what is true of every dataset built here; a recipe's [card] table replaces any of it.
Card, datasheet and Croissant are written from the same facts, which the manifest carries, so that a folder alone is
enough to write them again.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from rsd_bench.config import read_toml
from rsd_bench.schemas import NO_WEB_LINK, is_web_link
from rsd_bench.types import InputError, Problem

_PACKAGE = Path(__file__).parent.parent
# beside the code in an installed package, at the root of the repository in a checkout
CARDS = next(root / "dataset_cards" for root in (_PACKAGE, _PACKAGE.parent) if (root / "dataset_cards").is_dir())


@cache
def _defaults() -> dict[str, Any]:
    return read_toml(CARDS / "facts.toml")


@cache
def _columns() -> dict[str, dict[str, str]]:
    return read_toml(CARDS / "columns.toml")


def card_facts(given: Mapping[str, Any] | None = None, where: object = "[card]") -> dict[str, Any]:
    """The shipped facts with those of a recipe in their place. InputError for an unknown key or another type."""
    problems = []
    for key, value in (given or {}).items():
        default = _defaults().get(key)
        if default is None:
            problems.append(Problem(str(where), f"[card] {key} is unknown", f"use {', '.join(_defaults())}"))
        elif isinstance(default, str) and not isinstance(value, str):
            problems.append(Problem(str(where), f"[card] {key} is not a string", f'{key} = "..."'))
        elif key == "url" and not is_web_link(value):
            problems.append(Problem(str(where), f"[card] url {value[:80]!r} {NO_WEB_LINK}", "give the page as it is"))
        elif isinstance(default, list) and not _texts(value):
            problems.append(Problem(str(where), f"[card] {key} is not a list of strings", f'{key} = ["..."]'))
    if problems:
        raise InputError(problems)
    return {key: _stripped((given or {}).get(key, default)) for key, default in _defaults().items()}


def _texts(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(item, str) for item in value)


def _stripped(value: Any) -> Any:
    return value.strip() if isinstance(value, str) else list(value)


def column_meaning(table: str, column: str) -> str:
    """What a column holds, in words; "" for a column that has none."""
    if column.startswith("label_mes_"):
        return f"edge (1) or cloud (0) at a Minimal Expectation Score of {column.removeprefix('label_mes_')}"
    found = _columns().get(table, {}).get(column, "")
    if not found and table == "splits":
        return f"the query's part in track {column}: train, validation, test or null"
    return found
