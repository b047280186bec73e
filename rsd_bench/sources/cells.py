"""What stands in a cell of a foreign table, whatever type its format gave it: text, a number, a count, a label.

A cell that is no such thing is a ValueError that says so; nothing is guessed. NaN is no number: a table that means
"none" by it leaves the cell empty.
"""

from __future__ import annotations

import json
import math
import re
import sys
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from rsd_bench.config import SCORE_MAX
from rsd_bench.sources.ids import row_id

NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_MAX_COUNT = 2**53 - 1  # the largest whole number that every JSON reader keeps
_TRUTH = {"true": 1.0, "1": 1.0, "false": 0.0, "0": 0.0}
#: Full marks of each scale that a map may state; "true/false" holds truth values, as words or as 1 and 0.
SCALES = {"0-1": 1.0, "0-10": 10.0, "0-100": 100.0, "true/false": 1.0}


def cell_text(value: Any) -> str:
    """A cell as text: None, NaN and an empty list are "", a list of one is its item, truth and structures are JSON."""
    if isinstance(value, list) and len(value) < 2:
        value = value[0] if value else None
    if value is None or value != value:
        return ""
    if isinstance(value, float):
        return row_id(str(value))
    return value.strip() if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def is_empty(value: Any) -> bool:
    """Whether a cell says nothing: null, or a text of white space."""
    return value is None or (isinstance(value, str) and not value.strip())


def cell_number(value: Any, least: float = 0.0, most: float = math.inf) -> float:
    """A finite number in [least, most], or its text."""
    number = value
    if isinstance(value, str) and NUMBER.fullmatch(value.strip()):
        number = float(value.strip())
    if isinstance(number, bool) or not isinstance(number, (int, float, Decimal)):
        raise ValueError(f"is {_shown(value)}, which is no number")
    if number != number:
        raise ValueError("is NaN; leave the cell empty where there is no number")
    if not least <= number <= min(most, sys.float_info.max):
        raise ValueError(f"is {_shown(value)}, which is not in [{least:g}, {most:g}]")
    return float(number)


def cell_count(value: Any) -> int:
    """A whole number from 0, also as 12.0, which is how pandas writes one beside an empty cell."""
    number = cell_number(value, 0, _MAX_COUNT)
    if number != int(number):
        raise ValueError(f"is {_shown(value)}, which is no whole number")
    return int(number)


def cell_score(value: Any, scale: str) -> float:
    """A cell of a score column as a score, 0-10; `scale` is one of SCALES."""
    if scale == "true/false":
        truth = _TRUTH.get(row_id(cell_text(value)).lower())
        if truth is None:
            words = ", ".join(_TRUTH)
            raise ValueError(f"is {_shown(value)}, which is neither true nor false: {words} (other words: [labels])")
        number = truth
    else:
        number = cell_number(value, 0, SCALES[scale])
    return number * SCORE_MAX / SCALES[scale]


def cell_label(value: Any, labels: Mapping[str, Any]) -> Any:
    """What `labels`, whose keys are in lower case, say of the text of a cell."""
    text = cell_text(value).casefold()
    if text not in labels:
        raise ValueError(f"is {_shown(value)}, which is none of {', '.join(labels)}")
    return labels[text]


def _shown(value: Any) -> str:
    shown = repr(value)
    return shown if len(shown) <= 40 else f"{shown[:40]}..."
