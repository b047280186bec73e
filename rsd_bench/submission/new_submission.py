"""Write a submission folder from probabilities, and check it before it is there."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from rsd_bench.config import SCENARIOS
from rsd_bench.dataset.benchmark import Benchmark
from rsd_bench.folders import new_folder
from rsd_bench.submission.canonical_form import PREDICTIONS, in_order, keep_readme, only_a_submission, write_files
from rsd_bench.submission.check_submission import open_submission
from rsd_bench.submission.submission import SLUG, SLUG_FIX, DatasetVersion, Declaration, Metadata
from rsd_bench.types import InputError


def default_tau() -> dict[str, float]:
    """0.5 in every scenario."""
    return dict.fromkeys(SCENARIOS, 0.5)


def new_submission(
    folder: Path,
    predictions: pd.DataFrame,
    benchmark: Benchmark,
    declared: Declaration,
    *,
    source: Path | None = None,
    replace_old: bool = True,
) -> Path:
    """Write and check `folder` (its name is the slug); nothing is left behind when the check fails (InputError).

    A submission that stands there is replaced, where `replace_old`, but for its README; one with files of any other
    kind is not. source: the file that `predictions` were read from; problems then name it, and a row by its label.
    """
    slug = folder.name
    if not SLUG.fullmatch(slug):
        raise InputError.at(slug, "is no slug", SLUG_FIX)
    if not replace_old and folder.exists() and any(folder.iterdir()):
        raise InputError.at(folder, "exists already", "name another slug, or give --replace")
    meta = Metadata(slug, _dataset_of(benchmark), declared)
    with new_folder(folder, may_replace=only_a_submission) as partial:
        inside = partial / slug  # checked under its own name, then moved up
        inside.mkdir()
        write_files(inside, meta.to_dict(), predictions)
        try:
            open_submission(inside, benchmark)
        except InputError as error:
            told = str(inside / PREDICTIONS), in_order(predictions).index, source or Path(f"{slug}, the predictions")
            places = (_place(p.where, *told).replace(str(inside), str(folder)) for p in error.problems)
            renamed = [replace(p, where=place) for p, place in zip(error.problems, places, strict=True)]
            raise InputError(renamed) from None
        for file in list(inside.iterdir()):
            file.rename(partial / file.name)
        inside.rmdir()
        keep_readme(folder, partial)
    return folder


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
