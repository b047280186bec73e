"""`board diff`: what moved, and why.

Guards against published numbers that could not be reproduced, and boards that mixed versions: one model stood at 36.85
and at 72.57.
"""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from conftest import run_cli
from test_submission import make, probabilities

from rsd_bench.board.build import build_board, write_board
from rsd_bench.board.diff import diff_boards
from rsd_bench.dataset.benchmark import Benchmark, open_benchmark


@pytest.fixture(scope="module")
def data(toy_dataset: Path) -> Benchmark:
    return open_benchmark(toy_dataset)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, data: Benchmark) -> Path:
    root = tmp_path_factory.mktemp("diff")
    for seed in range(3):
        make(root / f"router-{seed}", data, probabilities(data, seed=seed))
    return root


@pytest.fixture(scope="module")
def board(folder: Path, data: Benchmark) -> dict[str, Any]:
    return json.loads(build_board(folder, data, n_boot=100)["leaderboard.json"])


def reasons(old: dict[str, Any], new: dict[str, Any]) -> set[tuple[str, str]]:
    return {(move.slug, move.reason) for move in diff_boards(old, new)}


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
        (lambda b: b.update(metrics_version=2), "metric"),
        (lambda b: b["bootstrap"].update(seed=1), "resampling"),
        (lambda b: b["submissions"][1].update(sha256="0" * 64), "submission"),
    ],
)
def test_reasons(board: dict[str, Any], change: Any, reason: str) -> None:
    new = nudged(board)
    change(new)
    assert reasons(board, new) == {("router-1", reason)}


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


def test_command(tmp_path: Path, folder: Path, data: Benchmark) -> None:
    for n_boot, name in ((100, "one"), (120, "two")):
        write_board(build_board(folder, data, n_boot=n_boot), tmp_path / name)
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
