"""A dataset that disagrees with itself is found out: each change of a file, and each change of what the files hold."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from conftest import run_cli
from toy_builds import rewrite

from rsd_bench.dataset.check_dataset import check_dataset


@pytest.mark.parametrize(
    ("table", "change", "says"),
    [
        ("pairs", lambda rows: rows[0].update(label_mes_5=1 - rows[0]["label_mes_5"]), "label_mes_5 does not follow"),
        ("pairs", lambda rows: rows[0].update(small_score=99.0), "small_score is not in [0, 10]"),
        ("pairs", lambda rows: rows[0].update(group_id="another"), "stands in the wrong split"),
        ("pairs", lambda rows: rows[0]["image"].update(bytes=b"x"), "image bytes do not match"),
        ("pairs", lambda rows: rows.append(dict(rows[0])), "query_id stands twice"),
        ("pairs", lambda rows: rows.pop(), "in pairs or splits, not in both"),
        ("splits", lambda rows: rows[0].update(split="train"), "has another split than in pairs"),
        ("splits", lambda rows: rows[0].update({"chart-to-photo": "train"}), "wrong part in track chart-to-photo"),
        ("outcomes", lambda rows: rows[0].update(score=0.123), "is not that of its model's outcome"),
        ("outcomes", lambda rows: rows[0].update(status="error"), "status and score disagree"),
    ],
)
def test_check_finds_each_change(tmp_path: Path, toy_dataset: Path, table: str, change, says: str) -> None:
    folder = tmp_path / "d"
    shutil.copytree(toy_dataset, folder)
    assert check_dataset(folder) == []
    rewrite(folder, table, change)
    assert says in "\n".join(map(str, check_dataset(folder)))


def test_check_finds_changed_missing_and_foreign_files(tmp_path: Path, toy_dataset: Path) -> None:
    folder = tmp_path / "d"
    shutil.copytree(toy_dataset, folder)
    (folder / "README.md").write_text((folder / "README.md").read_text() + "more")
    (folder / "notes.txt").write_text("x")
    shard = next((folder / "outcomes").glob("train-*"))
    shard.unlink()
    found = json.loads(run_cli("data", "check", folder, "--json").stdout)
    what = {Path(p["where"]).name: p["what"] for p in found["problems"]}
    assert what[shard.name] == "is missing"
    assert what["notes.txt"] == "is not in the manifest"
    assert "README.md" in what


def test_a_damaged_shard_is_named(tmp_path: Path, toy_dataset: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(toy_dataset, copy)
    shard = next((copy / "outcomes").glob("train-*.parquet"))
    shard.write_bytes(shard.read_bytes()[:-20])
    assert any(p.where == str(shard) and "rows is None" in p.what for p in check_dataset(copy))
