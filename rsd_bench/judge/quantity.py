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
_PLAIN = (  # what changes nothing, as plain text; any other LaTeX command stays and is on no list
    (re.compile(r"</?answer>", re.IGNORECASE), " "),
    (re.compile(r"\{,\}"), ","),
    (re.compile(r"\\[dt]?frac(\d)(\d)(?!\d)"), r"\1/\2"),
    (re.compile(r"(?<=\d)\s*(?:\\times|\u00d7|x)\s*10\^\{?(-?\d{1,3})\}?(?!\d)"), r"e\1"),
    (re.compile(r"\(approx(?:imately|\.)?\)"), " "),
    (re.compile(r"\^?\s*\{?\s*\\(?:circ|degree)\b\s*\}?"), "\u00b0"),
    (re.compile(r"\\(?:approx|simeq)\b"), "~"),
    (re.compile(r"\\(?:left|right|quad|displaystyle)\b|\\[,;:! ()\[\]]"), " "),
    (re.compile(r"\\([%$])"), r"\1"),
    (re.compile(r"(?<=[a-z])\^\{?([23])\}?"), lambda m: "\u00b2" if m[1] == "2" else "\u00b3"),
)
_VARIABLE = re.compile(r"(?<!\w)[A-Za-z]\s*(?=[=~])")  # x in "x = 5"
_WORD = re.compile(r"[^\W\d_]+")
_BEFORE, _AFTER = set(" \t\n:\uff1a=\u2248~*_`\"'\u2019\u201c\u201d$,.#"), " \t\n*_`\"'\u201c\u201d$.,;\u3002"
_BRACKETS = re.compile(r"\s*(?:\((.*)\)|\[(.*)\])\s*", re.DOTALL)
_CLOSING = re.compile(r"(?:is|was) the (?:final |correct )?answer$|(?:in )?total$", re.IGNORECASE)
_LEADS = frozenset({
    "about", "answer", "approx", "approximately", "are", "around", "calculated", "computed", "correct", "count",
    "equal", "equals", "exactly", "final", "hence", "is", "it", "number", "result", "roughly", "so", "sum",
    "that", "the", "there", "therefore", "this", "thus", "to", "total", "value", "year", "in", "should", "be", "s",
})  # fmt: skip

_PER_CENT = frozenset({"%", "percent", "per cent", "pct"})
_MONEY = {"$": "$", "usd": "$", "dollar": "$", "dollars": "$", "\u20ac": "\u20ac", "eur": "\u20ac", "euro": "\u20ac"}
_MONEY |= {"euros": "\u20ac", "\u00a3": "\u00a3", "gbp": "\u00a3"}
#: Units that a number may carry where the reference names none. Symbols in their own case: 5 m is no 5 M.
UNITS = frozenset({
    "mm", "cm", "m", "km", "in", "ft", "yd", "mi", "mm\u00b2", "cm\u00b2", "m\u00b2", "km\u00b2", "ft\u00b2",
    "mm\u00b3", "cm\u00b3", "m\u00b3", "mg", "g", "kg", "lb", "oz", "ms", "s", "sec", "min", "h", "hr",
    "hrs", "\u00b0", "\u00b0C", "\u00b0F", "mL", "L", "J", "kJ", "W", "kW", "V", "mV", "A", "mA",
    "Hz", "kHz", "MHz", "GHz", "Pa", "kPa", "N", "mol", "px", "m/s", "km/h", "mph",
})  # fmt: skip
#: The symbol of a unit in words, or of another symbol for it; words without their plural s.
_SYMBOLS = {
    "inch": "in", "inche": "in", "foot": "ft", "feet": "ft", "yard": "yd", "mile": "mi", "meter": "m", "metre": "m",
    "centimeter": "cm", "centimetre": "cm", "millimeter": "mm", "millimetre": "mm",
    "kilometer": "km", "kilometre": "km",
    "gram": "g", "kilogram": "kg", "pound": "lb", "lbs": "lb", "lb": "lb", "ounce": "oz", "sec": "s", "second": "s",
    "minute": "min", "hour": "h", "hr": "h", "hrs": "h", "degree": "\u00b0", "degrees celsiu": "\u00b0C",
    "degrees fahrenheit": "\u00b0F", "liter": "L", "litre": "L", "l": "L", "ml": "mL", "pixel": "px",
    "square meter": "m\u00b2", "square metre": "m\u00b2", "square centimeter": "cm\u00b2", "square feet": "ft\u00b2",
}  # fmt: skip
_UNIT_WORDS = frozenset({"day", "week", "month", "year", "unit", "point"})
#: Words that change a number: no unit of a reference.
_MULTIPLIERS = frozenset({
    "hundred", "thousand", "million", "billion", "trillion", "dozen", "lakh", "crore", "mn", "bn", "k",
    "squared", "cubed", "factorial", "times", "fold", "half", "score", "gross", "pair", "couple", "or", "and",
    "to", "below", "above",
    "quadrillion", "trn", "mil", "mio", "ppm", "bps", "mille", "permille", "promille", "ten", "tenth", "third",
    "quarter",
    "ago", "minus", "plus", "less", "more", "lac",
})  # fmt: skip
_REFERENCE_UNIT = re.compile(r"[a-z]{3,}")
#: One quantity in two units differs by such a factor: where a unit stands on one side only, the answer is not told.
_BETWEEN_UNITS = (
    *(10.0**k for k in range(1, 10)),
    *(3.0, 7.0, 12.0, 16.0, 24.0, 52.0, 60.0, 365.0, 3600.0, 1.609, 2.2046, 2.54, 3.2808, 3.6, 28.35, 30.48),
)


