"""From a store to a dataset: reproducible, whole or not at all, and refused with the file or the key that is at fault.

Guards against splits that leak, stores that were damaged, and recipes that say what no source fills.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
from conftest import RECIPE, Records, call_cli, run_cli
from toy_builds import built, imported, refused_build

from rsd_bench.dataset.manifest import manifest_sha256


def test_builds_are_equal_and_survive_kill(tmp_path: Path, toy_records: Records) -> None:
    toy_records.responses[3]["score"] = None
    del toy_records.responses[60]
    imported(toy_records.write(), tmp_path / "store")
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(RECIPE)
    first = built(tmp_path / "store", recipe, tmp_path / "a")
    manifest = json.loads((tmp_path / "a" / "manifest.json").read_text())
    assert manifest["queries"] == 58
    assert manifest["missing"] == [
        {"query_id": "toy/0", "reason": "no outcome of huge"},
        {"query_id": "toy/3", "reason": "tiny: unscored"},
    ]
    out = tmp_path / "b"
    command = [sys.executable, "-m", "rsd_bench", "data", "build", recipe, "--store", tmp_path / "store", "--out", out]
    for delay in (0.6, 0.9, 1.2, 1.5):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(delay)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        assert not out.exists() or manifest_sha256(out) == first
    assert built(tmp_path / "store", recipe, out) == first
    assert built(tmp_path / "store", recipe, out) == first
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("do not touch")
    refused = run_cli("data", "build", recipe, "--store", tmp_path / "store", "--out", tmp_path / "mine")
    assert refused.returncode == 1
    assert [p.name for p in (tmp_path / "mine").iterdir()] == ["thesis.txt"]


def test_latency_is_clocked_only_where_both_sides_are(tmp_path: Path) -> None:
    for source, sides in (("both", ("tiny", "huge")), ("one", ("huge",))):
        records = Records(tmp_path / source, source=source)
        for row in records.responses:
            if row["model"] in sides:
                row["latency_s"] = 1.5 if row["model"] == "tiny" else 9.25
        imported(records.write(), tmp_path / "store")
    (tmp_path / "recipe.toml").write_text(RECIPE)
    built(tmp_path / "store", tmp_path / "recipe.toml", tmp_path / "d")
    pairs = pd.concat(pd.read_parquet(p) for p in (tmp_path / "d" / "pairs").iterdir())
    found = pairs.groupby("source")[["small_latency_s", "large_latency_s", "latency_basis"]].agg(["min", "max"])
    assert found.loc["both"].tolist() == [1.5, 1.5, 9.25, 9.25, "reported", "reported"]
    assert found.loc["one"].tolist() == [0.8, 0.8, 6.4, 6.4, "profile:paper-bounds", "profile:paper-bounds"]


def test_recipe_problems_are_all_listed(tmp_path: Path) -> None:
    recipe = tmp_path / "r.toml"
    recipe.write_text(
        'name = "Bad Name"\npair = { small = "a", large = "a" }\nsorces = []\nversion = "one"\n'
        'latency_profile = "none"\n'
    )
    run = run_cli("data", "build", recipe, "--out", tmp_path / "d")
    assert run.returncode == 1
    for what in (
        "name is 'Bad Name'",
        "names 'a' twice",
        "key 'sorces' is unknown",
        "version is 'one'",
        "latency_profile: none: no such latency profile",
    ):
        assert what in run.stderr


@pytest.fixture
def toy_store(tmp_path: Path, toy_records: Records) -> Path:
    assert call_cli("data", "import", "records", toy_records.write(), "--out", tmp_path / "store").returncode == 0
    return tmp_path / "store"


@pytest.mark.parametrize(
    "name", ["queries.parquet", "responses.parquet", "judgments.parquet", "source.json", "audit.json"]
)
def test_a_damaged_file_of_a_store_is_named(toy_store: Path, name: str) -> None:
    """A truncated file was "a bug in rsd-bench, please report it", or a KeyError with its traceback."""
    path = toy_store / "sources" / "toy" / name
    path.write_bytes(path.read_bytes()[:-20] if path.exists() else b"{}")
    line = refused_build(toy_store)
    assert line.startswith(f"error: {path}: is damaged: ")
    assert line.endswith(
        "-> run `rsd-bench judge audit` again" if name == "audit.json" else "-> import the source again with --replace"
    )


def test_a_damaged_image_of_a_store_is_named(toy_store: Path) -> None:
    """Changed bytes went into a dataset under the hash of the bytes that were imported."""
    path = next(p for p in sorted(toy_store.glob("images/*/*")) if not p.suffix)
    path.write_bytes(path.read_bytes() + b"x")
    assert refused_build(toy_store) == (
        f"error: {path}: is damaged: its bytes are not those of its name -> import the source again with --replace"
    )


def test_a_named_track_that_lacks_a_part_is_refused(tmp_path: Path, toy_records: Records) -> None:
    """It was left out without a word. The tracks that nobody named may be."""
    for query in toy_records.queries:
        query["domain"] = "math" if query["domain"] == "math" else "chart"
    toy_records.queries[0] |= {"domain": "photo", "group": "alone"}
    assert imported(toy_records.write(), tmp_path / "store").returncode == 0
    line = refused_build(tmp_path / "store")
    assert line.startswith("error: toy-rsd: track 'chart-to-photo' has no test query")
    (tmp_path / "recipe.toml").write_text(RECIPE.split("[[tracks]]")[0])
    built(tmp_path / "store", tmp_path / "recipe.toml", tmp_path / "d")
    assert "leave-photo-out" not in json.loads((tmp_path / "d" / "manifest.json").read_text())["tracks"]


def test_a_domain_that_no_source_has_is_refused(toy_store: Path) -> None:
    """A misspelt domain of [domains] left the true one as a group of its own."""
    line = refused_build(toy_store, RECIPE + '[domains]\nmath = ["maths"]\n')
    assert line == "error: toy-rsd: [domains]: no source has domain 'maths' -> use chart, math, photo"
