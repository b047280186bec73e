"""Submissions of random probabilities, sound until a test breaks them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from rsd_bench.dataset.benchmark import Benchmark
from rsd_bench.submission.new_submission import default_tau, new_submission
from rsd_bench.submission.submission import Declaration, RouterLatency


def probabilities(benchmark: Benchmark, tracks: tuple[str, ...] = ("in-domain",), seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    tables = []
    for track in tracks:
        ids = benchmark.part(track, "test").query_ids
        tables.append(pd.DataFrame({"track": track, "query_id": ids, "scenario": "*", "p_edge": rng.random(len(ids))}))
    return pd.concat(tables, ignore_index=True)


def declaration(**changes: Any) -> Declaration:
    """A Declaration in order, some of its fields changed."""
    latency = RouterLatency(0.016, "a test machine")
    sound = Declaration(name="A router", authors=("A. Author",), tau=default_tau(), router_latency=latency)
    return replace(sound, **changes)


def make(
    folder: Path,
    benchmark: Benchmark,
    frame: pd.DataFrame | None = None,
    *,
    source: Path | None = None,
    replace_old: bool = True,
    **changes: Any,
) -> Path:
    """A submission in order, of random probabilities where none are given; `changes` are those of the declaration."""
    predictions = probabilities(benchmark) if frame is None else frame
    declared = declaration(**changes)
    return new_submission(folder, predictions, benchmark, declared, source=source, replace_old=replace_old)
