"""Routers that need no encoder. A router learns P(edge competent) from features and labels; thresholds come after."""

from __future__ import annotations

from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray

from rsd_bench.arrays import FloatArray

Labels = NDArray[np.int8]


class Router(Protocol):
    """fit on training rows, choose hyper-parameters on validation rows, then predict. Features have shape (n, d)."""

    def fit(self, train: FloatArray, labels: Labels, validation: FloatArray, validation_labels: Labels) -> Self: ...

    def predict_p_edge(self, features: FloatArray) -> FloatArray:
        """P(edge competent) in [0, 1], shape (n,)."""
        ...


class LogisticRouter:
    """Logistic regression; the L2 strength with the lowest validation log loss wins. One label only: a constant."""

    STRENGTHS = (0.001, 0.01, 0.1, 1.0, 10.0)

    def fit(self, train: FloatArray, labels: Labels, validation: FloatArray, validation_labels: Labels) -> Self:
        from sklearn.linear_model import LogisticRegression
        from sklearn.metrics import log_loss

        self._constant = float(labels[0]) if labels.min() == labels.max() else None
        if self._constant is None:
            fitted = [LogisticRegression(C=c, max_iter=2_000).fit(train, labels) for c in self.STRENGTHS]
            losses = [log_loss(validation_labels, m.predict_proba(validation)[:, 1], labels=[0, 1]) for m in fitted]
            self._model = fitted[int(np.argmin(losses))]
        return self

    def predict_p_edge(self, features: FloatArray) -> FloatArray:
        if self._constant is not None:
            return np.full(len(features), self._constant)
        return np.asarray(self._model.predict_proba(features)[:, 1], dtype=np.float64)
