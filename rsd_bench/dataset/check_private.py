"""The part of `data check` that looks for private outcomes in a public folder: rows, and digests to be tried out."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq

from rsd_bench.dataset.layout import MANIFEST, OUTCOME_COLUMNS, PRIVATE, PRIVATE_SPLIT
from rsd_bench.dataset.manifest import Manifest
from rsd_bench.types import Problem

_FIX = "push again, under a higher version"
_SHOWN = 20  # rows of one fault that are listed before the rest is counted


def check_private(folder: Path, manifest: Manifest) -> Iterator[Problem]:
    """What a folder with private outcomes tells of them; nothing where it has none."""
    if manifest.private_outcomes is None:
        return
    for name, digest in (
        ("private_outcomes.sha256", manifest.private_outcomes.sha256),
        ("derived_from", manifest.derived_from),
    ):
        if digest:
            what = f"{name} is a digest of private outcomes: who knows all but one tries that one out"
            yield Problem(str(folder / MANIFEST), what, _FIX)
    pairs = _test_rows(folder, "pairs", ["query_id", *OUTCOME_COLUMNS])
    for name in OUTCOME_COLUMNS:
        yield from _told(folder / "pairs", pairs[pairs[name].notna()], f"{name} is private but stands here")
    outcomes = _test_rows(folder, "outcomes", ["query_id", "status", "score", "latency_s", "output_tokens"])
    told = (outcomes["status"] != PRIVATE) | outcomes[["score", "latency_s", "output_tokens"]].notna().any(axis=1)
    yield from _told(folder / "outcomes", outcomes[told], "is private but stands here")
    judgments = _test_rows(folder, "judgments", ["query_id"])
    yield from _told(folder / "judgments", judgments, "a judge call is private but stands here")


def _test_rows(folder: Path, table: str, columns: list[str]) -> pd.DataFrame:
    shards = sorted((folder / table).glob(f"{PRIVATE_SPLIT}-*.parquet"))
    frames = [pq.read_table(shard, columns=columns, partitioning=None).to_pandas() for shard in shards]
    joined: pd.DataFrame = pd.concat(frames) if frames else pd.DataFrame(columns=columns)
    return joined


def _told(where: Path, rows: pd.DataFrame, what: str) -> Iterator[Problem]:
    for query_id in rows["query_id"][:_SHOWN]:
        yield Problem(f"{where}: {query_id}", what, _FIX)
    if len(rows) > _SHOWN:
        yield Problem(str(where), f"{len(rows) - _SHOWN} more rows: {what}", _FIX)
