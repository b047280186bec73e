"""A threshold curve as text: APSP, CA and latency per threshold, two characters each. `model.js` reads it.

Packed for the page, where 200 submissions on every track and scenario must stay under 1.5 MB.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

_DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
_FULL = 64 * 64 - 1


def pack_curve(sweep: Sequence[Mapping[str, float]], all_large: float) -> str:
    """APSP, CA and (1 + latency saved) / 2 of each row; saved = 1 - AIL / AIL_all-large. 12 bits a figure."""
    figures = [(row["apsp"], row["ca"], 1 - row["ail"] / all_large / 2) for row in sweep]
    whole = [min(max(round(value * _FULL), 0), _FULL) for row in figures for value in row]
    return "".join(_DIGITS[k >> 6] + _DIGITS[k & 63] for k in whole)
