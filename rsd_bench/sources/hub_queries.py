"""Queries of any Hub dataset, or of a local dataset folder or file, through a column map in TOML. No responses.

    source = "chartqa"                # id of the source; default: the dataset's name
    config = "default"                # default: the only one
    split = "test"
    revision = "b605b6e"              # or REPO@REVISION on the command line; default: the newest
    license = "GPL-3.0"               # default: unknown
    redistributable = false           # may images and texts be re-hosted? default: no

    [columns]                         # what a query needs = the dataset's name for it
    question = "query"
    image = "image"                   # an image column, bytes, or a list of them; the original bytes are kept
    audio = "clip"                    # the same of sounds, and `video`; default: queries are text
    id = "question_id"                # default: the row number, from 1
    group = "image_id"                # default: the query itself
    reference_answer = "label"        # default: none
    domain = "human_or_machine"       # or the same domain for all:

    [constants]
    domain = "chart"

A row whose media cells are empty is a fault, unless `modality` says what it is: "text", or "image" (and so on) that is
not to be had. Rows are streamed. `datasets` is imported when a source is opened, not with this module. It is not asked
for a file of text (CSV, TSV, JSON): it makes numbers and dates of texts that look like some, and nothing of "None".
"""

from __future__ import annotations

import zlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

from rsd_bench.config import MAX_IMAGE_BYTES, MAX_MEDIA_BYTES, read_toml
from rsd_bench.dataset.image_file import read_bounded
from rsd_bench.jsonl import describe
from rsd_bench.schemas import validator
from rsd_bench.sources.cells import cell_text
from rsd_bench.sources.ids import is_name, slug
from rsd_bench.sources.inspect_hint import inspect_hint
from rsd_bench.sources.media_cells import MediaColumn, row_media
from rsd_bench.sources.named_media import image_in, media_in
from rsd_bench.sources.source import MEDIA_KINDS, TEXT, Query, Source, SourceInfo, SourceProblem
from rsd_bench.sources.table.table_files import KINDS, TableFile, table_file
from rsd_bench.types import InputError, Problem, Report

_TEXT_FILE = (*KINDS.keys() - {".parquet"}, ".gz")
_LOOKED_AT = 4096  # bytes, for the first that is no white space


@dataclass(frozen=True)
class _Place:
    """Where a dataset is: a Hub repository at a revision, or a local path."""

    repo: str
    revision: str | None
    local: Path | None

    def __str__(self) -> str:
        return f"{self.repo}@{self.revision}" if self.revision else self.repo


def open_hub(repo: str, mapping: Path, report: Report) -> Source:
    """Open the dataset `repo` ("org/name", "org/name@revision", or a path) through the column map `mapping`.

    Raises InputError where the map cannot be read or is no such map, naming every fault of it. A dataset that cannot be
    loaded, a missing column, and faults of rows go to `report`.
    """
    fields = _read_map(mapping)
    place = _place(repo, fields, mapping, report)
    name = place.local.resolve().stem if place.local else place.repo.rpartition("/")[2]
    info = SourceInfo(
        source=fields.get("source") or slug(name) or "hub",
        name=name if place.local else place.repo,
        license=fields.get("license", "unknown"),
        redistributable=fields.get("redistributable", False),
        repository="" if place.local else f"https://huggingface.co/datasets/{place.repo}",
        commit=place.revision or "",
        notes=f"split {fields['split']}" + (f", config {fields['config']}" if "config" in fields else ""),
        score_rule="no responses",
    )
    return Source(info, _queries(place, info.source, fields, mapping, report), iter(()))


def _read_map(path: Path) -> dict[str, Any]:
    fields = read_toml(path)
    problems = [
        Problem(str(path), describe(fault), "see `rsd-bench schema map`")
        for fault in validator("map", "hub").iter_errors(fields)
    ]
    columns, constants = fields.get("columns"), fields.get("constants", {})
    if isinstance(columns, dict) and isinstance(constants, dict) and ("domain" in columns) == ("domain" in constants):
        problems.append(Problem(str(path), "domain is not given exactly once", "[columns] or [constants] domain = ..."))
    source = fields.get("source", "source")
    if isinstance(source, str) and source and not is_name(source):
        problems.append(Problem(str(path), f"source {source!r} is no id", "use letters, digits, dot, dash, underscore"))
    if problems:
        raise InputError(problems)
    return fields


