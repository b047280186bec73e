"""What a routing wastes, saves and captures, with intervals, against plain loops over queries and resamples.

RouterArena took the cost of a submission from its author, and a row of 40 tokens each made a false first place; here
savings come from the costs of the outcomes, and queries without a cost are refused, not left out of the mean.
"""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rsd_bench as rsd
from rsd_bench.endpoints.prices import Price
from rsd_bench.metrics.bootstrap import interval, resample_sums
from rsd_bench.metrics.calibration import auroc
from rsd_bench.metrics.routing import RANGES
from rsd_bench.metrics.tier_intervals import TIER_RANGES

quick = settings(deadline=None, max_examples=60, derandomize=True)
scores = st.sampled_from([0.0, 5.0, 6.0, 8.0, 10.0])


@st.composite
def routed(draw, max_size=12):
    n, k = draw(st.integers(1, max_size)), draw(st.integers(2, 4))
    rows = st.lists(scores, min_size=k, max_size=k)
    table = np.array(draw(st.lists(rows, min_size=n, max_size=n)))
    choice = draw(st.lists(st.integers(0, k - 1), min_size=n, max_size=n))
    return np.array(choice), table


def data(n=240, k=3, groups=60, seed=0):
    """A routing of n queries in groups, with clocked latencies and costs."""
    rng = np.random.default_rng(seed)
    return {
        "choice": rng.integers(0, k, n),
        "scores": rng.integers(0, 11, (n, k)).astype(float),
        "latencies": rng.uniform(0.2, 1, (n, k)) * 2.0 ** np.arange(k),
        "costs": rng.uniform(0.5, 1, (n, k)) * 3.0 ** np.arange(k) / 1000,
        "groups": rng.integers(0, groups, n),
        "scenario": "fast_response",
        "router_latency_s": 0.016,
    }


# --- plain functions -------------------------------------------------------------------------------------------------


@quick
@given(routed())
def test_escalation_counts_queries_above_and_below_their_competent_tier(case):
    choice, table = case
    found = rsd.escalation(choice, scores=table, mes=6)
    last = table.shape[1] - 1
    competent = [next((k for k in range(last) if r[k] >= 6 or r[k] >= max(r[k + 1 :])), last) for r in table]
    assert found.over == np.mean([d > c for d, c in zip(choice, competent, strict=True)])
    assert found.under == np.mean([d < c for d, c in zip(choice, competent, strict=True)])
    assert rsd.escalation(competent, scores=table, mes=6) == rsd.Escalation(0, 0)
    if last == 1:  # of two tiers in the words of the label
        edge = rsd.label(*table.T, 6) == 1
        assert (found.over, found.under) == (np.mean((choice == 1) & edge), np.mean((choice == 0) & ~edge))


@quick
@given(routed(), st.booleans())
def test_savings_per_1000_queries_against_the_largest_model(case, cascade):
    choice, table = case
    n, k = table.shape
    costs = np.random.default_rng(0).uniform(0, 0.02, (n, k))
    spent = sum(sum(costs[i, : d + 1]) if cascade else costs[i, d] for i, d in enumerate(choice))
    expected = (costs[:, -1].sum() - spent) / n * 1000
    assert rsd.saved_usd(choice, costs=costs, cascade=cascade) == pytest.approx(expected)
    assert rsd.saved_calls(choice, tiers=k) == pytest.approx(1000 * np.mean(choice < k - 1))


def test_costs_from_tokens_and_prices():
    read, written = np.array([1000.0, 400.0]), np.array([200.0, 50.0])
    large = Price(input=2.5, output=10).of(read, written)
    small = Price(input=0.1, output=0.4).of(read, written)
    costs = np.column_stack([small, large])
    assert costs[0].tolist() == pytest.approx([0.00018, 0.0045])
    assert rsd.saved_usd([0, 1], costs=costs) == pytest.approx(1000 * (0.0045 - 0.00018) / 2)
    assert rsd.saved_usd([0, 1], costs=costs, cascade=True) == pytest.approx(1000 * (0.0045 - 0.00018 - small[1]) / 2)
    assert rsd.saved_usd([0, 0, 1], costs=[0.001, 0.004]) == pytest.approx(2)  # one price for every query


def test_captured_is_the_share_of_the_room():
    assert rsd.captured(0.55, best_fixed=0.5, rcs_oracle=0.7) == pytest.approx(0.25)
    assert rsd.captured(0.4, best_fixed=0.5, rcs_oracle=0.7) == pytest.approx(-0.5)
    assert math.isnan(rsd.captured(0.5, best_fixed=0.5, rcs_oracle=0.5))


