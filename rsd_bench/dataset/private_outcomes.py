"""Private test outcomes: a dataset that is published without the test scores, and the scores that only scoring sees.

The public folder has its test rows in `pairs` with null scores; the private one (a folder, or a gated Hub repository)
has `outcomes/test-*.parquet` in the layout of the dataset's own `outcomes` table.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from rsd_bench.config import MAX_SECONDS, SCORE_MAX, load_profile
from rsd_bench.dataset.benchmark import Benchmark, read_queries
from rsd_bench.dataset.tier_outcomes import tier_outcomes
from rsd_bench.metrics.arrays import entered
from rsd_bench.metrics.latency import pair_latency
from rsd_bench.types import InputError

_OUTCOME = ["small_score", "large_score", "small_latency_s", "large_latency_s"]
_COLUMNS = ["query_id", "model", "score", "latency_s", "latency_basis", "output_tokens"]


def open_private_benchmark(folder: Path, private: Path) -> Benchmark:
    """The benchmark of a dataset folder with its in-domain test outcomes taken from `private`.

    InputError where an outcome of a test query is missing, doubled or no score; it never says which one.
    """
    benchmark = read_queries(folder)
    shards = sorted((private / "outcomes").glob("test-*.parquet"))
    if not shards:
        raise InputError.at(private, "has no outcomes/test-*.parquet", "name the folder of the private test outcomes")
    try:
        outcomes = pa.concat_tables(pq.read_table(s, columns=_COLUMNS, partitioning=None) for s in shards).to_pandas()
    except (pa.ArrowException, KeyError, OSError):
        raise InputError.at(private, "cannot be read", f"columns: {', '.join(_COLUMNS)}") from None
    queries = benchmark.queries.copy()
    test = np.flatnonzero((queries["split"] == "test").to_numpy(np.bool_, na_value=False))
    ids = pd.Index(queries["query_id"].iloc[test])
    sides = []
    for tier in ("small", "large"):
        model = getattr(benchmark.manifest.pair, tier)
        side = outcomes[outcomes["model"] == model]
        if side["query_id"].duplicated().any():
            raise InputError.at(private, f"has two outcomes of {model} for one query", "keep one")
        side = side.set_index("query_id").reindex(ids)
        scores = side["score"].to_numpy(np.float64, na_value=np.nan)
        if not ((scores >= 0) & (scores <= SCORE_MAX)).all():
            raise InputError.at(private, f"lacks a score in [0, 10] of {model} for a test query", "add the outcomes")
        queries.loc[queries.index[test], f"{tier}_score"] = [entered(score) for score in scores]
        sides.append(tier_outcomes(tier, model, side))
    profile = load_profile(benchmark.manifest.latency_profile)
    try:
        latency = pair_latency(ids, queries["source"].iloc[test].to_numpy(object), sides[0], sides[1], profile)
    except InputError:  # names the query
        fix = f"a latency is a number of seconds from 0 to {MAX_SECONDS:g}"
        raise InputError.at(private, "has an outcome of a test query with another latency", fix) from None
    for name, values in (("small_latency_s", latency.small_s), ("large_latency_s", latency.large_s)):
        queries.loc[queries.index[test], name] = values
    queries.loc[queries.index[test], "latency_basis"] = latency.basis
    return replace(benchmark, queries=queries, private_sha256=_digest(queries.iloc[test]))


def _digest(test: pd.DataFrame) -> str:
    """SHA-256 of the test outcomes themselves, whatever the files they came in look like."""
    text = test[["query_id", *_OUTCOME]].to_csv(index=False, float_format="%r", lineterminator="\n")
    return hashlib.sha256(text.encode()).hexdigest()
