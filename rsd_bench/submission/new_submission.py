"""Write a submission folder from probabilities, and check it before it is there."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd

from rsd_bench.config import SCENARIOS
from rsd_bench.dataset.benchmark import Benchmark
from rsd_bench.folders import new_folder
from rsd_bench.submission.canonical_form import PREDICTIONS, in_order, keep_readme, only_a_submission, write_files
from rsd_bench.submission.check_submission import check_submission
from rsd_bench.submission.submission import SLUG, SLUG_FIX, DatasetVersion, Declaration, Metadata
from rsd_bench.types import InputError, Problem

STAND_IN = "slug"  # for a name that is none, while the rest is looked at


def default_tau(scenarios: Iterable[str] = SCENARIOS) -> dict[str, float]:
    """0.5 in every scenario; default: the presets."""
    return dict.fromkeys(scenarios, 0.5)


def new_submission(
    folder: Path,
    predictions: pd.DataFrame,
    benchmark: Benchmark,
    declared: Declaration,
    *,
    source: Path | None = None,
    told: Sequence[Problem] = (),
    replace_old: bool = True,
) -> Path:
    """Write and check `folder` (its name is the slug); nothing is left behind when the check fails (InputError).

    A submission that stands there is replaced, where `replace_old`, but for its README; one with files of any other
    kind is not. source: the file that `predictions` were read from; problems then name it, and a row by its label.
    told: what is wrong with that file; the submission is then looked at for what else is, and refused.
    """
    slug, problems = folder.name, list(told)
    named = SLUG.fullmatch(slug)
    if not named:
        problems.append(Problem(slug, "is no slug", SLUG_FIX))
    elif not replace_old and folder.exists() and any(folder.iterdir()):
        problems.append(Problem(str(folder), "exists already", "name another slug, or give --replace"))
    meta = Metadata(slug if named else STAND_IN, _dataset_of(benchmark), declared)
    source = source or Path(f"{slug}, the predictions")
    if problems:
        with TemporaryDirectory(prefix="rsd-bench-") as aside:
            found = _written(Path(aside), folder, meta, predictions, benchmark, source)
        readable = len(predictions) > 0  # where nothing is, it was told why
        raise InputError([*problems, *(p for p in found if readable or p.where != str(source))])
    with new_folder(folder, may_replace=only_a_submission) as partial:
        if found := _written(partial, folder, meta, predictions, benchmark, source):
            raise InputError(found)
        for file in list((partial / slug).iterdir()):
            file.rename(partial / file.name)
        (partial / slug).rmdir()
        keep_readme(folder, partial)
    return folder


def _written(
    parent: Path, folder: Path, meta: Metadata, predictions: pd.DataFrame, benchmark: Benchmark, source: Path
) -> list[Problem]:
    """Write a submission below `parent`, under its own name, and check it; problems are told as those of `folder`."""
    inside = parent / meta.slug
    inside.mkdir()
    write_files(inside, meta.to_dict(), predictions)
    _, problems = check_submission(inside, benchmark)
    written, rows = str(inside / PREDICTIONS), in_order(predictions).index
    return [
        replace(p, where=_place(p.where, written, rows, source).replace(str(inside), str(folder))) for p in problems
    ]


def _dataset_of(benchmark: Benchmark) -> DatasetVersion:
    """A lite edition or a published copy has the figures of the edition it came from, and so both accept that."""
    manifest = benchmark.manifest
    of = manifest.derived_from or benchmark.manifest_sha256
    return DatasetVersion(manifest.name, manifest.version, of)


def _place(where: str, written: str, rows: pd.Index[Any], source: Path) -> str:
    """Where the author finds what stands at `where` in the file that was written, which is sorted and soon gone."""
    if not where.startswith(written):
        return where
    row = where.removeprefix(f"{written}:")
    if not row.isdigit():
        return str(source)
    label = rows[int(row) - 1]
    return label if isinstance(label, str) else f"{source}: row {label}"
