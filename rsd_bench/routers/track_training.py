"""Train a router on tracks and scenarios and turn its predictions into a submission.

Each track trains on its own training rows only; tau is fixed on its training and validation rows. Test rows are
predicted, never looked at.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pandas as pd
from tqdm import tqdm

from rsd_bench.config import SPLITS
from rsd_bench.dataset.benchmark import Benchmark
from rsd_bench.features.feature_table import Features
from rsd_bench.routers.interface import TrainingData
from rsd_bench.routers.registry import Make
from rsd_bench.submission.submission import COLUMNS
from rsd_bench.types import InputError, Scenario


@dataclass(frozen=True)
class TrainedPredictions:
    """What a submission needs: rows track, query_id, scenario, p_edge, and tau by scenario and track."""

    predictions: pd.DataFrame
    tau: dict[str, dict[str, float]]


@dataclass(frozen=True)
class TrackData:
    """The parts of a track under one scenario: rows to learn from, rows to choose by, rows that are decided."""

    train: TrainingData
    validation: TrainingData
    test: TrainingData

    @cached_property
    def joined(self) -> TrainingData:
        """Every query of the track, parts in this order."""
        return self.train.join(self.validation).join(self.test)


def track_data(benchmark: Benchmark, features: Features, track: str, scenario: Scenario) -> TrackData:
    """`features` has one row a query of the dataset. KeyError for an unknown track."""
    return TrackData(*(training_data(benchmark, features, track, split, scenario) for split in SPLITS))


def training_data(benchmark: Benchmark, features: Features, track: str, split: str, scenario: Scenario) -> TrainingData:
    """The queries of one part of a track. KeyError for an unknown track."""
    part = benchmark.part(track, split)
    return TrainingData(features.take(part.rows), part.outcomes, part.groups, scenario)


def train_and_predict(
    benchmark: Benchmark, features: Features, make: Make, seed: int = 0, tracks: Iterable[str] | None = None
) -> TrainedPredictions:
    """Fit one router per track and scenario on `features` (one row a query) and predict its test rows."""
    wanted = list(benchmark.tracks if tracks is None else tracks)
    if unknown := [track for track in wanted if track not in benchmark.tracks]:
        raise InputError.at(unknown[0] or "--track", "is no track", f"use {', '.join(benchmark.tracks)}")
    jobs = [(track, scenario) for track in wanted for scenario in benchmark.scenarios.values()]
    tau: dict[str, dict[str, float]] = {name: {} for name in benchmark.scenarios}
    tables: list[Any] = []
    for track, scenario in tqdm(jobs, desc="training", unit="router", disable=None):
        data = track_data(benchmark, features, track, scenario)
        router = make(seed).fit(data.train, data.validation)
        tau[scenario.name][track] = router.threshold(data.validation)
        query_ids = benchmark.part(track, "test").query_ids
        rows = (track, query_ids, scenario.name, router.predict_p_edge(data.test.features))
        tables.append(pd.DataFrame(dict(zip(COLUMNS, rows, strict=True))))
    return TrainedPredictions(pd.concat(tables, ignore_index=True), tau)
