"""Importing records again and again into one store, and looking at what it holds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from conftest import Records, call_cli

from rsd_bench.sources.store.store_tables import rows_of

N = 6


def tree(folder: Path) -> dict[str, bytes]:
    """What somebody finds who looks at the sources of a store."""
    files = (path for path in (folder / "sources").rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def records(folder: Path, *models: str, source: str = "toy") -> Records:
    """Records in which each model's outcomes do not depend on the others."""
    made = Records(folder / "-".join((source, *models)), source, N, ("tiny", "huge", "third"))
    made.responses = [row for row in made.responses if row["model"] in models]
    return made


class Importing:
    def __init__(self, folder: Path) -> None:
        self.folder, self.store = folder, folder / "store"

    def __call__(self, *given: Records, more: tuple[str, ...] = (), code: int = 0) -> str:
        folders = [one.write() for one in given]
        run = call_cli("data", "import", "records", *folders, "--out", self.store, *more)
        assert run.returncode == code, run.stderr
        return run.stdout if code == 0 and not more else run.stdout + run.stderr

    def outcomes(self, source: str = "toy") -> dict[tuple[str, str], Any]:
        return {(row["query_id"], row["model"]): row for row in rows_of(self.store, source, "responses")}

    def queries(self, source: str = "toy") -> dict[str, Any]:
        return {row["query_id"]: row for row in rows_of(self.store, source, "queries")}
