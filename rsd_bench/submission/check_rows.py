"""Hold the rows of a predictions file against a dataset: every test query of every track entered, exactly once.

Nothing leaves the denominator: what is missing, repeated, unknown or no probability is a problem, never dropped.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from rsd_bench.dataset.benchmark import Benchmark
from rsd_bench.metrics.arrays import BoolArray, FloatArray, IntArray
from rsd_bench.submission.predictions import Predictions
from rsd_bench.submission.submission import ALL_SCENARIOS, SUBMISSION, Tau, tau_of
from rsd_bench.types import Problem

_SHOWN = 20


def check_rows(
    predictions: Predictions, tau: Tau | None, benchmark: Benchmark
) -> tuple[dict[tuple[str, str], FloatArray], list[Problem]]:
    """Probabilities by (track, scenario) in the order of the track's test part, and what is wrong with the rows.

    tau: its scenarios are those that are asked for; None, where it is not known, asks for those that the rows name.
    """
    faults = _Faults(predictions, list(predictions.faults))
    scenarios = [s for s in (tau or benchmark.scenarios) if s in benchmark.scenarios]
    names, tracks = [ALL_SCENARIOS, *scenarios], benchmark.tracks
    if not len(predictions):
        faults.file("has no rows", "one row a test query of each track entered")
        return {}, faults.problems
    track, scenario = _codes(predictions.text["track"], tracks), _codes(predictions.text["scenario"], names)
    query = _codes(predictions.text["query_id"], benchmark.id_array)
    p = predictions.p_edge
    faults.rows(track < 0, "track", "is unknown", f"use {', '.join(tracks)}")
    # what the check of submission.json tells once; half a surrogate pair is not printable, and no row can hold it
    refused = [name for name in tau or () if name not in benchmark.scenarios and name.isprintable()]
    unknown = (scenario < 0) & (_codes(predictions.text["scenario"], refused) < 0)
    faults.rows(unknown, "scenario", "is not in tau", f"use {', '.join(names)}")
    faults.rows(query < 0, "query_id", "is unknown", "use the ids of the dataset's test split")
    bad = ~((p >= 0) & (p <= 1))
    if predictions.faults:
        bad[list(predictions.told)] = False
    faults.rows(bad, "p_edge", "is not a number in [0, 1]", "give a probability for every row")
    known = (scenario >= 0) & (query >= 0)
    out: dict[tuple[str, str], FloatArray] = {}
    for code, name in enumerate(tracks):
        given = track == code
        if not given.any():
            continue
        entered = np.bincount(scenario[given & (scenario >= 0)], minlength=len(names)) > 0
        if entered[0] and entered[1:].any():
            faults.file(f"track {name!r} mixes scenario * with named ones", "give either * or every scenario of tau")
            continue
        wanted = [0] if entered[0] else [at for at in range(1, len(names)) if tau or entered[at]]
        columns = {}
        for position in wanted:
            of = f"track {name!r}" + (f", scenario {names[position]!r}" if position else "")
            rows = np.flatnonzero(given & known & (scenario == position))
            columns[names[position]] = _column(
                faults, of, rows, query[rows], benchmark.part(name, "test").rows, benchmark
            )
        if not tau:
            continue
        for wanted_scenario in scenarios:
            out[name, wanted_scenario] = columns[ALL_SCENARIOS if entered[0] else wanted_scenario]
            if not _has_tau(tau, name, wanted_scenario):
                where, what = str(predictions.path.parent / SUBMISSION), f"tau.{wanted_scenario}: no value for track"
                faults.problems.append(Problem(where, f"{what} {name!r}", "give one number, or one per track entered"))
    return out, faults.problems


def _column(
    faults: _Faults, of: str, rows: IntArray, query: IntArray, test: IntArray, benchmark: Benchmark
) -> FloatArray:
    """Probabilities of one track and scenario in the order of `test`; strays, repeats and gaps are reported.

    rows: the file's rows of that track and scenario; query: positions of their ids; test: positions asked for.
    """
    place = np.full(len(benchmark.queries), -1, np.int32)
    place[test] = np.arange(len(test))
    at = place[query]
    faults.rows(rows[at < 0], "query_id", "is no test query of its track", "predict the test queries only")
    rows, at = rows[at >= 0], at[at >= 0]
    counts = np.bincount(at, minlength=len(test))
    if counts.max(initial=0) > 1:
        repeated = rows[pd.Series(at).duplicated().to_numpy()]
        faults.rows(repeated, "query_id", "stands twice for its track and scenario", "keep one row")
    missing = np.flatnonzero(counts == 0)
    for position in missing[:_SHOWN].tolist():
        query_id = benchmark.queries["query_id"].iat[int(test[position])]
        faults.file(f"{of}: query {query_id!r} is missing", "add its row")
    if len(missing) > _SHOWN:
        faults.file(f"{of}: {len(missing) - _SHOWN} more queries are missing", "add their rows")
    values = np.full(len(test), np.nan)
    values[at] = faults.predictions.p_edge[rows]
    return values


def _has_tau(tau: Tau, track: str, scenario: str) -> bool:
    try:
        tau_of(tau, track, scenario)
    except KeyError:
        return False
    return True


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


class _Faults:
    """Reports rows of a predictions file, the first ones each, the rest as a count."""

    def __init__(self, predictions: Predictions, problems: list[Problem]) -> None:
        self.predictions, self.problems = predictions, problems

    def rows(self, bad: BoolArray | IntArray, column: str, what: str, fix: str) -> None:
        rows = np.flatnonzero(bad) if bad.dtype == np.bool_ else bad
        for row in rows[:_SHOWN].tolist():
            value = self.predictions.shown(column, row)
            self.problems.append(Problem(self.predictions.where(row), f"{column} {value} {what}", fix))
        if len(rows) > _SHOWN:
            more = f"{len(rows) - _SHOWN} more rows: {column} {what}"
            self.problems.append(Problem(str(self.predictions.path), more, fix))

    def file(self, what: str, fix: str) -> None:
        self.problems.append(Problem(str(self.predictions.path), what, fix))
