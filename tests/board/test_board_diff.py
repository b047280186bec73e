"""`board diff`: what moved, and why.

Guards against published numbers that could not be reproduced, and boards that mixed versions: one model stood at 36.85
and at 72.57.
"""

from __future__ import annotations

import copy
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import ROOT, run_cli
from sound_submissions import make, probabilities

from rsd_bench.board import scored
from rsd_bench.board.board_diff import TABLE, diff_boards, read_board
from rsd_bench.board.build_board import build_board, write_board
from rsd_bench.config import INTERVAL
from rsd_bench.dataset.benchmark import Benchmark
from rsd_bench.types import InputError, Problem
from rsd_bench.version import METRICS_VERSION


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, toy_benchmark: Benchmark) -> Path:
    root = tmp_path_factory.mktemp("diff")
    for seed in range(3):
        make(root / f"router-{seed}", toy_benchmark, probabilities(toy_benchmark, seed=seed))
    return root


@pytest.fixture(scope="module")
def board(folder: Path, toy_benchmark: Benchmark) -> dict[str, Any]:
    return json.loads(build_board(folder, toy_benchmark, n_boot=100)["leaderboard.json"])


def reasons(old: dict[str, Any], new: dict[str, Any]) -> set[tuple[str, str]]:
    return {(move.slug, move.reason) for move in diff_boards(old, new)}


def decided(board: dict[str, Any], slug: str, at: int | None = None) -> dict[str, Any]:
    """The board with other decisions of a router, in one of its tables or in all."""
    for table in board["tables"] if at is None else [board["tables"][at]]:
        for row in (r for r in table["rows"] if r["slug"] == slug):
            row["decisions_sha256"] = "0" * 64
    return board


def nudged(board: dict[str, Any]) -> dict[str, Any]:
    new = copy.deepcopy(board)
    for row in (r for t in new["tables"] for r in t["rows"] if r["slug"] == "router-1"):
        row["rcs"]["value"] += 1e-6
    return new


def test_the_same_board_has_no_moves(board: dict[str, Any]) -> None:
    assert diff_boards(board, copy.deepcopy(board)) == []


def test_a_number_that_moved_for_no_reason_does_not_reproduce(board: dict[str, Any]) -> None:
    assert reasons(board, nudged(board)) == {("router-1", "code")}
    assert not any(move.reproduces for move in diff_boards(board, nudged(board)))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda b: b["dataset"].update(manifest_sha256="0" * 64), "data"),
        (lambda b: b.update(metrics_version=METRICS_VERSION + 1), "metric"),
        (lambda b: decided(b, "router-1"), "submission"),
        # other words of a submission and other draws of the bootstrap move no score
        (lambda b: b["submissions"][1].update(sha256="0" * 64), "code"),
        (lambda b: b["bootstrap"].update(seed=1), "code"),
    ],
)
def test_reasons(board: dict[str, Any], change: Any, reason: str) -> None:
    new = nudged(board)
    change(new)
    assert reasons(board, new) == {("router-1", reason)}


def test_other_draws_explain_bounds_and_bands_only(board: dict[str, Any]) -> None:
    explained = ("rcs.low", "band", "domains.0.rcs.high", "skill.low", "apsp_at_ca.1.gain.high")
    for path in (*explained, "rcs.value", "auroc.value"):
        reason = "resampling" if path in explained else "code"
        new = change(board, path, lambda value: value + 1)
        assert reasons(board, new) == {("router-1", "code")}
        new["bootstrap"] = new["bootstrap"] | {"n_boot": 120}
        assert reasons(board, new) == {("router-1", reason)}, path


def test_intervals_made_another_way_explain_bounds_and_bands_only(board: dict[str, Any]) -> None:
    # percentile intervals were too narrow with few groups; a board of before says nothing of how its own were made
    assert board["bootstrap"]["interval"] == INTERVAL
    for path, reason in (("gain.low", "interval"), ("band", "interval"), ("domains.0.rcs.high", "interval")):
        old = change(board, path, lambda value: value + 1)
        del old["bootstrap"]["interval"]
        assert reasons(old, board) == {("router-1", reason)}, path
        old["bootstrap"]["seed"] = 7
        assert reasons(old, board) == {("router-1", reason)}, path
    old = change(board, "gain.value")
    del old["bootstrap"]["interval"]
    assert reasons(old, board) == {("router-1", "code")}


