"""Routers to submissions: a router for each fold of each repeat, which never sees what it decides.

Guards against a router that was trained once on all queries and decided them all: its AUROC was 0.98.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from folded import folded, folded_dataset  # noqa: F401 (fixtures)
from lite_routers import lite  # noqa: F401 (fixture)

from rsd_bench.config import FOLDS
from rsd_bench.dataset.benchmark import Benchmark
from rsd_bench.features.feature_table import Features
from rsd_bench.routers.baselines import DomainConstant
from rsd_bench.routers.interface import TrainingData
from rsd_bench.routers.registry import ROUTERS, Entry, router_entry
from rsd_bench.routers.saved_router import train_router
from rsd_bench.routers.submit_router import submit_trained
from rsd_bench.routers.track_training import data_at, taken_tracks, train_and_predict, training_data
from rsd_bench.submission.check_submission import open_submission
from rsd_bench.types import InputError


class Numbered(DomainConstant):
    """Says of a query how many others it has learned from, and remembers whom."""

    made: list[Numbered]

    def __init__(self, seed: int, made: list[Any]) -> None:
        self.seed, self.asked = seed, []
        made.append(self)

    def fit(self, train: TrainingData, validation: TrainingData) -> Numbered:
        self.learned = set(train.groups) | set(validation.groups)
        self.tau = len(validation) / 1_000
        return self

    def predict_p_edge(self, features: Features) -> np.ndarray:
        self.asked.append(features)
        return np.full(len(features), len(self.learned) / 1_000) + np.arange(len(features)) / 1e7

    def threshold(self, validation: TrainingData) -> float:
        return self.tau


class Tiered(Numbered):
    def predict_p_tiers(self, features: Features) -> np.ndarray:
        return np.column_stack([self.predict_p_edge(features), np.full(len(features), 0.9)])

    def tier_thresholds(self, validation: TrainingData) -> np.ndarray:
        assert validation.tiers.count == 3
        return np.array([self.tau, 0.5])


class NoFeatures:
    """Stands for features of the dataset: only which rows are taken matters here."""

    def __init__(self, rows: np.ndarray) -> None:
        self.rows = rows
        self.spec = type("Spec", (), {"image": type("E", (), {"name": "i"}), "text": type("E", (), {"name": "t"}),
                                      "described": "nothing"})  # fmt: skip

    def __len__(self) -> int:
        return len(self.rows)

    def take(self, rows: np.ndarray) -> NoFeatures:
        return NoFeatures(self.rows[rows])

    def join(self, other: NoFeatures) -> NoFeatures:
        return NoFeatures(np.concatenate([self.rows, other.rows]))


@pytest.fixture
def features(folded: Benchmark) -> Any:
    return NoFeatures(np.arange(len(folded.queries)))


def test_a_query_is_decided_by_a_router_that_never_saw_its_group(
    folded: Benchmark,
    features: Any,
) -> None:
    made: list[Numbered] = []
    said = train_and_predict(folded, features, lambda seed: Numbered(seed, made), 7, ["in-domain", "fixed"], repeats=2)
    assert set(said) == {(track, name) for track in ("in-domain", "fixed") for name in folded.scenarios}
    groups = folded.queries["group_id"].to_numpy(object)
    trained = [router for router in made if router.asked]
    assert len(trained) == len(folded.scenarios) * (2 * FOLDS + 1)
    for router in trained:
        assert len(router.asked) == 1 and not router.learned & set(groups[router.asked[0].rows])
    assert sorted({router.seed for router in trained}) == [7, 8], "another seed for another repeat"
    one = said["in-domain", "low_energy"]
    assert one.repeats == (0, 1) and one.p.shape == (2, len(folded.queries), 1)
    for lesson in folded.lessons("in-domain", [1]):
        learned = len(set(groups[lesson.train]) | set(groups[lesson.validation]))
        where = np.searchsorted(folded.rows("in-domain", "test"), lesson.test)
        assert np.allclose(one.p[1, where, 0], learned / 1_000 + np.arange(len(lesson.test)) / 1e7)
        assert one.thresholds[1, lesson.fold] == len(lesson.validation) / 1_000
    assert said["fixed", "low_energy"].thresholds.shape == (1, 1, 1)


def test_it_is_submitted_with_repeats_and_a_tau_of_each_fold(
    tmp_path: Path,
    folded: Benchmark,
    features: Any,
) -> None:
    entry = Entry("tiered", "Tiered", lambda seed: Tiered(seed, []))
    folder = submit_trained(tmp_path / "mine", entry, folded, features)
    submission = open_submission(folder, folded)
    assert {track for track, _ in submission.entries} == set(folded.tracks)
    for (track, scenario), said in submission.entries.items():
        assert said.repeats == tuple(range(folded.repeats(track))), scenario
        for lesson in folded.lessons(track):
            where = np.searchsorted(folded.rows(track, "test"), lesson.test)
            assert (said.tau[lesson.repeat, where, 0] == len(lesson.validation) / 1_000).all()
    tau = submission.meta.declared.tau["low_energy"]
    assert isinstance(tau["fixed"], float) and len(tau["in-domain"]) == 5 and len(tau["in-domain"][0]) == FOLDS
    assert tau["three-tiers"][2][3][1] == 0.5


def test_rounding_flips_no_decision(tmp_path: Path, folded: Benchmark, features: Any) -> None:
    class Near(Tiered):
        def predict_p_edge(self, features: Any) -> np.ndarray:
            return np.full(len(features), self.tau) - 1e-9 * (np.arange(len(features)) % 2)

    exact = train_and_predict(folded, features, lambda seed: Near(seed, []), repeats=1)
    entry = Entry("near", "Near", lambda seed: Near(seed, []))
    submission = open_submission(submit_trained(tmp_path / "near", entry, folded, features, repeats=1), folded)
    for key, said in submission.entries.items():
        at = exact[key].thresholds[0, folded.folds(key[0], 0)]
        assert np.array_equal((said.p[0] >= said.tau[0]), exact[key].p[0] >= at)
        assert 0 < said.choice.mean() < 2


def test_a_router_of_two_tiers_leaves_others_out_unless_they_are_asked_for(
    folded: Benchmark,
    features: Any,
) -> None:
    two, more = Numbered(0, []), Tiered(0, [])
    assert taken_tracks(folded, two) == ([t for t in folded.tracks if t != "three-tiers"], ["three-tiers"])
    assert taken_tracks(folded, more) == (list(folded.tracks), [])
    with pytest.raises(InputError, match="'three-tiers': has 3 tiers, and this router chooses between two"):
        taken_tracks(folded, two, ["in-domain", "three-tiers"])
    with pytest.raises(InputError, match="moon: is no track"):
        train_and_predict(folded, features, lambda seed: Numbered(seed, []), 0, ["moon"])


def test_a_router_to_be_deployed_learns_from_all_queries_of_a_cross_fitted_track(
    tmp_path: Path, lite: tuple[Benchmark, Features]
) -> None:
    # the checkpoint of every router but `reference` left out those whose split is test, which no one decides by it
    saved = train_router(tmp_path / "all", ROUTERS["domain-constant"], *lite, scenario="low_energy", track="in-domain")
    counts = [saved.trained_on[f"{split}_queries"] for split in ("train", "validation")]
    assert counts == [len(lite[0].rows("in-domain", split)) for split in ("train", "validation")]
    assert sum(counts) == len(lite[0].queries)


def test_rows_of_tiers_are_taken_and_joined(folded: Benchmark, features: Any) -> None:
    scenario = folded.scenarios["low_energy"]
    tiers = data_at(folded, features, "three-tiers", folded.rows("three-tiers", "train"), scenario)
    taken = tiers.take(np.arange(3)).join(tiers.take(np.arange(5, 9)))
    assert np.array_equal(taken.tiers.scores, tiers.tiers.scores[[0, 1, 2, 5, 6, 7, 8]])
    pair = training_data(folded, features, "in-domain", "test", scenario)
    assert np.array_equal(pair.tiers.scores[:, 0], pair.outcomes.small)


OWN = """
import numpy as np
class Mine:
    def fit(self, train, validation): self.k = train.tiers.count - 1; return self
    def predict_p_edge(self, features): return np.full(len(features), 0.5)
    def threshold(self, validation): return 0.5
    def predict_p_tiers(self, features): return {p}
    def tier_thresholds(self, validation): return {tau}
