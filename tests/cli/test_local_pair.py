"""The example that needs no key runs as its text says: two real servers, then generate to load."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT


@pytest.mark.heavy
def test_example_ends_with_a_dataset_that_loads(tmp_path: Path) -> None:
    for needed in ("torch", "transformers", "uvicorn"):
        pytest.importorskip(needed)
    command = [sys.executable, ROOT / "examples" / "local_pair" / "local_pair.py", "--out", tmp_path / "try"]
    run = subprocess.run([*map(str, command)], capture_output=True, text=True, timeout=500)
    assert run.returncode == 0, run.stderr
    assert "tiny-edge   60       60" in run.stdout
    assert "latency   measured (60)" in run.stdout
    assert "mes=6): {'train': 33, 'validation': 12, 'test': 15}" in run.stdout
    assert run.stdout.rstrip().endswith("The models have random weights: these labels mean nothing.")
