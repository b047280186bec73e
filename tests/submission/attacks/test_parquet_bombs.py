"""Parquet files that are small on disk and huge in memory, and schema tricks.

Guards against a dictionary page that puts one long text behind every row: the file has kilobytes, its rows terabytes.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pyarrow.parquet.encryption as encryption
import pytest
from hostile import clear, judge, raw, rows_of, sound, table

from rsd_bench.dataset.benchmark import Benchmark
from rsd_bench.submission.check_submission import check_submission
from rsd_bench.submission.parquet_pages import read_pages


@pytest.mark.parametrize("name", ["track", "query_id", "scenario"])
@pytest.mark.parametrize("length", [5_000, 20_000_000, 100_000_000])
@pytest.mark.parametrize("store_schema", [True, False])  # arrow's own note that the column is a dictionary
def test_one_long_text_behind_every_row(
    tmp_path: Path, toy_benchmark: Benchmark, name: str, length: int, store_schema: bool
) -> None:
    def change(t: pa.Table) -> pa.Table:
        coded = pa.DictionaryArray.from_arrays(np.zeros(len(t), np.int32), pa.array(["x" * length]))
        return t.set_column(t.schema.get_field_index(name), name, coded)

    judge(tmp_path, toy_benchmark, table(change, compression="zstd", store_schema=store_schema), "more than")
    assert pa.default_memory_pool().max_memory() < 1e9, "the text was unpacked for every row"


@pytest.mark.parametrize("version", ["1.0", "2.0"])
@pytest.mark.parametrize("coded", [[], ["query_id"], ["track", "scenario"], ["track", "query_id", "scenario"]])
def test_columns_that_refer_to_a_dictionary_are_told_by_their_pages(
    tmp_path: Path, coded: list[str], version: str
) -> None:
    columns = {name: pa.array([name] * 9) for name in ("track", "query_id", "scenario")} | {
        "p_edge": pa.array([0.5] * 9)
    }
    path = tmp_path / "x.parquet"
    pq.write_table(pa.table(columns), path, use_dictionary=coded, data_page_version=version, row_group_size=4)
    pages = read_pages(path)
    assert {list(columns)[at] for at in pages.coded} == set(coded)
    assert 0 < pages.unpacked_bytes < 10_000


@pytest.mark.parametrize("rows", [10**6, 3 * 10**7])
def test_millions_of_rows_in_a_few_bytes(tmp_path: Path, toy_benchmark: Benchmark, rows: int) -> None:
    def apply(folder: Path) -> None:
        row = rows_of(folder).iloc[0]
        zeros = pa.array(np.zeros(rows, np.int32))
        texts = [pa.DictionaryArray.from_arrays(zeros, pa.array([row[n]])) for n in ("track", "query_id", "scenario")]
        made = pa.table([*texts, pa.array(np.zeros(rows))], ["track", "query_id", "scenario", "p_edge"])
        clear(folder)
        pq.write_table(made, folder / "predictions.parquet", compression="zstd")
        assert (folder / "predictions.parquet").stat().st_size < 2_000_000

    judge(tmp_path, toy_benchmark, apply, "at most" if rows == 10**6 else "more than")


def test_ten_thousand_columns(tmp_path: Path, toy_benchmark: Benchmark) -> None:
    def change(t: pa.Table) -> pa.Table:
        for i in range(3000):
            t = t.append_column(f"c{i}", t["p_edge"])
        return t

    judge(tmp_path, toy_benchmark, table(change), "more than")


def zigzag(value: int) -> bytes:
    """A number in Thrift's compact protocol."""
    value, out = value << 1, b""
    while value > 127:
        out, value = out + bytes([value & 127 | 128]), value >> 7
    return out + bytes([value])


def as_long(value: int, like: bytes) -> bytes:
    """The same, in as many bytes as `like`, so that nothing moves."""
    short = zigzag(value)
    return short[:-1] + bytes([short[-1] | 128]) + b"\x80" * (len(like) - len(short) - 1) + b"\0"


def lie(path: Path, truth: int, claim: int, count: int = -1) -> None:
    """Replace a number in the footer."""
    before, old = footer_of(path.read_bytes())
    footer = old.replace(b"\x16" + zigzag(truth), b"\x16" + as_long(claim, zigzag(truth)), count)
    assert footer != old
    path.write_bytes(with_footer(before, footer))


