"""The example runs as its text says, from two endpoints to a dataset that is sound."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT

pytest.importorskip("starlette")

from serving import FakeTier


@pytest.mark.heavy
def test_traffic_becomes_a_dataset(tmp_path: Path) -> None:
    with FakeTier("small") as edge, FakeTier("large") as cloud:
        command = [sys.executable, ROOT / "examples" / "serve" / "serve_pair.py", "--out", tmp_path]
        command += ["--edge", edge.flag, "--cloud", cloud.flag]
        run = subprocess.run([*map(str, command)], capture_output=True, text=True, timeout=240)
    assert run.returncode == 0, run.stdout[-2000:] + run.stderr
    assert run.stdout.count(" p 0.9000 ") + run.stdout.count(" p 0.1000 ") == 60
    assert ": queries  60" in run.stdout and ": outcomes  120" in run.stdout
    assert (tmp_path / "dataset" / "manifest.json").is_file()
