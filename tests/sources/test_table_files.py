"""What is no sound table is told of its row or its file; a pickle, which would run its author's program, is never read.

Guards against a cut file that was imported in part without a word, JSON that had to fit into memory as a whole, a
number that was cut where a window of the file ended (4.5 read as 4), and bytes of another encoding that became letters.
"""

from __future__ import annotations

import gzip
import io
import json
import pickle
import tracemalloc
from pathlib import Path

import pytest
from tables import LONG, WIDE, prepare, read, rows_of, widened, write

from rsd_bench.sources.json_records import JsonRecords


def refused(folder: Path, name: str, data: bytes, mapping: str = LONG) -> str:
    (folder / name).write_bytes(data)
    found = read(folder / name, prepare(folder, mapping))
    assert found.of_source == found.problems and len(found.problems) == 1
    assert not found.outcomes
    return found.said


@pytest.mark.parametrize(
    ("name", "data", "told"),
    [
        ("t.pkl", b"", "is a pickle, which is not read -> a pickle runs code when it is opened"),
        ("t.pkl.gz", b"", "is a pickle"),
        ("t.csv", pickle.dumps([1]), "is a pickle"),
        ("t.xlsx", b"PK", "is no table that is read: .csv, .tsv, .jsonl, .ndjson, .json, .parquet"),
        ("t.parquet.gz", b"", "is no table that is read"),
        ("t.csv", b"", "has no rows"),
        ("t.csv", b"qid,ask\n", "has no rows"),
        ("t.jsonl", b"\n\n", "has no rows"),
        ("t.json", b"[]", "has no rows"),
        ("t.csv", b"qid,qid,ask\n1,2,3\n", "line 1: columns stand twice: qid"),
        ("t.csv", b"q\xff,ask\n1,2\n", "line 1: not UTF-8"),
        ("t.json", b'{"rows": []}', "is no list; state `records` where it holds one, or call a file of JSON Lines"),
        ("t.json", b'[{"qid": 1}', "']' must stand where the end of the file is"),
        ("t.json", b'[{"qid": 1, "qid": 2}]', "key 'qid' stands twice"),
        ("t.json", b'[{"qid": "\xff"}]', "can't decode byte 0xff"),
        ("t.parquet", b"PAR1 junk PAR1", "cannot be read: "),
        ("t.csv.gz", b"not gzip", "Not a gzipped file"),
        ("t.csv.gz", gzip.compress(b"qid,ask\n1,2\n" * 9, mtime=0)[:-9], "cannot be read"),
    ],
)
def test_a_file_that_is_no_table_is_one_line(tmp_path: Path, name: str, data: bytes, told: str) -> None:
    said = refused(tmp_path, name, data)
    assert told in said and len(said.splitlines()) == 1


def test_a_pickle_is_not_opened(tmp_path: Path) -> None:
    class Program:
        def __reduce__(self) -> tuple[object, tuple[str, str]]:
            return (open, (str(tmp_path / "ran"), "w"))

    for name in ("t.pkl", "t.parquet", "t.jsonl"):
        assert "is a pickle" in refused(tmp_path, name, pickle.dumps(Program()))
    assert 'read_pickle("t.pkl").to_parquet("t.parquet")' in refused(tmp_path, "t.pkl", b"")
    assert not (tmp_path / "ran").exists()


def test_a_folder_and_a_file_that_is_not_there(tmp_path: Path) -> None:
    mapping = prepare(tmp_path, LONG)
    assert "is a folder -> name its files; run `rsd-bench data inspect " in read(tmp_path, mapping).said
    assert "absent.csv: no such file" in read(tmp_path / "absent.csv", mapping).said


