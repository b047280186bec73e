"""K tiers and cascades: two tiers are version 1 to the last bit, and closed forms meet every routing there is.

A board elsewhere had an "optimum" of 100 for everybody, another ranked routers below a constant policy: an oracle or a
fixed policy that is wrong moves every figure read against it. So none is believed here before all routings were tried.
"""

from itertools import product

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import rsd_bench as rsd
from rsd_bench.config import TAU_GRID
from rsd_bench.metrics.routing import (
    Outcomes,
    best_fixed,
    check_scenario,
    label_oracle,
    rcs_oracle,
    reference_scores,
    routing_score,
    score_of,
)
from rsd_bench.metrics.sweeps import tier_curve
from rsd_bench.metrics.threshold_curve import sweep_curve
from rsd_bench.metrics.tier_policies import best_fixed_tier, fixed_rows, rcs_oracle_choice
from rsd_bench.metrics.tiers import Tiers, check_tiers_scenario, tier_columns
from rsd_bench.types import Scenario

quick = settings(deadline=None, max_examples=100, derandomize=True)
slow = settings(deadline=None, max_examples=40, derandomize=True)
METRICS = ("apsp", "mean_score", "ca", "ail", "rcs")

scores = st.one_of(st.sampled_from([0.0, 2.5, 5.0, 6.0, 7.5, 8.0, 10.0]), st.floats(0, 10))
seconds = st.one_of(st.sampled_from([0.5, 1.0, 4.0]), st.floats(1e-3, 100))
probabilities = st.one_of(st.sampled_from([0.0, 0.05, 0.35, 0.5, 0.7, 1.0]), st.floats(0, 1))
router = st.sampled_from([0.0, 0.016, 2.0])


def close(a, b):
    return a == pytest.approx(b, rel=1e-9, abs=1e-9)


def table(draw, one, n, k):
    return np.array(draw(st.lists(st.lists(one, min_size=k, max_size=k), min_size=n, max_size=n)))


@st.composite
def scenarios(draw):
    parts = np.array([draw(st.integers(1, 20)), draw(st.integers(0, 10)), draw(st.integers(0, 10))])
    alpha, beta, gamma = (parts / parts.sum()).tolist()
    return rsd.Scenario(mes=draw(scores), alpha=alpha, beta=beta, gamma=gamma)


@st.composite
def tiered(draw, sizes=(2, 3, 4), max_size=12):
    k, n = draw(st.sampled_from(sizes)), draw(st.integers(1, max_size))
    latencies = draw(st.sampled_from([None, "each", "every"]))
    if latencies:
        latencies = table(draw, seconds, n, k) if latencies == "each" else table(draw, seconds, 1, k)[0]
    inner = sorted(draw(st.lists(st.floats(0, 1), min_size=k - 2, max_size=k - 2)), reverse=True)
    advantage = draw(st.sampled_from([None, [1.0, *inner, 0.0]]))
    return Tiers.of(table(draw, scores, n, k), latencies, advantage, draw(st.booleans()))


@st.composite
def routed(draw, **sizes):
    tiers = draw(tiered(**sizes))
    chosen = st.integers(0, tiers.count - 1)
    return tiers, np.array(draw(st.lists(chosen, min_size=len(tiers), max_size=len(tiers)))), draw(router)


@st.composite
def predicted(draw, **sizes):
    tiers = draw(tiered(**sizes))
    return tiers, table(draw, probabilities, len(tiers), tiers.count - 1), draw(router)


def public(tiers, scenario):
    """Tiers as arguments of the public functions; scenarios that these refuse are not drawn again and again."""
    try:
        check_tiers_scenario(scenario, tiers)
    except ValueError:
        assume(False)
    names = ("scores", "latencies", "advantage", "cascade")
    return {**{name: getattr(tiers, name) for name in names}, "scenario": scenario}


def as_pair(tiers):
    return Outcomes(*tiers.scores.T, *tiers.latencies.T)


