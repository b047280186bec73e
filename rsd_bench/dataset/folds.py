"""`rsd_bench.folds`: the rows of a cross-fitted track, fold by fold, to learn from and to decide."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from rsd_bench.config import FOLDS, IN_DOMAIN
from rsd_bench.dataset.benchmark import Benchmark, read_queries
from rsd_bench.dataset.load import load
from rsd_bench.dataset.open import dataset_folder
from rsd_bench.dataset.track_rows import no_progress_bars
from rsd_bench.metrics.arrays import IntArray
from rsd_bench.metrics.label import LABEL_NAMES
from rsd_bench.metrics.tiers import labels_of
from rsd_bench.types import Scenario

if TYPE_CHECKING:
    from datasets import Dataset


def folds(
    data: str | Path | None = None,
    track: str = IN_DOMAIN,
    repeat: int = 0,
    *,
    mes: float | None = None,
    scenario: str | Scenario | None = None,
) -> list[tuple[Dataset, Dataset]]:
    """The five (train, test) pairs of a cross-fitted track: every query is tested once, no group stands on both sides.

    A submission says of each test query what a router says that learned from the train rows of its pair; rows to choose
    by (hyper-parameters, tau) are taken from the train rows, whole groups of them.
    data: a dataset folder, a Hub id (`org/name`, `org/name@revision`) or nothing for the embedded rsd-open lite.
    track: a cross-fitted one. repeat: which deal of folds, from 0. mes (0 to 10), scenario: add `label`, as for `load`.
    The columns are those of `load`. A track with tiers has score_1 ... score_K and latency_1 ... latency_K (seconds)
    besides, the cheapest model first, and with mes or scenario label_1 ... label_{K-1} in place of `label`.
    Raises ValueError naming the argument, InputError (a ValueError) for a dataset that cannot be read.
    """
    from datasets import concatenate_datasets

    folder = dataset_folder(data)
    benchmark = read_queries(folder)
    _check(benchmark, track, repeat)
    parts = load(folder, mes, scenario)
    whole = concatenate_datasets(list(parts.values()))
    whole = whole.select(_places(whole, benchmark, track))
    if benchmark.track(track).tiers:
        with no_progress_bars():
            whole = _with_tiers(whole, benchmark, track, mes, scenario)
    fold = benchmark.folds(track, repeat)
    return [tuple(whole.select(np.flatnonzero(rows)) for rows in (fold != k, fold == k)) for k in range(FOLDS)]


def _check(benchmark: Benchmark, track: str, repeat: int) -> None:
    if track not in benchmark.tracks:
        raise ValueError(f"track: {track!r} is none of {', '.join(benchmark.tracks)}")
    if not benchmark.track(track).cross_fitted:
        how = f"rsd_bench.load(track={track!r}, split=...)"
        raise ValueError(f"track: {track!r} is {benchmark.track(track).protocol}, it has no folds; use {how}")
    if repeat not in range(benchmark.repeats(track)):
        raise ValueError(f"repeat: {repeat!r} is none of 0 to {benchmark.repeats(track) - 1}")


def _places(whole: Dataset, benchmark: Benchmark, track: str) -> IntArray:
    """Where the queries of a track stand in a dataset, in the order of its test part."""
    place = {query_id: at for at, query_id in enumerate(whole["query_id"])}
    return np.array([place[query_id] for query_id in benchmark.part(track, "test").query_ids])


def _with_tiers(
    whole: Dataset, benchmark: Benchmark, track: str, mes: float | None, scenario: str | Scenario | None
) -> Dataset:
    from datasets import ClassLabel

    tiers = benchmark.part(track, "test").tiers
    for k in range(tiers.count):
        whole = whole.add_column(f"score_{k + 1}", tiers.scores[:, k])
        whole = whole.add_column(f"latency_{k + 1}", tiers.latencies[:, k])
    if scenario is not None:
        mes = scenario.mes if isinstance(scenario, Scenario) else benchmark.scenarios[scenario].mes
    if mes is None:
        return whole
    whole = whole.remove_columns("label")
    kind = ClassLabel(names=list(LABEL_NAMES))
    for k, labels in enumerate(labels_of(tiers.scores, mes).T, 1):
        whole = whole.add_column(f"label_{k}", labels.tolist(), feature=kind)
    return whole