def _place(repo: str, fields: Mapping[str, Any], mapping: Path, report: Report) -> _Place:
    if Path(repo).exists():
        return _Place(repo, None, Path(repo))
    name, _, revision = repo.partition("@")
    if fields.get("repo", name) != name:
        what = f"is the map of {fields['repo']}, not of {name}"
        report(SourceProblem(str(mapping), what, "name the dataset's own map"))
    if revision and fields.get("revision", revision) != revision:
        report(SourceProblem(str(mapping), f"revision is {fields['revision']}, not {revision}", "name one revision"))
    return _Place(name, revision or fields.get("revision"), None)


def _queries(place: _Place, source: str, fields: Mapping[str, Any], mapping: Path, report: Report) -> Iterator[Query]:
    columns: dict[str, str] = fields["columns"]
    media = [MediaColumn(kind, partial(_read, place, kind)) for kind in MEDIA_KINDS if kind in columns]
    file = _text_file(place)
    if file and not _has_columns(columns, _columns_of(file), place, mapping, report):
        return
    for number, row in _rows_of(file, report) if file else enumerate(_rows(place, fields, report), 1):
        if not file and number == 1 and not _has_columns(columns, row, place, mapping, report):
            return
        cells = {name: row.get(column) for name, column in columns.items()}
        query = _query(f"{place}[{fields['split']}]: row {number}", number, cells, source, fields, media, report)
        if query is not None:
            yield query


def _has_columns(
    columns: Mapping[str, str], has: Collection[str], place: _Place, mapping: Path, report: Report
) -> bool:
    missing = sorted(set(columns.values()).difference(has)) if has else []  # without any, more is wrong than the map
    if missing:
        what = f"{place} has no column {', '.join(missing)}; it has {', '.join(has)}"
        report(SourceProblem(str(mapping), what, "fix [columns]"))
    return not missing


def _text_file(place: _Place) -> TableFile | None:
    """The file of text that a dataset is, where it is one."""
    path = place.local
    if path is None or path.is_dir() or path.suffix.lower() not in _TEXT_FILE:
        return None
    table = table_file(path)
    if table.kind == "json":
        with suppress(OSError, EOFError, zlib.error), table.open() as stream:
            if stream.read(_LOOKED_AT).removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"{"):
                return TableFile(path, "jsonl")  # lines of JSON that are called .json
    return table


def _columns_of(file: TableFile) -> Collection[str]:
    """Names of all columns of a file: a row of JSON may leave some out."""
    looked = TableFile(file.path, file.kind)
    for _ in looked.rows(lambda problem: None):
        pass
    return looked.columns


def _rows_of(file: TableFile, report: Report) -> Iterator[tuple[int, Mapping[str, Any]]]:
    return ((row.number, row.cells) for row in file.rows(report))


def _query(
    where: str,
    number: int,
    cells: Mapping[str, Any],
    source: str,
    fields: Mapping[str, Any],
    media_columns: Sequence[MediaColumn],
    report: Report,
) -> Query | None:
    columns: dict[str, str] = fields["columns"]
    stated = fields.get("modality", "" if media_columns else TEXT)
    media, faults = row_media(media_columns, cells, columns, stated)
    question = cells["question"]
    texts = {name: cell_text(cells[name]) for name in ("id", "group", "reference_answer") if name in cells}
    domain = slug(cell_text(cells.get("domain", fields.get("constants", {}).get("domain"))))
    if not isinstance(question, str) or not question.strip():
        faults.append(f"{columns['question']} is not a text")
    if domain is None:
        faults.append(f"{columns.get('domain', 'domain')} gives no domain: it has no Latin letter or digit")
    if texts.get("id") == "":
        faults.append(f"{columns['id']} is empty")
    for fault in faults:
        report(Problem(where, fault, "name another column, or leave the row out of the split"))
    if faults or domain is None:
        return None
    query_id = f"{source}/{texts.get('id', number)}"
    group = f"{source}/{texts['group']}" if texts.get("group") else query_id
    reference = texts.get("reference_answer") or None
    return Query(where, query_id, domain, group, question.strip(), reference, media, "" if media else stated)


