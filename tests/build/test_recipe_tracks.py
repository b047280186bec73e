"""Pairs by source, tracks of pairs and tiers, scores over variants: what a recipe says is what rows and tracks are.

Guards against a row labelled by the models of another source, a track that counts queries which one of its models never
answered, and a recipe that is refused by a traceback, or not at all.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from conftest import Records, call_cli
from toy_builds import refused_build

from rsd_bench.build.build_dataset import build_dataset
from rsd_bench.build.recipe import read_recipe
from rsd_bench.dataset.benchmark import open_benchmark
from rsd_bench.dataset.check_dataset import check_dataset
from rsd_bench.dataset.load import load
from rsd_bench.dataset.manifest import ModelPair, read_manifest
from rsd_bench.types import InputError

HEAD = 'name = "two"\npair = { small = "tiny", large = "huge" }\n'
PAIRS = '[pairs]\nother = { small = "qwen/qwen-2-vl-7b-instruct", large = "big" }\n'
SUITE = '[[tracks]]\nname = "tiny--mid"\npair = { small = "tiny", large = "mid" }\nsuite = true\n'
TIERS = '[[tracks]]\nname = "three"\ntiers = ["tiny", "mid", "huge"]\ncosts = [1, 2, 5]\nsources = ["toy"]\n'
OUT = '[[tracks]]\nname = "chart-to-photo"\ntrain = ["chart"]\ntest = ["photo"]\n'


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two sources of 120 queries: `toy` of three models, one of which lacks ten answers; `other` of two more."""
    root = tmp_path_factory.mktemp("two")
    toy = Records(root / "toy", n=120, models=("tiny", "mid", "huge"))
    toy.responses = [
        row for row in toy.responses if row["model"] != "mid" or int(row["query_id"].partition("/")[2]) >= 10
    ]
    other = Records(root / "other", source="other", n=120, models=("Qwen2-VL-7B-Instruct", "big"))
    for query in other.queries:
        query["question"] = query["question"].replace("things", "others")
    run = call_cli("data", "import", "records", toy.write(), other.write(), "--out", root / "store")
    assert run.returncode == 0, run.stderr
    variants = [
        {"group": f"toy/g{i}", "model": model, "scores": [10, 0, 5, at]}
        for i in range(60)
        for at, model in ((0, "tiny"), (10, "huge"))
    ]
    (root / "toy" / "variants.jsonl").write_text("".join(json.dumps(row) + "\n" for row in variants))
    run = call_cli("data", "import", "records", root / "toy", "--out", root / "store")
    assert run.returncode == 0, run.stderr
    return root / "store"


def build(store: Path, folder: Path, text: str) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "recipe.toml").write_text(text)
    build_dataset(read_recipe(folder / "recipe.toml"), store, folder / "d")
    assert check_dataset(folder / "d") == []
    return folder / "d"


def test_each_row_has_the_pair_of_its_source(store: Path, tmp_path: Path) -> None:
    folder = build(store, tmp_path, HEAD + PAIRS)
    manifest = read_manifest(folder)
    assert manifest.pair_of("other") == ModelPair("qwen2-vl-7b", "big") and manifest.pair_of("toy").small == "tiny"
    rows = pd.concat(pd.read_parquet(path) for path in (folder / "pairs").iterdir()).set_index("query_id")
    outcomes = pd.concat(pd.read_parquet(path) for path in (folder / "outcomes").iterdir())
    score = outcomes.set_index(["query_id", "model"])["score"]
    assert len(rows) == 240
    for query_id, row in rows.iterrows():
        pair = manifest.pair_of(row["source"])
        assert (row["small_model"], row["large_model"]) == (pair.small, pair.large)
        assert (row["small_score"], row["large_score"]) == (score[query_id, pair.small], score[query_id, pair.large])


