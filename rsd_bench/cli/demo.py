"""The main job on the embedded dataset: train routers, submit, check, score, rank. No network, no key, no torch."""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from rsd_bench.board.build_board import collect_board, write_board
from rsd_bench.board.leaderboard import Leaderboard
from rsd_bench.board.scored import processors
from rsd_bench.config import IN_DOMAIN, MES_LEVELS
from rsd_bench.dataset.benchmark import Benchmark, open_benchmark
from rsd_bench.dataset.open import dataset_folder
from rsd_bench.features.feature_table import read_features
from rsd_bench.routers.registry import ROUTERS
from rsd_bench.routers.submit_router import submit_trained

#: Routers by name, and whether each enters the suite too; the others, which take longer, decide in-domain alone.
SHOWN = {"ngram-gain": True, "domain-constant": True, "ngram+statistics": False, "statistics-logistic": False}
_REPEATS = 1


@dataclass(frozen=True)
class Demo:
    """Where the demo wrote, the data it used, and the board it made."""

    submissions: Path
    leaderboard: Path
    benchmark: Benchmark
    board: Leaderboard

    @property
    def satisfied(self) -> str:
        """The share of queries that each side satisfies at each Minimal Expectation Score: what makes MES matter."""
        outcomes = self.benchmark.part(IN_DOMAIN, "test").outcomes
        sides = {"edge": outcomes.small, "cloud": outcomes.large}
        rows = [
            f"{name:<6}" + "".join(f"{(score >= mes).mean():>6.2f}" for mes in MES_LEVELS)
            for name, score in sides.items()
        ]
        return "\n".join(["MES   " + "".join(f"{mes:>6}" for mes in MES_LEVELS), *rows])


def run_demo(out: Path) -> Demo:
    """Run the demo into folder `out` and return what it made; two routers train at a time."""
    submissions, leaderboard = out / "submissions", out / "leaderboard"
    with ProcessPoolExecutor(min(2, processors()), multiprocessing.get_context("spawn")) as pool:
        folders = {name: submissions / name.replace("+", "-") for name in SHOWN}
        trained = as_completed([pool.submit(_train, folder, name) for name, folder in folders.items()])
        for done in tqdm(trained, desc="routers", unit="router", disable=None, total=len(folders)):
            done.result()
    benchmark = open_benchmark(dataset_folder())
    board = collect_board(submissions, benchmark)
    write_board(board.files(), leaderboard)
    return Demo(submissions, leaderboard, benchmark, board.data)


def _train(folder: Path, name: str) -> None:
    from threadpoolctl import threadpool_limits

    benchmark = open_benchmark(dataset_folder())
    suite = [track.name for track in benchmark.manifest.tracks if track.suite and SHOWN[name]]
    with threadpool_limits(1):  # as many processes as processors
        submit_trained(
            folder, ROUTERS[name], benchmark, read_features(benchmark), tracks=[IN_DOMAIN, *suite], repeats=_REPEATS
        )
