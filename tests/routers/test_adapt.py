"""A router of other domains kept its threshold where the new one turned everything over, and a few lucky labels would
have moved it anywhere."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import RECIPE, Records, call_cli
from lite_routers import FAST, checkpoint, lite  # noqa: F401 (fixtures)
from worded_queries import SCENARIO, worded_data

import rsd_bench as rsd
from rsd_bench.build.build_dataset import build_dataset
from rsd_bench.build.recipe import read_recipe
from rsd_bench.config import TAU_ALL_CLOUD, load_aliases
from rsd_bench.dataset.benchmark import Benchmark, read_queries
from rsd_bench.features.encode import encode_dataset
from rsd_bench.features.feature_table import Features, read_features
from rsd_bench.metrics.routing import Outcomes, routing_gain
from rsd_bench.routers.adapt import adapt_router, adapted_tau
from rsd_bench.routers.ngram_routers import NgramGain
from rsd_bench.routers.pipeline import deciders_of, open_checkpoint, p_of
from rsd_bench.sources.records_folder import open_records
from rsd_bench.sources.store.import_sources import import_source
from rsd_bench.types import InputError


def _outcomes(small: float, large: float, n: int) -> Outcomes:
    return Outcomes.of(np.full(n, small), np.full(n, large))


def _groups(n: int) -> np.ndarray:
    return np.arange(n).astype(str).astype(object)


@pytest.mark.parametrize(("small", "large", "tau"), [(9.0, 2.0, 0.0), (2.0, 9.0, TAU_ALL_CLOUD)])
def test_a_domain_that_one_model_owns_goes_to_it(small: float, large: float, tau: float) -> None:
    p = np.linspace(0.2, 0.8, 20)
    found = adapted_tau(p, p, _outcomes(small, large, 20), _groups(20), SCENARIO, 0.5)
    assert found.tau == tau and found.kept == (tau == 0) and found.more > found.error > 0


def test_few_labels_or_labels_of_one_group_prove_nothing() -> None:
    p = np.linspace(0.2, 0.8, 20)
    one = adapted_tau(p, p[[5]], _outcomes(9, 2, 1), _groups(1), SCENARIO, 0.5)
    assert (one.tau, one.kept, one.more) == (0.5, None, 0.0)
    right = np.tile([9.0, 2.0], 6)
    for copies, groups, kept in ((1, _groups(12), None), (30, _groups(360), 1.0), (30, np.tile(_groups(12), 30), None)):
        small = np.tile(right, copies)
        outcomes, asked = Outcomes.of(small, 11 - small), np.full(12 * copies, 0.3)
        assert adapted_tau(p, asked, outcomes, groups, SCENARIO, 0.5).kept == kept


def test_what_it_says_it_earned_is_what_the_threshold_earns() -> None:
    data = worded_data(300)
    router = NgramGain().fit(data.take(np.arange(100)), data.take(np.arange(100, 150)))
    asked = data.take(np.arange(150, 300))
    turned = Outcomes.of(asked.outcomes.large, asked.outcomes.small)
    p, tau = router.predict_p_edge(asked.features), router.threshold()
    found = adapted_tau(p, p, turned, asked.groups, SCENARIO, tau)
    gain = routing_gain(turned, SCENARIO)
    assert found.kept is not None
    assert found.more == pytest.approx(100 * float(((p >= found.tau) * gain - (p >= tau) * gain).mean()))
    as_it_was = adapted_tau(p, p, asked.outcomes, asked.groups, SCENARIO, tau)
    assert as_it_was.kept is None and as_it_was.tau == tau


@pytest.fixture(scope="module")
def new_domain(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A dataset in which the small model alone is right, and its n-grams."""
    root = tmp_path_factory.mktemp("new")
    records = Records(root / "toy", n=60)
    for response in records.responses:
        response["score"] = 10.0 if response["model"] == "tiny" else 0.0
    problems: list = []
    import_source(open_records(records.write(), problems.append), root / "store", load_aliases(), problems)
    (root / "recipe.toml").write_text(RECIPE)
    build_dataset(read_recipe(root / "recipe.toml"), root / "store", root / "dataset")
    encode_dataset(root / "dataset", root / "features", None, None)
    return root / "dataset", root / "features"


