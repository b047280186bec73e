"""Judge files that hold what the judge read out of an answer (`res`, `log`) and no score: whether that is the answer.

MathVista's are such. The columns `answer` and `answer_type` say how `res` is compared, as VLMEvalKit does it for its
`_score.csv` (2024 and 2025):

    multi_choice   the option that `res` names must be `answer_option` (without that column, the one whose text is
                   `answer`). It is the only option letter that stands alone among the words of `res`; where none or
                   several do, the only option whose text stands in `res`, in whatever case
    integer        `res` and `answer` are the same whole number
    float          they are the same number; where a column `precision` says so, rounded to that many decimals
    list, text     they are the same list, or the same text

What is no number, or names no option, is wrong; an empty `res` is no verdict. VLMEvalKit itself never counts a list: of
a file with a list that was answered rightly, its `_score.csv` has one hit less.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from string import ascii_uppercase

from rsd_bench.sources.ids import row_id
from rsd_bench.sources.vlmevalkit.vlmevalkit_images import listed

NEEDED = ("res", "answer", "answer_type")
RULE = (
    "res (0-1: it is the answer; an option by its letter or text, integers, floats at the stated precision, "
    "lists and texts as they stand)"
)
_REFUSALS = (
    "Sorry, I can't help with images of people yet.",
    "I can't process this file.",
    "I'm sorry, but without the image provided",
    "Cannot determine the answer",
)
_PUNCTUATION = str.maketrans(dict.fromkeys(".()[],:;!*#{}", " "))


def is_hit(cells: Mapping[str, str]) -> bool:
    """Whether `res` is the answer. ValueError that says what is wrong with the row where it cannot be told."""
    said, answer, kind = (cells.get(name, "").strip() for name in NEEDED)
    choices = [str(choice) for choice in listed(cells.get("choices", ""))]
    if cells.get("question_type", "").strip() == "multi_choice" or (not cells.get("question_type") and choices):
        return named_option(said, choices) == _right_option(cells, choices, answer)
    if not answer:
        raise ValueError("has no answer")
    if kind == "integer":
        return _number(said, int) == _required(answer, int)
    if kind == "float":
        decimals = row_id(cells.get("precision", ""))
        if decimals and not re.fullmatch("[0-9]{1,2}", decimals):
            raise ValueError(f"precision {decimals[:20]!r} is no number of decimals")
        return _rounded(_number(said, float), decimals) == _rounded(_required(answer, float), decimals)
    if kind in ("list", "text"):
        return said == answer or listed(said) == listed(answer) != []
    raise ValueError(f"answer_type {kind!r} is none of integer, float, list, text")


def named_option(said: str, choices: list[str]) -> str | None:
    """The letter of the option that a text names; None where it names none, or several."""
    letters = ascii_uppercase[: len(choices)]
    if any(refusal in said for refusal in _REFUSALS):
        return None
    words = said.translate(_PUNCTUATION).split()
    alone = [letter for letter in letters if letter in words]
    if len(alone) == 1:
        return alone[0]
    if not alone and "Z" in words:  # what the judge is told to say where no option was meant
        return None
    told = [letter for letter, text in zip(letters, choices, strict=False) if text.lower() in said.lower()]
    return told[0] if len(told) == 1 else None


def _right_option(cells: Mapping[str, str], choices: list[str], answer: str) -> str:
    if not 1 < len(choices) <= len(ascii_uppercase):
        raise ValueError(f"choices {cells.get('choices', '')!r} is no list of options")
    stated = cells.get("answer_option", "").strip()
    letters = dict(zip(ascii_uppercase, choices, strict=False))
    right = [letter for letter, text in letters.items() if letter == stated or (not stated and text == answer)]
    if len(right) != 1:
        raise ValueError(f"answer {stated or answer!r} is none of its options, or several")
    return right[0]


def _number(text: str, kind: type[int] | type[float]) -> float | None:
    try:
        number = kind(row_id(text))
        return number if math.isfinite(number) else None
    except (ValueError, OverflowError):  # an integer of more digits than any float has
        return None


def _required(text: str, kind: type[int] | type[float]) -> float:
    number = _number(text, kind)
    if number is None:
        raise ValueError(f"answer {text!r} is no {'integer' if kind is int else 'number'}")
    return number


def _rounded(number: float | None, decimals: str) -> float | None:
    return round(number, int(decimals)) if number is not None and decimals else number
