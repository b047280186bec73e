"""Any byte of any file may be anything: a submission is accepted or refused with problems, never an exception.

Guards against one submission that ended `board build` for all: half a surrogate pair in a name was accepted and could not
be written later, one in a query_id and bytes that are no UTF-8 in a Parquet column left the check as an exception.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hostile import lines, sound

from rsd_bench.dataset.benchmark import Benchmark
from rsd_bench.submission.check_submission import check_submission

FLIPS = 500
FILES = ["submission.json", "predictions.parquet", "predictions.csv", "predictions.jsonl"]


@pytest.mark.parametrize("name", FILES)
def test_five_hundred_files_with_bytes_turned(tmp_path: Path, toy_benchmark: Benchmark, name: str) -> None:
    folder = sound(tmp_path / "victim", toy_benchmark)
    if name.endswith((".csv", ".jsonl")):
        lines(lambda rows: rows, name.rpartition(".")[2])(folder)
    plain = (folder / name).read_bytes()
    rng = np.random.default_rng(0)
    refused = 0
    for _ in range(FLIPS):
        changed = bytearray(plain)
        for at in rng.integers(0, len(plain), rng.integers(1, 6)):
            changed[at] = rng.integers(0, 256)
        (folder / name).write_bytes(changed)
        submission, problems = check_submission(folder, toy_benchmark)
        assert (submission is None) == bool(problems)
        for problem in problems:
            str(problem).encode()
        refused += submission is None
    assert refused > FLIPS // 4
