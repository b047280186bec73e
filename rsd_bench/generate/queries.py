"""Where queries come from: a store, a records folder, or a dataset (folder or Hub id). All end up in a store.

A source that the store holds already must be the same, query by query and medium by medium: answers of one question
are never filed under another.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from rsd_bench.dataset.layout import MANIFEST
from rsd_bench.dataset.manifest import SourceEntry, read_manifest, require_content
from rsd_bench.dataset.open import dataset_folder
from rsd_bench.sources.records_folder import open_records
from rsd_bench.sources.source import MEDIA_KINDS, Media, Query, Source, SourceInfo
from rsd_bench.sources.store.import_sources import import_source
from rsd_bench.sources.store.store_media import media_of, read_media
from rsd_bench.sources.store.store_tables import is_held, rows_of, source_info, sources_in
from rsd_bench.types import InputError, Problem

_INFO = {field.name for field in fields(SourceInfo)}
_OF_PAIRS = ("query_id", "group_id", "source", "source_domain", "question", "reference_answer", "image")
_NOT_IN_EVERY_DATASET = ("modality", "images", "audio", "video")
_ROWS = 10  # of a dataset in memory, media and all


@dataclass(frozen=True)
class _Opened:
    """A source's provenance and a way to read its queries, again and again."""

    info: SourceInfo
    queries: Callable[[], Iterator[Query]]


def bring_queries(queries: str, store: Path) -> list[str]:
    """Make sure that `store` holds the queries of `queries`; return the names of their sources.

    Raises InputError where `queries` is nothing of the kind, has no images, or differs from what the store holds.
    """
    place = Path(queries).expanduser()
    if (place / "sources").is_dir() and place.resolve() == store.resolve():
        return sources_in(store)
    problems: list[Problem] = []
    opened = _open(queries, place, problems)
    for source in opened:
        name = source.info.source
        if is_held(store, name):
            _require_same(source, store)
        else:
            found: list[Problem] = []
            import_source(Source(source.info, source.queries(), iter(())), store, {}, found)
    if problems:
        raise InputError(problems)
    return [source.info.source for source in opened]


def _open(queries: str, place: Path, problems: list[Problem]) -> list[_Opened]:
    if (place / "sources").is_dir():
        return [_from_store(place, name) for name in sources_in(place)]
    if (place / "queries.jsonl").is_file():
        return [_from_records(place, problems)]
    if place.is_dir() and not (place / MANIFEST).is_file():
        what = "is neither a store nor a records folder nor a dataset"
        raise InputError.at(queries, what, "import it: rsd-bench data import ... --out STORE")
    folder = dataset_folder(queries)
    manifest = read_manifest(folder)
    if manifest.lite:
        raise InputError.at(queries, "the lite edition has no images or questions", "name a full edition")
    require_content(queries, manifest)
    return [_from_dataset(folder, manifest.sources[name], name) for name in manifest.sources]


def _from_records(folder: Path, problems: list[Problem]) -> _Opened:
    info = open_records(folder, problems.append).info
    if problems:
        raise InputError(problems)

    def read() -> Iterator[Query]:
        faults: list[Problem] = []
        yield from open_records(folder, faults.append).queries
        if faults:
            raise InputError(faults)

    return _Opened(info, read)


def _from_store(store: Path, name: str) -> _Opened:
    info = SourceInfo(**{key: value for key, value in source_info(store, name).items() if key in _INFO})

    def read() -> Iterator[Query]:
        for row in rows_of(store, name, "queries"):
            yield Query(
                where=f"{store}: {row['query_id']}",
                query_id=row["query_id"],
                domain=row["domain"],
                group=row["group"],
                question=row["question"],
                reference_answer=row["reference_answer"],
                media=tuple(
                    Media(item["kind"], partial(read_media, store, item["kind"], item["sha256"]))
                    for item in media_of(row)
                ),
                modality=row["modality"],
            )

    return _Opened(info, read)


def _from_dataset(folder: Path, source: SourceEntry, name: str) -> _Opened:
    info = {key: value for key, value in source.to_dict().items() if key in _INFO}

    def read() -> Iterator[Query]:
        for shard in sorted((folder / "pairs").glob("*.parquet")):
            with pq.ParquetFile(shard) as file:
                columns = [*_OF_PAIRS, *(name for name in _NOT_IN_EVERY_DATASET if name in file.schema_arrow.names)]
                for batch in file.iter_batches(_ROWS, columns=columns):
                    for row in batch.to_pylist():
                        if row["source"] == name:
                            yield _query(row, str(shard))

    return _Opened(SourceInfo(**{"source": name, **info}), read)


def _query(row: dict[str, Any], where: str) -> Query:
    images = row.get("images") or ([row["image"]] if row["image"] else [])
    held = {"image": images, "audio": row.get("audio") or [], "video": row.get("video") or []}
    media = tuple(Media(kind, partial(_bytes_of, item)) for kind in MEDIA_KINDS for item in held[kind])
    return Query(
        where=f"{where}: {row['query_id']}",
        query_id=row["query_id"],
        domain=row["source_domain"],
        group=row["group_id"],
        question=row["question"],
        reference_answer=row["reference_answer"],
        media=media,
        modality=row.get("modality") or "",
    )


def _bytes_of(item: dict[str, Any]) -> bytes:
    if item["bytes"] is None:
        raise OSError(0, "a medium of it has no bytes")
    return bytes(item["bytes"])


def _require_same(source: _Opened, store: Path) -> None:
    """InputError naming each query that the store holds differently."""
    name = source.info.source
    held = {row["query_id"]: _digest_row(row) for row in rows_of(store, name, "queries")}
    problems: list[Problem] = []
    fix = "name a new STORE, or import the source again"
    for query in source.queries():
        try:
            same = held.pop(query.query_id, None) == _digest_query(query)
        except OSError as error:
            problems.append(Problem(query.where, f"query {query.query_id!r}: {error.strerror or error}", "fix it"))
            continue
        if not same:
            problems.append(Problem(query.where, f"query {query.query_id!r} differs from that in {store}", fix))
    problems += [Problem(str(store), f"query {i!r} of source {name!r} is not in QUERIES", fix) for i in held]
    if problems:
        raise InputError(problems)


def _digest_row(row: dict[str, Any]) -> bytes:
    contents = [(item["kind"], item["sha256"]) for item in media_of(row)]
    return _digest(contents, row["modality"], row["domain"], row["question"], row["reference_answer"])


def _digest_query(query: Query) -> bytes:
    contents = [(item.kind, hashlib.sha256(item.read()).hexdigest()) for item in query.media]
    return _digest(contents, query.modality, query.domain, query.question, query.reference_answer)


def _digest(contents: list[tuple[str, str]], *parts: str | None) -> bytes:
    """contents: kind and sha256 of the media, kind by kind: a dataset keeps the order within a kind alone."""
    by_kind = sorted(contents, key=lambda content: MEDIA_KINDS.index(content[0]))
    return hashlib.sha256(repr((by_kind, parts)).encode()).digest()
