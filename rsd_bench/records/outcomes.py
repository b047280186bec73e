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
from rsd_bench.records.store import JUDGMENTS, RESPONSES, parquet_of, source_info

_BATCH = 2_000
_TABLES = ("responses.parquet", "judgments.parquet")
AUDIT = "audit.json"

#: One outcome and its judge calls, as rows of responses.parquet and judgments.parquet.
Outcome = tuple[Mapping[str, Any], Iterable[Mapping[str, Any]]]


def rows_of(store: Path, source: str, table: str, columns: list[str] | None = None) -> Iterator[dict[str, Any]]:
    """Rows of the queries, responses or judgments of a source, a batch in memory at a time."""
    with parquet_of(store, source, table) as file:
        for batch in file.iter_batches(_BATCH, columns=columns):
            yield from batch.to_pylist()


def replace_outcomes(
    store: Path,
    source: str,
    outcomes: Iterable[Outcome],
    keep: Callable[[Mapping[str, Any]], bool],
    keep_call: Callable[[Mapping[str, Any]], bool],
    info: Mapping[str, Any],
) -> None:
    """Write the outcomes of which `keep` holds, then `outcomes`; of the judge calls, those of `keep_call`, then theirs.

    info: entries of source.json to set. Counts of scored answers are renewed. An audit stays only where both tables
    come out as they were, byte for byte: it speaks of those scores and no others.
    """
    old = store / "sources" / source
    with new_folder(old, may_replace=lambda folder: (folder / "source.json").is_file()) as folder:
        _link(old / "queries.parquet", folder / "queries.parquet")
        scored: Counter[str] = Counter()
        calls: list[Mapping[str, Any]] = []
        with (
            pq.ParquetWriter(folder / "responses.parquet", RESPONSES, compression="zstd") as responses,
            pq.ParquetWriter(folder / "judgments.parquet", JUDGMENTS, compression="zstd") as judgments,
        ):
            _write(filter(keep, rows_of(store, source, "responses")), responses, scored)
            _write(filter(keep_call, rows_of(store, source, "judgments")), judgments)

            def rows() -> Iterator[Mapping[str, Any]]:
                for outcome, its_calls in outcomes:
                    calls.extend(its_calls)
                    if len(calls) >= _BATCH:
                        _write(calls, judgments)
                        calls.clear()
                    yield outcome

            _write(rows(), responses, scored)
            _write(calls, judgments)
        if (old / AUDIT).is_file() and all(_same(old / name, folder / name) for name in _TABLES):
            _link(old / AUDIT, folder / AUDIT)
        changed = source_info(store, source) | {"models": dict(sorted(scored.items()))} | dict(info)
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