def test_auroc_of_each_tier():
    rng = np.random.default_rng(0)
    table, p = rng.integers(0, 11, (50, 4)).astype(float), rng.random((50, 3)).round(1)
    labels = rsd.label_tiers(table, 6)
    found = rsd.auroc_tiers(p, scores=table, mes=6)
    assert found.tolist() == [auroc(p[:, k], labels[:, k]) for k in range(3)]
    pairs = [(a > b) + (a == b) / 2 for a in p[labels[:, 1] == 1, 1] for b in p[labels[:, 1] == 0, 1]]
    assert found[1] == pytest.approx(np.mean(pairs))
    alike = rsd.auroc_tiers([[0.1, 0.2], [0.3, 0.4]], scores=[[9, 0, 9], [9, 9, 9]], mes=6)
    assert math.isnan(alike[0]) and alike[1] == 1  # tier 1 is good enough for both
    assert rsd.auroc_tiers([0.1, 0.9], scores=[[0, 9], [9, 9]], mes=6).tolist() == [1]


# --- intervals -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cascade", [False, True])
def test_values_are_those_of_the_plain_functions(cascade):
    of = data()
    found = rsd.tier_intervals(**of, cascade=cascade, n_boot=50)
    given_ = {name: of[name] for name in ("scores", "latencies", "scenario")}
    score = rsd.score_tiers(of["choice"], **given_, cascade=cascade, router_latency_s=0.016)
    assert {name: found[name].value for name in RANGES} == pytest.approx(
        {name: value for name, value in score.to_dict().items() if name != "n"}
    )
    fixed = rsd.reference_tiers(**given_)["best-fixed"].rcs
    oracle = rsd.reference_tiers(**given_, cascade=cascade)["rcs-oracle"].rcs
    assert found["gain"].value == pytest.approx(score.rcs - fixed)
    assert found["captured"].value == pytest.approx(rsd.captured(score.rcs, best_fixed=fixed, rcs_oracle=oracle))
    wasted = rsd.escalation(of["choice"], scores=of["scores"], mes=6)
    assert (found["over_escalated"].value, found["under_escalated"].value) == pytest.approx((wasted.over, wasted.under))
    assert found["saved_calls"].value == pytest.approx(rsd.saved_calls(of["choice"], tiers=3))
    saved = rsd.saved_usd(of["choice"], costs=of["costs"], cascade=cascade)
    assert found["saved_usd"].value == pytest.approx(saved)
    assert list(found) == list(TIER_RANGES)
    assert all(each.low <= each.value <= each.high for each in found.values())
    assert "saved_usd" not in rsd.tier_intervals(**of | {"costs": None}, n_boot=5)


def test_resamples_are_those_of_a_plain_loop():
    of = data(n=90, groups=20)
    codes = np.unique(of["groups"], return_inverse=True)[1]
    of["groups"], n_groups = codes, int(codes.max()) + 1
    found = rsd.tier_intervals(**of, n_boot=400)
    given_ = {name: of[name] for name in ("scores", "latencies", "scenario")}
    oracle, fixed = rsd.rcs_oracle_tiers(**given_), rsd.reference_tiers(**given_)
    best = max(range(3), key=lambda k: fixed[f"all-at-{k + 1}"].rcs)
    samples = []
    # groups are numbered as they first occur, which is how the draws name them
    first = {int(code): i for i, code in enumerate(dict.fromkeys(codes.tolist()))}
    for drawn in resample_sums(np.eye(n_groups), 400, 0).astype(int):
        rows = np.repeat(np.arange(90), [drawn[first[int(code)]] for code in codes])
        taken = {"scores": of["scores"][rows], "latencies": of["latencies"][rows], "scenario": "fast_response"}
        own = rsd.score_tiers(of["choice"][rows], **taken, router_latency_s=0.016).rcs
        low = rsd.score_tiers(np.full(len(rows), best), **taken).rcs
        top = rsd.score_tiers(oracle[rows], **taken).rcs
        usd = rsd.saved_usd(of["choice"][rows], costs=of["costs"][rows])
        over = rsd.escalation(of["choice"][rows], scores=taken["scores"], mes=6).over
        samples.append([own - low, (own - low) / (top - low), usd, over])
    for name, column in zip(("gain", "captured", "saved_usd", "over_escalated"), np.array(samples).T, strict=True):
        expected = interval(found[name].value, column, n_groups, TIER_RANGES[name])
        assert found[name].to_dict() == pytest.approx(expected.to_dict(), abs=1e-9), name


@pytest.mark.parametrize("cascade", [False, True])
def test_repeats_are_averaged_and_resampled_together(cascade):
    of = data()
    each = [np.random.default_rng(seed).integers(0, 3, 240) for seed in (1, 2, 3)]
    found = rsd.tier_intervals(**of | {"choice": np.column_stack(each)}, cascade=cascade)
    single = [rsd.tier_intervals(**of | {"choice": choice}, cascade=cascade) for choice in each]
    for name in TIER_RANGES:
        assert found[name].value == pytest.approx(np.mean([one[name].value for one in single])), name
        width, widest = (
            of.high - of.low for of in (found[name], max((one[name] for one in single), key=lambda i: i.high - i.low))
        )
        assert 0 < width < widest, name  # deciding at random three times evens out; groups do not
    alike = rsd.tier_intervals(**of | {"choice": np.column_stack([each[0]] * 2)}, cascade=cascade)
    for name, once in single[0].items():
        assert alike[name].to_dict() == pytest.approx(once.to_dict()), name