def of_choice(choice, tiers, scenario, own=0.0):
    return score_of(tier_columns(np.array(choice), tiers, scenario.mes, own), scenario)


def worth(tiers, scenario, own=0.0):
    """RCS of each tier for each query, by the definitions and a plain loop, shape (n, K)."""
    n, k = tiers.scores.shape
    reference, out = np.mean(tiers.latencies[:, -1]), np.zeros((n, k))
    for i, d in product(range(n), range(k)):
        paid = sum(tiers.latencies[i, : d + 1]) if tiers.cascade else tiers.latencies[i, d]
        asked = min(d + 1, k - 1) if tiers.cascade else 1
        out[i, d] = scenario.alpha * (tiers.scores[i, d] >= scenario.mes) + scenario.beta * tiers.advantage[d]
        out[i, d] += scenario.gamma * (1 - (paid + own * asked) / reference)
    return out


def test_ties_of_the_oracle_go_to_the_cheaper_tier_whatever_rounding_leaves() -> None:
    # alpha = beta + gamma: what the large model solves is worth what the small one keeps and saves
    for beta in (0.1, 0.2, 0.3, 0.4):
        weighed = Scenario(name="tie", mes=6, alpha=0.5, beta=beta, gamma=round(0.5 - beta, 2))
        for small, large in ((0.7, 2.1), (1.2, 7.27), (0.5, 0.9)):  # (s + l - s) / l is below 1 in its last bit
            cascade = Tiers.of([[1.0, 9.0]], [[small, large]], cascade=True)
            assert rcs_oracle_choice(cascade, weighed).tolist() == [0], (beta, small, large)
        for n in (3, 6, 7, 10):  # the mean of n equal latencies is not each of them
            for large in (0.7, 2.1, 7.27):
                outcomes = Outcomes(np.full(n, 1.0), np.full(n, 9.0), np.zeros(n), np.full(n, large))
                assert rcs_oracle(outcomes, weighed).all(), (beta, n, large)


# --- two tiers are version 1, to the last bit ------------------------------------------------------------------------


@quick
@given(tiered(sizes=(2,)), scores)
def test_two_tiers_have_the_label_of_version_1(tiers, mes):
    label = rsd.label(*tiers.scores.T, mes)
    found = rsd.label_tiers(tiers.scores, mes)
    assert found.dtype == np.int8 and found.shape == (len(tiers), 1) and (found[:, 0] == label).all()
    assert (rsd.competent_tier(tiers.scores, mes) == 1 - label).all()


@quick
@given(routed(sizes=(2,)), scenarios())
def test_two_tiers_score_as_score_routing_does(case, scenario):
    tiers, choice, own = case
    given_ = public(tiers, scenario)
    pair = {name: getattr(as_pair(tiers), name) for name in ("small", "large", "small_latency", "large_latency")}
    expected = rsd.score_routing(choice == 0, **pair, scenario=scenario, router_latency_s=own, cascade=tiers.cascade)
    assert rsd.score_tiers(choice, **given_, router_latency_s=own) == expected


@quick
@given(tiered(sizes=(2,)), scenarios(), st.floats(0, 1))
def test_two_tiers_have_the_reference_rows_of_version_1(tiers, scenario, share):
    assume(not tiers.cascade)
    pair, given_ = as_pair(tiers), public(tiers, scenario)
    choice = (np.arange(len(tiers)) >= share * len(tiers)).astype(int)
    rows = rsd.reference_tiers(**given_, choice=choice)
    of_pair = reference_scores(pair, scenario, ca=int((choice == 0).sum()) / len(tiers))
    names = {"all-at-1": "all-edge", "all-at-2": "all-cloud"}
    assert {names.get(name, name): row for name, row in rows.items() if name != "best-fixed"} == of_pair
    assert rows["best-fixed"] == of_pair[best_fixed(pair, scenario)[0]]
    assert (rsd.rcs_oracle_tiers(**given_) == ~rcs_oracle(pair, scenario)).all()
    assert (rsd.competent_tier(tiers.scores, scenario.mes) == ~label_oracle(pair, scenario)).all()


