"""The notebook runs from top to bottom, in an empty folder, and shows tables and pictures.

Guards against a tour that was right when somebody last opened it.
"""

from __future__ import annotations

import ast
import json
from pathlib import Path

import pytest
from conftest import ROOT

import rsd_bench

TOUR = ROOT / "examples" / "tour.ipynb"
CELLS = json.loads(TOUR.read_text("utf-8"))["cells"]
CODE = ["".join(cell["source"]) for cell in CELLS if cell["cell_type"] == "code"]


def test_the_tour_runs_and_shows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nbformat = pytest.importorskip("nbformat", reason="nbclient is not installed")
    nbclient = pytest.importorskip("nbclient", reason="nbclient is not installed")
    pytest.importorskip("ipykernel", reason="ipykernel is not installed")
    for name in ("JUPYTER_RUNTIME_DIR", "IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR"):
        monkeypatch.setenv(name, str(tmp_path / name))  # nothing is written into a home
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.delenv("PYTHONWARNINGS", raising=False)
    monkeypatch.setenv("PYDEVD_DISABLE_FILE_VALIDATION", "1")
    (tmp_path / "run").mkdir()
    tour = nbformat.read(TOUR, as_version=4)
    nbclient.NotebookClient(tour, timeout=120, resources={"metadata": {"path": str(tmp_path / "run")}}).execute()
    outputs = [output for cell in tour.cells if cell.cell_type == "code" for output in cell.outputs]
    kinds = [kind for output in outputs for kind in output.get("data", {})]
    assert kinds.count("image/svg+xml") == 3
    assert kinds.count("text/html") == 4  # two frames, a comparison, a result
    said = [output.text for output in outputs if output.get("name") == "stderr"]
    assert [text for text in said if "TqdmWarning" not in text] == []  # bars are plain without ipywidgets
    assert (tmp_path / "run" / "submissions" / "tour" / "submission.json").is_file()


def test_the_tour_is_committed_as_it_is_typed() -> None:
    """No outputs: figures of another version would stand there."""
    assert [cell["outputs"] for cell in CELLS if cell["cell_type"] == "code"] == [[]] * len(CODE)


def test_the_tour_uses_public_names_only() -> None:
    tree = ast.parse("\n".join(CODE))
    used = {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "rsd"
    }
    assert used and used <= {*rsd_bench.__all__}
    imported = [node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    assert not [name for name in imported if name.startswith("rsd_bench")]


def test_training_is_six_lines() -> None:
    (cell,) = [code for code in CODE if "LogisticRegression(" in code]
    typed = [line for line in cell.splitlines() if line and not line.startswith(("import ", "from "))]
    assert len(typed) == 6
