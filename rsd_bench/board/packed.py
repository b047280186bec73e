"""Whole numbers as text, for the page: signed base64 VLQ, as source maps have it. `packed.js` reads it.

Most numbers of a board are small once counts are written as differences: they take a character or two, where JSON takes
three to ten. Not compressed: a build must give the same bytes with every zlib.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

_DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"


def pack(numbers: Iterable[int]) -> str:
    """Five bits a character from the lowest up, a sixth says that more follow; the lowest of a number is its sign."""
    return "".join(map(_packed, numbers))


@lru_cache(maxsize=1 << 14)
def _packed(number: int) -> str:
    rest, out = -2 * number + 1 if number < 0 else 2 * number, ""
    while rest > 31:
        out += _DIGITS[32 + rest % 32]
        rest //= 32
    return out + _DIGITS[rest]