@quick
@given(predicted(sizes=(2,)), scenarios(), st.one_of(st.none(), st.just(TAU_GRID)))
def test_two_tiers_sweep_as_version_1_does(case, scenario, taus):
    tiers, p, own = case
    assume(not tiers.cascade)
    found = tier_curve(p, tiers, scenario, taus, own)
    expected = sweep_curve(p[:, 0], as_pair(tiers), scenario, taus, own)
    assert found.keys() == expected.keys()
    assert all((found[name] == expected[name]).all() for name in found)


@quick
@given(tiered(sizes=(2,)), scenarios())
def test_two_tiers_are_refused_the_scenarios_of_version_1(tiers, scenario):
    def refused(check, of):
        try:
            check(scenario, of)
        except ValueError as error:
            return str(error).split(":")[0]
        return None

    assert refused(check_tiers_scenario, tiers) == refused(check_scenario, as_pair(tiers))


def test_two_tiers_of_many_queries_agree_to_the_last_bit():
    # sums of a million floats depend on how they are laid out in memory
    rng = np.random.default_rng(0)
    n, scenario = 100_003, rsd.SCENARIOS["fast_response"]
    answers, waits, p = rng.uniform(0, 10, (n, 2)), rng.uniform(0.1, [1, 9], (n, 2)), rng.random(n).round(3)
    pair = Outcomes.of(*answers.T, *waits.T)
    given_ = {"scores": answers, "latencies": waits, "scenario": scenario, "router_latency_s": 0.016}
    assert rsd.score_tiers((p < 0.4).astype(int), **given_) == routing_score(p >= 0.4, pair, scenario, 0.016)
    of_pair = rsd.sweep(p, **vars(pair), scenario=scenario, router_latency_s=0.016)
    pd.testing.assert_frame_equal(rsd.sweep_tiers(p, **given_), of_pair, check_exact=True)


# --- definitions -----------------------------------------------------------------------------------------------------


@quick
@given(tiered(), scores)
def test_labels_and_competent_tier_follow_their_definitions(tiers, mes):
    labels = rsd.label_tiers(tiers.scores, mes)
    for row, found, competent in zip(tiers.scores, labels, rsd.competent_tier(tiers.scores, mes), strict=True):
        last = len(row) - 1
        expected = [row[k] >= mes or all(row[k] >= row[j] for j in range(k + 1, last + 1)) for k in range(last)]
        assert found.tolist() == expected
        assert competent == next((k for k in range(last) if expected[k]), last)
        assert row[competent] >= mes or max(row) < mes  # the competent tier solves what any tier solves


@quick
@given(predicted(), st.data())
def test_the_first_tier_that_reaches_its_threshold_answers(case, data):
    tiers, p, _ = case
    tau = data.draw(st.lists(probabilities, min_size=p.shape[1], max_size=p.shape[1]))
    expected = [next((k for k, value in enumerate(row) if value >= tau[k]), len(row)) for row in p]
    assert rsd.decide_tiers(p, tau).tolist() == expected
    assert (rsd.decide_tiers(p, 1.01) == tiers.count - 1).all() and (rsd.decide_tiers(p, 0) == 0).all()
    assert (rsd.decide_tiers(p, tau[0]) == rsd.decide_tiers(p, [tau[0]] * len(tau))).all()


@quick
@given(routed(), scenarios())
def test_a_score_is_the_mean_of_its_queries(case, scenario):
    tiers, choice, own = case
    score = rsd.score_tiers(choice, **public(tiers, scenario), router_latency_s=own)
    rows = np.arange(len(tiers))
    assert close(score.rcs, worth(tiers, scenario, own)[rows, choice].mean())
    assert close(score.ca, tiers.advantage[choice].mean())
    assert close(score.apsp, (tiers.scores[rows, choice] >= scenario.mes).mean())
    assert close(score.mean_score, tiers.scores[rows, choice].mean() / 10)


