"""The README's way from nothing to an answer: its three commands, on ports that are free, print what it shows."""

from __future__ import annotations

import re
import shlex
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT

pytest.importorskip("starlette")
SECTION = (ROOT / "README.md").read_text("utf-8").partition("## Put it before two models")[2]
PROGRAMS = {"rsd-bench": [sys.executable, "-m", "rsd_bench"], "python": [sys.executable], "curl": ["curl"]}


def free_ports() -> tuple[int, int]:
    with socket.socket() as one, socket.socket() as other:
        one.bind(("127.0.0.1", 0))
        other.bind(("127.0.0.1", 0))
        return one.getsockname()[1], other.getsockname()[1]


def test_three_commands_reach_an_answer(tmp_path: Path) -> None:
    if not shutil.which("curl"):
        pytest.skip("no curl")
    models, server = map(str, free_ports())
    block = re.search(r"```console\n(.*?)```", SECTION, re.S)[1].replace("\\\n", " ")
    block = block.replace("examples/serve/two_models.py", f"{ROOT}/examples/serve/two_models.py {models}")
    block = block.replace("8001", models).replace("8080", server).replace("build/words", f"{tmp_path}/words")
    *commands, shown = re.split(r"^\$ ", block, flags=re.M)[1:]
    train, serve = commands
    ask, *lines = shown.strip().splitlines()

    def words(command: str) -> list[str]:
        program, *rest = shlex.split(command)
        return [*PROGRAMS[program], *rest]

    subprocess.run(words(train), check=True, timeout=240, capture_output=True)
    stand_in, router = (words(part) for part in serve.replace("&\n", "").split(" & "))
    with (
        subprocess.Popen(stand_in, stdout=subprocess.PIPE, text=True) as one,
        subprocess.Popen([*router, "--port", server], stdout=subprocess.PIPE, text=True) as other,
    ):
        try:
            assert models in one.stdout.readline() and server in other.stdout.readline()
            told = subprocess.run(words(ask), check=True, timeout=60, capture_output=True, text=True).stdout
        finally:
            one.terminate()
            other.terminate()
    assert len(lines) == 4
    for line in lines:
        assert line in told
