"""The demo does the whole job on the embedded dataset, and what is committed is what the code gives."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from conftest import ROOT, call_cli, run_cli

from rsd_bench.schemas import validator


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    folder = tmp_path_factory.mktemp("demo")
    run = run_cli("demo", "--out", "out", cwd=folder)
    assert run.returncode == 0, run.stderr
    return folder / "out", run.stdout


def test_demo_ranks_its_router_between_the_references(demo: tuple[Path, str]) -> None:
    folder, text = demo
    for scenario in ("fast_response", "high_quality", "low_energy"):
        assert f"{scenario} (in-domain, 613 test queries)" in text
    assert "modelled, not measured" in text
    board = json.loads((folder / "leaderboard" / "leaderboard.json").read_text())
    assert len(board["tables"]) == 3
    for table in board["tables"]:
        oracle = next(row for row in table["references"] if row["policy"] == "rcs-oracle")
        assert all(row["rcs"]["value"] < oracle["rcs"] for row in table["rows"])
    result = json.loads((folder / "leaderboard" / "results" / "statistics-logistic.json").read_text())
    validator("result").validate(result)


@pytest.mark.heavy
def test_demo_can_run_again_in_the_same_folder(demo: tuple[Path, str]) -> None:
    folder, _ = demo
    before = (folder / "submissions" / "statistics-logistic" / "predictions.parquet").read_bytes()
    assert run_cli("demo", "--out", folder).returncode == 0
    assert (folder / "submissions" / "statistics-logistic" / "predictions.parquet").read_bytes() == before


def test_committed_board_is_up_to_date() -> None:
    run = run_cli("board", "build", "--check", cwd=ROOT)
    assert run.returncode == 0, run.stderr


def test_errors_are_one_line_and_never_a_traceback(tmp_path: Path) -> None:
    for arguments in (
        ("eval", "nowhere"),
        ("data", "check", "nowhere"),
        ("data", "build", "nowhere.toml", "--out", "x"),
        ("board", "build", "--submissions", "nowhere"),
        ("eval", "nowhere", "--data", "no/such/place"),
        ("compare", "a", "a"),
    ):
        run = run_cli(*arguments, cwd=tmp_path)
        assert run.returncode == 1, arguments
        assert run.stderr.startswith("error: "), run.stderr
        assert "Traceback" not in run.stderr
        assert len(run.stderr.strip().splitlines()) == 1
    assert run_cli("no-such-command").returncode == 2
    assert run_cli("data", "build").returncode == 2


def test_demo_runs_where_torch_is_not_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An installed wheel has no torch of its own: the demo ended in "this command needs torch"."""
    from rsd_bench.cli import demo

    monkeypatch.setattr(demo, "find_spec", lambda name: None)
    monkeypatch.setattr(demo, "SHOWN", ("reference", "statistics-logistic"))
    told = call_cli("demo", "--out", tmp_path / "out").stdout
    assert "left out     reference: needs torch" in told
    assert "Logistic regression" in told and "Reference router" not in told
