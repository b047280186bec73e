"""Speed of the formulas on K tiers, side by side with plain loops: `python benchmarks/tiers.py [--json]`.

The plain loops are what one would write first: a query, a threshold or a resample at a time. Both compute the same
figures on the same data in the same run, and this script stops when they disagree; a loop that would take minutes runs
on a part of the work and is scaled, as its row says. Seconds are by the clock and of the CPU (the best of some runs);
ratios compare the CPU, which other work on the machine hardly touches. Under a minute.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np

import rsd_bench as rsd
from rsd_bench.config import SCENARIOS
from rsd_bench.metrics.rank_intervals import RANK_RANGES

SCENARIO = SCENARIOS["fast_response"]
FRONTIER = (8_800, 10)  # the size of a cost-quality curve that takes a peer 34 s
QUERIES, TIERS, SWEPT_TIERS = 10**6, 5, 3
GROUPED, GROUPS, N_BOOT = 3_000, 1_000, 10_000
SOME_QUERIES, SOME_THRESHOLDS, SOME_RESAMPLES = 10_000, 50, 50


def outcomes(n: int, k: int, seed: int = 0) -> dict[str, Any]:
    """Scores and clocked latencies of n queries on k tiers, each slower than the one before."""
    rng = np.random.default_rng(seed)
    scores = np.minimum(rng.integers(0, 9, (n, k)) + np.arange(k) // 2, 10).astype(float)
    return {"scores": scores, "latencies": rng.uniform(0.5, 1.5, (n, k)) * 2.0 ** np.arange(k), "scenario": SCENARIO}


def seconds(work: Callable[[], Any], repeats: int = 1) -> tuple[np.ndarray, Any]:
    """The least time of `repeats` runs, by the clock and of the CPU; and the last result."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter(), time.process_time()
        result = work()
        times.append((time.perf_counter() - start[0], time.process_time() - start[1]))
    return np.min(times, axis=0), result


def versus(work: str, ours: np.ndarray, loop: np.ndarray, part: float = 1) -> list[dict[str, Any]]:
    """Two rows; a loop over a `part` of the work is scaled to all of it."""
    scaled = "" if part == 1 else f", 1/{1 / part:,.0f} of it scaled"
    rows = [{"work": work, "time": ours}, {"work": f"{work}: plain loop{scaled}", "time": loop / part}]
    named = [{"work": row["work"], "seconds": row["time"][0], "cpu": row["time"][1]} for row in rows]
    named[1]["ratio"] = named[1]["cpu"] / named[0]["cpu"]
    return named


def agree(what: str, ours: Any, plain: Any, tolerance: float = 1e-9) -> None:
    if not np.allclose(ours, plain, rtol=tolerance, atol=tolerance, equal_nan=True):
        raise SystemExit(f"the plain loop disagrees with ours: {what}")


# --- the plain loops -----------------------------------------------------------------------------------------------


def plain_frontier(values: np.ndarray, costs: np.ndarray) -> float:
    """Area of the frontier: the hull of one query after the other, then the steps of all from the steepest down."""
    steps, cost, score = [], 0.0, 0.0
    for value_row, cost_row in zip(values.tolist(), costs.tolist(), strict=True):
        hull: list[tuple[float, float]] = []
        for c, v in sorted(zip(cost_row, value_row, strict=True)):
            if hull and v <= hull[-1][1]:
                continue
            while len(hull) > 1 and (hull[-1][1] - hull[-2][1]) * (c - hull[-2][0]) <= (v - hull[-2][1]) * (
                hull[-1][0] - hull[-2][0]
            ):
                hull.pop()
            hull.append((c, v))
        cost, score = cost + hull[0][0], score + hull[0][1]
        steps += [(c - a, v - b) for (a, b), (c, v) in pairwise(hull)]
    n, dearest = len(values), costs.max(axis=1).sum()
    start, area = cost, 0.0
    for more, gain in sorted(steps, key=lambda step: -step[1] / step[0]):
        area += more * (score + gain / 2)
        cost, score = cost + more, score + gain
    return (area + (dearest - cost) * score) / (dearest - start) / n


def plain_tiers(choice: np.ndarray, of: dict[str, Any], cascade: bool) -> list[float]:
    """RCS of a choice, of the oracles and of the fixed policies, a query at a time."""
    reference = of["latencies"][:, -1].mean()
    k = of["scores"].shape[1]
    totals = [0.0] * (k + 3)
    for chosen, scores, waits in zip(choice.tolist(), of["scores"].tolist(), of["latencies"].tolist(), strict=True):
        worth = []
        for d in range(k):
            waited = sum(waits[: d + 1]) if cascade else waits[d]
            kept = 1 - d / (k - 1)
            solved = scores[d] >= SCENARIO.mes
            worth.append(SCENARIO.alpha * solved + SCENARIO.beta * kept + SCENARIO.gamma * (1 - waited / reference))
        label = next((d for d in range(k - 1) if scores[d] >= SCENARIO.mes or scores[d] >= max(scores[d + 1 :])), k - 1)
        for i, value in enumerate([worth[chosen], worth[label], max(worth), *worth]):
            totals[i] += value
    return [total / len(choice) for total in totals]


def plain_sweep(p: np.ndarray, of: dict[str, Any], taus: np.ndarray) -> list[float]:
    """RCS at each threshold, one pass over all queries a threshold."""
    rows, reference, found = np.arange(len(p)), of["latencies"][:, -1].mean(), []
    for tau in taus:
        hit = np.column_stack([p >= tau, np.ones(len(p), bool)])
        choice = hit.argmax(axis=1)
        apsp = (of["scores"][rows, choice] >= SCENARIO.mes).mean()
        ca, ail = (1 - choice / p.shape[1]).mean(), of["latencies"][rows, choice].mean()
        found.append(SCENARIO.alpha * apsp + SCENARIO.beta * ca + SCENARIO.gamma * (1 - ail / reference))
    return found


