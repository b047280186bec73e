"""Check a submission against a dataset: all problems at once, each with where it is and how to mend it.

Every test query of every track entered must be there exactly once; nothing leaves the denominator.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from rsd_bench.arrays import BoolArray, FloatArray, IntArray
from rsd_bench.config import SCENARIOS
from rsd_bench.dataset.benchmark import Benchmark
from rsd_bench.submission.model import ALL_SCENARIOS, PREDICTION_FILES, SLUG, SUBMISSION, Submission, tau_of
from rsd_bench.submission.read import read_meta, read_predictions
from rsd_bench.types import InputError, Problem

_SHOWN = 20
ALLOWED_FILES = {SUBMISSION, *PREDICTION_FILES, "README.md"}


def open_submission(folder: Path, benchmark: Benchmark) -> Submission:
    """A submission that is in order; InputError listing every problem otherwise."""
    submission, problems = check_submission(folder, benchmark)
    if submission is None:
        raise InputError(problems)
    return submission


def check_submission(folder: Path, benchmark: Benchmark) -> tuple[Submission | None, list[Problem]]:
    """(submission, []) where all is in order, else (None, every problem)."""
    problems: list[Problem] = []
    if folder.is_symlink() or not folder.is_dir():
        return None, [Problem(str(folder), "is not a folder", "make one: rsd-bench submit new SLUG --from FILE")]
    if not SLUG.fullmatch(folder.resolve().name):
        problems.append(Problem(str(folder), "is no slug", "name it with 2 to 63 of a-z, 0-9 and -"))
    for extra in sorted(path.name for path in folder.iterdir() if path.name not in ALLOWED_FILES):
        problems.append(
            Problem(str(folder / extra), "does not belong here", f"keep {', '.join(sorted(ALLOWED_FILES))}")
        )
    meta = read_meta(folder, problems)
    if meta is not None:
        _check_meta(folder, meta, benchmark, problems)
    max_rows = sum(int((benchmark.part(t, "test").rows >= 0).sum()) for t in benchmark.tracks) * len(SCENARIOS)
    read = read_predictions(folder, max_rows, problems)
    if read is None:
        return None, problems
    path, table = read
    p_edge = _check_predictions(path, table, meta, benchmark, problems)
    if problems or meta is None:
        return None, problems
    return Submission(meta, p_edge), []


def _check_meta(folder: Path, meta: dict[str, Any], benchmark: Benchmark, problems: list[Problem]) -> None:
    path = str(folder / SUBMISSION)
    if meta["slug"] != folder.resolve().name:
        problems.append(Problem(path, f"slug is {meta['slug']!r}, the folder {folder.name!r}", "make them equal"))
    dataset, ours = meta["dataset"], benchmark.manifest
    if dataset["manifest_sha256"] not in benchmark.accepted_manifests:
        what = f"was made for another manifest ({dataset['manifest_sha256'][:12]}...)"
        mend = f"predict on {ours['name']} {ours['version']}, manifest {benchmark.manifest_sha256}"
        problems.append(Problem(path, what, mend))
    elif (dataset["name"], dataset["version"]) != (ours["name"], ours["version"]):
        what = f"names {dataset['name']} {dataset['version']}"
        problems.append(Problem(path, what, f"that manifest is {ours['name']} {ours['version']}"))
    for scenario, value in meta["tau"].items():
        if scenario not in SCENARIOS:
            problems.append(Problem(path, f"tau: no scenario {scenario!r}", f"use {', '.join(SCENARIOS)}"))
        if isinstance(value, dict):
            for track in value.keys() - set(benchmark.tracks):
                mend = f"use {', '.join(benchmark.tracks)}"
                problems.append(Problem(path, f"tau.{scenario}: no track {track!r}", mend))


def _codes(values: pd.Series[Any], names: Any) -> IntArray:
    """Position of each value in `names`, -1 where it is none of them."""
    return np.asarray(pd.Index(names).get_indexer(pd.Index(values)), np.int64)


def _check_predictions(
    path: Path, table: pd.DataFrame, meta: dict[str, Any] | None, benchmark: Benchmark, problems: list[Problem]
) -> dict[tuple[str, str], FloatArray]:
    """Probabilities by (track, scenario) in the order of the track's test part; problems are added to the list."""
    scenarios = [s for s in (meta["tau"] if meta else SCENARIOS) if s in SCENARIOS]
    names = [ALL_SCENARIOS, *scenarios]
    tracks, ids = benchmark.tracks, pd.Index(benchmark.queries["query_id"])
    lines = table["line"].to_numpy()
    if table.empty:
        problems.append(Problem(str(path), "has no rows", "one row a test query of each track entered"))
        return {}

    def report(bad: BoolArray, column: str, what: str, mend: str) -> None:
        rows = np.flatnonzero(bad)
        for row in rows[:_SHOWN]:
            value = str(table[column].iat[row])[:80]
            problems.append(Problem(f"{path}:{lines[row]}", f"{column} {value!r} {what}", mend))
        if len(rows) > _SHOWN:
            problems.append(Problem(str(path), f"{len(rows) - _SHOWN} more rows: {column} {what}", mend))

    track = _codes(table["track"], tracks)
    scenario = _codes(table["scenario"], names)
    query = _codes(table["query_id"], ids)
    p = table["p_edge"].to_numpy()
    report(track < 0, "track", "is unknown", f"use {', '.join(tracks)}")
    report(scenario < 0, "scenario", "is not in tau", f"use {', '.join(names)}")
    report(query < 0, "query_id", "is unknown", "use the ids of the dataset's test split")
    report(~((p >= 0) & (p <= 1)), "p_edge", "is not a number in [0, 1]", "give a probability for every row")

    is_test = np.zeros((len(tracks), len(ids)), np.bool_)
    for code, name in enumerate(tracks):
        is_test[code, benchmark.part(name, "test").rows] = True
    known = (track >= 0) & (scenario >= 0) & (query >= 0)
    stray = known.copy()
    stray[known] = ~is_test[track[known], query[known]]
    report(stray, "query_id", "is no test query of its track", "predict the test queries only")
    known &= ~stray

    shape = (len(tracks), len(names), len(ids))
    cell = np.ravel_multi_index((track[known], scenario[known], query[known]), shape)
    counts = np.bincount(cell, minlength=int(np.prod(shape))).reshape(shape)
    repeated = np.zeros(len(table), np.bool_)
    repeated[np.flatnonzero(known)[pd.Series(cell).duplicated().to_numpy()]] = True
    report(repeated, "query_id", "stands twice for its track and scenario", "keep one row")

    values = np.full(shape, np.nan)
    values.reshape(-1)[cell] = p[known]
    out: dict[tuple[str, str], FloatArray] = {}
    for code, name in enumerate(tracks):
        if not (track == code).any():
            continue
        entered = counts[code].any(axis=1)
        if entered[0] and entered[1:].any():
            mend = "give either * or every scenario of tau"
            problems.append(Problem(str(path), f"track {name!r} mixes scenario * with named ones", mend))
            continue
        rows = benchmark.part(name, "test").rows
        for position, wanted in enumerate(scenarios, 1):
            given = 0 if entered[0] else position
            missing = ids[rows[counts[code, given, rows] == 0]]
            of = f"track {name!r}" + ("" if entered[0] else f", scenario {wanted!r}")
            for query_id in missing[:_SHOWN]:
                problems.append(Problem(str(path), f"{of}: query {query_id!r} is missing", "add its row"))
            if len(missing) > _SHOWN:
                what = f"{of}: {len(missing) - _SHOWN} more queries are missing"
                problems.append(Problem(str(path), what, "add their rows"))
            if meta:
                try:
                    tau_of(meta["tau"], name, wanted)
                except KeyError:
                    where, what = str(path.parent / SUBMISSION), f"tau.{wanted}: no value for track {name!r}"
                    problems.append(Problem(where, what, "give one number, or one per track entered"))
            out[name, wanted] = values[code, given, rows]
            if entered[0] and len(missing):
                break
    return out
