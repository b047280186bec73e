"""Intervals and bands must hold what they say, with few groups too.

Plain percentile intervals held the truth in 87 % of datasets of 10 groups and 92 % of 31 where they say 95 %, and rank
bands split ten routers of equal worth in 12 % of datasets of 50 queries, in over half of those of 5 groups. This is a
small run of `benchmarks/coverage.py`, seeded: limits are the promised ones (93 % and 6 %) less or plus what chance
makes of so few runs.
"""

from __future__ import annotations

import importlib.util
import sys
from types import ModuleType

import numpy as np
import pytest
from conftest import ROOT

import rsd_bench as rsd
from rsd_bench.config import MIN_BAND_GROUPS, MIN_LINEAR_GROUPS

RUNS = 400
_CHANCE = 0.02  # two standard errors of a share of 95 % of 400 runs


def benchmark(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"{name}_benchmark", ROOT / "benchmarks" / f"{name}.py")
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)  # a dataclass looks its module up
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def simulation() -> ModuleType:
    return benchmark("coverage")


@pytest.fixture(scope="module")
def suites() -> ModuleType:
    return benchmark("coverage_overall")


SUITE = "3 tracks, 3 repeats"


def test_overall_intervals_hold_the_truth(suites: ModuleType) -> None:
    found = suites.coverage(MIN_LINEAR_GROUPS, "clear", SUITE, RUNS // 4)
    assert all(share >= 0.93 - 2 * _CHANCE for share in found.values()), found


@pytest.mark.heavy
@pytest.mark.parametrize("groups", [31, MIN_LINEAR_GROUPS])
@pytest.mark.parametrize("suite", ["one track, 3 repeats", SUITE])
def test_overall_figures_hold_what_they_say(suites: ModuleType, groups: int, suite: str) -> None:
    found = suites.coverage(groups, "clear", suite, RUNS)
    assert all(share >= 0.93 - 1.5 * _CHANCE for share in found.values()), found
    split = suites.family_wise(groups, "clear", suite, RUNS // 2)
    assert all(share <= 0.06 + 2 * _CHANCE for share in split.values()), split


@pytest.mark.parametrize("groups", [5, 10, 31])
@pytest.mark.parametrize("sizes", ["3 each", "unequal"])
def test_intervals_of_few_groups_hold_the_truth_where_percentiles_did_not(
    simulation: ModuleType, groups: int, sizes: str
) -> None:
    found = simulation.coverage(groups, sizes, False, RUNS)
    if groups < 31:  # too few queries in which that router differs at all
        del found["now"]["seldom"]
    least = {"gain": 0.90} if groups == 5 else {}  # as docs/metrics.md says of so few
    low = {name: share for name, share in found["now"].items() if share < least.get(name, 0.93) - _CHANCE}
    assert not low, f"of {groups} groups"
    if groups <= 10:
        assert found["before"]["difference"] < 0.93 - _CHANCE


@pytest.mark.parametrize("groups", [10, 31, MIN_LINEAR_GROUPS])
def test_intervals_of_rank_figures_hold_the_truth(simulation: ModuleType, groups: int) -> None:
    found = simulation.rank_coverage(groups, "unequal", RUNS // 2)
    assert found.keys() >= {"lift", "skill", "auroc", "apsp_at_0.8", "gain_at_0.8"}
    if (
        groups == 10
    ):  # 25 queries: where nearly all pairs are in the right order, resamples hardly differ (docs/metrics.md)
        del found["auroc"]
    assert not {name: share for name, share in found.items() if share < 0.93 - 1.5 * _CHANCE}, f"of {groups} groups"


@pytest.mark.parametrize("groups", [MIN_BAND_GROUPS, 31, 50])
def test_bands_split_equal_routers_no_oftener_than_they_say(simulation: ModuleType, groups: int) -> None:
    split = simulation.family_wise(groups, np.full(RUNS * groups, 3), "apart", RUNS)
    assert split["now"] <= 0.06 + _CHANCE < split["before"]


def test_fewer_groups_claim_no_band(simulation: ModuleType) -> None:
    assert simulation.family_wise(5, np.full(100 * 5, 3), "apart", 100)["now"] == 0


def covered(grouped, repeats=400, n_groups=120, size=4):
    """Share of simulations whose interval of the APSP difference all-small minus all-large holds the truth, -0.2.

    Queries of a group share their difficulty: the small model solves either nearly all of them or nearly none.
    """
    rng = np.random.default_rng(11)
    n, hits = n_groups * size, 0
    codes = np.repeat(np.arange(n_groups), size)
    for seed in range(repeats):
        solves = np.where(rng.random(n_groups) < 0.5, 0.95, 0.05)[codes]  # 0.5 on average
        small, large = 10.0 * (rng.random(n) < solves), 10.0 * (rng.random(n) < 0.7)
        groups = codes if grouped else None
        found = rsd.compare(
            np.ones(n),
            np.zeros(n),
            small=small,
            large=large,
            scenario="fast_response",
            groups=groups,
            n_boot=400,
            seed=seed,
        ).apsp
        hits += found.low <= -0.2 <= found.high
    return hits / repeats


def test_interval_over_groups_covers_the_truth_95_percent_of_the_time():
    assert 0.92 <= covered(grouped=True) <= 0.975  # 400 simulations: sd 1.1 %


def test_resampling_single_queries_of_such_groups_would_claim_too_much():
    assert covered(grouped=False, repeats=200) < 0.85
