"""Judges for queries with a closed answer: exact match and numeric tolerance. No model, no cost, no noise.

They read the candidate's final answer: what follows its last "answer:" or "answer is", or stands in its last \\boxed{},
else the whole text. Right is 10, wrong 0. A text whose final answer cannot be told - several choices, words after a
letter that are not its option, a number among words that `quantity` does not know - is `unparseable`, not wrong by
guess; a query without a usable reference stays unscored.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from rsd_bench.judge.quantity import may_be_another_unit, read_answer, read_reference
from rsd_bench.judge.verdict import Verdict

RIGHT, WRONG = 10.0, 0.0

_FINAL = re.compile(r"\banswer\s*(?:is\b\s*:?|[:=\uff1a])|\\boxed\s*\{", re.IGNORECASE)
_CLAUSE = re.compile(r"[,.;:!?(\n]|\b(?:so|thus|hence|therefore|but)\b", re.IGNORECASE)
_WITHDRAWN = re.compile(
    r"\b(?:wait|actually|correction|sorry|rather|scratch that|i mean|instead)\b|^\s*no\b", re.I | re.M
)
_CHOICE = re.compile(
    r"(?:(?:option|choice)\s+)?[(\[]?(?P<letter>[a-z])[)\]]?"
    r"(?:\s*(?P<mark>[.:)]|\s[-\u2013])\s+(?P<text>\S[^\n]*)(?P<more>.*)|\s*[.:),;!])?\s*",
    re.IGNORECASE | re.DOTALL,
)
_DENIAL = re.compile(
    r"\b(?:not|no|never|cannot|wrong|false|incorrect|neither|nor|none|un(?:likely|sure)|doubt|if|unless|suppose|would)\b"
    r"|n['\u2019]t\b",
    re.IGNORECASE,
)
_MARK = re.compile(
    r"(?<![\w.'])(?:([A-Za-z])[.:)](?!\S)|\(([A-Za-z])\)|([B-HJ-Z]|A(?=\W*$))(?![\w.'-]))"
)  # not "A cat", "I"
_DECORATION = str.maketrans("", "", "\"'*`\u201c\u201d\u2018\u2019")
_LETTER = re.compile(r"\(?([A-Za-z])\)?[.:)]?")
_TEXT = re.compile(r"\\(?:text|math)\w*\s*\{([^{}]*)\}")


@dataclass(frozen=True)
class ClosedJudge:
    """decide(reference, candidate, question): a Verdict; None where the candidate's answer cannot be told.

    usable(reference): whether the reference is of the kind that this judge compares.
    """

    name: str
    usable: Callable[[str], bool]
    decide: Callable[[str, str, str], Verdict | None]


def exact_match() -> ClosedJudge:
    """Equal but for case, white space, quotes and final punctuation; a letter also as "(B)" or with its option's text.

    Where the question lists no options, text after "B." or "B)" is taken for the option's, after "B:" it is not.
    """
    return ClosedJudge("exact-match@3", lambda reference: bool(normalise(reference)), _exact)


def numeric(tolerance: float = 0.01) -> ClosedJudge:
    """Within `tolerance` of the reference, relative to it; a reference of 0 must be met exactly."""

    def usable(reference: str) -> bool:
        return read_reference(reference) is not None

    def decide(reference: str, candidate: str, question: str = "") -> Verdict | None:
        final, wanted = _final(candidate), read_reference(reference)
        given = read_answer(final, wanted) if final is not None and wanted is not None else None
        if wanted is None or given is None:
            return None
        readings = [given.value]
        if (given.unit == "%") != (wanted.unit == "%"):  # 45 % is 45 where the question asks for per cent, else 0.45
            readings.append(given.value / 100 if given.unit == "%" else given.value * 100)
        bound = tolerance * abs(wanted.value)
        right = any(math.isclose(x, wanted.value, rel_tol=0, abs_tol=bound) for x in readings)
        if not right and may_be_another_unit(given, wanted):
            return None
        return Verdict(RIGHT if right else WRONG, f"{given.value:g} against {wanted.value:g}, tolerance {tolerance:g}")

    return ClosedJudge(f"numeric-{tolerance:g}@4", usable, decide)


def _exact(reference: str, candidate: str, question: str = "") -> Verdict | None:
    final = _final(candidate)
    if final is None:
        return None
    if letter := _LETTER.fullmatch(reference.strip()):
        given = _CHOICE.fullmatch(unicodedata.normalize("NFKC", final).translate(_DECORATION).strip())
        if (
            given is None
            or _WITHDRAWN.search(given["more"] or "")
            or len({given["letter"].casefold(), *_choices(final)}) > 1
        ):
            return None
        if given["text"] and not _is_option(question, given):
            return None
        right = given["letter"].casefold() == letter[1].casefold()
    else:
        right = normalise(final) == normalise(reference)
    return Verdict(RIGHT if right else WRONG, "exact match" if right else "no exact match")


def _is_option(question: str, given: re.Match[str]) -> bool:
    """Whether the text after a letter is that of its option; "B. wrong" and "B: a guess" say something of it."""
    text = normalise(given["text"])
    folded = " ".join(unicodedata.normalize("NFKC", question).casefold().split())
    if re.search(r"(?<!\w)\(?a\)?\s*[.:)].*(?<!\w)\(?b\)?\s*[.:)]", folded):
        option = rf"(?<!\w)\(?{given['letter'].casefold()}\)?\s*[.:)]\)?\s*{re.escape(text)}(?!\w)"
        return bool(text) and re.search(option, folded) is not None
    return given["mark"] in (".", ")") and not _DENIAL.search(text)


def _choices(text: str) -> Iterator[str]:
    """Every choice that a text marks."""
    for match in _MARK.finditer(text):
        yield "".join(filter(None, match.groups())).casefold()


def normalise(text: str) -> str:
    """Text for comparison: NFKC, case folded, white space single, no quotes around it, no punctuation at its end."""
    plain = " ".join(unicodedata.normalize("NFKC", text).casefold().split())
    return plain.strip("\"'`*$ ").rstrip(".,;:!? ").strip("\"'`*$ ")


def _final(text: str) -> str | None:
    """What the candidate gives as its answer.

    None for a box that is not closed, boxes that differ, an answer that its own clause denies or supposes, and one that
    is taken back below.
    """
    text = _TEXT.sub(r"\1", text)
    marks = list(_FINAL.finditer(text))
    if not marks:
        return text.strip().strip("*` ")
    last = marks[-1]
    before = text[marks[-2].end() if len(marks) > 1 else 0 : last.start()]
    rest = text[last.end() :]
    if _DENIAL.search(_CLAUSE.split(before)[-1]):
        return None
    if last.group().startswith("\\"):
        boxes = {_boxed(text[mark.end() :]) for mark in marks if mark.group().startswith("\\")}
        final = boxes.pop() if len(boxes) == 1 else None
        return None if final is None or _WITHDRAWN.search(rest[len(final) :]) else final
    final, _, below = rest.strip().strip("*` ").partition("\n")
    return None if _WITHDRAWN.search(below) else final.strip().strip("*` ")


def _boxed(rest: str) -> str | None:
    """What stands before the brace that closes the box; None where none does."""
    depth = 1
    for position, character in enumerate(rest):
        depth += (character == "{") - (character == "}")
        if depth == 0:
            return rest[:position].strip()
    return None
