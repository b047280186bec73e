"""Read the predictions of a submission, strictly and with a bound on size before anything is unpacked."""

from __future__ import annotations

import re
import sys
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from rsd_bench.jsonl import read_rows
from rsd_bench.metrics.arrays import FloatArray
from rsd_bench.schemas import validator
from rsd_bench.submission.metadata import plain_file
from rsd_bench.submission.parquet_pages import Pages, read_pages
from rsd_bench.submission.submission import COLUMNS, PREDICTION_FILES
from rsd_bench.types import Problem

_HEADING_BYTES = 1000  # of a CSV
_ROW_BYTES = 256  # of a row without its texts, in any format
_BYTES_PER_CHARACTER = 12  # JSON may write a character as two \\uXXXX
_BATCH_ROWS = 1 << 19
_BLOCK_BYTES = 16 << 20
_FAULTY_ROWS = 20  # of JSON Lines, which are told one by one
_TEXT = COLUMNS[:3]
_COLUMN_SET = set(COLUMNS)
_MEND_COLUMNS = f"columns: {', '.join(COLUMNS)}"
#: A decimal number as people write it; what float() takes besides (nan, 1_0, other digits) is a mistake in a table.
PLAIN_NUMBER = r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?"


@dataclass(frozen=True)
class Predictions:
    """The rows of a predictions file. Text stays in arrow, which needs a tenth of what Python strings would."""

    path: Path
    track: pa.ChunkedArray
    query_id: pa.ChunkedArray
    scenario: pa.ChunkedArray
    p_edge: FloatArray  # NaN where it is missing or no number
    first_line: int
    lines: Sequence[int] | None = None  # where rows do not follow each other line by line
    p_text: pa.ChunkedArray | None = None  # p_edge as it was written, where that is text

    def __len__(self) -> int:
        return len(self.p_edge)

    def where(self, row: int) -> str:
        return f"{self.path}:{self.lines[row] if self.lines else row + self.first_line}"

    def shown(self, column: str, row: int) -> str:
        """The value of a cell, short enough to print."""
        if column != "p_edge":
            value = getattr(self, column)[row].as_py()
        elif self.p_text is not None and np.isnan(self.p_edge[row]):
            value = self.p_text[row].as_py()
        else:
            value = self.p_edge[row]
        return repr(str(value)[:80])


def read_predictions(folder: Path, max_rows: int, longest: int, problems: list[Problem]) -> Predictions | None:
    """The predictions of a folder, or None with the problems reported.

    max_rows: what a valid file can hold at most; longest: characters of the longest id, track or scenario there is.
    Both bound what is read: a file that is too large, too many rows or a longer text is refused before it is unpacked.
    """
    found = [folder / name for name in PREDICTION_FILES if (folder / name).exists() or (folder / name).is_symlink()]
    if len(found) != 1:
        what = "has no predictions file" if not found else f"has {len(found)} predictions files"
        problems.append(Problem(str(folder), what, f"give one of {', '.join(PREDICTION_FILES)}"))
        return None
    path = found[0]
    row_bytes = _ROW_BYTES + _BYTES_PER_CHARACTER * 3 * longest
    if not plain_file(path, row_bytes * (max_rows + 1), problems):
        return None
    readers = {".parquet": _read_parquet, ".jsonl": _read_jsonl, ".csv": _read_csv}
    try:
        return readers[path.suffix](path, max_rows, longest, problems)
    except (pa.ArrowException, KeyError, OSError, UnicodeError, OverflowError) as error:
        what = (str(error).splitlines() or [type(error).__name__])[0][:200]
        problems.append(Problem(str(path), f"cannot be read: {what}", _MEND_COLUMNS))
        return None


def _predictions(
    path: Path, texts: Iterable[pa.ChunkedArray], p_edge: FloatArray, first_line: int, **known: Any
) -> Predictions:
    track, query_id, scenario = texts
    return Predictions(path, track, query_id, scenario, p_edge, first_line, **known)


def _wrong_columns(path: Path, names: list[str], problems: list[Problem]) -> bool:
    wrong = [f"column {n!r} is missing" for n in COLUMNS if n not in names]
    wrong += [f"column {n!r} is not asked for" for n in dict.fromkeys(names) if n not in COLUMNS]
    wrong += [f"column {n!r} stands twice" for n in COLUMNS if names.count(n) > 1]
    problems += [Problem(str(path), what, _MEND_COLUMNS) for what in wrong]
    return bool(wrong)


