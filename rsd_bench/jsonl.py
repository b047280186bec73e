"""JSON Lines, read strictly: each fault is a Problem with file and line, and no line is guessed at."""

from __future__ import annotations

import gzip
import json
import math
import re
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BufferedIOBase
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

from rsd_bench.config import MAX_UNPACKED_BYTES
from rsd_bench.types import Problem, Report

_MAX_LINE = 64 << 20  # bytes; a record is text and figures, never an image


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON; write null or a number")


def _finite(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise ValueError(f"{text[:40]} is too large a number")
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    out = dict(pairs)
    if len(out) < len(pairs):
        twice = next(key for key, count in Counter(key for key, _ in pairs).items() if count > 1)
        raise ValueError(f"key {twice!r} stands twice")
    return out


def _missing(name: str) -> None:
    if name != "NaN":
        _no_constant(name)


_DECODER = json.JSONDecoder(parse_constant=_no_constant, parse_float=_finite, object_pairs_hook=_unique)
_PYTHONS = json.JSONDecoder(parse_constant=_missing, parse_float=_finite, object_pairs_hook=_unique)
_MAX_DEPTH = 100  # of nesting; far below what ends Python's stack where a value is compared, printed or written
_LONG = 200  # characters of a message
_KINDS: dict[type, str] = {dict: "an object", list: "a list", str: "a text"}
_ARRAY = re.compile(rb"\[\s*(?:\{|$)")
_CONTAINERS = frozenset((dict, list))
_LONGEST_INT = 400  # digits; a float has 309 at most
_ESCAPED_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


def parse_json(text: str, *, nan: bool = False) -> Any:
    """Strict JSON: no NaN or infinite number, no key twice, no runaway nesting, no half of a surrogate pair.

    nan: NaN is None, as in files in which Python wrote it for a value that it did not have. Raises ValueError saying
    what is wrong. What it returns can be printed, hashed and written as UTF-8.
    """
    with _said_plainly():
        value = (_PYTHONS if nan else _DECODER).decode(text)
    _require_sound(value, text)
    return value


def parse_json_at(text: str, at: int) -> tuple[Any, int]:
    """The JSON value that begins at a place in a text, and where it ends; as `parse_json` with `nan`."""
    with _said_plainly():
        value, end = _PYTHONS.raw_decode(text, at)
    _require_sound(value, text[at:end])
    return value, end


@contextmanager
def _said_plainly() -> Iterator[None]:
    try:
        yield
    except json.JSONDecodeError as error:
        raise ValueError(f"not JSON: {error.msg} (column {error.colno})") from None
    except RecursionError:
        raise ValueError("not JSON that can be read: nested too deeply") from None


def _require_sound(value: Any, text: str) -> None:
    """ValueError where a value cannot be printed, hashed and written as UTF-8. text: the JSON that it was read from."""
    if text.count("[") + text.count("{") > _MAX_DEPTH and _too_deep(value):
        raise ValueError("not JSON that can be read: nested too deeply")
    try:
        text.encode()
        if _ESCAPED_SURROGATE.search(text):
            json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise ValueError("holds half of a surrogate pair (\\ud800 to \\udfff), which is no character") from None


def parse_loosely(text: str) -> Any:
    """JSON whose single values may be none: NaN, a number that is too large (infinite), the last of equal keys.

    For looking at the rest of what `parse_json` refused. Raises ValueError as it does where nothing can be made of it.
    """
    try:
        value = json.loads(text, parse_int=lambda digits: int(digits) if len(digits) < _LONGEST_INT else math.inf)
    except (json.JSONDecodeError, RecursionError):
        return parse_json(text)
    return parse_json(text) if _too_deep(value) else value


def _too_deep(value: Any) -> bool:
    level = [value] if type(value) in _CONTAINERS else []
    for _ in range(_MAX_DEPTH):
        nested = (held.values() if type(held) is dict else held for held in level)
        level = [item for items in nested for item in items if type(item) in _CONTAINERS]
        if not level:
            return False
    return True


def describe(error: Any) -> str:
    """One line for a jsonschema error: the field and what is wrong with it, not behind a long value of it."""
    path = ".".join(map(str, error.absolute_path))
    message = str(error.message)
    choices = error.validator_value if error.validator == "anyOf" else []
    if choices and all(isinstance(choice, dict) and [*choice] == ["required"] for choice in choices):
        message = f"has neither {' nor '.join(name for choice in choices for name in choice['required'])}"
    elif len(message) > _LONG:
        message = message.replace(repr(error.instance), _KINDS.get(type(error.instance), "a number"), 1)
    message = message if len(message) <= _LONG else f"{message[:_LONG]}..."
    return f"{path}: {message}" if path else str(message)


class _Unpacked(gzip.GzipFile):
    """A packed file whose lines are read up to a bound: a few bytes can unpack to a thousand times as many."""

    _left = MAX_UNPACKED_BYTES

    def readline(self, size: int | None = -1) -> bytes:
        line = super().readline(size)
        self._left -= len(line)
        if self._left < 0:
            raise OSError(0, f"unpacks to more than {MAX_UNPACKED_BYTES:,} bytes")
        return line


@contextmanager
def opened(path: Path) -> Iterator[BufferedIOBase]:
    """The file at `path`, to read line by line, unpacked where its name ends in .gz; OSError where that is damaged."""
    try:
        with _Unpacked(path) if path.suffix == ".gz" else path.open("rb") as stream:
            yield stream
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise OSError(0, f"is a damaged .gz file: {error}") from None


def read_rows(
    path: Path,
    validator: Draft202012Validator,
    report: Report,
    sound: Callable[[Any], bool] = lambda row: False,
    *,
    fix: str = "see `rsd-bench schema records`",
    most: int | None = None,
    stopped: Report | None = None,
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield ("file:line", row) for each row that satisfies the schema; report every fault of the others.

    sound: a quick test that only rows of the schema pass; the others meet the schema itself. fix: what to do about a
    row that fails it. most: faulty rows after which no more is read. stopped: where faults go that end the reading or
    leave nothing to read, default `report`. A byte order mark, Windows line ends, blank lines and .gz are accepted. A
    missing or empty file is one Problem.
    """
    rows = faulty = 0
    stopped = stopped or report
    try:
        with opened(path) as stream:
            for number, raw in enumerate(iter(lambda: stream.readline(_MAX_LINE + 1), b""), 1):
                where = f"{path}:{number}"
                if len(raw) > _MAX_LINE:
                    stopped(Problem(where, "line is longer than 64 MiB", "one JSON object a line, images in files"))
                    return
                line = raw.removeprefix(b"\xef\xbb\xbf").strip() if number == 1 else raw.strip()
                if not line:
                    continue
                rows += 1
                if rows == 1 and _ARRAY.match(line):
                    fix = f"write each of its objects on a line of its own, as jq -c '.[]' {path.name} does"
                    stopped(Problem(where, "is a JSON array, not a JSON object a line", fix))
                    return
                row, faults = _read_row(line, where, validator, sound, fix)
                if not faults:
                    yield where, row
                    continue
                for fault in faults:
                    report(fault)
                faulty += 1
                if faulty == most and (left := sum(1 for line in stream if line.strip())):
                    report(Problem(str(path), f"has {left} more lines, not read after {most} faulty ones", fix))
                    return
    except OSError as error:
        stopped(Problem(str(path), error.strerror or "cannot be read", "a source needs this file"))
        return
    if not rows:
        stopped(Problem(str(path), "is empty", "one JSON object a line"))


def _read_row(
    line: bytes, where: str, validator: Draft202012Validator, sound: Callable[[Any], bool], fix: str
) -> tuple[Any, list[Problem]]:
    """The value of a line, and what is wrong with it."""
    try:
        row = parse_json(line.decode("utf-8"))
    except UnicodeDecodeError as error:
        return None, [Problem(where, f"not UTF-8: {error.reason} at byte {error.start}", "save the file as UTF-8")]
    except ValueError as error:
        return None, [Problem(where, str(error), "one JSON object a line")]
    faults = [] if sound(row) else validator.iter_errors(row)
    return row, [Problem(where, describe(fault), fix) for fault in faults]
