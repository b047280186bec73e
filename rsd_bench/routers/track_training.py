"""Train a router on tracks and scenarios, a lesson at a time, and decide the queries that each lesson leaves out.

A router learns from the rows of its lesson only, and fixes tau on those and the validation rows; test rows are
predicted, never looked at. A cross-fitted track has a lesson for each fold of each repeat, others have one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from tqdm import tqdm

from rsd_bench.dataset.benchmark import Benchmark
from rsd_bench.dataset.parts import Lesson
from rsd_bench.features.feature_table import Features
from rsd_bench.metrics.arrays import FloatArray, IntArray
from rsd_bench.metrics.routing import Outcomes
from rsd_bench.routers.interface import Router, TierRouter, TrainingData
from rsd_bench.routers.registry import Make
from rsd_bench.submission.thresholds import fold_count
from rsd_bench.types import InputError, Scenario


@dataclass(frozen=True)
class TrainedPredictions:
    """What routers say of a track under a scenario, R repeats of n queries in the order of its test part.

    p: shape (R, n, K - 1). thresholds: tau, shape (R, folds, K - 1).
    """

    repeats: tuple[int, ...]
    p: FloatArray
    thresholds: FloatArray


def training_data(benchmark: Benchmark, features: Features, track: str, split: str, scenario: Scenario) -> TrainingData:
    """The queries of one part of a track (`Benchmark.part`). KeyError for an unknown track."""
    return data_at(benchmark, features, track, benchmark.rows(track, split), scenario)


def data_at(benchmark: Benchmark, features: Features, track: str, rows: IntArray, scenario: Scenario) -> TrainingData:
    """Any queries of a track, by their positions in Benchmark.queries. KeyError for an unknown track."""
    part = benchmark.at(track, rows)
    if part.count == 2:
        return TrainingData(features.take(rows), part.outcomes, part.groups, scenario)
    tiers = part.tiers
    ends = (*(tiers.scores[:, k] for k in (0, -1)), *(tiers.latencies[:, k] for k in (0, -1)))
    return TrainingData(features.take(rows), Outcomes(*ends), part.groups, scenario, tiers)


def taken_tracks(
    benchmark: Benchmark, router: Router, wanted: Iterable[str] | None = None
) -> tuple[list[str], list[str]]:
    """The tracks that a router can take, and those left out: of more than two tiers, where it chooses between two.

    wanted: default all. InputError for one that is unknown, or that is wanted and cannot be taken.
    """
    named = list(dict.fromkeys(benchmark.tracks if wanted is None else wanted))
    if unknown := [track for track in named if track not in benchmark.tracks]:
        raise InputError.at(unknown[0] or "--track", "is no track", f"use {', '.join(benchmark.tracks)}")
    left_out = [t for t in named if benchmark.track(t).count > 2 and not isinstance(router, TierRouter)]
    taken = [track for track in named if track not in left_out]
    if left_out and (wanted is not None or not taken):
        what = f"has {benchmark.track(left_out[0]).count} tiers, and this router chooses between two"
        fix = "leave it out, or give a router with predict_p_tiers and tier_thresholds"
        raise InputError.at(f"track {left_out[0]!r}", what, fix)
    return taken, left_out


def train_and_predict(
    benchmark: Benchmark,
    features: Features,
    make: Make,
    seed: int = 0,
    tracks: Iterable[str] | None = None,
    repeats: int | None = None,
) -> Mapping[tuple[str, str], TrainedPredictions]:
    """Fit one router per lesson of each track and scenario and predict what it leaves out; by track and scenario.

    features: one row a query of the dataset. tracks: default all that the router can take. repeats: how many of a
    cross-fitted track, from the first; default all. A router of repeat r has seed + r, so that repeats differ in all
    that training leaves to chance. InputError as `taken_tracks`.
    """
    taken, _ = taken_tracks(benchmark, make(seed), tracks)
    dealt = {track: min(repeats or benchmark.repeats(track), benchmark.repeats(track)) for track in taken}
    lessons = {track: list(benchmark.lessons(track, range(dealt[track]))) for track in taken}
    jobs = [(track, scenario) for track in taken for scenario in benchmark.scenarios.values()]
    found: dict[tuple[str, str], TrainedPredictions] = {}
    with tqdm(total=sum(len(lessons[track]) for track, _ in jobs), desc="training", unit="router", disable=None) as bar:
        for track, scenario in jobs:
            rows, tiers = benchmark.rows(track, "test"), benchmark.track(track).count
            p = np.zeros((dealt[track], len(rows), tiers - 1))
            thresholds = np.zeros((dealt[track], fold_count(benchmark, track), tiers - 1))
            place = np.zeros(len(benchmark.queries), np.int64)
            place[rows] = np.arange(len(rows))
            for lesson in lessons[track]:
                said, tau = _taught(benchmark, features, make(seed + lesson.repeat), track, lesson, scenario)
                p[lesson.repeat, place[lesson.test]] = said
                thresholds[lesson.repeat, lesson.fold] = tau
                bar.update()
            found[track, scenario.name] = TrainedPredictions(tuple(range(dealt[track])), p, thresholds)
    return found


def _taught(
    benchmark: Benchmark, features: Features, router: Router, track: str, lesson: Lesson, scenario: Scenario
) -> tuple[FloatArray, FloatArray]:
    """What a router says of the rows that its lesson leaves out, shape (n, K - 1), and its tau, shape (K - 1,)."""
    train, validation = (
        data_at(benchmark, features, track, rows, scenario) for rows in (lesson.train, lesson.validation)
    )
    router = router.fit(train, validation)
    asked = features.take(lesson.test)
    if benchmark.track(track).count > 2 and isinstance(router, TierRouter):
        return router.predict_p_tiers(asked), router.tier_thresholds(validation)
    return router.predict_p_edge(asked)[:, None], np.array([router.threshold(validation)])
