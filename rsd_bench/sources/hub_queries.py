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
not to be had. `datasets` (`hub_rows`) is not asked for a file of text (CSV, TSV, JSON): it makes numbers and dates of
texts that look like some, and nothing of "None".
"""

from __future__ import annotations

import zlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from rsd_bench.config import read_toml
from rsd_bench.jsonl import describe
from rsd_bench.schemas import validator
from rsd_bench.sources.cells import cell_text
from rsd_bench.sources.hub_rows import HubPlace, dataset_rows, medium_at
from rsd_bench.sources.ids import is_name, slug
from rsd_bench.sources.media_cells import MediaColumn, row_media
from rsd_bench.sources.source import MEDIA_KINDS, TEXT, Query, Source, SourceInfo, SourceProblem
from rsd_bench.sources.table.table_files import KINDS, TableFile, table_file
from rsd_bench.types import InputError, Problem, Report

_TEXT_FILE = (*KINDS.keys() - {".parquet"}, ".gz")
_LOOKED_AT = 4096  # bytes, for the first that is no white space


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


def _place(repo: str, fields: Mapping[str, Any], mapping: Path, report: Report) -> HubPlace:
    if Path(repo).exists():
        return HubPlace(repo, None, Path(repo))
    name, _, revision = repo.partition("@")
    if fields.get("repo", name) != name:
        what = f"is the map of {fields['repo']}, not of {name}"
        report(SourceProblem(str(mapping), what, "name the dataset's own map"))
    if revision and fields.get("revision", revision) != revision:
        report(SourceProblem(str(mapping), f"revision is {fields['revision']}, not {revision}", "name one revision"))
    return HubPlace(name, revision or fields.get("revision"), None)


def _queries(place: HubPlace, source: str, fields: Mapping[str, Any], mapping: Path, report: Report) -> Iterator[Query]:
    columns: dict[str, str] = fields["columns"]
    media = [MediaColumn(kind, partial(medium_at, place, kind)) for kind in MEDIA_KINDS if kind in columns]
    file = _text_file(place)
    if file and not _has_columns(columns, _columns_of(file), place, mapping, report):
        return
    for number, row in _rows_of(file, report) if file else enumerate(dataset_rows(place, fields, report), 1):
        if not file and number == 1 and not _has_columns(columns, row, place, mapping, report):
            return
        cells = {name: row.get(column) for name, column in columns.items()}
        query = _query(f"{place}[{fields['split']}]: row {number}", number, cells, source, fields, media, report)
        if query is not None:
            yield query


def _has_columns(
    columns: Mapping[str, str], has: Collection[str], place: HubPlace, mapping: Path, report: Report
) -> bool:
    missing = sorted(set(columns.values()).difference(has)) if has else []  # without any, more is wrong than the map
    if missing:
        what = f"{place} has no column {', '.join(missing)}; it has {', '.join(has)}"
        report(SourceProblem(str(mapping), what, "fix [columns]"))
    return not missing


def _text_file(place: HubPlace) -> TableFile | None:
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
