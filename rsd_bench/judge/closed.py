"""Judges for queries with a closed answer: exact match and numeric tolerance. No model, no cost, no noise.

They read the candidate's final answer: what follows its last "answer:" or "answer is", or stands in its last \\boxed{},
else the whole text. Right is 10, wrong 0. A text whose final answer cannot be told - several choices, several numbers,
arithmetic left to do, LaTeX beyond \\frac{a}{b} - is `unparseable`, not wrong by guess; a query without a usable
reference stays unscored.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from rsd_bench.judge.verdict import Verdict

RIGHT, WRONG = 10.0, 0.0

_FINAL = re.compile(r"\banswer\s*(?:is\b\s*:?|[:=])|\\boxed\s*\{", re.IGNORECASE)
_CHOICE = re.compile(r"\(?([a-z])\)?(?:\s*[.:)]\s.*|\s*[.:)])?", re.IGNORECASE | re.DOTALL)
_MARK = re.compile(
    r"(?<![\w.'])(?:([A-Za-z])[.:)](?!\S)|\(([A-Za-z])\)|([B-HJ-Z]|A(?=\W*$))(?![\w.'-]))"
)  # not "A cat", "I"
_LETTER = re.compile(r"\(?([A-Za-z])\)?[.:)]?")
_NUMBER = re.compile(
    r"(?<![\w.])(?P<sign>[-+\u2212\u2013])?\s?[$\u20ac\u00a3]?(?P<value>\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?|\.\d+)"
    r"(?:[eE](?P<exponent>[-+]?\d{1,3}))?(?:\s*/\s*(?P<below>\d+(?:\.\d+)?))?(?!\w*\d|[.,]\d)"
)
_TEXT = re.compile(r"\\(?:text|math)\w*\s*\{([^{}]*)\}")
_FRACTION = re.compile(r"(?<![\w.])\\[dt]?frac\s*\{\s*(\d+(?:\.\d+)?)\s*\}\s*\{\s*(\d+(?:\.\d+)?)\s*\}(?![\w\\{^])")
_OPERATOR = r"[-+\u2212\u2013*\u00d7\u00b7\u00f7^/]+"
_UNDONE = re.compile(
    r"\\(?!(?:left|right|quad|approx|circ|degree|displaystyle)\b)[A-Za-z]+"  # a command that may change the number
    rf"|[\d)}}]\s*{_OPERATOR}\s*[({{$]?\d|[A-Za-z](?:\s+{_OPERATOR}\s+|{_OPERATOR}\s*)[({{$]?\d"  # 5 + 5, x + 5
    r"|\u221a|\d\s*[\u03c0\u00b2\u00b3\u00bc-\u00be\u2150-\u215e]|\d,\d"  # 1,5 may be 1.5 or a pair
    r"|\d[\s-]*(?:(?i:hundred|thousand|million|billion|trillion|dozen|mn|bn|k)|M)\b"
    r"|(?i:\bnot|n['\u2019]t|\bminus|\bnegative)\s+[-+\u2212\u2013]?\s?[$\u20ac\u00a3]?\d"
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
    return ClosedJudge("exact-match@2", lambda reference: bool(normalise(reference)), _exact)


def numeric(tolerance: float = 0.01) -> ClosedJudge:
    """Within `tolerance` of the reference, relative to it; a reference of 0 must be met exactly."""

    def usable(reference: str) -> bool:
        return single_number(reference) is not None

    def decide(reference: str, candidate: str) -> Verdict | None:
        final = _final(candidate)
        wanted, given = single_number(reference), single_number(final or "")
        if final is None or wanted is None or given is None:
            return None
        readings = [given]
        if ("%" in final) != ("%" in reference):  # 45 % is 45 where the question asks for per cent, else 0.45
            readings.append(given / 100 if "%" in final else given * 100)
        right = any(math.isclose(x, wanted, rel_tol=0, abs_tol=tolerance * abs(wanted)) for x in readings)
        return Verdict(RIGHT if right else WRONG, f"{given:g} against {wanted:g}, tolerance {tolerance:g}")

    return ClosedJudge(f"numeric-{tolerance:g}@3", usable, decide)


def _exact(reference: str, candidate: str) -> Verdict | None:
    final = _final(candidate)
    if final is None:
        return None
    if letter := _LETTER.fullmatch(reference.strip()):
        given = _CHOICE.fullmatch(final)
        if given is None or len({given[1].casefold(), *_choices(final)}) > 1:
            return None
        right = given[1].casefold() == letter[1].casefold()
    else:
        right = normalise(final) == normalise(reference)
    return Verdict(RIGHT if right else WRONG, "exact match" if right else "no exact match")


def _choices(text: str) -> Iterator[str]:
    """Every choice that a text marks."""
    for match in _MARK.finditer(text):
        yield "".join(filter(None, match.groups())).casefold()


def normalise(text: str) -> str:
    """Text for comparison: NFKC, case folded, white space single, no quotes around it, no punctuation at its end."""
    plain = " ".join(unicodedata.normalize("NFKC", text).casefold().split())
    return plain.strip("\"'`*$ ").rstrip(".,;:!? ").strip("\"'`*$ ")


def _final(text: str) -> str | None:
    """What the candidate gives as its answer; None for a box that is not closed."""
    text = _TEXT.sub(r"\1", text)
    marks = list(_FINAL.finditer(text))
    if not marks:
        return text.strip().strip("*` ")
    rest = text[marks[-1].end() :]
    if marks[-1].group().startswith("\\"):
        return _boxed(rest)
    return rest.strip().strip("*` ").split("\n")[0].strip().strip("*` ")


def _boxed(rest: str) -> str | None:
    """What stands before the brace that closes the box; None where none does."""
    depth = 1
    for position, character in enumerate(rest):
        depth += (character == "{") - (character == "}")
        if depth == 0:
            return rest[:position].strip()
    return None


def single_number(text: str) -> float | None:
    """The one number of a text; None where there is none, several different ones, or a calculation left to do."""
    plain = _FRACTION.sub(r"\1/\2", text)
    values = {_value(match) for match in _NUMBER.finditer(plain)}
    undone = _UNDONE.search(_NUMBER.sub(lambda m: plain[m.start() : m.start("value")] + "0", plain))
    return values.pop() if len(values) == 1 and not undone else None


def _value(match: re.Match[str]) -> float | None:
    """The value of a number; None where it is not finite."""
    value = float(f"{match['value'].replace(',', '')}e{match['exponent'] or 0}")
    below = float(match["below"] or 1)
    if below == 0 or not math.isfinite(value / below):
        return None
    return -value / below if match["sign"] in ("-", "\u2212", "\u2013") else value / below
