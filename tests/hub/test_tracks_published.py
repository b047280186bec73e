"""Tracks of schema 2 on their way to the Hub: which may not have private outcomes, and what a diff says of them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from conftest import RECIPE, Records, call_cli
from toy_builds import built, imported

from rsd_bench.hub.dataset_diff import diff_folders
from rsd_bench.hub.publication import read_version, write_publication
from rsd_bench.types import InputError

TIERS = '[[tracks]]\nname = "all"\npair = { small = "huge", large = "tiny" }\n'


@pytest.fixture
def store(tmp_path: Path, toy_records: Records) -> Path:
    assert imported(toy_records.write(), tmp_path / "store").returncode == 0
    return tmp_path / "store"


def build(store: Path, name: str, recipe: str) -> Path:
    path = store.parent / f"{name}.toml"
    path.write_text(recipe)
    built(store, path, store.parent / name)
    return store.parent / name


@pytest.mark.parametrize(
    ("recipe", "needing"),
    [
        (RECIPE + '[pairs]\ntoy = { small = "tiny", large = "huge" }\n', "toy"),
        (RECIPE.replace('protocol = "fixed-test"\n', ""), "in-domain"),
        (RECIPE + TIERS, "all"),
    ],
)
def test_private_outcomes_need_fixed_tests_of_the_own_pair(
    store: Path, tmp_path: Path, recipe: str, needing: str
) -> None:
    folder = build(store, "d", recipe)
    for name in ("public", "private"):
        (tmp_path / name).mkdir()
    with pytest.raises(InputError) as error:
        version = read_version("v1.0.0")
        write_publication(folder, tmp_path / "public", "org/x", version, ("org/secret", tmp_path / "private"))
    (problem,) = error.value.problems
    assert str(problem).startswith(f"{folder}: outcomes cannot be private where ")
    assert problem.what.endswith(f": {needing}")
    assert not any((tmp_path / "public").iterdir())


def test_a_track_that_is_tested_otherwise_is_a_major_change(store: Path, tmp_path: Path) -> None:
    old, new = build(store, "old", RECIPE), build(store, "new", RECIPE + TIERS)
    found = diff_folders(old, new, "old")
    assert (found.kind, found.tables["tracks"].added) == ("minor", ["all"])
    assert found.tables["splits"].columns_added == ["all"]
    other = build(store, "other", RECIPE.replace('protocol = "fixed-test"\n', ""))
    found = diff_folders(old, other, "old")
    assert found.kind == "major" and found.tables["tracks"].changed["in-domain"] == ["protocol"]
    assert diff_folders(new, old, "new").tables["tracks"].removed == ["all"]


def test_a_dataset_of_schema_1_becomes_one_of_schema_2_by_a_major_change(store: Path, tmp_path: Path) -> None:
    new = build(store, "new", RECIPE.replace('protocol = "fixed-test"\n', ""))
    old = tmp_path / "old"
    shutil.copytree(build(store, "fixed", RECIPE), old)
    document = json.loads((old / "manifest.json").read_bytes())
    document["schema_version"] = 1
    document["tracks"] = {
        name: {key: track.get(key, []) for key in ("train", "test")}
        for name, track in document["tracks"].items()
        if name != "in-domain"
    }
    del document["repeats"], document["standing"]
    (old / "manifest.json").write_text(json.dumps(document))
    run = call_cli("data", "diff", new, old, "--json")
    told = json.loads(run.stdout)
    assert told["change"] == "major" and "in-domain" in told["tables"]["tracks"]["changed"]
