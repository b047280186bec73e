"""A dataset of queries with one image, several, sound, video, or none: built, checked, loaded, and as before where all
have one image (its files and manifest have no new column then)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import datasets
import pytest
from conftest import RECIPE, Records, call_cli

import rsd_bench as rsd
from rsd_bench.build.build_dataset import build_dataset
from rsd_bench.build.recipe import read_recipe
from rsd_bench.dataset.benchmark import open_benchmark
from rsd_bench.dataset.check_dataset import check_dataset
from rsd_bench.dataset.manifest import read_manifest
from rsd_bench.sources.records_folder import open_records
from rsd_bench.sources.store.import_sources import import_source

KINDS = ("one", "several", "sound", "film", "text", "away")


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the store and the full and the lite edition of a toy dataset of all kinds of queries."""
    root = tmp_path_factory.mktemp("mixed")
    records = Records(root / "toy", n=120)
    (records.folder / "clips").mkdir(parents=True)
    for i, row in enumerate(records.queries):
        kind = KINDS[i % len(KINDS)]
        if kind == "one":
            continue
        name = row.pop("image")
        if kind == "several":
            row["images"] = [name, f"images/{(i + 1) % 120}.png"]  # that of the next, which has none now
        elif kind in ("sound", "film"):
            clip = f"clips/{i}"
            (records.folder / clip).write_bytes(b"bytes of " + clip.encode())
            row["audio" if kind == "sound" else "video"] = clip
        elif kind == "away":
            row |= {"modality": "video", "media_available": False}
    records.responses[0] |= {"first_token_s": 0.5, "cost_usd": 0.002, "latency_s": 1.0}
    problems: list[Any] = []
    import_source(open_records(records.write(), problems.append), root / "store", {}, problems)
    (root / "recipe.toml").write_text(RECIPE)
    recipe = read_recipe(root / "recipe.toml")
    build_dataset(recipe, root / "store", root / "full")
    build_dataset(recipe, root / "store", root / "lite", lite=True)
    return root


def rows(folder: Path) -> dict[str, Any]:
    loaded = datasets.load_dataset(str(folder), "pairs").cast_column("image", datasets.Image(decode=False))
    return {row["query_id"]: row for part in loaded.values() for row in part}


def test_it_is_built_and_sound(mixed: Path) -> None:
    for edition in ("full", "lite"):
        assert check_dataset(mixed / edition) == []
        assert open_benchmark(mixed / edition).queries["query_id"].nunique() == 120
    manifest = read_manifest(mixed / "full")
    assert manifest.optional("pairs") == ("modality", "images", "audio", "video")
    assert manifest.optional("outcomes") == ("first_token_s", "cost_usd")


def test_every_query_shows_what_it_is_about(mixed: Path) -> None:
    found = rows(mixed / "full")
    modalities = dict(zip(KINDS, ("image", "image", "audio", "video", "text", "video"), strict=True))
    for i, row in ((int(query_id.partition("/")[2]), row) for query_id, row in found.items()):
        kind = KINDS[i % len(KINDS)]
        assert row["modality"] == modalities[kind]
        assert (row["image"] is not None) == (kind in ("one", "several")) == (row["image_sha256"] is not None)
        assert len(row["images"] or ()) == (2 if kind == "several" else 0)
        if kind in ("sound", "film"):
            (clip,) = row["audio" if kind == "sound" else "video"]
            assert clip["bytes"] == f"bytes of clips/{i}".encode()
        assert (row["statistics"]["width"] is not None) == (kind in ("one", "several"))
        assert row["statistics"]["words"] > 0


def test_the_lite_edition_has_the_modality_and_no_media(mixed: Path) -> None:
    columns = rsd.load(mixed / "lite")["train"].column_names
    assert "modality" in columns and not {"image", "images", "audio", "video"} & set(columns)
    assert set(rsd.load(mixed / "lite", config="outcomes")["train"].column_names) >= {"first_token_s", "cost_usd"}


def test_what_shares_a_second_picture_is_not_split_apart(tmp_path: Path) -> None:
    records = Records(tmp_path / "toy", n=40)
    for row in records.queries:
        row["images"], row["group"] = [row.pop("image"), "images/0.png"], row["query_id"]
    problems: list[Any] = []
    import_source(open_records(records.write(), problems.append), tmp_path / "store", {}, problems)
    (tmp_path / "recipe.toml").write_text('name = "toy-rsd"\npair = { small = "tiny", large = "huge" }\n')
    manifest = build_dataset(read_recipe(tmp_path / "recipe.toml"), tmp_path / "store", tmp_path / "full")
    assert manifest.groups == 1


def test_where_all_have_one_picture_nothing_is_added(toy_dataset: Path) -> None:
    manifest = read_manifest(toy_dataset)
    assert manifest.optional_columns is None and b"optional_columns" not in (toy_dataset / "manifest.json").read_bytes()
    assert "modality" not in rsd.load(toy_dataset)["train"].column_names


def test_an_outcome_of_a_model_that_takes_no_such_medium_is_sound(tmp_path: Path) -> None:
    records = Records(tmp_path / "toy", n=60)
    records.responses[0] |= {"status": "unsupported", "score": None, "response": None}
    problems: list[Any] = []
    import_source(open_records(records.write(), problems.append), tmp_path / "store", {}, problems)
    (tmp_path / "recipe.toml").write_text('name = "toy-rsd"\npair = { small = "tiny", large = "huge" }\n')
    manifest = build_dataset(read_recipe(tmp_path / "recipe.toml"), tmp_path / "store", tmp_path / "full")
    assert not manifest.missing and check_dataset(tmp_path / "full") == []
    pairs = open_benchmark(tmp_path / "full").queries.set_index("query_id")
    assert pairs.loc["toy/0", "small_score"] == 0


def test_queries_whose_pictures_nobody_has_are_told(tmp_path: Path) -> None:
    """Without pictures nothing says which queries are about one: they stood in several splits, and nobody was told."""
    records = Records(tmp_path / "toy", n=60)
    for row in records.queries[:20]:
        del row["image"]
        row |= {"modality": "image", "media_available": False}
    problems: list[Any] = []
    import_source(open_records(records.write(), problems.append), tmp_path / "store", {}, problems)
    (tmp_path / "recipe.toml").write_text('name = "toy-rsd"\npair = { small = "tiny", large = "huge" }\n')
    run = call_cli("data", "build", tmp_path / "recipe.toml", "--store", tmp_path / "store", "--out", tmp_path / "full")
    assert run.returncode == 0
    assert "warning: source toy: 20 queries are about images that are not here" in run.stderr
    (tmp_path / "recipe.toml").write_text('name = "other"\npair = { small = "tiny", large = "huge" }\n')
    again = call_cli(
        "data", "build", tmp_path / "recipe.toml", "--store", tmp_path / "store", "--out", tmp_path / "full"
    )
    assert again.returncode == 1 and "name a new or an empty folder" in again.stderr  # it holds another dataset
