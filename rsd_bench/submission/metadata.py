"""Read submission.json of a submission, strictly and with a bound on size, and hold it against folder and dataset."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from jsonschema import ValidationError

from rsd_bench.dataset.benchmark import Benchmark
from rsd_bench.jsonl import describe, parse_json, parse_loosely
from rsd_bench.schemas import NO_WEB_LINK, schema, validator
from rsd_bench.submission.submission import NO_INK, SUBMISSION, Tau
from rsd_bench.submission.submission_files import need_plain_file
from rsd_bench.submission.thresholds import fold_count
from rsd_bench.types import InputError, Problem, Report

_MOST_BYTES = 128 << 10  # its longest texts need 80 KiB, all in \\u escapes, and tau the rest
_TAU_BYTES = 128  # of a threshold at most, with the names before it
_LISTED_BYTES = 48  # of a number in a list
_FIX = "see `rsd-bench schema submission`"


def read_fields(folder: Path, benchmark: Benchmark, report: Report) -> Any:
    """What stands in submission.json, whatever it is; InputError where the file cannot be read as JSON of bounded size.

    Values that JSON has not (NaN, 1e400, a key that stands twice) are told and hide nothing else that is wrong.
    """
    path = folder / SUBMISSION
    need_plain_file(path, max(_MOST_BYTES, (80 << 10) + len(benchmark.scenarios) * _bytes_of_thresholds(benchmark)))
    try:
        text = path.read_bytes().decode("utf-8-sig")
        try:
            return parse_json(text)
        except ValueError as error:
            fields = parse_loosely(text)
            report(Problem(str(path), str(error), _FIX))
            return fields
    except (OSError, ValueError) as error:
        raise InputError.at(path, str(error), _FIX) from None


def _bytes_of_thresholds(benchmark: Benchmark) -> int:
    """What the thresholds of a scenario may need, all tracks by repeat, fold and tier."""
    listed = (benchmark.repeats(t) * fold_count(benchmark, t) * benchmark.track(t).count for t in benchmark.tracks)
    return _TAU_BYTES * (1 + len(benchmark.tracks)) + _LISTED_BYTES * sum(listed)


def is_of_schema_1(fields: Any) -> bool:
    """Whether submission.json is of the first version: then there is one thing to do, and nothing else is told."""
    return isinstance(fields, Mapping) and fields.get("schema_version") == 1


def metadata_problems(fields: Any, folder: Path, benchmark: Benchmark) -> list[Problem]:
    """What the schema refuses, then what does not fit; a field that is faulty leaves the others to be looked at."""
    path = str(folder / SUBMISSION)
    if is_of_schema_1(fields):
        return [Problem(path, "is of schema_version 1", "make it anew with `rsd-bench submit new`")]
    faults = sorted(map(_describe, validator("submission").iter_errors(fields)))  # found in the order of a set
    misfits = _misfits(fields, path, folder, benchmark) if isinstance(fields, Mapping) else ()
    return [*(Problem(path, what, _FIX) for what in faults), *misfits]


def stated_tau(fields: Any) -> Tau | None:
    """The scenarios and tracks that have a threshold; None where no table of them can be made out.

    Enough to tell which rows are asked for, and whether lists have their length. What is no threshold is 0.
    """
    tau = fields.get("tau") if isinstance(fields, Mapping) else None
    if not isinstance(tau, Mapping) or not tau:
        return None
    return {
        name: {track: _listed(of) for track, of in value.items()} if isinstance(value, Mapping) else _listed(value)
        for name, value in tau.items()
    }


def _listed(value: Any) -> Any:
    return value if isinstance(value, (int, float, list)) else 0.0


def _describe(fault: ValidationError) -> str:
    """A number out of its range is told with the range, an address with its rule, others in the words of the schema."""
    rules = fault.schema
    if (
        isinstance(rules, Mapping)
        and isinstance(fault.instance, str)
        and rules == schema("submission")["$defs"]["web_link"]
    ):
        return f"url {fault.instance[:80]!r} {NO_WEB_LINK}"
    if not isinstance(rules, Mapping) or not {"minimum", "maximum"} <= rules.keys():
        return describe(fault)
    low, high = rules["minimum"], rules["maximum"]
    path = ".".join(map(str, fault.absolute_path))
    return f"{path} must be a number in [{low:g}, {high:g}], not {repr(fault.instance)[:80]}"


def _misfits(fields: Mapping[str, Any], path: str, folder: Path, benchmark: Benchmark) -> Iterator[Problem]:
    """What does not fit the folder, the eye, the dataset, or its scenarios and tracks. Values may be of any type."""
    slug, authors, tau = fields.get("slug"), fields.get("authors"), fields.get("tau")
    if isinstance(slug, str) and slug != folder.resolve().name:
        yield Problem(path, f"slug is {slug!r}, the folder {folder.name!r}", "make them equal")
    listed = authors if isinstance(authors, list) else ()
    for field, text in (("name", fields.get("name")), *(("authors", author) for author in listed)):
        if isinstance(text, str) and text and not any(map(_has_ink, text)):
            yield Problem(path, f"{field}: {text!r} has no visible character", "write a name")
    if isinstance(fields.get("dataset"), Mapping):
        yield from _dataset_misfits(fields["dataset"], path, benchmark)
    for scenario, value in tau.items() if isinstance(tau, Mapping) else ():
        if scenario not in benchmark.scenarios:
            yield Problem(path, f"tau: no scenario {scenario!r}", f"use {', '.join(benchmark.scenarios)}")
        for track in value if isinstance(value, Mapping) else ():
            if track not in benchmark.tracks:
                yield Problem(path, f"tau.{scenario}: no track {track!r}", f"use {', '.join(benchmark.tracks)}")


def _has_ink(character: str) -> bool:
    return unicodedata.category(character)[0] in "LNPS" and character not in NO_INK


def _dataset_misfits(dataset: Mapping[str, Any], path: str, benchmark: Benchmark) -> Iterator[Problem]:
    manifest, ours = dataset.get("manifest_sha256"), benchmark.manifest
    named = tuple(dataset.get(name) for name in ("name", "version"))
    if not isinstance(manifest, str):
        return  # the schema tells
    if manifest not in benchmark.accepted_manifests:
        what = f"was made for another manifest ({manifest[:12]}...)"
        fix = f"predict on {ours.name} {ours.version}, manifest {benchmark.manifest_sha256}"
        yield Problem(path, what, fix)
    elif all(isinstance(text, str) for text in named) and named != (ours.name, ours.version):
        yield Problem(path, f"names {named[0]} {named[1]}", f"that manifest is {ours.name} {ours.version}")
