"""Routers side by side: grouped cross-validation over all queries, over seeds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
from tqdm import tqdm

from rsd_bench.config import ROUTER_LATENCY_S
from rsd_bench.dataset.benchmark import Benchmark
from rsd_bench.features.feature_table import Features
from rsd_bench.routers.interface import TrainingData
from rsd_bench.routers.registry import Entry
from rsd_bench.studies.cross_validation import Decided, Summary, decide_out_of_fold, every_query, summarise
from rsd_bench.studies.decision_cache import DecisionCache
from rsd_bench.studies.study_table import Table, dataset_of

COLUMNS = ("scenario", "router", "gain", "low", "high", "gain %", "AUROC", "CA", "APSP", "best fixed")
LATENCY_NOTE = f"Router latency: {ROUTER_LATENCY_S} s, as the paper states of its router, for every row."
DIGITS = (None, None, 2, 2, 2, 1, 3, 3, 3, None)


def compare_baselines(
    benchmark: Benchmark,
    features: Features,
    entries: Sequence[Entry],
    seeds: int,
    command: str,
    cache: DecisionCache,
) -> Table:
    """One row a scenario and router; means over seeds, intervals over groups."""
    rows = []
    scenarios = benchmark.scenarios
    data = {name: every_query(benchmark, features, scenario) for name, scenario in scenarios.items()}
    jobs = [(name, entry) for name in scenarios for entry in entries]
    for name, entry in tqdm(jobs, desc="baselines", unit="router", disable=None):
        rows.append((name, entry.name, *figures(run(data[name], entry, seeds, cache))))
    return Table(
        name="baselines",
        title="Reference router and baselines",
        command=command,
        reading="Cross-validation decides every query once a seed, by a router that has not seen its group; seed r "
        "deals the folds of repeat r. An interval above 0 means that the router beats the best fixed policy.",
        columns=COLUMNS,
        digits=DIGITS,
        rows=tuple(rows),
        notes=(f"{seeds_note(seeds)} {LATENCY_NOTE}",),
        dataset=dataset_of(benchmark),
    )


def seeds_note(seeds: int) -> str:
    """How the figures of a table were averaged, and what its interval is of."""
    averaged = f"Mean of {seeds} seeds" if seeds > 1 else "One seed"
    return f"Cross-validation. {averaged}; [low, high] is the 95 % interval of the paired gain over groups."


def run(data: TrainingData, entry: Entry, seeds: int, cache: DecisionCache) -> Summary:
    """One router under the scenario of the queries."""

    def kept(seed: int) -> Decided:
        return cache.get((entry.name, asdict(data.scenario), seed), lambda: decide_out_of_fold(entry.make, data, seed))

    return summarise(data, [kept(seed) for seed in range(seeds)])


def figures(summary: Summary) -> tuple[float | str | None, ...]:
    """A summary as the columns from `gain` on; gains in points."""
    gain = summary.gain
    points = (100 * gain.value, 100 * gain.low, 100 * gain.high, 100 * summary.gain_share)
    return (*points, summary.auroc, summary.ca, summary.apsp, summary.best_fixed)


def draw_baselines(table: Table, path: Path) -> None:
    """Gains with intervals, one panel a scenario."""
    draw_gains(table, path, "router")


def draw_gains(table: Table, path: Path, label: str) -> None:
    """Points and intervals of `gain` by the column `label`, one panel a scenario."""
    from rsd_bench.figures import INK, LINES, new_figure, save

    scenarios = list(dict.fromkeys(table.column("scenario")))
    labels = list(dict.fromkeys(table.column(label)))
    figure, axes = new_figure(1, len(scenarios), width=9.0, height=0.9 + 0.26 * len(labels))
    for axis, scenario in zip(np.atleast_1d(axes), scenarios, strict=True):
        rows = table.where(scenario=scenario)
        y = np.arange(len(rows))[::-1]
        gain, low, high = (np.array([row[key] for row in rows]) for key in ("gain", "low", "high"))
        axis.errorbar(gain, y, xerr=(gain - low, high - gain), fmt="o", color=LINES[0], markersize=4, linewidth=1.2)
        axis.axvline(0, color=INK, linewidth=0.8)
        axis.set(title=scenario, xlabel="RCS gain, points", yticks=y)
        axis.set_yticklabels([row[label] for row in rows] if axis is np.atleast_1d(axes)[0] else [])
    save(figure, path)
