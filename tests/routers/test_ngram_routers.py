"""Routers of words: they find what stands in the words, decide by expected gain, and never look at the test.

Guards against a threshold that means something else in every fold, against test rows that move a prediction, and
against two solvers that disagree where the number of rows crosses a bound.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from lite_routers import lite  # noqa: F401 (fixture)
from sklearn.feature_extraction.text import TfidfTransformer
from worded_queries import SCENARIO, features_of, tiered_data, worded_data

from rsd_bench.config import TAU_ALL_CLOUD
from rsd_bench.dataset.benchmark import Benchmark
from rsd_bench.features.blocks import Features
from rsd_bench.metrics.calibration import auroc
from rsd_bench.metrics.routing import Outcomes, best_fixed, routing_score
from rsd_bench.metrics.tiers import Tiers, decide_tiers
from rsd_bench.routers import ridge
from rsd_bench.routers.gain_rule import GainRule
from rsd_bench.routers.interface import TrainingData
from rsd_bench.routers.landmarks import LandmarkKernel, gaussian
from rsd_bench.routers.ngram_routers import NgramGain, NgramLogistic
from rsd_bench.routers.ngram_weights import NgramWeights
from rsd_bench.routers.registry import ROUTERS
from rsd_bench.types import InputError, Scenario

WORDS = ("ngram-gain", "ngram-logistic")
ROWS, HELD = np.arange(400), np.arange(400, 600)


@pytest.mark.parametrize("name", WORDS)
def test_the_word_that_decides_is_found(name: str) -> None:
    data = worded_data(900)
    train, validation, test = data.take(ROWS), data.take(HELD), data.take(np.arange(600, 900))
    router = ROUTERS[name].make(0).fit(train, validation)
    p = router.predict_p_edge(test.features)
    assert p.shape == (300,) and 0 <= p.min() <= p.max() <= 1
    route = p >= router.threshold(validation)
    best = routing_score(best_fixed(test.outcomes, SCENARIO)[1], test.outcomes, SCENARIO)
    assert routing_score(route, test.outcomes, SCENARIO).rcs > best.rcs + 0.05


def test_weights_are_those_of_scikit_learn() -> None:
    counts = worded_data(200).features.ngrams
    kept = np.flatnonzero(np.bincount(counts.indices, minlength=counts.shape[1]) >= 2)
    ours = NgramWeights.fit(counts)(counts)
    theirs = TfidfTransformer(sublinear_tf=True).fit_transform(counts[:, kept].astype(np.float64))
    np.testing.assert_allclose(ours.toarray(), theirs.toarray(), rtol=1e-12)
    assert ours.shape[1] < len(np.unique(counts.indices))


def test_words_never_seen_and_none_at_all_are_the_mean() -> None:
    data = worded_data(500)
    router = NgramGain().fit(data.take(ROWS), data.take(np.arange(400, 500)))
    unseen = router.solves(features_of(["", "Ωμέγα αβγ", "zzz"]))
    np.testing.assert_allclose(unseen, np.tile((data.tiers.scores >= 6).mean(axis=0), (3, 1)))
    empty = replace(data, features=features_of([""] * 500))
    for make in (NgramGain, NgramLogistic):
        fitted = make().fit(empty.take(ROWS), empty.take(np.arange(400, 500)))
        p = fitted.predict_p_edge(data.features)
        assert np.isfinite(p).all() and np.ptp(p) == 0


def test_one_label_only_is_no_crash() -> None:
    data = worded_data(200)
    for score in (0.0, 10.0):
        outcomes = Outcomes.of(np.full(200, score), np.full(200, 10.0))
        same = replace(data, outcomes=outcomes)
        for make in (NgramGain, NgramLogistic):
            router = make().fit(same.take(np.arange(100)), same.take(np.arange(100, 200)))
            p, tau = router.predict_p_edge(same.features), router.threshold(same)
            assert ((p >= tau) == (score == 10)).all()


def test_the_threshold_is_the_gain_rule() -> None:
    data = worded_data(600)
    router = NgramGain().fit(data.take(ROWS), data.take(HELD))
    solves, o = router.solves(data.features), data.outcomes
    saved = (o.large_latency.mean() - o.small_latency.mean()) / o.large_latency.mean()
    gain = 0.8 * (solves[:, 0] - solves[:, 1]) + 0.1 + 0.1 * saved
    route = router.predict_p_edge(data.features) >= router.threshold(data)
    clear = np.abs(gain) > 1e-9
    assert (route == (gain >= 0))[clear].all() and 0.1 < route.mean() < 0.9
    tiers = decide_tiers(router.predict_p_tiers(data.features), router.tier_thresholds(data))
    assert ((tiers == 0) == route)[clear].all()


@pytest.mark.parametrize(
    ("weights", "expected"),
    [((0.0, 1.0, 0.0), 0.0), ((1.0, 0.0, 0.0), 0.5), ((0.5, 0.5, 0.0), 0.0), ((0.0, 0.0, 1.0), 0.0)],
)
def test_thresholds_of_extreme_scenarios(weights: tuple[float, float, float], expected: float) -> None:
    tiers = Tiers.of(np.array([[9.0, 9.0]]), np.array([1.0, 2.0]))
    alpha, beta, gamma = weights
    assert GainRule.of(tiers, Scenario(mes=5, alpha=alpha, beta=beta, gamma=gamma)).tau == expected
    slow = Tiers.of(np.array([[9.0, 9.0]]), np.array([2.0, 1.0]))
    assert GainRule.of(slow, Scenario(mes=5, alpha=0, beta=0, gamma=1)).tau == TAU_ALL_CLOUD


@pytest.mark.parametrize("k", [2, 3, 5])
def test_of_k_tiers_the_one_of_highest_expected_utility_answers(k: int) -> None:
    data = tiered_data(600, k)
    router = NgramGain().fit(data.take(ROWS), data.take(HELD))
    features = data.features
    p = router.predict_p_tiers(features)
    assert p.shape == (600, k - 1) and router.tier_thresholds(data).shape == (k - 1,)
    choice = decide_tiers(p, router.tier_thresholds(data))
    t = data.tiers
    utility = 0.8 * router.solves(features) + 0.1 * t.advantage - 0.1 * t.latencies.mean(0) / t.latencies[:, -1].mean()
    best = np.argmax(utility, axis=1)  # of equals the first, which is the cheaper one
    wrong = utility[np.arange(600), best] - utility[np.arange(600), choice]
    assert wrong.max() < 1e-9 and (choice == best).mean() > 0.99 and len(set(choice)) > 1
    assert router.predict_p_edge(features).shape == (600,)
    assert ((router.predict_p_edge(features) >= router.threshold(data)) == (choice == 0)).mean() > 0.99


def test_equal_utilities_go_to_the_cheaper_tier() -> None:
    rule = GainRule(Scenario(mes=5, alpha=1, beta=0, gamma=0), np.array([1.0, 0.5, 0.0]), np.array([0.1, 0.5, 1.0]))
    solves = np.array([[0.5, 0.5, 0.5], [0.25, 0.5, 0.5], [0.25, 0.25, 0.5], [0.5, 0.25, 0.5]])
    assert decide_tiers(rule.p_tiers(solves), 0.5).tolist() == [0, 1, 2, 0]


@pytest.mark.parametrize("name", WORDS)
def test_test_rows_move_no_prediction(name: str) -> None:
    """Their outcomes shuffled, or the rows left out: the same bytes. Those of one training row changed: others."""
    data = worded_data(700)

    def predictions(of: TrainingData, test: int) -> bytes:
        router = ROUTERS[name].make(3).fit(of.take(ROWS), of.take(HELD))
        p = router.predict_p_edge(of.features.take(np.arange(600, 600 + test)))[:50]
        return p.tobytes() + np.float64(router.threshold(of.take(HELD))).tobytes()

    order = np.concatenate([np.arange(600), np.random.default_rng(0).permutation(np.arange(600, 700))])
    assert predictions(data, 100) == predictions(replace(data, outcomes=data.outcomes.take(order)), 50)
    changed = data.outcomes.small.copy()
    changed[:40] = 11 - changed[:40]
    assert predictions(data, 100) != predictions(replace(data, outcomes=replace(data.outcomes, small=changed)), 100)


@pytest.mark.parametrize("strength", [1.5, 50.0])
def test_both_solvers_agree(strength: float) -> None:
    """To 1e-6 of the largest weight."""
    data = tiered_data(500, 3)
    x = NgramWeights.fit(data.features.ngrams)(data.features.ngrams)
    y = (data.tiers.scores >= 6).astype(np.float64)
    exact, found = (
        solve(ridge.Rows.of(x), y - y.mean(0), strength) for solve in (ridge.fit_exactly, ridge.fit_iteratively)
    )
    assert np.abs(exact - found).max() < 1e-6 * np.abs(exact).max()
    kernel = 2 * (x @ x.T).toarray()
    dual = np.linalg.solve(kernel + strength * np.eye(500), y - y.mean(0))
    np.testing.assert_allclose(x @ exact, kernel @ dual, atol=1e-10)


def test_beyond_the_bound_no_kernel_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    data = worded_data(600)
    exact = NgramGain().fit(data.take(ROWS), data.take(HELD)).predict_p_edge(data.features)
    monkeypatch.setattr(ridge, "EXACT_ROWS", 250)
    monkeypatch.setattr(ridge, "fit_exactly", None)
    found = NgramGain().fit(data.take(ROWS), data.take(HELD)).predict_p_edge(data.features)
    assert np.corrcoef(exact, found)[0, 1] > 0.95


def test_the_ridge_follows_the_noise() -> None:
    chosen = []
    for noise in (0.02, 0.5):
        data = worded_data(600, noise=noise)
        x = NgramWeights.fit(data.features.ngrams)(data.features.ngrams)
        y = (data.tiers.scores >= 6).astype(np.float64)
        chosen.append(ridge.choose_ridge(ridge.Rows.of(x), y, data.groups, lambda y: y[:, :1] - y[:, 1:]))
    assert chosen[0] < chosen[1] and set(chosen) <= set(ridge.RIDGES)


def test_landmarks_give_the_kernel_where_each_row_is_one(lite: tuple[Benchmark, Features]) -> None:
    train = lite[1].take(np.arange(120))
    kernel = LandmarkKernel.fit(train, "text", 0)
    mapped, scaled = kernel.map(train), kernel.scaler(train.matrix(("text",)), train.known(("text",)))
    np.testing.assert_allclose(mapped @ mapped.T, gaussian(scaled, scaled), atol=1e-7)
    weights = np.random.default_rng(0).normal(size=(kernel.size, 2))
    other = lite[1].take(np.arange(120, 160))
    np.testing.assert_allclose(
        kernel.between(other) @ kernel.folded(weights), kernel.map(other) @ weights / np.sqrt(2), atol=1e-6
    )


def test_a_query_without_an_image_has_no_image_kernel(lite: tuple[Benchmark, Features]) -> None:
    train = lite[1].take(np.arange(60))
    there = np.arange(60) % 3 != 0
    lacking = replace(train, present={"image": there})
    kernel = LandmarkKernel.fit(lacking, "image", 0)
    assert len(kernel.landmarks) == there.sum()
    assert (kernel.between(lacking)[~there] == 0).all() and (kernel.between(lacking)[there] > 0).all()
    none = replace(train, present={"image": np.zeros(60, np.bool_)})
    assert LandmarkKernel.fit(none, "image", 0).map(none).shape == (60, 0)


def test_words_and_encoders_learn_from_both(lite: tuple[Benchmark, Features]) -> None:
    """Half of the outcomes follow from a word, the others from the image: the sum knows more than the words alone."""
    n = 600
    rows = lite[1].take(np.arange(n))
    data = worded_data(n, noise=0.0)
    image = np.asarray(rows.blocks["image"][:, 0] > np.median(rows.blocks["image"][:, 0]))
    small = np.where(image, data.outcomes.small, 2.0)
    blocks = {**data.features.blocks, "image": rows.blocks["image"], "text": rows.blocks["text"]}
    blocks["image"] = blocks["image"] + 3 * blocks["image"].std(0) * image[:, None].astype(np.float32)
    there = np.arange(n) % 10 != 0
    blocks["image"][~there] = 0
    features = Features(blocks, data.features.domains, rows.spec, {"image": there})
    data = replace(data, features=features, outcomes=replace(data.outcomes, small=small))
    train, validation, test = data.take(np.arange(400)), data.take(np.arange(400, 450)), data.take(np.arange(450, n))
    scores = []
    for name in ("ngram+encoders", "ngram-gain"):
        router = ROUTERS[name].make(0).fit(train, validation)
        scores.append(auroc(router.predict_p_edge(test.features), test.labels) or 0)
    assert scores[0] > scores[1] + 0.1, scores


def test_features_without_ngrams_are_refused_in_one_line(lite: tuple[Benchmark, Features]) -> None:
    spec = replace(lite[1].spec, ngrams=None)
    for name, entry in ROUTERS.items():
        assert entry.can_read(spec) is not ("ngram" in name)
    data, whole = worded_data(20), lite[1].take(np.arange(20))
    dense = {name: block for name, block in whole.blocks.items() if name != "ngrams"}
    lacking = replace(data, features=replace(whole, blocks=dense, spec=spec))
    for name in (*WORDS, "ngram+encoders", "ngram+statistics", "reference+ngrams"):
        with pytest.raises(InputError, match="features: have no n-grams -> encode"):
            ROUTERS[name].make(0).fit(lacking, lacking)


def test_tiers_of_two_models_are_their_outcomes() -> None:
    data, three = worded_data(50), tiered_data(50, 3)
    assert data.tiers.count == 2 and (data.tiers.scores[:, 1] == data.outcomes.large).all()
    assert data.tiers.advantage.tolist() == [1, 0]
    joined = three.take(np.array([4, 2])).join(three.take(np.array([0])))
    assert (joined.tiers.scores == three.tiers.scores[[4, 2, 0]]).all() and joined.tiers.count == 3
    assert (joined.tiers.paid == three.tiers.latencies[[4, 2, 0]]).all()
