"""Speed and memory of a submission's overall figures, beside a plain loop: `python benchmarks/overall.py [--json]`.

A suite of ten pairs, three scenarios, five repeats and 3,000 queries in 1,000 groups that all tracks share, with 10,000
resamples. The plain loop draws groups and scores every track, scenario and repeat of the drawn queries anew; it runs on
a part of the resamples and is scaled, as its row says. The script stops where the two disagree. Ratios compare the CPU.
"""

from __future__ import annotations

import argparse
import json
import resource
import time
from collections.abc import Callable
from typing import Any

import numpy as np

import rsd_bench as rsd
from rsd_bench.config import SCENARIOS
from rsd_bench.metrics.overall import SuiteTrack, overall

TRACKS, REPEATS, QUERIES, GROUPS, N_BOOT = 10, 5, 3_000, 1_000, 10_000
SOME_RESAMPLES = 20


def suite(seed: int = 0) -> dict[str, SuiteTrack]:
    """A router whose p is half score, half noise, on pairs whose large model is the better one."""
    rng = np.random.default_rng(seed)
    groups = np.array([f"group-{code}" for code in rng.permutation(np.arange(QUERIES) % GROUPS)])
    tracks = {}
    for i in range(TRACKS):
        small, large = rng.integers(0, 11, QUERIES).astype(float), rng.integers(3, 11, QUERIES).astype(float)
        p = np.clip(small[:, None] / 10 + rng.normal(0, 0.3, (QUERIES, REPEATS)), 0, 1)
        tracks[f"pair-{i}"] = SuiteTrack(
            small=small,
            large=large,
            small_latency=rng.uniform(0.5, 1, QUERIES),
            large_latency=rng.uniform(4, 8, QUERIES),
            groups=groups,
            p_edge=dict.fromkeys(SCENARIOS, p),
            route_small=dict.fromkeys(SCENARIOS, p >= 0.6),
            router_latency_s=0.016,
        )
    return tracks


def plain(tracks: dict[str, SuiteTrack], n_boot: int) -> np.ndarray:
    """Skill and gain of each resample, shape (n_boot, 2): its queries sorted and scored anew."""
    rng, found = np.random.default_rng(1), []
    codes = np.unique(next(iter(tracks.values())).groups, return_inverse=True)[1]
    for _ in range(n_boot):
        rows = np.repeat(np.arange(QUERIES), np.bincount(rng.integers(0, GROUPS, GROUPS), minlength=GROUPS)[codes])
        cells = []
        for track in tracks.values():
            of = {name: getattr(track, name)[rows] for name in ("small", "large", "small_latency", "large_latency")}
            for name, scenario in SCENARIOS.items():
                p, route = track.p_edge[name][rows], track.route_small[name][rows]
                skill = [
                    rsd.lift(p[:, r], small=of["small"], large=of["large"], mes=scenario.mes).skill
                    for r in range(REPEATS)
                ]
                own = [
                    rsd.score_routing(route[:, r], **of, scenario=scenario, router_latency_s=0.016).rcs
                    for r in range(REPEATS)
                ]
                fixed = max(rsd.score_routing(np.full(QUERIES, k), **of, scenario=scenario).rcs for k in (0, 1))
                cells.append((np.mean(skill), np.mean(own) - fixed))
        found.append(np.mean(cells, axis=0))
    return np.array(found)


def timed(work: Callable[[], Any]) -> tuple[float, float, Any]:
    """Seconds by the clock and of the CPU, and the result."""
    start = time.perf_counter(), time.process_time()
    result = work()
    return time.perf_counter() - start[0], time.process_time() - start[1], result


def peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    options = parser.parse_args()
    tracks, before, rows = suite(), peak_mb(), []
    work = f"overall figures, {TRACKS} pairs x {len(SCENARIOS)} scenarios x {REPEATS} repeats x {QUERIES:,} queries"
    for what in ("the first submission", "each other one"):  # which finds the draws made
        wall, cpu, found = timed(lambda: overall(tracks, scenarios=SCENARIOS, n_boot=N_BOOT))
        rows.append({"work": f"{work}: {what}", "seconds": wall, "cpu": cpu, "peak_mb": peak_mb(), "before_mb": before})
    wall, cpu, resamples = timed(lambda: plain(tracks, SOME_RESAMPLES))
    scale = N_BOOT / SOME_RESAMPLES
    row = {"work": f"{work}: plain loop, 1/{scale:,.0f} of it scaled", "seconds": wall * scale, "cpu": cpu * scale}
    rows.append(row | {"ratio": cpu * scale / rows[1]["cpu"]})
    for bounds, of in zip((found.skill, found.gain), resamples.T, strict=True):
        if abs(of.mean() - bounds.value) > (bounds.high - bounds.low) / 2:
            raise SystemExit("the plain loop disagrees with ours")
    if options.json:
        print(json.dumps(rows, indent=2))
        return
    print("| work | seconds | CPU | ratio | peak MB (before) |\n|---|---:|---:|---:|---:|")
    for row in rows:
        ratio = f"{row['ratio']:,.0f} x" if "ratio" in row else ""
        memory = f"{row['peak_mb']:.0f} ({row['before_mb']:.0f})" if "peak_mb" in row else ""
        print(f"| {row['work']} | {row['seconds']:.3g} | {row['cpu']:.3g} | {ratio} | {memory} |")


if __name__ == "__main__":
    main()
