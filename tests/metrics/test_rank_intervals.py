"""The quick ways to resample lift, skill, AUROC and APSP at a CA, against sorting and summing every resample anew.

A shortcut whose intervals are too narrow calls routers different that are not. Widths stay within 5 % of brute force
where influence functions are used; where the curve is resampled, resamples are those of brute force.
"""

import math

import numpy as np
import pytest

import rsd_bench as rsd
from rsd_bench.config import CA_POINTS, CURVE_POINTS, MIN_LINEAR_GROUPS
from rsd_bench.metrics.bootstrap import group_sums, interval, resample_sums
from rsd_bench.metrics.calibration import auroc
from rsd_bench.metrics.rank_intervals import RANK_RANGES, RankTerms, curve_figures, curve_sums

MES, N_BOOT = 6, 1500


def world(groups, seed, signal=True, decimals=16):
    """p, outcomes and groups whose members resemble each other; p rounded has ties."""
    rng = np.random.default_rng((seed, groups))
    codes = np.repeat(np.arange(groups), rng.geometric(0.4, groups))

    def shared():
        return np.where(rng.random(len(codes)) < 0.5, rng.random(groups)[codes], rng.random(len(codes)))

    small, large = np.floor(11 * shared()), np.floor(11 * np.sqrt(shared()))
    p = ((small / 10 if signal else shared()) + shared()).round(decimals) / 2
    return p, {"small": small, "large": large, "mes": MES}, codes


def judged(p, data):
    small, large = (data[name] >= MES for name in ("small", "large"))
    return p, small, large, rsd.label(data["small"], data["large"], MES)


def brute_force(p, data, codes, drawn):
    """Every figure of one resample: its queries are laid out as often as their group was drawn."""
    rows = np.repeat(np.arange(len(p)), drawn[codes])
    taken = {name: data[name][rows] for name in ("small", "large")} | {"mes": MES}
    found, table = rsd.lift(p[rows], **taken), rsd.apsp_at_ca(p[rows], **taken)
    rank = auroc(p[rows], rsd.label(taken["small"], taken["large"], MES))
    return [found.lift, found.skill, math.nan if rank is None else rank, *table["apsp"], *table["gain"]]


def draws(groups, n_boot):
    """How often each group stands in each resample, shape (n_boot, groups)."""
    return resample_sums(np.eye(groups), n_boot, 0).astype(int)


def resampled(p, data, codes):
    drawn = draws(int(codes.max()) + 1, N_BOOT)
    return dict(zip(RANK_RANGES, np.array([brute_force(p, data, codes, one) for one in drawn]).T, strict=True))


@pytest.mark.parametrize(("groups", "decimals"), [(10, 16), (31, 16), (31, 1), (MIN_LINEAR_GROUPS - 1, 1)])
def test_of_few_groups_resamples_are_those_of_brute_force(groups, decimals):
    case = world(groups, 0, decimals=decimals)
    found = curve_figures(resample_sums(curve_sums(*judged(*case[:2]), case[2]), N_BOOT, 0))
    for name, expected in resampled(*case).items():
        np.testing.assert_allclose(found[name], expected, atol=1e-9, err_msg=name)


def test_a_curve_of_many_points_is_thinned_and_still_the_same_to_a_thousandth():
    rng = np.random.default_rng(0)
    codes = np.repeat(np.arange(20), 200)
    small, large = rng.integers(0, 11, len(codes)).astype(float), rng.integers(3, 11, len(codes)).astype(float)
    case = (small / 10 + rng.random(len(codes))) / 2, {"small": small, "large": large, "mes": MES}, codes
    sums = curve_sums(*judged(*case[:2]), case[2])
    assert sums.shape == (20, 3 + 3 * CURVE_POINTS)
    found, expected = curve_figures(resample_sums(sums, 100, 0)), brute_force(*case, np.ones(20, np.int64))
    drawn = np.array([brute_force(*case, one) for one in draws(20, 100)])
    for i, name in enumerate(RANK_RANGES):
        np.testing.assert_allclose(found[name], drawn[:, i], atol=0.002, err_msg=name)
        assert abs(curve_figures(sums.sum(axis=0)[None])[name][0] - expected[i]) < 0.002


@pytest.mark.parametrize("groups", [MIN_LINEAR_GROUPS, 400])
@pytest.mark.parametrize("signal", [True, False])
def test_widths_by_influence_functions_are_within_5_percent_of_brute_force(groups, signal):
    for seed in range(2):
        case = world(groups, seed, signal)
        terms = RankTerms.of(*judged(*case[:2]))
        sums = group_sums(terms.table, case[2])
        found, expected = terms.figures(resample_sums(sums, N_BOOT, 0)), resampled(*case)
        for name in RANK_RANGES:
            ratio = found[name].std() / expected[name].std()
            assert 0.95 < ratio < 1.05, (name, ratio)
            assert np.corrcoef(found[name], expected[name])[0, 1] > 0.9, name  # resample by resample


