"""Rewrite a sound submission in canonical form, so that one hash stands for it."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pandas as pd

from rsd_bench.dataset.benchmark import Benchmark
from rsd_bench.dataset.manifest import file_sha256
from rsd_bench.folders import new_folder
from rsd_bench.submission.canonical_form import keep_readme, only_a_submission, write_files
from rsd_bench.submission.check_submission import open_submission
from rsd_bench.submission.submission import COLUMNS


def pack_submission(folder: Path, benchmark: Benchmark) -> str:
    """Rewrite a sound submission in canonical form; return the SHA-256 over its files. InputError where it is not."""
    submission = open_submission(folder, benchmark)
    rows = [
        pd.DataFrame(
            dict(zip(COLUMNS, (track, benchmark.part(track, "test").query_ids, scenario, said.p[0, :, 0]), strict=True))
        )
        for (track, scenario), said in submission.entries.items()
    ]
    with new_folder(folder, may_replace=only_a_submission) as packed:
        write_files(packed, submission.meta.to_dict(), pd.concat(rows, ignore_index=True))
        keep_readme(folder, packed)
        names = sorted(path.name for path in packed.iterdir())
        digest = hashlib.sha256("".join(f"{n} {file_sha256(packed / n)}\n" for n in names).encode())
    return digest.hexdigest()
