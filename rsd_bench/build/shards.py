"""Parquet shards written as rows arrive: one open row group per split is all the memory that a build needs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from rsd_bench.config import SPLITS

SHARD_BYTES = 256 << 20

WRITER_OPTIONS: dict[str, Any] = {
    "compression": "zstd",
    "write_page_index": True,
    "use_content_defined_chunking": True,
}


class SplitShards:
    """Writes `folder/<split>-NNNNN-of-NNNNN.parquet`, a new shard past 256 MiB; use as a context manager."""

    def __init__(self, folder: Path, schema: pa.Schema, rows_per_group: int, splits: Sequence[str] = SPLITS) -> None:
        folder.mkdir(exist_ok=True)
        self._folder, self._schema, self._rows_per_group = folder, schema, rows_per_group
        self._pending: dict[str, list[Mapping[str, Any]]] = {split: [] for split in splits}
        self._writers: dict[str, pq.ParquetWriter] = {}
        self._shards: dict[str, list[Path]] = {split: [] for split in splits}

    def write(self, split: str, rows: Iterable[Mapping[str, Any]]) -> None:
        """Append rows (dicts by column) to a split, in order."""
        pending = self._pending[split]
        for row in rows:
            pending.append(row)
            if len(pending) == self._rows_per_group:
                self._flush(split)

    def _flush(self, split: str) -> None:
        pending = self._pending[split]
        self.write_group(split, pa.Table.from_pylist(pending, self._schema))
        pending.clear()

    def write_group(self, split: str, rows: pa.Table) -> None:
        """Append a row group as it is."""
        if split not in self._writers:
            path = self._folder / f"{split}-{len(self._shards[split]):05d}.parquet"
            self._shards[split].append(path)
            self._writers[split] = pq.ParquetWriter(path, self._schema, **WRITER_OPTIONS)
        if len(rows):  # `datasets` cannot read a row group without rows
            self._writers[split].write_table(rows)
        if self._shards[split][-1].stat().st_size > SHARD_BYTES:
            self._writers.pop(split).close()

    def __enter__(self) -> SplitShards:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            for split in self._pending:
                if self._pending[split] or not self._shards[split]:  # an empty split is a file without rows
                    self._flush(split)
        for writer in self._writers.values():
            writer.close()
        if kind is None:
            for shards in self._shards.values():
                for shard in shards:
                    shard.rename(shard.with_name(f"{shard.stem}-of-{len(shards):05d}.parquet"))
