"""Read submission.json and README.md of a submission, strictly and with a bound on size before anything is parsed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jsonschema import ValidationError

from rsd_bench.jsonl import describe, parse_json
from rsd_bench.schemas import validator
from rsd_bench.submission.submission import README, SUBMISSION
from rsd_bench.types import Problem

_META_BYTES = 128 << 10  # its longest texts need 80 KiB, all in \\u escapes
_README_BYTES = 1 << 20


def check_readme(folder: Path, problems: list[Problem]) -> None:
    """README.md, where there is one, is never parsed, but hashed and copied: it must be a file of bounded size too."""
    path = folder / README
    if path.exists() or path.is_symlink():
        plain_file(path, _README_BYTES, problems)


def read_meta(folder: Path, problems: list[Problem]) -> dict[str, Any] | None:
    """submission.json as a dict, or None with its problems reported."""
    path = folder / SUBMISSION
    fix = "see `rsd-bench schema submission`"
    if not plain_file(path, _META_BYTES, problems):
        return None
    try:
        meta = parse_json(path.read_bytes().decode("utf-8-sig"))
    except (OSError, ValueError) as error:
        problems.append(Problem(str(path), str(error), fix))
        return None
    found = sorted(map(_describe, validator("submission").iter_errors(meta)))  # found in the order of a set
    faults = [Problem(str(path), what, fix) for what in found]
    problems += faults
    return None if faults else dict(meta)


def _describe(fault: ValidationError) -> str:
    """A number out of its range is told with the range, the others in the words of the schema."""
    rules = fault.schema
    if not isinstance(rules, Mapping) or not {"minimum", "maximum"} <= rules.keys():
        return describe(fault)
    low, high = rules["minimum"], rules["maximum"]
    path = ".".join(map(str, fault.absolute_path))
    return f"{path} must be a number in [{low:g}, {high:g}], not {repr(fault.instance)[:80]}"


def plain_file(path: Path, max_bytes: int, problems: list[Problem]) -> bool:
    """Whether `path` is a regular file (no link) of at most `max_bytes`."""
    try:
        if path.is_symlink() or not path.is_file():
            what = "is missing" if not path.exists() else "is not a plain file"
            problems.append(Problem(str(path), what, "add the file itself"))
            return False
        size = path.stat().st_size
    except OSError as error:
        problems.append(Problem(str(path), error.strerror or "cannot be read"))
        return False
    if size > max_bytes:
        problems.append(Problem(str(path), f"has {size} bytes, more than the {max_bytes} a valid file can need"))
        return False
    return True
