"""Cross-fitting: no training or validation query is spent on one purpose only.

Training and validation rows are split into folds of whole groups. One member learns on all folds but one, predicts the
fold it has not seen, and the mean of the members answers. tau is chosen on the out-of-fold predictions: on all rows
instead of a fifth of them, which matters more than the model where a few hundred validation queries decide.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Self

import numpy as np

from rsd_bench.config import FOLDS
from rsd_bench.dataset.splits import fold_of
from rsd_bench.features.feature_table import Features
from rsd_bench.metrics.arrays import FloatArray
from rsd_bench.routers.interface import Router, TrainingData
from rsd_bench.routers.thresholds import grid_tau


class CrossFitted:
    """Wraps any router; `seed` decides which groups share a fold."""

    def __init__(self, make: Callable[[], Router], seed: int = 0, folds: int = FOLDS) -> None:
        self._make, self._seed, self._folds = make, seed, folds

    def fit(self, train: TrainingData, validation: TrainingData) -> Self:
        """The held-out fold of a member is its validation part."""
        data = train.join(validation)
        fold = fold_of(data.groups, self._folds, self._seed)
        out_of_fold = np.zeros(len(data))
        self._members = []
        for k in range(self._folds):
            inside, outside = np.flatnonzero(fold != k), np.flatnonzero(fold == k)
            if not len(outside):
                continue
            member = self._make().fit(data.take(inside), data.take(outside))
            out_of_fold[outside] = member.predict_p_edge(data.features.take(outside))
            self._members.append(member)
        self._tau = grid_tau(out_of_fold, data)
        return self

    def predict_p_edge(self, features: Features) -> FloatArray:
        """Mean of the members, shape (n,)."""
        return np.asarray(np.mean([member.predict_p_edge(features) for member in self._members], axis=0))

    def threshold(self, validation: TrainingData) -> float:
        """The tau of the out-of-fold predictions."""
        return self._tau
