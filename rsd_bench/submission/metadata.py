"""Read submission.json of a submission, strictly and with a bound on size, and hold it against folder and dataset."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping
from pathlib import Path

from jsonschema import ValidationError

from rsd_bench.config import SCENARIOS
from rsd_bench.dataset.benchmark import Benchmark
from rsd_bench.jsonl import describe, parse_json
from rsd_bench.schemas import validator
from rsd_bench.submission.submission import NO_INK, SUBMISSION, Metadata
from rsd_bench.submission.submission_files import need_plain_file
from rsd_bench.types import InputError, Problem

_MOST_BYTES = 128 << 10  # its longest texts need 80 KiB, all in \\u escapes


def read_metadata(folder: Path) -> Metadata:
    """submission.json as far as its schema reaches; InputError listing its faults."""
    path = folder / SUBMISSION
    fix = "see `rsd-bench schema submission`"
    need_plain_file(path, _MOST_BYTES)
    try:
        fields = parse_json(path.read_bytes().decode("utf-8-sig"))
    except (OSError, ValueError) as error:
        raise InputError.at(path, str(error), fix) from None
    faults = sorted(map(_describe, validator("submission").iter_errors(fields)))  # found in the order of a set
    if faults:
        raise InputError([Problem(str(path), what, fix) for what in faults])
    return Metadata.from_dict(fields)


def _describe(fault: ValidationError) -> str:
    """A number out of its range is told with the range, the others in the words of the schema."""
    rules = fault.schema
    if not isinstance(rules, Mapping) or not {"minimum", "maximum"} <= rules.keys():
        return describe(fault)
    low, high = rules["minimum"], rules["maximum"]
    path = ".".join(map(str, fault.absolute_path))
    return f"{path} must be a number in [{low:g}, {high:g}], not {repr(fault.instance)[:80]}"


def metadata_problems(meta: Metadata, folder: Path, benchmark: Benchmark) -> Iterator[Problem]:
    """What does not fit the folder, the eye, the dataset, or its scenarios and tracks."""
    path, declared = str(folder / SUBMISSION), meta.declared
    if meta.slug != folder.resolve().name:
        yield Problem(path, f"slug is {meta.slug!r}, the folder {folder.name!r}", "make them equal")
    for field, text in (("name", declared.name), *(("authors", author) for author in declared.authors)):
        if not any(unicodedata.category(c)[0] in "LNPS" and c not in NO_INK for c in text):
            yield Problem(path, f"{field}: {text!r} has no visible character", "write a name")
    dataset, ours = meta.dataset, benchmark.manifest
    if dataset.manifest_sha256 not in benchmark.accepted_manifests:
        what = f"was made for another manifest ({dataset.manifest_sha256[:12]}...)"
        fix = f"predict on {ours.name} {ours.version}, manifest {benchmark.manifest_sha256}"
        yield Problem(path, what, fix)
    elif (dataset.name, dataset.version) != (ours.name, ours.version):
        what = f"names {dataset.name} {dataset.version}"
        yield Problem(path, what, f"that manifest is {ours.name} {ours.version}")
    for scenario, value in declared.tau.items():
        if scenario not in SCENARIOS:
            yield Problem(path, f"tau: no scenario {scenario!r}", f"use {', '.join(SCENARIOS)}")
        for track in value if isinstance(value, Mapping) else ():
            if track not in benchmark.tracks:
                yield Problem(path, f"tau.{scenario}: no track {track!r}", f"use {', '.join(benchmark.tracks)}")