def _too_many(path: Path, rows: int, max_rows: int, problems: list[Problem]) -> bool:
    if rows > max_rows:
        problems.append(Problem(str(path), f"has {rows} rows, at most {max_rows} can be valid", "one row a test query"))
    return rows > max_rows


def _too_long(path: Path, values: pa.Array, longest: int, problems: list[Problem]) -> bool:
    """Whether a text is longer than any that can be valid: a bomb, or garbage; it is not printed."""
    found = pc.max(pc.binary_length(values)).as_py() or 0
    bound = _BYTES_PER_CHARACTER * longest
    if found > bound:
        problems.append(Problem(str(path), f"holds a text of {found} bytes, more than the {bound} a valid one needs"))
    return found > bound


def _not_text(path: Path, name: str, values: pa.Array, problems: list[Problem]) -> bool:
    """Whether a column that says it is text holds other bytes, which arrow reads and only Python stumbles over."""
    try:
        values.validate(full=True)
    except pa.ArrowInvalid:
        problems.append(Problem(str(path), f"column {name!r} holds text that is not UTF-8", "write it as UTF-8"))
        return True
    return False


def _bounded_pages(path: Path, most: int, problems: list[Problem]) -> Pages | None:
    """The pages of a file; None where they unpack to more bytes than `most`, or do not say to how many."""
    try:
        pages = read_pages(path)
    except ValueError as error:
        problems.append(Problem(str(path), f"cannot be read: {error}", _MEND_COLUMNS))
        return None
    if pages.unpacked_bytes > most:
        problems.append(Problem(str(path), f"unpacks to {pages.unpacked_bytes} bytes, more than a valid file can need"))
        return None
    return pages


def _read_parquet(path: Path, max_rows: int, longest: int, problems: list[Problem]) -> Predictions | None:
    with pq.ParquetFile(path) as file:
        schema, meta = file.schema_arrow, file.metadata
        if _wrong_columns(path, schema.names, problems) or _too_many(path, meta.num_rows, max_rows, problems):
            return None
        row_bytes = _ROW_BYTES + _BYTES_PER_CHARACTER * 3 * longest
        if not right_types(path, schema, problems):
            return None
        pages = _bounded_pages(path, row_bytes * (max_rows + 1), problems)
        if pages is None:
            return None
    rows, coded = 0, [name for at, name in enumerate(schema.names) if at in pages.coded and name in _TEXT]
    with pq.ParquetFile(path, read_dictionary=coded) as file:
        chunks: dict[str, list[pa.Array]] = {name: [] for name in COLUMNS}
        for batch in file.iter_batches(_BATCH_ROWS, columns=list(COLUMNS)):
            rows += len(batch)  # counted again: the footer may tell of fewer
            if _too_many(path, rows, max_rows, problems):
                return None
            for name in _TEXT:
                texts = batch.column(name)
                # a dictionary is looked at while it is one: a long text of it may stand behind every row
                if _too_long(path, _entries(texts), longest, problems) or _not_text(path, name, texts, problems):
                    return None
                chunks[name].append(texts.cast(pa.string()) if name == "query_id" else _dictionary(texts))
            chunks["p_edge"].append(batch.column("p_edge").cast(pa.float64(), safe=False))
    columns = (pa.chunked_array(chunks[name], None if chunks[name] else pa.string()) for name in _TEXT)
    return _predictions(path, columns, _numbers(chunks["p_edge"]), 1)


def _entries(texts: pa.Array) -> pa.Array:
    return texts.dictionary if pa.types.is_dictionary(texts.type) else texts


def _dictionary(texts: pa.Array) -> pa.DictionaryArray:
    return texts if pa.types.is_dictionary(texts.type) else texts.dictionary_encode()


def right_types(path: Path, schema: pa.Schema, problems: list[Problem]) -> bool:
    """Whether the columns that are there hold text, and p_edge numbers."""
    for name in (name for name in _TEXT if name in schema.names):
        kind = schema.field(name).type
        inner = kind.value_type if pa.types.is_dictionary(kind) else kind
        if not any(test(inner) for test in (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view)):
            problems.append(Problem(str(path), f"column {name!r} holds {_kind(kind)}, not text", _MEND_COLUMNS))
            return False
    kind = schema.field("p_edge").type
    if not (pa.types.is_floating(kind) or pa.types.is_integer(kind)):
        problems.append(Problem(str(path), f"column 'p_edge' holds {_kind(kind)}, not numbers", _MEND_COLUMNS))
        return False
    return True


def _kind(kind: pa.DataType) -> str:
    return str(kind)[:80]


