"""Train a router on tracks and scenarios and turn its predictions into a submission.

Each track trains on its own training rows only; the threshold of a scenario is chosen by RCS on the track's validation
rows. Test rows are predicted, never looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import pandas as pd
from tqdm import tqdm

from rsd_bench.arrays import FloatArray
from rsd_bench.config import SCENARIOS
from rsd_bench.dataset.benchmark import Benchmark
from rsd_bench.labels import label
from rsd_bench.metrics import choose_tau
from rsd_bench.router.baselines import Router
from rsd_bench.router.features import Scaler
from rsd_bench.submission.model import COLUMNS


@dataclass(frozen=True)
class TrainedPredictions:
    """What a submission needs: rows track, query_id, scenario, p_edge, and tau by scenario and track."""

    predictions: pd.DataFrame
    tau: dict[str, dict[str, float]]


def train_and_predict(
    benchmark: Benchmark,
    features: FloatArray,
    make_router: Callable[[], Router],
    tracks: Iterable[str] | None = None,
) -> TrainedPredictions:
    """Fit one router per track and scenario on `features` (one row a query) and predict its test rows."""
    jobs = [(track, scenario) for track in tracks or benchmark.tracks for scenario in SCENARIOS.values()]
    tau: dict[str, dict[str, float]] = {name: {} for name in SCENARIOS}
    tables: list[Any] = []
    for track, scenario in tqdm(jobs, desc="training", unit="router", disable=None):
        train, validation, test = (benchmark.part(track, split) for split in ("train", "validation", "test"))
        scaled = Scaler.fit(features, train.rows)(features)
        train_labels, validation_labels = (
            label(part.outcomes.small, part.outcomes.large, scenario.mes) for part in (train, validation)
        )
        router = make_router().fit(scaled[train.rows], train_labels, scaled[validation.rows], validation_labels)
        p_validation = router.predict_p_edge(scaled[validation.rows])
        tau[scenario.name][track] = choose_tau(p_validation, validation.outcomes, scenario)
        rows = (track, test.query_ids, scenario.name, router.predict_p_edge(scaled[test.rows]))
        tables.append(pd.DataFrame(dict(zip(COLUMNS, rows, strict=True))))
    return TrainedPredictions(pd.concat(tables, ignore_index=True), tau)
