"""Hostile arguments of the functions on K tiers: the right number, or a ValueError of one line that names the argument.

A tier that was missing for some queries was averaged over the rest elsewhere, and looked better for its gaps.
"""

import numpy as np
import pandas as pd
import pytest

import rsd_bench as rsd
from rsd_bench.config import SCENARIOS

SCORES = [[2.0, 8.0, 9.0], [7.0, 7.0, 3.0], [1.0, 2.0, 2.0], [9.0, 5.0, 9.0]]
P = [[0.2, 0.9], [0.8, 0.1], [0.5, 0.5], [0.0, 1.0]]
DATA = {"scores": SCORES, "scenario": "fast_response"}
CHOICE = [1, 0, 2, 0]


def score(choice=CHOICE, **changed):
    return rsd.score_tiers(choice, **{**DATA, **changed})


def refused(work, name):
    with pytest.raises(ValueError, match=rf"^{name}\b") as error:
        work()
    assert len(str(error.value)) < 200 and "\n" not in str(error.value)
    return str(error.value)


def with_value(value, row=1, column=2):
    table = [list(line) for line in SCORES]
    table[row][column] = value
    return table


BAD_TABLES = {
    "a tier missing for one query": with_value(np.nan),
    "None inside": with_value(None),
    "pd.NA inside": with_value(pd.NA),
    "a nullable frame": pd.DataFrame(with_value(None)).astype("Float64"),
    "masked": np.ma.array(SCORES, mask=np.eye(4, 3)),
    "inf": with_value(np.inf),
    "minus": with_value(-0.5),
    "text": with_value("7"),
    "ragged": [[1, 2, 3], [1, 2], [1, 2, 3], [1, 2, 3]],
    "three-dimensional": np.ones((4, 3, 1)),
    "one-dimensional": [1.0, 2.0, 3.0],
    "one number": 5,
    "no rows": np.empty((0, 3)),
    "no columns": np.empty((4, 0)),
    "a dict": {"a": [1, 2, 3]},
    "a text": "scores",
    "None": None,
    "complex": np.ones((4, 3), complex),
    "dates": np.full((4, 3), "2026-01-01", "M8[D]"),
}
CALLS = {
    "score_tiers": lambda v: rsd.score_tiers(CHOICE, scores=v, scenario="fast_response"),
    "label_tiers": lambda v: rsd.label_tiers(v, 6),
    "competent_tier": lambda v: rsd.competent_tier(v, 6),
    "sweep_tiers": lambda v: rsd.sweep_tiers(P, scores=v, scenario="fast_response"),
    "reference_tiers": lambda v: rsd.reference_tiers(scores=v, scenario="fast_response"),
    "rcs_oracle_tiers": lambda v: rsd.rcs_oracle_tiers(scores=v, scenario="fast_response"),
}


@pytest.mark.parametrize("value", BAD_TABLES.values(), ids=BAD_TABLES.keys())
@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())
def test_scores_of_every_tier_for_every_query_or_none(call, value):
    refused(lambda: call(value), "scores")


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())
def test_one_tier_leaves_nothing_to_choose(call):
    assert "at least 2 are needed" in refused(lambda: call([[1.0], [2.0], [3.0], [4.0]]), "scores")


@pytest.mark.parametrize("value", [np.ones((4, 3), bool), pd.DataFrame(np.ones((4, 3), bool))])
def test_flags_are_no_judge_scores(value):
    assert "holds flags" in refused(lambda: score(scores=value), "scores")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (with_value(11), "scores[1, 2]: 11.0 is not in [0, 10]"),
        (with_value(np.nan, 3, 0), "scores[3, 0]: nan is not in [0, 10]"),
        (with_value(None), "scores[1, 2]: None is not a number"),
    ],
)
def test_the_message_says_which_query_and_tier(value, text):
    assert refused(lambda: score(scores=value), "scores").startswith(text)


