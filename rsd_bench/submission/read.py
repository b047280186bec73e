"""Read the two files of a submission, strictly and with a bound on size before anything is parsed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from rsd_bench.records.jsonl import describe, parse_json, read_rows
from rsd_bench.schemas import validator
from rsd_bench.submission.model import COLUMNS, PREDICTION_FILES, SUBMISSION
from rsd_bench.types import InputError, Problem

_META_BYTES = 1 << 20
_ROW_BYTES = 2048  # more than any honest row needs, in any format
_TEXT = COLUMNS[:3]
_MEND_COLUMNS = f"columns: {', '.join(COLUMNS)}"


def read_meta(folder: Path, problems: list[Problem]) -> dict[str, Any] | None:
    """submission.json as a dict, or None with its problems reported."""
    path = folder / SUBMISSION
    mend = "see `rsd-bench schema submission`"
    if not _plain_file(path, _META_BYTES, problems):
        return None
    try:
        meta = parse_json(path.read_bytes().decode("utf-8-sig"))
    except (OSError, ValueError) as error:
        problems.append(Problem(str(path), str(error), mend))
        return None
    faults = [Problem(str(path), describe(fault), mend) for fault in validator("submission").iter_errors(meta)]
    problems += faults
    return None if faults else dict(meta)


def read_predictions(folder: Path, max_rows: int, problems: list[Problem]) -> tuple[Path, pd.DataFrame] | None:
    """(file, table with the four columns and `line`), or None with the problems reported. `line` is 1-based.

    Columns track, query_id and scenario are strings, p_edge float64 (NaN where it is missing or no number).
    """
    found = [folder / name for name in PREDICTION_FILES if (folder / name).exists() or (folder / name).is_symlink()]
    if len(found) != 1:
        what = "has no predictions file" if not found else f"has {len(found)} predictions files"
        problems.append(Problem(str(folder), what, f"give one of {', '.join(PREDICTION_FILES)}"))
        return None
    path = found[0]
    if not _plain_file(path, _ROW_BYTES * (max_rows + 1), problems):
        return None
    readers = {".parquet": _read_parquet, ".jsonl": _read_jsonl, ".csv": _read_csv}
    try:
        table = readers[path.suffix](path, max_rows, problems)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, pa.ArrowTypeError, OSError, UnicodeDecodeError) as error:
        problems.append(Problem(str(path), f"cannot be read: {str(error).splitlines()[0]}", _MEND_COLUMNS))
        return None
    return None if table is None else (path, table)


def _plain_file(path: Path, max_bytes: int, problems: list[Problem]) -> bool:
    """Whether `path` is a regular file (no link) of at most `max_bytes`."""
    try:
        if path.is_symlink() or not path.is_file():
            what = "is missing" if not path.exists() else "is not a plain file"
            problems.append(Problem(str(path), what, "add the file itself"))
            return False
        size = path.stat().st_size
    except OSError as error:
        problems.append(Problem(str(path), error.strerror or "cannot be read"))
        return False
    if size > max_bytes:
        problems.append(Problem(str(path), f"has {size} bytes, more than the {max_bytes} a valid file can need"))
        return False
    return True


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


def _read_parquet(path: Path, max_rows: int, problems: list[Problem]) -> pd.DataFrame | None:
    with pq.ParquetFile(path) as file:
        schema, meta = file.schema_arrow, file.metadata
        if _wrong_columns(path, schema.names, problems) or _too_many(path, meta.num_rows, max_rows, problems):
            return None
        unpacked = sum(meta.row_group(i).total_byte_size for i in range(meta.num_row_groups))
        if unpacked > _ROW_BYTES * (max_rows + 1):
            problems.append(Problem(str(path), f"unpacks to {unpacked} bytes, more than a valid file can need"))
            return None
        for name in _TEXT:
            kind = schema.field(name).type
            inner = kind.value_type if pa.types.is_dictionary(kind) else kind
            if not (pa.types.is_string(inner) or pa.types.is_large_string(inner)):
                problems.append(Problem(str(path), f"column {name!r} holds {kind}, not text", _MEND_COLUMNS))
                return None
        kind = schema.field("p_edge").type
        if not (pa.types.is_floating(kind) or pa.types.is_integer(kind)):
            problems.append(Problem(str(path), f"column 'p_edge' holds {kind}, not numbers", _MEND_COLUMNS))
            return None
        table: pd.DataFrame = file.read().to_pandas()[list(COLUMNS)]
    table["p_edge"] = table["p_edge"].to_numpy(np.float64, na_value=np.nan)
    table["line"] = np.arange(1, len(table) + 1)
    return table


def _read_csv(path: Path, max_rows: int, problems: list[Problem]) -> pd.DataFrame | None:
    convert = pa_csv.ConvertOptions(column_types={name: pa.string() for name in COLUMNS}, strings_can_be_null=False)
    parse = pa_csv.ParseOptions(newlines_in_values=False)
    table = pa_csv.read_csv(path, parse_options=parse, convert_options=convert)
    if _wrong_columns(path, table.column_names, problems) or _too_many(path, len(table), max_rows, problems):
        return None
    frame: pd.DataFrame = table.select(list(COLUMNS)).to_pandas()
    numbers = frame["p_edge"].str.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
    frame["p_edge"] = pd.to_numeric(frame["p_edge"].where(numbers), errors="coerce").to_numpy(np.float64)
    frame["line"] = np.arange(2, len(frame) + 2)
    return frame


def _read_jsonl(path: Path, max_rows: int, problems: list[Problem]) -> pd.DataFrame | None:
    rows, lines = [], []
    before = len(problems)
    for where, row in read_rows(path, validator("predictions"), problems.append):
        rows.append(row)
        lines.append(int(where.rpartition(":")[2]))
        if len(rows) > max_rows:
            break
    if len(problems) > before or _too_many(path, len(rows), max_rows, problems):
        return None
    return pd.DataFrame(rows, columns=list(COLUMNS)).astype({"p_edge": np.float64}).assign(line=lines)


def read_plain_table(path: Path) -> pd.DataFrame:
    """A CSV, JSONL or Parquet of an author's own making, for `submit new`. InputError where it cannot be read."""
    try:
        if path.suffix == ".parquet":
            return pd.read_parquet(path)
        if path.suffix == ".jsonl":
            return pd.read_json(path, lines=True, dtype=False, convert_dates=False)
        if path.suffix in (".csv", ".tsv"):
            sep = "\t" if path.suffix == ".tsv" else ","
            return pd.read_csv(path, sep=sep, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        what = f"cannot be read: {str(error).splitlines()[0]}"
        raise InputError.at(path, what, "give CSV, JSONL or Parquet") from None
    raise InputError.at(path, f"has the ending {path.suffix!r}", "give .csv, .tsv, .jsonl or .parquet")
