"""`rsd-bench` alone answers "where do I begin?", and the shell can complete its commands.

Guards against a list of commands for an answer, and against a first command that no longer exists.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys

import pytest
from conftest import ROOT, call_cli

from rsd_bench.cli.paths import PATHS

COMMANDS = [command for _, commands in PATHS.values() for command in commands]


def test_no_argument_shows_the_four_ways() -> None:
    run = call_cli()
    assert (run.returncode, run.stderr) == (0, "")
    assert len(PATHS) == 4
    assert all(title in run.stdout for title in PATHS) and all(command in run.stdout for command in COMMANDS)
    assert max(map(len, run.stdout.splitlines())) <= 100 and run.stdout.isascii()
    assert len(run.stdout.splitlines()) < 30


@pytest.mark.parametrize("command", COMMANDS)
def test_its_commands_and_options_exist(command: str) -> None:
    program, *words = shlex.split(command)
    names = [word for word in words[:2] if re.fullmatch(r"[a-z]+", word)]
    said = call_cli(*names, "--help")
    assert program == "rsd-bench" and said.returncode == 0, said.stderr
    assert [word for word in words if word.startswith("--") and f"{word} " not in said.stdout] == []


def test_its_pages_exist() -> None:
    assert all((ROOT / page).is_file() for page, _ in PATHS.values())


def test_a_wrong_command_is_still_a_usage_error() -> None:
    run = call_cli("nonsense")
    assert run.returncode == 2 and "No such command" in run.stderr


def test_groups_still_show_their_help() -> None:
    assert "inspect" in call_cli("data").stdout + call_cli("data").stderr


@pytest.mark.parametrize(("typed", "found"), [("rsd-bench da", "data"), ("rsd-bench data ins", "inspect")])
def test_a_shell_completes(typed: str, found: str) -> None:
    asked = {"_RSD_BENCH_COMPLETE": "complete_bash", "COMP_WORDS": typed, "COMP_CWORD": str(typed.count(" "))}
    code = "import sys; sys.argv = ['rsd-bench']; from rsd_bench.cli.main import main; main()"
    done = subprocess.run([sys.executable, "-c", code], env=os.environ | asked, capture_output=True, text=True)
    assert done.stdout.split() == [found], done.stderr


def test_completion_can_be_installed() -> None:
    assert "--install-completion" in call_cli("--help").stdout
