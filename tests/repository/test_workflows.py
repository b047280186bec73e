"""The workflows hold what they promise.

Guards against CI that ran code of a pull request with secrets, or on its own runner.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import ROOT

FOLDER = ROOT / ".github" / "workflows"
NAMES = ("submission", "score", "board", "pages", "release")


def workflow(name: str) -> tuple[str, dict[str, Any]]:
    text = (FOLDER / f"{name}.yml").read_text("utf-8")
    return text, yaml.safe_load(text)


def test_zizmor_finds_nothing() -> None:
    tool = shutil.which("zizmor") or str(Path(sys.executable).with_name("zizmor"))
    run = subprocess.run([tool, "--offline", "--persona", "pedantic", str(FOLDER)], capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr


@pytest.mark.parametrize("name", NAMES)
def test_least_rights_pinned_actions_bounded_time(name: str) -> None:
    text, parsed = workflow(name)
    assert parsed["permissions"] == {}
    for job in parsed["jobs"].values():
        assert "timeout-minutes" in job and job["runs-on"].startswith("ubuntu-")
    for use in re.findall(r"uses: (\S+)", text):
        assert re.fullmatch(r"[\w./-]+@[0-9a-f]{40}", use), use
    # an expression inside a script is an injection: values go through the environment
    for job in parsed["jobs"].values():
        assert not any("${{" in step.get("run", "") for step in job["steps"])


def test_submission_has_no_secret_and_never_checks_the_proposal_out() -> None:
    text, parsed = workflow("submission")
    assert "secrets." not in text
    for job in parsed["jobs"].values():
        for step in job["steps"]:
            if step.get("uses", "").startswith("actions/checkout"):
                assert step["with"]["ref"] == "${{ github.event.pull_request.base.sha }}"
                assert step["with"]["persist-credentials"] is False
    reading = parsed["jobs"]["check"]["permissions"]
    assert reading == {"contents": "read"}
    assert "git checkout" not in text and "git merge" not in text


def test_score_waits_for_a_label_and_an_environment() -> None:
    text, parsed = workflow("score")
    job = parsed["jobs"]["score"]
    assert "label.name == 'score'" in job["if"] and job["environment"] == "private-outcomes"
    steps = {step.get("name"): step for step in job["steps"]}
    assert "Keep the ledger" in steps and parsed["jobs"]["comment"]["needs"] == "score", "nothing is told before"
    assert "secrets." not in str(steps["Score"]), "the step that reads the proposal holds no token"
    assert job["permissions"] == {"contents": "read"}
    assert "pull_request.base.sha" in text and "head.ref" not in text


@pytest.mark.parametrize(
    ("changed", "pull_request", "checked"),
    [
        ("submissions/new/submission.json", True, False),
        ("submissions/new/submission.json", False, True),
        ("leaderboard/index.html", True, True),
        ("my submissions/x", True, True),
    ],
)
def test_a_submission_need_not_bring_the_board_it_may_not_touch(
    tmp_path: Path, changed: str, pull_request: bool, checked: bool
) -> None:
    # `submit ci` refuses a proposal that changes leaderboard/, so the check of the board must not ask for it
    step = workflow("board")[1]["jobs"]["board"]["steps"][-1]
    assert step["env"] == {"PROPOSED_TO": "${{ github.event.pull_request.base.sha }}"}
    tool = tmp_path / "bin" / "rsd-bench"
    tool.parent.mkdir()
    tool.write_text("#!/bin/sh\necho ran $*\nexit 7\n")
    tool.chmod(0o755)
    root = tmp_path / "repository"
    git = ["git", "-C", str(root), "-c", "user.name=a", "-c", "user.email=a@b"]
    subprocess.run(["git", "init", "-q", str(root)], check=True)
    subprocess.run([*git, "commit", "-q", "--allow-empty", "-m", "base"], check=True)
    base = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout.strip()
    (root / changed).parent.mkdir(parents=True)
    (root / changed).write_text("x")
    subprocess.run([*git, "add", "."], check=True)
    subprocess.run([*git, "commit", "-q", "-m", "proposal"], check=True)
    environment = os.environ | {
        "PROPOSED_TO": base if pull_request else "",
        "PATH": f"{tool.parent}{os.pathsep}{os.environ['PATH']}",
    }
    command = ["bash", "-e", "-c", step["run"]]
    run = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True)
    assert run.returncode == (7 if checked else 0), run.stdout + run.stderr
    assert ("ran board build" in run.stdout) is checked


def test_release_holds_no_token() -> None:
    text, parsed = workflow("release")
    assert "secrets." not in text
    assert parsed["jobs"]["publish"]["permissions"] == {"id-token": "write"}