def _rows(place: _Place, fields: Mapping[str, Any], report: Report) -> Iterator[dict[str, Any]]:
    """Rows with their images as stored: {"bytes", "path"}."""
    import datasets

    single = place.local is not None and place.local.is_file()
    try:
        if single and place.local is not None:
            builder = "arrow" if place.local.suffix.lower() == ".arrow" else "parquet"
            files = {fields["split"]: str(place.local)}
            rows = datasets.load_dataset(builder, data_files=files, split=fields["split"], streaming=True)
        else:
            rows = datasets.load_dataset(
                str(place.local or place.repo),
                fields.get("config"),
                split=fields["split"],
                revision=place.revision,
                streaming=True,
            )
        if what := _text_lost(rows, set(fields["columns"].values())):
            report(SourceProblem(str(place), what, "import its file by itself: data import hub FILE --map MAP.toml"))
            return
        classes = {name: _classes(feature) for name, feature in rows.features.items()}
        stream = iter(rows.decode(False))  # a decoded image could only be encoded anew
        first = next(stream, None)
        if first is None:
            report(SourceProblem(f"{place}[{fields['split']}]", "has no rows", "name another split"))
            return
        named = {name: label for name, label in classes.items() if label is not None}
        for row in chain([first], stream):
            yield row | {name: _named(row[name], label) for name, label in named.items()}
    except (OSError, ValueError, RuntimeError, datasets.exceptions.DatasetsError) as error:
        what = " ".join(str(error).split())[:500]
        hint = f"; {inspect_hint(place.local)} to see what it is" if place.local else ""
        report(SourceProblem(str(place), f"cannot be loaded: {what}", f"fix repo, config, split or revision{hint}"))


def _text_lost(rows: Any, columns: Collection[str]) -> str:
    """What `datasets` makes of texts that is not what stands there, in words; "" where it keeps them."""
    if rows.features is None:
        return "cannot tell a text: a folder of CSV says no types"
    dates = [name for name in columns if str(getattr(rows.features.get(name), "dtype", "")).startswith("timestamp")]
    if dates and rows.info.builder_name not in ("parquet", "arrow"):
        return f"would lose the texts of dates in {', '.join(sorted(dates))}: `datasets` makes times of them"
    return ""


def _classes(feature: Any) -> Any:
    """The ClassLabel of a column of classes or of lists of them, else None."""
    from datasets import ClassLabel

    if isinstance(feature, list):
        feature = feature[0] if feature else None
    feature = getattr(feature, "feature", feature)
    return feature if isinstance(feature, ClassLabel) else None


def _named(value: Any, label: Any) -> Any:
    """A cell with class names in place of their numbers; -1, which is no class, is None."""
    if isinstance(value, list):
        return [_named(item, label) for item in value]
    if isinstance(value, int) and value >= 0:
        return label.int2str(value)
    return None if value == -1 else value


def _read(place: _Place, kind: str, path: str) -> bytes:
    """The bytes at a path that the dataset's own files gave; a row must not name any other file."""
    if place.local is not None:
        inside = place.local if place.local.is_dir() else place.local.parent
        return image_in(inside, path) if kind == "image" else media_in(inside, path)
    if not path.rpartition("::")[2].startswith(f"hf://datasets/{place.repo}@"):
        raise OSError(0, f"{kind} {path!r} lies outside {place.repo}")
    from datasets.utils.file_utils import xopen

    with xopen(path, "rb") as stream:
        return read_bounded(stream, MAX_IMAGE_BYTES if kind == "image" else MAX_MEDIA_BYTES)