def test_draws_and_field_explain_together_what_neither_does_alone(board: dict[str, Any]) -> None:
    table = change(board, "/sensitivity.mes.high")
    for path, reason in (("rcs.low", "resampling"), ("rcs.value", "code")):
        new = change(change(table, "band", lambda band: band + 1), path)
        assert reasons(board, new) == {(TABLE, "code"), ("router-1", "code")}
        decided(new, "router-0")
        assert reasons(board, new) == {(TABLE, "field"), ("router-1", "code")}
        new["bootstrap"] = new["bootstrap"] | {"n_boot": 120}
        assert reasons(board, new) == {(TABLE, "field"), ("router-1", reason)}


def test_a_board_of_before_decisions_had_a_digest_of_their_own_goes_by_files(board: dict[str, Any]) -> None:
    old, new = copy.deepcopy(board), nudged(board)
    for row in (row for table in old["tables"] for row in table["rows"]):
        del row["decisions_sha256"]
    assert reasons(old, new) == {("router-1", "code")}
    new["submissions"][1]["sha256"] = "0" * 64
    assert reasons(old, new) == {("router-1", "submission")}


def test_rows_come_and_go_and_bands_move_with_the_field(board: dict[str, Any]) -> None:
    new = copy.deepcopy(board)
    new["submissions"] = [s for s in new["submissions"] if s["slug"] != "router-0"]
    for table in new["tables"]:
        table["rows"] = [r for r in table["rows"] if r["slug"] != "router-0"]
        table["rows"][0]["band"] += 1
    found = reasons(board, new)
    assert ("router-0", "removed") in found
    assert {reason for slug, reason in found if slug != "router-0"} == {"field"}
    assert ("router-0", "added") in reasons(new, board)


def change(board: dict[str, Any], path: str, by: Any = lambda value: value + 1e-6) -> dict[str, Any]:
    """The board with one value of its first table's row of router-1, or below /, of the table itself, changed."""
    new = copy.deepcopy(board)
    table = new["tables"][0]
    at: Any = table if path[0] == "/" else next(row for row in table["rows"] if row["slug"] == "router-1")
    *folders, name = [int(part) if part.isdigit() else part for part in path.strip("/").split(".")]
    for part in folders:
        at = at[part]
    at[name] = by(at[name])
    return new


PUBLISHED = [
    *(
        "auroc.value",
        "auroc.low",
        "apsp_at_ca.0.apsp.value",
        "repeats.rcs.0",
        "brier",
        "ece",
        "area_apsp_ca",
        "oracle_rcs",
        "regret",
        "worst_domain_rcs",
        "edge_label_rate",
        "tau",
        "n",
    ),
    *(
        f"{metric}.{bound}"
        for metric in (
            *("mean_score", "apsp", "ca", "ail", "rcs", "gain", "lift", "skill", "captured"),
            *("over_escalated", "under_escalated", "saved_calls"),
        )
        for bound in ("value", "low")
    ),
    "rcs.high",
    "domains.0.rcs.value",
    "domains.1.ail.high",
    "/references.0.rcs",
    "/references.3.mean_score",
    "/domain_references.chart.2.apsp",
    "/random.router-1.rcs",
    "/sensitivity.mes.high",
    "/what_if.statistics.router-1.0.1",
    "/n",
    "/groups",
    "/minimum_detectable_gap",
]


@pytest.mark.parametrize("path", PUBLISHED)
def test_every_published_figure_is_compared(board: dict[str, Any], path: str) -> None:
    # AUROC, calibration, domains, references and bounds could all change under "no row moved"
    (move,) = diff_boards(board, change(board, path))
    assert move.reason == "code" and not move.reproduces
    assert move.slug == ("(table)" if path[0] == "/" and "router-1" not in path else "router-1")
    last = path.strip("/").rpartition(".")[2]
    assert any(last in figure.split(".") or last.isdigit() for figure in move.figures), move.figures
    assert diff_boards(change(board, path), copy.deepcopy(change(board, path))) == []


