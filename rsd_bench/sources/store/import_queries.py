"""The queries of a source go into its new folder, their media into the store; those that it has already are merged."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from tqdm import tqdm

from rsd_bench.dataset.query_statistics import IMAGE_NUMBERS, text_statistics
from rsd_bench.dataset.splits import folded_question
from rsd_bench.sources.source import Media, Query, Source, SourceProblem
from rsd_bench.sources.store.merge import AS_BEFORE, REPLACE, query_conflict
from rsd_bench.sources.store.store_media import Stored, media_of, store_media
from rsd_bench.sources.store.store_tables import TableWriter, rows_of
from rsd_bench.types import Problem, Report

_THREADS = min(4, os.cpu_count() or 1)  # more would wait for the interpreter, and hold more media in memory
_COMPARED = ["query_id", "domain", "group", "question", "reference_answer", "modality", "media", "image_sha256"]
_OF_MEDIA = ("media", "image_sha256", "image_bytes", "statistics")
_NO_IMAGE: dict[str, float | None] = dict.fromkeys(IMAGE_NUMBERS)

_Row = dict[str, Any]
_Storing = Future[list[Stored]]


@dataclass
class QueryIds:
    """Ids of an import's queries: those that outcomes may be about, and those left out, whose outcomes go with them."""

    kept: set[str] = field(default_factory=set)
    left_out: set[str] = field(default_factory=set)
    groups: set[str] = field(default_factory=set)
    total: int = 0  # queries of the source, those of earlier imports included
    covers: bool = True  # every query that the store had of the source
    adds: bool = False  # a query that the store had not


def import_queries(source: Source, store: Path, folder: Path, merging: bool, report: Report) -> QueryIds:
    """Write folder/queries.parquet: the new queries, then those that the store has where `merging`, completed."""
    name, ids = source.info.source, QueryIds()
    held = {row["query_id"]: row for row in rows_of(store, name, "queries", _COMPARED)} if merging else {}
    completed: dict[str, _Row] = {}
    added: dict[str, tuple[str, ...]] = {}
    queries = tqdm(_ahead(source, store, report), desc=f"{name}: queries", unit="query", disable=None)
    with TableWriter(folder / "queries.parquet", "queries") as table:
        for query, storing in queries:
            row = _row(query, storing, report)
            known = held.get(query.query_id)
            if row is not None and known is not None:
                row = _merged(query, known, row, name, report)
                if row is not None:
                    completed[query.query_id] = row
            elif row is not None:
                table.write(row)
                added[query.query_id] = _shown(row)
            (ids.left_out if row is None else ids.kept).add(query.query_id)
            ids.groups.add(query.group)
        for row in rows_of(store, name, "queries") if merging else ():
            table.write({**row, **completed.get(row["query_id"], {})})
    ids.total = len(held.keys() | ids.kept)
    ids.covers, ids.adds = held.keys() <= ids.kept, bool(ids.kept - held.keys())
    if twins := _twins(held, added):
        old_id, new_id = next(iter(twins.items()))
        what = (
            f"{len(twins):,} of {len(added):,} new queries are in the store under other ids: {new_id!r} is {old_id!r}"
        )
        report(SourceProblem(str(store / "sources" / name), what, "give it a source id of its own, or equal ids"))
    return ids


def _shown(row: _Row) -> tuple[str, ...]:
    """What a query asks about what."""
    return folded_question(row["question"]), *_contents(media_of(row))


def _twins(held: Mapping[str, _Row], added: Mapping[str, tuple[str, ...]]) -> dict[str, str]:
    """Ids of queries in the store, and under which ids an import has them again, where most of what it adds is such."""
    shown_by = Counter(map(_shown, held.values()))  # a prompt that several share tells none of them
    of = {shown: query_id for query_id, row in held.items() if shown_by[shown := _shown(row)] == 1}
    found = {of[shown]: query_id for query_id, shown in added.items() if shown in of}
    return found if 2 * len(found) > len(added) else {}


def _merged(query: Query, held: _Row, row: _Row, source: str, report: Report) -> _Row | None:
    """The columns that complete what the store has of a query; None where the two contradict each other.

    A domain called like the source is what a query has of which nothing is said: it contradicts no other.
    """
    stated = {name for name in (held["domain"], row["domain"]) if name != source} or {source}
    if len(stated) == 1:
        held, row = ({**one, "domain": min(stated)} for one in (held, row))
    differs = query_conflict({**held, "media": _contents(media_of(held))}, {**row, "media": _contents(row["media"])})
    if differs:
        fix = AS_BEFORE if differs.startswith(("its domain", "its group", "its modality")) else REPLACE
        report(SourceProblem(query.where, f"query {query.query_id!r}: {differs}", fix))  # another query under its id
        return None
    completion = {"domain": row["domain"]}
    if held["reference_answer"] is None:
        completion["reference_answer"] = row["reference_answer"]
    return completion if media_of(held) else completion | {name: row[name] for name in _OF_MEDIA}


def _contents(media: Any) -> list[str]:
    return [f"{item['kind']} {item['sha256']}" for item in media]


def _row(query: Query, storing: _Storing, report: Report) -> _Row | None:
    """The row of a query; None, and a Problem, where a medium cannot be stored."""
    try:
        stored = storing.result()
    except (OSError, ValueError) as error:
        what = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        report(Problem(query.where, f"query {query.query_id!r}: {what}", "fix or leave out the query"))
        return None
    image = next((item for item in stored if item.kind == "image"), None)
    return {
        "query_id": query.query_id,
        "domain": query.domain,
        "group": query.group,
        "question": query.question,
        "reference_answer": query.reference_answer,
        "modality": query.modality,
        "media": [{"kind": item.kind, "sha256": item.sha256, "bytes": item.bytes} for item in stored],
        "image_sha256": image.sha256 if image else None,
        "image_bytes": image.bytes if image else None,
        "statistics": text_statistics(query.question) | (dict(image.statistics) if image else _NO_IMAGE),
    }


def _ahead(source: Source, store: Path, report: Report) -> Iterator[tuple[Query, _Storing]]:
    """Queries in order with the work on their media under way on several cores, a bounded number ahead."""
    queries = _unique(source.queries, report)
    with ThreadPoolExecutor(_THREADS) as pool:

        def start(query: Query) -> tuple[Query, _Storing]:
            return query, pool.submit(_store_all, store, query.media)

        waiting = [start(query) for query in islice(queries, 4 * _THREADS)]
        while waiting:
            yield waiting.pop(0)
            waiting.extend(start(query) for query in islice(queries, 1))


def _store_all(store: Path, media: tuple[Media, ...]) -> list[Stored]:
    """Store the media of a query. What is wrong with one names it."""
    stored = []
    for item in media:
        try:
            stored.append(store_media(store, item))
        except ValueError as error:
            raise ValueError(f"{item.kind} {item.name!r} {error}" if item.name else str(error)) from None
    return stored


def _unique(queries: Iterator[Query], report: Report) -> Iterator[Query]:
    """Queries whose id is new. Which of two that share one its outcomes are about, nobody can tell."""
    seen: dict[str, str] = {}
    for query in queries:
        if first := seen.get(query.query_id):
            what = f"query_id {query.query_id!r} stands at {first} too"
            report(SourceProblem(query.where, what, "make ids unique"))
        else:
            seen[query.query_id] = query.where
            yield query
