"""The leaderboard: a pure function of a folder of submissions and a dataset.

    leaderboard/results/<slug>.json      one Result
    leaderboard/leaderboard.json         rows by track and scenario, references, refused submissions
    leaderboard/leaderboard.csv, .md     the same rows for a spreadsheet and for people

Ranks are bands: routers whose paired interval contains 0 share one. `check_board` says which committed files differ.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from rsd_bench.arrays import FloatArray, group_codes
from rsd_bench.board.flags import decision_flags, duplicate_flags
from rsd_bench.board.render import to_csv, to_markdown
from rsd_bench.config import N_BOOT, SCENARIOS
from rsd_bench.dataset.benchmark import Benchmark
from rsd_bench.evaluation import route_of, score_submission
from rsd_bench.metrics import metrics_of, terms
from rsd_bench.stats import group_sums, rank_bands, resample_sums
from rsd_bench.submission.check import check_submission
from rsd_bench.submission.model import Submission
from rsd_bench.types import InputError, Problem, Scenario
from rsd_bench.version import METRICS_VERSION, __version__

RESULTS = "results"


def build_board(submissions: Path, benchmark: Benchmark, *, n_boot: int = N_BOOT, seed: int = 0) -> dict[str, bytes]:
    """Every file of the board by relative path, from the folders below `submissions` (names with _ or . are skipped).

    A submission with problems is not scored; the board lists it with them. InputError where there is no folder at all.
    """
    if not submissions.is_dir():
        raise InputError.at(submissions, "is not a folder", "name the folder that holds one folder per router")
    folders = sorted(p for p in submissions.iterdir() if p.is_dir() and p.name[0] not in "._")
    accepted: list[Submission] = []
    refused: list[dict[str, Any]] = []
    files: dict[str, bytes] = {}
    results: dict[str, dict[str, Any]] = {}
    for folder in tqdm(folders, desc="scoring", unit="submission", disable=None):
        submission, problems = check_submission(folder, benchmark)
        if submission is None:
            refused.append({"slug": folder.name, "problems": [_relative(p, submissions) for p in problems]})
            continue
        result = score_submission(submission, benchmark, n_boot=n_boot, seed=seed).to_dict()
        accepted.append(submission)
        results[submission.slug] = result
        files[f"{RESULTS}/{submission.slug}.json"] = _json(result)
    board = _board(accepted, results, benchmark, n_boot, seed) | {"refused": refused}
    files["leaderboard.json"] = _json(board)
    files["leaderboard.csv"] = to_csv(board).encode()
    files["leaderboard.md"] = to_markdown(board).encode()
    return files


def write_board(files: dict[str, bytes], out: Path) -> None:
    """Write the files of a board and remove results of submissions that are gone."""
    (out / RESULTS).mkdir(parents=True, exist_ok=True)
    for stale in set(_committed(out)) - set(files):
        (out / stale).unlink()
    for name, data in files.items():
        (out / name).write_bytes(data)


def check_board(files: dict[str, bytes], out: Path) -> list[Problem]:
    """Files that differ from what the submissions and the dataset give; empty where the board is up to date."""
    mend = "run `rsd-bench board build` and commit"
    committed = _committed(out)
    problems = [Problem(str(out / name), "is missing", mend) for name in sorted(set(files) - set(committed))]
    problems += [Problem(str(out / name), "has no submission", mend) for name in sorted(set(committed) - set(files))]
    for name in sorted(set(files) & set(committed)):
        if committed[name] != files[name]:
            problems.append(Problem(str(out / name), "differs from what the submissions give", mend))
    return problems


def _committed(out: Path) -> dict[str, bytes]:
    found = [*out.glob("leaderboard.*"), *(out / RESULTS).glob("*.json")]
    return {path.relative_to(out).as_posix(): path.read_bytes() for path in found}


def _json(value: Any) -> bytes:
    return (json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode()


def _relative(problem: Problem, submissions: Path) -> dict[str, str]:
    """The problem with a path that does not depend on where the checkout lies."""
    return asdict(Problem(problem.where.replace(f"{submissions}/", ""), problem.what, problem.mend))


def _board(
    accepted: list[Submission], results: dict[str, dict[str, Any]], benchmark: Benchmark, n_boot: int, seed: int
) -> dict[str, Any]:
    manifest = benchmark.manifest
    tables = []
    for track in benchmark.tracks:
        for scenario in SCENARIOS.values():
            entered = [s for s in accepted if (track, scenario.name) in s.p_edge]
            if entered:
                tables.append(_table(entered, results, benchmark, track, scenario, n_boot, seed))
    duplicates = duplicate_flags(accepted)
    return {
        "dataset": {k: manifest[k] for k in ("name", "version", "pair", "queries", "flip_prob") if k in manifest}
        | {"manifest_sha256": benchmark.manifest_sha256},
        "metrics_version": METRICS_VERSION,
        "package_version": __version__,
        "latency_basis": benchmark.latency_basis,
        "bootstrap": {"n_boot": n_boot, "seed": seed, "unit": "group"},
        "scenarios": {name: asdict(scenario) for name, scenario in SCENARIOS.items()},
        "submissions": [
            {
                "slug": s.slug,
                "name": s.meta["name"],
                "authors": s.meta["authors"],
                "url": s.meta.get("url"),
                "router_latency": {**s.meta["router_latency"], "basis": "declared"},
                "flags": duplicates.get(s.slug, []),
            }
            for s in accepted
        ],
        "tables": tables,
    }


def _table(
    entered: list[Submission],
    results: dict[str, dict[str, Any]],
    benchmark: Benchmark,
    track: str,
    scenario: Scenario,
    n_boot: int,
    seed: int,
) -> dict[str, Any]:
    """One ranking: rows from the best band down, then reference policies without a rank."""
    rows = []
    for submission in entered:
        scores = results[submission.slug]["scores"]
        row = next(r for r in scores if (r["track"], r["scenario"]) == (track, scenario.name))
        rows.append((submission, row))
    values = np.array([row["rcs"]["value"] for _, row in rows])
    bands = rank_bands(values, _paired_rcs(entered, benchmark, track, scenario, n_boot, seed))
    order = sorted(range(len(rows)), key=lambda i: (bands[i], -values[i], rows[i][0].slug))
    part = benchmark.part(track, "test")
    return {
        "track": track,
        "scenario": scenario.name,
        "n": len(part),
        "rows": [
            {
                "band": int(bands[i]),
                "slug": rows[i][0].slug,
                "name": rows[i][0].meta["name"],
                **{
                    k: v
                    for k, v in rows[i][1].items()
                    if k not in ("track", "scenario", "references", "sweep", "domains")
                },
                "flags": decision_flags(rows[i][1]),
            }
            for i in order
        ],
        "references": [row for row in rows[0][1]["references"] if row["policy"] != "random"],
        "random": {submission.slug: _random(row) for submission, row in rows},
    }


def _random(row: dict[str, Any]) -> dict[str, Any]:
    """The random policy at the CA of a row."""
    return next(dict(reference) for reference in row["references"] if reference["policy"] == "random")


def _paired_rcs(
    entered: list[Submission], benchmark: Benchmark, track: str, scenario: Scenario, n_boot: int, seed: int
) -> FloatArray:
    """RCS of every router on the same bootstrap samples, shape (n_boot, routers)."""
    part = benchmark.part(track, "test")
    codes = group_codes(part.groups, len(part))
    stacked = [
        group_sums(terms(route_of(s, track, scenario.name), part.outcomes, scenario.mes, s.router_latency_s), codes)
        for s in entered
    ]
    samples = resample_sums(np.hstack(stacked), n_boot, seed)
    by_router = samples.reshape(n_boot, len(entered), -1)
    return np.asarray(metrics_of(by_router, scenario)["rcs"])
