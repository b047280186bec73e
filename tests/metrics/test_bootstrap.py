"""Intervals are what ranks rest on: they must be reproducible, cover the truth, and respect groups.

Boards elsewhere ranked routers whose differences no resample could tell apart, or resampled queries that share an image
as if they were independent. Here the fast code meets a plain loop; `test_coverage.py` meets a simulated truth.
"""

import tracemalloc
from contextlib import ExitStack

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rsd_bench as rsd
from rsd_bench.config import MIN_BAND_GROUPS, MIN_GROUPS, N_BUNDLES
from rsd_bench.metrics.arrays import group_codes
from rsd_bench.metrics.bootstrap import group_sums, interval, rank_bands, resample_sums, resampling_units

quick = settings(deadline=None, max_examples=50, derandomize=True)
MANY = 10**6  # groups of which no correction for few is left
METRICS = ("apsp", "mean_score", "ca", "ail", "rcs")


def few_patterns(n_groups=400, seed=0):
    """Group sums with 6 distinct rows at most."""
    rng = np.random.default_rng(seed)
    solved = rng.integers(0, 3, n_groups)
    return np.column_stack([np.full(n_groups, 4.0), solved, solved * rng.integers(1, 3, n_groups)])


def many_patterns(n_groups=400, seed=0):
    """Group sums that are all different."""
    return np.column_stack([few_patterns(n_groups, seed), np.random.default_rng(seed + 1).exponential(2, n_groups)])


def plain_bootstrap(sums, n_boot, seed):
    """The definition: draw as many groups as there are, with replacement, and add them up."""
    rng = np.random.default_rng(seed)
    return np.array([sums[rng.integers(0, len(sums), len(sums))].sum(axis=0) for _ in range(n_boot)])


def outcomes(n=300, seed=0, measured=True):
    rng = np.random.default_rng(seed)
    latency = {"small_latency": rng.uniform(0.2, 1, n), "large_latency": rng.uniform(2, 9, n)} if measured else {}
    quarter = np.array([0, 2.5, 5, 7.5, 10])
    small, large = rng.choice(quarter, n), rng.choice(quarter, n, p=[0.1, 0.1, 0.1, 0.3, 0.4])
    return {"small": small, "large": large, **latency, "scenario": "fast_response"}


def routes(n=300, seed=1):
    rng = np.random.default_rng(seed)
    return rng.random(n) < 0.6, rng.random(n) < 0.3


# --- the resamples -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [few_patterns, many_patterns])
def test_samples_agree_with_a_plain_loop(make):
    sums = make()
    ours, plain = resample_sums(sums, 8000, seed=3), plain_bootstrap(sums, 8000, seed=4)
    spread = plain.std(axis=0)
    # two means of 8,000 draws differ by sd * sqrt(2 / 8000) = 0.016 sd; two sds by about 1.1 %
    assert (np.abs(ours.mean(axis=0) - plain.mean(axis=0)) <= 0.06 * spread + 1e-9).all()
    np.testing.assert_allclose(ours.std(axis=0), spread, rtol=0.05, atol=1e-9)
    # a column that is the same in every group does not vary; the others' quantiles and correlations agree
    assert (ours[:, 0] == 4 * len(sums)).all()
    for tail in (0.025, 0.975):
        assert (
            np.abs(np.quantile(ours, tail, axis=0) - np.quantile(plain, tail, axis=0)) <= 0.15 * spread + 1e-9
        ).all()
    np.testing.assert_allclose(np.corrcoef(ours[:, 1:].T), np.corrcoef(plain[:, 1:].T), atol=0.05)


@pytest.mark.parametrize("make", [few_patterns, many_patterns])
def test_spread_is_that_of_theory(make):
    sums = make()
    theory = np.sqrt(len(sums)) * sums.std(axis=0)  # a sum of G independent draws from the G rows
    np.testing.assert_allclose(resample_sums(sums, 8000, seed=5).std(axis=0), theory, rtol=0.05, atol=1e-9)


