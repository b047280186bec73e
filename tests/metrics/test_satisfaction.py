"""An MES from people is the score that separates best, found again where it is known, and refused where there is none.

Guards against a threshold that depends on the order of rows or on rounding, intervals that do not hold what they say,
and an MES for people whose satisfaction has nothing to do with the score. The simulations are a small run of
`benchmarks/satisfaction.py`, seeded.
"""

from __future__ import annotations

import importlib.util
import sys
from types import ModuleType

import numpy as np
import pytest
from conftest import ROOT
from hypothesis import assume, given
from hypothesis import strategies as st

import rsd_bench as rsd
from rsd_bench.judge.agreement import krippendorff_alpha
from rsd_bench.metrics.calibration import auroc
from rsd_bench.metrics.satisfaction import _roundest, fit_mes, rater_agreement

RUNS = 40
RATINGS = 300
#: Every seventh score has more decimals than an MES.
scores = st.one_of(st.integers(0, 10).map(float), st.integers(0, 1_000_000).map(lambda millionths: millionths / 1e5))
rated = st.lists(st.tuples(scores, st.booleans()), min_size=2, max_size=12)


@pytest.fixture(scope="module")
def simulation() -> ModuleType:
    spec = importlib.util.spec_from_file_location("satisfaction_benchmark", ROOT / "benchmarks" / "satisfaction.py")
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def balanced_accuracy(scores: np.ndarray, satisfied: np.ndarray, mes: float) -> float:
    """The definition."""
    return float(((scores >= mes)[satisfied].mean() + (scores < mes)[~satisfied].mean()) / 2)


@given(rated)
def test_no_threshold_separates_better(ratings: list[tuple[float, bool]]) -> None:
    score, satisfied = np.array([s for s, _ in ratings]), np.array([y for _, y in ratings])
    assume(satisfied.any() and not satisfied.all())
    fit = fit_mes(score, satisfied, n_boot=0)
    every = [balanced_accuracy(score, satisfied, hundredth / 100) for hundredth in range(1001)]
    assert fit.balanced_accuracy == pytest.approx(max(every))
    assert balanced_accuracy(score, satisfied, fit.mes.value) == pytest.approx(max(every))
    low, high = fit.alike
    assert low <= fit.mes.value <= high
    assert balanced_accuracy(score, satisfied, high) == pytest.approx(max(every))
    shuffled = np.random.default_rng(0).permutation(len(score))
    assert fit_mes(score[shuffled], satisfied[shuffled], n_boot=0).mes.value == fit.mes.value
    hundredths = np.floor(np.rint(score * 1e6) / 1e4)
    assert fit.auroc.value == pytest.approx(auroc(hundredths, satisfied.astype(np.int8)))


@pytest.mark.parametrize(
    ("scores", "satisfied", "mes"),
    [
        ([4, 5, 6, 7], [0, 0, 1, 1], 6),
        ([0, 0, 10, 10], [0, 0, 1, 1], 5),  # nothing between: the middle
        ([3, 6], [0, 1], 5),  # 4.5 is not whole; halves go up
        ([5, 5.5], [0, 1], 5.5),
        ([4.9, 5.3], [0, 1], 5),
        ([5.83, 5.86], [0, 1], 5.85),
        ([5.666666, 6.333333], [0, 1], 6),
        ([2, 3, 4, 5, 6, 7], [0, 1, 0, 1, 0, 1], 5),  # 3, 5 and 7 are equally good: the middle one
        ([2, 3, 4, 5], [0, 1, 0, 1], 3),  # 3 and 5 are: the lower
        ([2, 8, 8, 8, 8, 8, 8, 8], [0, 0, 1, 1, 1, 1, 1, 1], 5),  # one of two others counts as much as six of six
    ],
)
def test_the_mes_of_small_cases(scores: list[float], satisfied: list[int], mes: float) -> None:
    assert fit_mes(scores, satisfied, n_boot=0).mes.value == mes


def test_the_roundest_number_lies_above_one_score_and_not_above_the_next() -> None:
    for below in range(-1, 150):
        for level in range(max(0, below + 1), 160):
            found = _roundest(below, level)
            assert below < found <= level
            for step in (100, 50, 10):
                if any(number % step == 0 for number in range(below + 1, level + 1)):
                    assert found % step == 0
                    break


