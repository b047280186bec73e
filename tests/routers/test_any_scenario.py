"""One training for all scenarios: what the heads say at a MES is what was asked, of any number of tiers.

Guards against a chance that rises with the MES, a scenario that changes what was learned, words that change nothing,
and a checkpoint that a stranger made.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

from mixed_media import mixed_dataset
from worded_queries import SCENARIO, tiered_data, worded_data

import rsd_bench as rsd
from rsd_bench.dataset.benchmark import open_benchmark
from rsd_bench.features.blocks import EncoderSpec, Features
from rsd_bench.features.encode import EncoderChoice, encode_dataset
from rsd_bench.features.feature_table import read_features
from rsd_bench.metrics.calibration import auroc
from rsd_bench.metrics.tiers import decide_tiers
from rsd_bench.routers.any_scenario import AnyScenario
from rsd_bench.routers.interface import TrainingData
from rsd_bench.routers.reference_training import Settings
from rsd_bench.routers.registry import ROUTERS
from rsd_bench.routers.saved_router import read_saved, train_router
from rsd_bench.routers.saved_state import State
from rsd_bench.types import InputError, Scenario

QUICK = Settings(epochs=12, patience=12, learning_rate=1e-3)


def spelled(data: TrainingData) -> TrainingData:
    """Dense blocks beside the words, which say nothing."""
    n, rng = len(data), np.random.default_rng(len(data))
    image, text = (EncoderSpec(kind, "e", "r", "p", "cls", 4) for kind in ("image", "text"))
    spec = replace(data.features.spec, image=image, text=text)
    dense = {name: rng.normal(size=(n, width)).astype(np.float32) for name, width in spec.dimensions.items()}
    return replace(data, features=Features({**data.features.blocks, **dense}, data.features.domains, spec))


def learned(data: TrainingData, words: bool = True, seed: int = 0) -> AnyScenario:
    rows = np.arange(len(data))
    return AnyScenario(seed, words, QUICK).fit(data.take(rows[rows % 5 > 0]), data.take(rows[rows % 5 == 0]))


@pytest.fixture(scope="module")
def worded() -> TrainingData:
    return spelled(worded_data(500))


@pytest.fixture(scope="module")
def router(worded: TrainingData) -> AnyScenario:
    return learned(worded)


def test_words_are_read(worded: TrainingData, router: AnyScenario) -> None:
    new = spelled(worded_data(300, seed=9))
    easy = (new.outcomes.small >= 6).astype(int)
    without = learned(worded, words=False)
    told, untold = (of.solves(new.features)[:, 0] for of in (router, without))
    assert (auroc(told, easy) or 0) > 0.8 > (auroc(untold, easy) or 0) + 0.1


def test_chances_fall_with_the_mes_and_meet_the_levels(worded: TrainingData, router: AnyScenario) -> None:
    some = worded.features.take(np.arange(20))

    def at(mes: float) -> np.ndarray:
        return router.under(replace(SCENARIO, mes=mes)).solves(some)

    each = np.stack([at(mes) for mes in np.linspace(0, 10, 41)])
    assert (each[0] == 1).all() and (np.diff(each, axis=0) <= 1e-12).all() and each.min() >= 0
    np.testing.assert_allclose(at(6.25), 0.75 * at(6) + 0.25 * at(7))
    np.testing.assert_allclose(at(0.5), 0.5 + 0.5 * at(1))


def test_a_scenario_changes_decisions_and_not_what_was_learned(worded: TrainingData, router: AnyScenario) -> None:
    other = Scenario(name="other", mes=9, alpha=0.9, beta=0.05, gamma=0.05)
    apart = learned(replace(worded, scenario=other))
    under, features = router.under(other), worded.features
    assert under.predict_p_edge(features).tobytes() == apart.predict_p_edge(features).tobytes()
    assert under.threshold() == apart.threshold() != router.threshold()
    edge = under.predict_p_edge(features) >= under.threshold()
    gain = under.expected_gain(features)
    assert (edge == (gain >= 0))[np.abs(gain) > 1e-9].all()


def test_three_tiers_and_the_cheapest_of_equals(worded: TrainingData) -> None:
    data = spelled(tiered_data(400, 3))
    found = learned(data)
    assert found.solves(data.features).shape == (400, 3) and found.tiers == 3
    choice = decide_tiers(found.predict_p_tiers(data.features), found.tier_thresholds())
    assert set(np.unique(choice)) <= {0, 1, 2} and len(set(choice.tolist())) > 1


def test_empty_questions_and_absent_images(worded: TrainingData, router: AnyScenario) -> None:
    some = worded.features.take(np.arange(6))
    lacking = replace(some, blocks={**some.blocks, "ngrams": some.ngrams * 0}, present={"image": np.zeros(6, bool)})
    lacking.blocks["ngrams"].eliminate_zeros()
    p = router.predict_p_edge(lacking)
    assert p.shape == (6,) and ((p >= 0) & (p <= 1)).all()
    image = lacking.blocks["image"] + 100
    assert np.array_equal(router.predict_p_edge(replace(lacking, blocks={**lacking.blocks, "image": image})), p)


def test_what_is_kept_decides_and_what_a_stranger_kept_is_refused(worded: TrainingData, router: AnyScenario) -> None:
    state = router.state()
    again = AnyScenario(words=True).restore(State(json.loads(json.dumps(state.settings)), state.arrays))
    assert again.predict_p_edge(worded.features).tobytes() == router.predict_p_edge(worded.features).tobytes()
    settings, arrays = dict(state.settings), dict(state.arrays)
    nan = {"network.head.bias": arrays["network.head.bias"] * np.nan}
    short = {"network.ngrams.weight": arrays["network.ngrams.weight"][:-1]}
    for bad in (
        State(settings | {"tiers": 10**9}, arrays),
        State(settings | {"tiers": True}, arrays),
        State(settings | {"temperature": 0}, arrays),
        State(settings | {"dimensions": {"image": 4, "text": 4, "statistics": 10**9}}, arrays),
        State(settings | {"dimensions": {"image": 4}}, arrays),
        State(settings, arrays | nan),
        State(settings, arrays | short),
        State(settings, {k: v for k, v in arrays.items() if k != "network.modality.text"}),
    ):
        with pytest.raises(ValueError):
            AnyScenario(words=True).restore(bad)


def test_one_checkpoint_serves_any_scenario(tiny_encoders: dict[str, Path], tmp_path: Path) -> None:
    data = mixed_dataset(tmp_path)
    choices = [EncoderChoice(kind, str(tiny_encoders[kind])) for kind in ("image", "text")]
    encode_dataset(data, tmp_path / "store", *choices)
    benchmark = open_benchmark(data)
    features, folder = read_features(benchmark, tmp_path / "store"), tmp_path / "router"
    entry = replace(ROUTERS["reference+ngrams"], make=lambda seed: AnyScenario(seed, True, replace(QUICK, epochs=2)))
    saved = train_router(
        folder,
        entry,
        benchmark,
        features,
        scenario="low_energy",
        track="in-domain",
        encoders={kind: str(path) for kind, path in tiny_encoders.items()},
    )
    assert list(read_saved(folder).deciders) == ["low_energy"]
    strict, kind = (replace(rsd.SCENARIOS["low_energy"], name=name, mes=mes) for name, mes in (("s", 9.5), ("k", 0.5)))
    pipeline = rsd.load_router(folder)
    asked = [pipeline.route(None, "How many things are in picture 3?", scenario=one) for one in (strict, kind)]
    assert [decision.scenario for decision in asked] == ["s", "k"] and asked[0].p_edge != asked[1].p_edge
    assert asked[1].model == "edge"  # next to everything is good enough
    assert asked[0].tau == saved.deciders["low_energy"].router.under(strict).threshold()
    one = train_router(tmp_path / "words", ROUTERS["ngram-gain"], benchmark, features, scenario=None, track="in-domain")
    assert len(one.deciders) == 3
    known = rsd.SCENARIOS["high_quality"]
    given = [rsd.load_router(tmp_path / "words").route(None, "How?", scenario=one) for one in (known, known.name)]
    assert given[0] == given[1] and given[0].scenario == "high_quality"
    with pytest.raises(ValueError, match="this router was trained for fast_response"):
        rsd.load_router(tmp_path / "words").route(None, "How?", scenario=strict)
    weights = folder / "weights.npz"
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(InputError, match="train it again"):
        rsd.load_router(shutil.copytree(folder, tmp_path / "cut"))
