"""A number as somebody wrote it: read where all that stands around it is on a short list, else not at all.

The rule was once the other way round (refuse what is known to change a number), and gave full marks to "less than 42",
"42 squared" and "half of 42": no list of such words is ever complete. Now one number may stand among lead-ins ("the
answer is about"), punctuation, a currency sign, and a unit: that of the reference, or one of UNITS. Whatever else is
there, however harmless it looks, leaves the text without a value.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

_NUMBER = re.compile(
    r"(?<![\w.])(?P<sign>[-+\u2212\u2013])?(?P<currency>[$\u20ac\u00a3])?"
    r"(?P<value>\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?|\.\d+)"
    r"(?:[eE](?P<exponent>[-+]?\d{1,3}))?(?:\s*/\s*(?P<below>\d+(?:\.\d+)?))?(?!\w*\d|[.,]\d)"
)
_MINUS = ("-", "\u2212", "\u2013")
_FRACTION = re.compile(r"(?<![\w.])\\[dt]?frac\s*\{\s*(\d+(?:\.\d+)?)\s*\}\s*\{\s*(\d+(?:\.\d+)?)\s*\}(?![\w\\{^])")
_LATEX = (  # what changes nothing, as plain text; any other command stays and is on no list
    (re.compile(r"\^?\s*\{?\s*\\(?:circ|degree)\b\s*\}?"), "\u00b0"),
    (re.compile(r"\\(?:approx|simeq)\b"), "~"),
    (re.compile(r"\\(?:left|right|quad|displaystyle)\b|\\[,;:! ()\[\]]"), " "),
    (re.compile(r"\\([%$])"), r"\1"),
    (re.compile(r"(?<=[a-z])\^\{?([23])\}?"), lambda m: "\u00b2" if m[1] == "2" else "\u00b3"),
)
_VARIABLE = re.compile(r"(?<!\w)[A-Za-z]\s*(?=[=~])")  # x in "x = 5"
_WORD = re.compile(r"[^\W\d_]+")
_BEFORE, _AFTER = set(" \t\n:=\u2248~*_`\"'\u201c\u201d$,."), " \t\n*_`\"'\u201c\u201d$.,;"
_CLOSING = re.compile(r"(?:is|was) the (?:final |correct )?answer$|(?:in )?total$", re.IGNORECASE)
_LEADS = frozenset({
    "about", "answer", "approx", "approximately", "are", "around", "calculated", "computed", "correct", "count",
    "equal", "equals", "exactly", "final", "hence", "is", "it", "number", "result", "roughly", "so", "sum",
    "that", "the", "there", "therefore", "this", "thus", "to", "total", "value",
})  # fmt: skip

_PER_CENT = frozenset({"%", "percent", "per cent", "pct"})
_MONEY = {"$": "$", "usd": "$", "dollar": "$", "dollars": "$", "\u20ac": "\u20ac", "eur": "\u20ac", "euro": "\u20ac"}
_MONEY |= {"euros": "\u20ac", "\u00a3": "\u00a3", "gbp": "\u00a3"}
#: Units that a number may carry where the reference names none. Symbols in their own case: 5 m is no 5 M.
UNITS = frozenset({
    "mm", "cm", "m", "km", "in", "ft", "yd", "mi", "mm\u00b2", "cm\u00b2", "m\u00b2", "km\u00b2", "ft\u00b2",
    "mm\u00b3", "cm\u00b3", "m\u00b3", "mg", "g", "kg", "lb", "lbs", "oz", "ms", "s", "sec", "min", "h", "hr",
    "hrs", "\u00b0", "\u00b0C", "\u00b0F", "ml", "mL", "l", "L", "J", "kJ", "W", "kW", "V", "mV", "A", "mA",
    "Hz", "kHz", "MHz", "GHz", "Pa", "kPa", "N", "mol", "px", "m/s", "km/h", "mph",
})  # fmt: skip
_UNIT_WORDS = frozenset({
    "inch", "foot", "feet", "yard", "mile", "meter", "metre", "centimeter", "centimetre", "millimeter",
    "millimetre", "kilometer", "kilometre", "gram", "kilogram", "pound", "ounce", "second", "minute", "hour",
    "day", "week", "month", "year", "degree", "liter", "litre", "pixel", "unit", "point",
})  # fmt: skip
#: Words that change a number: no unit of a reference.
_MULTIPLIERS = frozenset({
    "hundred", "thousand", "million", "billion", "trillion", "dozen", "lakh", "crore", "mn", "bn", "k",
    "squared", "cubed", "factorial", "times", "fold", "half", "score", "gross", "pair", "couple", "or", "and",
    "to", "below", "above",
})  # fmt: skip
_REFERENCE_UNIT = re.compile(r"[^\W\d_]+(?:[ -][^\W\d_]+)?")
#: One quantity in two units differs by such a factor: where a unit stands on one side only, the answer is not told.
_BETWEEN_UNITS = (*(10.0**k for k in range(1, 10)), 12.0, 24.0, 60.0, 3600.0)


@dataclass(frozen=True)
class Quantity:
    """A value and its unit ("" for none; "%" for per cent, a currency by its sign)."""

    value: float
    unit: str


def read_reference(text: str) -> Quantity | None:
    """The number of a reference answer, with whatever unit of one or two words it has; None where it is no number."""
    found = _read(text)
    if found is None or found.unit in UNITS or found.unit in _PER_CENT or found.unit in _MONEY.values():
        return found
    words = found.unit.casefold().split()
    if found.unit and (not _REFERENCE_UNIT.fullmatch(found.unit) or not _MULTIPLIERS.isdisjoint(words)):
        return None
    return None if found.unit.isupper() and len(found.unit) == 1 else found  # 5 M, 5 K


def read_answer(text: str, reference: Quantity) -> Quantity | None:
    """The number of an answer; None where more than the number, its unit and a lead-in stands there.

    The unit must be that of the reference; where the reference has none, one of UNITS.
    """
    found = _read(text)
    if found is None or not found.unit or found.unit == reference.unit:
        return found
    if "%" in (found.unit, reference.unit):
        return found if {found.unit, reference.unit} <= {"%", ""} else None
    if reference.unit:
        return found if _one(found.unit) == _one(reference.unit) else None
    known = found.unit in UNITS or found.unit in _MONEY.values() or _one(found.unit) in _UNIT_WORDS
    return found if known else None


def may_be_another_unit(answer: Quantity, reference: Quantity) -> bool:
    """Whether a unit that only the answer states could be what makes the two differ: 5 km is no wrong 5000."""
    if not answer.unit or reference.unit or answer.unit in ("%", *_MONEY.values()) or not reference.value:
        return False
    ratio = abs(answer.value / reference.value)
    return any(math.isclose(ratio, f, rel_tol=0.01) or math.isclose(ratio * f, 1, rel_tol=0.01) for f in _BETWEEN_UNITS)


def _one(unit: str) -> str:
    """A unit's word without its plural, in lower case."""
    return unit.casefold().removesuffix("es") if unit.casefold() == "inches" else unit.casefold().removesuffix("s")


