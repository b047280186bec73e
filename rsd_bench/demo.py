"""The main job on the embedded dataset: train on statistics, submit, check, score, rank. No network, no key."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rsd_bench.board.build import build_board, write_board
from rsd_bench.dataset.benchmark import open_benchmark
from rsd_bench.dataset.open import dataset_folder
from rsd_bench.router.baselines import LogisticRouter
from rsd_bench.router.features import read_statistics
from rsd_bench.router.train import train_and_predict
from rsd_bench.submission.new import new_submission

SLUG = "statistics-logistic"
#: Statistics of one query and a dot product: just above the p50 that benchmarks/query_statistics.py prints.
ROUTER_LATENCY_S = 0.010
HARDWARE = "one x86-64 core"


@dataclass(frozen=True)
class Demo:
    """Where the demo wrote, and the board it made."""

    submission: Path
    leaderboard: Path
    board: dict[str, Any]


def statistics_submission(folder: Path, data: Path | None = None) -> Path:
    """Train the statistics baseline on every track and write its submission to `folder`."""
    benchmark = open_benchmark(dataset_folder(data))
    trained = train_and_predict(benchmark, read_statistics(benchmark.folder), LogisticRouter)
    return new_submission(
        folder,
        trained.predictions,
        benchmark,
        name="Statistics + logistic regression",
        authors=["rsd_bench"],
        description="Logistic regression on the query statistics (v_stat), one fit per track and scenario; tau by RCS "
        "on validation.",
        tau=trained.tau,
        router_latency_s=ROUTER_LATENCY_S,
        hardware=HARDWARE,
    )


def run_demo(out: Path) -> Demo:
    """Run the demo into folder `out` and return what it made."""
    import json

    benchmark = open_benchmark(dataset_folder())
    submissions, leaderboard = out / "submissions", out / "leaderboard"
    submission = statistics_submission(submissions / SLUG)
    files = build_board(submissions, benchmark)
    write_board(files, leaderboard)
    return Demo(submission, leaderboard, json.loads(files["leaderboard.json"]))
