"""docs/satisfaction.md: its simulation is run again, and gives the figures that the page shows."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

from conftest import ROOT

from rsd_bench.config import MIN_RATED_GROUPS, N_BOOT_FIT, load_scenarios

PAGE = (ROOT / "docs" / "satisfaction.md").read_text("utf-8")


def test_the_example_gives_what_the_page_shows(tmp_path: Path) -> None:
    environment = os.environ | {"PYTHONPATH": str(ROOT)}

    def run(*command: str) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, env=environment, timeout=300)
        assert done.returncode == 0, (command, done.stderr)
        return done

    code = re.search(r"```python\n(.*?)```", PAGE, re.S)
    assert code is not None
    run(sys.executable, "-c", code[1])
    shutil.copytree(ROOT / "submissions", tmp_path / "submissions")
    said = {
        command.split()[1]: run(sys.executable, "-m", "rsd_bench", *shlex.split(command)[1:])
        for command in re.findall(r"^\$ (rsd-bench .*)$", PAGE, re.M)
    }
    assert list(said) == ["data", "scenario", "board"]
    fit, warning = re.findall(r"```text\n(.*?)```", PAGE, re.S)
    assert said["scenario"].stdout == fit
    assert said["scenario"].stderr == warning
    toml = re.search(r"```toml\n(.*?)```", PAGE, re.S)
    assert toml is not None
    assert (tmp_path / "scenarios.toml").read_text("utf-8").startswith(toml[1])
    for name in load_scenarios(tmp_path / "scenarios.toml"):
        assert re.search(rf"^{name} ", said["board"].stdout, re.M)


def test_rows_of_the_table_are_those_of_the_simulation() -> None:
    sys.path.insert(0, str(ROOT / "benchmarks"))
    try:
        import satisfaction
    finally:
        sys.path.pop(0)
    for scores, noise, title in (
        ("tenths", ("contrary", 0.2), "tenths | contrary 20 %"),
        ("whole", ("soft", 0.5), "whole numbers | soft, width 0.5"),
    ):
        row = satisfaction.recovery(scores, *noise, 300, 400)
        shares = " | ".join(f"{100 * row[name]:.1f}" for name in ("near_mes", "held_mes", "near_best", "held_best"))
        assert f"| {title} | {shares} | {row['width']:.2f} |" in PAGE


def test_the_numbers_of_the_page_are_those_of_the_code() -> None:
    text = " ".join(PAGE.split())
    assert f"resample groups of queries {N_BOOT_FIT:,} times" in text
    assert f"fewer than {MIN_RATED_GROUPS} groups of queries have a satisfied rating" in text


def test_every_option_named_exists() -> None:
    helps = "".join(
        subprocess.run([sys.executable, "-m", "rsd_bench", *names, "--help"], capture_output=True, text=True).stdout
        for names in (("scenario", "fit"), ("board", "sensitivity"))
    )
    assert {name for name in re.findall(r"(?<![\w-])--[a-z][a-z-]+", PAGE) if name not in helps} == set()
