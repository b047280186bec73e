"""The demo does the whole job on the embedded dataset, and what is committed is what the code gives."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT, WITHOUT_TORCH, run_cli

from rsd_bench.schemas import validator


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    folder = tmp_path_factory.mktemp("demo")
    run = run_cli("demo", "--out", "out", cwd=folder, timeout=600)
    assert run.returncode == 0, run.stderr
    return folder / "out", run.stdout


def test_demo_ranks_routers_that_beat_every_fixed_policy(demo: tuple[Path, str]) -> None:
    folder, text = demo
    board = json.loads((folder / "leaderboard" / "leaderboard.json").read_text())
    for scenario in ("fast_response", "high_quality", "low_energy"):
        assert f"{scenario} (in-domain, {board['dataset']['queries']} test queries; " in text
    assert "overall (10 tracks" in text and "profile:paper-bounds (modelled)" in text
    satisfied = [line.split()[1:] for line in text.splitlines() if line.startswith(("edge ", "cloud "))]
    assert [len(shares) for shares in satisfied] == [10, 10]
    assert all(len(set(shares)) > 3 and shares == sorted(shares, reverse=True) for shares in satisfied)  # graded
    for table in (table for table in board["tables"] if table["track"] == "in-domain"):
        policies = {row["policy"]: row["rcs"] for row in table["references"]}
        rcs = [row["rcs"]["value"] for row in table["rows"]]
        assert max(policies["all-edge"], policies["all-cloud"]) < max(rcs) < policies["rcs-oracle"]
    assert len({row["band"] for row in board["overall"]["rows"]}) > 1
    assert board["overall"]["rows"][0]["slug"] == "ngram-gain"
    result = json.loads((folder / "leaderboard" / "results" / "statistics-logistic.json").read_text())
    validator("result").validate(result)


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


def test_demo_trains_where_torch_is_not_installed(tmp_path: Path) -> None:
    """An installed wheel has no torch of its own: the demo ended in "this command needs torch"."""
    train = f"_train(Path({str(tmp_path / 'statistics-logistic')!r}), 'statistics-logistic')"
    code = f"{WITHOUT_TORCH}\nfrom rsd_bench.cli.demo import Path, _train; {train}"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=240)
    assert run.returncode == 0, run.stderr
