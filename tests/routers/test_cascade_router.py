"""The server had a place for a cascade, and the package none to put there: nobody could train or submit one."""

from __future__ import annotations

import inspect
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from answered import DOUBTS, KNOWS, answered  # noqa: F401 (fixture)
from conftest import call_cli
from worded_queries import SCENARIO, features_of

import rsd_bench as rsd
from rsd_bench.dataset.benchmark import open_benchmark
from rsd_bench.features.answers import edge_answers, with_answers
from rsd_bench.metrics.routing import Outcomes, routing_score
from rsd_bench.routers.cascade_router import NgramCascade
from rsd_bench.routers.interface import TrainingData
from rsd_bench.serve.deciding import loaded
from rsd_bench.types import InputError


def _data(n: int, seed: int = 0) -> TrainingData:
    """All questions are alike; the answer tells whether it is right."""
    right = np.random.default_rng(seed).random(n) < 0.5
    features = with_answers(features_of(["Which one is it?"] * n), [KNOWS if one else DOUBTS for one in right])
    outcomes = Outcomes.of(np.where(right, 9.0, 2.0), np.full(n, 9.0))
    return TrainingData(features, outcomes, np.arange(n).astype(str).astype(object), SCENARIO)


def test_the_answer_decides_where_the_question_tells_nothing() -> None:
    data, test = _data(200), _data(100, 1)
    router = NgramCascade().fit(data, data.take(np.arange(0)))
    route = router.predict_p_edge(test.features) >= router.threshold()
    assert np.array_equal(route, test.outcomes.small >= SCENARIO.mes)
    assert np.array_equal(router.expected_gain(test.features) >= 0, route)


def test_who_goes_on_pays_for_both() -> None:
    data = _data(200)
    router = NgramCascade().fit(data, data.take(np.arange(0)))
    edge, cloud = (np.full(len(data), to) for to in (True, False))
    rcs = [routing_score(to, data.outcomes, SCENARIO, cascade=True).rcs for to in (edge, cloud)]
    gain = 100 * (rcs[0] - rcs[1])
    assert float(router.expected_gain(data.features).mean()) == pytest.approx(gain, abs=0.5)


def test_a_restored_cascade_decides_bit_equal_and_damage_is_named() -> None:
    data = _data(80)
    router = NgramCascade().fit(data, data.take(np.arange(0)))
    state = router.state()
    again = NgramCascade().restore(state)
    assert np.array_equal(again.predict_p_edge(data.features), router.predict_p_edge(data.features))
    assert again.threshold() == router.threshold()
    for name in state.arrays:
        with pytest.raises((ValueError, KeyError)):
            NgramCascade().restore(replace(state, arrays={key: of for key, of in state.arrays.items() if key != name}))
    with pytest.raises(ValueError, match="weights is"):
        NgramCascade().restore(replace(state, arrays={**state.arrays, "weights": state.arrays["weights"][1:]}))


def test_without_answers_it_says_so() -> None:
    plain = features_of(["Which one is it?"] * 4)
    data = _data(20)
    router = NgramCascade().fit(data, data.take(np.arange(0)))
    with pytest.raises(InputError, match="no answers, which a cascade reads"):
        router.predict_p_edge(plain)
    empty = with_answers(plain, [""] * 4)
    assert len(set(router.predict_p_edge(empty).tolist())) == 1


def test_answers_are_those_of_the_small_model(answered: tuple[Path, Path]) -> None:
    benchmark = open_benchmark(answered[0])
    right = benchmark.queries["small_score"].to_numpy() == 10
    assert edge_answers(benchmark) == [KNOWS if one else DOUBTS for one in right]


def test_a_checkpoint_is_the_cascade_that_a_server_asks(answered: tuple[Path, Path], tmp_path: Path) -> None:
    data, features = answered
    options = ("--data", data, "--features", features)
    done = call_cli("router", "train", "ngram-cascade", *options, "--out", tmp_path / "cascade")
    assert done.returncode == 0, done.stderr
    router = rsd.load_router(tmp_path / "cascade")
    asked = loaded(router)
    assert asked.cascade and asked.told and list(asked.scenarios) == list(router.deciders)
    assert inspect.signature(router.route).parameters["answer"].default is inspect.Parameter.empty
    for answer, model in ((KNOWS, "edge"), (DOUBTS, "cloud")):
        decision = router.route(None, "How many things?", answer=answer, scenario="high_quality")
        assert decision.model == model and decision.expected_gain is not None
        assert (decision.p_edge >= decision.tau) == (model == "edge") == (decision.expected_gain >= 0)
    assert router.route(None, "How many?", answer=DOUBTS, tau=0.0).model == "edge"
    with pytest.raises(ValueError, match="answer: must be a text"):
        router.route(None, "How many?", answer=None)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="scenario: this router was trained for"):
        router.route(None, "How many?", answer=KNOWS, scenario="other")


def test_it_submits_as_a_cascade_and_is_scored_as_one(answered: tuple[Path, Path], tmp_path: Path) -> None:
    data, features = answered
    options = ("--data", data, "--features", features, "--repeats", 1, "--out", tmp_path / "cascade")
    done = call_cli("router", "submit", "ngram-cascade", *options)
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "cascade" / "submission.json").read_text("utf-8"))["kind"] == "cascade"
    assert call_cli("submit", "check", tmp_path / "cascade", "--data", data).returncode == 0
    scored = call_cli("eval", tmp_path / "cascade", "--data", data, "--n-boot", 50, "--json")
    assert scored.returncode == 0, scored.stderr
    assert json.loads(scored.stdout)["scores"][0]["kind"] == "cascade"


@pytest.mark.parametrize("command", ["train", "submit"])
def test_a_lite_edition_is_refused_in_one_line(tmp_path: Path, command: str) -> None:
    done = call_cli("router", command, "ngram-cascade", "--out", tmp_path / "cascade")
    assert done.returncode == 1 and "holds no answers" in done.stderr and done.stderr.count("\n") == 1
    track = "internvl2-8b--gpt-4o"
    other = call_cli("router", command, "ngram-cascade", "--track", track, "--out", tmp_path / "cascade")
    assert other.returncode == 1 and "other models than each query's own pair" in other.stderr
    assert not any(tmp_path.iterdir())


def test_a_cascade_is_no_router_to_be_adapted_or_onboarded(answered: tuple[Path, Path], tmp_path: Path) -> None:
    given = ("--data", answered[0], "--features", answered[1])
    assert call_cli("router", "train", "ngram-cascade", *given, "--out", tmp_path / "cascade").returncode == 0
    for command in ("adapt", "onboard"):
        done = call_cli("router", command, tmp_path / "cascade", *given, "--out", tmp_path / "other")
        assert done.returncode == 1 and done.stderr.count("\n") == 1, done.stderr
    assert not (tmp_path / "other").exists()
