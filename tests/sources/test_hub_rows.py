"""`datasets` reads ahead a whole file of Parquet, whatever its row groups: an import of a split with large images needs
the memory of all of them. Rows that are read here instead must be those of `datasets`, however a dataset is laid out.
"""

from __future__ import annotations

import gzip
import subprocess
import sys
from pathlib import Path
from random import Random
from typing import Any

import datasets
import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rsd_bench.sources.hub_rows import HubPlace, dataset_rows
from rsd_bench.types import Problem

COLUMNS = {"id": "qid", "question": "query", "image": "picture", "domain": "kind"}
KIND = datasets.ClassLabel(names=["bar", "pie"])
FEATURES = datasets.Features(
    {
        "kind": KIND,
        "qid": datasets.Value("int64"),
        "query": datasets.Value("string"),
        "picture": datasets.Image(),
        "tags": datasets.List(KIND),
    }
)
README = """---
configs:
- config_name: easy
  data_files:
  - split: train
    path: a*.parquet
  - split: test
    path: b*.parquet
- config_name: hard
  data_files: a1.parquet
---
"""


def rows(*numbers: int) -> list[dict[str, Any]]:
    return [
        {
            "kind": n % 2,
            "qid": n,
            "query": f"What is {n}?",
            "picture": {"bytes": b"%d" % n, "path": None},
            "tags": [n % 2],
        }
        for n in numbers
    ]


def write(path: Path, given: list[dict[str, Any]], plain: bool = False) -> None:
    """As `datasets` writes them, or as others do, who say nothing of features."""
    path.parent.mkdir(parents=True, exist_ok=True)
    table = pa.Table.from_pylist(given)
    if not plain:
        columns = {name: [row.get(name) for row in given] for name in given[0]}
        features = datasets.Features({name: FEATURES[name] for name in columns})
        table = datasets.Dataset.from_dict(columns, features=features).with_format("arrow")[:]
    pq.write_table(table, path, row_group_size=2)


def two_files(folder: Path) -> None:
    write(folder / "data/test-00000-of-00002.parquet", rows(1, 2, 3))
    write(folder / "data/test-00001-of-00002.parquet", rows(4, 5, 6, 7, 8))
    write(folder / "data/train-00000-of-00001.parquet", rows(9))


def configs(folder: Path) -> None:
    for name, n in (("a1", 1), ("a2", 2), ("b1", 3), ("b2", 4)):
        write(folder / f"{name}.parquet", rows(n), plain=True)
    (folder / "README.md").write_text(README)


def other_types(folder: Path) -> None:
    """The second file has numbers as texts, its columns in another order, and one is not there."""
    two_files(folder)
    retyped = [{"query": "Again?", "qid": str(n), "kind": n % 2, "picture": None} for n in (4, 5)]
    write(folder / "data/test-00001-of-00002.parquet", retyped, plain=True)


def other_columns(folder: Path) -> None:
    two_files(folder)
    write(folder / "data/test-00001-of-00002.parquet", [{**row, "more": 1} for row in rows(4)], plain=True)


def no_numbers(folder: Path) -> None:
    two_files(folder)
    write(folder / "data/test-00001-of-00002.parquet", [{**row, "qid": "four"} for row in rows(4)], plain=True)


def damaged(folder: Path) -> None:
    two_files(folder)
    (folder / "data/test-00001-of-00002.parquet").write_bytes(b"PAR1 junk")


def packed(folder: Path) -> None:
    """Parquet that `datasets` unpacks as it reads."""
    write(folder / "one.parquet", rows(1, 2))
    (folder / "data").mkdir()
    (folder / "data/test.parquet.gz").write_bytes(gzip.compress((folder / "one.parquet").read_bytes()))
    (folder / "one.parquet").unlink()


def saved(folder: Path) -> None:
    datasets.Dataset.from_list(rows(1, 2)).save_to_disk(folder)


def read(folder: Path, split: str, config: str | None) -> tuple[list[dict[str, Any]], list[Problem]]:
    problems: list[Problem] = []
    fields = {"split": split, "columns": COLUMNS} | ({"config": config} if config else {})
    return list(dataset_rows(HubPlace(str(folder), None, folder), fields, problems.append)), problems


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")


