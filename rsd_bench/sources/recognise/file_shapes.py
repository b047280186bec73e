"""What a single file is, by its content: which tool wrote it, and what it holds. Nothing is imported, no pickle opened.

A file is read up to `_MOST_ROWS` rows and `_MOST_CHARACTERS` characters; a count that stopped there says so (`more`).
"""

from __future__ import annotations

import io
import json
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from rsd_bench.dataset.image_kinds import IMAGE_FORMATS, image_kind
from rsd_bench.sources.cells import is_empty
from rsd_bench.sources.json_records import top_level
from rsd_bench.sources.spreadsheets import read_table
from rsd_bench.sources.table.table_files import KINDS, is_pickle, table_file
from rsd_bench.types import Problem

_MOST_ROWS = 100_000
_MOST_CHARACTERS = 64_000_000
_MOST_BYTES = 16 << 20  # of a member of a zip file
_VERDICTS = ("hit", "res", "log", "judge", "score")  # columns of a judge file of VLMEvalKit
_SUMMARIES = ("_score", "_acc")  # how VLMEvalKit names tables of whole runs
_MODEL_COLUMNS = ("model", "model_name", "model_id", "llm_selected")
_SCORE_COLUMNS = ("score", "correct", "quality", "is_correct", "performance", "accuracy")
_IMAGE_COLUMNS = ("image", "images", "image_path", "img_path", "input_media")


@dataclass
class FileShape:
    """A file. kind: one of the words that `shape_of` gives; `more`: there are more rows than were counted."""

    path: Path
    kind: str
    rows: int = 0
    more: bool = False
    models: set[str] = field(default_factory=set)
    scored: int = 0
    images: int = 0
    columns: dict[str, None] = field(default_factory=dict)
    note: str = ""


def shape_of(path: Path) -> FileShape:
    """The shape of a file. Its kind is one of

    vlmevalkit-benchmark, vlmevalkit-predictions, vlmevalkit-judge: files of VLMEvalKit; lmms-eval, lm-eval: logs of
    samples; inspect: a log of inspect-ai; records: a file of a records folder; table, workbook: any other table;
    pickle; image; aggregate: figures of a run as a whole; other.
    """
    try:
        if not path.is_file():  # a pipe would be waited for
            leads = path.is_symlink() and not path.exists()
            note = f"is a symbolic link to {path.readlink()}, where nothing is" if leads else "is no plain file"
            return FileShape(path, "other", note=note)
        if is_pickle(path):
            return FileShape(path, "pickle")
        with path.open("rb") as stream:
            start = stream.read(64)
        suffix = Path(path.name.lower().removesuffix(".gz")).suffix
        kind = image_kind(start)
        if kind == "ZIP":
            return _workbook(path) if suffix == ".xlsx" else _archive(path)
        if kind in IMAGE_FORMATS:
            return FileShape(path, "image")
        if suffix not in KINDS or kind:
            return FileShape(path, "other", note=f"is {kind}" if kind else "")
        return _document(path) if suffix == ".json" else _table(path)
    except (OSError, EOFError, ValueError, RuntimeError, pa.ArrowException, zipfile.BadZipFile, zlib.error) as error:
        return FileShape(path, "other", note=" ".join(str(error).split())[:200])


def _table(path: Path) -> FileShape:
    """A table, by its columns."""
    problems: list[Problem] = []
    shape = FileShape(path, "table")
    file = table_file(path)
    if file.kind == "parquet":
        with pq.ParquetFile(path) as opened:
            shape.rows = opened.metadata.num_rows
            shape.columns = dict.fromkeys(opened.schema_arrow.names)
        counted = FileShape(path, "table")
        light = [name for name in shape.columns if name in (*_MODEL_COLUMNS, *_SCORE_COLUMNS)]
        _count(counted, (row.cells for row in file.rows(problems.append, light.__contains__)))
        shape.models, shape.scored, shape.more = counted.models, counted.scored, counted.more
    else:
        _count(shape, (row.cells for row in file.rows(problems.append)))
        shape.columns |= file.columns
    return _told(shape, problems, _kind_of_columns(path, shape.columns))


def _told(shape: FileShape, problems: list[Problem], kind: str) -> FileShape:
    """The shape with its kind and what is wrong with it; what has no columns is no table."""
    shape.kind = kind if any(shape.columns) or not problems else "other"
    if problems:
        shape.note = problems[0].what if shape.kind == "other" else f"{problems[0].where}: {problems[0].what}"
    return shape


def _workbook(path: Path) -> FileShape:
    problems: list[Problem] = []
    shape = FileShape(path, "workbook")
    _count(shape, (row.cells for row in read_table(path, (), problems.append)))
    kind = _kind_of_columns(path, shape.columns)
    return _told(shape, problems, kind if kind.startswith("vlmevalkit") else "workbook")


def _kind_of_columns(path: Path, columns: Mapping[str, None]) -> str:
    """The kind of a table with these columns."""
    if path.stem.endswith(_SUMMARIES):
        return "aggregate"
    if "prediction" in columns and "index" in columns:
        judged = [name for name in _VERDICTS if name in columns]
        return "vlmevalkit-judge" if judged else "vlmevalkit-predictions"
    if {"index", "question"} <= columns.keys() and {"image", "image_path"} & columns.keys():
        return "vlmevalkit-benchmark"
    if "doc_id" in columns and {"filtered_resps", "resps"} & columns.keys():
        return "lm-eval" if {"prompt_hash", "filter"} & columns.keys() else "lmms-eval"
    if path.name in ("queries.jsonl", "responses.jsonl", "variants.jsonl") and {"query_id", "group"} & columns.keys():
        return "records"
    return "table"


