"""A table that cannot tell routers apart must say so, and by how much: gaps of which 80 % are told, not 50 % or 99 %.

Both gaps meet simulated datasets in which two routers differ by just that much.
"""

from __future__ import annotations

import numpy as np
import pytest

from rsd_bench.config import MIN_BAND_GROUPS
from rsd_bench.metrics.bootstrap import group_sums, interval, resample_sums
from rsd_bench.metrics.detectable import detectable_gap, expected_gap
from rsd_bench.metrics.routing import Outcomes, metrics_of, routing_gain, terms
from rsd_bench.metrics.tiers import Tiers
from rsd_bench.types import Scenario

SCENARIO = Scenario(mes=6, alpha=0.8, beta=0.05, gamma=0.15)
RUNS = 400  # a power of 0.8 is known to 0.02
NEAR_80 = (0.74, 0.86)


def drawn(rng: np.random.Generator, groups: int, gap: float) -> np.ndarray:
    """Paired samples of the scores of two routers that truly differ by `gap`, (n_boot, 2), and their values."""
    both = rng.normal(0, 0.3, groups)  # what is hard for one is hard for the other
    scores = np.column_stack([both + rng.normal(gap, 0.1, groups), both + rng.normal(0, 0.1, groups)])
    return np.vstack([scores.mean(axis=0), resample_sums(scores, 500) / groups])


@pytest.mark.parametrize("groups", [12, 40, 200])
def test_four_of_five_gaps_of_that_size_are_told(groups: int) -> None:
    rng = np.random.default_rng(groups)
    gap = np.mean([detectable_gap(drawn(rng, groups, 0.0)[1:], groups) for _ in range(50)])
    told = 0
    for _ in range(RUNS):
        value, *samples = -np.diff(drawn(rng, groups, gap), axis=1)[:, 0]
        told += interval(value, np.array(samples), groups).low > 0
    assert NEAR_80[0] < told / RUNS < NEAR_80[1]


def test_the_gap_of_a_table_is_that_of_its_middle_pair() -> None:
    """Of three routers, two of which differ by little, from a sample whose standard errors are known."""
    rng = np.random.default_rng(1)
    samples = rng.normal(0, 1, (20_000, 1)) + rng.normal(0, 1, (20_000, 3)) * [0.01, 0.02, 0.05]
    errors = np.sqrt([0.01**2 + 0.02**2, 0.01**2 + 0.05**2, 0.02**2 + 0.05**2])
    assert detectable_gap(samples, 10**6) == pytest.approx((1.959964 + 0.841621) * np.median(errors), rel=0.02)


def test_routers_that_do_not_differ_are_no_pair() -> None:
    rng = np.random.default_rng(2)
    one, other = rng.normal(0, 0.01, (2, 1_000, 1))
    assert detectable_gap(np.hstack([one] * 3), 100) is None
    assert detectable_gap(one, 100) is None and detectable_gap(np.empty((0, 3)), 100) is None
    two = detectable_gap(np.hstack([one, other]), 100)
    assert detectable_gap(np.hstack([one, other, one, one]), 100) == pytest.approx(two)
    assert detectable_gap(np.hstack([one, other]), MIN_BAND_GROUPS - 1) is None


def a_dataset(rng: np.random.Generator, groups: int) -> tuple[Outcomes, np.ndarray]:
    """Three queries a group, half of whose scores are those of the group."""
    codes = np.repeat(np.arange(groups), 3)
    draw = [np.where(rng.random(len(codes)) < 0.5, rng.random(groups)[codes], rng.random(len(codes))) for _ in range(2)]
    return Outcomes.of(np.floor(11 * draw[0]), np.floor(11 * np.sqrt(draw[1]))), codes


@pytest.mark.parametrize(("groups", "disagree"), [(30, 0.2), (200, 0.2), (200, 0.5)])
def test_four_of_five_gaps_that_outcomes_promise_are_told(groups: int, disagree: float) -> None:
    """The better router is right in more of the queries on which the two disagree: by as much as makes the gap."""
    rng = np.random.default_rng(groups)
    large, _ = a_dataset(rng, 50_000)
    worth = np.abs(routing_gain(large, SCENARIO)).mean()
    gap = np.mean([expected_gap(*a_dataset(rng, groups), SCENARIO, disagree) for _ in range(50)])
    right, told = (1 + gap / (disagree * worth)) / 2, 0
    for _ in range(RUNS):
        outcomes, codes = a_dataset(rng, groups)
        better, n = routing_gain(outcomes, SCENARIO) >= 0, len(codes)
        one = rng.random(n) < 0.5
        differ = rng.random(n) < disagree
        one[differ] = np.where(rng.random(n) < right, better, ~better)[differ]
        both = np.hstack([terms(route, outcomes, SCENARIO.mes) for route in (one, one ^ differ)])
        sums = group_sums(both, codes)
        values, samples = (
            metrics_of(of[..., :6], SCENARIO)["rcs"] - metrics_of(of[..., 6:], SCENARIO)["rcs"]
            for of in (sums.sum(axis=0), resample_sums(sums, 500))
        )
        told += interval(float(values), samples, groups).low > 0
    assert NEAR_80[0] < told / RUNS < NEAR_80[1]


def test_it_is_closed_and_of_tiers_too() -> None:
    outcomes, codes = a_dataset(np.random.default_rng(3), 100)
    two = Tiers.of(
        np.column_stack([outcomes.small, outcomes.large]),
        np.column_stack([outcomes.small_latency, outcomes.large_latency]),
    )
    gap = expected_gap(outcomes, codes, SCENARIO)
    assert gap == expected_gap(outcomes, codes, SCENARIO) == pytest.approx(expected_gap(two, codes, SCENARIO))
    assert expected_gap(outcomes, codes, SCENARIO, 0.8) == pytest.approx(2 * gap)
    assert expected_gap(outcomes, codes // 2, SCENARIO) > gap  # fewer groups know the spread less well


def test_three_tiers_against_every_pair() -> None:
    rng = np.random.default_rng(4)
    tiers = Tiers.of(rng.integers(0, 11, (200, 3)).astype(float), rng.uniform(1, 9, (200, 3)))
    reference = tiers.latencies[:, 2].mean()
    worth = 0.8 * (tiers.scores >= 6) + 0.05 * tiers.advantage - 0.15 * tiers.latencies / reference
    pairs = [((worth[:, i] - worth[:, j]) ** 2).mean() for i, j in ((0, 1), (0, 2), (1, 2))]
    z = (1.971957 + 0.843465) * np.sqrt(200 / 199)  # Student's of 199 degrees of freedom
    gap = z * np.sqrt(0.2 * np.mean(pairs) / (200 + z**2))
    assert expected_gap(tiers, None, SCENARIO) == pytest.approx(gap, rel=1e-4)


def test_what_promises_nothing() -> None:
    outcomes, codes = a_dataset(np.random.default_rng(5), 100)
    assert expected_gap(outcomes, codes // 20, SCENARIO) is None
    assert expected_gap(outcomes, codes, SCENARIO, 0) is None


@pytest.mark.parametrize("disagree", [-0.1, 1.1, np.nan, "half", [0.1, 0.2], None])
def test_a_share_is_a_share(disagree: object) -> None:
    outcomes, codes = a_dataset(np.random.default_rng(6), 20)
    with pytest.raises(ValueError, match="disagree"):
        expected_gap(outcomes, codes, SCENARIO, disagree)
