"""The answer of a model in a sample log: `resps`, else `filtered_resps`, a text or lists of one around it at any depth.

Nothing there - null, [], [[[]]] - is an answer that was not got, whatever a metric makes of it. What is there and is no
text is a fault, since dropping it would leave a score of nobody knows what; but for likelihoods of choices, pairs of a
number and a truth value, of which a log holds no text.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_FIELDS = ("resps", "filtered_resps")
_TRUTH = (True, False, "True", "False")


def logged_answer(row: Mapping[str, Any], *, repeats: bool = False) -> tuple[str | None, bool]:
    """The text of an answer, None where there is none or it was likelihoods; and whether anything was there.

    repeats: of several answers the first is meant, and a number is a likelihood. ValueError where what is there is no
    text.
    """
    held = {name: _unwrapped(row.get(name), repeats) for name in _FIELDS}
    if text := next((value for value in held.values() if isinstance(value, str)), None):
        return text, True
    if any(isinstance(value, str) for value in held.values()):
        return "", True
    there = {name: value for name, value in held.items() if not _is_nothing(value)}
    if any(_are_likelihoods(value) or (repeats and type(value) in (int, float)) for value in there.values()):
        return None, True
    for name, value in there.items():
        many = len(value) if isinstance(value, list) else 0
        what = f"{many} answers" if many > 1 else f"{str(value)[:40]!r}"
        raise ValueError(f"{name} holds {what}, not the one text that was answered")
    return None, False


def _unwrapped(value: Any, first: bool) -> Any:
    """What lists of one item hold; with `first`, the first item of any list."""
    while isinstance(value, list) and value and (first or len(value) == 1):
        value = value[0]
    return value


def _is_nothing(value: Any) -> bool:
    if isinstance(value, list):
        return all(map(_is_nothing, value))
    return value is None or (isinstance(value, str) and not value.strip())


def _are_likelihoods(value: Any) -> bool:
    """Whether a value is a pair of a likelihood and whether it is the greedy one, or a list of such."""
    if not isinstance(value, list) or not value:
        return False
    return (len(value) == 2 and _is_number(value[0]) and value[1] in _TRUTH) or all(map(_are_likelihoods, value))


def _is_number(value: Any) -> bool:
    try:
        return not isinstance(value, bool) and float(value) <= 0
    except (TypeError, ValueError):
        return False