@pytest.mark.parametrize("groups", [12, 250])
@pytest.mark.parametrize("decimals", [1, 16])
def test_values_are_those_of_the_plain_functions(groups, decimals):
    p, data, codes = world(groups, 4, decimals=decimals)
    found = rsd.rank_intervals(p, **data, groups=codes, n_boot=50)
    lift, table = rsd.lift(p, **data), rsd.apsp_at_ca(p, **data)
    expected = [lift.lift, lift.skill, auroc(p, rsd.label(data["small"], data["large"], MES))]
    assert [found[name].value for name in RANK_RANGES] == pytest.approx([*expected, *table["apsp"], *table["gain"]])
    assert all(interval.low <= interval.value <= interval.high for interval in found.values())
    assert list(found) == list(RANK_RANGES) and f"gain_at_{CA_POINTS[0]:g}" in found


@pytest.mark.parametrize("groups", [12, 250])
def test_the_oracle_order_has_skill_1_and_a_constant_0_in_every_resample(groups):
    _, data, codes = world(groups, 1)
    d = (data["small"] >= MES) * 1.0 - (data["large"] >= MES)
    best = rsd.rank_intervals((d + 1) / 2, **data, groups=codes, n_boot=200)["skill"]
    assert best.value == best.low == best.high == 1
    flat = rsd.rank_intervals(np.full(len(d), 0.3), **data, groups=codes, n_boot=200)
    assert {*flat["skill"].to_dict().values(), *flat["lift"].to_dict().values()} == {0}
    assert flat["auroc"].value == 0.5


@pytest.mark.parametrize("groups", [12, 250])
def test_a_monotone_transform_of_p_moves_no_interval(groups):
    p, data, codes = world(groups, 2, decimals=2)
    once, again = (rsd.rank_intervals(q, **data, groups=codes, n_boot=200) for q in (p, np.sqrt(p) / 2))
    assert once == again


@pytest.mark.parametrize("groups", [31, MIN_LINEAR_GROUPS])
def test_repeats_are_averaged_and_resampled_together(groups):
    p, data, codes = world(groups, 5)
    noise = np.random.default_rng(6).normal(0, 0.2, (2, len(p)))
    both = [np.clip(p + of, 0, 1) for of in noise]
    found = rsd.rank_intervals(np.column_stack(both), **data, groups=codes, n_boot=400)
    brute = np.mean([[brute_force(of, data, codes, one) for one in draws(groups, 400)] for of in both], axis=0)
    values = np.mean([brute_force(of, data, codes, np.ones(groups, int)) for of in both], axis=0)
    for k, (name, within) in enumerate(RANK_RANGES.items()):
        expected = interval(values[k], brute[:, k], groups, within)
        assert found[name].value == pytest.approx(values[k])
        near = 0.001 if groups < MIN_LINEAR_GROUPS else 0.05  # of the width, as of one repeat
        assert found[name].high - found[name].low == pytest.approx(expected.high - expected.low, rel=near), name
    twice = rsd.rank_intervals(np.column_stack([p, p]), **data, groups=codes, n_boot=N_BOOT)
    for name, once in rsd.rank_intervals(p, **data, groups=codes, n_boot=N_BOOT).items():
        assert twice[name].to_dict() == pytest.approx(once.to_dict())


@pytest.mark.parametrize("p", [np.empty((3, 0)), np.full((2, 3), 0.5), np.full((3, 2, 1), 0.5), np.full((3, 2), 1.5)])
def test_repeats_are_columns(p):
    with pytest.raises(ValueError, match=r"^p_edge\b"):
        rsd.rank_intervals(p, small=[1, 8, 9], large=[9, 9, 9], mes=6)


def test_a_figure_that_is_none_says_so():
    n = 200
    p = np.linspace(0, 1, n)
    alike = rsd.rank_intervals(p, small=np.full(n, 9), large=np.full(n, 9), mes=6, n_boot=50)
    for name in ("skill", "auroc"):
        assert all(math.isnan(value) for value in alike[name].to_dict().values())
    assert alike["lift"].to_dict() == {"value": 0, "low": 0, "high": 0}
    # a single query of label cloud: a third of the resamples have none, and AUROC of those is nothing
    small = np.where(np.arange(n) == 0, 0.0, 9.0)
    for size in (n, 40):
        one = rsd.rank_intervals(p[:size], small=small[:size], large=np.full(size, 9.0), mes=6, n_boot=500)["auroc"]
        assert one.value == 1 and math.isnan(one.low) and math.isnan(one.high)
    single = rsd.rank_intervals(p, small=small, large=np.full(n, 9.0), mes=6, groups=np.zeros(n), n_boot=50)
    assert all(math.isnan(interval.low) for interval in single.values())


@pytest.mark.parametrize(("name", "value"), [("n_boot", 0), ("seed", -1), ("groups", [1, 2]), ("groups", [1, None, 2])])
def test_a_wrong_value_is_refused_by_name(name, value):
    with pytest.raises(ValueError, match=rf"^{name}\b"):
        rsd.rank_intervals([0.1, 0.5, 0.9], small=[1, 8, 9], large=[9, 9, 9], **{"mes": 6, name: value})
