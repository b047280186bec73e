"""Routers that read the words of a question: most of what can be known of a query before it is answered stands there.

`ngram-gain` regresses what each tier solves, [s_k >= MES], on weighted n-grams and decides by expected gain;
`ngram+statistics` adds the kernel of the statistics, `ngram+encoders` those of encoder vectors; `ngram-logistic`
classifies the label. The gain routers learn from training and validation rows alike: their one hyper-parameter is
chosen on folds inside of them, and no tau is.
"""

from __future__ import annotations

import warnings
from collections import Counter
from copy import copy
from typing import Self

import numpy as np

from rsd_bench.config import ONBOARD_PRIOR_QUERIES
from rsd_bench.features.blocks import Features
from rsd_bench.features.ngrams import bucket_of, count_ngrams, ngrams_of
from rsd_bench.metrics.arrays import FloatArray
from rsd_bench.routers.baselines import GridThreshold, log_loss
from rsd_bench.routers.gain_rule import GainRule
from rsd_bench.routers.interface import TrainingData
from rsd_bench.routers.known_queries import KnownQueries
from rsd_bench.routers.landmarks import LandmarkKernel
from rsd_bench.routers.ngram_weights import NgramWeights
from rsd_bench.routers.saved_state import State, joined


class NgramGain:
    """Kernel ridge of what each tier solves; the kernel is twice the cosine of weighted n-grams, and those of `blocks`.

    seed: which groups share a fold when the ridge is chosen.
    """

    def __init__(self, seed: int = 0, blocks: tuple[str, ...] = ()) -> None:
        self._seed, self._blocks = seed, blocks

    def fit(self, train: TrainingData, validation: TrainingData) -> Self:
        """From the rows of both."""
        from threadpoolctl import threadpool_limits

        with threadpool_limits(1):  # vectors this short lose by threads, and by the second where a core is shared
            return self._fit(train.join(validation))

    def _fit(self, data: TrainingData) -> Self:
        self._rule = GainRule.of(data.tiers, data.scenario)
        self._words = NgramWeights.fit(data.features.ngrams)
        self._kernels = [LandmarkKernel.fit(data.features, name, self._seed) for name in self._blocks]
        self._mean, self._weights, self._dense = self._learned(data, solved_by(data))
        return self

    def _learned(self, data: TrainingData, target: FloatArray) -> tuple[FloatArray, FloatArray, list[FloatArray]]:
        """Mean of targets, shape (n, K), and what words and dense kernels weigh in the rest of them."""
        from rsd_bench.routers.ridge import Rows, choose_ridge, fit_ridge  # scipy's solvers: not wanted to decide

        words = self._words(data.features.ngrams)
        used = np.unique(words.indices)  # all, of the rows that the weights were made from; few rows use few
        mapped = [kernel.map(data.features) / np.sqrt(2) for kernel in self._kernels]
        x = Rows(words[:, used], np.hstack(mapped)) if mapped else Rows.of(words[:, used])  # the sum of all kernels
        mean = target.mean(axis=0)
        ridge = choose_ridge(x, target, data.groups, against_last, self._seed)
        found, rest = np.split(fit_ridge(x, target - mean, ridge), [len(used)])
        weights = np.zeros((len(self._words.buckets), target.shape[1]))
        weights[used] = found
        parts = np.split(rest, np.cumsum([kernel.size for kernel in self._kernels])[:-1]) if self._kernels else []
        return mean, weights, [kernel.folded(part) for kernel, part in zip(self._kernels, parts, strict=True)]

    def onboarded(self, data: TrainingData) -> NgramGain:
        """A router for other models, from their outcomes of few queries: what this one is wrong by is learned.

        The mean error counts as that of so many queries more without one (ONBOARD_PRIOR_QUERIES): models differ less in
        what they solve than few outcomes make it look. ValueError where the models are not as many.
        """
        from threadpoolctl import threadpool_limits

        if data.tiers.count != self.tiers:
            raise ValueError(f"knows {self.tiers} models, not {data.tiers.count}")
        made = copy(self)
        made._rule = GainRule.of(data.tiers, data.scenario)
        with threadpool_limits(1):
            wrong, weights, dense = self._learned(data, solved_by(data) - self.solves(data.features))
        made._mean = self._mean + wrong * len(data) / (len(data) + ONBOARD_PRIOR_QUERIES)
        made._weights = self._weights + weights
        made._dense = [own + more for own, more in zip(self._dense, dense, strict=True)]
        return made

    def state(self) -> State:
        parts = {"rule": self._rule.state(), "words": self._words.state()}
        own = {"mean": self._mean, "weights": self._weights}
        for kernel, weights in zip(self._kernels, self._dense, strict=True):
            parts[kernel.name], own[f"weights_{kernel.name}"] = kernel.state(), weights
        whole = joined({}, **parts)
        return State(whole.settings, {**whole.arrays, **own})

    def restore(self, state: State) -> Self:
        self._mean = state.numbers("mean", None)
        tiers = len(self._mean)
        if tiers < 2:
            raise ValueError("knows less than two tiers")
        self._rule = GainRule.of_state(state.part("rule"), tiers)
        self._words = NgramWeights.of(state.part("words"))
        self._weights = state.numbers("weights", len(self._words.buckets), tiers)
        self._kernels = [LandmarkKernel.of(state.part(name), name) for name in self._blocks]
        self._dense = [state.numbers(f"weights_{of.name}", len(of.landmarks), tiers) for of in self._kernels]
        return self

    def known_queries(self, train: TrainingData, validation: TrainingData) -> KnownQueries:
        """Those that `fit` learned from."""
        return KnownQueries.of(train.features.join(validation.features), self.words_known)

    @property
    def words_known(self) -> NgramWeights:
        """The n-grams that it weighs."""
        return self._words

    @property
    def tiers(self) -> int:
        """K."""
        return len(self._mean)

    def solves(self, features: Features) -> FloatArray:
        """The estimated chance that each tier solves a query, shape (n, K); not cut to [0, 1]."""
        found = self._words(features.ngrams) @ self._weights + self._mean
        for kernel, weights in zip(self._kernels, self._dense, strict=True):
            found = found + kernel.between(features) @ weights
        return np.asarray(found)

    def predict_p_edge(self, features: Features) -> FloatArray:
        """(1 + q_small - q_large) / 2, cut to [0, 1]: a decision value, shape (n,)."""
        return self._rule.p_edge(self.solves(features))

    def threshold(self, validation: TrainingData | None = None) -> float:
        """The constant at which the expected gain is 0, from the training rows' latencies."""
        return self._rule.tau

    def expected_gain(self, features: Features) -> FloatArray:
        """Points of RCS that the cheapest tier is expected to gain against the best of the others, shape (n,)."""
        return 100 * self._rule.gain(self.solves(features))

    def words(self, question: str) -> list[tuple[str, float]]:
        """N-grams of a question by what each adds to the expected gain of the first over the last tier, in points."""
        weights = 100 * self._rule.scenario.alpha * (self._weights[:, 0] - self._weights[:, -1])
        return _contributions(question, self._words, weights)

    def predict_p_tiers(self, features: Features) -> FloatArray:
        """p for `decide_tiers`, shape (n, K - 1)."""
        return self._rule.p_tiers(self.solves(features))

    def tier_thresholds(self, validation: TrainingData | None = None) -> FloatArray:
        """0.5 for each column of `predict_p_tiers`."""
        return np.full(len(self._mean) - 1, 0.5)


