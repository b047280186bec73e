"""JSON Lines, read strictly: each fault is a Problem with file and line, and no line is guessed at."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

from rsd_bench.records.model import Report
from rsd_bench.types import Problem

_MAX_LINE = 64 << 20  # bytes; a record is text and figures, never an image


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON; write null or a number")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    out = dict(pairs)
    if len(out) < len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"key {next(k for k in keys if keys.count(k) > 1)!r} stands twice")
    return out


_DECODER = json.JSONDecoder(parse_constant=_no_constant, object_pairs_hook=_unique)


def parse_json(text: str) -> Any:
    """Strict JSON: no NaN or Infinity, no key twice, no runaway nesting. Raises ValueError saying what is wrong."""
    try:
        return _DECODER.decode(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"not JSON: {error.msg} (column {error.colno})") from None
    except RecursionError:
        raise ValueError("not JSON that can be read: nested too deeply") from None


def describe(error: Any) -> str:
    """One line for a jsonschema error: the field and what is wrong with it."""
    path = ".".join(map(str, error.absolute_path))
    message = error.message if len(error.message) <= 200 else f"{error.message[:200]}..."
    return f"{path}: {message}" if path else str(message)


def read_rows(
    path: Path, validator: Draft202012Validator, report: Report, sound: Callable[[Any], bool] = lambda row: False
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield ("file:line", row) for each row that satisfies the schema; report every fault of the others.

    sound: a quick test that only rows of the schema pass; the others meet the schema itself. A byte order mark, Windows
    line ends and blank lines are accepted. A missing or empty file is one Problem.
    """
    rows = 0
    try:
        with path.open("rb") as stream:
            for number, raw in enumerate(iter(lambda: stream.readline(_MAX_LINE + 1), b""), 1):
                where = f"{path}:{number}"
                if len(raw) > _MAX_LINE:
                    report(Problem(where, "line is longer than 64 MiB", "one JSON object a line, images in files"))
                    return
                line = raw.removeprefix(b"\xef\xbb\xbf").strip() if number == 1 else raw.strip()
                if not line:
                    continue
                rows += 1
                try:
                    row = parse_json(line.decode("utf-8"))
                except UnicodeDecodeError as error:
                    report(Problem(where, f"not UTF-8: {error.reason} at byte {error.start}", "save the file as UTF-8"))
                    continue
                except ValueError as error:
                    report(Problem(where, str(error), "one JSON object a line"))
                    continue
                faults = [] if sound(row) else list(validator.iter_errors(row))
                for fault in faults:
                    report(Problem(where, describe(fault), "see `rsd-bench schema records`"))
                if not faults:
                    yield where, row
    except OSError as error:
        report(Problem(str(path), error.strerror or "cannot be read", "a source needs this file"))
        return
    if not rows:
        report(Problem(str(path), "is empty", "one JSON object a line"))
