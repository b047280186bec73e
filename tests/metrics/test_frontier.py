"""The frontier over K models against every routing there is: none above it, and each corner is one of them.

A hull over 160 points took a peer ten seconds, and interpolated between thresholds that no budget allowed. Here the
curve is exact, and brute force says so.
"""

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rsd_bench as rsd

quick = settings(deadline=None, max_examples=80, derandomize=True)
values = st.one_of(st.sampled_from([0.0, 1.0]), st.integers(0, 640).map(lambda k: k / 64))
prices = st.one_of(st.sampled_from([0.0, 1.0, 2.0]), st.integers(0, 6400).map(lambda k: k / 64))
SIZES = [(1, 1), (4, 1), (1, 4), (12, 2), (7, 3), (5, 4)]


@st.composite
def outcomes(draw):
    n, k = draw(st.sampled_from(SIZES))
    score, cost = (
        np.array(draw(st.lists(st.lists(one, min_size=k, max_size=k), min_size=n, max_size=n)))
        for one in (values, prices)
    )
    return score, cost[0] if draw(st.booleans()) else cost


def every_routing(score, cost):
    """Mean cost and mean score of each routing, shape (routings, 2)."""
    n, k = score.shape
    cost = np.broadcast_to(cost, (n, k))
    means = np.zeros((1, 2))
    for row in np.stack([cost, score], axis=-1) / n:
        means = (means[:, None] + row).reshape(-1, 2)
    assert len(means) == k**n
    return means


@quick
@given(outcomes())
def test_no_routing_lies_above_and_every_corner_is_a_routing(case):
    score, cost = case
    found, means = rsd.frontier(score, cost), every_routing(score, cost)
    assert (found.at(means[:, 0] * (1 + 1e-12) + 1e-12) >= means[:, 1] - 1e-9).all()
    for corner in zip(found.cost, found.score, strict=True):
        assert np.abs(means - corner).max(axis=1).min() < 1e-9
    assert found.cost[0] == pytest.approx(means[:, 0].min())
    assert found.score[-1] == pytest.approx(means[:, 1].max())


@quick
@given(outcomes())
def test_the_curve_rises_and_bends_down(case):
    found = rsd.frontier(*case)
    assert (np.diff(found.cost) > 0).all() and (np.diff(found.score) > 0).all()
    slopes = [(b[1] - a[1]) / (b[0] - a[0]) for a, b in pairwise(zip(found.cost, found.score, strict=True))]
    assert all(b <= a * (1 + 1e-6) + 1e-9 for a, b in pairwise(slopes))


@quick
@given(outcomes())
def test_the_area_is_the_mean_of_the_best_score_over_all_mean_costs(case):
    score, cost = case
    found, means = rsd.frontier(score, cost), every_routing(score, cost)
    low, high = means[:, 0].min(), means[:, 0].max()
    grid = np.union1d(np.linspace(low, high, 1001), np.clip(found.cost, low, high))
    best = np.interp(grid, found.cost, found.score)
    expected = np.trapezoid(best, grid) / (high - low) if high - low > 1e-9 else found.score[-1]
    assert found.area == pytest.approx(expected, rel=1e-6, abs=1e-6)


def test_neither_the_order_of_queries_nor_that_of_models_matters():
    rng = np.random.default_rng(0)
    score, cost = rng.random((200, 5)), rng.uniform(0.5, 2, (200, 5)) * 2.0 ** np.arange(5)
    found = rsd.frontier(score, cost)
    rows, models = rng.permutation(200), rng.permutation(5)
    other = rsd.frontier(score[rows][:, models], cost[rows][:, models])
    assert other.area == pytest.approx(found.area) and np.allclose(other.score, found.score)
    assert np.allclose(other.cost, found.cost)


