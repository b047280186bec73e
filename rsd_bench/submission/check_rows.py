"""Hold the rows of a predictions file against a dataset: every test query of every track entered, once a repeat.

Nothing leaves the denominator: what is missing, repeated, unknown or no probability is a problem, never dropped.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from rsd_bench.dataset.benchmark import Benchmark
from rsd_bench.metrics.arrays import BoolArray, FloatArray, IntArray
from rsd_bench.submission.predictions import Predictions
from rsd_bench.submission.row_faults import SHOWN, RowFaults
from rsd_bench.submission.row_numbers import check_probabilities, checked_repeats
from rsd_bench.submission.submission import ALL_SCENARIOS, SUBMISSION, Decisions, Tau, p_columns
from rsd_bench.submission.thresholds import as_array, by_query, fold_count, tau_at
from rsd_bench.types import Problem


@dataclass(frozen=True)
class _Rows:
    """Rows as positions in what the dataset has; -1 where it has no such thing. Each of shape (n,)."""

    track: IntArray
    scenario: IntArray  # among ALL_SCENARIOS and those asked for
    query: IntArray
    repeat: IntArray

    def take(self, rows: IntArray) -> _Rows:
        return _Rows(self.track[rows], self.scenario[rows], self.query[rows], self.repeat[rows])


@dataclass(frozen=True)
class _Entry:
    """What is asked for of a track: each of its test queries, `test`, in each of these scenarios and repeats."""

    track: str
    scenarios: tuple[str, ...]
    repeats: tuple[int, ...]
    test: IntArray
    tells_repeats: bool

    @property
    def shape(self) -> tuple[int, int, int]:
        return len(self.scenarios), len(self.repeats), len(self.test)

    def of(self, scenario: str, repeat: int | None = None) -> str:
        told = f"track {self.track!r}" + (f", scenario {scenario!r}" if scenario != ALL_SCENARIOS else "")
        return told + (f", repeat {repeat}" if repeat is not None and self.tells_repeats else "")


def check_rows(
    predictions: Predictions, tau: Tau | None, benchmark: Benchmark
) -> tuple[dict[tuple[str, str], Decisions], list[Problem]]:
    """Decisions by (track, scenario) in the order of the track's test part, and what is wrong with the rows.

    tau: its scenarios are those that are asked for; None, where it is not known, asks for those that the rows name.
    """
    faults = RowFaults(predictions)
    scenarios = [s for s in (tau or benchmark.scenarios) if s in benchmark.scenarios]
    names, tracks = [ALL_SCENARIOS, *scenarios], benchmark.tracks
    if not len(predictions):
        faults.file("has no rows", "one row a test query of each track entered")
        return {}, faults.problems
    rows = _coded(faults, tau, names, benchmark)
    check_probabilities(faults, rows.track, benchmark)
    out: dict[tuple[str, str], Decisions] = {}
    for code, name in enumerate(tracks):
        given = np.flatnonzero(rows.track == code)
        if not len(given):
            continue
        here = rows.take(given)
        entered = np.bincount(here.scenario[here.scenario >= 0], minlength=len(names)) > 0
        if entered[0] and entered[1:].any():
            faults.file(f"track {name!r} mixes scenario * with named ones", "give either * or every scenario of tau")
            continue
        wanted = [0] if entered[0] else [at for at in range(1, len(names)) if tau or entered[at]]
        repeats = np.unique(here.repeat[here.repeat >= 0]).tolist() or [0]
        asked, dealt = tuple(names[at] for at in wanted), benchmark.track(name).cross_fitted
        entry = _Entry(name, asked, tuple(repeats), benchmark.rows(name, "test"), dealt)
        place = np.full(len(names), -1)
        place[wanted] = np.arange(len(wanted))
        known = (here.scenario >= 0) & (here.query >= 0) & (here.repeat >= 0)
        position = np.where(here.scenario >= 0, place[here.scenario], -1)
        p = _table(faults, entry, given[known], here.take(np.flatnonzero(known)), position[known], benchmark)
        columns = dict(zip(asked, p, strict=True))
        for scenario in scenarios if tau else ():
            of = columns[ALL_SCENARIOS if entered[0] else scenario]
            thresholds = _thresholds(faults, tau or {}, entry, scenario, of.shape[2], benchmark)
            out[name, scenario] = Decisions(entry.repeats, of, thresholds)
    return out, faults.problems


def _coded(faults: RowFaults, tau: Tau | None, names: list[str], benchmark: Benchmark) -> _Rows:
    """The rows as positions; what is unknown is told."""
    text, tracks = faults.predictions.text, benchmark.tracks
    track, scenario = _codes(text["track"], tracks), _codes(text["scenario"], names)
    query = _codes(text["query_id"], benchmark.id_array)
    faults.rows(track < 0, "track", "is unknown", f"use {', '.join(tracks)}")
    # what the check of submission.json tells once; half a surrogate pair is not printable, and no row can hold it
    refused = [name for name in tau or () if name not in benchmark.scenarios and name.isprintable()]
    unknown = (scenario < 0) & (_codes(text["scenario"], refused) < 0)
    faults.rows(unknown, "scenario", "is not in tau", f"use {', '.join(names)}")
    faults.rows(query < 0, "query_id", "is unknown", "use the ids of the dataset's test split")
    return _Rows(track, scenario, query, checked_repeats(faults, track, benchmark))


def _table(
    faults: RowFaults, entry: _Entry, rows: IntArray, known: _Rows, scenario: IntArray, benchmark: Benchmark
) -> FloatArray:
    """Probabilities of a track, shape (scenarios, repeats, n, K - 1); strays, repeated rows and gaps are reported.

    rows: the file's rows of that track in which all is known, `known`; scenario: which of the entry's.
    """
    n_scenarios, n_repeats, n = entry.shape
    place = np.full(len(benchmark.queries), -1, np.int64)
    place[entry.test] = np.arange(n)
    at = place[known.query]
    faults.rows(rows[at < 0], "query_id", "is no test query of its track", "predict the test queries only")
    inside = at >= 0
    rows, at = rows[inside], at[inside]
    repeat = np.searchsorted(entry.repeats, known.repeat[inside])
    at = (scenario[inside] * n_repeats + repeat) * n + at
    counts = np.bincount(at, minlength=n_scenarios * n_repeats * n)
    if counts.max(initial=0) > 1:
        repeated = rows[pd.Series(at).duplicated().to_numpy()]
        of = "track, scenario and repeat" if entry.tells_repeats else "track and scenario"
        faults.rows(repeated, "query_id", f"stands twice for its {of}", "keep one row")
    if not counts.all():
        _tell_missing(faults, entry, counts.reshape(entry.shape) == 0, benchmark)
    columns = p_columns(benchmark.track(entry.track).count)
    values = np.full((n_scenarios * n_repeats * n, len(columns)), np.nan)
    for k, name in enumerate(columns):
        if name in faults.predictions.numbers:
            values[at, k] = faults.predictions.numbers[name].values[rows]
    return values.reshape(*entry.shape, len(columns))


def _tell_missing(faults: RowFaults, entry: _Entry, missing: BoolArray, benchmark: Benchmark) -> None:
    """missing: which queries are, shape (scenarios, repeats, n)."""
    for scenario, lacking in zip(entry.scenarios, missing, strict=True):
        found = np.argwhere(lacking)
        for repeat, position in found[:SHOWN].tolist():
            query_id = benchmark.queries["query_id"].iat[int(entry.test[position])]
            faults.file(f"{entry.of(scenario, entry.repeats[repeat])}: query {query_id!r} is missing", "add its row")
        if len(found) > SHOWN:
            faults.file(f"{entry.of(scenario)}: {len(found) - SHOWN} more queries are missing", "add their rows")


def _thresholds(
    faults: RowFaults, tau: Tau, entry: _Entry, scenario: str, columns: int, benchmark: Benchmark
) -> FloatArray:
    """tau of each query, repeat and tier, shape (R, n, K - 1); what is not given, or of another length, is reported."""
    where = str(faults.predictions.path.parent / SUBMISSION)
    try:
        value, place = tau_at(tau, entry.track, scenario)
    except KeyError:
        what, fix = f"no value for track {entry.track!r}", "give one number, or one per track entered"
        faults.problems.append(Problem(where, f"tau.{scenario}: {what}", fix))
        return np.broadcast_to(np.nan, (len(entry.repeats), len(entry.test), columns))
    shape = (len(entry.repeats), fold_count(benchmark, entry.track), columns)
    thresholds, wrong = as_array(value, place, shape, entry.track)
    fix = "one number, or a list by repeat entered of lists by fold of lists by tier"
    faults.problems += (Problem(where, what, fix) for what in wrong)
    return by_query(thresholds, benchmark, entry.track, entry.repeats)


def _codes(values: pa.ChunkedArray, names: Any) -> IntArray:
    """Position of each value in `names`, -1 where it is none of them. Dictionaries are looked up, not their rows."""
    if not len(values):
        return np.empty(0, np.int32)
    wanted = pa.array(names, pa.string()) if not isinstance(names, (pa.Array, pa.ChunkedArray)) else names
    if pa.types.is_dictionary(values.type):
        parts = []
        for chunk in values.chunks:
            of_entry = _codes(pa.chunked_array([chunk.dictionary.cast(pa.string())]), wanted)
            entries = chunk.indices.fill_null(-1).to_numpy(zero_copy_only=False)
            parts.append(np.append(of_entry, -1)[entries])
        return np.concatenate(parts)
    found = pc.index_in(values.cast(pa.string()), value_set=wanted, skip_nulls=True)
    return np.asarray(found.fill_null(-1).to_numpy(), np.int32)
