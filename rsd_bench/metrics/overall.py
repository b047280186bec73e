"""Overall skill and overall gain of a router over a suite: tracks that ask the same queries of different models.

Both are means over tracks and scenarios of what each track shows: skill (lift / lift of the oracle order) and gain (RCS
over the best fixed policy), each the mean over the router's repeats. Tracks share queries, so their errors go together:
one draw of groups from the union of all tracks' groups resamples every track at once, a group with all its queries and
all its repeats. A group that a track has not adds nothing there. The union and its order depend on the tracks alone, so
that samples of two routers are paired.

Ratios are formed anew in each resample from sums over groups: AIL by AIL_all-large, lift by that of the oracle order.
In tracks of MIN_LINEAR_GROUPS groups and more, lift goes through its influence function as in `rank_intervals`; in
smaller ones it is summed over pairs of groups, which is exact: lift is a sum over pairs of queries.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from rsd_bench.config import MIN_LINEAR_GROUPS, N_BOOT, N_BOOT_BANDS, as_scenarios
from rsd_bench.metrics import arrays
from rsd_bench.metrics.arrays import BoolArray, FloatArray, IntArray
from rsd_bench.metrics.bootstrap import (
    group_sums,
    interval_where_defined,
    resample_pairs,
    resample_sums,
    resampling_units,
)
from rsd_bench.metrics.latency import check_latency
from rsd_bench.metrics.lift import Ranking, twice_best_area
from rsd_bench.metrics.rank_intervals import RANK_RANGES, area_by_pairs, area_terms, share_of
from rsd_bench.metrics.routing import (
    DIFFERENCE_RANGES,
    TERMS,
    Outcomes,
    best_fixed,
    check_scenario,
    rcs_gain,
    term_columns,
)
from rsd_bench.types import Interval, Scenario

#: What each figure can be: no interval reaches beyond.
OVERALL_RANGES = {"skill": RANK_RANGES["skill"], "gain": DIFFERENCE_RANGES["rcs"]}


@dataclass(frozen=True, kw_only=True)
class SuiteTrack:
    """What a router said on one track of a suite, and what its two models answered.

    small, large: judge scores in [0, 10], shape (n,). small_latency, large_latency, router_latency_s: seconds, shape
    (n,) or one number; latencies of the models left out mean the `paper-bounds` profile. groups: ids of groups, shape
    (n,); equal ids are the same group in every track. p_edge (in [0, 1]) and route_small (1 where the small model
    answers) by the scenario's name: shape (n,), or (n, repeats) of a router that was trained several times. cascade:
    the router saw the small model's answer before it decided.
    """

    small: Any
    large: Any
    groups: Any
    p_edge: Mapping[str, Any]
    route_small: Mapping[str, Any]
    small_latency: Any = None
    large_latency: Any = None
    router_latency_s: Any = 0.0
    cascade: bool = False


@dataclass(frozen=True)
class OverallFigures:
    """Skill and gain with 95 % intervals, and by their names the first N_BOOT_BANDS resampled values of each.

    Samples of two routers on the same tracks are paired: `bootstrap.rank_bands` and `detectable_gap` take them. A
    resample without the figure (skill, where no order gains) is left out, the same one of every router; none is given
    where there is no interval.
    """

    skill: Interval
    gain: Interval
    samples: Mapping[str, FloatArray] = field(repr=False, compare=False)


@dataclass(frozen=True)
class Overall(OverallFigures):
    """Figures of all tracks and scenarios, and of each scenario over all tracks.

    skill, gain, samples: as in OverallFigures; by_scenario: these of each scenario, by its name. tracks: their names,
    sorted. groups: groups of queries in the track that has the fewest, whose spread is known least; bands of overall
    figures take it too.
    """

    by_scenario: Mapping[str, OverallFigures]
    tracks: tuple[str, ...]
    groups: int


def overall(
    tracks: Mapping[str, SuiteTrack],
    *,
    scenarios: str | Path | Mapping[str, Any] | Iterable[Scenario],
    n_boot: int = N_BOOT,
    seed: int = 0,
) -> Overall:
    """Overall skill and gain of a router over the tracks of a suite, jointly resampled.

    tracks: by name. scenarios: as `evaluate` takes them; every track has p_edge and route_small for each of them.
    n_boot: resamples of groups; 0 leaves the intervals out (NaN) and the samples empty. seed: of their draw, a whole
    number from 0. Where no order of a track's queries gains anything
    it has no skill, and skill is the mean over the others (NaN where none has one), in each resample too.
    Raises ValueError naming track and argument. Source: rsd_bench metrics version 2.
    """
    asked = list(as_scenarios(scenarios).values())
    n_boot, seed = arrays.whole_number(n_boot, "n_boot", 0), arrays.whole_number(seed, "seed", 0)
    if not isinstance(tracks, Mapping) or not tracks or not all(isinstance(of, SuiteTrack) for of in tracks.values()):
        raise ValueError("tracks: must map the name of at least one track to its SuiteTrack")
    names = sorted(tracks)  # in whatever order a router entered them, the union of groups is the same
    entries = [_checked(name, tracks[name], asked) for name in names]
    lengths = [len(entry.outcomes) for entry in entries]
    codes = arrays.joint_group_codes([tracks[name].groups for name in names], lengths)
    units = np.split(resampling_units(np.concatenate(codes), seed), np.cumsum(lengths)[:-1])
    n_units, groups = 1 + max(int(of.max()) for of in units), min(entry.groups for entry in entries)
    cells = [
        _cell(entry, own, n_units, i, s) for entry, own in zip(entries, units, strict=True) for i, s in enumerate(asked)
    ]
    values, samples = _values(cells), _resampled(cells, n_units, n_boot, seed)

    def figures(chosen: slice) -> OverallFigures:
        means = {name: (_mean(values[name][chosen]), _mean(samples[name][:, chosen])) for name in OVERALL_RANGES}
        found = {
            name: interval_where_defined(float(value), resampled, groups, OVERALL_RANGES[name])
            for name, (value, resampled) in means.items()
        }
        kept = {name: _defined(of[:N_BOOT_BANDS], found[name]) for name, (_, of) in means.items()}
        return OverallFigures(**found, samples=kept)

    by_scenario = {scenario.name: figures(slice(i, None, len(asked))) for i, scenario in enumerate(asked)}
    return Overall(**vars(figures(slice(None))), by_scenario=by_scenario, tracks=tuple(names), groups=groups)


@dataclass(frozen=True)
class _Entry:
    """A SuiteTrack whose arguments are checked; p and routes: by scenario, one array a repeat."""

    outcomes: Outcomes
    codes: IntArray
    p: list[list[FloatArray]]
    routes: list[list[BoolArray]]
    router_latency: FloatArray
    cascade: bool

    @property
    def groups(self) -> int:
        return int(self.codes.max()) + 1


def _checked(name: str, track: SuiteTrack, scenarios: list[Scenario]) -> _Entry:
    try:
        outcomes = Outcomes.of(track.small, track.large, track.small_latency, track.large_latency)
        n, said = len(outcomes), (track.p_edge, track.route_small)
        if track.groups is None:
            raise ValueError("groups: must be one id per query, the same for a group in every track")
        codes = arrays.group_codes(track.groups, n)
        check_latency(outcomes.large_latency, codes)
        p, routes = (
            [
                arrays.repeated(_of(scenario.name, by_scenario, argument), f"{argument} of {scenario.name}", n, check)
                for scenario in scenarios
            ]
            for by_scenario, argument, check in zip(
                said, ("p_edge", "route_small"), (arrays.probabilities, arrays.decisions), strict=True
            )
        )
        for scenario, own, decided in zip(scenarios, p, routes, strict=True):
            check_scenario(scenario, outcomes)
            if len(own) != len(decided):
                raise ValueError(
                    f"route_small of {scenario.name}: has {len(decided)} repeats where p_edge has {len(own)}"
                )
        router_latency = arrays.seconds(track.router_latency_s, "router_latency_s", n)
        return _Entry(outcomes, codes, p, routes, router_latency, arrays.flag(track.cascade, "cascade"))
    except ValueError as error:
        raise ValueError(f"tracks[{name!r}]: {error}") from None


def _of(scenario: str, by_scenario: Any, argument: str) -> Any:
    if not isinstance(by_scenario, Mapping) or scenario not in by_scenario:
        raise ValueError(f"{argument}: must map the name of every scenario to values; {scenario!r} has none")
    return by_scenario[scenario]


@dataclass(frozen=True)
class _Cell:
    """One track under one scenario, as sums over each unit of resampling that the suite has.

    sums: shape (units, 7): queries; what the router adds to the solved, the kept, the waited seconds of the best fixed
    policy; seconds of the large model; lift and that of the oracle order or, where `pairs` is there, queries with d = 1
    and with d = -1. pairs: lift by pairs of the units `present`.
    """

    scenario: Scenario
    sums: FloatArray
    present: IntArray
    pairs: FloatArray | None

    def gain(self, sums: FloatArray) -> FloatArray:
        """From sums (..., 7); NaN where there is no query."""
        n, solved, kept, waited, large = np.moveaxis(sums[..., :5], -1, 0)
        saved = -share_of(waited, large)
        return np.asarray(rcs_gain(share_of(solved, n), share_of(kept, n), saved, self.scenario))

    def skill(self, sums: FloatArray, area: Any) -> FloatArray:
        """From sums (..., 7) and, where `pairs` is there, sums over pairs (...)."""
        lift, best = sums[..., 5], sums[..., 6]
        if self.pairs is not None:
            better, worse = lift, best
            lift, best = area, twice_best_area(better, sums[..., 0] - better - worse, worse)
        return share_of(lift, best)


def _cell(entry: _Entry, units: IntArray, n_units: int, i: int, scenario: Scenario) -> _Cell:
    outcomes, p, routes = entry.outcomes, entry.p[i], entry.routes[i]
    own = sum(_terms(route, outcomes, scenario, entry.router_latency, entry.cascade) for route in routes) / len(routes)
    own[:, 1:5] -= _terms(best_fixed(outcomes, scenario)[1], outcomes, scenario)[:, 1:5]
    added = (outcomes.small >= scenario.mes).astype(np.int64) - (outcomes.large >= scenario.mes)
    present, coded = np.unique(units, return_inverse=True)
    rankings, pairs = [Ranking.of(values) for values in p], None
    if entry.groups >= MIN_LINEAR_GROUPS:
        of_each = [np.column_stack(area_terms(ranking, added, ranking.summed(added))) for ranking in rankings]
        rank_columns = np.mean(of_each, axis=0)
    else:
        rank_columns = np.column_stack([added == 1, added == -1])
        pairs = np.mean([area_by_pairs(ranking, added, coded) for ranking in rankings], axis=0)
    sums = np.zeros((n_units, 7))
    sums[present] = group_sums(np.hstack([own[:, _KEPT], rank_columns]), coded)
    return _Cell(scenario, sums, present, pairs)


_KEPT = [TERMS.index(name) for name in ("n", "solved", "on_small", "latency", "large_latency")]


def _terms(route: BoolArray, outcomes: Outcomes, scenario: Scenario, latency: Any = 0.0, cascade: bool = False) -> Any:
    return np.column_stack(list(term_columns(route, outcomes, scenario.mes, latency, cascade))).astype(np.float64)


def _values(cells: list[_Cell]) -> dict[str, FloatArray]:
    """Skill and gain of each cell, shape (cells,)."""
    totals = [(cell, cell.sums.sum(axis=0)) for cell in cells]
    areas = [None if cell.pairs is None else cell.pairs.sum() for cell in cells]
    return {
        "skill": np.array([cell.skill(sums, area) for (cell, sums), area in zip(totals, areas, strict=True)]),
        "gain": np.array([cell.gain(sums) for cell, sums in totals]),
    }


def _resampled(cells: list[_Cell], n_units: int, n_boot: int, seed: int) -> dict[str, FloatArray]:
    """Skill and gain of each cell in each resample, shape (n_boot, cells)."""
    sums = np.split(resample_sums(np.hstack([cell.sums for cell in cells]), n_boot, seed), len(cells), axis=1)
    skill, gain = np.empty((2, n_boot, len(cells)))
    for i, (cell, own) in enumerate(zip(cells, sums, strict=True)):
        area = None if cell.pairs is None else resample_pairs(cell.pairs, cell.present, n_units, n_boot, seed)
        skill[:, i], gain[:, i] = cell.skill(own, area), cell.gain(own)
    return {"skill": skill, "gain": gain}


def _defined(samples: FloatArray, bounds: Interval) -> FloatArray:
    return samples[:0] if math.isnan(bounds.low) else samples[~np.isnan(samples)]


def _mean(cells: FloatArray) -> FloatArray:
    """Mean of the last axis over what is not NaN; NaN where all are."""
    return share_of(np.nansum(cells, axis=-1), np.count_nonzero(~np.isnan(cells), axis=-1))
