"""Submissions of random probabilities, sound until a test breaks them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from rsd_bench.dataset.benchmark import Benchmark
from rsd_bench.submission.new_submission import default_tau, new_submission


def probabilities(benchmark: Benchmark, tracks: tuple[str, ...] = ("in-domain",), seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    tables = []
    for track in tracks:
        ids = benchmark.part(track, "test").query_ids
        tables.append(pd.DataFrame({"track": track, "query_id": ids, "scenario": "*", "p_edge": rng.random(len(ids))}))
    return pd.concat(tables, ignore_index=True)


def make(folder: Path, benchmark: Benchmark, frame: pd.DataFrame | None = None, **changes: object) -> Path:
    arguments = {
        "name": "A router",
        "authors": ["A. Author"],
        "tau": default_tau(),
        "router_latency_s": 0.016,
        "hardware": "a test machine",
    } | changes
    return new_submission(folder, probabilities(benchmark) if frame is None else frame, benchmark, **arguments)
