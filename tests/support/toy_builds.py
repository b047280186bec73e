"""Records on their way to a dataset folder: imported, built, refused; and a folder whose hashes hold again."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
from conftest import RECIPE, call_cli, run_cli

from rsd_bench.dataset.manifest import file_entries, manifest_sha256, to_bytes


def imported(folder: Path, store: Path, *more: object) -> subprocess.CompletedProcess[str]:
    return run_cli("data", "import", "records", folder, "--out", store, *more)


def built(store: Path, recipe: Path, out: Path, *more: object) -> str:
    run = run_cli("data", "build", recipe, "--store", store, "--out", out, *more)
    assert run.returncode == 0, run.stderr
    return manifest_sha256(out)


def responses(store: Path, source: str = "toy") -> pd.DataFrame:
    return pd.read_parquet(store / "sources" / source / "responses.parquet")


def refused_build(store: Path, recipe: str = RECIPE) -> str:
    """The one line that a build ends with."""
    (store.parent / "recipe.toml").write_text(recipe)
    run = call_cli("data", "build", store.parent / "recipe.toml", "--store", store, "--out", store.parent / "d")
    assert run.returncode == 1
    (line,) = (line for line in run.stderr.splitlines() if line.startswith("error"))
    return line


def list_files_again(folder: Path) -> None:
    """Fix the hashes of a changed folder in its manifest, so that only the content can give the change away."""
    path = folder / "manifest.json"
    files = {name: entry.to_dict() for name, entry in file_entries(folder).items()}
    path.write_bytes(to_bytes(json.loads(path.read_bytes()) | {"files": files}))


def rewrite(folder: Path, table: str, change: Callable[[list[dict[str, Any]]], object], split: str = "test") -> Path:
    """Change the rows of a shard and fix the manifest's hashes, so that only the content can give it away."""
    shard = sorted((folder / table).glob(f"{split}-*.parquet"))[0]
    data = pq.read_table(shard)
    rows = data.to_pylist()
    change(rows)
    pq.write_table(data.from_pylist(rows, data.schema), shard)
    list_files_again(folder)
    return shard