@quick
@given(routed(), scenarios())
def test_a_cascade_pays_for_every_tier_it_asked_and_the_router_each_time(case, scenario):
    tiers, choice, own = case
    given_ = public(tiers, scenario) | {"cascade": True, "router_latency_s": own}
    waits = [tiers.latencies[i, : d + 1].sum() + own * min(d + 1, tiers.count - 1) for i, d in enumerate(choice)]
    found, straight = (rsd.score_tiers(choice, **given_ | {"cascade": cascade}) for cascade in (True, False))
    assert close(found.ail, np.mean(waits))
    assert (found.apsp, found.mean_score, found.ca) == (straight.apsp, straight.mean_score, straight.ca)
    # both kinds are measured against the same latency, so their RCS stand in one table
    reference = tiers.latencies[:, -1].mean()
    assert close(straight.rcs - found.rcs, scenario.gamma * (found.ail - straight.ail) / reference)


@slow
@given(predicted(), scenarios(), st.one_of(st.none(), st.just(TAU_GRID), st.lists(st.floats(0, 1.2), max_size=4)))
def test_sweep_is_score_tiers_at_each_threshold(case, scenario, taus):
    tiers, p, own = case
    given_ = public(tiers, scenario) | {"router_latency_s": own}
    curve = rsd.sweep_tiers(p, **given_, taus=taus or None)
    if not taus:
        steps = np.maximum.accumulate(p, axis=1)
        assert curve["tau"].tolist() == sorted({*steps.ravel().tolist(), 1.01})
    for row in curve.to_dict("records"):
        score = rsd.score_tiers(rsd.decide_tiers(p, row.pop("tau")), **given_).to_dict()
        assert close(row, {name: score[name] for name in row})
    assert curve["ca"].iloc[0] == 1 and curve["ca"].iloc[-1] == 0 and (curve["ca"].diff().dropna() <= 1e-12).all()


def test_advantage_from_stated_costs():
    assert rsd.cost_advantage([1, 4, 5]).tolist() == [1, 0.25, 0]
    assert rsd.cost_advantage([2, 2, 5]).tolist() == [1, 1, 0]  # two tiers of one cost
    given_ = {"scores": [[9, 9, 9]] * 4, "scenario": "fast_response"}
    assert rsd.score_tiers([0, 1, 1, 2], **given_, advantage=rsd.cost_advantage([1, 4, 5])).ca == 0.375
    assert rsd.score_tiers([0, 1, 1, 2], **given_).ca == 0.5  # evenly spaced
    assert rsd.score_tiers([0, 1, 1, 2], **given_).ail == pytest.approx((0.8 + 3.6 + 3.6 + 6.4) / 4)


# --- every routing there is ------------------------------------------------------------------------------------------


@slow
@given(tiered(max_size=5), scenarios())
def test_oracles_and_fixed_policies_against_every_routing(tiers, scenario):
    n, k = tiers.scores.shape
    every = {choice: of_choice(choice, tiers, scenario) for choice in product(range(k), repeat=n)}
    given_ = public(tiers, scenario)
    rows = rsd.reference_tiers(**given_)
    best = max(score.rcs for score in every.values())
    assert close(rows["rcs-oracle"].rcs, best)
    oracle = tuple(rsd.rcs_oracle_tiers(**given_).tolist())
    assert every[oracle] == rows["rcs-oracle"]
    fixed = [every[(tier,) * n] for tier in range(k)]
    assert [rows[f"all-at-{tier + 1}"] for tier in range(k)] == fixed
    assert rows["best-fixed"].rcs == max(score.rcs for score in fixed)
    # the label oracle solves as much as any routing does, and of those that do it has the highest advantage
    # among routings that deliver a good enough answer to every query
    competent = [
        min(d for d in range(k) if d == k - 1 or row[d] >= scenario.mes or row[d] >= max(row[d + 1 :]))
        for row in tiers.scores
    ]
    assert rows["label-oracle"] == every[tuple(competent)]
    assert rows["label-oracle"].apsp == max(score.apsp for score in every.values())


