"""Every command of docs/submitting.md is run, in order, in an empty folder, as a new author would."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import ROOT, run_cli
from folded import folded_dataset  # noqa: F401 (fixture)
from jsonschema import Draft202012Validator

from rsd_bench.schemas import schema, validator

PAGE = (ROOT / "docs" / "submitting.md").read_text("utf-8")


@pytest.mark.filterwarnings("ignore")
def test_every_command_works_and_a_row_appears_within_five_minutes(tmp_path: Path) -> None:
    start = time.monotonic()
    environment = os.environ | {"PYTHONPATH": str(ROOT), "XDG_CACHE_HOME": str(tmp_path / "cache")}

    def run(*command: str) -> str:
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, env=environment, timeout=300)
        assert done.returncode == 0, (command, done.stderr)
        return done.stdout

    git = ("git", "-c", "user.name=a", "-c", "user.email=a@b")
    run("git", "init", "-q", "-b", "main")
    run(*git, "commit", "-q", "--allow-empty", "-m", "base")
    run("git", "checkout", "-q", "-b", "proposal")
    code = re.search(r"```python\n(.*?)```", PAGE, re.S)
    assert code is not None
    run(sys.executable, "-c", code[1])
    commands = re.findall(r"^\$ (rsd-bench .*)$", PAGE, re.M)
    assert len(commands) >= 9
    for command in commands:
        if " ci " in command:
            run("git", "add", "submissions")
            run(*git, "commit", "-q", "-m", "Add my-router")
        said = run(sys.executable, "-m", "rsd_bench", *shlex.split(command)[1:])
        if command.endswith("board build"):
            assert "my-router" in said
            assert time.monotonic() - start < 300
    page = (tmp_path / "leaderboard" / "index.html").read_text("utf-8")
    assert '"slug":"my-router"' in page
    assert sys.executable and "Ada Lovelace" in page


def test_what_is_said_of_cross_fitted_tracks_works(
    tmp_path: Path,
    folded_dataset: Path,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    section = (
        PAGE.partition("## Cross-fitted tracks")[2].partition("\n## ")[0].replace("build/rsd-open", str(folded_dataset))
    )
    code, command = re.search(r"```python\n(.*?)```", section, re.S), re.search(r"^    rsd-bench (.*)$", section, re.M)
    assert code is not None and command is not None
    monkeypatch.chdir(tmp_path)
    exec(compile(code[1], "submitting.md", "exec"), {})
    done = run_cli(*shlex.split(command[1]), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    checked = run_cli("submit", "check", "submissions/my-router", "--data", folded_dataset, cwd=tmp_path)
    assert "in-domain (repeats 0, 1, 2, 3, 4)" in checked.stdout


def test_the_table_of_thresholds_says_what_the_schema_says() -> None:
    section = PAGE.partition("## Thresholds")[2].partition("\n## ")[0]
    written = [cell.replace(", ...", "") for cell in re.findall(r"^\| `(.*?)` \|", section, re.M)]
    assert len(written) == 5
    rules = validator("submission").schema["properties"]["tau"] | {"$defs": schema("submission")["$defs"]}
    for cell in written:
        assert Draft202012Validator(rules).is_valid({"low_energy": json.loads(cell)}), cell
    assert not Draft202012Validator(rules).is_valid({"low_energy": [[[[0.5]]]]})


def test_the_numbers_of_the_page_are_those_of_the_code() -> None:
    from rsd_bench.config import NOISE_QUERIES, SCORING_BUDGET

    assert f"standard deviation of {NOISE_QUERIES:g} queries" in " ".join(PAGE.split())
    assert f"account has {SCORING_BUDGET} scorings" in " ".join(PAGE.split())
