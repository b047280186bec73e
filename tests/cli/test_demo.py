"""The demo does the whole job on the embedded dataset, and what is committed is what the code gives."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from conftest import LITE, ROOT, run_cli

from rsd_bench.dataset.manifest import read_manifest
from rsd_bench.schemas import validator


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    folder = tmp_path_factory.mktemp("demo")
    run = run_cli("demo", "--out", "out", cwd=folder, timeout=600)
    assert run.returncode == 0, run.stderr
    return folder / "out", run.stdout


def test_demo_ranks_its_router_between_the_references(demo: tuple[Path, str]) -> None:
    folder, text = demo
    for scenario in ("fast_response", "high_quality", "low_energy"):
        assert f"{scenario} (in-domain, {read_manifest(LITE).queries} test queries;" in text
    assert "latency basis: profile:paper-bounds (modelled), reported\n" in text
    board = json.loads((folder / "leaderboard" / "leaderboard.json").read_text())
    assert len(board["tables"]) == 3
    for table in board["tables"]:
        oracle = next(row for row in table["references"] if row["policy"] == "rcs-oracle")
        assert all(row["rcs"]["value"] < oracle["rcs"] for row in table["rows"])
    result = json.loads((folder / "leaderboard" / "results" / "statistics-logistic.json").read_text())
    validator("result").validate(result)


def test_the_readme_shows_what_the_demo_prints(demo: tuple[Path, str]) -> None:
    shown = re.search(r"```\n(rsd-open .*?)```", (ROOT / "README.md").read_text("utf-8"), re.S)
    assert shown is not None and demo[1].startswith(shown[1])


@pytest.mark.heavy
def test_demo_can_run_again_in_the_same_folder(demo: tuple[Path, str]) -> None:
    folder, _ = demo
    before = (folder / "submissions" / "statistics-logistic" / "predictions.parquet").read_bytes()
    assert run_cli("demo", "--out", folder, timeout=600).returncode == 0
    assert (folder / "submissions" / "statistics-logistic" / "predictions.parquet").read_bytes() == before


def test_committed_board_is_up_to_date() -> None:
    run = run_cli("board", "build", "--check", cwd=ROOT, timeout=600)
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
