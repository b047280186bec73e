"""Judges for queries with a closed answer: exact match and numeric tolerance. No model, no cost, no noise.

They read the candidate's final answer: what follows its last "answer:" or "answer is" (also "antwort:", a boxed
expression), else the whole text. Right is 10, wrong 0. A text whose final answer cannot be told is `unparseable`, not
wrong by guess; a query without a usable reference stays unscored.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass

from rsd_bench.judge.verdict import Verdict

RIGHT, WRONG = 10.0, 0.0

_FINAL = re.compile(r"\banswer\s*(?:is\b\s*:?|[:=])|\\boxed\s*\{", re.IGNORECASE)
_CHOICE = re.compile(r"\(?([a-z])\)?(?:\s*[.:)]\s.*|\s*[.:)])?", re.IGNORECASE | re.DOTALL)
_LETTER = re.compile(r"\(?([A-Za-z])\)?[.:)]?")
_NUMBER = re.compile(
    r"(?<![\w.])(?P<sign>[-+\u2212])?\s?[$\u20ac\u00a3]?(?P<value>\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?|\.\d+)"
    r"(?:[eE](?P<exponent>[-+]?\d{1,3}))?(?:\s*/\s*(?P<below>\d+(?:\.\d+)?))?(?!\w*\d)"
)


@dataclass(frozen=True)
class ClosedJudge:
    """decide(reference, candidate): a Verdict; None where the candidate's answer cannot be told.

    usable(reference): whether the reference is of the kind that this judge compares.
    """

    name: str
    usable: Callable[[str], bool]
    decide: Callable[[str, str], Verdict | None]


def exact_match() -> ClosedJudge:
    """Equal but for case, white space, quotes and final punctuation; a letter also as "(B)" or "B. text"."""
    return ClosedJudge("exact-match@1", lambda reference: bool(normalise(reference)), _exact)


def numeric(tolerance: float = 0.01) -> ClosedJudge:
    """Within `tolerance` of the reference, relative to it; a reference of 0 must be met exactly."""

    def usable(reference: str) -> bool:
        return single_number(reference) is not None

    def decide(reference: str, candidate: str) -> Verdict | None:
        final = _final(candidate)
        wanted, given = single_number(reference), single_number(final)
        if wanted is None or given is None:
            return None
        readings = [given]
        if ("%" in final) != ("%" in reference):  # 45 % is 45 where the question asks for per cent, else 0.45
            readings.append(given / 100 if "%" in final else given * 100)
        right = any(math.isclose(x, wanted, rel_tol=0, abs_tol=tolerance * abs(wanted)) for x in readings)
        return Verdict(RIGHT if right else WRONG, f"{given:g} against {wanted:g}, tolerance {tolerance:g}")

    return ClosedJudge(f"numeric-{tolerance:g}@1", usable, decide)


def _exact(reference: str, candidate: str) -> Verdict | None:
    final = _final(candidate)
    letter = _LETTER.fullmatch(reference.strip())
    if letter:
        given = _CHOICE.fullmatch(final)
        if given is None:
            return None
        right = given[1].casefold() == letter[1].casefold()
    else:
        right = normalise(final) == normalise(reference)
    return Verdict(RIGHT if right else WRONG, "exact match" if right else "no exact match")


def normalise(text: str) -> str:
    """Text for comparison: NFKC, case folded, white space single, no quotes around it, no punctuation at its end."""
    plain = " ".join(unicodedata.normalize("NFKC", text).casefold().split())
    return plain.strip("\"'`*$ ").rstrip(".,;:!? ").strip("\"'`*$ ")


def _final(text: str) -> str:
    """What the candidate gives as its answer."""
    marks = list(_FINAL.finditer(text))
    if not marks:
        return text.strip().strip("*` ")
    rest = text[marks[-1].end() :]
    if marks[-1].group().startswith("\\"):
        rest = rest.split("}")[0]
    return rest.strip().strip("*` ").split("\n")[0].strip().strip("*` ")


def single_number(text: str) -> float | None:
    """The one number of a text; None where there is none or there are several different ones."""
    found = {value for match in _NUMBER.finditer(text) if (value := _value(match)) is not None}
    return found.pop() if len(found) == 1 else None


def _value(match: re.Match[str]) -> float | None:
    value = float(match["value"].replace(",", "")) * 10.0 ** int(match["exponent"] or 0)
    if match["below"]:
        below = float(match["below"])
        if below == 0:
            return None
        value /= below
    if not math.isfinite(value):
        return None
    return -value if match["sign"] in ("-", "\u2212") else value
