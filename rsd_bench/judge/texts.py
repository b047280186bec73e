"""Question, reference answer and media of a query by its id, from a temporary table on disk: memory stays flat."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from rsd_bench.endpoints.media import HEAD, why_unsent
from rsd_bench.sources.store.store_media import head_of, media_of
from rsd_bench.sources.store.store_tables import rows_of

_COLUMNS = ["query_id", "question", "reference_answer", "modality", "media", "image_sha256"]


@dataclass(frozen=True)
class QueryTexts:
    """What a judge may be shown of a query. media: kind and sha256 of each, in order; unsent: why they cannot be."""

    question: str
    reference: str | None
    media: tuple[tuple[str, str], ...]
    unsent: str


@contextmanager
def query_texts(store: Path, source: str) -> Iterator[Callable[[str], QueryTexts]]:
    """A function from query id to the texts of that query, for one source."""
    head = partial(head_of, store, size=HEAD)
    with closing(sqlite3.connect("", isolation_level=None)) as table:
        table.execute("CREATE TABLE texts (id TEXT PRIMARY KEY, question, reference, media, unsent)")
        table.execute("BEGIN")
        for row in rows_of(store, source, "queries", _COLUMNS):
            media = [(item["kind"], item["sha256"]) for item in media_of(row)]
            texts = row["query_id"], row["question"], row["reference_answer"]
            unsent = why_unsent(row["modality"], media, head)
            table.execute("INSERT INTO texts VALUES (?, ?, ?, ?, ?)", (*texts, json.dumps(media), unsent))
        table.execute("COMMIT")

        def of(query_id: str) -> QueryTexts:
            question, reference, media, unsent = table.execute(
                "SELECT question, reference, media, unsent FROM texts WHERE id = ?", (query_id,)
            ).fetchone()
            return QueryTexts(question, reference, tuple((kind, sha256) for kind, sha256 in json.loads(media)), unsent)

        yield of
