"""Words that helped nobody: `--out` at a file was "Not a directory", a store went into a folder of records,
a table that cannot be read was "a table with columns  , 0 rows", two ids that print alike were "no query".
"""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest
from conftest import Records, call_cli


@pytest.mark.parametrize("kind", ["file", "below a file", "dangling link", "link to a file"])
def test_a_store_that_cannot_be_made_is_refused_with_a_fix(tmp_path: Path, kind: str) -> None:
    (tmp_path / "file").write_text("x")
    out = tmp_path / ("file" if kind == "file" else "file/store" if kind == "below a file" else "link")
    if "link" in kind:
        out.symlink_to(tmp_path / ("file" if kind == "link to a file" else "nowhere"))
    folder = Records(tmp_path / "toy").write()
    run = call_cli("data", "import", "records", folder, "--out", out)
    assert run.returncode == 1 and len(run.stderr.splitlines()) == 1
    assert " is no folder" in run.stderr and "-> name a new or an empty folder, or a store" in run.stderr
    assert (tmp_path / "file").read_text() == "x" and not (tmp_path / "nowhere").exists()


def test_a_records_folder_is_no_store(tmp_path: Path) -> None:
    folder = Records(tmp_path / "toy").write()
    before = sorted(folder.rglob("*"))
    run = call_cli("data", "import", "records", folder, "--out", folder)
    assert run.returncode == 1
    assert f"error: {folder}: is a records folder -> name a new or an empty folder, or a store" in run.stderr
    assert sorted(folder.rglob("*")) == before


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("bad.csv", b"\xff\xfe\x00a", "not UTF-8"),
        ("empty.csv", b"", "has no rows"),
        ("bad.jsonl.gz", b"x", "cannot be read"),
        ("bad.xlsx", b"PK\x03\x04xxx", "is not a workbook that can be read"),
        ("bad.parquet", b"PAR1", "Parquet"),
    ],
)
def test_a_table_that_cannot_be_read_is_no_table(tmp_path: Path, name: str, content: bytes, told: str) -> None:
    (tmp_path / name).write_bytes(content)
    said = call_cli("data", "inspect", tmp_path / name).stdout
    assert told in said and "no importer reads this" in said
    assert "columns" not in said and "0 rows" not in said and "data inspect" not in said


def test_a_link_to_nowhere_is_told_so(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "x.jsonl").symlink_to("nowhere")
    told = "is a symbolic link to nowhere, where nothing is"
    assert f"x.jsonl: {told}" in call_cli("data", "inspect", tmp_path / "d").stdout
    assert f"{told} -> name one that is there" in call_cli("data", "inspect", tmp_path / "d" / "x.jsonl").stderr


def test_an_id_in_other_code_points_is_told_so(tmp_path: Path) -> None:
    given = Records(tmp_path / "toy")
    for row in given.queries:
        row["query_id"] = unicodedata.normalize("NFC", f"{row['query_id']}-é")
    for row in given.responses:
        row["query_id"] = unicodedata.normalize("NFD", f"{row['query_id']}-é")
    run = call_cli("data", "import", "records", given.write(), "--out", tmp_path / "store")
    assert run.returncode == 1
    assert "is no query of toy: a query's id looks like it and is made of other characters (NFC, NFD)" in run.stderr