@slow
@given(tiered(max_size=5), scenarios(), st.data())
def test_random_at_equal_shares_is_the_mean_over_all_routings_of_those_shares(tiers, scenario, data):
    n, k = tiers.scores.shape
    choice = data.draw(st.lists(st.integers(0, k - 1), min_size=n, max_size=n))
    every = [c for c in product(range(k), repeat=n) if sorted(c) == sorted(choice)]
    expected = rsd.reference_tiers(**public(tiers, scenario), choice=choice)["random"]
    for name in METRICS:
        assert close(getattr(expected, name), np.mean([getattr(of_choice(c, tiers, scenario), name) for c in every]))


@pytest.mark.parametrize("cascade", [False, True])
@pytest.mark.parametrize("name", rsd.SCENARIOS)
def test_the_oracle_of_four_tiers_and_twelve_queries_beats_all_16_million_routings(name, cascade):
    rng = np.random.default_rng(3)
    waits = rng.uniform(0.2, [1, 2, 4, 8], (12, 4))
    tiers = Tiers.of(rng.integers(0, 11, (12, 4)), waits, None, cascade)
    scenario = rsd.SCENARIOS[name]
    sums = np.zeros(1)
    for row in worth(tiers, scenario):
        sums = np.add.outer(sums, row).ravel()
    assert len(sums) == 4**12
    oracle = rcs_oracle_choice(tiers, scenario)
    assert close(of_choice(oracle, tiers, scenario).rcs, sums.max() / 12)
    assert np.count_nonzero(sums > sums.max() - 1e-9) >= 1
    at = np.ravel_multi_index(oracle, (4,) * 12)
    assert close(sums[at], sums.max())  # and it is that routing


def test_ties_of_the_oracle_go_to_the_cheaper_tier_and_of_fixed_policies_to_the_dearest():
    alike = Tiers.of([[9, 9, 9]], [2, 2, 2], [1, 0, 0])
    free = rsd.Scenario(mes=6, alpha=1, beta=0, gamma=0)
    assert rcs_oracle_choice(alike, free).tolist() == [0]
    assert best_fixed_tier(list(fixed_rows(alike, free).values())) == 2
    assert rsd.reference_tiers(scores=[[9, 9]], latencies=[2, 2], scenario=free)["best-fixed"].ca == 0


def test_a_cascade_goes_on_only_where_the_way_there_pays():
    # tier 2 alone answers in 2 s and is worth its time; by way of a slow tier 1 it takes 10 s, and is not
    scenario = rsd.Scenario(mes=6, alpha=0.5, beta=0.1, gamma=0.4)
    slow_start = {"scores": [[0, 9, 9]], "latencies": [8, 2, 8], "scenario": scenario, "advantage": [1, 0, 0]}
    assert rsd.rcs_oracle_tiers(**slow_start).tolist() == [1]
    assert rsd.rcs_oracle_tiers(**slow_start, cascade=True).tolist() == [1]  # 0.5 - 0.4 x 10/8 > 0.1 - 0.4 x 8/8
    slower = slow_start | {"latencies": [1, 10, 8]}
    assert rsd.rcs_oracle_tiers(**slower, cascade=True).tolist() == [0]
    rows = rsd.reference_tiers(**slower, cascade=True)
    assert [rows[f"all-at-{k}"].ail for k in (1, 2, 3)] == [1, 11, 19]
    assert rows["all-at-3"].rcs == pytest.approx(0.5 + 0.4 * (1 - 19 / 8))  # against the 8 s of tier 3 alone