@pytest.mark.parametrize("dictionary", [True, False])
@pytest.mark.parametrize("version", ["1.0", "2.0"])
def test_a_footer_that_lies_about_its_sizes(
    tmp_path: Path, toy_benchmark: Benchmark, dictionary: bool, version: str
) -> None:
    # 14 KB whose footer told of 100 bytes were unpacked to 400 MB
    def change(t: pa.Table) -> pa.Table:
        return t.set_column(1, "query_id", pa.array(["x" * 100_000_000, *t["query_id"].to_pylist()[1:]]))

    def apply(folder: Path) -> None:
        table(change, compression="zstd", use_dictionary=dictionary, data_page_version=version)(folder)
        path = folder / "predictions.parquet"
        assert path.stat().st_size < 100_000
        group = pq.read_metadata(path).row_group(0)
        for size in {group.total_byte_size, group.column(1).total_uncompressed_size}:
            lie(path, size, 100)
        assert pq.read_metadata(path).row_group(0).total_byte_size == 100

    judge(tmp_path, toy_benchmark, apply, "unpacks to 100")


def test_a_footer_that_lies_about_its_rows(tmp_path: Path, toy_benchmark: Benchmark) -> None:
    # the bound on rows looked at a number that nothing holds the file to
    def apply(folder: Path) -> None:
        zeros = pa.array(np.zeros(2_000_000, np.int32))
        row = rows_of(folder).iloc[0]
        made = {name: pa.DictionaryArray.from_arrays(zeros, pa.array([row[name]])) for name in row.index}
        clear(folder)
        pq.write_table(pa.table(made), folder / "predictions.parquet", row_group_size=2_000_000, store_schema=False)
        lie(folder / "predictions.parquet", 2_000_000, 30, 1)
        assert pq.read_metadata(folder / "predictions.parquet").num_rows == 30

    judge(tmp_path, toy_benchmark, apply, "at most")


def footer_of(content: bytes) -> tuple[bytes, bytes]:
    """What stands before the footer of a Parquet file, and the footer."""
    start = len(content) - 8 - int.from_bytes(content[-8:-4], "little")
    return content[:start], content[start:-8]


def with_footer(before: bytes, footer: bytes) -> bytes:
    return before + footer + len(footer).to_bytes(4, "little") + b"PAR1"


def test_a_footer_within_a_footer(tmp_path: Path, toy_benchmark: Benchmark) -> None:
    # a list of notes that said it was one of texts: the walk skipped a text and found no row groups, arrow, which looks
    # for notes whatever a list says, skipped what the walk had found, and 4 KB were unpacked to 100 MB
    def change(t: pa.Table) -> pa.Table:
        return t.set_column(1, "query_id", pa.array(["x" * 100_000_000, *t["query_id"].to_pylist()[1:]]))

    def hide(old: bytes) -> bytes:
        before, footer = footer_of(old)
        no_groups = bytes([0x09, *zigzag(4), 0x0C, 0])  # field 4, a list without structs, and the end
        key = bytes(23) + no_groups
        notes = bytes([0x59, 0x18, 0x18, len(key)]) + key + b"\0"  # field 5, a list of one text, of 24 characters
        assert footer[0] == 0x15  # field 1
        return with_footer(before, notes + bytes([0x05, *zigzag(1)]) + footer[1:])

    def apply(folder: Path) -> None:
        table(change, compression="zstd", use_dictionary=False, store_schema=False)(folder)
        raw("predictions.parquet", hide)(folder)
        assert pq.read_metadata(folder / "predictions.parquet").num_row_groups == 1

    judge(tmp_path, toy_benchmark, apply, "a list of kind 8 where none belongs")


@pytest.mark.parametrize("kind", range(16))
def test_lists_that_say_they_hold_something_else(tmp_path: Path, toy_benchmark: Benchmark, kind: int) -> None:
    # one byte that arrow does not look at: the chunks of a row group were no structs, and the board ended
    folder = sound(tmp_path / "victim", toy_benchmark)
    before, footer = footer_of((folder / "predictions.parquet").read_bytes())
    for at in (at for at, byte in enumerate(footer) if byte & 15 == 12):  # lists of structs are among them
        changed = bytes([footer[at] & 0xF0 | kind])
        told = with_footer(before, footer[:at] + changed + footer[at + 1 :])
        (folder / "predictions.parquet").write_bytes(told)
        found, problems = check_submission(folder, toy_benchmark)
        assert (found is None) == bool(problems)


