"""A new model cost a dataset of its own: thousands of outcomes before a router knew it, though they err alike."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from conftest import call_cli
from lite_routers import FAST, lite  # noqa: F401 (fixture)
from worded_queries import SCENARIO, tiered_data, worded_data

from rsd_bench.config import ONBOARD_PRIOR_QUERIES
from rsd_bench.dataset.benchmark import Benchmark
from rsd_bench.features.feature_table import Features
from rsd_bench.metrics.routing import Outcomes, routing_score
from rsd_bench.routers.interface import TrainingData
from rsd_bench.routers.ngram_routers import NgramGain
from rsd_bench.routers.saved_router import read_saved

KNOWN = "qwen2-vl-7b--claude-3.5-sonnet"
NEW = "qwen2-vl-7b--gpt-4o"


def _fitted(data: TrainingData) -> NgramGain:
    return NgramGain().fit(data, data.take(np.arange(0)))


def _rcs(router: NgramGain, test: TrainingData) -> float:
    route = router.predict_p_edge(test.features) >= router.threshold()
    return routing_score(route, test.outcomes, SCENARIO).rcs


def test_few_outcomes_mend_what_a_router_of_other_models_is_wrong_by() -> None:
    data = worded_data(900)
    outcomes = data.outcomes  # the new large model is no better than the small one: nothing is worth its price
    new = Outcomes.of(outcomes.small, outcomes.small, outcomes.small_latency, outcomes.large_latency)
    turned = TrainingData(data.features, new, data.groups, SCENARIO)
    base, test = _fitted(data.take(np.arange(400))), turned.take(np.arange(700, 900))
    rcs = [_rcs(base, test), *(_rcs(base.onboarded(turned.take(np.arange(400, end))), test) for end in (500, 700))]
    edge = routing_score(np.ones(len(test), np.bool_), test.outcomes, SCENARIO).rcs
    assert rcs[0] < rcs[1] < rcs[2] <= edge and edge - rcs[2] < (edge - rcs[0]) / 3


def test_what_is_known_stays_where_outcomes_say_nothing_else() -> None:
    data = worded_data(700)
    base = _fitted(data.take(np.arange(400)))
    few, test = data.take(np.arange(400, 425)), data.take(np.arange(425, 700))
    assert _rcs(_fitted(few), test) < _rcs(base.onboarded(few), test)
    before = base.solves(test.features)
    base.onboarded(data.take(np.arange(400, 600)))
    assert np.array_equal(base.solves(test.features), before), "the router that was onboarded changed"


def test_the_mean_error_is_shrunk_as_documented() -> None:
    data = worded_data(500)
    base, some = _fitted(data.take(np.arange(400))), data.take(np.arange(400, 440))
    wrong = (some.tiers.scores >= SCENARIO.mes) - base.solves(some.features)
    made = base.onboarded(some)
    assert np.allclose(made._mean - base._mean, wrong.mean(axis=0) * 40 / (40 + ONBOARD_PRIOR_QUERIES))


def test_models_of_another_number_are_refused() -> None:
    with pytest.raises(ValueError, match="knows 2 models, not 3"):
        _fitted(worded_data(100)).onboarded(tiered_data(60, 3))


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`ngram-gain` of a pair of the suite."""
    out = tmp_path_factory.mktemp("saved") / "known"
    done = call_cli("router", "train", "ngram-gain", "--scenario", FAST.name, "--track", KNOWN, "--out", out)
    assert done.returncode == 0, done.stderr
    return out


def test_an_onboarded_checkpoint_is_a_router_of_the_new_pair(
    known: Path, lite: tuple[Benchmark, Features], tmp_path: Path
) -> None:
    data = Path(__file__).parents[2] / "rsd_bench" / "editions" / "rsd-open-lite"
    options = ("--data", data, "--track", NEW, "--out", tmp_path / "new")
    done = call_cli("router", "onboard", known, *options, "--json")
    assert done.returncode == 0, done.stderr
    told, made = json.loads(done.stdout), read_saved(tmp_path / "new")
    assert told["models"] == NEW.split("--") and told["queries"] == len(lite[0].rows(NEW, "test"))
    assert made.deciders[FAST.name].tau == told["tau"][FAST.name]
    before, rows = read_saved(known), lite[0].rows(NEW, "test")[:50]
    some = lite[1].take(rows)
    assert not np.array_equal(made.predict_p_edge(some, FAST.name), before.predict_p_edge(some, FAST.name))
    assert "gpt-4o" in (tmp_path / "new" / "README.md").read_text("utf-8")
    assert made.trained_on["manifests"] == []  # it must enter no board
    refused = call_cli("router", "predict", tmp_path / "new", "--out", tmp_path / "submission")
    assert refused.returncode == 1 and "trained on another dataset (not stated)" in refused.stderr


@pytest.mark.parametrize(
    ("router", "track", "said"),
    [
        ("domain-constant", NEW, "does not say what each model solves"),
        ("ngram-gain", "three-tiers", "knows 2 models, not 3"),
        ("ngram-gain", "nowhere", "is no track"),
    ],
)
def test_onboard_refuses_in_one_line(known: Path, tmp_path: Path, router: str, track: str, said: str) -> None:
    checkpoint, data = known, Path(__file__).parents[2] / "rsd_bench" / "editions" / "rsd-open-lite"
    if router != "ngram-gain":
        checkpoint = tmp_path / "other"
        assert call_cli("router", "train", router, "--out", checkpoint).returncode == 0
    done = call_cli("router", "onboard", checkpoint, "--data", data, "--track", track, "--out", tmp_path / "new")
    assert done.returncode == 1 and said in done.stderr and done.stderr.count("\n") == 1
    assert not (tmp_path / "new").exists()