@pytest.fixture(scope="module")
def words(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`ngram-gain` of the embedded dataset."""
    out = tmp_path_factory.mktemp("saved") / "words"
    assert call_cli("router", "train", "ngram-gain", "--out", out).returncode == 0
    return out


def test_an_adapted_checkpoint_decides_by_its_new_thresholds(
    words: Path, new_domain: tuple[Path, Path], tmp_path: Path
) -> None:
    data, features = new_domain
    options = ("--data", data, "--features", features, "--out", tmp_path / "adapted")
    done = call_cli("router", "adapt", words, *options, "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["labelled"] == told["queries"] == 60
    moved = [name for name, found in told["thresholds"].items() if (found["tau"], found["kept"]) == (0, 1)]
    assert "fast_response" in moved  # where it was trained to send most to the cloud
    before, after = rsd.load_router(words), rsd.load_router(tmp_path / "adapted")
    for scenario in moved:
        was, now = (router.route(None, "How many things?", scenario=scenario) for router in (before, after))
        assert (now.model, now.tau, now.p_edge) == ("edge", 0.0, was.p_edge)
        assert was.expected_gain is not None and now.expected_gain is None  # what it believed was of other domains
    assert "adapted to toy-rsd" in (tmp_path / "adapted" / "README.md").read_text("utf-8")
    assert "keeps 100% on the edge" in call_cli("router", "adapt", words, *options).stdout


def test_a_reference_router_keeps_all_but_its_threshold(
    checkpoint: Path, lite: tuple[Benchmark, Features], tmp_path: Path
) -> None:
    told = adapt_router(checkpoint, tmp_path / "adapted", *lite)
    (found,) = told.thresholds.values()
    before, after = (open_checkpoint(place) for place in (checkpoint, tmp_path / "adapted"))
    some = lite[1].take(np.arange(20))
    assert np.array_equal(p_of(before, some, FAST.name), p_of(after, some, FAST.name))
    assert deciders_of(after)[FAST.name].tau == found.tau and after.trained_on["manifests"] == []
    assert "were adapted to rsd-open" in (tmp_path / "adapted" / "README.md").read_text("utf-8")


def test_queries_without_outcomes_are_not_labelled(words: Path, new_domain: tuple[Path, Path], tmp_path: Path) -> None:
    benchmark = read_queries(new_domain[0])
    features = read_features(benchmark, new_domain[1])
    private = benchmark.queries.copy()
    private.loc[20:, ["small_score", "large_score", "small_latency_s", "large_latency_s"]] = np.nan
    told = adapt_router(words, tmp_path / "some", replace(benchmark, queries=private), features)
    assert (told.labelled, told.queries) == (20, 60)
    private["small_score"] = np.nan
    with pytest.raises(InputError, match="holds no query with the outcomes of both models"):
        adapt_router(words, tmp_path / "none", replace(benchmark, queries=private), features)
    assert not (tmp_path / "none").exists()


def test_adapt_refuses_in_one_line(new_domain: tuple[Path, Path], words: Path, tmp_path: Path) -> None:
    data, features = new_domain
    for place, given in ((tmp_path / "absent", features), (words, tmp_path / "no-features")):
        options = ("--data", data, "--features", given, "--out", tmp_path / "out")
        done = call_cli("router", "adapt", place, *options)
        assert done.returncode == 1 and done.stderr.startswith("error: ") and done.stderr.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_the_threshold_of_a_share_keeps_that_share() -> None:
    p, n = np.linspace(0, 1, 101), 40
    labelled = np.linspace(0, 1, n)
    small = np.where(labelled > 0.5, 9.0, 2.0)
    found = adapted_tau(
        p,
        labelled,
        Outcomes.of(small, 11.0 - small),
        _groups(n),
        replace(SCENARIO, alpha=1.0, beta=0.0, gamma=0.0),
        0.0,
    )
    assert found.kept == 0.5 and (p >= found.tau).mean() == pytest.approx(0.5, abs=0.01)
