"""A cascade router: it decides once the cheapest model has answered, by the words of the question and of that answer.

What each of two models solves is kernel ridge regression as in `ngram-gain`; the kernel is the sum of the cosines of
n-grams of question and answer and of a linear one of the answer's numbers (its length, digits ...). It decides by
expected gain, in which who goes on pays for both answers.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from scipy import sparse

from rsd_bench.features.answers import edge_answers, with_answers
from rsd_bench.features.blocks import ANSWER, ANSWER_STATISTICS, Features
from rsd_bench.metrics.arrays import FloatArray
from rsd_bench.routers.gain_rule import GainRule
from rsd_bench.routers.interface import Scaler, TrainingData
from rsd_bench.routers.ngram_weights import NgramWeights
from rsd_bench.routers.saved_state import State, joined
from rsd_bench.types import InputError

if TYPE_CHECKING:
    from rsd_bench.dataset.benchmark import Benchmark


class NgramCascade:
    """Features need the blocks of `features.answers`. seed: which groups share a fold when the ridge is chosen."""

    tiers = 2

    def __init__(self, seed: int = 0) -> None:
        self._seed = seed

    def fit(self, train: TrainingData, validation: TrainingData) -> Self:
        """From the rows of both."""
        from threadpoolctl import threadpool_limits

        from rsd_bench.routers.ngram_routers import against_last, solved_by
        from rsd_bench.routers.ridge import Rows, choose_ridge, fit_ridge  # scipy's solvers: not wanted to decide

        data = train.join(validation)
        features, solved = data.features, solved_by(data)
        self._rule = GainRule.of(replace(data.tiers, cascade=True), data.scenario)
        self._question = NgramWeights.fit(features.ngrams)
        self._answer = NgramWeights.fit(features.block(ANSWER))
        self._numbers = Scaler.fit(*_numbers(features))
        self._mean = solved.mean(axis=0)
        x = Rows(*self._columns(features))
        with threadpool_limits(1):
            ridge = choose_ridge(x, solved, data.groups, against_last, self._seed)
            self._weights = fit_ridge(x, solved - self._mean, ridge)
        return self

    def _columns(self, features: Features) -> tuple[Any, FloatArray]:
        words = [self._question(features.ngrams), self._answer(features.block(ANSWER))]
        numbers = self._numbers(*_numbers(features))
        return sparse.hstack(words, format="csr"), numbers / np.sqrt(numbers.shape[1])

    def solves(self, features: Features) -> FloatArray:
        """The estimated chance that each model solves a query, shape (n, 2); not cut to [0, 1]."""
        words, numbers = self._columns(features)
        d = words.shape[1]
        return np.asarray(self._mean + words @ self._weights[:d] + numbers @ self._weights[d:])

    def predict_p_edge(self, features: Features) -> FloatArray:
        """(1 + q_small - q_large) / 2, cut to [0, 1]: a decision value, shape (n,)."""
        return self._rule.p_edge(self.solves(features))

    def threshold(self, validation: TrainingData | None = None) -> float:
        """The constant at which keeping the answer gains as much as going on."""
        return self._rule.tau

    def expected_gain(self, features: Features) -> FloatArray:
        """Points of RCS that keeping the answer is expected to gain against going on, shape (n,)."""
        return 100 * self._rule.gain(self.solves(features))

    def state(self) -> State:
        parts = {"rule": self._rule.state(), "question": self._question.state(), "answer": self._answer.state()}
        own = {"mean": self._mean, "weights": self._weights}
        scaler = {"numbers_mean": self._numbers.mean, "numbers_deviation": self._numbers.deviation}
        whole = joined({}, **parts)
        return State(whole.settings, {**whole.arrays, **own, **scaler})

    def restore(self, state: State) -> Self:
        self._mean = state.numbers("mean", self.tiers)
        self._rule = GainRule.of_state(state.part("rule"), self.tiers)
        self._question, self._answer = (NgramWeights.of(state.part(name)) for name in ("question", "answer"))
        mean = state.numbers("numbers_mean", None)
        self._numbers = Scaler(mean, state.numbers("numbers_deviation", len(mean), infinite=True))
        words = len(self._question.buckets) + len(self._answer.buckets)
        self._weights = state.numbers("weights", words + len(mean), self.tiers)
        return self


def cascade_features(benchmark: Benchmark, features: Features, tracks: Iterable[str]) -> Features:
    """Features with what the small model of each query's own pair answered. InputError where there are no answers, and
    for a track that routes between other models: their answers are not these.
    """
    for name in tracks:
        if name in benchmark.tracks and benchmark.track(name).tiers:
            fix = f"use {', '.join(own_pair_tracks(benchmark))}"
            raise InputError.at(f"track {name!r}", "routes between other models than each query's own pair", fix)
    return with_answers(features, edge_answers(benchmark))


def own_pair_tracks(benchmark: Benchmark) -> list[str]:
    """The tracks of a dataset that a cascade can enter."""
    return [name for name in benchmark.tracks if not benchmark.track(name).tiers]


def _numbers(features: Features) -> tuple[FloatArray, Any]:
    """Numbers of the answers, and which are known; both of shape (n, d)."""
    matrix = features.matrix((ANSWER_STATISTICS,))
    return matrix, np.repeat(features.present[ANSWER_STATISTICS][:, None], matrix.shape[1], axis=1)