def _contributions(question: str, words: NgramWeights, weights: FloatArray) -> list[tuple[str, float]]:
    """N-grams of a question, each with its share of weighted row x weights, the largest first."""
    counts = count_ngrams([question])
    row = words(counts)
    effect = dict(zip(words.buckets[row.indices].tolist(), (row.data * weights[row.indices]).tolist(), strict=True))
    times = dict(zip(counts.indices.tolist(), counts.data.tolist(), strict=True))
    ngrams = Counter(ngrams_of(question))
    told = {
        ngram: effect[bucket] * count / times[bucket]  # n-grams of one bucket share what it adds
        for ngram, count in ngrams.items()
        if (bucket := bucket_of(ngram)) in effect
    }
    return sorted(told.items(), key=lambda of: -abs(of[1]))


def solved_by(data: TrainingData) -> FloatArray:
    """[s_k >= MES] of each tier, shape (n, K)."""
    return (data.tiers.scores >= data.scenario.mes).astype(np.float64)


def against_last(solved: FloatArray) -> FloatArray:
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

    def known_queries(self, train: TrainingData, validation: TrainingData) -> KnownQueries:
        """Those that `fit` learned from; validation rows chose the strength alone."""
        return KnownQueries.of(train.features, self._words)

    @property
    def words_known(self) -> NgramWeights:
        """The n-grams that it weighs."""
        return self._words

    def state(self) -> State:
        own = {"weights": self._weights, "bias": np.array([self._bias])}
        whole = joined({}, words=self._words.state())
        return State(whole.settings, {**whole.arrays, **own})

    def restore(self, state: State) -> Self:
        self._words = NgramWeights.of(state.part("words"))
        self._weights = state.numbers("weights", len(self._words.buckets))
        self._bias = float(state.numbers("bias", 1, infinite=True)[0])
        return self

    def predict_p_edge(self, features: Features) -> FloatArray:
        """P(edge competent), shape (n,)."""
        logits = self._words(features.ngrams) @ self._weights + self._bias
        return np.asarray(np.exp(-np.logaddexp(0, -logits)))

    def words(self, question: str) -> list[tuple[str, float]]:
        """N-grams of a question by what each adds to the logit of the edge."""
        return _contributions(question, self._words, self._weights)
