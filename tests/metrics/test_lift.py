"""Lift and skill tell routers apart whatever the weights; no order of rows, scale of p or constant may move them.

An area over a threshold curve that took tied probabilities in the order of rows gave a constant router a score of its
own elsewhere, a different one for each shuffle. Here every order of up to seven queries is tried.
"""

import math
from itertools import combinations, permutations, product

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rsd_bench as rsd
from rsd_bench.config import CA_POINTS
from rsd_bench.metrics.lift import Ranking, twice_area, twice_best_area
from rsd_bench.metrics.routing import Outcomes
from rsd_bench.metrics.threshold_curve import area_apsp_ca, sweep_curve

quick = settings(deadline=None, max_examples=100, derandomize=True)
few = settings(deadline=None, max_examples=15, derandomize=True)
MES = 6
scores = st.sampled_from([0.0, 5.9, 6.0, 10.0])
probabilities = st.one_of(st.sampled_from([0.0, 0.25, 0.5, 1.0]), st.floats(0, 1))


@st.composite
def ordered(draw, max_size=12):
    n = draw(st.integers(1, max_size))
    p, small, large = (np.array(draw(st.lists(one, min_size=n, max_size=n))) for one in (probabilities, scores, scores))
    return p, {"small": small, "large": large, "mes": MES}


def added(data):
    return (data["small"] >= MES).astype(int) - (data["large"] >= MES)


@quick
@given(ordered())
def test_lift_is_the_area_between_the_sweep_and_the_chord(case):
    p, data = case
    curve = sweep_curve(p, Outcomes.of(data["small"], data["large"]), rsd.Scenario(mes=MES, alpha=1, beta=0, gamma=0))
    chord = (curve["apsp"][0] + curve["apsp"][-1]) / 2
    found = rsd.lift(p, **data)
    assert found.lift == pytest.approx(area_apsp_ca(curve) - chord, abs=1e-12)
    for name in ("tau", "ca", "apsp"):
        assert found.curve[name].tolist() == pytest.approx(curve[name][::-1].tolist())
    assert found.curve["ca"].iloc[0] == 0 and found.curve["ca"].iloc[-1] == 1
    gap = found.curve["apsp"] - found.curve["random"]
    assert gap.iloc[0] == 0 and gap.iloc[-1] == 0
    assert found.lift == pytest.approx(np.trapezoid(gap, found.curve["ca"]), abs=1e-12)


@quick
@given(ordered())
def test_lift_and_skill_are_sums_over_pairs_of_queries(case):
    p, data = case
    d, n, found = added(data), len(p), rsd.lift(p, **data)
    pairs = list(product(range(n), repeat=2))
    gained = sum((d[i] - d[j]) * int(np.sign(p[i] - p[j])) for i, j in pairs)
    most = sum(abs(d[i] - d[j]) for i, j in pairs)
    assert found.lift == gained / (4 * n * n)
    assert math.isnan(found.skill) if most == 0 else found.skill == pytest.approx(gained / most, abs=1e-15)
    assert -0.25 <= found.lift <= 0.25 and not abs(found.skill) > 1


def area(p, d):
    """2 n^2 lift."""
    ranking = Ranking.of(np.asarray(p, float))
    return int(twice_area(ranking.summed(d), ranking.ends))


@few
@given(st.lists(st.integers(-1, 1), min_size=2, max_size=7))
def test_no_order_beats_the_oracle_order(d):
    d, n = np.array(d), len(d)
    every = [np.array(order) for order in permutations(range(n))]
    areas = {area(order, d) for order in every}
    assert area(d, d) == max(areas) and -area(d, d) == min(areas)
    # the oracle order has ties itself: every way to break them gains as much
    assert {area(d + order / n, d) for order in every} == {area(d, d)}
    scores = {"small": np.where(d > 0, 9.0, 0.0), "large": np.where(d < 0, 9.0, 0.0), "mes": MES}
    found = rsd.lift((d + 1) / 2, **scores)
    assert found.lift == max(areas) / (2 * n * n)
    assert found.skill == 1 if found.lift else math.isnan(found.skill)


@pytest.mark.parametrize(("better", "worse"), [(4, 4), (3, 5), (6, 5), (1, 2), (12, 0)])
def test_no_order_of_twelve_queries_beats_the_oracle_order(better, worse):
    """Every order that differs: queries of equal d change places for nothing. Up to 34,650 of them."""
    n, areas = 12, set()
    for up in combinations(range(n), better):
        for down in combinations(sorted(set(range(n)) - set(up)), worse):
            d = np.zeros(n, np.int64)
            d[list(up)], d[list(down)] = 1, -1
            areas.add(int(twice_area(np.append(0, np.cumsum(d)), np.arange(n + 1))))
    oracle = np.repeat([1, 0, -1], [better, n - better - worse, worse])
    assert max(areas) == -min(areas) == area(oracle, oracle) == twice_best_area(better, n - better - worse, worse)


@quick
@given(ordered(), probabilities)
def test_a_constant_p_gains_nothing_exactly(case, constant):
    p, data = case
    found = rsd.lift(np.full(len(p), constant), **data)
    assert found.lift == 0 and found.skill in (0, pytest.approx(math.nan, nan_ok=True))
    assert len(found.curve) == 2


