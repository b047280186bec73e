"""Tables read off submissions to cross-fitted tracks: what was submitted stands beside the curve of one threshold."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from folded import folded, folded_dataset, rows_of  # noqa: F401 (fixtures)

from rsd_bench.config import FOLDS, TAU_GRID
from rsd_bench.dataset.benchmark import Benchmark
from rsd_bench.studies.board_studies import draw_thresholds, draw_tracks, score_folders, thresholds_table, tracks_table
from rsd_bench.submission.new_submission import new_submission
from rsd_bench.submission.submission import Declaration


def _submitted(folder: Path, benchmark: Benchmark, tau: object) -> Path:
    declared = Declaration(name="Random", authors=("Test",), tau={s: {"in-domain": tau} for s in benchmark.scenarios})
    return new_submission(folder, rows_of(benchmark, {"in-domain": (0, 1)}), benchmark, declared)


@pytest.mark.parametrize("by_fold", [True, False])
def test_what_was_submitted_stands_beside_the_curve(tmp_path: Path, folded: Benchmark, by_fold: bool) -> None:
    # with a tau for each fold no point of the grid was chosen, and the picture had a point at the word "o"
    tau = [[0.3 + fold / 10 for fold in range(FOLDS)]] * 2 if by_fold else 0.45
    scores = score_folders([_submitted(tmp_path / "random", folded, tau)], folded)
    table = thresholds_table(scores, folded, "cmd")
    for scored in scores["random"]:
        *curve, own = table.where(router="random", scenario=scored.scenario)
        assert [row["tau"] for row in curve] == list(TAU_GRID) and not any(row["chosen"] for row in curve)
        assert (own["tau"], own["RCS"], own["chosen"]) == (None if by_fold else 0.45, scored.rcs.value, "*")
        if not by_fold:
            assert own["RCS"] == pytest.approx(next(row["RCS"] for row in curve if row["tau"] == 0.45))
    draw_thresholds(table, tmp_path / "thresholds.svg")
    picture = (tmp_path / "thresholds.svg").read_text()
    assert ("stroke-dasharray" in picture) == by_fold


def test_every_track_that_a_submission_enters_has_a_row(tmp_path: Path, folded: Benchmark) -> None:
    tau = {scenario: {"in-domain": 0.5, "three-tiers": 0.5} for scenario in folded.scenarios}
    rows = rows_of(folded, {"in-domain": (0,), "three-tiers": (0,)})
    folder = new_submission(tmp_path / "random", rows, folded, Declaration(name="R", authors=("T",), tau=tau))
    scores = score_folders([folder], folded)
    table = tracks_table(scores, folded, "cmd")
    found = {(row["track"], row["scenario"]): row for row in table.where(router="random")}
    assert set(found) == {(track, name) for track in ("in-domain", "three-tiers") for name in folded.scenarios}
    for score in scores["random"]:
        row = found[score.track, score.scenario]
        assert row["gain"] == pytest.approx(100 * score.gain.value) and row["best fixed"] == score.best_fixed
    draw_tracks(replace(table, rows=tuple(row for row in table.rows if row[1] == "low_energy")), tmp_path / "t.svg")
    assert np.isfinite(table.column("gain")).all() and (tmp_path / "t.svg").stat().st_size
