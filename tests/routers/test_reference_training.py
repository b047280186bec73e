"""Training of the reference router, and its report.

Guards against predictions that do not repeat, a calibration that makes them worse, and a report that is silent on a
router that failed.
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace

import numpy as np
import pytest
from lite_routers import FAST, QUICK, Parts, parts, trained  # noqa: F401 (fixtures)

from rsd_bench.features import devices
from rsd_bench.features.feature_table import Features
from rsd_bench.metrics.routing import Outcomes
from rsd_bench.metrics.threshold_curve import choose_tau
from rsd_bench.routers import reference_training
from rsd_bench.routers.interface import TrainingData
from rsd_bench.routers.network import ReferenceRouter
from rsd_bench.routers.reference_training import Trained, train_reference
from rsd_bench.routers.training_report import signatures


def test_same_seed_same_predictions(parts: Parts, trained: Trained) -> None:
    again = train_reference(*parts, QUICK)
    other = train_reference(*parts, replace(QUICK, seed=1))
    p, same, different = (t.router.predict_p_edge(parts[1].features) for t in (trained, again, other))
    np.testing.assert_array_equal(p, same)
    assert not np.allclose(p, different)
    assert again.router.tau == trained.router.tau and again.history == trained.history


def test_tau_is_the_grid_search_on_validation(parts: Parts, trained: Trained) -> None:
    validation = parts[1]
    p = trained.router.predict_p_edge(validation.features)
    assert trained.router.tau == choose_tau(p, validation.outcomes, FAST)
    assert 0 <= p.min() <= p.max() <= 1


def test_temperature_does_not_raise_the_validation_loss(parts: Parts) -> None:
    overconfident = train_reference(*parts, replace(QUICK, epochs=12, patience=12, learning_rate=1e-3))
    labels, p = parts[1].labels, overconfident.router.predict_p_edge(parts[1].features)
    raw = ReferenceRouter(replace(overconfident.router.config, temperature=1.0))
    raw.load_state_dict(overconfident.router.state_dict())
    q = raw.predict_p_edge(parts[1].features)

    def loss(values: np.ndarray) -> float:
        return float(-np.mean(np.where(labels == 1, np.log(values), np.log1p(-values))))

    assert loss(p) <= loss(q) + 1e-6
    assert np.array_equal(np.argsort(p, kind="stable"), np.argsort(q, kind="stable"))


def test_early_stopping_keeps_the_best_epoch(parts: Parts) -> None:
    run = train_reference(*parts, replace(QUICK, epochs=30, patience=2, learning_rate=3e-3))
    losses = [epoch.validation_loss for epoch in run.history]
    assert run.best_epoch == int(np.argmin(losses)) + 1 and len(losses) == min(30, run.best_epoch + 2)


def test_report_names_the_failures_it_sees(parts: Parts, trained: Trained) -> None:
    _, validation = parts

    def seen(router_tau: float, validation: TrainingData = validation) -> set[str]:
        router = ReferenceRouter(replace(trained.router.config, tau=router_tau))
        router.load_state_dict(trained.router.state_dict())
        return {s.name for s in signatures(replace(trained, router=router), validation) if s.seen}

    assert {"all-to-cloud", "edge-for-hard-queries"} <= seen(1.01)
    assert {"all-to-edge", "edge-for-hard-queries"} <= seen(0.0)
    outcomes = validation.outcomes
    same = replace(validation, outcomes=Outcomes(outcomes.large, *list(vars(outcomes).values())[1:]))
    assert "pair-too-similar" in seen(0.5, same)
    weak = Outcomes(np.zeros(len(validation)), np.full(len(validation), 10.0), *list(vars(outcomes).values())[2:])
    assert "pair-too-far-apart" in seen(0.5, replace(validation, outcomes=weak))
    constant = ReferenceRouter(trained.router.config)
    state = {name: value * 0 if name == "head.weight" else value for name, value in trained.router.state_dict().items()}
    constant.load_state_dict(state)
    found = {s.name: s for s in signatures(replace(trained, router=constant), validation)}
    assert found["constant-output"].seen and found["image-features-idle"].seen
    assert found["constant-output"].figure < found["constant-output"].bound


def test_image_signature_is_silent_where_the_image_decides(parts: Parts) -> None:
    """Labels written into one image feature: a router that reads it must not be called idle."""
    told = []
    for part in parts:
        blocks = dict(part.features.blocks)
        blocks["image"] = blocks["image"].copy()
        blocks["image"][:, :64] = 4.0 * part.labels[:, None] - 2
        told.append(replace(part, features=Features(blocks, part.features.domains, part.features.spec)))
    run = train_reference(*told, replace(QUICK, epochs=4))
    found = {s.name: s for s in signatures(run, told[1])}
    assert not found["image-features-idle"].seen and found["image-features-idle"].figure > 0.2


def test_all_that_a_router_reads_goes_where_its_weights_lie(parts: Parts, trained: Trained) -> None:
    """Features stayed on the CPU, so that a router on a card could not read them."""
    features = parts[1].features.take(np.arange(4))
    lacking = replace(features, present={**features.present, "image": np.array([True, False, True, True])})
    router = deepcopy(trained.router).to("meta")  # a device whose tensors do not mix with those of the CPU
    for asked in (features, lacking):
        assert router.logits(asked).device.type == "meta"


def test_a_router_that_a_card_trained_is_left_on_the_cpu(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    moved: list[str] = []
    whole = ReferenceRouter.to
    monkeypatch.setattr(ReferenceRouter, "to", lambda self, place: moved.append(place) or whole(self, place))
    monkeypatch.setattr(reference_training, "find_device", lambda asked: devices.Device("cpu", card=asked))
    run = train_reference(*parts, QUICK, device="mps")
    assert moved == ["cpu"] and run.router.place.type == "cpu"