def test_fixed_policies_and_routers_lie_below_the_hull_that_others_draw_between():
    # RouterBench's hull of fixed policies is the frontier of their means; it knows no query, so ours lies above it
    rng = np.random.default_rng(1)
    cost = np.array([1.0, 2.0, 4.0, 5.0])
    score = (rng.random((300, 4)) < [0.4, 0.3, 0.7, 0.6]).astype(float)
    hull, best = rsd.frontier([score.mean(axis=0)], [cost]), rsd.frontier(score, cost)
    assert hull.cost.tolist() == [1, 4]  # model 2 and 4 are worse than a cheaper one
    assert hull.score.tolist() == pytest.approx([score[:, 0].mean(), score[:, 2].mean()])
    assert (best.at(np.linspace(1, 5, 50)) >= hull.at(np.linspace(1, 5, 50)) - 1e-12).all()
    for k in range(4):
        assert best.at(cost[k]) >= score[:, k].mean()


def test_a_hand_made_frontier():
    # query 1: 0 at 1, 10 at 3 (5 each); query 2: 4 at 1, 6 at 3 (1 each); so query 1 goes first
    found = rsd.frontier([[0, 10], [4, 6]], [1, 3])
    assert found.cost.tolist() == [1, 2, 3] and found.score.tolist() == [2, 7, 8]
    assert found.area == pytest.approx((4.5 + 7.5) / 2)
    assert found.at([0.5, 1.5, 2, 9]).tolist() == pytest.approx([np.nan, 4.5, 7, 8], nan_ok=True)
    # a dearer model that adds nothing: the curve ends, and the area goes on level
    level = rsd.frontier([[0, 10, 10], [4, 6, 0]], [1, 3, 5])
    assert level.cost.tolist() == [1, 2, 3] and level.area == pytest.approx((4.5 + 7.5 + 8 + 8) / 4)


def test_equal_costs_are_one_point_and_a_gain_for_nothing_comes_first():
    found = rsd.frontier([[1, 5], [7, 2]], [2, 2])
    assert (found.cost.tolist(), found.score.tolist(), found.area) == ([2], [6], 6)
    nearly = rsd.frontier([[1.0, 5.0, 9.0]], [[1.0, np.nextafter(1, 2), 5e8]])
    assert nearly.score.tolist() == [1, 5, 9]
    assert rsd.frontier([[0.0, 1.0], [0.0, 1.0]], [0.0, 5e-324]).score.tolist() == [0, 1]
    # steps of one slope are one straight line, in whatever order of queries
    assert rsd.frontier([[0, 1, 9], [0, 3, 4]], [[1, 2, 10], [1, 4, 5]]).cost.tolist() == [1, 7.5]


def test_flags_and_frames_and_negative_values():
    expected = rsd.frontier([[0.0, 1.0], [1.0, 1.0]], [1, 2])
    for form in (lambda v: np.array(v, bool), lambda v: pd.DataFrame(v, index=[3, 1]), lambda v: np.array(v, object)):
        assert rsd.frontier(form([[0, 1], [1, 1]]), [1, 2]).area == expected.area
    assert rsd.frontier([[-2.0, -1.0]], [1, 2]).score.tolist() == [-2, -1]


@pytest.mark.parametrize(
    "value",
    [[[1, np.nan]], [[1, None]], [[1, np.inf]], [1, 2], 1, [], [[]], None, "ab", [[1, 2], [1]], np.ones((1, 2, 1))],
)
def test_values_of_every_model_for_every_query(value):
    with pytest.raises(ValueError, match=r"^values\b"):
        rsd.frontier(value, [1, 2])


@pytest.mark.parametrize(
    "value", [[1], [1, 2, 3], [1, -2], [1, np.nan], [[1, 2]], [[1, 2], [1, np.nan]], 1, None, "ab", [[1, 2], [1]]]
)
def test_costs_of_every_model(value):
    with pytest.raises(ValueError, match=r"^costs\b"):
        rsd.frontier([[1, 2], [3, 4]], value)