def test_a_track_has_the_queries_with_all_its_scores(store: Path, tmp_path: Path) -> None:
    folder = build(store, tmp_path, HEAD + PAIRS + SUITE + TIERS + OUT)
    benchmark = open_benchmark(folder)
    manifest = benchmark.manifest
    track, counts = benchmark.track("tiny--mid"), manifest.track_counts or {}
    assert track.suite and track.tiers == ("tiny", "mid") and track.protocol == "cross-fitted"
    part = benchmark.part("tiny--mid", "test")
    assert len(part) == counts["tiny--mid"].queries == 110 and set(part.queries["source"]) == {"toy"}
    assert counts["tiny--mid"].groups == 55 and counts["in-domain"].queries == 240
    assert 0 < counts["in-domain"].minimum_detectable_gap["fast_response"] < 0.2
    tiers = benchmark.part("three", "test").tiers
    assert tiers.scores.shape == (110, 3) and tiers.advantage.tolist() == [1, 0.75, 0]
    assert benchmark.track("chart-to-photo").protocol == "domain-out"
    outcomes = pd.concat(pd.read_parquet(path) for path in (folder / "outcomes").iterdir())
    mid = outcomes[outcomes["model"] == "mid"].set_index("query_id")["score"]
    assert part.outcomes.large.tolist() == mid[part.query_ids].tolist()


def test_load_gives_a_track_its_own_pair(store: Path, tmp_path: Path) -> None:
    folder = build(store, tmp_path, HEAD + PAIRS + SUITE + TIERS + OUT)
    parts = load(folder, mes=6, track="tiny--mid")
    assert sum(parts.num_rows.values()) == 110
    assert set(parts["train"]["large_model"]) == {"mid"}
    with pytest.raises(ValueError, match="track: 'three' routes between 3 models"):
        load(folder, track="three")
    with pytest.raises(ValueError, match="small, large: track 'tiny--mid' has its own, tiny and mid"):
        load(folder, track="tiny--mid", large="huge")


def test_another_model_takes_the_place_of_each_sources_own(store: Path, tmp_path: Path) -> None:
    folder = build(store, tmp_path, HEAD + PAIRS)
    with pytest.warns(UserWarning, match=r"120 of other, 10 of toy"):
        parts = load(folder, large="mid")
    assert sum(parts.num_rows.values()) == 110 and set(parts["train"]["small_model"]) == {"tiny"}
    with pytest.warns(UserWarning, match="120 queries lack a score of tiny or huge"):
        assert sum(load(folder, small="tiny", large="huge").num_rows.values()) == 120


def test_scores_over_variants_are_their_mean(store: Path, tmp_path: Path) -> None:
    text = HEAD + 'sources = ["toy"]\n[score.toy]\nvariants = "variants.jsonl"\n'
    (tmp_path / "recipe.toml").write_text(text)
    run = call_cli("data", "build", tmp_path / "recipe.toml", "--store", store, "--out", tmp_path / "d")
    assert run.returncode == 0, run.stderr
    assert "no variants, and so no scores, of mid" in run.stderr
    assert check_dataset(tmp_path / "d") == []
    rows = pd.concat(pd.read_parquet(path) for path in (tmp_path / "d" / "pairs").iterdir())
    assert set(rows["small_score"]) == {3.75} and set(rows["large_score"]) == {6.25}
    outcomes = pd.concat(pd.read_parquet(path) for path in (tmp_path / "d" / "outcomes").iterdir())
    mid = outcomes[outcomes["model"] == "mid"]
    assert mid["score"].isna().all() and set(mid["status"]) == {"unscored"}
    source = read_manifest(tmp_path / "d").sources["toy"]
    assert source.unvaried == ["mid"] and source.score_rule.startswith("mean of the scores on all variants")


REFUSED: list[tuple[str, str]] = [
    ('[pairs]\nnone = { small = "tiny", large = "huge" }\n', "[pairs.none]: no source 'none' -> use other, toy"),
    ('[pairs]\nother = { small = "tiny", large = "big" }\n', "[pairs.other] small: no model 'tiny'; the nearest are"),
    ('[score.none]\nvariants = "variants.jsonl"\n', "[score.none]: no source 'none'"),
    ('[score.other]\nvariants = "variants.jsonl"\n', "[score.other]: the store has no variants of 'other'"),
    ('[[tracks]]\nname = "a"\ntiers = ["tiny", "hugh"]\n', "track 'a' large: no model 'hugh'; the nearest are huge"),
    ('[[tracks]]\nname = "a"\ntiers = ["tiny", "mid", "x"]\n', "track 'a' tier 3: no model 'x'"),
    ('[[tracks]]\nname = "a"\nsources = ["toys"]\n', "track 'a': no source 'toys' -> use other, toy"),
    ('[[tracks]]\nname = "a"\ntrain = ["chart"]\ntest = ["x"]\n', "track 'a': no domain 'x' -> use chart, math, photo"),
    ('[[tracks]]\nname = "a"\ntiers = ["tiny", "big"]\n', "track 'a': no query has a score of all of tiny, big"),
    (
        '[[tracks]]\nname = "a"\npair = { small = "big", large = "mid" }\nsources = ["toy"]\n',
        "track 'a' small: no model 'big'",
    ),
]


