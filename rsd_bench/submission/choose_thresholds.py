"""Choose tau for a submission on labelled rows that it does not decide: the highest RCS, by repeat and fold.

A row says p of a query of the dataset, whose outcomes are the labels. A threshold is never chosen on what it decides:
of a fixed test, train and validation rows count; of a cross-fitted track, for each fold the rows of the others.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from rsd_bench.config import FOLDS, NO_LATENCY_S, TAU_GRID
from rsd_bench.dataset.benchmark import Benchmark
from rsd_bench.metrics.arrays import BoolArray, FloatArray, IntArray
from rsd_bench.metrics.threshold_curve import best_tau
from rsd_bench.metrics.tier_policies import tier_curve
from rsd_bench.submission.author_table import FOLD
from rsd_bench.submission.submission import ALL_SCENARIOS, CASCADE, REPEAT, Declaration, Threshold, p_columns
from rsd_bench.submission.thresholds import as_written, fold_count
from rsd_bench.types import InputError, Problem, Scenario

_SHOWN = 20
_ANY = -1  # repeat or fold of a row that names none


@dataclass(frozen=True)
class _Labelled:
    """Rows of one track to choose on. row: their places in the table; query: positions in Benchmark.queries."""

    row: IntArray
    query: IntArray
    scenario: np.ndarray[Any, Any]
    repeat: IntArray
    fold: IntArray
    p: FloatArray

    def take(self, kept: BoolArray) -> _Labelled:
        return _Labelled(*(values[kept] for values in vars(self).values()))


def choose_thresholds(
    table: pd.DataFrame, predictions: pd.DataFrame, benchmark: Benchmark, declared: Declaration, source: Path
) -> dict[str, dict[str, Threshold]]:
    """tau by scenario and track: the value of the grid with the highest RCS, ties as `choose_tau`; one for all tiers.

    table: query_id, track, scenario and probabilities as `read_author_table` gives them with `folds`, of the file
    `source`. Without a repeat a row counts for every repeat entered, without a fold for each that does not hold its
    query. predictions: what is submitted; its tracks and repeats are chosen for. declared: its kind and latency count.
    InputError for rows that a threshold would decide, and where there are none to choose on.
    """
    problems: list[Problem] = []
    tau: dict[str, dict[str, Threshold]] = {name: {} for name in benchmark.scenarios}
    for track in (name for name in benchmark.tracks if (predictions["track"] == name).any()):
        of = predictions[predictions["track"] == track]
        repeats = (
            sorted({int(r) for r in of[REPEAT].fillna(0)} & set(range(benchmark.repeats(track))))
            if (REPEAT in of)
            else [0]
        )
        labelled, faults = _labelled(table, track, repeats, benchmark, source)
        problems += faults
        dealt = repeats if benchmark.track(track).cross_fitted else ()
        owners = {repeat: _fold_of(benchmark, track, repeat)[labelled.query] for repeat in dealt}
        for name, scenario in benchmark.scenarios.items() if not faults else ():
            shape = len(repeats), fold_count(benchmark, track), 1
            chosen = np.zeros(shape)
            for at, repeat in np.ndenumerate(np.repeat(repeats, shape[1]).reshape(shape)):
                cell = labelled.take(_chosen_on(labelled, owners.get(repeat), name, repeat, at[1]))
                try:
                    chosen[at] = _best(cell, benchmark, track, scenario, declared)
                except ValueError as error:
                    of_fold = f", repeat {repeat}, fold {at[1]}" if owners else ""
                    what = f"track {track!r}, scenario {name!r}{of_fold}: {error}"
                    problems.append(Problem(str(source), what, "give labelled rows that it does not decide"))
            tau[name][track] = as_written(chosen)
    if problems:
        more = len(problems) - _SHOWN
        told = [Problem(str(source), f"has {more} more problems", "fix these first")] if more > 0 else []
        raise InputError([*problems[:_SHOWN], *told])
    return tau


def _labelled(
    table: pd.DataFrame, track: str, repeats: list[int], benchmark: Benchmark, source: Path
) -> tuple[_Labelled, list[Problem]]:
    """The rows of a track, and those that may not be chosen on."""
    of = np.flatnonzero(table["track"] == track)
    here = table.iloc[of]
    query = pd.Index(benchmark.queries["query_id"]).get_indexer(here["query_id"])
    names = (REPEAT, FOLD, *p_columns(benchmark.track(track).count))
    numbers = here.reindex(columns=list(names)).to_numpy(np.float64)
    repeat, fold = np.where(np.isnan(numbers[:, :2]), _ANY, numbers[:, :2]).astype(np.int64).T
    found = _Labelled(of, query, here["scenario"].to_numpy(object), repeat, fold, numbers[:, 2:])
    problems = []
    for bad, what, fix in _refused(found, track, repeats, benchmark):
        rows = np.flatnonzero(bad)
        for at in rows[:_SHOWN].tolist():
            place, query_id = table.index[of[at]], here["query_id"].iat[at]
            where = place if isinstance(place, str) else f"{source}: row {place}"
            problems.append(Problem(where, f"query {query_id!r} {what}", fix))
        if len(rows) > _SHOWN:
            problems.append(Problem(str(source), f"{len(rows) - _SHOWN} more rows: the query {what}", fix))
    return found, problems


def _refused(
    rows: _Labelled, track: str, repeats: list[int], benchmark: Benchmark
) -> Iterator[tuple[BoolArray, str, str]]:
    """Masks of rows that cannot be chosen on, with what is wrong and what to do."""
    known = rows.query >= 0
    yield ~known, "is unknown", "use the ids of the dataset"
    names = (ALL_SCENARIOS, *benchmark.scenarios)
    yield ~np.isin(rows.scenario, names), "is for no scenario that there is", f"use {', '.join(names)}"
    yield (
        np.asarray(np.isnan(rows.p).any(axis=1)),
        f"lacks a probability of track {track!r}",
        "give one for each tier but the last",
    )
    tested = np.zeros(len(benchmark.queries), np.bool_)
    tested[benchmark.rows(track, "test")] = True
    if not benchmark.track(track).cross_fitted:
        yield known & tested[rows.query], "is a test query", "choose on train and validation queries"
        return
    yield known & ~tested[rows.query], f"takes no part in track {track!r}", "leave it out"
    yield rows.fold >= FOLDS, f"names fold {FOLDS} or more", f"use 0 to {FOLDS - 1}"
    alone = (rows.fold != _ANY) & (rows.repeat == _ANY)
    yield alone & (len(repeats) > 1), "names a fold, but not of which repeat", "add the column repeat"
    for repeat in repeats:
        own = _fold_of(benchmark, track, repeat)[rows.query]
        inside = known & (rows.fold != _ANY) & (rows.fold == own) & np.isin(rows.repeat, (repeat, _ANY))
        yield inside, f"is decided in the fold that it is for, in repeat {repeat}", "choose on queries of other folds"


def _fold_of(benchmark: Benchmark, track: str, repeat: int) -> IntArray:
    """The fold of every query of the dataset in a repeat, -1 where it takes no part."""
    fold = np.full(len(benchmark.queries), -1, np.int64)
    fold[benchmark.rows(track, "test")] = benchmark.folds(track, repeat)
    return fold


def _chosen_on(rows: _Labelled, own: IntArray | None, scenario: str, repeat: int, fold: int) -> BoolArray:
    """The rows that a threshold is chosen on. own: the fold of each row's query in that repeat, where there are any."""
    kept = np.isin(rows.scenario, (ALL_SCENARIOS, scenario)) & np.isin(rows.repeat, (repeat, _ANY))
    return kept if own is None else kept & ((rows.fold == fold) | ((rows.fold == _ANY) & (own != fold)))


def _best(rows: _Labelled, benchmark: Benchmark, track: str, scenario: Scenario, declared: Declaration) -> float:
    """ValueError where these rows say nothing."""
    if not len(rows.query):
        raise ValueError("has no row to choose on")
    if len(np.unique(rows.query)) < len(rows.query):
        raise ValueError("has rows that name a query twice")
    tiers = replace(benchmark.at(track, rows.query).tiers, cascade=declared.kind == CASCADE)
    if not tiers.latencies[:, -1].max() >= NO_LATENCY_S or np.isnan(tiers.scores).any():
        raise ValueError("has rows of queries without outcomes or latency")
    return best_tau(tier_curve(rows.p, tiers, scenario, TAU_GRID, declared.router_latency.seconds))


def ranges_of(tau: Mapping[str, Any]) -> dict[str, tuple[float, float]]:
    """The least and the greatest threshold of each scenario."""
    found = {name: list(_leaves(value)) for name, value in tau.items()}
    return {name: (min(values), max(values)) for name, values in found.items() if values}


def _leaves(value: Any) -> Iterator[float]:
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, (list, tuple)):
        for inner in value:
            yield from _leaves(inner)
    else:
        yield float(value)