@dataclass(frozen=True)
class Quantity:
    """A value and its unit ("" for none; "%" for per cent, a currency by its sign)."""

    value: float
    unit: str


def read_reference(text: str) -> Quantity | None:
    """The number of a reference answer, with a unit of UNITS or of one word; None where it is no plain number."""
    found = _read(text)
    if found is None or not found.unit or _is_unit(found.unit):
        return found
    word = found.unit
    return found if _REFERENCE_UNIT.fullmatch(word) and _MULTIPLIERS.isdisjoint({word, _one(word)}) else None


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
    return found if _is_unit(found.unit) else None


def may_be_another_unit(answer: Quantity, reference: Quantity) -> bool:
    """Whether a unit that only the answer states could be what makes the two differ: 5 km is no wrong 5000."""
    if not answer.unit or reference.unit or answer.unit in ("%", *_MONEY.values()) or not reference.value:
        return False
    if answer.unit in ("\u00b0C", "\u00b0F"):
        return True
    ratio = abs(answer.value / reference.value)
    return any(math.isclose(ratio, f, rel_tol=0.01) or math.isclose(ratio * f, 1, rel_tol=0.01) for f in _BETWEEN_UNITS)


def _is_unit(unit: str) -> bool:
    return unit in UNITS or unit == "%" or unit in _MONEY.values() or _one(unit) in _UNIT_WORDS


def _one(unit: str) -> str:
    """A unit's word without its plural; a symbol as it is: 5 ms is no 5 m."""
    return unit.casefold().removesuffix("s") if len(unit) > 3 else unit


def _symbol(unit: str) -> str:
    """The symbol of a unit, where it has one."""
    return unit if unit in UNITS else _SYMBOLS.get(unit if unit in _SYMBOLS else _one(unit), unit)


def _read(text: str) -> Quantity | None:
    """The one number of a text among lead-ins and punctuation, with what follows it as its unit."""
    inside = _BRACKETS.fullmatch(text)
    plain = _FRACTION.sub(r"\1/\2", (inside[1] or inside[2] or "") if inside else text)
    for pattern, by in _PLAIN:
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
    return Quantity(value, money or _MONEY.get(unit.casefold()) or _symbol(unit))


def _value(number: re.Match[str]) -> float | None:
    """The value of a number; None where it is not finite."""
    value = float(f"{number['value'].replace(',', '')}e{number['exponent'] or 0}")
    below = float(number["below"] or 1)
    if below == 0 or not math.isfinite(value / below):
        return None
    return -value / below if number["sign"] in _MINUS else value / below
