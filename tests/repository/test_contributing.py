"""CONTRIBUTING.md is where a newcomer starts: its paths are there, and both of its worked examples work.

The examples are put into a copy of the package as the page says, and every command below them is run.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT, png

PAGE = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
SECTIONS = dict(part.split("\n", 1) for part in re.split(r"^## ", PAGE, flags=re.M)[1:])
BLOCKS = re.compile(r"```python\n# (\S+?)(?:, (at the end)|, above `([^`]+)`| \(new\))\n(.*?)```", re.S)
QUIZ = """id,domain,question,reference,image,model,answer,score
1,chart,How many bars?,3,images/1.png,tiny,three,10
1,chart,How many bars?,3,images/1.png,huge,four,0
2,photo,How many dogs?,1,images/2.png,tiny,one,
"""


def test_the_table_names_files_that_exist() -> None:
    rows = re.findall(r"^\| (?!I want|---)(.*) \|$", SECTIONS["Where do I change this?"], re.M)
    assert len(rows) >= 12
    for row in rows:
        _, files, tests = row.split(" | ")
        for cell, start in ((files, ""), (tests, "tests/")):
            paths = [path for path in re.findall(r"`([^`]+)`", cell) if "/" in path]
            assert paths, row
            assert not [path for path in paths if not (ROOT / path).exists() or not path.startswith(start)], row


def write(root: Path, section: str) -> None:
    """Put the code of a section where its first line says."""
    for name, at_end, above, code in BLOCKS.findall(section):
        path = root / name
        old = path.read_text("utf-8") if path.exists() else ""
        assert bool(old) == bool(at_end or above), f"{name} is new, or is not"
        if above:
            assert old.count(above) == 1
            start = old.rindex("\n", 0, old.index(above)) + 1
            path.write_text(old[:start] + code + old[start:], "utf-8")
        else:
            path.write_text(f"{old}{code}" if at_end else code, "utf-8")


@pytest.mark.parametrize("title", ["Add a baseline", "Add a source format"])
def test_an_example_works(tmp_path: Path, title: str) -> None:
    section = SECTIONS[title]
    assert len([line for line in section.splitlines() if line]) < 70
    for name in ("rsd_bench", "tests/support", "tests/routers", "tests/sources"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "dataset_cards", tmp_path / "dataset_cards")
    for name in ("pyproject.toml", "tests/conftest.py"):
        shutil.copy(ROOT / name, tmp_path / name)
    write(tmp_path, section)
    (tmp_path / "quiz.csv").write_text(QUIZ)
    (tmp_path / "images").mkdir()
    for seed in (1, 2):
        (tmp_path / "images" / f"{seed}.png").write_bytes(png(seed))
    ruff = (sys.executable, "-m", "ruff", "check", "--quiet", "rsd_bench", "tests")
    commands = [shlex.split(line) for line in re.findall(r"^\$ (.*)$", section, re.M)]
    assert len(commands) >= 2
    programs = {"python": [sys.executable], "rsd-bench": [sys.executable, "-m", "rsd_bench"]}
    for command in (ruff, *([*programs[program], *rest] for program, *rest in commands)):
        environment = os.environ | {"PYTHONPATH": str(tmp_path)}
        run = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
        assert run.returncode == 0, f"{command}\n{run.stdout}{run.stderr}"
