"""Somebody names a model as its source does and gets that model, wherever a model is named; or reads what is near.

Recipes and `rsd.load` took canonical ids alone, an unknown one was listed with all the others, and two models that no
query of a source had both ended in `small_scores: is empty`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from conftest import Records, call_cli

import rsd_bench as rsd
from rsd_bench.build.build_dataset import build_dataset
from rsd_bench.build.recipe import read_recipe
from rsd_bench.config import load_aliases
from rsd_bench.dataset.check_dataset import check_dataset
from rsd_bench.dataset.manifest import read_manifest
from rsd_bench.judge.model_judge import answering_models
from rsd_bench.model_names import find_model
from rsd_bench.sources.records_folder import open_records
from rsd_bench.sources.store.import_sources import import_source
from rsd_bench.types import InputError

SCORES = {"qwen2-vl-7b": 1503, "qwen2-vl-72b": 1200, "gpt-4o": 90, "claude-3.5-sonnet": 3, "own-model": 7}
ALIASES = load_aliases()


@pytest.mark.parametrize(
    ("asked", "means"),
    [
        ("gpt-4o", "gpt-4o"),
        ("GPT4o", "gpt-4o"),  # dynamath's own name
        ("dynamath:claude3.5", "claude-3.5-sonnet"),
        ("Qwen2-VL-7B-Instruct", "qwen2-vl-7b"),
        ("qwen2-vl-7b-instruct", "qwen2-vl-7b"),
        ("Own-Model", "own-model"),
    ],
)
def test_a_model_has_many_names(asked: str, means: str) -> None:
    assert find_model(asked, SCORES, ALIASES) == means


def test_an_unknown_name_is_told_what_is_near() -> None:
    with pytest.raises(
        ValueError, match=r"no model 'qwen2-vl-7'; the nearest are qwen2-vl-7b \(1,503 scores\), qwen2-vl"
    ):
        find_model("qwen2-vl-7", SCORES, ALIASES)
    with pytest.raises(ValueError, match="there are no outcomes"):
        find_model("gpt-4o", {}, ALIASES)
    twice = {"one:Small": "a", "two:Small": "b"}
    with pytest.raises(ValueError, match=r"'Small' is the name of several models: a \(1 scores\), b \(2 scores\)"):
        find_model("Small", {"a": 1, "b": 2}, twice)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three sources: `gpt-4o` answered in all, `qwen2-vl-7b` not in `apart`, `other` there alone."""
    root = tmp_path_factory.mktemp("names")
    for source, models in (("first", ("GPT4o-x", "small")), ("second", ("gpt-4o", "small")), ("apart", ("other",))):
        problems: list[Any] = []
        aliases = {**ALIASES, "GPT4o-x": "gpt-4o", "small": "qwen2-vl-7b"}
        records = Records(root / source, source, 40, (*models, *(("gpt-4o",) if source == "apart" else ())))
        import_source(open_records(records.write(), problems.append), root / "store", aliases, problems)
    return root / "store"


def built(store: Path, folder: Path, small: str, large: str) -> Path:
    (folder / "recipe.toml").write_text(f'name = "toy"\npair = {{ small = "{small}", large = "{large}" }}\n')
    build_dataset(read_recipe(folder / "recipe.toml"), store, folder / "dataset")
    return folder / "dataset"


def test_a_recipe_takes_every_name_and_leaves_out_where_the_pair_never_met(store: Path, tmp_path: Path) -> None:
    folder = built(store, tmp_path, "Qwen2-VL-7B-Instruct", "GPT4o")
    manifest = read_manifest(folder)
    assert (manifest.pair.small, manifest.pair.large) == ("qwen2-vl-7b", "gpt-4o")
    why = "no query has a score of both: 0 scores of qwen2-vl-7b, 40 scores of gpt-4o"
    assert manifest.left_out == {"apart": why}
    assert sorted(manifest.sources) == ["first", "second"] and not manifest.missing
    assert check_dataset(folder) == []
    told = call_cli("data", "build", tmp_path / "recipe.toml", "--store", store, "--out", tmp_path / "again").stdout
    assert f"left out  source apart: {why}" in told


@pytest.mark.parametrize(
    ("small", "large", "told"),
    [
        ("qwen2-vl-8b", "gpt-4o", r"\[pair\] small: no model 'qwen2-vl-8b'; the nearest are qwen2-vl-7b \(80 scores\)"),
        ("gpt-4o", "GPT4o", "names 'gpt-4o' twice"),
        ("qwen2-vl-7b", "other", "no query has a score of both 'qwen2-vl-7b' and 'other'"),
    ],
)
def test_a_pair_that_cannot_be(store: Path, tmp_path: Path, small: str, large: str, told: str) -> None:
    with pytest.raises(InputError, match=told):
        built(store, tmp_path, small, large)


def test_load_takes_every_name(store: Path, tmp_path: Path) -> None:
    folder = built(store, tmp_path, "qwen2-vl-7b", "gpt-4o")
    assert rsd.load(folder, small="Qwen2-VL-7B-Instruct", large="gpt4o")["train"].column_names[-1].startswith("label")
    other = rsd.load(folder, small="GPT4o", large="qwen/qwen-2-vl-7b-instruct")["train"]
    assert set(other["small_model"]) == {"gpt-4o"}
    with pytest.raises(ValueError, match=r"small: no model 'gpt-5'; the nearest are gpt-4o \(80 scores\)"):
        rsd.load(folder, small="gpt-5")


def test_judges_too(store: Path) -> None:
    assert answering_models(store, ["first"], ["GPT4o", "qwen2-vl-7b"]) == ["gpt-4o", "qwen2-vl-7b"]
    with pytest.raises(InputError, match="no model 'other'; the nearest are"):
        answering_models(store, ["first"], ["other"])
