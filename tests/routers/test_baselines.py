"""The baselines: each learns what is plain, chooses tau without the test, and takes a part with one label.

Guards against rows of a group on both sides of a fit, and against a tau that no gain stands behind.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lite_routers import FAST, QUICK, Parts, lite, parts  # noqa: F401 (fixtures)

import rsd_bench as rsd
from rsd_bench.dataset.benchmark import Benchmark
from rsd_bench.features.feature_table import BLOCKS, Features
from rsd_bench.metrics.routing import Outcomes, routing_gain, routing_score
from rsd_bench.routers.baselines import DomainConstant, GainKernel
from rsd_bench.routers.cross_fit import CrossFitted
from rsd_bench.routers.interface import TrainingData
from rsd_bench.routers.reference_training import train_reference
from rsd_bench.routers.registry import ROUTERS
from rsd_bench.routers.thresholds import bayes_tau
from rsd_bench.routers.track_training import training_data


@given(st.integers(0, 2**32 - 1), st.floats(0.55, 0.95), st.floats(0, 1))
@settings(max_examples=25, deadline=None)
def test_bayes_tau_is_where_the_mean_gain_turns(seed: int, alpha: float, share: float) -> None:
    rng = np.random.default_rng(seed)
    n = 400
    outcomes = Outcomes.of(rng.choice([0.0, 10.0], n), rng.choice([0.0, 10.0], n, p=[0.3, 0.7]))
    beta = share * (1 - alpha)
    scenario = rsd.Scenario(name="x", mes=5, alpha=alpha, beta=beta, gamma=max(0.0, 1 - alpha - beta))
    part = TrainingData(_no_features(n), outcomes, np.arange(n).astype(object), scenario)
    tau, gain, label = bayes_tau(np.zeros(n), part), routing_gain(outcomes, scenario), part.labels == 1
    if 0 < tau <= 1:
        assert tau * gain[label].mean() + (1 - tau) * gain[~label].mean() == pytest.approx(0, abs=1e-5)
    rcs = [routing_score(np.full(n, to_edge), outcomes, scenario).rcs for to_edge in (True, False)]
    assert gain.mean() == pytest.approx(rcs[0] - rcs[1])


def _no_features(n: int) -> Features:
    return Features({}, np.full(n, "", dtype=object), None)  # type: ignore[arg-type]


def test_cross_fitting_predicts_no_group_it_learned_from(parts: Parts) -> None:
    class Spy(DomainConstant):
        def fit(self, train: TrainingData, validation: TrainingData) -> Spy:
            assert not set(train.groups) & set(validation.groups)
            sizes.append(len(validation))
            return super().fit(train, validation)  # type: ignore[return-value]

    sizes: list[int] = []
    joined = parts[0].join(parts[1])
    CrossFitted(Spy, seed=3).fit(*parts)
    assert sum(sizes) == len(joined) and len(sizes) == 5


@pytest.mark.parametrize("name", [name for name in ROUTERS if not name.startswith(("reference", "ngram"))])
def test_every_baseline_learns_what_is_plain(lite: tuple[Benchmark, Features], name: str) -> None:
    """The label stands in every dense block and in the domain: any router must find it, any tau must use it."""
    train, validation = (training_data(*lite, "in-domain", split, FAST) for split in ("train", "validation"))
    told = []
    for part in (train.take(np.arange(400)), validation.take(np.arange(200))):
        blocks = {**part.features.blocks, **{name: part.features.blocks[name].copy() for name in BLOCKS}}
        for block in (blocks[name] for name in BLOCKS):
            block[:, ::2] += 3.0 * block.std(axis=0)[::2] * part.labels[:, None]
        domains = np.where(part.labels == 1, "easy", "hard").astype(object)
        told.append(replace(part, features=Features(blocks, domains, part.features.spec)))
    router = ROUTERS[name].make(0).fit(*told)
    p = router.predict_p_edge(told[1].features)
    assert p.shape == (200,) and 0 <= p.min() <= p.max() <= 1
    route = p >= router.threshold(told[1])
    assert (route == (told[1].labels == 1)).mean() > 0.95


def test_one_label_only_is_no_crash(parts: Parts) -> None:
    easy = []
    for part in parts:
        outcomes = Outcomes(np.full(len(part), 10.0), *list(vars(part.outcomes).values())[1:])
        easy.append(replace(part, outcomes=outcomes))
    for name in ("logistic", "gain-kernel", "domain-constant", "knn", "reference"):
        make = ROUTERS[name].make if name != "reference" else None
        router = make(0).fit(*easy) if make else train_reference(*easy, QUICK).router
        assert np.isfinite(router.predict_p_edge(easy[1].features)).all()


def test_gain_kernel_predicts_gain_not_label(parts: Parts) -> None:
    router = GainKernel().fit(*parts)
    p, gain = router.predict_p_edge(parts[0].features), routing_gain(parts[0].outcomes, FAST)
    assert np.corrcoef(p, gain)[0, 1] > 0.3 and p.mean() == pytest.approx(0.5 + gain.mean(), abs=0.05)
