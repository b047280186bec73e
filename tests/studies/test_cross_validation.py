"""Decisions of the studies: by a router that never saw the query's group, and kept under no other router's name."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from lite_routers import FAST, Parts, lite, parts  # noqa: F401 (fixtures)

from rsd_bench.config import IN_DOMAIN, ROUTER_LATENCY_S
from rsd_bench.dataset.benchmark import Benchmark
from rsd_bench.features.feature_table import Features
from rsd_bench.metrics.routing import routing_score
from rsd_bench.routers.baselines import DomainConstant
from rsd_bench.routers.interface import TrainingData
from rsd_bench.routers.registry import ROUTERS, router_entry
from rsd_bench.routers.track_training import train_and_predict
from rsd_bench.studies.ceiling import other_variants
from rsd_bench.studies.cross_validation import Decided, decide_out_of_fold, every_query, summarise
from rsd_bench.studies.decision_cache import DecisionCache


def test_cross_validation_decides_each_query_by_a_router_that_never_saw_its_group(
    parts: Parts,
) -> None:
    class Spy(DomainConstant):
        def fit(self, train: TrainingData, validation: TrainingData) -> Spy:
            self.known = set(train.groups) | set(validation.groups)
            return super().fit(train, validation)  # type: ignore[return-value]

        def predict_p_edge(self, features: Features) -> np.ndarray:
            return super().predict_p_edge(features)

    made: list[Spy] = []

    def make(seed: int) -> Spy:
        made.append(Spy())
        return made[-1]

    every = parts[0].join(parts[1])
    decided = decide_out_of_fold(make, every, seed=0)
    assert len(made) == 5 and len(decided.route) == len(every)
    left_out = [set(every.groups) - spy.known for spy in made]
    assert set.union(*left_out) == set(every.groups) and sum(map(len, left_out)) == len(set(every.groups))
    again = summarise(every, [decided], n_boot=200)
    gain = routing_score(decided.route.astype(bool), every.outcomes, FAST, ROUTER_LATENCY_S).rcs - max(
        routing_score(np.full(len(every), edge), every.outcomes, FAST).rcs for edge in (True, False)
    )
    assert again.gain.value == pytest.approx(gain) and again.gain.low - 1e-9 <= gain <= again.gain.high + 1e-9


def test_a_study_decides_as_a_submission_does(lite: tuple[Benchmark, Features]) -> None:
    make, (benchmark, _) = ROUTERS["domain-constant"].make, lite
    every = every_query(*lite, FAST)
    assert every.groups.tolist() == benchmark.part(IN_DOMAIN, "test").groups.tolist()
    submitted = train_and_predict(*lite, make, 0, [IN_DOMAIN], repeats=2)[IN_DOMAIN, FAST.name]
    for repeat in submitted.repeats:
        studied = decide_out_of_fold(make, every, seed=repeat)
        tau = submitted.thresholds[repeat, benchmark.folds(IN_DOMAIN, repeat), 0]
        assert np.array_equal(studied.p_edge, submitted.p[repeat, :, 0])
        assert np.array_equal(studied.route.astype(bool), submitted.p[repeat, :, 0] >= tau)


def test_a_users_file_is_never_taken_for_a_router_of_the_package(
    tmp_path: Path, lite: tuple[Benchmark, Features]
) -> None:
    # a file knn.py got the kept decisions of the package's knn, and gave it its own
    (tmp_path / "knn.py").write_text("def make_router(seed): return None")
    entry = router_entry(str(tmp_path / "knn.py"))
    cache = DecisionCache(tmp_path, *lite)
    made = [cache.get((entry.name, k), lambda: Decided(np.zeros(2), np.zeros(2, np.bool_))) for k in (0, 0)]
    assert made[0] is not made[1] and not list(tmp_path.glob(".cache/*"))


def test_a_score_of_the_group_is_no_label_of_other_variants(parts: Parts) -> None:
    # dynamath has one score a seed question, the mean over its variants: the ceiling was the label itself, AUROC 0.998
    groups = np.repeat(np.arange(150).astype(str).astype(object), 2)
    data = replace(parts[0], groups=groups)
    known = other_variants(data)
    assert known is not None and np.array_equal(known[::2], data.labels[1::2])
    assert other_variants(replace(data, outcomes=data.outcomes.take(np.repeat(np.arange(0, 300, 2), 2)))) is None
    assert other_variants(replace(data, groups=np.arange(300).astype(str).astype(object))) is None
