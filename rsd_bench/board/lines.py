"""JSON as the board writes it: small diffs and fast."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False).encode


def to_json(value: Any, depth: int = 2) -> bytes:
    """JSON with a line for each item of the first levels: small diffs, and the fast encoder for all below."""
    return ("".join(_lines(value, depth, "")) + "\n").encode()


def _lines(value: Any, depth: int, indent: str) -> Iterator[str]:
    if not depth or not value or not isinstance(value, (dict, list)):
        yield _encode(value)
        return
    keyed = isinstance(value, dict)
    yield "{" if keyed else "["
    for i, item in enumerate(value):
        yield f"{',' if i else ''}\n{indent} "
        if keyed:
            yield f"{_encode(item)}: "
        yield from _lines(value[item] if keyed else item, depth - 1, f"{indent} ")
    yield f"\n{indent}{'}' if keyed else ']'}"