@pytest.mark.parametrize(
    "value",
    [
        [0, 1, 2, 3],
        [0, 1, 2, -1],
        [0, 1, 2, 0.5],
        [0, 1, 2, np.nan],
        [0, 1, 2, None],
        [True, False, True, False],  # of two models True means the small one; as a tier it would be the second
        [0, 1],
        [[0], [1], [2], [0]],
        [],
        "0120",
        1,
        None,
    ],
)
def test_a_choice_is_a_tier_for_each_query(value):
    refused(lambda: score(value), "choice")
    if value is not None:
        refused(lambda: rsd.reference_tiers(**DATA, choice=value), "choice")


@pytest.mark.parametrize(
    "value",
    [
        [1.5, 0.5, 0],
        [1, -0.1, 0],
        [1, np.nan, 0],
        [1, 0.5],
        [1, 0.5, 0.2, 0],
        [1, 0.5, 0.1],  # the dearest tier saves nothing
        [0.9, 0.5, 0],
        [0, 0.5, 1],  # tiers out of order of cost
        [1, 0.2, 0.4, 0][:3],
        [1, None, 0],
        "high",
        1,
        {1, 0.5, 0},
    ],
)
def test_an_advantage_falls_from_1_to_0(value):
    refused(lambda: score(advantage=value), "advantage")


def test_an_advantage_may_be_equal_for_tiers_of_equal_cost():
    assert score(advantage=[1, 1, 0]).ca == 0.75 and score(advantage=[1, 0, 0]).ca == 0.5


@pytest.mark.parametrize(
    "value", [[3, 2, 1], [1, 3, 2], [1, 1, 1], [0, 0], [5], [1, np.nan, 3], [-1, 2, 3], [], 4, None]
)
def test_costs_rise_from_tier_to_tier(value):
    refused(lambda: rsd.cost_advantage(value), "costs")


@pytest.mark.parametrize(
    "value",
    [
        [1, 2],
        [1, 2, 3, 4],
        [1, 2, np.nan],
        [1, -2, 3],
        [1, 2, 0],  # nothing to save latency against
        np.ones((3, 3)),
        np.ones((4, 2)),
        np.where(np.eye(4, 3), np.nan, 1.0),
        [1, 2, 1e308],
        2,
        "fast",
    ],
)
def test_latencies_are_seconds_of_every_tier(value):
    refused(lambda: score(latencies=value), "latencies")


def test_equal_latencies_save_nothing_and_slower_cheap_tiers_cost():
    weights = SCENARIOS[DATA["scenario"]]
    same = score([0, 0, 0, 0], latencies=[2, 2, 2])
    assert same.ail == 2 and same.rcs == pytest.approx(0.5 * weights.alpha + weights.beta)
    slow = score([0, 0, 0, 0], latencies=[4, 2, 2])
    assert slow.rcs == pytest.approx(same.rcs - weights.gamma)


@pytest.mark.parametrize("value", [2, [2] * 4, np.full(4, 2.0), pd.Series([2, 2, 2, 2])])
def test_one_router_latency_stands_for_every_query(value):
    assert score(router_latency_s=value).ail == pytest.approx(score().ail + 2)


@pytest.mark.parametrize("value", [-1, [1, 2], np.nan, "fast", [[1], [2], [3], [4]]])
def test_router_latency_is_seconds(value):
    refused(lambda: score(router_latency_s=value), "router_latency_s")
    refused(lambda: rsd.sweep_tiers(P, **DATA, router_latency_s=value), "router_latency_s")


@pytest.mark.parametrize("value", ["yes", 1, None, 0, "False"])
def test_cascade_is_true_or_false(value):
    refused(lambda: score(cascade=value), "cascade")
    refused(
        lambda: rsd.score_routing([1, 0], small=[1, 2], large=[3, 4], scenario="fast_response", cascade=value),
        "cascade",
    )


