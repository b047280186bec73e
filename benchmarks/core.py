"""Speed and memory of the formulas, side by side with plain loops: `python benchmarks/core.py [--json] [--large]`.

The plain loops are what one would write first: they visit each threshold and each resample. Both sides compute the same
figures on the same data in the same run, and this script stops when they disagree. Takes well under a minute; `--large`
adds the sweep of ten million queries (1.3 GB).
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import platform
import resource
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import numpy as np
import pandas as pd

from rsd_bench.config import SCENARIOS
from rsd_bench.metrics.bootstrap import group_sums, resample_sums
from rsd_bench.metrics.routing import Outcomes, metrics_of, terms
from rsd_bench.metrics.threshold_curve import sweep_curve

SCENARIO = SCENARIOS["fast_response"]
SWEEP_SIZES = (10**3, 10**4, 10**5, 10**6)
ROWS, THRESHOLDS = 14_037, 101  # the size of a known threshold sweep over chat queries
QUERIES, GROUPS, N_BOOT, PLAIN_N_BOOT = 100_000, 5_000, 10_000, 100


def outcomes(n: int, seed: int = 0) -> tuple[np.ndarray, Outcomes]:
    """P(edge competent) and outcomes with measured (real-valued) latency, the harder case."""
    rng = np.random.default_rng(seed)
    small, large = rng.integers(0, 11, n).astype(float), np.maximum(rng.integers(0, 11, n), 4).astype(float)
    p = np.clip(small / 10 + rng.normal(0, 0.2, n), 0, 1)
    return p, Outcomes.of(small, large, rng.uniform(0.3, 1.5, n), rng.uniform(3, 12, n))


def seconds(work: Callable[[], Any], repeats: int = 1) -> tuple[float, Any]:
    """Median time of `repeats` runs and the last result."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        result = work()
        times.append(time.perf_counter() - start)
    return statistics.median(times), result


