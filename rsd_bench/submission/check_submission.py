"""Check a submission against a dataset: all problems at once, each with where it is and how to fix it.

Every test query of every track entered must be there exactly once; nothing leaves the denominator.
"""

from __future__ import annotations

import unicodedata
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from rsd_bench.config import SCENARIOS
from rsd_bench.dataset.benchmark import Benchmark
from rsd_bench.metrics.arrays import BoolArray, FloatArray, IntArray
from rsd_bench.submission.metadata import check_readme, read_meta
from rsd_bench.submission.predictions import Predictions, read_predictions
from rsd_bench.submission.submission import (
    ALL_SCENARIOS,
    PREDICTION_FILES,
    README,
    SLUG,
    SUBMISSION,
    Submission,
    tau_of,
)
from rsd_bench.types import InputError, Problem

_SHOWN = 20
_MOST_PROBLEMS = 200
_LONGEST_TEXT = 300
ALLOWED_FILES = {SUBMISSION, *PREDICTION_FILES, README}
NO_INK = "\u034f\u115f\u1160\u2800\u3164\uffa0"  # letters, symbols and marks to Unicode, blank to the eye


def open_submission(folder: Path, benchmark: Benchmark) -> Submission:
    """A submission that is in order; InputError listing every problem otherwise."""
    submission, problems = check_submission(folder, benchmark)
    if submission is None:
        raise InputError(problems)
    return submission


def check_submission(folder: Path, benchmark: Benchmark) -> tuple[Submission | None, list[Problem]]:
    """(submission, []) where all is in order, else (None, the problems): a bounded number, each of bounded length."""
    problems: list[Problem] = []
    submission = None
    try:
        submission = _check(folder, benchmark, problems)
    except OSError as error:  # of a folder that may not be looked into
        problems.append(Problem(str(error.filename or folder), error.strerror or "cannot be read"))
    return (None, _bounded(problems, folder)) if problems else (submission, [])


def _bounded(problems: list[Problem], folder: Path) -> list[Problem]:
    """What a board, a terminal or a comment can show, whatever the submission holds."""
    shown = [Problem(_text(p.where), _short(_text(p.what)), _short(_text(p.fix))) for p in problems[:_MOST_PROBLEMS]]
    if len(problems) > _MOST_PROBLEMS:
        more = f"has at least {len(problems) - _MOST_PROBLEMS} more problems"
        shown.append(Problem(_text(str(folder)), more, "fix these first"))
    return shown


def _short(text: str) -> str:
    half = _LONGEST_TEXT // 2
    return text if len(text) <= _LONGEST_TEXT else f"{text[:half]} ... {text[-half:]}"


def _text(text: str) -> str:
    """Text that can be written as UTF-8; the bytes of a file's name need not be."""
    return text.encode("utf-8", "backslashreplace").decode()


def _check(folder: Path, benchmark: Benchmark, problems: list[Problem]) -> Submission | None:
    if folder.is_symlink() or not folder.is_dir():
        problems.append(Problem(str(folder), "is not a folder", "make one: rsd-bench submit new SLUG --from FILE"))
        return None
    if not SLUG.fullmatch(folder.resolve().name):
        problems.append(Problem(str(folder), "is no slug", "name it with 2 to 63 of a-z, 0-9 and -"))
    for extra in sorted(path.name for path in folder.iterdir() if path.name not in ALLOWED_FILES):
        problems.append(
            Problem(str(folder / extra), "does not belong here", f"keep {', '.join(sorted(ALLOWED_FILES))}")
        )
    check_readme(folder, problems)
    meta = read_meta(folder, problems)
    if meta is not None:
        _check_meta(folder, meta, benchmark, problems)
    max_rows = sum(len(benchmark.part(track, "test")) for track in benchmark.tracks) * len(SCENARIOS)
    known = [*benchmark.tracks, *SCENARIOS]
    longest = max(int(benchmark.queries["query_id"].str.len().max()), *map(len, known))
    predictions = read_predictions(folder, max_rows, longest, problems)
    if predictions is None:
        return None
    p_edge = _check_predictions(predictions, meta, benchmark, problems)
    return None if problems or meta is None else Submission(meta, p_edge)


