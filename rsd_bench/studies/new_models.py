"""What does a router know of a model that it never saw, and what do few outcomes of the new model add?

The suite's tracks route between different models on the same queries. In turn each track is the new one: its large, or
its small model, is unknown to the router of another track, which learned from other groups of queries. It decides as
it is, or it is onboarded (`NgramGain.onboarded`) by outcomes of n queries drawn from its training folds, against the
same recipe learned from those n alone. Figures are means over tracks; the bootstrap resamples groups for all together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from rsd_bench.config import FOLDS, ONBOARD_PRIOR_QUERIES, ROUTER_LATENCY_S, scenario_named
from rsd_bench.dataset.benchmark import Benchmark
from rsd_bench.dataset.splits import fold_of
from rsd_bench.features.blocks import Features
from rsd_bench.metrics.arrays import BoolArray, IntArray
from rsd_bench.metrics.routing import routing_gain
from rsd_bench.routers.interface import TrainingData
from rsd_bench.routers.ngram_routers import NgramGain
from rsd_bench.routers.track_training import data_at
from rsd_bench.studies.mean_gains import COLUMNS as MEAN_COLUMNS
from rsd_bench.studies.mean_gains import DIGITS as MEAN_DIGITS
from rsd_bench.studies.mean_gains import Decisions, decided_once, fixed_policy, mean_gains
from rsd_bench.studies.study_table import Table, dataset_of
from rsd_bench.types import InputError

COLUMNS = ("new", "what", "outcomes", "pairs", *MEAN_COLUMNS)
DIGITS = (None, None, 0, 0, *MEAN_DIGITS)
OUTCOMES = (25, 50, 100, 200, 400)
LARGE, SMALL = "large model", "small model"
UNSEEN, ONBOARDED, NOTHING, OWN = "of another pair", "onboarded", "from nothing", "of all its outcomes"


@dataclass(frozen=True)
class _Suite:
    """Tracks by name, each with the same queries in one order, their fold, and the router of each track and fold."""

    tracks: Mapping[str, TrainingData]
    models: Mapping[str, tuple[str, ...]]
    fold: IntArray
    routers: Mapping[tuple[str, int], NgramGain]

    def others(self, track: str, new: str) -> list[str]:
        """Tracks whose router does not know the new model, but the other one where it is the large that is new."""
        small, large = self.models[track]
        if new == LARGE:
            return [t for t, (s, other) in self.models.items() if s == small and other != large]
        return [t for t, (other, _) in self.models.items() if other != small]


def across_models(benchmark: Benchmark, features: Features, scenario: str, draws: int, command: str) -> Table:
    """For a new large and a new small model: the router of another pair as it is, then the curve over outcomes."""
    suite = _suite(benchmark, features, scenario)
    known = {new: [t for t in suite.tracks if suite.others(t, new)] for new in (LARGE, SMALL)}
    rows: list[tuple[Any, ...]] = []
    own = {t: decided_once(_out_of_fold(suite, t, [suite.routers[t, k] for k in range(FOLDS)])) for t in suite.tracks}
    alone = {
        (t, n): _drawn(suite, t, n, draws, None)
        for t in tqdm(suite.tracks, desc="from nothing", unit="pair", disable=None)
        for n in OUTCOMES
    }
    for new, tracks in known.items():
        if not tracks:
            continue
        data = [suite.tracks[t] for t in tracks]

        def row(what: str, n: int | None, ours: Sequence[Decisions], base: Sequence[Decisions]) -> None:
            rows.append((new, what, n, len(tracks), *mean_gains(data, ours, base, together=True).cells))  # noqa: B023

        fixed = [fixed_policy(of) for of in data]
        row(UNSEEN, 0, [_as_it_is(suite, t, new) for t in tracks], fixed)
        for n in tqdm(OUTCOMES, desc=f"new {new}", unit="size", disable=None):
            nothing = [alone[t, n] for t in tracks]
            row(ONBOARDED, n, [_drawn(suite, t, n, draws, new) for t in tracks], nothing)
            row(NOTHING, n, nothing, fixed)
        row(OWN, None, [own[t] for t in tracks], fixed)
    return Table(
        name="models",
        title="Models that a router never saw",
        command=command,
        reading="`ngram-gain` of another pair of the suite decides for a pair with a new model: as it is, and "
        "onboarded (`rsd-bench router onboard`) by outcomes of both models on some queries, against the same recipe "
        "that learns from those queries alone.",
        columns=COLUMNS,
        digits=DIGITS,
        rows=tuple(rows),
        notes=(
            f"`{scenario}`, {FOLDS} folds of groups: queries are decided by routers, and onboarded by outcomes, of "
            f"other groups. Means over pairs and {draws} draws of the other pair and of the outcomes; `draws sd` is "
            "the spread of the gain over draws. `over`: onboarded against from nothing, the others against the best "
            f"fixed policy. Mean errors are shrunk by n / (n + {ONBOARD_PRIOR_QUERIES}). Router latency: "
            f"{ROUTER_LATENCY_S} s.",
        ),
        dataset=dataset_of(benchmark),
    )


def _suite(benchmark: Benchmark, features: Features, scenario: str) -> _Suite:
    asked = scenario_named(scenario, benchmark.scenarios)
    named = {t.name: t.tiers for t in benchmark.manifest.tracks if t.suite and t.count == 2 and t.tiers}
    rows = [set(benchmark.rows(name, "test").tolist()) for name in named]
    shared = np.array(sorted(set.intersection(*rows)) if rows else [], np.int64)
    if len(named) < 2 or not len(shared):
        raise InputError.at(benchmark.folder, "has no suite of pairs on the same queries", "name a dataset with one")
    tracks = {name: data_at(benchmark, features, name, shared, asked) for name in named}
    fold = fold_of(tracks[next(iter(named))].groups.tolist(), FOLDS, 0)
    routers = {}
    for name, data in tqdm(tracks.items(), desc="pairs", unit="pair", disable=None):
        for k in range(FOLDS):
            routers[name, k] = _learned(data.take(np.flatnonzero(fold != k)))
    return _Suite(tracks, named, fold, routers)


def _learned(data: TrainingData) -> NgramGain:
    return NgramGain().fit(data, data.take(np.arange(0)))


def _out_of_fold(suite: _Suite, track: str, routers: Sequence[NgramGain]) -> BoolArray:
    """Decisions of a track, each fold by its own router."""
    route = np.zeros(len(suite.fold), np.bool_)
    for k, router in enumerate(routers):
        test = np.flatnonzero(suite.fold == k)
        route[test] = router.predict_p_edge(suite.tracks[track].features.take(test)) >= router.threshold()
    return route


def _as_it_is(suite: _Suite, track: str, new: str) -> Decisions:
    """What routers of other pairs decide, each with its own threshold."""
    routes = [
        _out_of_fold(suite, track, [suite.routers[other, k] for k in range(FOLDS)])
        for other in suite.others(track, new)
    ]
    return _over_draws(suite.tracks[track], routes)


def _drawn(suite: _Suite, track: str, n: int, draws: int, new: str | None) -> Decisions:
    """Decisions of routers that learned from n outcomes: onboarded from another pair, or where `new` is None alone."""
    data, routes = suite.tracks[track], []
    for draw in range(draws):
        rng, routers = np.random.default_rng((draw, n)), []
        for k in range(FOLDS):
            some = data.take(rng.permutation(np.flatnonzero(suite.fold != k))[:n])
            if new is None:
                routers.append(_learned(some))
            else:
                others = suite.others(track, new)
                routers.append(suite.routers[others[draw % len(others)], k].onboarded(some))
        routes.append(_out_of_fold(suite, track, routers))
    return _over_draws(data, routes)


def _over_draws(data: TrainingData, routes: Sequence[BoolArray]) -> Decisions:
    gain = routing_gain(data.outcomes, data.scenario)
    best = max(0.0, float(gain.mean()))
    gains = np.array([100 * (float((route * gain).mean()) - best) for route in routes])
    return Decisions(np.mean(routes, axis=0), np.ones(len(data), np.bool_), gains)


def draw_models(table: Table, path: Path) -> None:
    """Gain against outcomes of the new model, one panel for a new large and one for a new small one."""
    from rsd_bench.figures import INK, LINES, new_figure, save

    kinds = list(dict.fromkeys(table.column("new")))
    figure, axes = new_figure(1, len(kinds), width=8.5, height=3.0)
    for axis, new in zip(np.atleast_1d(axes), kinds, strict=True):
        for what, colour in zip((ONBOARDED, NOTHING), LINES, strict=False):
            rows = table.where(new=new, what=what)
            x = [row["outcomes"] for row in rows]
            axis.plot(x, [row["gain"] for row in rows], color=colour, marker="o", markersize=3, label=what)
            axis.fill_between(x, *([row[key] for row in rows] for key in ("low", "high")), color=colour, alpha=0.15)
        for what, style in ((UNSEEN, ":"), (OWN, "--")):
            (row,) = table.where(new=new, what=what)
            axis.axhline(row["gain"], color=INK, linestyle=style, linewidth=1, label=what)
        axis.axhline(0, color=INK, linewidth=0.8)
        axis.set(title=f"new {new}", xlabel="outcomes of the new pair")
    first = np.atleast_1d(axes)[0]
    first.set_ylabel("RCS gain, points")
    first.legend(fontsize=7)
    save(figure, path)