@pytest.mark.parametrize("path", ["domains.0.band", "band"])
def test_bands_that_move_alone_do_not_reproduce(board: dict[str, Any], path: str) -> None:
    new = change(board, path, lambda band: band + 1)
    assert reasons(board, new) == {("router-1", "code")}
    decided(new, "router-0", at=1)  # who enters another scenario moves no band of this one
    assert reasons(board, new) == {("router-1", "code")}
    decided(new, "router-0", at=0)
    assert reasons(board, new) == {("router-1", "field")}


def test_other_decisions_in_one_scenario_excuse_no_score_of_another(board: dict[str, Any]) -> None:
    # a tau that changed in low_energy excused a fast_response score that moved by 0.05
    new = decided(change(board, "rcs.value"), "router-1", at=2)
    assert reasons(board, new) == {("router-1", "code")}
    assert reasons(board, decided(new, "router-1", at=0)) == {("router-1", "submission")}


@pytest.mark.parametrize("value", [None, float("nan"), "0.5"])
def test_a_figure_that_is_no_number_any_more_has_moved(board: dict[str, Any], value: Any) -> None:
    assert reasons(board, change(board, "auroc", lambda _: value)) == {("router-1", "code")}


def test_the_last_decimal_and_new_figures_are_no_moves(board: dict[str, Any]) -> None:
    new = change(board, "brier", lambda value: value + 1e-9)
    for row in (row for table in new["tables"] for row in table["rows"]):
        row["a new figure"] = 0.5
    assert diff_boards(board, new) == []
    assert {move.figures for move in diff_boards(new, board)} >= {("a new figure",)}


def refused(board: dict[str, Any], sha256: str | None) -> dict[str, Any]:
    """The board with router-1 among the refused."""
    new = copy.deepcopy(board)
    new["submissions"] = [s for s in new["submissions"] if s["slug"] != "router-1"]
    new["refused"] = [{"slug": "router-1", "sha256": sha256, "problems": []}]
    for table in new["tables"]:
        table["rows"] = [row for row in table["rows"] if row["slug"] != "router-1"]
    return new


def test_files_that_the_code_refuses_by_now_do_not_reproduce(board: dict[str, Any]) -> None:
    # a stricter check emptied the board, and the rows passed for removed
    same = next(s["sha256"] for s in board["submissions"] if s["slug"] == "router-1")
    assert reasons(board, refused(board, same)) == {("router-1", "code")}
    assert reasons(board, refused(board, None)) == {("router-1", "code")}
    assert reasons(board, refused(board, "0" * 64)) == {("router-1", "submission")}
    newer = refused(board, same)
    newer["dataset"]["manifest_sha256"] = "0" * 64
    assert ("router-1", "data") in reasons(board, newer)
    dropped = refused(board, same) | {"submissions": board["submissions"], "refused": []}
    assert reasons(board, dropped) == {("router-1", "code")}


def test_a_board_says_which_files_it_refused(tmp_path: Path, folder: Path, toy_benchmark: Benchmark) -> None:
    shutil.copytree(folder, tmp_path / "s")
    old = json.loads(build_board(tmp_path / "s", toy_benchmark, n_boot=100)["leaderboard.json"])
    with pytest.MonkeyPatch.context() as patch:
        stricter = lambda path, _: (None, [Problem(str(path), "is out of fashion")])  # noqa: E731
        patch.setattr(scored, "check_submission", stricter)
        new = json.loads(build_board(tmp_path / "s", toy_benchmark, n_boot=100)["leaderboard.json"])
    assert reasons(old, new) == {(f"router-{k}", "code") for k in range(3)}
    (tmp_path / "s" / "router-0" / "model.pkl").write_bytes(b"x")
    mixed = json.loads(build_board(tmp_path / "s", toy_benchmark, n_boot=100)["leaderboard.json"])
    assert {reason for slug, reason in reasons(old, mixed) if slug == "router-0"} == {"submission"}


