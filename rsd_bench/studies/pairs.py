"""Where does routing stop paying? The same experiment for every pair of models of one source, against their gap."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from tqdm import tqdm

from rsd_bench.config import DEFAULT_PROFILE, load_profile, scenario_named
from rsd_bench.dataset.benchmark import Benchmark
from rsd_bench.dataset.check_figures import open_outcomes
from rsd_bench.features.feature_table import Features
from rsd_bench.metrics.routing import Outcomes, check_scenario, reference_scores
from rsd_bench.routers.interface import TrainingData
from rsd_bench.routers.registry import Entry
from rsd_bench.studies.cross_validation import decide_out_of_fold, summarise
from rsd_bench.studies.study_table import Table, dataset_of
from rsd_bench.types import InputError

COLUMNS = ("small", "large", "gap", "edge label rate", "oracle gain", "gain", "low", "high", "AUROC", "best fixed")
DIGITS = (None, None, 3, 3, 2, 2, 2, 2, 3, None)
_N_BOOT = 2_000


def model_pairs(
    benchmark: Benchmark, features: Features, entry: Entry, source: str, scenario: str, seeds: int, command: str
) -> Table:
    """One row a pair (the model of lower mean score is the small one), by cross-validation on the source's queries."""
    at = scenario_named(scenario, benchmark.scenarios)
    scores = _scores(benchmark, source)
    rows_of = np.flatnonzero((benchmark.queries["source"] == source).to_numpy())
    mine, groups = features.take(rows_of), benchmark.queries["group_id"].to_numpy(object)[rows_of]
    tiers = load_profile(DEFAULT_PROFILE).tiers
    rows: list[tuple[Any, ...]] = []
    for a, b in tqdm(list(combinations(scores.columns, 2)), desc="pairs", unit="pair", disable=None):
        small, large = sorted((a, b), key=lambda model: (scores[model].mean(), model))
        outcomes = Outcomes.of(scores[small], scores[large], tiers["small"], tiers["large"])
        check_scenario(at, outcomes)
        every = TrainingData(mine, outcomes, groups, at)
        summary = summarise(every, [decide_out_of_fold(entry.make, every, s) for s in range(seeds)], _N_BOOT)
        fixed = reference_scores(outcomes, at)
        best = max(fixed["all-edge"].rcs, fixed["all-cloud"].rcs)
        gain = summary.gain
        rows.append(
            (
                small,
                large,
                fixed["all-cloud"].apsp - fixed["all-edge"].apsp,
                float(every.labels.mean()),
                100 * (fixed["rcs-oracle"].rcs - best),
                *(100 * value for value in (gain.value, gain.low, gain.high)),
                summary.auroc,
                summary.best_fixed,
            )
        )
    rows.sort(key=lambda row: (row[2], row[0], row[1]))
    above = sum(row[6] > 0 for row in rows)
    return Table(
        name="pairs",
        title=f"Pairs of models: every pair of {source}",
        command=command,
        reading=f"`{entry.name}`, `{scenario}`. The gap is APSP of the large minus that of the small model. Left, what "
        "a perfect router would add to the best fixed policy: models err on different queries, so it does not vanish "
        "with the gap. Right, what a router that sees the query adds: it pays where its interval lies above 0.",
        columns=COLUMNS,
        digits=DIGITS,
        rows=tuple(rows),
        notes=(
            f"Cross-validation over {len(rows_of)} queries, {seeds} seed(s); intervals of {_N_BOOT} resamples over "
            f"groups, not corrected for {len(rows)} comparisons. Latency: profile `{DEFAULT_PROFILE}` for every pair, "
            f"whatever the size of its models. The interval of the learned router lies above 0 for {above} of "
            f"{len(rows)} pairs.",
        ),
        dataset=dataset_of(benchmark),
    )


def _scores(benchmark: Benchmark, source: str) -> pd.DataFrame:
    """Scores of the models that answered every query of a source: rows as the source's queries, columns models."""
    ids = benchmark.queries.loc[benchmark.queries["source"] == source, "query_id"]
    if ids.empty:
        known = ", ".join(sorted(benchmark.queries["source"].unique()))
        raise InputError.at(source, "is no source of this dataset", f"use {known}")
    wide: pd.DataFrame = (
        open_outcomes(benchmark.folder).pivot(index="query_id", columns="model", values="score").reindex(ids)
    )
    return wide.dropna(axis=1)


def draw_pairs(table: Table, path: Path) -> None:
    """Oracle and learned gain against the capability gap."""
    from rsd_bench.figures import INK, LINES, new_figure, save

    figure, (oracle, learned) = new_figure(1, 2, width=9.0, height=3.4)
    gap = table.column("gap")
    oracle.plot(gap, table.column("oracle gain"), "o", color=LINES[2], markersize=3)
    gain, low, high = (np.array(table.column(name)) for name in ("gain", "low", "high"))
    learned.errorbar(gap, gain, yerr=(gain - low, high - gain), fmt="o", color=LINES[0], markersize=3, linewidth=0.5)
    learned.axhline(0, color=INK, linewidth=0.8)
    oracle.set(title="oracle", xlabel="APSP gap of the pair", ylabel="RCS gain, points", ylim=(0, None))
    learned.set(title="learned router", xlabel="APSP gap of the pair")
    save(figure, path)
