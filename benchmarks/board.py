"""Time and size of a board of many submissions: from nothing, with one added, and with nothing changed.

    python benchmarks/board.py [--submissions 200] [--json]

Synthetic submissions to every track of the embedded dataset; each build is `rsd-bench board build` as a whole process,
with a cache of its own. Also built: the same submissions in folders made in another order, which must give equal bytes.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from rsd_bench.dataset.benchmark import open_benchmark
from rsd_bench.dataset.open import dataset_folder

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "support"))
from boards import synthetic


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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--submissions", type=int, default=200)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        figures = measure(Path(folder), given.submissions)
    if given.json:
        print(json.dumps(figures))
        return
    print("| board | |\n|---|---:|")
    for name, value in figures.items():
        print(f"| {name} | {value:.3g} |")


if __name__ == "__main__":
    main()