@pytest.mark.parametrize("make", [few_patterns, many_patterns])
def test_same_seed_same_samples_other_seed_other_samples(make):
    sums = make()
    assert (resample_sums(sums, 500, seed=7) == resample_sums(sums, 500, seed=7)).all()
    assert (resample_sums(sums, 500, seed=7) != resample_sums(sums, 500, seed=8)).any()


@pytest.mark.parametrize("make", [few_patterns, many_patterns])
def test_every_resample_is_drawn_and_none_twice_over(make):
    # a chunk written twice, or one left empty, would show as equal or as zero rows
    sums = make(n_groups=3000)
    samples = resample_sums(sums, 1001, seed=0)
    assert samples.shape == (1001, sums.shape[1]) and (samples[:, 0] == 12_000).all()
    if make is many_patterns:
        assert len(np.unique(samples, axis=0)) == 1001


def test_one_group_has_no_spread():
    # seven queries of one group gave "+0.22 [+0.22, +0.22]", and a board called that proof
    for groups in range(1, MIN_GROUPS):
        assert np.isnan(resample_sums(np.arange(groups * 2.0).reshape(groups, 2), 50)).all()
    assert np.isfinite(resample_sums(np.arange(MIN_GROUPS * 2.0).reshape(MIN_GROUPS, 2), 50)).all()
    small, large = np.full(7, 10.0), np.zeros(7)
    found = rsd.compare(
        np.ones(7), np.zeros(7), small=small, large=large, scenario="fast_response", groups=np.zeros(7), n_boot=50
    )
    assert found.difference > 0 and not found.separable
    assert np.isnan([found.low, found.high]).all()
    values, samples = np.array([0.9, 0.1]), np.full((50, 2), np.nan)
    assert rank_bands(values, samples, 1).tolist() == [1, 1]


@quick
@given(st.lists(st.tuples(st.integers(0, 4), st.integers(-9, 9)), min_size=1, max_size=30))
def test_group_sums_are_sums_by_group(rows):
    codes, values = group_codes([g for g, _ in rows], len(rows)), np.array([[1.0, v] for _, v in rows])
    sums = group_sums(values, codes)
    assert sums.shape == (len({g for g, _ in rows}), 2)
    for code, group in enumerate(dict.fromkeys(g for g, _ in rows)):
        assert sums[code].tolist() == [sum(g == group for g, _ in rows), sum(v for g, v in rows if g == group)]


# --- compare -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("measured", [True, False])
def test_same_seed_same_intervals(measured):
    (a, b), data = routes(), outcomes(measured=measured)
    first, again, other = (rsd.compare(a, b, **data, n_boot=500, seed=seed) for seed in (1, 1, 2))
    assert first == again and first.rcs != other.rcs
    assert first.rcs.value == other.rcs.value  # the difference itself is no matter of chance


