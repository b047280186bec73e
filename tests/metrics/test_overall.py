"""Overall figures are means over tracks that share queries: one draw of groups must serve all tracks and all repeats.

A bootstrap of each track by itself would make intervals too narrow by the root of the number of tracks. Here the fast
code meets a plain loop that draws groups, and scores every track anew by the functions of one track.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import numpy as np
import pytest

import rsd_bench as rsd
from rsd_bench.config import MIN_LINEAR_GROUPS, N_BOOT_BANDS, N_BUNDLES
from rsd_bench.metrics.bootstrap import rank_bands
from rsd_bench.metrics.overall import Overall, SuiteTrack, overall
from rsd_bench.metrics.rank_intervals import rank_intervals
from rsd_bench.metrics.routing import Outcomes, better_fixed, reference_scores
from rsd_bench.metrics.tier_intervals import tier_intervals
from rsd_bench.types import Scenario

TWO = {
    "fast_response": Scenario(name="fast_response", mes=6, alpha=0.8, beta=0.05, gamma=0.15),
    "high_quality": Scenario(name="high_quality", mes=8, alpha=0.9, beta=0.05, gamma=0.05),
}


def a_track(seed: int, groups: int, repeats: int | None = 2, first: int = 0, n: int | None = None) -> SuiteTrack:
    """Queries of the groups `first` ... `first + groups - 1`, three of each unless told."""
    rng = np.random.default_rng(seed)
    n = n or 3 * groups
    small, large = rng.integers(0, 11, n).astype(float), np.maximum(rng.integers(0, 11, n), 3).astype(float)
    shape = (n,) if repeats is None else (n, repeats)
    p = np.clip(small[(...,) + (None,) * (len(shape) - 1)] / 10 + rng.normal(0, 0.3, shape), 0, 1)
    return SuiteTrack(
        small=small,
        large=large,
        small_latency=rng.uniform(0.5, 1, n),
        large_latency=rng.uniform(4, 8, n),
        groups=[f"group {first + g}" for g in rng.permutation(np.arange(n) % groups)],
        p_edge={"fast_response": p, "high_quality": p**2},
        route_small={"fast_response": p > 0.5, "high_quality": p > 0.7},
        router_latency_s=0.05,
    )


def columns(values: np.ndarray) -> list[np.ndarray]:
    return [values] if values.ndim == 1 else list(values.T)


def skill_and_gain(track: SuiteTrack, scenario: Scenario, fixed: str, rows: np.ndarray) -> tuple[float, float]:
    """Of these rows, mean over the repeats, by the functions of one routing."""
    of = {name: getattr(track, name)[rows] for name in ("small", "large", "small_latency", "large_latency")}
    scores = {"small": of["small"], "large": of["large"], "mes": scenario.mes}
    skills = [rsd.lift(p[rows], **scores).skill for p in columns(track.p_edge[scenario.name])]
    routes = columns(track.route_small[scenario.name])
    own = [rsd.score_routing(r[rows], **of, scenario=scenario, router_latency_s=0.05).rcs for r in routes]
    straight = rsd.score_routing(np.full(len(rows), fixed == "all-edge"), **of, scenario=scenario).rcs
    return float(np.mean(skills)), float(np.mean(own)) - straight


def plain(tracks: dict[str, SuiteTrack], n_boot: int) -> Iterator[np.ndarray]:
    """Skill and gain of all queries; then of resamples: a plain loop over draws, tracks and scenarios."""
    union = sorted({group for track in tracks.values() for group in track.groups})
    rng = np.random.default_rng(7)
    rows_of = [
        {group: np.flatnonzero(np.asarray(track.groups) == group) for group in union} for track in tracks.values()
    ]
    fixed = {
        (name, scenario.name): better_fixed(
            reference_scores(Outcomes.of(t.small, t.large, t.small_latency, t.large_latency), scenario)
        )
        for name, t in tracks.items()
        for scenario in TWO.values()
    }
    for i in range(n_boot + 1):
        drawn = union if i == 0 else [union[k] for k in rng.integers(0, len(union), len(union))]
        cells = [
            skill_and_gain(track, scenario, fixed[name, scenario.name], np.concatenate([own[g] for g in drawn]))
            for (name, track), own in zip(tracks.items(), rows_of, strict=True)
            for scenario in TWO.values()
        ]
        yield np.mean(cells, axis=0)


@pytest.mark.parametrize("groups", [40, MIN_LINEAR_GROUPS])
def test_a_plain_loop_over_joint_draws_gives_the_same(groups: int) -> None:
    """Tracks overlap by half their groups, one is larger than the other, and one has a single repeat."""
    tracks = {"a": a_track(1, groups), "b": a_track(2, groups, repeats=None, first=groups // 2, n=4 * groups)}
    found = overall(tracks, scenarios=TWO)
    values, *resamples = plain(tracks, 400)
    assert [found.skill.value, found.gain.value] == pytest.approx(values)
    for name, of in zip(("skill", "gain"), np.transpose(resamples), strict=True):
        assert found.samples[name].std() == pytest.approx(of.std(), rel=0.12)  # 400 resamples know it to 3.5 %
        assert found.samples[name].mean() == pytest.approx(of.mean(), abs=of.std() / 4)


def test_the_same_track_twice_is_no_more_certain_than_once() -> None:
    """Tracks that share queries are one sample: no interval may shrink for counting them again."""
    track = a_track(3, 250)
    once, twice = overall({"a": track}, scenarios=TWO), overall({"a": track, "b": track}, scenarios=TWO)
    assert twice.skill.low == pytest.approx(once.skill.low) and twice.gain.high == pytest.approx(once.gain.high)


@pytest.mark.parametrize("groups", [30, 300])
def test_of_one_track_and_one_repeat_it_is_what_the_track_shows(groups: int) -> None:
    track = a_track(4, groups, repeats=None)
    found = overall({"only": track}, scenarios=TWO)
    assert found.tracks == ("only",) and found.groups == groups
    for name, scenario in TWO.items():
        scores = {"small": track.small, "large": track.large, "mes": scenario.mes}
        skill = rank_intervals(track.p_edge[name], **scores, groups=track.groups)["skill"]
        gain = tier_intervals(
            1 - track.route_small[name].astype(int),
            scores=np.column_stack([track.small, track.large]),
            latencies=np.column_stack([track.small_latency, track.large_latency]),
            scenario=scenario,
            router_latency_s=0.05,
            groups=track.groups,
        )["gain"]
        by = found.by_scenario[name]
        assert dataclasses.astuple(by.skill) == pytest.approx(dataclasses.astuple(skill))
        assert dataclasses.astuple(by.gain) == pytest.approx(dataclasses.astuple(gain))


def test_a_cascade_waits_for_both_models() -> None:
    track = a_track(5, 30, repeats=None)
    straight, cascade = (
        overall({"a": dataclasses.replace(track, cascade=kind)}, scenarios=TWO) for kind in (False, True)
    )
    assert cascade.gain.value < straight.gain.value and cascade.skill == straight.skill


def test_samples_of_two_routers_are_paired_whatever_order_they_entered_tracks_in() -> None:
    tracks = {"a": a_track(6, 120), "b": a_track(7, 150, first=60)}
    one, other = overall(tracks, scenarios=TWO), overall(dict(reversed(tracks.items())), scenarios=TWO)
    for name in ("skill", "gain"):
        assert len(one.samples[name]) == N_BOOT_BANDS and (one.samples[name] == other.samples[name]).all()
        values = np.array([getattr(of, name).value for of in (one, other)])
        samples = np.stack([of.samples[name] for of in (one, other)], axis=1)
        assert rank_bands(values, samples, one.groups).tolist() == [1, 1]
    assert overall(tracks, scenarios=TWO, seed=1).skill != one.skill


@pytest.mark.parametrize("groups", [50, 300])
def test_skill_is_0_of_a_constant_1_of_the_oracle_and_left_alone_by_monotone_transforms(groups: int) -> None:
    tracks = {"a": a_track(8, groups), "b": a_track(9, groups, first=groups // 3)}

    def skill(make) -> tuple[float, ...]:
        changed = {
            name: dataclasses.replace(
                track, p_edge={s: np.column_stack([make(track, scenario, s)] * 2) for s, scenario in TWO.items()}
            )
            for name, track in tracks.items()
        }
        return dataclasses.astuple(overall(changed, scenarios=TWO).skill)

    assert skill(lambda track, scenario, name: np.full(len(track.small), 0.4)) == (0, 0, 0)
    order = skill(lambda t, s, name: (1 + (t.small >= s.mes) - (t.large >= s.mes).astype(float)) / 2)
    assert order == pytest.approx((1, 1, 1))
    plain_p = skill(lambda track, scenario, name: track.p_edge[name][:, 0])
    assert skill(lambda track, scenario, name: track.p_edge[name][:, 0] ** 3 / 2) == plain_p


def test_a_track_whose_queries_leave_nothing_to_order_has_no_skill_and_takes_none_away() -> None:
    track = a_track(10, 60)
    solved = dataclasses.replace(track, small=np.full(180, 10.0), large=np.full(180, 10.0))
    alone, beside = overall({"a": track}, scenarios=TWO), overall({"a": track, "b": solved}, scenarios=TWO)
    assert dataclasses.astuple(beside.skill) == pytest.approx(dataclasses.astuple(alone.skill))
    nothing = overall({"b": solved}, scenarios=TWO)
    assert np.isnan(dataclasses.astuple(nothing.skill)).all() and nothing.gain.low <= nothing.gain.value


def test_resamples_without_a_skill_are_left_out_of_every_router_alike() -> None:
    """Bands refuse a resample that is no number: of a dozen queries some resamples leave nothing to order."""
    worlds = []
    for gains in (5, 1):  # so many of 12 groups are solved by one model only: 0.2 % and 35 % of resamples lack them
        small = np.where(np.arange(12) < gains, 9.0, 0.0)
        track = dataclasses.replace(a_track(16, 12, n=12, repeats=1), small=small, large=np.zeros(12))
        other = dataclasses.replace(track, p_edge={name: 1 - p for name, p in track.p_edge.items()})
        worlds.append([overall({"a": of}, scenarios=TWO) for of in (track, other)])
    for routers in worlds:
        samples = np.stack([of.samples["skill"] for of in routers], axis=1)
        assert np.isfinite(samples).all()
        assert rank_bands(np.array([of.skill.value for of in routers]), samples, 12).max() <= 2
    often, seldom = worlds
    assert 0 < len(often[0].samples["skill"]) <= N_BOOT_BANDS and np.isfinite(often[0].skill.low)
    assert len(seldom[0].samples["skill"]) == 0 and np.isnan(seldom[0].skill.low)


def test_more_groups_than_bundles_are_bundled_alike_in_every_track() -> None:
    big, small = a_track(11, N_BUNDLES + 500, repeats=1), a_track(12, 100, repeats=1)
    found = overall({"big": big, "small": small}, scenarios=TWO, n_boot=2_000)
    alone = overall({"small": small}, scenarios=TWO, n_boot=2_000)
    wide, narrow = (of.gain.high - of.gain.low for of in (alone, found))
    assert found.groups == 100 and narrow == pytest.approx(wide / 2, rel=0.15)  # the small track is all of the spread


def test_no_resamples_leave_figures_without_bounds() -> None:
    found = overall({"a": a_track(13, 20)}, scenarios=TWO, n_boot=0)
    assert np.isnan([found.skill.low, found.gain.high]).all() and found.samples["skill"].shape == (0,)
    single = overall({"a": a_track(13, 1)}, scenarios=TWO)
    assert np.isnan([single.skill.low, single.gain.high]).all() and np.isfinite(single.gain.value)


def changed(**values: object) -> dict[str, SuiteTrack]:
    return {"a": dataclasses.replace(a_track(14, 20), **values)}


@pytest.mark.parametrize(
    ("tracks", "says"),
    [
        ({}, "tracks: must map"),
        ({"a": 3}, "tracks: must map"),
        (changed(groups=None), "tracks['a']: groups: must be one id per query"),
        (changed(groups=["g"] * 59), "tracks['a']: groups: has 59 values where 60"),
        (changed(small=[1, np.nan]), "tracks['a']: small[1]: nan"),
        (changed(p_edge={"fast_response": np.full(60, 0.5)}), "'high_quality' has none"),
        (changed(p_edge=np.full(60, 0.5)), "p_edge: must map the name of every scenario"),
        (changed(p_edge=dict.fromkeys(TWO, np.full((60, 2), 1.5))), "p_edge of fast_response, repeat 0[0]: 1.5"),
        (changed(p_edge=dict.fromkeys(TWO, np.empty((60, 0)))), "p_edge of fast_response: has no repeat"),
        (changed(p_edge=dict.fromkeys(TWO, np.full((60, 3), 0.5))), "has 2 repeats where p_edge has 3"),
        (changed(route_small=dict.fromkeys(TWO, np.full((60, 2), 2))), "route_small of fast_response, repeat 0[0]: 2"),
        (changed(route_small=dict.fromkeys(TWO, np.ones((59, 2)))), "has 59 values where 60"),
        (changed(router_latency_s=-1), "tracks['a']: router_latency_s"),
        (changed(cascade="yes"), "tracks['a']: cascade"),
        (changed(large_latency=[0.0] * 50 + [1.0] * 10), "tracks['a']: large_latency: is 0 in"),
    ],
)
def test_a_wrong_value_is_refused_by_track_and_name(tracks: dict, says: str) -> None:
    with pytest.raises(ValueError) as error:
        overall(tracks, scenarios=TWO)
    assert says in str(error.value) and "\n" not in str(error.value)


def test_scenarios_are_what_evaluate_takes() -> None:
    track = a_track(15, 20)
    assert isinstance(overall({"a": track}, scenarios=list(TWO.values())), Overall)
    with pytest.raises(ValueError, match="scenarios"):
        overall({"a": track}, scenarios={})
