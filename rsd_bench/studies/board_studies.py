"""Tables read off a scored board: threshold curves and cross-domain tracks of the submissions that are on it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from rsd_bench.config import IN_DOMAIN
from rsd_bench.dataset.benchmark import Benchmark
from rsd_bench.evaluation.evaluate import score_submission
from rsd_bench.evaluation.result import EvalScore
from rsd_bench.studies.study_table import Table, dataset_of
from rsd_bench.submission.check_submission import open_submissions
from rsd_bench.types import InputError

TRACK_COLUMNS = ("router", "scenario", "track", "queries", "gain", "low", "high", "AUROC", "CA", "best fixed")
THRESHOLD_COLUMNS = ("router", "scenario", "tau", "APSP", "CA", "AIL s", "RCS", "chosen")


def score_folders(folders: Sequence[Path], benchmark: Benchmark) -> dict[str, tuple[EvalScore, ...]]:
    """Scores of submissions by slug. InputError where there is none or one is refused."""
    if not folders:
        raise InputError.at("submissions", "holds no submission", "make one: rsd-bench router submit NAME --out DIR")
    results = [score_submission(submission, benchmark) for submission in open_submissions(folders, benchmark)]
    return {result.slug: result.scores for result in results}


def tracks_table(scores: Mapping[str, Sequence[EvalScore]], benchmark: Benchmark, command: str) -> Table:
    """Gain of each router on each track and scenario."""
    rows = [
        (
            slug,
            score.scenario,
            score.track,
            score.n,
            *(None if math.isnan(of) else 100 * of for of in (score.gain.value, score.gain.low, score.gain.high)),
            None if math.isnan(score.auroc.value) else score.auroc.value,
            score.ca.value,
            score.best_fixed,
        )
        for slug, listed in scores.items()
        for score in listed
    ]
    return Table(
        name="tracks",
        title="Across domains",
        command=command,
        reading="leave-X-out trains without a domain and tests on it alone. tau comes from the training domains, where "
        "another fixed policy may be the best one.",
        columns=TRACK_COLUMNS,
        digits=(None, None, None, 0, 2, 2, 2, 3, 3, None),
        rows=tuple(rows),
        notes=("Router latency as declared by each submission. One seed.",),
        dataset=dataset_of(benchmark),
    )


def thresholds_table(scores: Mapping[str, Sequence[EvalScore]], benchmark: Benchmark, command: str) -> Table:
    """Scores over the tau grid, in-domain; `chosen` marks the grid point nearest to the tau fixed before the test."""
    rows: list[tuple[Any, ...]] = []
    for slug, listed in scores.items():
        for score in listed:
            if score.track != IN_DOMAIN:
                continue
            nearest = None  # where tau differs by fold, no point of the grid was chosen
            if (tau := score.tau) is not None:
                nearest = min(score.sweep, key=lambda point: abs(point.tau - tau))
            rows += [
                (slug, score.scenario, p.tau, p.apsp, p.ca, p.ail, p.rcs, "*" if p is nearest else "")
                for p in score.sweep
            ]
    return Table(
        name="thresholds",
        title="Against the threshold",
        command=command,
        reading="RCS over tau on the test; a star marks the tau that was fixed before it.",
        columns=THRESHOLD_COLUMNS,
        digits=(None, None, 2, 3, 3, 2, 4, None),
        rows=tuple(rows),
        notes=(),
        dataset=dataset_of(benchmark),
    )


def draw_tracks(table: Table, path: Path) -> None:
    """Heat map of gains, tracks by routers, one panel a scenario."""
    from rsd_bench.figures import new_figure, save

    routers, tracks, scenarios = (list(dict.fromkeys(table.column(name))) for name in ("router", "track", "scenario"))
    figure, axes = new_figure(1, len(scenarios), width=10.0, height=1.6 + 0.3 * len(tracks))
    for axis, scenario in zip(np.atleast_1d(axes), scenarios, strict=True):
        cells = {(row["router"], row["track"]): row["gain"] for row in table.where(scenario=scenario)}
        grid = np.array([[cells.get((router, track), np.nan) for router in routers] for track in tracks])
        image = axis.imshow(grid, cmap="RdBu", vmin=-6, vmax=6, aspect="auto")
        axis.set(title=scenario, xticks=range(len(routers)), yticks=range(len(tracks)))
        axis.set_xticklabels(routers, rotation=60, ha="right", fontsize=7)
        axis.set_yticklabels(tracks if axis is np.atleast_1d(axes)[0] else [], fontsize=7)
        axis.grid(False)
        for (y, x), value in np.ndenumerate(grid):
            if np.isfinite(value):
                axis.text(x, y, f"{value:+.1f}", ha="center", va="center", fontsize=5.5)
    figure.colorbar(image, ax=axes, label="RCS gain, points", shrink=0.8)
    save(figure, path)


def draw_thresholds(table: Table, path: Path) -> None:
    """RCS against tau, one panel a scenario, one line a router."""
    from rsd_bench.figures import LINES, new_figure, save

    scenarios = list(dict.fromkeys(table.column("scenario")))
    figure, axes = new_figure(1, len(scenarios), width=9.0)
    for axis, scenario in zip(np.atleast_1d(axes), scenarios, strict=True):
        for router, colour in zip(dict.fromkeys(table.column("router")), LINES, strict=False):
            rows = table.where(router=router, scenario=scenario)
            axis.plot([r["tau"] for r in rows], [r["RCS"] for r in rows], color=colour, linewidth=1.2, label=router)
            axis.plot(*zip(*[(r["tau"], r["RCS"]) for r in rows if r["chosen"]], strict=True), "o", color=colour, ms=4)
        axis.set(title=scenario, xlabel="tau")
    first = np.atleast_1d(axes)[0]
    first.set_ylabel("RCS")
    first.legend(fontsize=7)
    save(figure, path)