@pytest.mark.parametrize("n", [12, 50, 300, 3000])
@pytest.mark.parametrize("per_group", [1, 3])
def test_equal_routes_differ_by_exactly_0(n, per_group):
    # a matrix product may round two equal columns differently: intervals of +-1e-16 were seen here
    a, _ = routes(n)
    result = rsd.compare(a, a.astype(int), **outcomes(n), groups=np.arange(n) // per_group, n_boot=500)
    for metric in METRICS:
        assert getattr(result, metric).to_dict() == {"value": 0.0, "low": 0.0, "high": 0.0}
    assert not result.separable


def test_values_are_differences_of_the_scores_and_swapping_the_routers_flips_the_sign():
    (a, b), data = routes(), outcomes()
    one, other = rsd.compare(a, b, **data, n_boot=500), rsd.compare(b, a, **data, n_boot=500)
    scores = rsd.score_routing(a, **data), rsd.score_routing(b, **data)
    assert (one.a, one.b) == scores == (other.b, other.a)
    for metric in METRICS:
        here, there = getattr(one, metric), getattr(other, metric)
        assert here.value == getattr(scores[0], metric) - getattr(scores[1], metric)
        assert here.low <= here.value <= here.high
        assert there.value == pytest.approx(-here.value)
    assert (one.difference, one.low, one.high) == (one.rcs.value, one.rcs.low, one.rcs.high)


def test_names_of_groups_do_not_matter():
    (a, b), data = routes(), outcomes()
    codes = np.random.default_rng(5).integers(0, 90, 300)
    names = np.random.default_rng(6).permutation(90)
    results = [rsd.compare(a, b, **data, n_boot=400, groups=g) for g in (codes, names[codes], [f"g{c}" for c in codes])]
    assert results[0] == results[1] == results[2]
    assert results[0].n_groups == len(np.unique(codes))


def test_order_of_queries_does_not_matter():
    # the groups are drawn in another order: equal up to the noise of the resampling
    (a, b), data = routes(), outcomes()
    codes, order = np.arange(300) // 2, np.random.default_rng(3).permutation(300)
    moved = {k: v[order] if isinstance(v, np.ndarray) else v for k, v in data.items()}
    one = rsd.compare(a, b, **data, n_boot=8000, groups=codes)
    other = rsd.compare(a[order], b[order], **moved, n_boot=8000, groups=codes[order])
    np.testing.assert_allclose([one.low, one.high], [other.low, other.high], atol=0.08 * (one.high - one.low))


def test_pairing_is_used():
    # routers that agree almost everywhere: unpaired, their difference would drown in the spread of the queries
    data = outcomes(3000, measured=False)
    a, _ = routes(3000)
    b = a.copy()
    b[:30] = ~b[:30]
    paired = rsd.compare(a, b, **data, n_boot=500)
    alone = [rsd.compare(r, np.zeros(3000), **data, n_boot=500).apsp for r in (a, b)]
    assert (paired.apsp.high - paired.apsp.low) < 0.3 * min(one.high - one.low for one in alone)


def test_a_clear_difference_is_separable_and_a_hair_is_not():
    n = 600
    data = {"small": np.full(n, 2.0), "large": np.full(n, 9.0), "scenario": "high_quality"}
    wide = rsd.compare(np.zeros(n), np.arange(n) % 2, **data, n_boot=500)
    assert wide.separable and wide.low > 0
    assert rsd.compare(np.arange(n) % 2, np.zeros(n), **data, n_boot=500).high < 0
    hair = rsd.compare(np.zeros(n), np.arange(n) < 1, **data, n_boot=500)
    assert not hair.separable and hair.difference > 0


# --- the interval and the bands ------------------------------------------------------------------------------------


def test_interval_of_many_groups_is_the_farther_of_percentile_and_student():
    found = interval(500, np.arange(1001.0), MANY)  # a flat distribution: 1.96 standard deviations reach beyond it
    half = 1.959964 * np.arange(1001.0).std()
    assert (found.value, found.low, found.high) == (500, *(pytest.approx(500 + x, abs=1e-2) for x in (-half, half)))
    skewed = np.random.default_rng(0).exponential(1, 100_001)
    found = interval(1, skewed, MANY)
    assert found.low == pytest.approx(1 - 1.959964 * skewed.std(), abs=1e-4)  # the percentile, 0.025, is nearer
    assert found.high == pytest.approx(np.quantile(skewed, 0.975), abs=1e-4)  # 3.69; the other is 2.96
    assert interval(1, skewed, MANY, (0, 3)).low == 0 and interval(1, skewed, MANY, (0, 3)).high == 3


def test_interval_of_few_groups_is_that_of_student():
    # the mean of five numbers: the textbook's interval is mean -+ 2.776 sd / sqrt(5), sd with divisor 4
    values = np.array([3.0, 5.0, 4.0, 8.0, 5.0])
    samples = resample_sums(values[:, None], 20_000)[:, 0] / 5
    found = interval(values.mean(), samples, 5)
    half = 2.776445 * values.std(ddof=1) / 5**0.5
    assert found.value - found.low == pytest.approx(half, rel=0.02)
    assert found.high - found.value >= half * 0.98  # skewed upwards: the scaled percentile may reach farther
    bounds = [interval(values.mean(), samples, groups).high for groups in (2, 3, 5, 10, 50)]
    assert bounds == sorted(bounds, reverse=True)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_no_interval_or_band_comes_from_a_resample_that_is_no_number(bad):
    # one bad resample of 2,000 put all routers into band 1 and emptied intervals, with only a RuntimeWarning
    samples = noise(2)
    samples[7, 0] = bad
    with pytest.raises(ValueError, match="a resample has no finite score"):
        interval(0, samples[:, 0], 31)
    with pytest.raises(ValueError, match="a resample has no finite score"):
        rank_bands(np.array([10.0, 0.0]), samples, 31)


def test_few_groups_claim_no_band_and_the_next_ones_a_careful_one():
    # five groups split ten equal routers in more than half of all runs
    values = np.array([100.0, 0.0])
    samples = values + noise(2)
    assert rank_bands(values, samples, MIN_BAND_GROUPS - 1).tolist() == [1, 1]
    assert rank_bands(values, samples, MIN_BAND_GROUPS).tolist() == [1, 2]
    near = np.array([3.0, 0.0])  # 2.12 standard deviations: enough for many groups (1.96), not for ten (2.26 x 1.05)
    assert rank_bands(near, near + noise(2), MANY).tolist() == [1, 2]
    assert rank_bands(near, near + noise(2), 10).tolist() == [1, 1]


def noise(n_routers, n_boot=2000, seed=0):
    return np.random.default_rng(seed).normal(0, 1, (n_boot, n_routers))


def test_rank_bands_of_well_separated_routers_are_ranks():
    values = np.array([10.0, 30.0, 20.0])
    assert rank_bands(values, values + noise(3), MANY).tolist() == [3, 1, 2]


def test_routers_that_no_interval_tells_apart_share_a_band():
    values = np.array([0.1, 0.3, 0.2])
    assert rank_bands(values, values + noise(3), MANY).tolist() == [1, 1, 1]


def test_a_band_is_measured_against_its_leader_not_its_neighbour():
    # the paired sd of two such routers is 1.41, so 2.8 is what separates. 4 and 2 share a band and 2 and 0 would, but
    # 0 is told apart from the leader 4: neighbours chained together would make one band of everything
    values = np.array([4.0, 2.0, 0.0])
    assert rank_bands(values, values + noise(3), MANY).tolist() == [1, 1, 2]


def test_bands_of_many_equal_routers_do_not_split_by_chance():
    # 60 routers without any true difference: one pointwise 95 % interval each would split off some in most draws
    split = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        values = rng.normal(0, 1, 60)
        split += rank_bands(values, values + noise(60, n_boot=1000, seed=seed), MANY).max() > 1
    assert split <= 6  # 5 % of 40 are 2; seven or more would be a chance of 0.3 %


def test_bands_use_the_paired_difference():
    # both vary widely, but together: a tiny constant lead is certain
    shared = np.random.default_rng(0).normal(0, 5, (500, 1))
    values = np.array([0.01, 0.0])
    assert rank_bands(values, values + shared, MANY).tolist() == [1, 2]


def test_equal_routers_share_a_band_and_one_router_leads_it():
    shared = np.random.default_rng(0).normal(0, 5, (500, 1))
    assert rank_bands(np.zeros(3), np.repeat(shared, 3, axis=1), MANY).tolist() == [1, 1, 1]
    assert rank_bands(np.array([0.4]), shared, MANY).tolist() == [1]


@quick
@given(st.lists(st.floats(-3, 3), min_size=1, max_size=8), st.randoms(use_true_random=False))
def test_bands_fall_with_the_value_have_no_gaps_and_do_not_depend_on_order(values, random):
    values = np.array(values)
    samples = values + noise(len(values), n_boot=200)
    bands = rank_bands(values, samples, MANY)
    ordered = bands[np.argsort(-values, kind="stable")]
    assert ordered[0] == 1 and set(np.diff(ordered).tolist()) <= {0, 1}
    if len(set(values.tolist())) == len(values):
        order = np.array(random.sample(range(len(values)), len(values)))
        assert (rank_bands(values[order], samples[:, order], MANY) == bands[order]).all()


# --- memory --------------------------------------------------------------------------------------------------------


def peak_megabytes(work):
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1] / 1e6
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("measured", [True, False])
def test_memory_of_a_large_comparison_is_bounded(measured):
    n = 100_000
    (a, b), data = routes(n), outcomes(n, measured=measured)
    groups = np.random.default_rng(2).integers(0, 5000, n)
    assert peak_megabytes(lambda: rsd.compare(a, b, **data, groups=groups, n_boot=2000)) < 200