@quick
@given(ordered(), st.randoms(use_true_random=False))
def test_neither_order_of_rows_nor_a_monotone_transform_of_p_matters(case, random):
    p, data = case
    found = rsd.lift(p, **data).to_dict()
    order = random.sample(range(len(p)), len(p))
    shuffled = {name: value if name == "mes" else value[order] for name, value in data.items()}
    assert rsd.lift(p[order], **shuffled).to_dict() == pytest.approx(found, abs=0, nan_ok=True)
    ranks = np.unique(p, return_inverse=True)[1]
    for transformed in (ranks / (len(p) + 1), np.exp(ranks - len(p) - 1.0), (1 + np.tanh(ranks / 9)) / 2):
        assert rsd.lift(transformed, **data).to_dict() == pytest.approx(found, abs=0, nan_ok=True)
    reverse = rsd.lift(1 - ranks / (len(p) + 1), **data)
    assert reverse.lift == -found["lift"] and reverse.skill == pytest.approx(-found["skill"], abs=0, nan_ok=True)


def test_weights_and_thresholds_are_no_part_of_it_and_mes_is():
    p, data = [0.9, 0.7, 0.4, 0.1], {"small": [8, 2, 6, 0], "large": [9, 9, 9, 9]}
    assert rsd.lift(p, **data, mes=6).lift == pytest.approx(1 / 16)  # APSP 1, 1, 3/4, 3/4, 1/2 against 1 ... 1/2
    assert rsd.lift(p, **data, mes=7).skill == 1 and rsd.lift(p, **data, mes=6).skill == 0.5
    assert math.isnan(rsd.lift(p, **data, mes=10).skill) and rsd.lift(p, **data, mes=10).lift == 0


def test_queries_that_no_model_or_every_model_solves_leave_nothing_to_gain():
    for one in (0.0, 10.0):
        found = rsd.lift([0.3, 0.8, 0.5], small=[one] * 3, large=[one] * 3, mes=6)
        assert found.lift == 0 and math.isnan(found.skill)


# --- APSP at a CA ----------------------------------------------------------------------------------------------------


@quick
@given(ordered(), st.lists(st.floats(0, 1), min_size=1, max_size=4))
def test_apsp_at_a_ca_is_the_mean_over_deals_of_tied_queries(case, shares):
    p, data = case
    table = rsd.apsp_at_ca(p, **data, ca=shares)
    small, large = data["small"] >= MES, data["large"] >= MES
    for ca, row in zip(shares, table.itertuples(), strict=True):
        quota = ca * len(p)
        sent = np.zeros(len(p))
        for value in np.unique(p)[::-1]:  # from the highest: as much of each run of equal p as the quota allows
            tied = p == value
            share = min(max(quota - (p > value).sum(), 0) / tied.sum(), 1)
            sent[tied] = share
        assert row.apsp == pytest.approx(np.mean(sent * small + (1 - sent) * large), abs=1e-9)
        assert row.random == pytest.approx(ca * small.mean() + (1 - ca) * large.mean(), abs=1e-12)
        assert row.gain == pytest.approx(row.apsp - row.random, abs=1e-12) and row.ca == ca


def test_apsp_at_a_ca_is_given_at_three_shares_unless_told():
    data = {"small": [8, 2, 6, 0], "large": [9, 9, 9, 9], "mes": 6}
    assert rsd.apsp_at_ca([0.9, 0.7, 0.4, 0.1], **data)["ca"].tolist() == list(CA_POINTS)
    assert rsd.apsp_at_ca([0.5] * 4, **data)["gain"].tolist() == [0, 0, 0]
    assert rsd.apsp_at_ca([0.5] * 4, **data, ca=1)["apsp"].tolist() == [0.5]


# --- arguments -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("p_edge", [0.5, np.nan, 0.5]),
        ("p_edge", [0.5, 1.5, 0.5]),
        ("p_edge", [0.5, 0.5]),
        ("p_edge", None),
        ("p_edge", [[[0.5]], [[0.5]], [[0.5]]]),
        ("small", [1, np.nan, 3]),
        ("small", [True, False, True]),
        ("small", []),
        ("large", [1, 2, 11]),
        ("large", [1, 2]),
        ("mes", np.nan),
        ("mes", 11),
        ("mes", [6]),
        ("mes", None),
    ],
)
@pytest.mark.parametrize("work", [rsd.lift, rsd.apsp_at_ca, rsd.rank_intervals])
def test_a_wrong_value_is_refused_by_name(work, name, value):
    data = {"p_edge": [0.1, 0.5, 0.9], "small": [1, 8, 9], "large": [9, 9, 9], "mes": 6} | {name: value}
    with pytest.raises(ValueError, match=rf"^{name}\b"):
        work(data.pop("p_edge"), **data)


@pytest.mark.parametrize("work", [rsd.lift, rsd.apsp_at_ca])
def test_several_repeats_have_several_curves(work):
    with pytest.raises(ValueError, match=r"^p_edge\b"):
        work([[0.1, 0.5], [0.9, 0.2]], small=[1, 8], large=[9, 9], mes=6)


@pytest.mark.parametrize("ca", [-0.1, 1.1, np.nan, [0.5, None], "half", [], [[0.5]], None])
def test_a_ca_is_a_share(ca):
    with pytest.raises(ValueError, match=r"^ca\b"):
        rsd.apsp_at_ca([0.1, 0.5], small=[1, 8], large=[9, 9], mes=6, ca=ca)


def test_pandas_and_lists_give_what_arrays_give():
    p, small, large = [0.1, 0.5, 0.9], [1.0, 8.0, 9.0], [9.0, 9.0, 2.0]
    found = rsd.lift(np.array(p), small=np.array(small), large=np.array(large), mes=6)
    for form in (list, tuple, lambda v: pd.Series(v, index=[5, 1, 3])):
        assert rsd.lift(form(p), small=form(small), large=form(large), mes=6) == found
