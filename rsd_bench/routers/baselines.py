"""Learned baselines beside the reference router: same features, same rows, same interface.

Each fits on training rows and chooses its one hyper-parameter by log loss on validation rows.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any, Self

import numpy as np

from rsd_bench.features.blocks import BLOCKS, Features, FeatureSpec
from rsd_bench.metrics.arrays import FloatArray
from rsd_bench.metrics.routing import routing_gain
from rsd_bench.routers.classifier_state import classifier_of, classifier_state
from rsd_bench.routers.interface import Inputs, Router, TrainingData
from rsd_bench.routers.landmarks import gaussian
from rsd_bench.routers.saved_state import State, joined
from rsd_bench.routers.thresholds import grid_tau

_EDGE = 1e-6  # a probability of exactly 0 or 1 claims more than any sample shows


class GridThreshold:
    """The default threshold of a router."""

    def threshold(self: Router, validation: TrainingData) -> float:
        """Grid search on the validation rows."""
        return grid_tau(self.predict_p_edge(validation.features), validation)


class ScaledRouter(GridThreshold):
    """A classifier on z-scored blocks; among candidates the lowest validation log loss wins. One label: a constant."""

    def __init__(self, candidates: Callable[[int], Sequence[Any]], blocks: tuple[str, ...] = BLOCKS) -> None:
        self._candidates, self._blocks = candidates, blocks

    def reading(self, blocks: tuple[str, ...]) -> ScaledRouter:
        """One that has learned nothing and reads other blocks."""
        return ScaledRouter(self._candidates, blocks)

    def fit(self, train: TrainingData, validation: TrainingData) -> Self:
        """Candidates, given the number of training rows, are scikit-learn classifiers with predict_proba."""
        labels = train.labels
        self._constant = float(labels[0]) if labels.min() == labels.max() else None
        if self._constant is None:
            from sklearn.exceptions import ConvergenceWarning

            self._inputs = Inputs.fit(train.features, self._blocks)
            x = self._inputs(train.features)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ConvergenceWarning)  # few epochs are a candidate's regulariser
                fitted = [model.fit(x, labels) for model in self._candidates(len(x))]
            held_out = self._inputs(validation.features)
            losses = [log_loss(model.predict_proba(held_out)[:, 1], validation) for model in fitted]
            self._model = fitted[int(np.argmin(losses))]
        return self

    def state(self) -> State:
        if self._constant is not None:
            return State({"constant": self._constant})
        return joined({"constant": None}, inputs=self._inputs.state(), model=classifier_state(self._model))

    def restore(self, state: State) -> Self:
        self._constant = state.settings.get("constant")
        if self._constant is None:
            self._inputs = Inputs.of(state.part("inputs"))
            if self._inputs.blocks != self._blocks:
                raise ValueError("inputs name other blocks")
            self._model = classifier_of(state.part("model"), len(self._inputs.scaler.mean), self._candidates(1))
        elif self._constant not in (0, 1):
            raise ValueError("its constant is no label")
        return self

    def predict_p_edge(self, features: Features) -> FloatArray:
        """P(edge competent), shape (n,)."""
        if self._constant is not None:
            return np.full(len(features), self._constant)
        return np.asarray(self._model.predict_proba(self._inputs(features))[:, 1], dtype=np.float64)


def log_loss(p_edge: FloatArray, data: TrainingData) -> float:
    """Mean binary cross-entropy of p_edge against the labels of `data`."""
    p, label = np.clip(p_edge, _EDGE, 1 - _EDGE), data.labels
    return float(-np.mean(np.where(label == 1, np.log(p), np.log1p(-p))))


def logistic(seed: int, n: int) -> Sequence[Any]:
    """Logistic regression over L2 strengths."""
    from sklearn.linear_model import LogisticRegression

    return [LogisticRegression(C=c, max_iter=1_000, solver="newton-cg") for c in (0.0001, 0.0003, 0.001, 0.01, 0.1)]


def nearest_neighbours(seed: int, n: int) -> Sequence[Any]:
    """k nearest neighbours, Euclidean on z-scores."""
    from sklearn.neighbors import KNeighborsClassifier

    return [KNeighborsClassifier(min(k, n)) for k in (10, 30, 100, 300)]


def boosted_trees(seed: int, n: int) -> Sequence[Any]:
    """Gradient-boosted trees of depth 3 over numbers of trees."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    return [
        HistGradientBoostingClassifier(
            max_iter=n, learning_rate=0.05, max_depth=3, max_bins=64, early_stopping=False, random_state=seed
        )
        for n in (10, 30, 100)
    ]


