"""The main job on the embedded dataset: train routers, submit, check, score, rank. No network, no key."""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from rsd_bench.board.build_board import collect_board, write_board
from rsd_bench.board.leaderboard import Leaderboard
from rsd_bench.board.scored import processors
from rsd_bench.config import IN_DOMAIN
from rsd_bench.dataset.benchmark import open_benchmark
from rsd_bench.dataset.open import dataset_folder
from rsd_bench.features.feature_table import read_features
from rsd_bench.routers.registry import ROUTERS
from rsd_bench.routers.submit_router import submit_trained

#: One that reads the words, one that sees figures of text and image only, one that knows the domain alone. Five folds
#: in three scenarios are fifteen trainings, for which routers of encoder vectors take minutes.
SHOWN = ("ngram-gain", "statistics-logistic", "domain-constant")


@dataclass(frozen=True)
class Demo:
    """Where the demo wrote, and the board it made."""

    submissions: Path
    leaderboard: Path
    board: Leaderboard


def run_demo(out: Path) -> Demo:
    """Run the demo into folder `out` and return what it made; two routers train side by side."""
    submissions, leaderboard = out / "submissions", out / "leaderboard"
    with ProcessPoolExecutor(min(2, processors()), multiprocessing.get_context("spawn")) as pool:
        trained = as_completed([pool.submit(_train, submissions / name, name) for name in SHOWN])
        for done in tqdm(trained, desc="routers", unit="router", disable=None, total=len(SHOWN)):
            done.result()
    board = collect_board(submissions, open_benchmark(dataset_folder()))
    write_board(board.files(), leaderboard)
    return Demo(submissions, leaderboard, board.data)


def _train(folder: Path, name: str) -> None:
    benchmark = open_benchmark(dataset_folder())
    submit_trained(folder, ROUTERS[name], benchmark, read_features(benchmark), tracks=[IN_DOMAIN], repeats=1)
