"""Parquet files that are small on disk and huge in memory, and schema tricks.

Guards against a dictionary page that puts one long text behind every row: the file has kilobytes, its rows terabytes.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hostile import clear, judge, rows_of, table

from rsd_bench.dataset.benchmark import Benchmark, open_benchmark


@pytest.fixture(scope="module")
def data(toy_dataset: Path) -> Benchmark:
    return open_benchmark(toy_dataset)


@pytest.mark.parametrize("name", ["track", "query_id", "scenario"])
@pytest.mark.parametrize("length", [5_000, 20_000_000, 100_000_000])
def test_one_long_text_behind_every_row(tmp_path: Path, data: Benchmark, name: str, length: int) -> None:
    def change(t: pa.Table) -> pa.Table:
        coded = pa.DictionaryArray.from_arrays(np.zeros(len(t), np.int32), pa.array(["x" * length]))
        return t.set_column(t.schema.get_field_index(name), name, coded)

    judge(tmp_path, data, table(change, compression="zstd"), "more than")
    assert pa.default_memory_pool().max_memory() < 1e9, "the text was unpacked for every row"


@pytest.mark.parametrize("rows", [10**6, 3 * 10**7])
def test_millions_of_rows_in_a_few_bytes(tmp_path: Path, data: Benchmark, rows: int) -> None:
    def apply(folder: Path) -> None:
        row = rows_of(folder).iloc[0]
        zeros = pa.array(np.zeros(rows, np.int32))
        texts = [pa.DictionaryArray.from_arrays(zeros, pa.array([row[n]])) for n in ("track", "query_id", "scenario")]
        made = pa.table([*texts, pa.array(np.zeros(rows))], ["track", "query_id", "scenario", "p_edge"])
        clear(folder)
        pq.write_table(made, folder / "predictions.parquet", compression="zstd")
        assert (folder / "predictions.parquet").stat().st_size < 2_000_000

    judge(tmp_path, data, apply, "at most" if rows == 10**6 else "more than")


def test_ten_thousand_columns(tmp_path: Path, data: Benchmark) -> None:
    def change(t: pa.Table) -> pa.Table:
        for i in range(3000):
            t = t.append_column(f"c{i}", t["p_edge"])
        return t

    judge(tmp_path, data, table(change), "more than")


SCHEMAS = {
    "nested-id": lambda t: t.set_column(1, "query_id", pa.array([{"id": i} for i in t["query_id"].to_pylist()])),
    "listed-id": lambda t: t.set_column(1, "query_id", pa.array([[i] for i in t["query_id"].to_pylist()])),
    "binary-id": lambda t: t.set_column(1, "query_id", t["query_id"].cast(pa.binary())),
    "number-id": lambda t: t.set_column(1, "query_id", pa.array(range(len(t)))),
    "coded-number-track": lambda t: t.set_column(0, "track", pa.array([0] * len(t)).dictionary_encode()),
    "null-scenario": lambda t: t.set_column(2, "scenario", pa.nulls(len(t))),
    "renamed": lambda t: t.rename_columns(["track", "query_id", "scenario", "P_EDGE"]),
    "spaced": lambda t: t.rename_columns(["track", "query_id", "scenario", "p_edge "]),
    "dotted": lambda t: t.rename_columns(["track", "query_id", "scenario", "p.edge"]),
    "score-column": lambda t: t.append_column("score", t["p_edge"]),
    "cost-column": lambda t: t.append_column("cost", t["p_edge"]),
    "latency-column": lambda t: t.append_column("latency_s", t["p_edge"]),
    "no-columns": lambda t: t.select([]),
    "twice": lambda t: pa.Table.from_arrays([*t.columns, t["p_edge"]], [*t.column_names, "p_edge"]),
    "html-column": lambda t: t.append_column("<script>alert(1)</script>", t["p_edge"]),
}


@pytest.mark.parametrize("name", SCHEMAS)
def test_schema_tricks(tmp_path: Path, data: Benchmark, name: str) -> None:
    judge(tmp_path, data, table(SCHEMAS[name]), "column")


@pytest.mark.parametrize("compression", ["snappy", "gzip", "zstd", "lz4", "brotli", "none"])
def test_every_compression_is_read(tmp_path: Path, data: Benchmark, compression: str) -> None:
    judge(tmp_path, data, table(lambda t: t, compression=compression), None)


@pytest.mark.parametrize(
    "options", [{"row_group_size": 7}, {"data_page_version": "2.0"}, {"use_dictionary": False}, {"version": "1.0"}]
)
def test_every_layout_is_read(tmp_path: Path, data: Benchmark, options: dict[str, object]) -> None:
    judge(tmp_path, data, table(lambda t: t, **options), None)


@pytest.mark.parametrize("kind", [pa.large_string(), pa.string_view()])
def test_other_text_types_are_read(tmp_path: Path, data: Benchmark, kind: pa.DataType) -> None:
    judge(tmp_path, data, table(lambda t: t.set_column(1, "query_id", t["query_id"].cast(kind))), None)