def perceptron(seed: int, n: int) -> Sequence[Any]:
    """One hidden layer of 64 over weight decays, a few epochs of Adam."""
    from sklearn.neural_network import MLPClassifier

    return [MLPClassifier((64,), alpha=a, max_iter=15, random_state=seed, tol=0) for a in (1.0, 10.0, 30.0)]


class DomainConstant(GridThreshold):
    """The share of edge-competent training queries of a query's domain (overall share for a domain not seen).

    It reads the domain that the dataset states, which a router in the field would not know.
    """

    def fit(self, train: TrainingData, validation: TrainingData) -> Self:
        """Shares with one success and one failure added to each domain."""
        self._overall = float(train.labels.mean())
        self._share = {
            domain: (float(train.labels[train.features.domains == domain].sum()) + 1)
            / (int((train.features.domains == domain).sum()) + 2)
            for domain in set(train.features.domains)
        }
        return self

    def state(self) -> State:
        return State({"overall": self._overall, "share": self._share})

    def restore(self, state: State) -> Self:
        overall, share = state.settings.get("overall"), state.settings.get("share")
        values = [overall, *share.values()] if isinstance(share, dict) else [None]
        if share is None or not all(type(value) is float and 0 <= value <= 1 for value in values):
            raise ValueError("shares are no probabilities")
        self._overall, self._share = float(overall or 0), dict(share)
        return self

    def predict_p_edge(self, features: Features) -> FloatArray:
        """P(edge competent), shape (n,)."""
        return np.array([self._share.get(domain, self._overall) for domain in features.domains])


class GainKernel(GridThreshold):
    """Kernel ridge regression of the routing gain itself: what RCS gains when the small model answers.

    The label counts a query that only the small model solves and one that neither solves alike; the gain does not. One
    Gaussian kernel per block (width: the block's dimension after z-scoring), summed. p_edge is 1/2 + the predicted
    gain, cut to [0, 1]: a decision value at 1/2, not a calibrated probability.
    """

    RIDGES = (3.0, 10.0, 30.0)

    def fit(self, train: TrainingData, validation: TrainingData) -> Self:
        """The ridge of lowest squared error on the validation rows."""
        self._inputs = {name: Inputs.fit(train.features, (name,)) for name in BLOCKS}
        self._seen, self._train = train.features, self._scaled(train.features)
        from scipy import linalg

        gain, held_out = (routing_gain(part.outcomes, part.scenario) for part in (train, validation))
        self._mean = float(gain.mean())
        kernel, cross = self._kernel(self._train), self._kernel(self._scaled(validation.features))
        fits = [
            linalg.solve(kernel + r * np.eye(len(kernel)), gain - self._mean, assume_a="pos", overwrite_a=True)
            for r in self.RIDGES
        ]
        errors = [float(np.mean((cross @ weights + self._mean - held_out) ** 2)) for weights in fits]
        self._weights = fits[int(np.argmin(errors))]
        return self

    def state(self) -> State:
        seen = {f"seen.{name}": self._seen.blocks[name] for name in BLOCKS}
        seen["seen.there"] = np.column_stack([self._seen.present[name] for name in BLOCKS])
        own = State({}, {"weights": self._weights, "mean": np.array([self._mean]), **seen})
        parts = joined({}, **{name: inputs.state() for name, inputs in self._inputs.items()})
        return State(parts.settings, {**parts.arrays, **own.arrays})

    def restore(self, state: State) -> Self:
        self._inputs = {name: Inputs.of(state.part(name)) for name in BLOCKS}
        self._weights = state.numbers("weights", None)
        self._mean = float(state.numbers("mean", 1)[0])
        n, blocks = len(self._weights), {}
        for name, inputs in self._inputs.items():
            columns = len(inputs.scaler.mean) - inputs.told
            blocks[name] = state.numbers(f"seen.{name}", n, columns).astype(np.float32)
        there = state.flags("seen.there", n, len(BLOCKS))
        present = {name: there[:, i] for i, name in enumerate(BLOCKS)}
        self._seen = Features(blocks, np.full(n, "", dtype=object), FeatureSpec(None, None), present)
        self._train = self._scaled(self._seen)
        return self

    def _scaled(self, features: Features) -> dict[str, FloatArray]:
        return {name: inputs(features) for name, inputs in self._inputs.items()}

    def _kernel(self, scaled: dict[str, FloatArray]) -> FloatArray:
        total = np.zeros((len(scaled[BLOCKS[0]]), len(self._train[BLOCKS[0]])))
        for name, block in scaled.items():
            total += gaussian(block, self._train[name])
        return total

    def predict_p_edge(self, features: Features) -> FloatArray:
        """1/2 + predicted routing gain, shape (n,)."""
        return np.asarray(np.clip(0.5 + self._kernel(self._scaled(features)) @ self._weights + self._mean, 0, 1))