def test_a_repeat_that_is_wrong_is_named():
    with pytest.raises(ValueError, match=r"^choice, repeat 1\[0\]: 3 is not a tier"):
        rsd.tier_intervals(**data(n=2) | {"choice": [[0, 3], [1, 2]]})
    with pytest.raises(ValueError, match=r"^choice: has no repeat"):
        rsd.tier_intervals(**data(n=2) | {"choice": np.empty((2, 0))})


def test_gain_of_two_tiers_is_what_compare_gives():
    of = data(k=2)
    small, large = of["scores"].T
    pair = {
        "small": small,
        "large": large,
        "small_latency": of["latencies"][:, 0],
        "large_latency": of["latencies"][:, 1],
    }
    best = rsd.reference_tiers(**{name: of[name] for name in ("scores", "latencies", "scenario")})
    route_b = np.full(len(small), best["best-fixed"].ca == 1)
    expected = rsd.compare(
        of["choice"] == 0,
        route_b,
        **pair,
        scenario="fast_response",
        router_latency_a_s=0.016,
        groups=of["groups"],
        n_boot=300,
    )
    found = rsd.tier_intervals(**of, n_boot=300)["gain"].to_dict()
    assert found == pytest.approx(expected.rcs.to_dict(), abs=1e-12)


def test_gain_of_a_cascade_is_over_who_goes_straight_to_the_large_model():
    # by way of the small model all-cloud would take 7.2 s, and a cascade would gain what it only makes itself lose
    given_ = {"scores": [[0, 9], [0, 9], [9, 9], [0, 9]], "scenario": "high_quality"}
    found = rsd.tier_intervals([1, 1, 0, 1], **given_, cascade=True, n_boot=20)
    straight, climbing = (rsd.reference_tiers(**given_, cascade=way)["all-at-2"].rcs for way in (False, True))
    own = rsd.score_tiers([1, 1, 0, 1], **given_, cascade=True).rcs
    assert straight == 0.9 > climbing
    assert found["gain"].value == pytest.approx(own - straight)


def test_no_room_to_gain_is_no_share():
    of = data() | {"scores": np.full((240, 3), 9.0), "latencies": [1, 2, 4]}
    found = rsd.tier_intervals(**of, n_boot=50)["captured"]
    assert all(math.isnan(value) for value in found.to_dict().values())


# --- arguments -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "costs", [[[1, 2], [1, np.nan]], [[1, 2]], [[1], [2]], [1], 0.5, None, [[1, -2], [1, 2]], "usd", [[1, 2], [1]], []]
)
def test_costs_are_usd_of_every_tier_for_every_query(costs):
    with pytest.raises(ValueError, match=r"^costs\b"):
        rsd.saved_usd([0, 1], costs=costs)
    if costs is not None:
        with pytest.raises(ValueError, match=r"^costs\b"):
            rsd.tier_intervals([0, 1], scores=[[1, 2], [3, 4]], scenario="fast_response", costs=costs)


@pytest.mark.parametrize(
    ("work", "name"),
    [
        (lambda: rsd.saved_calls([0, 2]), "choice"),
        (lambda: rsd.saved_calls([0, 1], tiers=1), "tiers"),
        (lambda: rsd.saved_calls([True, False]), "choice"),
        (lambda: rsd.saved_usd([0, 2], costs=[1, 2]), "choice"),
        (lambda: rsd.saved_usd([0, 1], costs=[1, 2], cascade="no"), "cascade"),
        (lambda: rsd.escalation([0, 2], scores=[[1, 2], [3, 4]], mes=6), "choice"),
        (lambda: rsd.escalation([0, 1], scores=[[1, np.nan], [3, 4]], mes=6), "scores"),
        (lambda: rsd.escalation([0, 1], scores=[[1, 2], [3, 4]], mes=-1), "mes"),
        (lambda: rsd.captured(np.nan, best_fixed=0.5, rcs_oracle=0.6), "rcs"),
        (lambda: rsd.captured(0.5, best_fixed="half", rcs_oracle=0.6), "best_fixed"),
        (lambda: rsd.captured(0.5, best_fixed=0.5, rcs_oracle=[0.6]), "rcs_oracle"),
        (lambda: rsd.auroc_tiers([0.5, 1.5], scores=[[1, 2], [3, 4]], mes=6), "p"),
        (lambda: rsd.auroc_tiers([0.5, 0.5], scores=[[1, 2, 3], [3, 4, 5]], mes=6), "p"),
        (lambda: rsd.tier_intervals(**data(n=12) | {"groups": [1]}), "groups"),
        (lambda: rsd.tier_intervals(**data(n=12), n_boot=0), "n_boot"),
        (lambda: rsd.tier_intervals(**data(n=12), seed=-1), "seed"),
        (lambda: rsd.tier_intervals(**data(n=12) | {"latencies": np.eye(12, 3)}), "latencies"),
    ],
)
def test_a_wrong_value_is_refused_by_name(work, name):
    with pytest.raises(ValueError, match=rf"^{name}\b"):
        work()
