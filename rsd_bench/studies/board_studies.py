"""Tables read off scored submissions: their threshold curves, and their gain on every track."""

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
        title="On every track",
        command=command,
        reading="leave-X-out trains without a domain and tests on it alone: tau comes from the training domains, where "
        "another fixed policy may be the best one. A--B routes between those two models.",
        columns=TRACK_COLUMNS,
        digits=(None, None, None, 0, 2, 2, 2, 3, 3, None),
        rows=tuple(rows),
        notes=("Router latency as declared by each submission; means over the repeats that it enters.",),
        dataset=dataset_of(benchmark),
    )


def thresholds_table(scores: Mapping[str, Sequence[EvalScore]], benchmark: Benchmark, command: str) -> Table:
    """Scores over the tau grid, in-domain, and with a star as submitted: by thresholds that were fixed before the test.

    tau of that row is None where the submission has several, by repeat or fold.
    """
    rows: list[tuple[Any, ...]] = []
    for slug, listed in scores.items():
        for score in listed:
            if score.track != IN_DOMAIN:
                continue
            rows += [(slug, score.scenario, p.tau, p.apsp, p.ca, p.ail, p.rcs, "") for p in score.sweep]
            own = (score.apsp.value, score.ca.value, score.ail.value, score.rcs.value)
            rows.append((slug, score.scenario, score.tau, *own, "*"))
    return Table(
        name="thresholds",
        title="Against the threshold",
        command=command,
        reading="RCS over one tau for all queries. A star marks what was submitted: by a tau that was fixed before "
        "the test, or by one for each fold, which stands as a dashed line.",
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
    width = 3.0 + 0.24 * len(scenarios) * len(routers)
    figure, axes = new_figure(1, len(scenarios), width=width, height=1.6 + 0.3 * len(tracks))
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
                ink = "white" if abs(value) > 4 else "black"
                axis.text(x, y, f"{value:+.1f}", ha="center", va="center", fontsize=5.5, color=ink)
    figure.colorbar(image, ax=axes, label="RCS gain, points", shrink=0.8)
    save(figure, path)


def draw_thresholds(table: Table, path: Path) -> None:
    """RCS against tau, one panel a scenario, one line a router; what was submitted as a point, or dashed."""
    from rsd_bench.figures import LINES, new_figure, save

    scenarios = list(dict.fromkeys(table.column("scenario")))
    figure, axes = new_figure(1, len(scenarios), width=9.0)
    for axis, scenario in zip(np.atleast_1d(axes), scenarios, strict=True):
        for router, colour in zip(dict.fromkeys(table.column("router")), LINES, strict=False):
            rows = table.where(router=router, scenario=scenario, chosen="")
            axis.plot([r["tau"] for r in rows], [r["RCS"] for r in rows], color=colour, linewidth=1.2, label=router)
            for own in table.where(router=router, scenario=scenario, chosen="*"):
                if own["tau"] is None:
                    axis.axhline(own["RCS"], color=colour, linewidth=0.8, linestyle="--")
                else:
                    axis.plot(own["tau"], own["RCS"], "o", color=colour, ms=4)
        axis.set(title=scenario, xlabel="tau")
    first = np.atleast_1d(axes)[0]
    first.set_ylabel("RCS")
    first.legend(fontsize=7)
    save(figure, path)