def test_a_text_that_is_told_by_the_one_before(tmp_path: Path, toy_benchmark: Benchmark) -> None:
    # each row shares a megabyte with its predecessor: a page of one megabyte, rows of hundreds
    def change(t: pa.Table) -> pa.Table:
        return t.set_column(1, "query_id", pa.array(["x" * 50_000 + i for i in t["query_id"].to_pylist()]))

    options = {"use_dictionary": False, "column_encoding": {"query_id": "DELTA_BYTE_ARRAY"}}
    judge(tmp_path, toy_benchmark, table(change, **options), "DELTA_BYTE_ARRAY")


@pytest.mark.parametrize("at", [0, 3, 30])
@pytest.mark.parametrize("name", ["track", "query_id", "scenario"])
def test_text_that_is_no_utf8(tmp_path: Path, toy_benchmark: Benchmark, name: str, at: int) -> None:
    # arrow reads it, and Python stumbled where the check told of the row: the board ended
    bad = pa.Array.from_buffers(pa.string(), 1, [None, pa.py_buffer(b"\0\0\0\0\2\0\0\0"), pa.py_buffer(b"\xff\xfe")])

    def change(t: pa.Table) -> pa.Table:
        column = t[name].combine_chunks()
        chunks = pa.chunked_array([column[:at], bad, column[at + 1 :]])
        return t.slice(0, len(chunks)).set_column(t.schema.get_field_index(name), name, chunks)

    judge(tmp_path, toy_benchmark, table(change), f"column {name!r} holds text that is not UTF-8")


class Keys(encryption.KmsClient):
    """Keys under no lock."""

    def __init__(self, config: encryption.KmsConnectionConfig) -> None:
        encryption.KmsClient.__init__(self)

    def wrap_key(self, key: bytes, name: str) -> bytes:
        return key


@pytest.mark.parametrize("plain_footer", [True, False])
def test_encrypted_columns(tmp_path: Path, toy_benchmark: Benchmark, plain_footer: bool) -> None:
    # asked for the place of an encrypted column, arrow ends the process
    def apply(folder: Path) -> None:
        made = pa.Table.from_pandas(rows_of(folder), preserve_index=False)
        clear(folder)
        how = encryption.EncryptionConfiguration("k", column_keys={"k": ["p_edge"]}, plaintext_footer=plain_footer)
        keys = encryption.CryptoFactory(Keys).file_encryption_properties(encryption.KmsConnectionConfig(), how)
        with pq.ParquetWriter(folder / "predictions.parquet", made.schema, encryption_properties=keys) as writer:
            writer.write_table(made)

    judge(tmp_path, toy_benchmark, apply, "encrypted")


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
def test_schema_tricks(tmp_path: Path, toy_benchmark: Benchmark, name: str) -> None:
    judge(tmp_path, toy_benchmark, table(SCHEMAS[name]), "column")


@pytest.mark.parametrize("compression", ["snappy", "gzip", "zstd", "lz4", "brotli", "none"])
def test_every_compression_is_read(tmp_path: Path, toy_benchmark: Benchmark, compression: str) -> None:
    judge(tmp_path, toy_benchmark, table(lambda t: t, compression=compression), None)


@pytest.mark.parametrize(
    "options", [{"row_group_size": 7}, {"data_page_version": "2.0"}, {"use_dictionary": False}, {"version": "1.0"}]
)
def test_every_layout_is_read(tmp_path: Path, toy_benchmark: Benchmark, options: dict[str, object]) -> None:
    judge(tmp_path, toy_benchmark, table(lambda t: t, **options), None)


@pytest.mark.parametrize("kind", [pa.large_string(), pa.string_view()])
def test_other_text_types_are_read(tmp_path: Path, toy_benchmark: Benchmark, kind: pa.DataType) -> None:
    judge(tmp_path, toy_benchmark, table(lambda t: t.set_column(1, "query_id", t["query_id"].cast(kind))), None)
