"""An installed package is all that most users have: what a checkout finds by luck, a wheel must carry.

`dataset_cards/` stands at the root of the repository and is mapped into the wheel; the wheel is built, installed alone
and used, from a folder outside of the repository.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from conftest import RECIPE, ROOT, Records

BUILT_FROM = ("pyproject.toml", "setup.py", "README.md", "LICENSE")
PIP = (sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check")


def run(*command: object, cwd: Path = ROOT, path: Path | None = None) -> str:
    environment = os.environ | ({"PYTHONPATH": str(path)} if path else {})  # comes before an editable install
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, cwd=cwd, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from a copy: a checkout's `build/` may hold files of an earlier one."""
    root = tmp_path_factory.mktemp("wheel")
    for name in ("rsd_bench", "dataset_cards"):
        shutil.copytree(ROOT / name, root / "source" / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in BUILT_FROM:
        shutil.copy(ROOT / name, root / "source" / name)
    run(*PIP, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", root, root / "source")
    return next(root.glob("*.whl"))


def test_the_wheel_holds_every_file_and_no_other(wheel: Path) -> None:
    source = wheel.parent / "source"
    expected = {str(path.relative_to(source)) for path in (source / "rsd_bench").rglob("*") if path.is_file()}
    expected |= {f"rsd_bench/dataset_cards/{path.name}" for path in (source / "dataset_cards").iterdir()}
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {name for name in names if ".dist-info/" not in name} == expected


def test_an_installed_wheel_builds_a_dataset_with_its_card(wheel: Path, tmp_path: Path, toy_records: Records) -> None:
    installed = tmp_path / "installed"
    run(*PIP, "install", "--no-deps", "--no-index", "--target", installed, wheel)
    (tmp_path / "recipe.toml").write_text(RECIPE)
    show = "import rsd_bench; print(rsd_bench.__file__)"
    home = run(sys.executable, "-c", show, cwd=tmp_path, path=installed)
    assert home.startswith(str(installed))
    store, dataset = tmp_path / "store", tmp_path / "dataset"
    for arguments in (
        ("import", "records", toy_records.write(), "--out", store),
        ("build", tmp_path / "recipe.toml", "--store", store, "--out", dataset),
        ("check", dataset),
    ):
        run(installed / "bin" / "rsd-bench", "data", *arguments, cwd=tmp_path, path=installed)
    assert "## Motivation" in (dataset / "README.md").read_text("utf-8")
