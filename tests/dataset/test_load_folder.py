"""`rsd_bench.load` of a folder: any MES, pair, split and track, and nothing taken without a word that has no effect."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import RECIPE, Records
from toy_builds import built, imported

import rsd_bench as rsd


def test_load_gives_any_mes_pair_split_and_track(toy_dataset: Path) -> None:
    parts = rsd.load(toy_dataset, mes=6.5)
    for part in parts.values():
        scores = part.select_columns(["small_score", "large_score"]).with_format("numpy")[:]
        assert part["label"][:] == rsd.label(scores["small_score"], scores["large_score"], 6.5).tolist()
    swapped = rsd.load(toy_dataset, scenario="high_quality", small="huge", large="tiny", split="test")
    assert swapped["small_score"][:] == parts["test"]["large_score"][:]
    assert swapped["small_model"][0] == "huge"
    photo = rsd.load(toy_dataset, track="chart-to-photo", split="test")
    assert set(photo["domain"][:]) == {"photo"}
    for wrong in ({"mes": 11}, {"split": "dev"}, {"track": "moon"}, {"small": "none"}, {"mes": 1, "scenario": "x"}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            rsd.load(toy_dataset, **wrong)
    with pytest.raises(rsd.InputError, match="neither a folder nor a Hub id"):
        rsd.load("/no/such/folder")


def test_load_refuses_what_it_would_have_to_ignore(toy_dataset: Path) -> None:
    """A revision of a folder and a pair of one model were taken without a word."""
    for path in (toy_dataset, None):
        with pytest.raises(ValueError, match="revision: "):
            rsd.load(path, revision="v1.0.0")
    with pytest.raises(ValueError, match="revision: 'b' is not that of org/name@a"):
        rsd.load("org/name@a", revision="b")
    with pytest.raises(ValueError, match="small, large: both are"):
        rsd.load(small="gemini-1.5-pro", large="gemini-1.5-pro")


def test_load_reads_the_folder_it_is_given_and_no_other_of_that_name(tmp_path: Path) -> None:
    for n in (60, 90):
        root = tmp_path / str(n)
        imported(Records(root / "toy", n=n).write(), root / "store")
        (root / "recipe.toml").write_text(RECIPE)
        built(root / "store", root / "recipe.toml", root / "dataset")
        assert sum(map(len, rsd.load(root / "dataset", mes=6).values())) == n


def test_plain_load_dataset_works_offline(toy_dataset: Path, tmp_path: Path) -> None:
    from datasets import load_dataset

    train = load_dataset(str(toy_dataset), "mes-6", split="train", cache_dir=str(tmp_path))
    row = train[0]
    assert row["image"].size == (24, 16)
    assert row["question"].startswith("How many")
    assert train.features["label_mes_6"].names == ["cloud", "edge"]
    assert "label_mes_5" not in train.features
    assert row["label_mes_6"] == int(row["small_score"] >= 6 or row["small_score"] >= row["large_score"])
    with pytest.raises(ValueError, match="mes-10"):
        load_dataset(str(toy_dataset), "mes-65", cache_dir=str(tmp_path))