def peak_mb() -> float:
    """Peak resident memory of this process so far; macOS counts in bytes, Linux in KiB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1e6 if platform.system() == "Darwin" else 1e6 / 1024)


# --- the plain loops -----------------------------------------------------------------------------------------------


def plain_sweep(frame: pd.DataFrame, taus: np.ndarray) -> list[dict[str, float]]:
    """One pass over all rows per threshold, as a first evaluator does it."""
    reference, rows = frame["large_latency"].mean(), []
    for tau in taus:
        small = frame["p"] >= tau
        score = frame["small"].where(small, frame["large"])
        ail = frame["small_latency"].where(small, frame["large_latency"]).mean()
        apsp, ca = (score >= SCENARIO.mes).mean(), small.mean()
        rcs = SCENARIO.alpha * apsp + SCENARIO.beta * ca + SCENARIO.gamma * (1 - ail / reference)
        rows.append({"apsp": apsp, "ca": ca, "ail": ail, "rcs": rcs})
    return rows


def plain_query_bootstrap(values: np.ndarray, codes: np.ndarray, n_boot: int) -> np.ndarray:
    """RCS of each resample, from the queries of the groups that were drawn."""
    rng = np.random.default_rng(1)
    order = np.argsort(codes, kind="stable")
    members = np.split(order, np.cumsum(np.bincount(codes))[:-1])
    out = []
    for _ in range(n_boot):
        drawn = np.concatenate([members[group] for group in rng.integers(0, len(members), len(members))])
        out.append(metrics_of(values[drawn].sum(axis=0), SCENARIO)["rcs"])
    return np.array(out)


def plain_group_bootstrap(values: np.ndarray, codes: np.ndarray, n_boot: int) -> np.ndarray:
    """RCS of each resample, from the sums of the groups that were drawn: a plain loop at its best."""
    rng = np.random.default_rng(2)
    sums = group_sums(values, codes)
    out = []
    for _ in range(n_boot):
        drawn = sums[rng.integers(0, len(sums), len(sums))]
        out.append(metrics_of(drawn.sum(axis=0), SCENARIO)["rcs"])
    return np.array(out)


# --- the measurements ----------------------------------------------------------------------------------------------


def sweep_rows(sizes: tuple[int, ...]) -> list[dict[str, Any]]:
    rows = []
    for n in sizes:
        p, of = outcomes(n)
        took, curve = seconds(lambda p=p, of=of: sweep_curve(p, of, SCENARIO), repeats=3 if n <= 10**6 else 1)
        rows.append({"work": f"sweep, {n:,} queries, {len(curve['tau']):,} thresholds", "seconds": took})
    return rows


def sweep_against_loop() -> list[dict[str, Any]]:
    p, of = outcomes(ROWS)
    taus = np.linspace(0, 1, THRESHOLDS)
    fields = ("small", "large", "small_latency", "large_latency")
    frame = pd.DataFrame({"p": p, **{name: getattr(of, name) for name in fields}})
    ours, curve = seconds(lambda: sweep_curve(p, of, SCENARIO, taus), repeats=9)
    loop, reference = seconds(lambda: plain_sweep(frame, taus), repeats=3)
    for name in ("apsp", "ca", "ail", "rcs"):  # the curve has one more row: tau 1.01
        np.testing.assert_allclose(curve[name][:-1], [row[name] for row in reference], rtol=1e-9)
    work = f"sweep, {ROWS:,} queries, {THRESHOLDS} thresholds"
    return [
        {"work": work, "seconds": ours},
        {"work": f"{work}: plain loop over thresholds (pandas)", "seconds": loop, "ratio": loop / ours},
    ]


def bootstrap_data() -> tuple[np.ndarray, np.ndarray]:
    p, of = outcomes(QUERIES)
    codes = np.random.default_rng(3).permutation(np.arange(QUERIES) % GROUPS)
    return terms(p >= 0.6, of, SCENARIO.mes, 0.016), codes


def our_bootstrap(values: np.ndarray, codes: np.ndarray) -> np.ndarray:
    return np.asarray(metrics_of(resample_sums(group_sums(values, codes), N_BOOT, 0), SCENARIO)["rcs"])


def bootstrap_in_fresh_process() -> tuple[float, float, float]:
    """Seconds, peak MB, and MB before the bootstrap started."""
    values, codes = bootstrap_data()
    before = peak_mb()
    took, _ = seconds(lambda: our_bootstrap(values, codes))
    return took, peak_mb(), before


def bootstrap_rows() -> list[dict[str, Any]]:
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        ours, peak, before = pool.submit(bootstrap_in_fresh_process).result()
    values, codes = bootstrap_data()
    samples = our_bootstrap(values, codes)
    of = f"bootstrap, {QUERIES:,} queries in {GROUPS:,} groups"
    rows = [{"work": f"{of}, {N_BOOT:,} resamples", "seconds": ours, "peak_mb": peak, "mb_before": before}]
    for name, plain in (("queries", plain_query_bootstrap), ("group sums", plain_group_bootstrap)):
        took, reference = seconds(lambda plain=plain: plain(values, codes, PLAIN_N_BOOT))
        error = reference.std() * 5 / PLAIN_N_BOOT**0.5
        if abs(reference.mean() - samples.mean()) > error or not 0.6 < reference.std() / samples.std() < 1.6:
            raise SystemExit(f"the plain bootstrap over {name} disagrees with ours")
        scaled = took * N_BOOT / PLAIN_N_BOOT
        rows.append(
            {
                "work": f"{of}: plain loop over {name}, {PLAIN_N_BOOT} resamples scaled to {N_BOOT:,}",
                "seconds": scaled,
                "ratio": scaled / ours,
                "scaled_from": {"n_boot": PLAIN_N_BOOT, "seconds": took},
            }
        )
    return rows


def table(rows: list[dict[str, Any]]) -> str:
    """Markdown. A ratio is the time of a plain loop over that of rsd_bench for the same work."""
    lines = ["| work | seconds | ratio | peak RSS |", "|---|---:|---:|---:|"]
    for row in rows:
        ratio = f"{row['ratio']:.3g} x" if "ratio" in row else ""
        peak = f"{row['peak_mb']:.0f} MB ({row['mb_before']:.0f} before)" if "peak_mb" in row else ""
        lines.append(f"| {row['work']} | {row['seconds']:.3g} | {ratio} | {peak} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument("--large", action="store_true", help="also sweep ten million queries")
    options = parser.parse_args()
    sizes = (*SWEEP_SIZES, 10**7) if options.large else SWEEP_SIZES
    start = time.perf_counter()
    rows = [*bootstrap_rows(), *sweep_against_loop(), *sweep_rows(sizes)]
    machine = {
        "cores": os.cpu_count(),
        "machine": platform.machine(),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "total_seconds": round(time.perf_counter() - start, 1),
    }
    if options.json:
        print(json.dumps({"machine": machine, "rows": rows}, indent=2))
    else:
        print(table(rows))
        print("\n" + ", ".join(f"{name} {value}" for name, value in machine.items()))


if __name__ == "__main__":
    main()