def test_the_table_of_draws_is_bounded():
    # 80,000 groups x 2,000 resamples would take 320 MB of 16-bit counts; the bundles take 20 MB
    sums = np.random.default_rng(0).random((80_000, 3))
    assert peak_megabytes(lambda: resample_sums(sums, 2000, seed=0)) < 64


# --- bundles -------------------------------------------------------------------------------------------------------


def test_bundles_keep_the_total_and_are_of_equal_size():
    sums = np.column_stack([np.ones(12_345), np.random.default_rng(0).random(12_345)])
    units = resampling_units(np.arange(len(sums)), seed=1)
    bundles = group_sums(sums, units)
    assert len(bundles) == N_BUNDLES and set(bundles[:, 0]) == {2, 3}
    np.testing.assert_allclose(bundles.sum(axis=0), sums.sum(axis=0))
    assert (resampling_units(np.arange(N_BUNDLES)) == np.arange(N_BUNDLES)).all()
    assert (resampling_units(np.arange(len(sums)), seed=1) == units).all()
    assert (resampling_units(np.arange(len(sums)), seed=2) != units).any()
    groups = np.arange(len(sums)) // 2  # queries of a group stay together
    assert (resampling_units(groups)[::2][:6000] == resampling_units(groups)[1::2][:6000]).all()
    # whole table first or bundles first: the same samples
    assert np.allclose(resample_sums(sums, 50, seed=1), resample_sums(bundles, 50, seed=1))


