"""Tables of a dataset folder, read whole: raw, or as rows that know their file, for what has to name a faulty one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from rsd_bench.config import SPLITS
from rsd_bench.types import InputError, Problem

CHECK = "run `rsd-bench data check`"
OTHER_SCHEMA = "has other columns or types than the schema version says"
_SHOWN = 20  # rows of one fault that are listed before the rest is counted


def shards_of(folder: Path, table: str) -> list[Path]:
    """The files of a table, splits in order. InputError where there is none."""
    shards = [path for split in SPLITS for path in sorted((folder / table).glob(f"{split}-*.parquet"))]
    if not shards:
        raise InputError.at(folder / table, "has no Parquet file", "build the dataset again")
    return shards


def read_table(folder: Path, table: str, columns: list[str] | None = None) -> pa.Table:
    """All rows of a table of a dataset folder, splits in order. InputError where a file is missing or damaged."""
    tables = []
    for shard in shards_of(folder, table):
        try:
            tables.append(pq.read_table(shard, columns=columns, partitioning=None))
        except (pa.ArrowInvalid, OSError, KeyError) as error:
            raise InputError.at(shard, f"cannot be read: {error}", CHECK) from None
    return pa.concat_tables(tables)


@dataclass(frozen=True)
class Rows:
    """Columns of a table, with the files that its rows stand in."""

    frame: pd.DataFrame
    shards: tuple[tuple[Path, int], ...]  # file, number of rows

    @cached_property
    def split(self) -> NDArray[Any]:
        """The split whose file each row stands in, shape (n,)."""
        names = np.array([path.name.partition("-")[0] for path, _ in self.shards], object)
        return np.repeat(names, [rows for _, rows in self.shards])

    def problems(self, bad: Any, what: str, fix: str) -> Iterator[Problem]:
        """A problem for each of the first rows that are `bad` (shape (n,)), then one that counts the rest."""
        positions = np.flatnonzero(np.asarray(bad, np.bool_))
        for position in positions[:_SHOWN].tolist():
            yield Problem(self._where(position), what, fix)
        if len(positions) > _SHOWN:
            table = str(self.shards[0][0].parent)
            yield Problem(table, f"{len(positions) - _SHOWN} more rows: {what}", fix)

    def _where(self, position: int) -> str:
        query_id: Any = self.frame["query_id"].iat[position]
        before = 0
        for path, rows in self.shards:
            if position < before + rows:
                return f"{path}:{position - before + 1}" + ("" if pd.isna(query_id) else f": {query_id}")
            before += rows
        raise IndexError(position)


def read_rows(folder: Path, table: str, types: Mapping[str, pa.DataType]) -> Rows:
    """The named columns of a table. InputError where a file is missing, damaged or of another schema."""
    schema = pa.schema(types)
    read, shards = [], []
    for shard in shards_of(folder, table):
        try:
            with pq.ParquetFile(shard) as file:
                held = file.schema_arrow
                if any(
                    held.get_field_index(f.name) < 0 or not _reads_as(held.field(f.name).type, f.type) for f in schema
                ):
                    raise InputError.at(shard, OTHER_SCHEMA, CHECK)
                rows = file.read(schema.names).select(schema.names).cast(schema)
                rows.validate(full=True)
        except (pa.ArrowException, OSError) as error:
            raise InputError.at(shard, f"cannot be read: {' '.join(str(error).split())[:200]}", CHECK) from None
        read.append(rows)
        shards.append((shard, len(rows)))
    return Rows(pa.concat_tables(read).to_pandas(), tuple(shards))


def _reads_as(held: pa.DataType, wanted: pa.DataType) -> bool:
    """Whether values of a type say the same as another: texts of any width, and numbers (a cast refuses a loss)."""
    if held.equals(wanted) or pa.types.is_null(held):
        return True
    if pa.types.is_string(wanted):
        return bool(pa.types.is_large_string(held) or pa.types.is_string_view(held))
    return bool(pa.types.is_integer(held) or pa.types.is_floating(held))