def test_a_row_that_cannot_be_read_costs_itself(tmp_path: Path) -> None:
    rows = [row | {"ask": "How many?"} for row in rows_of(4)]
    lines = write(tmp_path / "t.csv", rows).read_bytes().splitlines(keepends=True)
    lines[3] = lines[3].replace(b"How", b"H\xffw")
    lines[5] = lines[5].rstrip() + b",more\r\n"
    (tmp_path / "t.csv").write_bytes(b"\xef\xbb\xbf" + b"".join(lines))
    found = read(tmp_path / "t.csv", prepare(tmp_path, LONG))
    assert [str(p).split(" -> ")[0].rpartition("t.csv:")[2] for p in found.problems] == [
        "4: not UTF-8",
        "6: row has 11 cells, the header 10",
    ]
    assert not found.of_source
    assert len(found.outcomes) == 6
    lines = write(tmp_path / "t.jsonl", rows).read_bytes().splitlines(keepends=True)
    lines[1], lines[2], lines[3] = b"[1]\n", lines[2].replace(b"0.", b"NaN, 0."), b"\n"
    (tmp_path / "t.jsonl").write_bytes(b"".join(lines))
    found = read(tmp_path / "t.jsonl", tmp_path / "map.toml")
    assert len(found.problems) == 2 and not found.of_source
    assert "t.jsonl:2: is no object" in found.said
    assert len(found.outcomes) == 5


def test_quotes_line_breaks_and_other_scripts_stay(tmp_path: Path) -> None:
    rows = [row | {"ask": 'Wie "viel"?\r\n, 棒\u2028;\tx', "said": "=1+1"} for row in rows_of(2)]
    for name in ("t.csv", "t.tsv", "t.jsonl", "t.json", "t.parquet"):
        found = read(write(tmp_path / name, rows), prepare(tmp_path, LONG))
        assert found.problems == []
        assert {query.question for query in found.queries.values()} == {rows[0]["ask"]}
        assert {outcome.response for outcome in found.outcomes.values()} == {"=1+1"}


@pytest.mark.parametrize("indent", [None, 1])
@pytest.mark.parametrize("chunk", [1, 7, 1 << 16])
def test_json_is_read_in_any_window(indent: int | None, chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rsd_bench.sources.json_records._CHUNK", chunk)
    rows = [{"a": i, "b": '"]}' * i, "c": [1.5e3, None, True, {"d": "é\\"}]} for i in range(20)]
    document = {"n": 123456, "data": {"x": [1, {"y": "z"}], "rows": rows, "w": -0.5}, "end": "e"}
    records = JsonRecords(io.StringIO(json.dumps(document, indent=indent)), "data.rows")
    assert list(records) == rows
    assert records.beside == {"n": 123456, "data": {"x": [1, {"y": "z"}], "w": -0.5}, "end": "e"}
    assert list(JsonRecords(io.StringIO(" [1, 23,\n4.5e1] "))) == [1, 23, 45.0]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('{"rows": 3}', "has no list at rows"),
        ('{"row": []}', "has no rows; it has row"),
        ("[]", "has no rows"),
        ('{"rows": [1], "rows": [2]}', "key 'rows' stands twice"),
        ('{"rows": [1 2]}', "']' must stand where '2' is"),
        ('{"rows": [1]} x', "goes on behind its end"),
        ('{"rows": [1]', "'}' must stand where the end of the file is"),
        ('{"rows": [NaN]}', "NaN is not JSON"),
        ("{rows: []}", "a key must stand where 'r' is"),
        ('{"rows": [' + "[" * 200 + "]" * 200 + "]}", "nested too deeply"),
    ],
)
def test_json_that_is_none_is_told(text: str, told: str) -> None:
    with pytest.raises(ValueError) as error:
        list(JsonRecords(io.StringIO(text), "rows"))
    assert told in str(error.value)


@pytest.mark.parametrize("name", ["t.csv", "t.jsonl", "t.json", "t.parquet"])
def test_memory_is_that_of_some_rows(tmp_path: Path, name: str) -> None:
    """A query costs its id and a digest, whatever its row weighs: 24 MB of cells are read in a few."""
    rows = [row | {"ask": f"{i} " + "word " * 2000} for i, row in enumerate(widened(rows_of(2400)))]
    table, mapping = write(tmp_path / name, rows), prepare(tmp_path, WIDE)
    del rows
    read(write(tmp_path / f"warm.{name}", widened(rows_of(2))), mapping)
    tracemalloc.start()
    try:
        from rsd_bench.sources.table.open_table import open_table

        source = open_table([table], mapping, print)
        counts = sum(1 for _ in source.queries), sum(1 for _ in source.responses)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert counts == (2400, 4800)
    assert peak < 14e6  # a batch of 1,000 rows of Parquet is 10 MB
