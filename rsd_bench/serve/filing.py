"""Traffic becomes sources of its store: `served-YYYY-MM-DD`, a query a question that was asked on its own that day.

Only what a dataset can stand for is filed: one question with its images, as its models were asked it. The same question
with the same images is one query, and the first answer of a model to it is its outcome. Filed answers are unscored
until judged; nobody wrote reference answers, so a judge that needs them must be given some: `reference` names the model
whose answers are taken for it, and scores then say how far an answer agrees with that model's.

Filing again adds what came since. A run that is killed files it again: what is filed already is the same.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections import Counter
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from rsd_bench.config import UNSUPPORTED
from rsd_bench.dataset.splits import folded_question
from rsd_bench.folders import write_file
from rsd_bench.serve.journal import FILE, OF_ANSWER, connect, transaction
from rsd_bench.sources.source import Media, Query, Response, Source, SourceInfo
from rsd_bench.sources.store.import_sources import Policy, import_source
from rsd_bench.sources.store.store_media import image_path
from rsd_bench.sources.store.store_tables import is_held, rows_of, source_info
from rsd_bench.types import InputError
from rsd_bench.version import __version__

PREFIX = "served-"  # of the sources that are traffic
_PROMPT = "serve@1"
_DAY_S = 86_400


@dataclass
class _Day:
    """What is filed of a day: queries by id, their images, and outcomes by (query, model)."""

    start: float
    queries: dict[str, tuple[str, list[str]]] = field(default_factory=dict)
    outcomes: dict[tuple[str, str], Response] = field(default_factory=dict)
    read: list[tuple[str, str]] = field(default_factory=list)
    served: dict[str, set[str]] = field(default_factory=dict)

    @property
    def source(self) -> str:
        return f"{PREFIX}{datetime.fromtimestamp(self.start, UTC):%Y-%m-%d}"


def file_served(store: Path, reference: str | None = None) -> Counter[str]:
    """File what the journal of a store has; how many queries and outcomes were added, by source.

    InputError where there is no journal, or `reference` answered nothing of it.
    """
    if not (store / FILE).is_file():
        raise InputError.at(store, f"has no {FILE}", "run `rsd-bench serve --log STORE` first")
    added: Counter[str] = Counter()
    with closing(connect(store)) as journal:
        _require_answers(journal, reference, store)
        for (start,) in journal.execute(_DAYS, (_DAY_S, _DAY_S)).fetchall():
            day = _read(journal, start)
            added[f"{day.source}: queries"] += len(day.queries)
            added[f"{day.source}: outcomes"] += _file(journal, store, day, reference)
            _mark(journal, day)
    return added


_DAYS = "SELECT DISTINCT CAST(at / ? AS INTEGER) * ? FROM served JOIN answers USING (id) WHERE answers.filed = 0"
_ROWS = f"""
SELECT id, question, alone, {", ".join(f"answers.{name}" for name in OF_ANSWER)} FROM served JOIN answers USING (id)
WHERE answers.filed = 0 AND at >= ? AND at < ? ORDER BY at, id, shadow
"""


def _require_answers(journal: sqlite3.Connection, reference: str | None, store: Path) -> None:
    models = [row[0] for row in journal.execute("SELECT DISTINCT model FROM answers ORDER BY model")]
    if reference is not None and reference not in models:
        raise InputError.at(store / FILE, f"has no answer of {reference!r}", f"use {', '.join(models) or 'none yet'}")


def _read(journal: sqlite3.Connection, start: float) -> _Day:
    day = _Day(start)
    for row in journal.execute(_ROWS, (start, start + _DAY_S)):
        record, question, alone = row[:3]
        day.read.append((record, row[3]))
        if not alone or not question.strip():
            continue
        images = [
            one[0] for one in journal.execute("SELECT sha256 FROM shown WHERE id = ? ORDER BY position", (record,))
        ]
        query_id = f"{day.source}/{_digest(question, images)}"
        day.queries.setdefault(query_id, (question, images))
        answer = dict(zip(OF_ANSWER, row[3:], strict=True))
        outcome = _response(query_id, answer)
        held = day.outcomes.get((query_id, outcome.model))
        if held is None or (held.status == "error" and outcome.status != "error"):
            day.outcomes[query_id, outcome.model] = outcome
            day.served.setdefault(outcome.model, set()).update(filter(None, [answer["served_model"]]))
    return day


def _digest(question: str, images: list[str]) -> str:
    return hashlib.sha256(json.dumps([folded_question(question), images]).encode()).hexdigest()[:24]


def _response(query_id: str, answer: Mapping[str, Any]) -> Response:
    status = answer["status"]
    return Response(
        where=f"answer of {answer['model']} to {query_id}",
        query_id=query_id,
        model=answer["model"],
        status="unscored" if status == "ok" else status,
        response=answer["text"],
        input_tokens=answer["input_tokens"],
        output_tokens=answer["output_tokens"],
        latency_s=None if status in ("error", UNSUPPORTED) else answer["latency_s"],
        latency_basis="measured",
        first_token_s=answer["first_token_s"],
        cost_usd=answer["cost_usd"],
        detail=answer["detail"],
    )


def _file(journal: sqlite3.Connection, store: Path, day: _Day, reference: str | None) -> int:
    """Import a day into its source; how many outcomes were new."""
    name = day.source
    if not day.queries:
        return 0
    filed, queries, before = set[tuple[str, str]](), dict[str, dict[str, Any]](), dict[str, Any]()
    if is_held(store, name):
        filed = {(row["query_id"], row["model"]) for row in rows_of(store, name, "responses", ["query_id", "model"])}
        columns = ["query_id", "question", "reference_answer"]
        queries = {row["query_id"]: row for row in rows_of(store, name, "queries", columns)}
        before = source_info(store, name).get("live", {})
    new = [outcome for key, outcome in day.outcomes.items() if key not in filed]
    asked = [_query(journal, store, day, query_id, queries.get(query_id), reference) for query_id in day.queries]
    about = SourceInfo(
        source=name,
        name=f"traffic of {name[-10:]}",
        license="unknown",
        redistributable=False,
        notes="asked by users",
        latency_basis="measured",
    )
    info = import_source(Source(about, iter(asked), iter(new)), store, {}, [], Policy(skip_bad=True))
    live = before | {model: _live(before.get(model), served) for model, served in day.served.items()}
    path = store / "sources" / name / "source.json"
    write_file(path, (json.dumps(info | {"live": live}, indent=1, ensure_ascii=False) + "\n").encode())
    return len(new)


def _query(
    journal: sqlite3.Connection,
    store: Path,
    day: _Day,
    query_id: str,
    held: Mapping[str, Any] | None,
    reference: str | None,
) -> Query:
    """A query in the words that the store has for it, if it has any."""
    question, images = day.queries[query_id]
    answer = day.outcomes.get((query_id, reference)) if reference else None
    stands = (held or {}).get("reference_answer")
    return Query(
        where=f"{FILE}: {query_id}",
        query_id=query_id,
        domain="served",
        group=query_id,
        question=held["question"] if held else question,
        reference_answer=stands if stands is not None else answer.response if answer else None,
        media=tuple(Media("image", partial(_bytes_of, journal, store, sha256)) for sha256 in images),
    )


def _bytes_of(journal: sqlite3.Connection, store: Path, sha256: str) -> bytes:
    """An image: of the journal, or of an earlier filing."""
    row = journal.execute("SELECT bytes FROM media WHERE sha256 = ?", (sha256,)).fetchone()
    return bytes(row[0]) if row else image_path(store, sha256).read_bytes()


def _live(before: Mapping[str, Any] | None, served: set[str]) -> dict[str, Any]:
    """The entry of a model in `live` of source.json. Parameters were the clients' own."""
    names = sorted(served | set((before or {}).get("served_models", ())))
    fixed = {"endpoint": "", "hardware": "", "parameters": {}, "prompt": _PROMPT, "system": ""}
    return {**fixed, "served_models": names, "rsd_bench": __version__}


def _mark(journal: sqlite3.Connection, day: _Day) -> None:
    """What is in the store is not filed again, and its images make room."""
    with transaction(journal):
        journal.executemany("UPDATE answers SET filed = 1 WHERE id = ? AND model = ?", day.read)
        journal.execute(_CLEAR)


_CLEAR = """
DELETE FROM media WHERE sha256 NOT IN (SELECT sha256 FROM shown JOIN answers USING (id) WHERE answers.filed = 0)
"""
