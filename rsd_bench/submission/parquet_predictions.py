"""Read predictions from Parquet: bounded by its pages before it is unpacked, and again while it is."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from rsd_bench.submission.parquet_pages import Pages, read_pages
from rsd_bench.submission.predictions import (
    FIX_COLUMNS,
    Bounds,
    Numbers,
    Predictions,
    chunked,
    column_faults,
    joined,
    need_few_rows,
    need_short_texts,
    too_many_rows,
)
from rsd_bench.submission.submission import P_EDGE, TEXT_COLUMNS
from rsd_bench.types import InputError, Problem

_BATCH_ROWS = 1 << 19
_TEXTS = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view)
_NUMBERS = (pa.types.is_floating, pa.types.is_integer)
_OPTIONAL = (*_NUMBERS, pa.types.is_null)  # of a column in which nothing need stand


def read_parquet(path: Path, bounds: Bounds) -> Predictions:
    with pq.ParquetFile(path) as file:
        names = file.schema_arrow.names
        lacking, besides = column_faults(path, names, bounds)
        lacking += type_faults(path, file.schema_arrow, bounds.numbers, needed=bounds.tiers == 2)
        if file.metadata.num_rows > bounds.rows:
            lacking.append(too_many_rows(path, file.metadata.num_rows, bounds))
        if lacking or file.metadata.num_columns > len(names):  # a nested column is more than one, and none of ours
            raise InputError([*lacking, *besides])
        empty = file.metadata.num_rows == 0  # such a file may have no page, and none of it is read
    pages = Pages(0, frozenset()) if empty else _bounded_pages(path, bounds)
    coded = [name for at, name in enumerate(names) if at in pages.coded and name in TEXT_COLUMNS]
    wanted = [name for name in (*TEXT_COLUMNS, *bounds.numbers) if name in names]
    chunks: dict[str, list[pa.Array]] = {name: [] for name in wanted}
    rows = 0
    with pq.ParquetFile(path, read_dictionary=coded) as file:
        for batch in file.iter_batches(_BATCH_ROWS, columns=wanted):
            rows += len(batch)  # counted again: the footer may tell of fewer
            need_few_rows(path, rows, bounds)
            for name in TEXT_COLUMNS:
                texts = batch.column(name)
                # a dictionary is looked at while it is one: a long text of it may stand behind every row
                is_coded = pa.types.is_dictionary(texts.type)
                need_short_texts(path, texts.dictionary if is_coded else texts, bounds)
                _need_text(path, name, texts)
                if name == "query_id":
                    chunks[name].append(texts.cast(pa.string()))
                else:
                    chunks[name].append(texts if is_coded else texts.dictionary_encode())
            for name in wanted[len(TEXT_COLUMNS) :]:
                chunks[name].append(batch.column(name).cast(pa.float64(), safe=False))
    text = {name: chunked(chunks[name]) for name in TEXT_COLUMNS}
    numbers = {name: Numbers(joined(chunks[name])) for name in wanted[len(TEXT_COLUMNS) :]}
    return Predictions(path, text, numbers, first_line=1, faults=tuple(besides))


def type_faults(path: Path, schema: pa.Schema, numbers: Sequence[str], *, needed: bool) -> list[Problem]:
    """The columns that are there, once each, hold text, and `numbers` numbers; a problem for each that does not.

    needed: whether every row has a p_edge; any other column of numbers may be null throughout.
    """
    faults = []
    for name in (name for name in (*TEXT_COLUMNS, *numbers) if schema.names.count(name) == 1):
        kind = schema.field(name).type
        inner = kind.value_type if pa.types.is_dictionary(kind) and name in TEXT_COLUMNS else kind
        of_numbers = _NUMBERS if needed and name == P_EDGE else _OPTIONAL
        tests, wanted = (_TEXTS, "text") if name in TEXT_COLUMNS else (of_numbers, "numbers")
        if not any(test(inner) for test in tests):
            faults.append(Problem(str(path), f"column {name!r} holds {str(kind)[:80]}, not {wanted}", FIX_COLUMNS))
    return faults


def _bounded_pages(path: Path, bounds: Bounds) -> Pages:
    """The pages of a file; InputError where they unpack to more than a valid one, or do not say to how much."""
    try:
        pages = read_pages(path)
    except ValueError as error:
        raise InputError.at(path, f"cannot be read: {error}", FIX_COLUMNS) from None
    if pages.unpacked_bytes > bounds.file_bytes:
        raise InputError.at(path, f"unpacks to {pages.unpacked_bytes} bytes, more than a valid file can need")
    return pages


def _need_text(path: Path, name: str, values: pa.Array) -> None:
    """A column that says it is text may hold other bytes, which arrow reads and only Python stumbles over."""
    try:
        values.validate(full=True)
    except pa.ArrowInvalid:
        what = f"column {name!r} holds text that is not UTF-8"
        raise InputError.at(path, what, "write it as UTF-8") from None
