"""Scores on scenarios that are not the dataset's: kept apart from its own in caches, ledgers and boards.

Guards against a figure of one demand that is shown as that of another, and against asking private outcomes more than
their noise was made for.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from conftest import call_cli
from sound_submissions import make, probabilities

import rsd_bench as rsd
from rsd_bench.board.board_diff import diff_boards
from rsd_bench.board.build_board import build_board, collect_board, noise_ceiling
from rsd_bench.config import NOISE_QUERIES
from rsd_bench.dataset.benchmark import Benchmark, open_benchmark
from rsd_bench.dataset.private_outcomes import NOISE_KEY, open_private_benchmark
from rsd_bench.dataset.tracks import Track
from rsd_bench.evaluation.evaluate import evaluate
from rsd_bench.evaluation.private_scoring import score_private
from rsd_bench.hub.publication import Version, write_publication
from rsd_bench.submission.check_submission import check_submission, open_submission
from rsd_bench.submission.metadata import read_fields
from rsd_bench.types import InputError, Scenario

KIOSK = Scenario(name="kiosk", mes=6, alpha=0.8, beta=0.1, gamma=0.1)


def asking(benchmark: Benchmark, *scenarios: Scenario) -> Benchmark:
    return replace(benchmark, given_scenarios={scenario.name: scenario for scenario in scenarios})


def tables(board: dict[str, bytes]) -> dict[str, float]:
    """RCS of the only router, by scenario."""
    found = json.loads(board["leaderboard.json"])["tables"]
    return {table["scenario"]: table["rows"][0]["rcs"]["value"] for table in found}


def test_a_preset_by_another_name_scores_as_the_preset(
    tmp_path: Path, toy_benchmark: Benchmark, toy_dataset: Path
) -> None:
    preset = make(tmp_path / "mine", toy_benchmark)
    twin = replace(rsd.SCENARIOS["high_quality"], name="twin")
    folder = make(tmp_path / "own" / "mine", asking(toy_benchmark, twin), tau={"twin": 0.5})
    plain, own = evaluate(preset, toy_dataset, n_boot=20), evaluate(folder, toy_dataset, scenarios=[twin], n_boot=20)
    (score,) = own.scores
    assert replace(score, scenario="high_quality") in plain.scores
    assert plain.scenarios is None and "scenarios" not in plain.to_dict() and own.scenarios == {"twin": twin}
    subset = [rsd.SCENARIOS["high_quality"]]
    only = make(tmp_path / "one" / "mine", toy_benchmark, tau={"high_quality": 0.5})
    assert evaluate(only, toy_dataset, scenarios=subset, n_boot=20).scenarios is None


def test_a_kept_score_is_not_that_of_other_scenarios(tmp_path: Path, toy_benchmark: Benchmark) -> None:
    """Scores are kept by what they depend on: the same name may ask for something else tomorrow."""
    make(tmp_path / "s" / "mine", asking(toy_benchmark, KIOSK), tau={"kiosk": 0.5})
    build = [
        tables(build_board(tmp_path / "s", asking(toy_benchmark, at), n_boot=10, cached=tmp_path / "kept"))
        for at in (KIOSK, replace(KIOSK, mes=9), KIOSK)
    ]
    assert build[0] == build[2] != build[1]


def test_a_board_diff_names_the_scenario(tmp_path: Path, toy_benchmark: Benchmark) -> None:
    """A demand that was changed under its name made every row one that no longer reproduces."""
    both = (KIOSK, replace(KIOSK, name="ward"))
    make(tmp_path / "s" / "mine", asking(toy_benchmark, *both), tau={"kiosk": 0.5, "ward": 0.5})
    old, new = (
        json.loads(build_board(tmp_path / "s", asking(toy_benchmark, KIOSK, ward), n_boot=10)["leaderboard.json"])
        for ward in (both[1], replace(both[1], mes=9))
    )
    moves = diff_boards(old, new)
    assert {(move.scenario, move.reason) for move in moves} == {("ward", "scenario")}
    new["scenarios"], new["tables"] = {"kiosk": old["scenarios"]["kiosk"]}, old["tables"][:1]
    assert {(move.scenario, move.reason) for move in diff_boards(old, new)} == {("ward", "scenario")}


def test_a_scenario_without_sense_is_named_with_its_file(tmp_path: Path, toy_dataset: Path) -> None:
    """A board listed every router as refused for it."""
    path = tmp_path / "own.toml"
    path.write_text("[hasty]\nmes = 6\nalpha = 0.45\nbeta = 0.1\ngamma = 0.45\n")
    says = r"track 'in-domain': scenario 'hasty': alpha 0\.45 <= .* -> raise alpha$"
    with pytest.raises(InputError, match=f"^{path}: {says}"):
        open_benchmark(toy_dataset, path)
    with pytest.raises(InputError, match=f"^scenarios: {says}"):
        open_benchmark(toy_dataset, [Scenario(name="hasty", mes=6, alpha=0.45, beta=0.1, gamma=0.45)])
    (tmp_path / "s").mkdir()
    run = call_cli("board", "build", "--submissions", tmp_path / "s", "--data", toy_dataset, "--scenarios", path)
    assert run.returncode == 1 and len(run.stderr.splitlines()) == 1


def test_a_scenario_that_is_not_there_is_told_once(tmp_path: Path, toy_benchmark: Benchmark) -> None:
    """Each row that named it was a problem of its own: that it is not in tau, where it stood."""
    own = asking(toy_benchmark, KIOSK)
    frame = probabilities(own).assign(scenario="kiosk")
    folder = make(tmp_path / "mine", own, frame, tau={"kiosk": 0.5})
    submission, problems = check_submission(folder, toy_benchmark)
    assert submission is None
    assert [problem.what for problem in problems] == ["tau: no scenario 'kiosk'"]


def test_fifty_scenarios_can_be_submitted_scored_and_ranked(tmp_path: Path, toy_benchmark: Benchmark) -> None:
    """Which was what nobody had tried."""
    names = [f"s{i}-{'long' * 14}"[:63] for i in range(50)]
    many = asking(toy_benchmark, *(replace(KIOSK, name=name, mes=i / 5) for i, name in enumerate(names)))
    tau = dict.fromkeys(names, dict.fromkeys(many.tracks, 0.25))
    make(tmp_path / "s" / "mine", many, probabilities(many, many.tracks), tau=tau)
    board = collect_board(tmp_path / "s", many, n_boot=10).data
    assert not board.refused
    assert [t.scenario for t in board.tables] == names * len(many.tracks)
    assert len(board.to_dict()["scenarios"]) == 50


def test_their_thresholds_by_track_fit_into_submission_json(tmp_path: Path, toy_benchmark: Benchmark) -> None:
    """Its bound was one of three scenarios."""
    tracks = tuple(
        Track(name=f"track-{i}-{'long' * 14}"[:63], protocol="fixed-test", train=("a",), test=("b",)) for i in range(40)
    )
    names = [f"s{i}-{'long' * 14}"[:63] for i in range(50)]
    many = asking(toy_benchmark, *(replace(KIOSK, name=name) for name in names))
    many = replace(many, manifest=replace(many.manifest, tracks=tracks))
    fields = {"tau": dict.fromkeys(names, dict.fromkeys(many.tracks, 0.12345678901234567))}
    (tmp_path / "submission.json").write_text(json.dumps(fields, indent=1))
    assert read_fields(tmp_path, many, [].append) == fields
    with pytest.raises(InputError, match="bytes"):
        read_fields(tmp_path, toy_benchmark, [].append)


def test_the_noise_ceiling_is_that_of_the_scenarios() -> None:
    audit = {"all": {"6": 0.1, "7": 0.3}}
    found = noise_ceiling(audit, {"kiosk": KIOSK, "ward": replace(KIOSK, name="ward", mes=6.5)})
    assert found is not None
    assert {name: ceiling.flip_prob for name, ceiling in found.items()} == {"kiosk": 0.1, "ward": 0.2}


def test_private_outcomes_are_asked_by_the_datasets_own_only(tmp_path: Path) -> None:
    path = tmp_path / "own.toml"
    path.write_text("[kiosk]\nmes = 6\nalpha = 0.8\nbeta = 0.1\ngamma = 0.1\n")
    run = call_cli("eval", tmp_path, "--private-outcomes", tmp_path, "--author", "ada", "--scenarios", path)
    assert run.returncode == 2 and "dataset's own scenarios" in " ".join(run.stderr.replace("│", " ").split())


def test_more_scenarios_have_more_noise(tmp_path: Path, toy_dataset: Path) -> None:
    """Every MES is another figure of the same outcomes: twelve a scoring would tell what three may not."""
    public, private = tmp_path / "public", tmp_path / "hidden"
    for folder in (public, private):
        folder.mkdir()
    write_publication(toy_dataset, public, "org/toy", Version(1, 0, 0), ("org/toy-test", private))
    (private / NOISE_KEY).write_text("ab" * 32 + "\n")
    hidden, said = open_private_benchmark(public, private), {}
    for n in (1, 3, 12):
        own = {f"s{i}": replace(KIOSK, name=f"s{i}", mes=5 + i / 10) for i in range(n)}
        of = replace(hidden, manifest=replace(hidden.manifest, scenarios=own))
        folder = make(tmp_path / f"{n}" / "mine", of, tau=dict.fromkeys(own, 0.5))
        told = score_private(open_submission(folder, of), of, tmp_path / f"{n}.jsonl", author="ada", new_ledger=True)
        said[n] = (told.private.noise_queries, told.scores[0].apsp)
    assert [noise for noise, _ in said.values()] == [NOISE_QUERIES, NOISE_QUERIES, 2 * NOISE_QUERIES]
    widths = [apsp.high - apsp.low for _, apsp in said.values()]
    assert widths[0] == widths[1] < widths[2]


def test_the_same_decisions_by_another_demand_are_another_scoring(tmp_path: Path, toy_dataset: Path) -> None:
    """A version of the dataset with another MES told a further figure at no cost to the account."""
    public, private = tmp_path / "public", tmp_path / "hidden"
    for folder in (public, private):
        folder.mkdir()
    write_publication(toy_dataset, public, "org/toy", Version(1, 0, 0), ("org/toy-test", private))
    (private / NOISE_KEY).write_text("ab" * 32 + "\n")
    hidden, used = open_private_benchmark(public, private), []
    for mes in (5, 5, 7):
        own = replace(hidden, manifest=replace(hidden.manifest, scenarios={"kiosk": replace(KIOSK, mes=mes)}))
        folder = make(tmp_path / f"{len(used)}" / "mine", own, tau={"kiosk": 0.5})
        new = not used
        told = score_private(open_submission(folder, own), own, tmp_path / "ledger", author="ada", new_ledger=new)
        used.append(told.private.used)
    assert used == [1, 1, 2]