def _read(text: str) -> Quantity | None:
    """The one number of a text among lead-ins and punctuation, with what follows it as its unit."""
    plain = _FRACTION.sub(r"\1/\2", text)
    for pattern, by in _LATEX:
        plain = pattern.sub(by, plain)
    numbers = list(_NUMBER.finditer(plain))
    if len(numbers) != 1:
        return None
    (number,) = numbers
    before, after = _VARIABLE.sub("", plain[: number.start()]), plain[number.end() :]
    if not {word.casefold() for word in _WORD.findall(before)} <= _LEADS or not set(_WORD.sub("", before)) <= _BEFORE:
        return None
    value = _value(number)
    unit = " ".join(_CLOSING.sub("", after.strip(_AFTER)).strip(_AFTER).split())
    money = _MONEY.get(number["currency"] or "") if not after.rstrip(" .*").endswith("$") else None
    if value is None or (money and unit and _MONEY.get(unit.casefold()) != money):
        return None
    if unit == "s" and after[:1] == "s":  # the 1990s
        return None
    if unit.casefold() in _PER_CENT:
        return Quantity(value, "%")
    return Quantity(value, money or _MONEY.get(unit.casefold(), unit))


def _value(number: re.Match[str]) -> float | None:
    """The value of a number; None where it is not finite."""
    value = float(f"{number['value'].replace(',', '')}e{number['exponent'] or 0}")
    below = float(number["below"] or 1)
    if below == 0 or not math.isfinite(value / below):
        return None
    return -value / below if number["sign"] in _MINUS else value / below