def _document(path: Path) -> FileShape:
    """A JSON file: a list of rows, a log, or an object that holds its rows in a list."""
    shape = FileShape(path, "table")
    head: dict[str, Any] = {}
    lists: dict[str, FileShape] = {}
    with table_file(path).open() as stream:
        for key, item, listed in _bounded(top_level(io.TextIOWrapper(stream, "utf-8-sig")), shape):
            if not listed:
                head[key] = item
            elif isinstance(item, dict):
                _count_row(lists.setdefault(key, FileShape(path, key)), item)
    if isinstance(head.get("eval"), dict) and {"plan", "results", "stats"} & head.keys():
        return _inspect_log(shape, head, lists.get("samples"))
    model = {name for name in (head.get("model_name"),) if isinstance(name, str)}
    if {"results", "configs"} <= head.keys():
        return FileShape(path, "aggregate", models=model)
    if not lists:
        return FileShape(path, "other", note="a JSON document without a list of rows")
    rows = max(lists.values(), key=lambda its: its.rows)
    shape.rows, shape.scored, shape.images = rows.rows, rows.scored, rows.images
    shape.models, shape.columns = rows.models | model, dict(rows.columns)
    if rows.kind:
        beside = f"; beside it stand {', '.join(head)}" if head else ""
        shape.note = f'its rows stand in a list: records = "{rows.kind}"{beside}'
        shape.columns |= dict.fromkeys(f"head.{name}" for name in head)
    else:
        shape.kind = _kind_of_columns(path, shape.columns)
    return shape


def _inspect_log(shape: FileShape, head: Mapping[str, Any], samples: FileShape | None) -> FileShape:
    shape.kind = "inspect"
    if isinstance(model := head["eval"].get("model"), str):
        shape.models = {model}
    if samples is None:
        shape.note = "the log holds no samples: it was written without them, or is of results only"
        return shape
    shape.rows, shape.scored, shape.images = samples.rows, samples.scored, samples.images
    return shape


def _archive(path: Path) -> FileShape:
    """A zip file: a log of inspect-ai (.eval), or another."""
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        samples = [name for name in names if name.startswith("samples/") and name.endswith(".json")]
        if not (samples or "header.json" in names or "_journal/start.json" in names):
            return FileShape(path, "other", note="a zip file that no importer reads")
        shape = FileShape(path, "inspect", rows=len(samples))
        header = _member(archive, "header.json") or _member(archive, "_journal/start.json")
        described = header.get("eval") if isinstance(header, dict) else None
        if isinstance(described, dict) and isinstance(model := described.get("model"), str):
            shape.models = {model}
        summaries = _member(archive, "summaries.json")
        if isinstance(summaries, list):
            shape.scored = sum(bool(one.get("scores")) for one in summaries if isinstance(one, dict))
    return shape


def _member(archive: zipfile.ZipFile, name: str) -> Any:
    """The JSON of a file in an archive; None where it has none, or it is too large, damaged or packed otherwise."""
    try:
        if archive.getinfo(name).file_size <= _MOST_BYTES:
            return json.loads(archive.read(name))
    except (KeyError, ValueError, RecursionError, RuntimeError, OSError, EOFError, zlib.error, zipfile.BadZipFile):
        pass  # RuntimeError: a method that zipfile does not know, or a password
    return None


def _count(shape: FileShape, rows: Iterator[Mapping[str, Any]]) -> None:
    for row in _bounded(rows, shape):
        _count_row(shape, row)


def _bounded(items: Iterator[Any], shape: FileShape) -> Iterator[Any]:
    """Items until there are too many of them; then the shape says so."""
    characters = 0
    for number, item in enumerate(items):
        characters += _weight(item)
        if number >= _MOST_ROWS or characters > _MOST_CHARACTERS:
            shape.more = True
            return
        yield item


def _weight(item: Any) -> int:
    if isinstance(item, str):
        return len(item)
    if isinstance(item, Mapping):
        return sum(map(_weight, item.values()))
    return sum(map(_weight, item)) if isinstance(item, (list, tuple)) else 8


def _count_row(shape: FileShape, row: Mapping[str, Any]) -> None:
    shape.rows += 1
    if not shape.columns.keys() >= row.keys():
        shape.columns |= dict.fromkeys(map(str, row))
    has: Callable[[str], bool] = lambda name: not is_empty(row.get(name)) and row[name] not in ([], {})  # noqa: E731
    shape.models |= {str(row[name]) for name in _MODEL_COLUMNS if has(name)}
    shape.scored += _is_scored(row, has)
    shape.images += any(map(has, _IMAGE_COLUMNS)) or _holds_image(row.get("input"))


def _is_scored(row: Mapping[str, Any], has: Callable[[str], bool]) -> bool:
    """Whether a row has a score: in a column for it, or, in a sample log, as a number beside its answer."""
    if any(map(has, (*_SCORE_COLUMNS, "hit", "res", "scores"))):
        return True
    if isinstance(nested := row.get("evaluation_result"), Mapping) and nested.get("score") is not None:
        return True
    if "doc_id" not in row:
        return False
    numbers = [value for name, value in row.items() if name != "doc_id" and isinstance(value, (int, float))]
    return bool(numbers) or any(isinstance(value, Mapping) and "score" in value for value in row.values())


def _holds_image(messages: Any) -> bool:
    """Whether messages of inspect-ai hold an image."""
    contents = [message.get("content") for message in messages or () if isinstance(message, Mapping)]
    parts = [part for content in contents if isinstance(content, list) for part in content if isinstance(part, Mapping)]
    return any(part.get("type") == "image" for part in parts)
