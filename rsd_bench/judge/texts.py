"""Question, reference answer and image of a query by its id, from a temporary table on disk: memory stays flat."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from rsd_bench.sources.store_tables import rows_of

QueryTexts = Callable[[str], tuple[str, str | None, str]]
_COLUMNS = ["query_id", "question", "reference_answer", "image_sha256"]


@contextmanager
def query_texts(store: Path, source: str) -> Iterator[QueryTexts]:
    """A function from query id to (question, reference answer or None, image sha256) for one source."""
    with closing(sqlite3.connect("", isolation_level=None)) as table:
        table.execute("CREATE TABLE texts (id TEXT PRIMARY KEY, question TEXT, reference TEXT, image TEXT)")
        table.execute("BEGIN")
        rows = (tuple(row[name] for name in _COLUMNS) for row in rows_of(store, source, "queries", _COLUMNS))
        table.executemany("INSERT INTO texts VALUES (?, ?, ?, ?)", rows)
        table.execute("COMMIT")

        def of(query_id: str) -> tuple[str, str | None, str]:
            found: tuple[str, str | None, str] = table.execute(
                "SELECT question, reference, image FROM texts WHERE id = ?", (query_id,)
            ).fetchone()
            return found

        yield of
