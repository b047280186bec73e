"""A threshold curve as text: APSP, CA and latency per threshold, two characters each. `model.js` reads it.

Packed for the page, where 200 submissions on every track and scenario must stay under 1.5 MB.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from rsd_bench.evaluation.result import SweepPoint

_DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
_FULL = 64 * 64 - 1


def pack_curve(sweep: Sequence[SweepPoint], all_large: float) -> str:
    """A digit k, then of each point APSP, CA and 1 - AIL / AIL_all-large / 2^k with 12 bits a figure.

    2^k is the lowest power of two, at least 2, that no latency exceeds.
    """
    longest = max(point.ail for point in sweep) / all_large
    span = min(max(1, math.ceil(math.log2(longest))), len(_DIGITS) - 1) if longest > 0 else 1
    figures = [(point.apsp, point.ca, 1 - point.ail / all_large / 2**span) for point in sweep]
    whole = [min(max(round(value * _FULL), 0), _FULL) for row in figures for value in row]
    return _DIGITS[span] + "".join(_DIGITS[k >> 6] + _DIGITS[k & 63] for k in whole)
