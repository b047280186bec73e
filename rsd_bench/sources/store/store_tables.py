"""The tables of a store: their columns, how an outcome becomes a row, and reading them a batch at a time.

STORE/sources/<source>/source.json       provenance, counts, notes
STORE/sources/<source>/queries.parquet   one row a query; its media by content
STORE/sources/<source>/responses.parquet one row a query and model
STORE/sources/<source>/judgments.parquet one row a judge call
STORE/sources/<source>/variants.parquet  scores on the variants of a question, where the source has such
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import pyarrow as pa
import pyarrow.parquet as pq

from rsd_bench.dataset.query_statistics import IMAGE_NUMBERS, TEXT_NUMBERS
from rsd_bench.folders import settle_all
from rsd_bench.sources.source import Response
from rsd_bench.sources.store.damage import reading
from rsd_bench.types import InputError

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
        "modality": pa.string(),
        "media": pa.list_(pa.struct({"kind": pa.string(), "sha256": pa.string(), "bytes": pa.int64()})),
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
        "first_token_s": pa.float64(),
        "cost_usd": pa.float64(),
        "detail": pa.string(),
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
VARIANTS = pa.schema({"group": pa.string(), "model": pa.string(), "scores": pa.list_(pa.float64())})
JUDGE_PREFIX = "rsd-bench:"  # of the `judge` of every score that this package gave
BATCH = 2_000  # rows in memory
SCHEMAS = {"queries": QUERIES, "responses": RESPONSES, "judgments": JUDGMENTS, "variants": VARIANTS}


def sources_in(store: Path) -> list[str]:
    """Names of the sources of a store, sorted. InputError where `store` is none."""
    settle_all(store / "sources")
    names = sorted(p.parent.name for p in store.glob("sources/*/source.json") if not p.parent.name.startswith("."))
    if not names:
        raise InputError.at(store, "is not a store with sources", "run `rsd-bench data import ... --out STORE` first")
    return names


def is_held(store: Path, source: str) -> bool:
    """Whether a store has a source."""
    return (store / "sources" / source / "source.json").is_file()


def source_info(store: Path, source: str) -> dict[str, Any]:
    """Provenance and counts of an imported source."""
    path = store / "sources" / source / "source.json"
    with reading(path):
        loaded = json.loads(path.read_text("utf-8"))
        if not (isinstance(loaded, dict) and loaded.get("source") == source and isinstance(loaded.get("models"), dict)):
            raise ValueError("it is not what an import wrote")
    return loaded


def batches_of(store: Path, source: str, table: str, size: int, columns: list[str] | None) -> Iterator[pa.RecordBatch]:
    """Rows of a table of a source, `size` in memory at a time, in the columns of `SCHEMAS` or those that are named.

    A column that an older release did not write is null; there, a query is about its one image.
    """
    with reading(path := store / "sources" / source / f"{table}.parquet"), pq.ParquetFile(path) as file:
        held = set(file.schema_arrow.names)
        wanted = [SCHEMAS[table].field(name) for name in columns or SCHEMAS[table].names]
        for batch in file.iter_batches(size, columns=[field.name for field in wanted if field.name in held]):
            arrays = [
                batch.column(field.name) if field.name in held else _not_written(field, batch.num_rows)
                for field in wanted
            ]
            yield pa.RecordBatch.from_arrays(arrays, schema=pa.schema(wanted))


def rows_of(store: Path, source: str, table: str, columns: list[str] | None = None) -> Iterator[dict[str, Any]]:
    """Rows of a table of a source, a batch in memory at a time."""
    for batch in batches_of(store, source, table, BATCH, columns):
        yield from batch.to_pylist()


class TableWriter:
    """Writes a table of a store, a batch of rows in memory at a time; use as a context manager."""

    def __init__(self, path: Path, table: str) -> None:
        self._schema = SCHEMAS[table]
        self._writer = pq.ParquetWriter(path, self._schema, compression="zstd")
        self._batch: list[Mapping[str, Any]] = []

    def write(self, row: Mapping[str, Any]) -> None:
        self._batch.append(row)
        if len(self._batch) >= BATCH:
            self._flush()

    def _flush(self) -> None:
        self._writer.write_table(pa.Table.from_pylist(self._batch, self._schema))
        self._batch.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        if raised[0] is None:
            self._flush()
        self._writer.close()


def _not_written(field: pa.Field, rows: int) -> pa.Array:
    return pa.array(["image"] * rows) if field.name == "modality" else pa.nulls(rows, field.type)


def scored_by_us(row: Mapping[str, Any]) -> bool:
    """Whether a judge of this package gave the score of an outcome or of a judge call; others are published."""
    return row["score"] is not None and (row["judge"] or "").startswith(JUDGE_PREFIX)


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
        "first_token_s": response.first_token_s,
        "cost_usd": response.cost_usd,
        "detail": response.detail,
    }


def spread(given: Sequence[float]) -> dict[str, Any]:
    """Number and sample standard deviation of the judge calls of an outcome."""
    mean = sum(given) / len(given) if given else 0.0
    std = (sum((g - mean) ** 2 for g in given) / (len(given) - 1)) ** 0.5 if len(given) > 1 else None
    return {"n_judgments": len(given), "score_std": std}
