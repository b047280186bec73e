"""Routers are trained, submitted and studied on the scenarios that a dataset is scored on, whichever these are.

Guards against a checkpoint of one demand that answers for another of the same name.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from conftest import call_cli
from lite_routers import QUICK, lite  # noqa: F401 (fixture)
from sound_submissions import make

from rsd_bench.dataset.benchmark import Benchmark
from rsd_bench.features.feature_table import Features
from rsd_bench.routers.checkpoint import train_checkpoint
from rsd_bench.routers.submit_router import submit_checkpoints
from rsd_bench.studies.board_studies import draw_thresholds, draw_tracks, score_folders, thresholds_table, tracks_table
from rsd_bench.submission.submission import Declaration
from rsd_bench.types import InputError, Scenario

OWN = {
    "ward": Scenario(name="ward", mes=7, alpha=0.9, beta=0.05, gamma=0.05),
    "kiosk": Scenario(name="kiosk", mes=6, alpha=0.8, beta=0.1, gamma=0.1),
}
DECLARED = Declaration(name="Ours", authors=("us",))
FILE = "".join(
    f"[{name}]\n" + "".join(f"{key} = {value}\n" for key, value in of.figures.items()) for name, of in OWN.items()
)


def test_a_checkpoint_answers_its_scenario_only(tmp_path: Path, lite: tuple[Benchmark, Features]) -> None:
    benchmark, features = lite
    ours = replace(benchmark, given_scenarios=OWN)
    options: dict[str, Any] = {"track": "chart-to-photo", "settings": replace(QUICK, epochs=1), "progress": False}
    report = train_checkpoint(tmp_path / "router", ours, features, scenario=None, **options)
    assert report.scenario == "ward", "the first, where none is named"
    with pytest.raises(ValueError, match=r"^scenario: no 'fast_response' here; choose ward, kiosk"):
        train_checkpoint(tmp_path / "other", ours, features, scenario="fast_response", **options)
    folder = submit_checkpoints(tmp_path / "mine", [tmp_path / "router"], ours, features, DECLARED)
    assert list(json.loads((folder / "submission.json").read_text())["tau"]) == ["ward"]
    with pytest.raises(InputError, match=r"for 'ward', which is none .* fast_response, high_quality, .*--scen"):
        submit_checkpoints(tmp_path / "again", [tmp_path / "router"], benchmark, features, DECLARED)
    moved = replace(benchmark, given_scenarios=OWN | {"ward": replace(OWN["ward"], mes=8)})
    with pytest.raises(InputError, match="a scenario 'ward' of other figures"):
        submit_checkpoints(tmp_path / "again", [tmp_path / "router"], moved, features, DECLARED)


def test_a_router_is_submitted_for_a_file_of_scenarios(tmp_path: Path) -> None:
    (tmp_path / "own.toml").write_text(FILE)
    options = ("--scenarios", tmp_path / "own.toml", "--json")
    out = ("--track", "in-domain", "--out", tmp_path / "constant")
    assert call_cli("router", "submit", "domain-constant", *out, *options).returncode == 0
    run = call_cli("eval", tmp_path / "constant", "--n-boot", 10, *options)
    assert {score["scenario"] for score in json.loads(run.stdout)["scores"]} == set(OWN)


@pytest.mark.parametrize("names", [("ward",), ("ward", "kiosk")])
def test_pictures_have_a_panel_for_each(
    tmp_path: Path, lite: tuple[Benchmark, Features], names: tuple[str, ...]
) -> None:
    """They had three, and one alone is no list of panels."""
    ours = replace(lite[0], given_scenarios={name: OWN[name] for name in names})
    scores = score_folders([make(tmp_path / "mine", ours, tau=dict.fromkeys(names, 0.5))], ours)
    draw_tracks(tracks_table(scores, ours, "a command"), tmp_path / "tracks.svg")
    draw_thresholds(thresholds_table(scores, ours, "a command"), tmp_path / "thresholds.svg")
    for name in ("tracks", "thresholds"):
        assert (tmp_path / f"{name}.svg").read_text().count('<g id="axes_') >= len(names)