def test_arguments_that_are_none_are_named() -> None:
    good = [1.0, 9.0], [0, 1]
    for arguments, named in {
        (tuple(good[0]), (0, 0)): "satisfied: is 0 in all 2 ratings",
        (tuple(good[0]), (1, 1)): "satisfied: is 1 in all 2 ratings",
        (tuple(good[0]), (0, 2)): r"satisfied\[1\]: 2 is not a rating",
        (tuple(good[0]), (0, float("nan"))): r"satisfied\[1\]: nan is not a rating",
        (tuple(good[0]), (0,)): "satisfied: has 1 values where 2",
        ((1.0, float("nan")), (0, 1)): r"scores\[1\]: nan",
        ((1.0, 11.0), (0, 1)): r"scores\[1\]: 11.0",
        ((), ()): "scores: is empty",
    }.items():
        with pytest.raises(ValueError, match=f"^{named}"):
            rsd.fit_mes(*map(list, arguments))
    with pytest.raises(ValueError, match=r"^groups: has 1 values"):
        rsd.fit_mes(*good, groups=["a"])
    with pytest.raises(ValueError, match=r"^n_boot: "):
        rsd.fit_mes(*good, n_boot=-1)


def test_one_group_of_queries_has_no_interval_and_predicts_nothing() -> None:
    fit = fit_mes([1, 2, 8, 9], [0, 0, 1, 1], ["a"] * 4)
    assert np.isnan([fit.mes.low, fit.mes.high, fit.auroc.low]).all()
    assert not fit.predicts
    rare = fit_mes([1, *range(2, 10)], [0, *[1] * 8])  # a third of the resamples has no unsatisfied rating
    assert np.isnan([rare.mes.low, rare.auroc.low]).all() and not rare.predicts


def test_intervals_resample_groups_not_ratings() -> None:
    rng = np.random.default_rng(1)
    score = rng.uniform(0, 10, 60)
    satisfied = rng.random(60) < np.where(score >= 5, 0.8, 0.2)
    often = np.repeat(np.arange(60), 10)
    alone, together = fit_mes(score[often], satisfied[often]), fit_mes(score[often], satisfied[often], often)
    assert together.n_groups == 60 and alone.n_groups == 600
    assert together.auroc.high - together.auroc.low > 2 * (alone.auroc.high - alone.auroc.low)
    assert fit_mes(score, satisfied).auroc == together.auroc  # ten equal ratings of a query are one


@given(st.lists(st.tuples(st.integers(2, 4), st.integers(0, 4)), min_size=1, max_size=8))
def test_agreement_is_krippendorffs_alpha(answers: list[tuple[int, int]]) -> None:
    raters = np.array([n for n, _ in answers])
    satisfied = np.array([min(yes, n) for n, yes in answers])
    table = np.full((4, len(answers)), np.nan)
    for column, (n, yes) in enumerate(zip(raters, satisfied, strict=True)):
        table[:n, column] = [1.0] * yes + [0.0] * (n - yes)
    found, expected = rater_agreement(raters, satisfied, None), krippendorff_alpha(table)
    assert (found is None) == (expected is None)
    if found is not None:
        assert found.value == pytest.approx(expected)


@pytest.mark.parametrize("scores", ["whole", "tenths", "graded"])
@pytest.mark.parametrize("contrary", [0.1, 0.2])
def test_a_known_mes_is_found_within_half_a_point(simulation: ModuleType, scores: str, contrary: float) -> None:
    found = simulation.recovery(scores, "contrary", contrary, RATINGS, RUNS)
    assert found["near_mes"] >= 0.9  # 0.955 to 1 of 400
    assert found["held_mes"] >= 0.95 - 0.07  # two standard errors of 40
    assert found["width"] < 2


def test_where_expectations_are_soft_the_separating_score_is_found(simulation: ModuleType) -> None:
    found = simulation.recovery("tenths", "soft", 0.5, RATINGS, RUNS)
    assert found["near_best"] >= 0.85 and found["held_best"] >= 0.88
    assert found["near_mes"] < found["near_best"]  # as the page on it says


@pytest.mark.parametrize("scores", ["whole", "tenths", "graded"])
def test_satisfaction_that_does_not_look_at_scores_is_not_fitted(simulation: ModuleType, scores: str) -> None:
    assert simulation.fitted_by_chance(scores, RATINGS, RUNS) <= 0.025 + 2 * (0.025 * 0.975 / RUNS) ** 0.5
