"""The store: imported sources in one uniform layout, from which datasets are built.

    STORE/images/<ab>/<sha256>             original bytes, each image once
    STORE/images/<ab>/<sha256>.json        its statistics
    STORE/sources/<source>/source.json     provenance, counts, notes
    STORE/sources/<source>/{queries,responses,judgments}.parquet

A source appears whole or not at all; importing it again replaces it. Rows stay in the order of the source.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from tqdm import tqdm

from rsd_bench.config import canonical_model
from rsd_bench.dataset.image_file import PIXELS_VERSION
from rsd_bench.dataset.query_statistics import (
    IMAGE_NUMBERS,
    STATISTICS_VERSION,
    TEXT_NUMBERS,
    image_statistics,
    text_statistics,
)
from rsd_bench.folders import clear_unfinished, new_folder, settle_all, write_file
from rsd_bench.sources.damage import reading
from rsd_bench.sources.source import Query, Response, Source
from rsd_bench.sources.store_images import image_path
from rsd_bench.types import InputError, Problem, Report

STATISTICS = pa.struct(
    [
        *((name, pa.float64()) for name in TEXT_NUMBERS),
        ("question_type", pa.string()),
        ("multiple_choice", pa.bool_()),
        *((name, pa.float64()) for name in IMAGE_NUMBERS),
    ]
)
QUERIES = pa.schema(
    {
        "query_id": pa.string(),
        "domain": pa.string(),
        "group": pa.string(),
        "question": pa.string(),
        "reference_answer": pa.string(),
        "image_sha256": pa.string(),
        "image_bytes": pa.int64(),
        "statistics": STATISTICS,
    }
)
RESPONSES = pa.schema(
    {
        "query_id": pa.string(),
        "model": pa.string(),
        "status": pa.string(),
        "response": pa.string(),
        "score": pa.float64(),
        "judge": pa.string(),
        "n_judgments": pa.int32(),
        "score_std": pa.float64(),
        "latency_s": pa.float64(),
        "latency_basis": pa.string(),
        "input_tokens": pa.int64(),
        "output_tokens": pa.int64(),
        "energy_j": pa.float64(),
        "energy_basis": pa.string(),
    }
)
JUDGMENTS = pa.schema(
    {
        "query_id": pa.string(),
        "model": pa.string(),
        "judge": pa.string(),
        "repeat": pa.string(),
        "score": pa.float64(),
        "verdict": pa.string(),
    }
)
_FIGURES_VERSION = [STATISTICS_VERSION, PIXELS_VERSION]  # of the figures beside an image
_BATCH = 2_000
_THREADS = os.cpu_count() or 1


def sources_in(store: Path) -> list[str]:
    """Names of the sources of a store, sorted. InputError where `store` is none."""
    settle_all(store / "sources")
    names = sorted(p.parent.name for p in store.glob("sources/*/source.json") if not p.parent.name.startswith("."))
    if not names:
        raise InputError.at(store, "is not a store with sources", "run `rsd-bench data import ... --out STORE` first")
    return names


def source_info(store: Path, source: str) -> dict[str, Any]:
    """Provenance and counts of an imported source."""
    path = store / "sources" / source / "source.json"
    with reading(path):
        loaded = json.loads(path.read_text("utf-8"))
        if not isinstance(loaded, dict):
            raise ValueError("it holds no JSON object")
    return loaded


def batches_of(store: Path, source: str, table: str, size: int, columns: list[str] | None) -> Iterator[pa.RecordBatch]:
    """The queries, responses or judgments of a source, `size` rows in memory at a time."""
    with reading(path := store / "sources" / source / f"{table}.parquet"), pq.ParquetFile(path) as file:
        yield from file.iter_batches(size, columns=columns)


def import_source(source: Source, store: Path, aliases: Mapping[str, str], problems: list[Problem]) -> dict[str, Any]:
    """Store a source whole and return its provenance with counts; raise InputError when `problems` is not empty then.

    problems: the list that the source's importer reports into. Queries and responses are streamed.
    """
    name = source.info.source

    def ours(folder: Path) -> bool:
        return (folder / "source.json").is_file()

    _require_own_folder(store, name)
    for images in store.glob("images/*"):
        clear_unfinished(images)
    with new_folder(store / "sources" / name, may_replace=ours) as folder:
        ids, judged = _write_queries(source.queries, store, folder, name, problems.append), Counter[str]()
        rows = _checked(source.responses, ids, aliases, name, problems.append, judged)
        _write_responses(rows, folder, source.info.latency_basis, name)
        if problems:
            raise InputError(problems)
        info = asdict(source.info) | {"queries": len(ids), "models": dict(sorted(judged.items()))}
        write_file(folder / "source.json", (json.dumps(info, indent=1, ensure_ascii=False) + "\n").encode())
    return info


def _require_own_folder(store: Path, name: str) -> None:
    """InputError where the store has a source that this file system does not tell from `name`: "Chart" and "chart"."""
    folder = store / "sources" / name
    if folder.is_dir() and name not in (held := [path.name for path in folder.parent.iterdir()]):
        twin = next((other for other in held if other.casefold() == name.casefold()), name)
        raise InputError.at(folder, f"is the folder of source {twin!r} here", "give one of them another id")


def _write_queries(queries: Iterable[Query], store: Path, folder: Path, name: str, report: Report) -> set[str]:
    """Write queries.parquet and their images; return the ids of all queries, faulty images included."""
    seen: dict[str, str] = {}

    def unique() -> Iterator[Query]:
        for query in queries:
            if first := seen.get(query.query_id):
                report(Problem(query.where, f"query_id {query.query_id!r} stands at {first} too", "make ids unique"))
                continue
            seen[query.query_id] = query.where
            yield query

    def row(query: Query, stored: tuple[str, int, dict[str, float]]) -> dict[str, Any]:
        sha256, size, pixels = stored
        return {
            "query_id": query.query_id,
            "domain": query.domain,
            "group": query.group,
            "question": query.question,
            "reference_answer": query.reference_answer,
            "image_sha256": sha256,
            "image_bytes": size,
            "statistics": text_statistics(query.question) | pixels,
        }

    batch: list[dict[str, Any]] = []
    with pq.ParquetWriter(folder / "queries.parquet", QUERIES, compression="zstd") as writer:
        for query, future in tqdm(_ahead(unique(), store), desc=f"{name}: queries", unit="query", disable=None):
            try:
                batch.append(row(query, future.result()))
            except (OSError, ValueError) as error:
                what = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
                if isinstance(error, ValueError) and query.media[0].name:
                    what = f"image {query.media[0].name!r} {what}"
                report(Problem(query.where, f"query {query.query_id!r}: {what}", "fix or leave out the query"))
            if len(batch) >= _BATCH:
                writer.write_table(pa.Table.from_pylist(batch, QUERIES))
                batch = []
        writer.write_table(pa.Table.from_pylist(batch, QUERIES))
    return set(seen)


def _ahead(queries: Iterator[Query], store: Path) -> Iterator[tuple[Query, Future[tuple[str, int, dict[str, float]]]]]:
    """Queries in order with their image work under way on all cores, a bounded number ahead."""
    with ThreadPoolExecutor(_THREADS) as pool:

        def start(query: Query) -> tuple[Query, Future[tuple[str, int, dict[str, float]]]]:
            return query, pool.submit(store_image, store, query.media[0].read)

        waiting = [start(query) for query in islice(queries, 4 * _THREADS)]
        while waiting:
            yield waiting.pop(0)
            waiting.extend(start(query) for query in islice(queries, 1))


def store_image(store: Path, read: Any) -> tuple[str, int, dict[str, float]]:
    """Put an image and its statistics into the store, once; return sha256, size in bytes, statistics.

    Raises OSError where it cannot be read and ValueError where it does not decode.
    """
    data = read()
    sha256 = hashlib.sha256(data).hexdigest()
    path = image_path(store, sha256)
    sidecar = path.with_suffix(".json")
    try:
        known = json.loads(sidecar.read_bytes())
        if known.pop("version") == _FIGURES_VERSION and path.read_bytes() == data:
            return sha256, len(data), known
    except (OSError, ValueError, KeyError, AttributeError):
        pass  # not stored yet, or a torn or older sidecar: computed below
    statistics = image_statistics(data)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_file(path, data)
    write_file(sidecar, json.dumps({"version": _FIGURES_VERSION, **statistics}).encode())
    return sha256, len(data), statistics


def _checked(
    responses: Iterable[Response],
    queries: set[str],
    aliases: Mapping[str, str],
    source: str,
    report: Report,
    judged: Counter[str],
) -> Iterator[tuple[Response, str]]:
    """Responses with their canonical model, scored ones counted; unknown queries and repeats are reported."""
    seen: dict[tuple[str, str], str] = {}
    for response in responses:
        model = canonical_model(aliases, source, response.model)
        key = response.query_id, model
        if response.query_id not in queries:
            report(Problem(response.where, f"query_id {response.query_id!r} is no query of {source}", "fix the id"))
        elif first := seen.get(key):
            alias = "" if model == response.model else f" (alias {response.model!r})"
            what = f"outcome of {model!r}{alias} on {response.query_id!r} stands at {first} too"
            report(Problem(response.where, what, "one outcome a query and model"))
        else:
            seen[key] = response.where
            judged[model] += response.score is not None
            yield response, model


def _write_responses(rows: Iterable[tuple[Response, str]], folder: Path, latency_basis: str, name: str) -> None:
    outcomes: list[dict[str, Any]] = []
    judgments: list[dict[str, Any]] = []
    with (
        pq.ParquetWriter(folder / "responses.parquet", RESPONSES, compression="zstd") as response_writer,
        pq.ParquetWriter(folder / "judgments.parquet", JUDGMENTS, compression="zstd") as judgment_writer,
    ):

        def flush() -> None:
            response_writer.write_table(pa.Table.from_pylist(outcomes, RESPONSES))
            judgment_writer.write_table(pa.Table.from_pylist(judgments, JUDGMENTS))
            outcomes.clear()
            judgments.clear()

        for response, model in tqdm(rows, desc=f"{name}: responses", unit="response", disable=None):
            outcomes.append(outcome_row(response, model, latency_basis))
            key = {"query_id": response.query_id, "model": model, "judge": response.judge}
            judgments.extend(key | asdict(judgment) for judgment in response.judgments)
            if len(outcomes) >= _BATCH:
                flush()
        flush()


def outcome_row(response: Response, model: str, latency_basis: str) -> dict[str, Any]:
    """A row of responses.parquet."""
    return {
        "query_id": response.query_id,
        "model": model,
        "status": response.status,
        "response": response.response,
        "score": response.score,
        "judge": response.judge,
        **spread([judgment.score for judgment in response.judgments]),
        "latency_s": response.latency_s,
        "latency_basis": (response.latency_basis or latency_basis) if response.latency_s is not None else None,
        "input_tokens": response.input_tokens,
        "output_tokens": response.output_tokens,
        "energy_j": response.energy_j,
        "energy_basis": response.energy_basis if response.energy_j is not None else None,
    }


def spread(given: Sequence[float]) -> dict[str, Any]:
    """Number and sample standard deviation of the judge calls of an outcome."""
    mean = sum(given) / len(given) if given else 0.0
    std = (sum((g - mean) ** 2 for g in given) / (len(given) - 1)) ** 0.5 if len(given) > 1 else None
    return {"n_judgments": len(given), "score_std": std}
