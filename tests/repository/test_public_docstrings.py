"""What `rsd_bench` gives says what goes in, of which shape and unit, what comes out and what is raised.

Guards against a public function whose arguments can only be guessed. A docstring may hand on to another ("Arguments as
`lift`"): then that one is read too. What a test cannot read is whether the words are right.
"""

from __future__ import annotations

import inspect
import re
from typing import Any

import pytest

import rsd_bench

PUBLIC = {name: getattr(rsd_bench, name) for name in rsd_bench.__all__ if callable(getattr(rsd_bench, name))}
FUNCTIONS = [name for name, value in PUBLIC.items() if not isinstance(value, type)]
#: What an argument or a field of this name, or with this part in its name, is measured in.
UNITS = {
    r"mes$": r"\[0, 10\]|0 to 10|MES",
    r"(small|large|scores)$": r"\[0, 10\]|0 to 10|models? of the pair",
    r"latenc|_s$|^ail$": r"seconds|latency",
    r"costs?$": r"USD|unit",
    r"^p$|p_edge": r"\[0, 1\]",
    r"groups$": r"groups of queries|ids of|n_groups groups",
    r"^n_boot$": r"resamples|bootstrap",
}


def told(value: Any, seen: frozenset[str] = frozenset()) -> str:
    """The docstring, and those that it hands on to."""
    text = inspect.getdoc(value) or ""
    others = re.findall(r"(?:[Aa]rguments(?: and errors)?|errors)\s+as\s+`(\w+)`", text)
    return " ".join([text, *(told(PUBLIC[name], seen | {name}) for name in others if name not in seen)])


def missing(value: Any) -> list[str]:
    """What the docstring of a public name does not say."""
    text = " ".join(told(value).split())
    found = []
    for name, parameter in inspect.signature(value).parameters.items():
        if not re.search(rf"\b{name}\b", text):
            found.append(f"{name} is not explained")
        if parameter.annotation is inspect.Parameter.empty:
            found.append(f"{name} has no type")
        found += [
            f"{name} has no unit" for part, unit in UNITS.items() if re.search(part, name) and not re.search(unit, text)
        ]
    if not isinstance(value, type):
        returned = str(inspect.signature(value).return_annotation)
        if "Array" in returned and "shape (" not in text:
            found.append("what it returns has no shape")
        if "DataFrame" in returned and not re.search(r"Returns a DataFrame \w", text):
            found.append("the columns that it returns are not named")
        if not re.search(r"Raises \w+|\w*Error\b", text):
            found.append("errors are not named")
    return found


@pytest.mark.parametrize("name", PUBLIC)
def test_a_docstring_is_whole(name: str) -> None:
    assert missing(PUBLIC[name]) == []


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_docstring_begins_with_one_sentence(name: str) -> None:
    first = (inspect.getdoc(PUBLIC[name]) or "").split("\n\n")[0]
    assert re.match(r"[A-Z1].*[.:]", first, re.S)


def test_a_gap_is_seen() -> None:
    def silent(p_edge: Any, mes: float, untyped) -> None:  # type: ignore[no-untyped-def]
        """Do something with an mes."""

    assert missing(silent) == [
        "p_edge is not explained",
        "p_edge has no unit",
        "mes has no unit",
        "untyped is not explained",
        "untyped has no type",
        "errors are not named",
    ]

    def handed_on(p_edge: Any, small: Any, large: Any, mes: float) -> None:
        """Arguments and errors as `lift`."""

    assert missing(handed_on) == []