@pytest.mark.parametrize(
    ("make", "split", "config"),
    [
        (two_files, "test", None),
        (two_files, "train", None),
        (two_files, "train+test", None),
        (two_files, "all", None),
        (two_files, "test[:2]", None),
        (configs, "train", "easy"),
        (configs, "test", "easy"),
        (configs, "train", "hard"),
        (configs, "test", "hard"),
        (configs, "test", None),
        (other_types, "test", None),
        (other_columns, "test", None),
        (no_numbers, "test", None),
        (damaged, "test", None),
        (packed, "test", None),
        (saved, "train", None),
    ],
)
def test_rows_are_those_of_datasets(tmp_path: Path, make: Any, split: str, config: str | None) -> None:
    make(tmp_path / "set")
    try:
        loaded = datasets.load_dataset(str(tmp_path / "set"), config, split=split, streaming=True).decode(False)
        told = [{name: row[name] for name in COLUMNS.values()} for row in loaded]
        labels = isinstance(loaded.features["kind"], datasets.ClassLabel)
    except (OSError, ValueError, RuntimeError, datasets.exceptions.DatasetsError):
        told, labels = None, False
    found, problems = read(tmp_path / "set", split, config)
    if told is None:
        assert "cannot be loaded" in str(*problems)
        return
    assert [{name: row[name] for name in COLUMNS.values()} for row in found] == [
        row | ({"kind": KIND.int2str(row["kind"])} if labels else {}) for row in told
    ]
    assert found and not problems


MEASURE = """
import sys
from pathlib import Path
import pyarrow as pa
from rsd_bench.sources.hub_rows import HubPlace, dataset_rows
fields = {"split": "test", "columns": {"id": "qid", "image": "picture"}}
n = sum(1 for _ in dataset_rows(HubPlace("set", None, Path(sys.argv[1])), fields, print))
print(n, pa.default_memory_pool().max_memory() >> 20, "torch" in sys.modules)
"""


@pytest.mark.parametrize("name", ["set", "set/test.parquet"])
def test_a_row_group_is_in_memory_and_no_more(tmp_path: Path, name: str) -> None:
    """100 MB in row groups of 2 MB: some 140 MB at once, and 200 MB of torch, before rows were read here."""
    rng = Random(0)
    heavy = [row | {"picture": {"bytes": rng.randbytes(1 << 20), "path": None}} for row in rows(*range(100))]
    write(tmp_path / "set" / "test.parquet", heavy, plain=True)
    ran = subprocess.run([sys.executable, "-c", MEASURE, tmp_path / name], check=True, capture_output=True, text=True)
    n, megabytes, torch = ran.stdout.split()
    assert (n, torch) == ("100", "False") and int(megabytes) < 60


def test_a_column_that_stands_twice_is_told(tmp_path: Path) -> None:
    table = pa.table([["a?"], [1], ["b?"]], ["query", "qid", "query"])
    (tmp_path / "set").mkdir()
    pq.write_table(table, tmp_path / "set" / "test.parquet")
    found, problems = read(tmp_path / "set", "test", None)
    assert not found and "query" in str(*problems)


def test_files_that_are_elsewhere_are_read_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A repository of the Hub: its files are addresses, which `datasets` knows how to open."""
    write(tmp_path / "one.parquet", rows(1, 2, 3))
    fsspec.filesystem("memory").pipe("/org/set/test.parquet", (tmp_path / "one.parquet").read_bytes())
    there = datasets.load_dataset_builder("parquet", data_files={"test": "memory://org/set/test.parquet"})
    monkeypatch.setattr(datasets, "load_dataset_builder", lambda *asked, **options: there)
    problems: list[Problem] = []
    fields = {"split": "test", "columns": COLUMNS}
    found = list(dataset_rows(HubPlace("org/set", "abc123", None), fields, problems.append))
    assert [(row["qid"], row["kind"], row["picture"]["bytes"]) for row in found] == [
        (1, "pie", b"1"),
        (2, "bar", b"2"),
        (3, "pie", b"3"),
    ]
    assert problems == []
