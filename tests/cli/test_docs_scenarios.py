"""The file, the commands and the code of docs/scenarios.md do what the page says."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from conftest import ROOT, call_cli

from rsd_bench.config import MAX_SCENARIOS, NOISE_SCENARIOS, SCENARIOS

PAGE = (ROOT / "docs" / "scenarios.md").read_text("utf-8")


def test_the_example_gives_the_output_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    blocks = dict(re.findall(r"```(toml|python|text)\n(.*?)```", PAGE, re.S))
    (tmp_path / "clinic.toml").write_text(blocks["toml"])
    outputs = [call_cli(*shlex.split(command)[1:]) for command in re.findall(r"^\$ (rsd-bench .*)$", PAGE, re.M)]
    assert len(outputs) == 2 and all(run.returncode == 0 for run in outputs)
    assert outputs[-1].stdout.startswith(blocks["text"]) and len(blocks["text"].splitlines()) > 5
    capsys.readouterr()
    exec(compile(blocks["python"], "docs/scenarios.md", "exec"), {})
    assert capsys.readouterr().out.splitlines() == re.findall(r"# -> (.*)$", blocks["python"], re.M)


def test_the_numbers_of_the_page_are_those_of_the_code() -> None:
    words = " ".join(PAGE.split())
    assert f"at most {MAX_SCENARIOS}" in words
    assert f"({', '.join(f'`{name}`' for name in SCENARIOS)})" in words
    assert "more than three" in words and NOISE_SCENARIOS == 3