def _numbers(chunks: list[pa.Array]) -> FloatArray:
    out = [np.asarray(chunk.to_numpy(zero_copy_only=False), np.float64) for chunk in chunks]
    return np.concatenate(out) if out else np.empty(0)


def _long_heading(path: Path, problems: list[Problem]) -> bool:
    """Whether a CSV starts with a line that names far more than four columns; arrow needs seconds for 200,000."""
    with path.open("rb") as file:
        start = file.read(_HEADING_BYTES + 1).lstrip(b"\xef\xbb\xbf\r\n")
    if len(re.split(rb"[\r\n]", start, maxsplit=1)[0]) < _HEADING_BYTES:
        return False
    problems.append(Problem(str(path), f"has a heading of {_HEADING_BYTES} bytes or more", _MEND_COLUMNS))
    return True


def _read_csv(path: Path, max_rows: int, longest: int, problems: list[Problem]) -> Predictions | None:
    if _long_heading(path, problems):
        return None
    convert = pa_csv.ConvertOptions(column_types={name: pa.string() for name in COLUMNS}, strings_can_be_null=False)
    parse = pa_csv.ParseOptions(newlines_in_values=False)
    read = pa_csv.ReadOptions(block_size=_BLOCK_BYTES)
    chunks: dict[str, list[pa.Array]] = {name: [] for name in COLUMNS}
    numbers: list[pa.Array] = []
    rows = 0
    with pa_csv.open_csv(path, read_options=read, parse_options=parse, convert_options=convert) as reader:
        if _wrong_columns(path, reader.schema.names, problems):
            return None
        for batch in reader:
            rows += len(batch)
            if rows > max_rows:
                _too_many(path, rows, max_rows, problems)
                return None
            for name in _TEXT:
                column = batch.column(name)
                if _too_long(path, column, longest, problems):
                    return None
                chunks[name].append(column if name == "query_id" else column.dictionary_encode())
            chunks["p_edge"].append(batch.column("p_edge"))
            numbers.append(_parsed(batch.column("p_edge")))
    *texts, p_text = (pa.chunked_array(chunks[name], None if chunks[name] else pa.string()) for name in COLUMNS)
    return _predictions(path, texts, _numbers(numbers), 2, lines=_row_lines(path), p_text=p_text)


def _row_lines(path: Path) -> Sequence[int]:
    """The line of each row of a CSV below its heading. Arrow skips empty lines without a word, so they are found here.

    Latin-1 takes any byte, and text mode ends lines where arrow does: after \\n, \\r and \\r\\n.
    """
    with path.open(encoding="latin-1") as lines:
        return array("q", (number for number, line in enumerate(lines, 1) if line != "\n"))[1:]


def _parsed(column: pa.Array) -> pa.Array:
    """Plain decimal numbers as float64, null where a text is none."""
    try:
        return column.cast(pa.float64())
    except pa.ArrowInvalid:
        plain = pc.match_substring_regex(column, f"^({PLAIN_NUMBER})$")
        return pc.if_else(plain, column, None).cast(pa.float64())


def _read_jsonl(path: Path, max_rows: int, longest: int, problems: list[Problem]) -> Predictions | None:
    before, rules = len(problems), validator("predictions")
    texts: dict[str, list[str]] = {name: [] for name in _TEXT}
    numbers, lines = array("d"), array("q")
    fix = "see `rsd-bench schema predictions`"
    for where, row in read_rows(path, rules, problems.append, _sound_row, fix=fix, most=_FAULTY_ROWS):
        if len(numbers) == max_rows:
            _too_many(path, max_rows + 1, max_rows, problems)
            return None
        for name in _TEXT:
            texts[name].append(sys.intern(row[name]) if name != "query_id" else row[name])
        numbers.append(row["p_edge"])
        lines.append(int(where.rpartition(":")[2]))
    if len(problems) > before:
        return None
    columns = [pa.array(texts[name], pa.string()) for name in _TEXT]
    if any(_too_long(path, column, longest, problems) for column in columns):
        return None
    chunked = (pa.chunked_array([column]) for column in columns)
    return _predictions(path, chunked, np.asarray(numbers, np.float64), 1, lines=lines)


def _sound_row(row: Any) -> bool:
    """Whether a row satisfies the schema at a glance; where not, the schema says why."""
    if type(row) is not dict or row.keys() != _COLUMN_SET:
        return False
    p = row["p_edge"]
    return all(type(row[name]) is str and row[name] for name in _TEXT) and type(p) in (int, float) and 0 <= p <= 1
