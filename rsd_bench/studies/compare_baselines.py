"""Routers side by side: grouped cross-validation over all queries, and the fixed test, over seeds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
from tqdm import tqdm

from rsd_bench.config import IN_DOMAIN, ROUTER_LATENCY_S
from rsd_bench.dataset.benchmark import Benchmark
from rsd_bench.features.feature_table import Features
from rsd_bench.routers.registry import Entry, Make
from rsd_bench.routers.track_training import TrackData, track_data
from rsd_bench.studies.cross_validation import Decided, Summary, decide_out_of_fold, summarise
from rsd_bench.studies.decision_cache import DecisionCache
from rsd_bench.studies.study_table import Table, dataset_of

PROTOCOLS = ("cross-validation", "fixed test")
COLUMNS = ("protocol", "scenario", "router", "gain", "low", "high", "gain %", "AUROC", "CA", "APSP", "best fixed")
LATENCY_NOTE = f"Router latency: {ROUTER_LATENCY_S} s, as the paper states of its router, for every row."
DIGITS = (None, None, None, 2, 2, 2, 1, 3, 3, 3, None)


def decide_test(make: Make, data: TrackData, seed: int) -> Decided:
    """Train on the fixed split and decide its test queries."""
    router = make(seed).fit(data.train, data.validation)
    p = router.predict_p_edge(data.test.features)
    return Decided(p, (p >= router.threshold(data.validation)).astype(np.float64))


def compare_baselines(
    benchmark: Benchmark,
    features: Features,
    entries: Sequence[Entry],
    seeds: int,
    command: str,
    cache: DecisionCache,
    protocols: Sequence[str] = PROTOCOLS,
) -> Table:
    """One row a protocol, scenario and router; means over seeds, intervals over groups."""
    rows = []
    scenarios = benchmark.scenarios
    data = {name: track_data(benchmark, features, IN_DOMAIN, scenario) for name, scenario in scenarios.items()}
    jobs = [(protocol, name, entry) for protocol in protocols for name in scenarios for entry in entries]
    for protocol, name, entry in tqdm(jobs, desc="baselines", unit="router", disable=None):
        summary = run(data[name], entry, seeds, protocol, cache)
        rows.append((protocol, name, entry.name, *figures(summary)))
    return Table(
        name="baselines",
        title="Reference router and baselines",
        command=command,
        reading="Cross-validation decides every query once a seed, by a router that has not seen its group; the fixed "
        "test alone is too small to separate gains of this size. An interval above 0 means that the router beats the "
        "best fixed policy.",
        columns=COLUMNS,
        digits=DIGITS,
        rows=tuple(rows),
        notes=(
            f"Mean of {seeds} seeds; [low, high] is the 95 % interval of the paired gain over groups. {LATENCY_NOTE}",
        ),
        dataset=dataset_of(benchmark),
    )


def run(data: TrackData, entry: Entry, seeds: int, protocol: str, cache: DecisionCache) -> Summary:
    """One router under one scenario and protocol."""
    judged = data.joined if protocol == PROTOCOLS[0] else data.test

    def decide(seed: int) -> Decided:
        if protocol == PROTOCOLS[0]:
            return decide_out_of_fold(entry.make, judged, seed)
        return decide_test(entry.make, data, seed)

    def kept(seed: int) -> Decided:
        return cache.get((entry.name, protocol, asdict(judged.scenario), seed), lambda: decide(seed))

    return summarise(judged, [kept(seed) for seed in range(seeds)])


def figures(summary: Summary) -> tuple[float | str | None, ...]:
    """A summary as the columns from `gain` on; gains in points."""
    gain = summary.gain
    points = (100 * gain.value, 100 * gain.low, 100 * gain.high, 100 * summary.gain_share)
    return (*points, summary.auroc, summary.ca, summary.apsp, summary.best_fixed)


def draw_baselines(table: Table, path: Path) -> None:
    """Gains with intervals, one panel a scenario; cross-validation where it was run."""
    draw_gains(table, path, "router", protocol=table.rows[0][0])


def draw_gains(table: Table, path: Path, label: str, **where: object) -> None:
    """Points and intervals of `gain` by the column `label`, one panel a scenario."""
    from rsd_bench.figures import INK, LINES, new_figure, save

    scenarios = list(dict.fromkeys(table.column("scenario")))
    labels = list(dict.fromkeys(table.column(label)))
    figure, axes = new_figure(1, len(scenarios), width=9.0, height=0.9 + 0.26 * len(labels))
    for axis, scenario in zip(np.atleast_1d(axes), scenarios, strict=True):
        rows = table.where(scenario=scenario, **where)  # type: ignore[arg-type]
        y = np.arange(len(rows))[::-1]
        gain, low, high = (np.array([row[key] for row in rows]) for key in ("gain", "low", "high"))
        axis.errorbar(gain, y, xerr=(gain - low, high - gain), fmt="o", color=LINES[0], markersize=4, linewidth=1.2)
        axis.axvline(0, color=INK, linewidth=0.8)
        axis.set(title=scenario, xlabel="RCS gain, points", yticks=y)
        axis.set_yticklabels([row[label] for row in rows] if axis is np.atleast_1d(axes)[0] else [])
    save(figure, path)