MALFORMED = [
    *(
        "",
        "[]",
        "{}",
        "null",
        "7",
        '{"tables": []}',
        '{"tables": [{}]}',
        '{"tables": {}}',
        '{"tables": [1]}',
        "[" * 9999,
    ),
    '{"tables": [], "submissions": [{}], "dataset": {"manifest_sha256": ""}, "metrics_version": 1, "bootstrap": {}}',
    '{"tables": [], "submissions": [], "dataset": [], "metrics_version": 1, "bootstrap": {}}',
]


@pytest.mark.parametrize("text", MALFORMED)
def test_what_is_no_board_is_said_to_be_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "board.json").write_text(text)
    with pytest.raises(InputError, match="is no leaderboard"):
        read_board(tmp_path / "board.json")


def test_rows_without_their_figures_are_no_board(tmp_path: Path, board: dict[str, Any]) -> None:
    for path, value in {"rcs": {}, "band": "first", "domains": [{}], "rcs.value": "high"}.items():
        (tmp_path / "board.json").write_text(json.dumps(change(board, path, lambda _, value=value: value)))
        with pytest.raises(InputError, match="is no leaderboard"):
            read_board(tmp_path / "board.json")


def test_a_pull_request_is_held_against_the_board_of_its_base(tmp_path: Path, board: dict[str, Any]) -> None:
    # one that changed a formula and committed the board that follows from it was compared with that board alone
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "board.yml").read_text("utf-8"))
    steps = [step for step in workflow["jobs"]["board"]["steps"] if "BASE" in step.get("env", {})]
    assert [step["if"] for step in steps] == ["github.event_name == 'pull_request'"]

    def commit(published: dict[str, Any]) -> str:
        (tmp_path / "leaderboard" / "leaderboard.json").write_text(json.dumps(published))
        for command in (["add", "."], ["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "x"]):
            subprocess.run(["git", *command], cwd=tmp_path, check=True)
        return subprocess.run(["git", "rev-parse", "HEAD"], cwd=tmp_path, capture_output=True, text=True).stdout.strip()

    (tmp_path / "leaderboard").mkdir()
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    base = commit(board)
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    for rebuilt, code in ((nudged(board), 1), (nudged(board) | {"metrics_version": METRICS_VERSION + 1}, 0)):
        commit(rebuilt)
        shutil.copytree(tmp_path / "leaderboard", tmp_path / "rebuilt", dirs_exist_ok=True)
        command = ["bash", "-e", "-c", steps[0]["run"]]
        run = subprocess.run(command, cwd=tmp_path, env=os.environ | {"BASE": base, "PATH": path}, capture_output=True)
        assert run.returncode == code, run.stdout + run.stderr
        assert b"rcs.value" in run.stdout


def test_command(tmp_path: Path, folder: Path, toy_benchmark: Benchmark) -> None:
    for n_boot, name in ((100, "one"), (120, "two")):
        write_board(build_board(folder, toy_benchmark, n_boot=n_boot), tmp_path / name)
    same = run_cli("board", "diff", tmp_path / "one", tmp_path / "one")
    assert (same.returncode, same.stdout.strip()) == (0, "no row moved")
    other = run_cli("board", "diff", tmp_path / "one", tmp_path / "two")
    assert other.returncode == 0 and "resampling" in other.stdout
    broken = json.loads((tmp_path / "one" / "leaderboard.json").read_text())
    (tmp_path / "broken.json").write_text(json.dumps(nudged(broken)))
    failed = run_cli("board", "diff", tmp_path / "one", tmp_path / "broken.json", "--json")
    assert failed.returncode == 1
    assert {m["reason"] for m in json.loads(failed.stdout)["moves"]} == {"code"}
    none = run_cli("board", "diff", tmp_path / "nowhere", tmp_path / "one")
    assert none.returncode == 1 and none.stderr.startswith("error: ")