def test_bundled_samples_have_the_spread_that_theory_gives_and_the_shape_of_a_plain_loop():
    rng = np.random.default_rng(3)
    sums = np.column_stack([rng.random(20_000) < 0.01, rng.exponential(2, 20_000)]).astype(float)
    ours, plain = resample_sums(sums, 6000, seed=5), plain_bootstrap(sums, 1500, seed=6)
    theory = np.sqrt(len(sums)) * sums.std(axis=0)
    np.testing.assert_allclose(ours.std(axis=0), theory, rtol=0.05)
    for tail in (0.025, 0.5, 0.975):
        gap = np.abs(np.quantile(ours, tail, axis=0) - np.quantile(plain, tail, axis=0))
        assert (gap <= 0.2 * theory).all()


def test_bundled_routers_stay_paired():
    n = 20_000
    a = (np.random.default_rng(0).random(n) < 0.5).astype(float)
    b = a.copy()
    b[:20] = 1 - b[:20]
    one, other = (resample_sums(x[:, None], 500, seed=1) for x in (a, b))
    assert (one - other).std() < 0.1 * one.std()


def test_users_of_the_blas_limit_at_the_same_time_leave_it_as_it_was() -> None:
    """Bands of several tables are made side by side: the last to finish must give the threads back."""
    from threadpoolctl import threadpool_info

    from rsd_bench.metrics.bootstrap import _ONE_THREAD

    def threads() -> list[int]:
        return [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]

    before = threads()
    first, second = ExitStack(), ExitStack()
    first.enter_context(_ONE_THREAD)
    second.enter_context(_ONE_THREAD)
    assert set(threads()) == {1}
    first.close()
    assert set(threads()) == {1}
    second.close()
    assert threads() == before
