"""Change the outcomes of a source that a store holds: the way in for live answers and live scores.

Rows are streamed from the old tables into new ones, and the source is replaced whole or not at all, as by an import.
"""

from __future__ import annotations

import filecmp
import json
import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from rsd_bench.folders import new_folder, write_file
from rsd_bench.sources.store import JUDGMENTS, RESPONSES, batches_of, source_info

_BATCH = 2_000
_TABLES = ("responses.parquet", "judgments.parquet")
AUDIT = "audit.json"

JUDGE_PREFIX = "rsd-bench:"  # of the `judge` of every score that this package gave

#: A row of responses.parquet with its new judge calls; None where it keeps those that the store holds.
Outcome = tuple[Mapping[str, Any], Iterable[Mapping[str, Any]] | None]


def scored_by_us(row: Mapping[str, Any]) -> bool:
    """Whether a judge of this package gave the score of an outcome or of a judge call; others are published."""
    return row["score"] is not None and (row["judge"] or "").startswith(JUDGE_PREFIX)


def rows_of(store: Path, source: str, table: str, columns: list[str] | None = None) -> Iterator[dict[str, Any]]:
    """Rows of the queries, responses or judgments of a source, a batch in memory at a time."""
    for batch in batches_of(store, source, table, _BATCH, columns):
        yield from batch.to_pylist()


def replace_outcomes(
    store: Path, source: str, outcomes: Iterable[Outcome], info: Callable[[], Mapping[str, Any]]
) -> None:
    """Write `outcomes`, all of the source in their new order, and their judge calls.

    New calls of an outcome take the place of those that a judge of this package made about it; every other call stays.
    info: gives the entries of source.json to set, once all outcomes are written. Counts of scored answers are renewed.
    An audit stays only where both tables come out as they were, byte for byte: it speaks of those scores and no others.
    """
    old = store / "sources" / source
    with new_folder(old, may_replace=lambda folder: (folder / "source.json").is_file()) as folder:
        _link(old / "queries.parquet", folder / "queries.parquet")
        scored: Counter[str] = Counter()
        calls: list[Mapping[str, Any]] = []
        renewed: set[tuple[str, str]] = set()
        with (
            pq.ParquetWriter(folder / "responses.parquet", RESPONSES, compression="zstd") as responses,
            pq.ParquetWriter(folder / "judgments.parquet", JUDGMENTS, compression="zstd") as judgments,
        ):

            def rows() -> Iterator[Mapping[str, Any]]:
                for outcome, its_calls in outcomes:
                    if its_calls is not None:
                        renewed.add((outcome["query_id"], outcome["model"]))
                        calls.extend(its_calls)
                    if len(calls) >= _BATCH:
                        _write(calls, judgments)
                        calls.clear()
                    yield outcome

            def stays(call: Mapping[str, Any]) -> bool:
                return (call["query_id"], call["model"]) not in renewed or not scored_by_us(call)

            _write(rows(), responses, scored)
            _write(calls, judgments)
            _write(filter(stays, rows_of(store, source, "judgments")), judgments)
        if (old / AUDIT).is_file() and all(_same(old / name, folder / name) for name in _TABLES):
            _link(old / AUDIT, folder / AUDIT)
        changed = source_info(store, source) | {"models": dict(sorted(scored.items()))} | dict(info())
        write_file(folder / "source.json", (json.dumps(changed, indent=1, ensure_ascii=False) + "\n").encode())


def _same(one: Path, other: Path) -> bool:
    return filecmp.cmp(one, other, shallow=False)


def _link(source: Path, dest: Path) -> None:
    try:
        os.link(source, dest)
    except OSError:  # a file system without hard links
        shutil.copy2(source, dest)


def _write(rows: Iterable[Mapping[str, Any]], writer: pq.ParquetWriter, scored: Counter[str] | None = None) -> None:
    schema = writer.schema
    batch: list[Mapping[str, Any]] = []
    for row in rows:
        batch.append(row)
        if scored is not None:
            scored[row["model"]] += row["score"] is not None
        if len(batch) >= _BATCH:
            writer.write_table(pa.Table.from_pylist(batch, schema))
            batch.clear()
    if batch:
        writer.write_table(pa.Table.from_pylist(batch, schema))