def make_router(seed): return Mine()
"""
FAULTY = {
    "shape": ("np.full(len(features), 0.5)", "[0.5] * self.k", "predict_p_tiers gives float64 of shape"),
    "range": ("np.full((len(features), self.k), 2)", "[0.5] * self.k", "predict_p_tiers gives something outside"),
    "tau": ("np.full((len(features), self.k), 0.5)", "0.5", "tier_thresholds gives"),
    "high": ("np.full((len(features), self.k), 0.5)", "[0.5, 7]", "tier_thresholds gives"),
    "raises": ("1 / 0", "0.5", "predict_p_tiers fails"),
}


@pytest.mark.parametrize("name", FAULTY)
def test_a_router_of_the_users_own_is_held_to_its_tiers(
    tmp_path: Path,
    folded: Benchmark,
    features: Any,
    name: str,
) -> None:
    p, tau, says = FAULTY[name]
    (tmp_path / "own.py").write_text(OWN.format(p=p, tau=tau))
    entry = router_entry(str(tmp_path / "own.py"))
    with pytest.raises(InputError, match=says):
        train_and_predict(folded, features, entry.make, 0, ["three-tiers"], repeats=1)
    (tmp_path / "own.py").write_text(OWN.format(p="np.full((len(features), self.k), 0.5)", tau="[0.5] * self.k"))
    made = router_entry(str(tmp_path / "own.py"))
    said = train_and_predict(folded, features, made.make, 0, ["three-tiers"], repeats=1)
    assert said["three-tiers", "low_energy"].p.shape[2] == 2