def plain_skill(p: np.ndarray, small: np.ndarray, large: np.ndarray, codes: np.ndarray, n_boot: int) -> np.ndarray:
    """Skill of each resample: its queries sorted anew."""
    out = []
    groups, rng = int(codes.max()) + 1, np.random.default_rng(4)
    for _ in range(n_boot):
        drawn = np.bincount(rng.integers(0, groups, groups), minlength=groups)
        rows = np.repeat(np.arange(len(p)), drawn[codes])
        out.append(rsd.lift(p[rows], small=small[rows], large=large[rows], mes=SCENARIO.mes).skill)
    return np.array(out)


# --- the measurements ----------------------------------------------------------------------------------------------


def frontier_rows() -> list[dict[str, Any]]:
    rng = np.random.default_rng(0)
    values, rows = rng.random(FRONTIER), []
    costs = rng.uniform(0.5, 1.5, FRONTIER) * 2.0 ** np.arange(FRONTIER[1])
    for name, score in (("graded", values), ("right or wrong", (values < 0.6).astype(float))):
        ours, found = seconds(lambda score=score: rsd.frontier(score, costs), repeats=9)
        loop, area = seconds(lambda score=score: plain_frontier(score, costs), repeats=3)
        agree("frontier", found.area, area)
        rows += versus(f"frontier, {FRONTIER[0]:,} queries x {FRONTIER[1]} models, {name}", ours, loop)
    return rows


def score_rows() -> list[dict[str, Any]]:
    of, rows = outcomes(QUERIES, TIERS), []
    choice = np.random.default_rng(1).integers(0, TIERS, QUERIES)
    some = {name: value[:SOME_QUERIES] if isinstance(value, np.ndarray) else value for name, value in of.items()}

    def all_rows(choice: np.ndarray, of: dict[str, Any], cascade: bool) -> list[float]:
        scores = rsd.reference_tiers(**of, cascade=cascade)
        score = rsd.score_tiers(choice, **of, cascade=cascade)
        names = ["label-oracle", "rcs-oracle", *(f"all-at-{k + 1}" for k in range(TIERS))]
        return [score.rcs, *(scores[name].rcs for name in names)]

    for cascade in (False, True):
        ours, _ = seconds(lambda cascade=cascade: all_rows(choice, of, cascade), repeats=3)
        loop, plain = seconds(lambda cascade=cascade: plain_tiers(choice[:SOME_QUERIES], some, cascade))
        agree("score_tiers", all_rows(choice[:SOME_QUERIES], some, cascade), plain)
        kind = "a cascade" if cascade else "a choice"
        work = f"score of {kind}, oracles and fixed policies, {QUERIES:,} queries x {TIERS} tiers"
        rows += versus(work, ours, loop, SOME_QUERIES / QUERIES)
    return rows


def sweep_rows() -> list[dict[str, Any]]:
    of = outcomes(QUERIES, SWEPT_TIERS)
    p = np.random.default_rng(2).random((QUERIES, SWEPT_TIERS - 1))
    ours, curve = seconds(lambda: rsd.sweep_tiers(p, **of), repeats=3)
    at = np.linspace(0, len(curve) - 1, SOME_THRESHOLDS).astype(int)
    loop, plain = seconds(lambda: plain_sweep(p, of, curve["tau"].to_numpy()[at]))
    agree("sweep_tiers", curve["rcs"].to_numpy()[at], plain)
    work = f"sweep of {SWEPT_TIERS} tiers, {QUERIES:,} queries, {len(curve):,} thresholds"
    return versus(work, ours, loop, SOME_THRESHOLDS / len(curve))


def interval_rows() -> list[dict[str, Any]]:
    rng = np.random.default_rng(3)
    codes = rng.permutation(np.arange(GROUPED) % GROUPS)
    small, large = rng.integers(0, 11, GROUPED).astype(float), np.maximum(rng.integers(0, 11, GROUPED), 4).astype(float)
    p = np.clip(small / 10 + rng.normal(0, 0.3, GROUPED), 0, 1)
    given = {"small": small, "large": large, "mes": SCENARIO.mes, "groups": codes}
    ours, found = seconds(lambda: rsd.rank_intervals(p, **given, n_boot=N_BOOT), repeats=5)
    loop, plain = seconds(lambda: plain_skill(p, small, large, codes, SOME_RESAMPLES))
    half = (found["skill"].high - found["skill"].low) / 2
    agree("rank_intervals", plain.mean(), found["skill"].value, tolerance=half)
    work = (
        f"intervals of {len(RANK_RANGES)} rank figures, {GROUPED:,} queries in {GROUPS:,} groups, {N_BOOT:,} resamples"
    )
    rows = versus(work, ours, loop, SOME_RESAMPLES / N_BOOT)
    rows[1]["work"] = rows[1]["work"].replace("plain loop", "plain loop for one of them, skill")
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    options = parser.parse_args()
    rows = [*frontier_rows(), *score_rows(), *sweep_rows(), *interval_rows()]
    machine = {"cores": os.cpu_count(), "machine": platform.machine(), "numpy": np.__version__}
    if options.json:
        print(json.dumps({"machine": machine, "rows": rows}, indent=2))
        return
    print("| work | seconds | CPU | ratio |\n|---|---:|---:|---:|")
    for row in rows:
        ratio = f"{row['ratio']:.3g} x" if "ratio" in row else ""
        print(f"| {row['work']} | {row['seconds']:.3g} | {row['cpu']:.3g} | {ratio} |")
    print("\n" + ", ".join(f"{name} {value}" for name, value in machine.items()))


if __name__ == "__main__":
    main()
