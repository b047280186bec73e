"""Time and size of a board of many submissions: from nothing, with one added, and with nothing changed.

    python benchmarks/board.py [--submissions 200] [--json]
    python benchmarks/board.py --suite [--submissions 50] [--json]

Synthetic submissions to every track of the embedded dataset; each build is `rsd-bench board build` as a whole process,
with a cache of its own. Also built: the same submissions in folders made in another order, which must give equal bytes.

--suite: ten cross-fitted pairs of 3,000 queries in 1,000 groups, five repeats, three scenarios; the dataset is made in
memory, so that builds are timed in this process and the workers it starts.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from rsd_bench.board.build_board import collect_board
from rsd_bench.dataset.benchmark import open_benchmark
from rsd_bench.dataset.open import dataset_folder
from rsd_bench.evaluation.evaluate import score_submission
from rsd_bench.submission.check_submission import open_submission

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "support"))
from boards import synthetic
from suites import suite_benchmark, written


def build(submissions: Path, out: Path, cache: Path) -> float:
    """Seconds of a build as a process."""
    command = [sys.executable, "-m", "rsd_bench", "board", "build"]
    start = time.perf_counter()
    subprocess.run(
        [*command, "--submissions", submissions, "--out", out],
        env={**os.environ, "XDG_CACHE_HOME": str(cache)},
        stdout=subprocess.DEVNULL,
        check=True,
    )
    return time.perf_counter() - start


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def measure(root: Path, n: int) -> dict[str, float]:
    """Figures by name; AssertionError where the order of folders shows in the bytes."""
    benchmark, submissions = open_benchmark(dataset_folder()), root / "submissions"
    for seed in range(n):
        synthetic(submissions / f"router-{seed:04d}", benchmark, seed)
    last = submissions / f"router-{n - 1:04d}"
    shutil.move(last, root / "last")
    figures = {"submissions": n, "from nothing, one fewer (s)": build(submissions, root / "board", root / "cache")}
    shutil.move(root / "last", last)
    figures["one added (s)"] = build(submissions, root / "board", root / "cache")
    figures["nothing changed (s)"] = build(submissions, root / "board", root / "cache")
    figures["page (MB)"] = (root / "board" / "index.html").stat().st_size / 1e6
    for folder in sorted(submissions.iterdir(), reverse=True):
        shutil.copytree(folder, root / "turned" / folder.name)
    build(root / "turned", root / "board-turned", root / "cache-turned")
    assert contents(root / "board-turned") == contents(root / "board"), "the order of folders shows"
    return figures


def measure_suite(root: Path, n: int) -> dict[str, float]:
    """Figures by name, of a suite of ten pairs."""
    benchmark, submissions = suite_benchmark(3_000, 1_000, 10), root / "submissions"
    for seed in range(n):
        written(submissions / f"router-{seed:04d}", benchmark, seed)
    last = submissions / f"router-{n - 1:04d}"
    shutil.move(last, root / "last")

    def timed() -> float:
        start = time.perf_counter()
        collect_board(submissions, benchmark, cached=root / "cache").files()
        return time.perf_counter() - start

    figures = {"submissions": n, "from nothing, one fewer (s)": timed()}
    shutil.move(root / "last", last)
    figures |= {"one added (s)": timed(), "nothing changed (s)": timed()}
    start = time.perf_counter()
    score_submission(open_submission(last, benchmark), benchmark)
    figures["one submission read and scored (s)"] = time.perf_counter() - start
    figures["memory (GB)"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--submissions", type=int)
    parser.add_argument("--suite", action="store_true")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if given.suite:
            figures = measure_suite(Path(folder), given.submissions or 50)
        else:
            figures = measure(Path(folder), given.submissions or 200)
    if given.json:
        print(json.dumps(figures))
        return
    print("| board | |\n|---|---:|")
    for name, value in figures.items():
        print(f"| {name} | {value:.3g} |")


if __name__ == "__main__":
    main()