def _check_meta(folder: Path, meta: dict[str, Any], benchmark: Benchmark, problems: list[Problem]) -> None:
    path = str(folder / SUBMISSION)
    if meta["slug"] != folder.resolve().name:
        problems.append(Problem(path, f"slug is {meta['slug']!r}, the folder {folder.name!r}", "make them equal"))
    for field, text in (("name", meta["name"]), *(("authors", author) for author in meta["authors"])):
        if not any(unicodedata.category(c)[0] in "LNPS" and c not in NO_INK for c in text):
            problems.append(Problem(path, f"{field}: {text!r} has no visible character", "write a name"))
    dataset, ours = meta["dataset"], benchmark.manifest
    if dataset["manifest_sha256"] not in benchmark.accepted_manifests:
        what = f"was made for another manifest ({dataset['manifest_sha256'][:12]}...)"
        fix = f"predict on {ours['name']} {ours['version']}, manifest {benchmark.manifest_sha256}"
        problems.append(Problem(path, what, fix))
    elif (dataset["name"], dataset["version"]) != (ours["name"], ours["version"]):
        what = f"names {dataset['name']} {dataset['version']}"
        problems.append(Problem(path, what, f"that manifest is {ours['name']} {ours['version']}"))
    for scenario, value in meta["tau"].items():
        if scenario not in SCENARIOS:
            problems.append(Problem(path, f"tau: no scenario {scenario!r}", f"use {', '.join(SCENARIOS)}"))
        if isinstance(value, dict):
            for track in (track for track in value if track not in benchmark.tracks):
                fix = f"use {', '.join(benchmark.tracks)}"
                problems.append(Problem(path, f"tau.{scenario}: no track {track!r}", fix))


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


def _check_predictions(
    predictions: Predictions, meta: dict[str, Any] | None, benchmark: Benchmark, problems: list[Problem]
) -> dict[tuple[str, str], FloatArray]:
    """Probabilities by (track, scenario) in the order of the track's test part; problems are added to the list."""
    faults = _Faults(predictions, problems)
    scenarios = [s for s in (meta["tau"] if meta else SCENARIOS) if s in SCENARIOS]
    names, tracks = [ALL_SCENARIOS, *scenarios], benchmark.tracks
    if not len(predictions):
        faults.file("has no rows", "one row a test query of each track entered")
        return {}
    track, scenario = _codes(predictions.track, tracks), _codes(predictions.scenario, names)
    query = _codes(predictions.query_id, benchmark.id_array)
    p = predictions.p_edge
    faults.rows(track < 0, "track", "is unknown", f"use {', '.join(tracks)}")
    faults.rows(scenario < 0, "scenario", "is not in tau", f"use {', '.join(names)}")
    faults.rows(query < 0, "query_id", "is unknown", "use the ids of the dataset's test split")
    faults.rows(~((p >= 0) & (p <= 1)), "p_edge", "is not a number in [0, 1]", "give a probability for every row")
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
        wanted = [0] if entered[0] else range(1, len(names))
        columns = {}
        for position in wanted:
            of = f"track {name!r}" + (f", scenario {names[position]!r}" if position else "")
            rows = np.flatnonzero(given & known & (scenario == position))
            columns[names[position]] = _column(
                faults, of, rows, query[rows], benchmark.part(name, "test").rows, benchmark
            )
        for wanted_scenario in scenarios:
            out[name, wanted_scenario] = columns[ALL_SCENARIOS if entered[0] else wanted_scenario]
            if meta and not _has_tau(meta["tau"], name, wanted_scenario):
                where, what = str(predictions.path.parent / SUBMISSION), f"tau.{wanted_scenario}: no value for track"
                problems.append(Problem(where, f"{what} {name!r}", "give one number, or one per track entered"))
    return out


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


def _has_tau(tau: dict[str, Any], track: str, scenario: str) -> bool:
    try:
        tau_of(tau, track, scenario)
    except KeyError:
        return False
    return True
