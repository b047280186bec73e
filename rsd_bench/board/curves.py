"""A threshold curve as text: APSP, CA and latency per threshold, two characters each. `model.js` reads it.

Packed for the page, where 200 submissions on every track and scenario must stay under 1.5 MB.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

_DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
_FULL = 64 * 64 - 1


def pack_curve(sweep: Sequence[Mapping[str, float]], all_large: float) -> str:
    """A digit k, then of each row APSP, CA and 1 - AIL / AIL_all-large / 2^k with 12 bits a figure.

    2^k is the lowest power of two, at least 2, that no latency exceeds.
    """
    longest = max(row["ail"] for row in sweep) / all_large
    span = min(max(1, math.ceil(math.log2(longest))), len(_DIGITS) - 1) if longest > 0 else 1
    figures = [(row["apsp"], row["ca"], 1 - row["ail"] / all_large / 2**span) for row in sweep]
    whole = [min(max(round(value * _FULL), 0), _FULL) for row in figures for value in row]
    return _DIGITS[span] + "".join(_DIGITS[k >> 6] + _DIGITS[k & 63] for k in whole)
