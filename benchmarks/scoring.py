"""From a predictions file to a scored row: seconds and peak memory from 10^3 to 10^7 rows.

    python benchmarks/scoring.py [--largest 7] [--figure docs/images/scoring.png] [--json]

`check` reads and verifies a Parquet file of n rows; `score` computes every metric, the sweep over every
distinct p, all reference rows and all domains in three scenarios; with n_boot 10,000 also every interval. Queries stand
alone (no groups) and latencies are clocked, the harder case. Each line is a process of its own: so are the peaks.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import platform
import resource
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from rsd_bench.config import N_BOOT, SCENARIOS
from rsd_bench.dataset.benchmark import Benchmark
from rsd_bench.evaluation.evaluate import score_submission
from rsd_bench.submission.check_submission import check_submission
from rsd_bench.submission.submission import Metadata, Submission


def benchmark_of(n: int, tracks: int = 0) -> Benchmark:
    """A dataset of n test queries in 5 domains; `tracks` more tracks test on the same queries."""
    rng = np.random.default_rng(0)
    numbers = np.char.zfill(np.arange(n).astype(str), 8)
    ids = pa.array(np.char.add("s/", numbers).tolist(), pa.string())
    domain = pa.DictionaryArray.from_arrays(rng.integers(0, 5, n).astype(np.int32), ["a", "b", "c", "d", "e"])
    columns: dict[str, Any] = {
        "query_id": pd.Series(ids, dtype="str"),
        "domain": domain.to_pandas(),
        "small_score": rng.integers(0, 11, n).astype(float),
        "large_score": np.maximum(rng.integers(0, 11, n), 4).astype(float),
        "small_latency_s": rng.uniform(0.3, 1.5, n),
        "large_latency_s": rng.uniform(3, 12, n),
        "split": pd.Categorical.from_codes(np.zeros(n, np.int8), ["test"]),
        "latency_basis": pd.Categorical.from_codes(np.zeros(n, np.int8), ["measured"]),
    }
    names = [f"track-{i}" for i in range(tracks)]
    frame = pd.DataFrame(columns | dict.fromkeys(names, columns["split"]))
    frame["group_id"] = frame["query_id"]
    manifest = {"name": "bench", "version": "1", "tracks": dict.fromkeys(names), "queries": n}
    return Benchmark(Path(), manifest, "0" * 64, frame)


def meta_of(slug: str) -> dict[str, Any]:
    return {
        "schema_version": 2,
        "slug": slug,
        "name": "Bench",
        "authors": ["Bench"],
        "dataset": {"name": "bench", "version": "1", "manifest_sha256": "0" * 64},
        "tau": dict.fromkeys(SCENARIOS, 0.5),
        "router_latency": {"seconds": 0.016, "hardware": "none"},
    }


def write_file(folder: Path, benchmark: Benchmark) -> int:
    """A submission in shuffled order, one row group per track; returns its rows."""
    folder.mkdir()
    (folder / "submission.json").write_text(json.dumps(meta_of(folder.name)))
    rng, rows = np.random.default_rng(1), 0
    schema = pa.schema(
        [("track", pa.string()), ("query_id", pa.string()), ("scenario", pa.string()), ("p_edge", pa.float64())]
    )
    with pq.ParquetWriter(
        folder / "predictions.parquet", schema, compression="zstd", use_dictionary=["track", "scenario"]
    ) as out:
        for track in benchmark.tracks:
            n = len(benchmark.queries)
            ids = benchmark.id_array.take(pa.array(rng.permutation(n)))
            same = [pa.array([text]).take(pa.array(np.zeros(n, np.int32))) for text in (track, "*")]
            out.write_table(pa.table([same[0], ids, same[1], pa.array(rng.random(n))], schema))
            rows += n
    return rows


def peak_mb() -> float:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1e6 if platform.system() == "Darwin" else 1e6 / 1024)


def write_case(folder: str, n: int, tracks: int) -> int:
    return write_file(Path(folder), benchmark_of(n, tracks))


def check_case(folder: str, n: int, tracks: int) -> dict[str, Any]:
    benchmark = benchmark_of(n, tracks)
    before, start = peak_mb(), time.perf_counter()
    submission, problems = check_submission(Path(folder), benchmark)
    if submission is None:
        raise SystemExit(str(problems[:3]))
    return {"seconds": time.perf_counter() - start, "peak_mb": peak_mb(), "before_mb": before}


def score_case(n: int, n_boot: int) -> dict[str, Any]:
    benchmark = benchmark_of(n)
    p = np.clip(benchmark.queries["small_score"].to_numpy() / 10 + np.random.default_rng(2).normal(0, 0.2, n), 0, 1)
    submission = Submission(
        Metadata.from_dict(meta_of("bench")), {("in-domain", scenario): p for scenario in SCENARIOS}
    )
    before, start = peak_mb(), time.perf_counter()
    score_submission(submission, benchmark, n_boot=n_boot).to_dict()
    return {"seconds": time.perf_counter() - start, "peak_mb": peak_mb(), "before_mb": before}


def fresh(work: Any, *arguments: Any) -> Any:
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(work, *arguments).result()


def measure(largest: int) -> list[dict[str, Any]]:
    rows = []
    sizes = [10**k for k in range(3, largest + 1)]
    with tempfile.TemporaryDirectory() as root:
        for n in sizes:
            fresh(write_case, f"{root}/one-{n}", n, 0)
            rows.append({"work": "check", "rows": n} | fresh(check_case, f"{root}/one-{n}", n, 0))
        if largest >= 7:
            folder = Path(root) / "eight"
            total = fresh(write_case, str(folder), 1_250_000, 7)
            rows.append({"work": "check, 8 tracks", "rows": total} | fresh(check_case, str(folder), 1_250_000, 7))
    rows += [
        {"work": f"score, {N_BOOT:,} resamples", "rows": n} | fresh(score_case, n, N_BOOT) for n in sizes if n <= 10**6
    ]
    rows += [{"work": "score, no intervals", "rows": n} | fresh(score_case, n, 0) for n in sizes]
    return rows


def draw(rows: list[dict[str, Any]], path: Path) -> None:
    import matplotlib

    matplotlib.use("svg" if path.suffix == ".svg" else "agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
    for work in dict.fromkeys(row["work"] for row in rows):
        line = [row for row in rows if row["work"] == work]
        for axis, key in zip(axes, ("seconds", "peak_mb"), strict=True):
            axis.loglog([r["rows"] for r in line], [r[key] for r in line], marker="o", label=work)
    for axis, name in zip(axes, ("seconds", "peak memory of the process, MB"), strict=True):
        axis.set(xlabel="rows", ylabel=name)
        axis.grid(alpha=0.3)
    axes[0].legend(fontsize=8)
    figure.savefig(path, dpi=130)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--largest", type=int, default=6, choices=range(3, 8), help="the largest power of ten")
    parser.add_argument("--figure", type=Path, help="also draw the growth")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    rows = measure(options.largest)
    if options.figure:
        draw(rows, options.figure)
    if options.json:
        print(json.dumps(rows, indent=1))
        return
    print("| work | rows | seconds | rows/s | peak MB (before) |\n|---|---:|---:|---:|---:|")
    for row in rows:
        rate = row["rows"] / row["seconds"]
        memory = f"{row['peak_mb']:.0f} ({row['before_mb']:.0f})"
        print(f"| {row['work']} | {row['rows']:,} | {row['seconds']:.3g} | {rate:,.0f} | {memory} |")


if __name__ == "__main__":
    main()