@pytest.mark.parametrize(("text", "says"), REFUSED)
def test_what_the_store_lacks_is_refused_in_a_line(store: Path, text: str, says: str) -> None:
    own = "" if "[pairs]" in text else PAIRS
    assert says in refused_build(store, HEAD + own + text)


STATIC: list[tuple[str, str]] = [
    ('name = "fold_3"\ntiers = ["a", "b"]', "track name 'fold_3' is taken"),
    ('name = "split"\ntiers = ["a", "b"]', "track name 'split' is taken"),
    ('name = "a"\ntiers = ["a", "b"]\npair = { small = "a", large = "b" }', "track 'a' has a pair and tiers"),
    ('name = "a"\ntiers = ["a", "a"]', "tiers that are no list of different names"),
    ('name = "a"\ntiers = ["a"]', "track 'a' has one tier"),
    ('name = "a"\npair = { small = "a", large = "a" }', "track 'a' pair names 'a' twice"),
    ('name = "a"\ntier = ["a", "b"]', "track 'a' has an unknown key 'tier'"),
    ('name = "a"\nsuite = true', "track 'a' says nothing of its queries or models"),
    ('name = "a"\ntrain = ["x"]', "track 'a' has one of train and test"),
    ('name = "a"\ntrain = ["x"]\ntest = ["y"]\nprotocol = "cross-fitted"', "is cross-fitted and has train and test"),
    ('name = "a"\nsources = ["x"]\nprotocol = "domain-out"', "is domain-out without train and test"),
    ('name = "a"\nsources = ["x"]\nprotocol = "k-fold"', "track 'a' has protocol 'k-fold'"),
    ('name = "a"\ntiers = ["a", "b"]\ncosts = [1, 2, 3]', "track 'a' has 3 costs for 2 tiers"),
    ('name = "a"\ntiers = ["a", "b"]\ncosts = [2, 1]', "costs: must rise from tier to tier"),
    (
        'name = "a"\ntiers = ["a", "b", "c"]\nsuite = true',
        "track 'a' counts to the suite and has 3 tiers -> leave out suite",
    ),
    ('name = "a"\ntiers = ["a", "b"]\nsuite = 1', "suite that is neither true nor false"),
]


@pytest.mark.parametrize(("track", "says"), STATIC)
def test_a_track_that_cannot_be_is_refused(tmp_path: Path, track: str, says: str) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text(f"{HEAD}[[tracks]]\n{track}\n")
    with pytest.raises(InputError) as error:
        read_recipe(path)
    assert says in str(error.value.problems[0]) and str(path) in str(error.value.problems[0])


def test_two_tracks_of_one_name_are_refused(tmp_path: Path) -> None:
    (tmp_path / "recipe.toml").write_text(HEAD + SUITE + SUITE)
    with pytest.raises(InputError, match="track name 'tiny--mid' is taken"):
        read_recipe(tmp_path / "recipe.toml")


@pytest.mark.parametrize("repeats", [0, 6, 2.5, True, "3"])
def test_repeats_are_one_to_five(tmp_path: Path, repeats: Any) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text(HEAD + f"repeats = {json.dumps(repeats)}\n")
    with pytest.raises(InputError, match="repeats is"):
        read_recipe(path)
    path.write_text(HEAD + "repeats = 2\n")
    assert read_recipe(path).repeats == 2


def test_a_fixed_test_recipe_tests_its_tracks_so(tmp_path: Path) -> None:
    (tmp_path / "recipe.toml").write_text('protocol = "fixed-test"\n' + HEAD + SUITE + OUT)
    assert {track.protocol for track in read_recipe(tmp_path / "recipe.toml").tracks} == {"fixed-test"}
