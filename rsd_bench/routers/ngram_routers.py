"""Routers that read the words of a question: most of what can be known of a query before it is answered stands there.

`ngram-gain` regresses what each tier solves, [s_k >= MES], on weighted n-grams and decides by expected gain;
`ngram+encoders` adds the kernels of encoder vectors; `ngram-logistic` classifies the label. The gain routers learn from
training and validation rows alike: their one hyper-parameter is chosen on folds inside of them, and no tau is.
"""

from __future__ import annotations

import warnings
from typing import Any, Self

import numpy as np
from scipy import sparse

from rsd_bench.features.blocks import Features
from rsd_bench.metrics.arrays import FloatArray
from rsd_bench.routers.baselines import GridThreshold, log_loss
from rsd_bench.routers.gain_rule import GainRule
from rsd_bench.routers.interface import TrainingData
from rsd_bench.routers.landmarks import LandmarkKernel
from rsd_bench.routers.ngram_weights import NgramWeights
from rsd_bench.routers.ridge import choose_ridge, fit_ridge


class NgramGain:
    """Kernel ridge of what each tier solves; the kernel is twice the cosine of weighted n-grams, and `encoders`' own.

    seed: which groups share a fold when the ridge is chosen.
    """

    def __init__(self, seed: int = 0, encoders: tuple[str, ...] = ()) -> None:
        self._seed, self._blocks = seed, encoders

    def fit(self, train: TrainingData, validation: TrainingData) -> Self:
        """From the rows of both."""
        data = train.join(validation)
        self._rule = GainRule.of(data.tiers, data.scenario)
        self._words = NgramWeights.fit(data.features.ngrams)
        self._kernels = [LandmarkKernel.fit(data.features, name, self._seed) for name in self._blocks]
        x = self._rows(data.features)
        solved = (data.tiers.scores >= data.scenario.mes).astype(np.float64)
        self._mean = solved.mean(axis=0)
        ridge = choose_ridge(x, solved, data.groups, _against_last, self._seed)
        weights = fit_ridge(x, solved - self._mean, ridge)
        words = len(self._words.buckets)
        self._weights, rest = weights[:words], weights[words:]
        parts = np.split(rest, np.cumsum([kernel.size for kernel in self._kernels])[:-1]) if self._kernels else []
        self._dense = [kernel.folded(part) for kernel, part in zip(self._kernels, parts, strict=True)]
        return self

    def _rows(self, features: Features) -> Any:
        """What the ridge learns from, CSR: its kernel, twice the product, is the sum of all kernels."""
        words = self._words(features.ngrams)
        if not self._kernels:
            return words
        dense = [sparse.csr_array(kernel.map(features) / np.sqrt(2)) for kernel in self._kernels]
        return sparse.hstack([words, *dense], format="csr")

    def solves(self, features: Features) -> FloatArray:
        """The estimated chance that each tier solves a query, shape (n, K); not cut to [0, 1]."""
        found = self._words(features.ngrams) @ self._weights + self._mean
        for kernel, weights in zip(self._kernels, self._dense, strict=True):
            found = found + kernel.between(features) @ weights
        return np.asarray(found)

    def predict_p_edge(self, features: Features) -> FloatArray:
        """(1 + q_small - q_large) / 2, cut to [0, 1]: a decision value, shape (n,)."""
        return self._rule.p_edge(self.solves(features))

    def threshold(self, validation: TrainingData) -> float:
        """The constant at which the expected gain is 0, from the training rows' latencies."""
        return self._rule.tau

    def predict_p_tiers(self, features: Features) -> FloatArray:
        """p for `decide_tiers`, shape (n, K - 1)."""
        return self._rule.p_tiers(self.solves(features))

    def tier_thresholds(self, validation: TrainingData) -> FloatArray:
        """0.5 for each column of `predict_p_tiers`."""
        return np.full(len(self._mean) - 1, 0.5)


def _against_last(solved: FloatArray) -> FloatArray:
    """Differences to the dearest tier: what decisions depend on, shape (n, K - 1)."""
    return solved[:, :-1] - solved[:, -1:]


class NgramLogistic(GridThreshold):
    """Logistic regression of the label on weighted n-grams; its L2 strength by validation log loss."""

    STRENGTHS = (0.1, 0.3, 1.0, 3.0, 10.0)

    def fit(self, train: TrainingData, validation: TrainingData) -> Self:
        """One label only: a constant."""
        self._words = NgramWeights.fit(train.features.ngrams)
        labels = train.labels
        self._weights, self._bias = np.zeros(len(self._words.buckets)), np.inf if labels.max() else -np.inf
        if labels.min() == labels.max() or not len(self._weights):
            share = float(labels.mean())
            self._bias = float(np.log(share / (1 - share))) if 0 < share < 1 else self._bias
            return self
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.linear_model import LogisticRegression

        x, losses, fitted = self._words(train.features.ngrams), [], []
        for strength in self.STRENGTHS:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ConvergenceWarning)
                model = LogisticRegression(C=strength, max_iter=1_000).fit(x, labels)
            fitted.append((np.asarray(model.coef_[0], np.float64), float(model.intercept_[0])))
            self._weights, self._bias = fitted[-1]
            losses.append(log_loss(self.predict_p_edge(validation.features), validation))
        self._weights, self._bias = fitted[int(np.argmin(losses))]
        return self

    def predict_p_edge(self, features: Features) -> FloatArray:
        """P(edge competent), shape (n,)."""
        logits = self._words(features.ngrams) @ self._weights + self._bias
        return np.asarray(np.exp(-np.logaddexp(0, -logits)))
