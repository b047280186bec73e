"""Classifiers of scikit-learn as arrays, and back: what decides after loading is what was fitted, bit for bit.

Where a classifier is a few arrays it gets them again; nearest neighbours are fitted again, which computes nothing;
trees are walked here, since scikit-learn has no way to make them but to grow them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from rsd_bench.metrics.arrays import FloatArray, IntArray
from rsd_bench.routers.saved_state import State


def classifier_state(model: Any) -> State:
    """The state of a fitted classifier of `baselines`, of the labels 0 and 1."""
    kind = type(model).__name__
    if kind == "LogisticRegression":
        return State({"kind": kind}, {"weights": model.coef_[0], "bias": model.intercept_})
    if kind == "KNeighborsClassifier":
        return State({"kind": kind, "k": int(model.n_neighbors)}, {"rows": model._fit_X, "labels": model._y})
    if kind == "MLPClassifier":
        layers = enumerate(zip(model.coefs_, model.intercepts_, strict=True))
        arrays = {
            f"{name}{i}": part for i, layer in layers for name, part in zip(("weights", "bias"), layer, strict=True)
        }
        return State({"kind": kind, "layers": len(model.coefs_)}, arrays)
    if kind == "HistGradientBoostingClassifier":
        nodes = [predictors[0].nodes for predictors in model._predictors]
        whole = np.concatenate(nodes)
        leaf = whole["is_leaf"].astype(np.bool_)
        feature = np.where(leaf, -1, whole["feature_idx"].astype(np.int64))
        arrays = {
            "sizes": np.array([len(of) for of in nodes]),
            "feature": feature,
            "threshold": np.where(leaf, 0.0, whole["num_threshold"]),
            "left": whole["left"].astype(np.int64),
            "right": whole["right"].astype(np.int64),
            "value": whole["value"],
            "start": np.asarray(model._baseline_prediction, np.float64).reshape(1),
        }
        return State({"kind": kind}, arrays)
    fitted = {name: np.asarray(of) for name, of in vars(model).items() if _is_fitted(name)}
    if any(array.dtype.kind not in "fiub" for array in fitted.values()):
        raise TypeError(f"a {kind} learns more than arrays of numbers: write its state here")
    return State({"kind": kind}, fitted)


def _is_fitted(name: str) -> bool:
    """Whether scikit-learn calls what a classifier learned so."""
    return name.endswith("_") and not name.startswith("_")


def classifier_of(state: State, columns: int, known: Sequence[Any] = ()) -> Any:
    """A classifier of `columns` inputs with predict_proba. ValueError where the state is none.

    known: classifiers that have learned nothing yet; one of another kind than those here is made from them.
    """
    kind = state.settings.get("kind")
    if kind == "HistGradientBoostingClassifier":
        return Trees.of(state, columns)
    if kind == "LogisticRegression":
        from sklearn.linear_model import LogisticRegression

        model = LogisticRegression()
        model.coef_, model.intercept_ = state.numbers("weights", columns)[None], state.numbers("bias", 1)
    elif kind == "KNeighborsClassifier":
        from sklearn.neighbors import KNeighborsClassifier

        rows, k = state.numbers("rows", None, columns), state.settings.get("k")
        if type(k) is not int or not 1 <= k <= len(rows):
            raise ValueError(f"k is {k!r:.40}, not 1 to {len(rows)}")
        labels = state.integers("labels", len(rows), high=2)
        if set(labels.tolist()) != {0, 1}:
            raise ValueError("labels are not both 0 and 1")
        return KNeighborsClassifier(k).fit(rows, labels)
    elif kind == "MLPClassifier":
        model = _perceptron(state, columns)
    else:
        return _other(state, columns, known)
    model.classes_, model.n_features_in_ = np.array([0, 1]), columns
    return model


def _other(state: State, columns: int, known: Sequence[Any]) -> Any:
    """One of `known` with what it learned, tried on a row."""
    kind = state.settings.get("kind")
    model = next((one for one in known if type(one).__name__ == kind), None)
    if model is None:
        raise ValueError(f"a classifier of kind {kind!r:.40} is unknown")
    for name, array in state.arrays.items():
        if not name.isidentifier() or not _is_fitted(name) or np.isnan(array).any():
            raise ValueError(f"{name} is nothing that a {kind} learns")
        setattr(model, name, array if array.ndim else array.item())
    p = np.asarray(model.predict_proba(np.zeros((1, columns))))
    if p.shape != (1, 2) or not ((p >= 0) & (p <= 1)).all():
        raise ValueError(f"a {kind} of these arrays gives no probabilities")
    return model


def _perceptron(state: State, columns: int) -> Any:
    from sklearn.neural_network import MLPClassifier

    count, width = state.settings.get("layers"), columns
    if type(count) is not int or not 1 <= count <= 10:
        raise ValueError(f"has {count!r:.40} layers")
    weights, biases = [], []
    for i in range(count):
        weights.append(state.numbers(f"weights{i}", width, 1 if i == count - 1 else None))
        width = weights[-1].shape[1]
        biases.append(state.numbers(f"bias{i}", width))
    model = MLPClassifier()
    model.coefs_, model.intercepts_ = weights, biases
    model.n_layers_, model.n_outputs_, model.out_activation_ = count + 1, 1, "logistic"
    return model


@dataclass(frozen=True)
class Trees:
    """Boosted trees as one table of nodes: where `feature` is -1 a leaf, else left where x[feature] <= threshold."""

    sizes: IntArray
    feature: IntArray
    threshold: FloatArray
    left: IntArray
    right: IntArray
    value: FloatArray
    start: float

    @classmethod
    def of(cls, state: State, columns: int) -> Trees:
        """ValueError where a child does not stand after its parent, in the same tree: walks end."""
        sizes = state.integers("sizes", None, low=1)
        n = int(sizes.sum())
        feature = state.integers("feature", n, low=-1, high=columns)
        ends = np.repeat(sizes, sizes)
        at = np.arange(n) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        left, right = (state.integers(name, n) for name in ("left", "right"))
        inner = feature >= 0
        if any(((child <= at) | (child >= ends))[inner].any() for child in (left, right)):
            raise ValueError("a node's child does not stand after it")
        start = float(state.numbers("start", 1)[0])
        threshold = state.numbers("threshold", n, infinite=True)
        return cls(sizes, feature, threshold, left, right, state.numbers("value", n), start)

    def predict_proba(self, x: FloatArray) -> FloatArray:
        """P(label 0) and P(label 1), shape (n, 2)."""
        from scipy.special import expit

        raw, rows, first = np.full(len(x), self.start), np.arange(len(x)), 0
        for size in self.sizes:
            tree = slice(first, first + size)
            feature, threshold = self.feature[tree], self.threshold[tree]
            left, right, node = self.left[tree], self.right[tree], np.zeros(len(x), np.int64)
            while (inner := feature[node] >= 0).any():
                goes_left = x[rows, feature[node]] <= threshold[node]
                node = np.where(inner, np.where(goes_left, left[node], right[node]), node)
            raw += self.value[tree][node]
            first += size
        p = expit(raw)
        return np.column_stack([1 - p, p])
