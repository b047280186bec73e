"""JSON as the board writes it: small diffs and fast."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson


def to_json(value: Any, depth: int = 2) -> bytes:
    """JSON with a line for each item of the first levels: small diffs, and the fast encoder for all below.

    Raises ValueError for text that no file can hold.
    """
    try:
        return b"".join(_lines(value, depth, b"")) + b"\n"
    except TypeError as error:  # orjson's own kind
        raise ValueError(str(error)) from None


def _lines(value: Any, depth: int, indent: bytes) -> Iterator[bytes]:
    if not depth or not value or not isinstance(value, (dict, list)):
        yield orjson.dumps(value)
        return
    keyed = isinstance(value, dict)
    yield b"{" if keyed else b"["
    for i, item in enumerate(value):
        yield b"%s\n%s " % (b"," if i else b"", indent)
        if keyed:
            yield orjson.dumps(item) + b": "
        yield from _lines(value[item] if keyed else item, depth - 1, indent + b" ")
    yield b"\n%s%s" % (indent, b"}" if keyed else b"]")
