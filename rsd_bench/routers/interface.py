"""What a router is here: it learns P(edge competent) from the features and outcomes of a track's own rows.

A router sees training rows to fit and validation rows to choose; test rows reach it as features only.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol, Self, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from rsd_bench.features.blocks import BLOCKS, Features
from rsd_bench.metrics.arrays import BoolArray, FloatArray, IntArray
from rsd_bench.metrics.label import label
from rsd_bench.metrics.routing import Outcomes
from rsd_bench.metrics.tiers import Tiers
from rsd_bench.routers.saved_state import State
from rsd_bench.types import Scenario


@dataclass(frozen=True)
class TrainingData:
    """n queries to learn from under one scenario: features, outcomes of both models, groups; all in one order."""

    features: Features
    outcomes: Outcomes
    groups: NDArray[np.object_]
    scenario: Scenario
    several: Tiers | None = None  # where there are more than two tiers; `outcomes` are then those of first and last

    def __len__(self) -> int:
        return len(self.groups)

    @property
    def labels(self) -> NDArray[np.int8]:
        """1 = edge competent, shape (n,)."""
        return label(self.outcomes.small, self.outcomes.large, self.scenario.mes)

    @property
    def tiers(self) -> Tiers:
        """The outcomes of all tiers, the cheapest first; of two models they are made of `outcomes`."""
        if self.several is not None:
            return self.several
        both = self.outcomes
        scores = np.column_stack([both.small, both.large])
        return Tiers(scores, np.column_stack([both.small_latency, both.large_latency]), np.array([1.0, 0.0]))

    def take(self, rows: IntArray) -> TrainingData:
        several = self.several
        if several is not None:
            several = replace(several, scores=several.scores[rows], latencies=several.latencies[rows])
        features, outcomes = self.features.take(rows), self.outcomes.take(rows)
        return TrainingData(features, outcomes, self.groups[rows], self.scenario, several)

    def join(self, other: TrainingData) -> TrainingData:
        """These queries, then those of `other`, under this scenario."""
        outcomes = Outcomes(
            *(np.concatenate([mine, vars(other.outcomes)[name]]) for name, mine in vars(self.outcomes).items())
        )
        groups = np.concatenate([self.groups, other.groups])
        several = self.several
        if several is not None:
            scores = np.concatenate([several.scores, other.tiers.scores])
            several = replace(
                several, scores=scores, latencies=np.concatenate([several.latencies, other.tiers.latencies])
            )
        return TrainingData(self.features.join(other.features), outcomes, groups, self.scenario, several)


class Router(Protocol):
    """fit on training rows, choose hyper-parameters on validation rows, then predict."""

    def fit(self, train: TrainingData, validation: TrainingData) -> Self: ...

    def predict_p_edge(self, features: Features) -> FloatArray:
        """P(edge competent) in [0, 1], shape (n,)."""
        ...

    def threshold(self, validation: TrainingData) -> float:
        """tau of the scenario of these rows, fixed without the test."""
        ...


Make = Callable[[int], Router]  # seed -> a router that has learned nothing yet


@runtime_checkable
class TierRouter(Protocol):
    """A router that chooses among more than two tiers as well: it has these two methods beside those of a Router."""

    def predict_p_tiers(self, features: Features) -> FloatArray:
        """P(tier k is good enough) in [0, 1], shape (n, K - 1)."""
        ...

    def tier_thresholds(self, validation: TrainingData) -> FloatArray:
        """tau of each tier but the last, shape (K - 1,), fixed without the test."""
        ...


@dataclass(frozen=True)
class Scaler:
    """z-scores; a column that is constant on the training rows becomes 0, and so does what a row lacks."""

    mean: FloatArray
    deviation: FloatArray

    @classmethod
    def fit(cls, train: FloatArray, known: BoolArray) -> Scaler:
        """From the training rows of a feature matrix, shape (n, d), as far as they are `known`, of that shape."""
        if known.all():
            mean, deviation = train.mean(axis=0), train.std(axis=0)
        else:
            rows = np.maximum(known.sum(axis=0), 1)
            mean = np.where(known, train, 0).sum(axis=0) / rows
            deviation = np.sqrt((np.where(known, train - mean, 0) ** 2).sum(axis=0) / rows)
        return cls(mean, np.where(deviation > 1e-6, deviation, np.inf))

    def __call__(self, features: FloatArray, known: BoolArray) -> FloatArray:
        return np.where(known, (features - self.mean) / self.deviation, 0.0)


@dataclass(frozen=True)
class Inputs:
    """Blocks of features as a scaled matrix. Where training rows lacked something, a last column says which row does.

    A router that never saw such a row takes it for a mean one.
    """

    blocks: tuple[str, ...]
    scaler: Scaler
    told: bool

    def state(self) -> State:
        """What `of` makes it from again."""
        arrays = {"mean": self.scaler.mean, "deviation": self.scaler.deviation}
        return State({"blocks": list(self.blocks), "told": self.told}, arrays)

    @classmethod
    def of(cls, state: State) -> Inputs:
        """ValueError where the state is none."""
        blocks, told = state.settings.get("blocks"), state.settings.get("told")
        if not isinstance(blocks, list) or not blocks or not set(blocks) <= set(BLOCKS) or not isinstance(told, bool):
            raise ValueError("inputs name no blocks")
        mean = state.numbers("mean", None)
        return cls(tuple(blocks), Scaler(mean, state.numbers("deviation", len(mean), infinite=True)), told)

    @classmethod
    def fit(cls, train: Features, blocks: tuple[str, ...] = BLOCKS) -> Inputs:
        told = not train.known(blocks).all()
        return cls(blocks, Scaler.fit(*_matrix(train, blocks, told)), told)

    def __call__(self, features: Features) -> FloatArray:
        """Shape (n, d)."""
        return self.scaler(*_matrix(features, self.blocks, self.told))


def _matrix(features: Features, blocks: tuple[str, ...], told: bool) -> tuple[FloatArray, BoolArray]:
    """Blocks side by side, and which entries are known; with the column that says so of a row where `told`."""
    matrix, known = features.matrix(blocks), features.known(blocks)
    if told:
        whole = known.all(axis=1)
        matrix, known = np.column_stack([matrix, whole]), np.column_stack([known, np.ones_like(whole)])
    return matrix, known