@pytest.mark.parametrize(
    "value",
    [[[0.1, 1.2]] * 4, [[0.1, np.nan]] * 4, [[0.1]] * 4, [[0.1, 0.2, 0.3]] * 4, [[0.1, 0.2]] * 3, [0.1] * 4, 0.5, None],
)
def test_p_is_a_probability_of_every_tier_but_the_last(value):
    refused(lambda: rsd.sweep_tiers(value, **DATA), "p")


@pytest.mark.parametrize("value", [[[0.1, 1.2]], [[0.1, np.nan]], 0.5, [], None, np.ones((2, 2, 2))])
def test_decisions_need_probabilities(value):
    refused(lambda: rsd.decide_tiers(value, 0.5), "p")


@pytest.mark.parametrize("value", [[0.1, 0.2, 0.3], -0.1, [0.1, np.nan], "0.5", None, [], {"a": 1}])
def test_tau_is_one_for_all_or_one_for_each_column(value):
    refused(lambda: rsd.decide_tiers(P, value), "tau")


@pytest.mark.parametrize("mes", [-1, 10.5, np.nan, "6", None, [6], True])
def test_mes_is_one_score(mes):
    refused(lambda: rsd.label_tiers(SCORES, mes), "mes")


@pytest.mark.parametrize("cascade", [False, True])
def test_a_scenario_that_lets_a_tier_win_whatever_it_answers_is_refused(cascade):
    greedy = rsd.Scenario(name="greedy", mes=6, alpha=0.4, beta=0.3, gamma=0.3)
    with pytest.raises(ValueError, match=r"^scenario 'greedy': alpha 0.4 <= beta a_1 \+ gamma .* = 0.5625: all-at-1"):
        score(scenario=greedy, cascade=cascade)
    # here it is the middle tier: nearly as cheap as the first, and far quicker than both others
    middle = {"latencies": [9, 1, 10], "advantage": [1, 0.9, 0], "cascade": cascade}
    with pytest.raises(ValueError, match=r"^scenario 'greedy': .* a_2 .* = 0.54: all-at-2 would beat all-at-3"):
        score(scenario=greedy, **middle)
    assert score(scenario=rsd.Scenario(mes=6, alpha=0.6, beta=0.2, gamma=0.2), **middle).apsp == 0.75


@pytest.mark.parametrize("value", ["nope", None, 3])
def test_an_unknown_scenario_is_told_which_there_are(value):
    assert "fast_response" in refused(lambda: score(scenario=value), "scenario")


@pytest.mark.parametrize(
    "form",
    [
        np.array,
        pd.DataFrame,
        lambda v: pd.DataFrame(v, index=[4, 2, 7, 1]),
        lambda v: np.array(v, object),
        lambda v: np.array(v, np.float32),
        lambda v: np.asfortranarray(np.array(v)),
        lambda v: np.array(v)[::-1][::-1],
        lambda v: np.ma.array(v),
        lambda v: pd.DataFrame(v).astype("Float64"),
    ],
)
def test_every_accepted_form_gives_equal_results_and_is_left_as_it_was(form):
    table, p = form(SCORES), form([[0.25, 0.75], [0.75, 0.25], [0.5, 0.5], [0.0, 1.0]])
    before = np.array(table, float)
    plain = {**DATA, "latencies": [1, 2, 4]}
    assert rsd.score_tiers(CHOICE, **{**plain, "scores": table}) == rsd.score_tiers(CHOICE, **plain)
    assert (rsd.label_tiers(table, 6) == rsd.label_tiers(SCORES, 6)).all()
    assert (rsd.decide_tiers(p, 0.5) == [1, 0, 0, 1]).all()
    rsd.rcs_oracle_tiers(**{**plain, "scores": table}, cascade=True)
    assert (np.array(table, float) == before).all()


def test_choices_may_be_any_whole_numbers():
    for form in (np.array, np.uint8, np.float64, pd.Series, tuple):
        assert score(form(CHOICE)) == score()
