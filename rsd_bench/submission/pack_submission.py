"""Rewrite a sound submission in canonical form, so that one hash stands for it."""

from __future__ import annotations

import hashlib
from pathlib import Path

from rsd_bench.dataset.benchmark import Benchmark
from rsd_bench.dataset.manifest import file_sha256
from rsd_bench.folders import new_folder
from rsd_bench.submission.canonical_form import keep_readme, only_a_submission, prediction_rows, write_files
from rsd_bench.submission.check_submission import open_submission


def pack_submission(folder: Path, benchmark: Benchmark) -> str:
    """Rewrite a sound submission in canonical form; return the SHA-256 over its files. InputError where it is not."""
    submission = open_submission(folder, benchmark)
    rows = prediction_rows(benchmark, {key: (said.repeats, said.p) for key, said in submission.entries.items()})
    with new_folder(folder, may_replace=only_a_submission) as packed:
        write_files(packed, submission.meta.to_dict(), rows)
        keep_readme(folder, packed)
        names = sorted(path.name for path in packed.iterdir())
        digest = hashlib.sha256("".join(f"{n} {file_sha256(packed / n)}\n" for n in names).encode())
    return digest.hexdigest()
