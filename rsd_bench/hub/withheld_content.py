"""What may not be re-hosted: images and texts of sources that are not redistributable, row by row.

Content columns (layout.CONTENT_COLUMNS) of their rows become null; everything else of a row stays.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from rsd_bench.dataset.layout import content_columns
from rsd_bench.dataset.manifest import Manifest


def withheld_sources(manifest: Manifest) -> list[str]:
    """Sources whose images and texts may not be re-hosted; none where the edition has no content anyway."""
    if manifest.lite:
        return []
    return sorted(name for name, source in manifest.sources.items() if not source.redistributable)


def ids_of(folder: Path, sources: Collection[str]) -> pa.Array:
    """query_id of every query of these sources."""
    if not sources:
        return pa.array([], pa.string())
    wanted = pc.field("source").isin(list(sources))
    shards = sorted((folder / "pairs").glob("*.parquet"))
    found = [pq.read_table(s, columns=["query_id"], filters=wanted, partitioning=None) for s in shards]
    return pa.concat_tables(found).column(0).combine_chunks()


def without_content(table: str, rows: pa.Table, hidden: pa.Array) -> pa.Table:
    """Rows of a table with null content where their query is among `hidden`."""
    if not len(hidden):
        return rows
    mask = pc.is_in(rows.column("query_id"), hidden)
    for name in content_columns(table):
        if name in rows.schema.names:
            column = rows.column(name)
            kept = pc.if_else(mask, pa.scalar(None, column.type), column)
            rows = rows.set_column(rows.schema.get_field_index(name), rows.schema.field(name), kept)
    return rows


def has_content(table: str, source: pq.ParquetFile, hidden: pa.Array) -> bool:
    """Whether a file of a table holds content of these queries."""
    if not len(hidden) or not set(content_columns(table)) & set(source.schema_arrow.names):
        return False
    columns = (source.read_row_group(i, ["query_id"]).column(0) for i in range(source.num_row_groups))
    return any(pc.any(pc.is_in(column, hidden)).as_py() for column in columns)
