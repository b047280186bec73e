"""CA and APSP against MES: where a router may be trusted (safe zone) and where demands outrun the small model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from tqdm import tqdm

from rsd_bench.config import ROUTER_LATENCY_S, scenario_named
from rsd_bench.dataset.benchmark import Benchmark
from rsd_bench.features.feature_table import Features
from rsd_bench.metrics.routing import metrics_of, reference_scores, terms
from rsd_bench.routers.registry import Entry
from rsd_bench.studies.cross_validation import decide_out_of_fold, every_query
from rsd_bench.studies.study_table import Table, dataset_of

COLUMNS = ("MES", "edge label rate", "CA", "APSP", "APSP all-edge", "APSP all-cloud", "APSP oracle", "gain", "zone")
DIGITS = (0, 3, 3, 3, 3, 3, 3, 2, None)
#: The high-risk zone: the router delivers less than this share of what all-cloud delivers.
SAFE_SHARE = 0.9


def sweep_mes(
    benchmark: Benchmark,
    features: Features,
    entry: Entry,
    levels: Sequence[int],
    seeds: int,
    scenario: str,
    command: str,
) -> Table:
    """One row a MES: weights of one scenario, router and tau trained anew for each."""
    rows, asked = [], scenario_named(scenario, benchmark.scenarios)
    for mes in tqdm(levels, desc="MES", unit="level", disable=None):
        at = replace(asked, name=f"{scenario} at MES {mes}", mes=float(mes))
        data = every_query(benchmark, features, at)
        runs = [decide_out_of_fold(entry.make, data, seed) for seed in range(seeds)]
        sums = np.mean(
            [terms(r.route.astype(np.bool_), data.outcomes, at.mes, ROUTER_LATENCY_S).sum(axis=0) for r in runs],
            axis=0,
        )
        score = metrics_of(sums, at)
        fixed = reference_scores(data.outcomes, at)
        best = max(fixed["all-edge"].rcs, fixed["all-cloud"].rcs)
        apsp, cloud = float(score["apsp"]), fixed["all-cloud"].apsp
        zone = "safe" if apsp >= SAFE_SHARE * cloud else "high risk"
        edge, oracle = fixed["all-edge"].apsp, fixed["rcs-oracle"].apsp
        gain = 100 * (float(score["rcs"]) - best)
        rows.append((mes, float(data.labels.mean()), float(score["ca"]), apsp, edge, cloud, oracle, gain, zone))
    return Table(
        name="sweep",
        title="The demand: CA and APSP against MES",
        command=command,
        reading=f"`{entry.name}`, weights of `{scenario}`. Safe: APSP is at least {SAFE_SHARE:.0%} of what all-cloud "
        "delivers. Where scores are 0 or 10, MES moves nothing.",
        columns=COLUMNS,
        digits=DIGITS,
        rows=tuple(rows),
        notes=(f"Cross-validation, {seeds} seed(s).",),
        dataset=dataset_of(benchmark),
    )


def draw_sweep(table: Table, path: Path) -> None:
    """Lines over MES; high-risk levels shaded."""
    from rsd_bench.figures import INK, LINES, new_figure, save

    figure, axis = new_figure(width=7.0, height=3.4)
    mes = table.column("MES")
    for name, colour in zip(("APSP", "CA", "edge label rate"), LINES, strict=False):
        axis.plot(mes, table.column(name), color=colour, marker="o", markersize=3.5, label=name)
    for name, style in (("APSP all-cloud", "--"), ("APSP all-edge", ":")):
        axis.plot(mes, table.column(name), color=INK, linestyle=style, linewidth=1, label=name)
    for level, zone in zip(mes, table.column("zone"), strict=True):
        if zone != "safe":
            axis.axvspan(level - 0.5, level + 0.5, color="#c05621", alpha=0.12, linewidth=0)
    axis.set(xlabel="MES", xticks=mes, ylim=(0, 1))
    axis.legend(ncols=3, loc="lower left")
    save(figure, path)
