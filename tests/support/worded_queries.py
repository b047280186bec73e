"""Queries whose outcomes follow from their words, as `TrainingData` of n-grams: what a router of words must find."""

from __future__ import annotations

import numpy as np

from rsd_bench.features.blocks import Features, FeatureSpec, NgramSpec
from rsd_bench.features.ngrams import count_ngrams
from rsd_bench.metrics.routing import Outcomes
from rsd_bench.metrics.tiers import Tiers
from rsd_bench.routers.interface import TrainingData
from rsd_bench.types import Scenario

SCENARIO = Scenario(name="plain", mes=6, alpha=0.8, beta=0.1, gamma=0.1)
_FILLER = ("the", "chart", "shows", "a", "line", "of", "some", "value", "in", "each", "year", "and", "its", "legend")


def worded_questions(n: int, seed: int = 0) -> tuple[list[str], list[bool]]:
    """n questions; a third asks for something hard, with a word of its own, a third for something easy."""
    rng = np.random.default_rng(seed)
    kinds = rng.integers(0, 3, n)
    questions = []
    for kind in kinds:
        words = [*rng.choice(_FILLER, 9), *(["integral"], ["colour"], [])[kind], str(rng.integers(0, 50))]
        questions.append(" ".join(rng.permutation(words)) + "?")
    return questions, (kinds == 0).tolist()


def worded_data(n: int, seed: int = 0, scenario: Scenario = SCENARIO, noise: float = 0.1) -> TrainingData:
    """Both models solve what is not hard, the large one the hard ones too; a share `noise` falls out at random."""
    questions, hard = worded_questions(n, seed)
    rng = np.random.default_rng(seed + 1)
    small = np.where(np.array(hard) ^ (rng.random(n) < noise), 2.0, 9.0)
    large = np.where(rng.random(n) < noise, 2.0, 9.0)
    features = features_of(questions)
    groups = np.array([f"g{i // 2}" for i in range(n)], dtype=object)
    return TrainingData(features, Outcomes.of(small, large), groups, scenario)


def tiered_data(n: int, k: int, seed: int = 0, scenario: Scenario = SCENARIO) -> TrainingData:
    """K tiers, each of which solves more of the hard ones than those before it."""
    questions, hard = worded_questions(n, seed)
    rng = np.random.default_rng(seed + 1)
    chance = np.where(np.array(hard)[:, None], np.linspace(0.1, 0.9, k), 0.85)
    scores = np.where(rng.random((n, k)) < chance, 9.0, 2.0)
    latencies = rng.uniform(0.5, 1.5, (n, k)) * np.linspace(1, 6, k)
    tiers = Tiers.of(scores, latencies)
    outcomes = Outcomes.of(scores[:, 0], scores[:, -1], latencies[:, 0], latencies[:, -1])
    groups = np.array([f"g{i // 2}" for i in range(n)], dtype=object)
    return TrainingData(features_of(questions), outcomes, groups, scenario, tiers)


def features_of(questions: list[str]) -> Features:
    domains = np.full(len(questions), "", dtype=object)
    return Features({"ngrams": count_ngrams(questions)}, domains, FeatureSpec(None, None, ngrams=NgramSpec()))
