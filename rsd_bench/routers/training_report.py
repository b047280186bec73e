"""The training report: how a router came about, and the known ways to fail that its validation figures show.

Every signature is reported with the figure behind it and the bound it is held against, whether it is seen or not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from rsd_bench.config import TAU_GRID
from rsd_bench.metrics.arrays import FloatArray
from rsd_bench.metrics.calibration import auroc, brier, expected_calibration_error
from rsd_bench.metrics.routing import best_fixed, reference_scores, routing_score
from rsd_bench.metrics.threshold_curve import sweep_curve
from rsd_bench.routers.interface import TrainingData
from rsd_bench.routers.reference_training import Epoch, Trained
from rsd_bench.types import RoutingScore

REPORT, PICTURE = "training.json", "training.svg"

_NEARLY_ALL = 0.98  # share of queries that is "all" of them
_CONSTANT = 0.005  # standard deviation of p_edge below which it says nothing
_SELECTIVE = (
    0.05  # edge share among competent minus among incompetent queries, below which hard ones are not told apart
)
_IMAGE_AUROC = 0.005  # AUROC lost without the image, below which the image carries nothing
_GAP_SMALL, _GAP_LARGE = 0.02, 0.5  # APSP(large) - APSP(small)


@dataclass(frozen=True)
class Signature:
    """A way to fail. `figure` is held against `bound`; `seen` says whether it crossed it."""

    name: str
    seen: bool
    figure: float
    bound: float
    meaning: str


@dataclass(frozen=True)
class ValidationFigures:
    """What the router scores on its validation rows; `gain` is RCS minus that of the best fixed policy."""

    score: RoutingScore
    best_fixed: str
    gain: float
    auroc: float | None
    brier: float
    ece: float

    def to_dict(self) -> dict[str, Any]:
        figures = dict(vars(self))
        return {**figures.pop("score").to_dict(), **figures}


@dataclass(frozen=True)
class TrainingReport:
    """What was trained on what, the losses, the validation figures, the signatures."""

    trained_on: Mapping[str, Any]
    scenario: str
    parameters: int
    best_epoch: int  # from 1
    history: tuple[Epoch, ...]
    temperature: float
    tau: float
    validation: ValidationFigures
    signatures: tuple[Signature, ...]

    def to_dict(self) -> dict[str, Any]:
        """training.json."""
        return asdict(self) | {"validation": self.validation.to_dict()}


def signatures(trained: Trained, validation: TrainingData) -> list[Signature]:
    """The failure signatures of a router on its validation rows."""
    router, labels = trained.router, validation.labels == 1
    p = router.predict_p_edge(validation.features)
    route = p >= router.tau
    competent, hard = (float(route[part].mean()) if part.any() else 0.0 for part in (labels, ~labels))
    gap = _apsp_gap(validation)
    image = _image_worth(trained, validation, p)
    found = [
        _above(
            "all-to-cloud",
            float(1 - route.mean()),
            _NEARLY_ALL,
            f"share with p < tau = {router.tau:g}; MES {validation.scenario.mes:g} is too high or the small model too "
            f"weak: {labels.mean():.0%} of the queries are edge competent",
        ),
        _above(
            "all-to-edge",
            float(route.mean()),
            _NEARLY_ALL,
            f"share with p >= tau = {router.tau:g}; the router saves cost but selects nothing",
        ),
        _below(
            "constant-output", float(p.std()), _CONSTANT, "standard deviation of p_edge; it does not tell queries apart"
        ),
        _below(
            "edge-for-hard-queries",
            competent - hard,
            _SELECTIVE,
            f"edge share of competent ({competent:.0%}) minus of hard queries ({hard:.0%}); tau is too low, or the "
            "features carry nothing",
        ),
        _below(
            "pair-too-similar", gap, _GAP_SMALL, "APSP of all-cloud minus all-edge; the large model adds too little"
        ),
        _above(
            "pair-too-far-apart", gap, _GAP_LARGE, "APSP of all-cloud minus all-edge; the small model helps too rarely"
        ),
    ]
    if image is not None:
        meaning = "AUROC lost when each query gets another query's image features; they carry nothing"
        found.append(_below("image-features-idle", image, _IMAGE_AUROC, meaning))
    return found


def _above(name: str, figure: float, bound: float, meaning: str) -> Signature:
    return Signature(name, figure >= bound, figure, bound, meaning)


def _below(name: str, figure: float, bound: float, meaning: str) -> Signature:
    return Signature(name, figure < bound, figure, bound, meaning)


def _apsp_gap(data: TrainingData) -> float:
    rows = reference_scores(data.outcomes, data.scenario)
    return rows["all-cloud"].apsp - rows["all-edge"].apsp


def _image_worth(trained: Trained, validation: TrainingData, p: FloatArray) -> float | None:
    """AUROC with the right images minus with shuffled ones; None without an image block or with one label only."""
    whole = auroc(p, validation.labels)
    if "image" not in trained.router.blocks or whole is None:
        return None
    features = validation.features
    image, has_one = features.blocks["image"].copy(), features.present["image"]
    image[has_one] = np.random.default_rng(0).permutation(image[has_one])
    shuffled = replace(features, blocks={**features.blocks, "image": image})
    without = auroc(trained.router.predict_p_edge(shuffled), validation.labels)
    return None if without is None else whole - without


def report_of(trained: Trained, validation: TrainingData) -> TrainingReport:
    """The report of a router on its validation rows."""
    router, outcomes, scenario = trained.router, validation.outcomes, validation.scenario
    p = router.predict_p_edge(validation.features)
    score = routing_score(p >= router.tau, outcomes, scenario)
    name, fixed = best_fixed(outcomes, scenario)
    return TrainingReport(
        trained_on=router.trained_on,
        scenario=scenario.name,
        parameters=sum(tensor.numel() for tensor in router.parameters()),
        best_epoch=trained.best_epoch,
        history=trained.history,
        temperature=router.temperature,
        tau=router.tau,
        validation=ValidationFigures(
            score=score,
            best_fixed=name,
            gain=score.rcs - routing_score(fixed, outcomes, scenario).rcs,
            auroc=auroc(p, validation.labels),
            brier=brier(p, validation.labels),
            ece=expected_calibration_error(p, validation.labels),
        ),
        signatures=tuple(signatures(trained, validation)),
    )


def draw_training(path: Path, trained: Trained, validation: TrainingData) -> None:
    """A picture for people: losses by epoch, and validation RCS by threshold with the tau chosen."""
    from rsd_bench.figures import INK, LINES, new_figure, save

    figure, (losses, thresholds) = new_figure(1, 2, width=8.0)
    epochs = np.arange(1, len(trained.history) + 1)
    for key, colour in zip(("train_loss", "validation_loss"), LINES, strict=False):
        losses.plot(
            epochs, [getattr(epoch, key) for epoch in trained.history], color=colour, label=key.replace("_", " ")
        )
    losses.axvline(trained.best_epoch, color=INK, linewidth=0.8, linestyle=":")
    losses.set(xlabel="epoch", ylabel="binary cross-entropy")
    losses.legend()
    p = trained.router.predict_p_edge(validation.features)
    curve = sweep_curve(p, validation.outcomes, validation.scenario, TAU_GRID)
    thresholds.plot(curve["tau"], curve["rcs"], color=LINES[0])
    thresholds.axvline(trained.router.tau, color=INK, linewidth=0.8, linestyle=":")
    thresholds.set(xlabel="tau", ylabel=f"RCS on validation, {validation.scenario.name}")
    save(figure, path)
