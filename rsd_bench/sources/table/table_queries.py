"""Queries of a table: each is described by one or more rows, which must not contradict each other.

All rows are read once before any query is given out (`scan`). An empty cell says nothing; two cells that say different
things of one query are a SourceProblem, since nobody can tell which row's outcomes are about which. Of the rows that
describe a query, the one that says most gives it. What is kept of a row meanwhile is a digest.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from rsd_bench.sources.cells import cell_text
from rsd_bench.sources.ids import row_id, slug
from rsd_bench.sources.inspect_hint import inspect_hint
from rsd_bench.sources.media_cells import MediaColumn
from rsd_bench.sources.named_media import image_in, media_in, require_no_way_out
from rsd_bench.sources.source import MEDIA_KINDS, Media, Query, SourceProblem
from rsd_bench.sources.table.table_files import TableFile, TableRow, place_of, table_name
from rsd_bench.sources.table.table_map import TableMap
from rsd_bench.types import Problem, Report

_DESCRIBED = ("question", "reference_answer", "group", "domain", *MEDIA_KINDS)
_DIGEST = 8  # bytes; two cells of one id that differ have equal ones with chance 2^-64
_NOTHING = bytes(_DIGEST)  # of a field that a row does not speak of
_MAX_ID = 512  # characters
_FIX = "fix the row, name another column, or leave the row out"


@dataclass(slots=True)
class _Described:
    """What the rows of a query say: a digest of each field, and which row says most."""

    said: bytes
    file: int
    place: int
    number: int
    rows: int = 1


@dataclass
class Queries:
    """The queries of a source, by id without the source's name; and rows that are left out, by file and number."""

    mapping: TableMap
    files: Sequence[TableFile]
    media: Mapping[str, MediaColumn]
    described: dict[str, _Described] = field(default_factory=dict)
    left_out: set[tuple[int, int]] = field(default_factory=set)
    incomplete: set[str] = field(default_factory=set)  # ids of queries that no row describes whole

    def place(self, known: _Described) -> str:
        """Where the row stands that says most of a query."""
        file = self.files[known.file]
        return place_of(file.path, known.place, file.by_line)

    def repeats(self, query: str) -> bool:
        """Whether several rows are about a query."""
        return self.described[query].rows > 1


def find(cells: Mapping[str, Any], name: str) -> Any:
    """The cell of a column, or of a.b: b within the cell a, where items of a list are 0, 1, ... None where none is."""
    return _found(cells, name)[1]


def _found(cells: Mapping[str, Any], name: str) -> tuple[bool, Any]:
    """Whether a row has such a cell, and the cell."""
    if name in cells:
        return True, cells[name]
    at: Any = cells
    for part in name.split("."):
        if isinstance(at, Mapping) and part in at:
            at = at[part]
        elif isinstance(at, list) and part.isdecimal() and int(part) < len(at):
            at = at[int(part)]
        else:
            return False, None
    return True, at


def id_of(row: TableRow, columns: Sequence[str], mapping: TableMap) -> str:
    """The id of the query that a row is about. ValueError where it has none."""
    if columns:
        parts = [row_id(cell_text(find(row.cells, column))) for column in columns]
        if not all(parts):
            raise ValueError(f"{columns[parts.index('')]} is empty, and it is the id")
        query = "/".join(parts)
    elif mapping.fields["id_rule"] == "row":
        query = f"{table_name(row.path)}/{row.number}"
    else:
        question = cell_text(find(row.cells, mapping.columns["question"]))
        query = hashlib.sha256(question.encode()).hexdigest()[:16]
    if len(query) > _MAX_ID:
        raise ValueError(f"its id has {len(query)} characters, more than {_MAX_ID}")
    return query


def scan(queries: Queries, columns: Sequence[str], report: Report) -> bool:
    """Read the files that describe the queries, once. False, and no query, where one cannot be or lacks a column.

    Columns are looked for by name, so that one that is mistyped is not taken for one that is always empty.
    """
    complete = True
    for index, file in enumerate(queries.files):
        missing = dict.fromkeys(columns)
        found: list[Problem] = []
        for row in file.rows(report, queries.mapping.wanted):
            for column in [column for column in missing if _found(row.cells, column)[0]]:
                del missing[column]
            _describe(queries, index, row, found.append)
        complete &= not (missing or file.unreadable)
        if missing and not file.unreadable:
            report(_no_column(file, missing))
        for problem in found if not missing else ():
            report(problem)
    if not complete:
        queries.described.clear()
        return False
    _require_complete(queries, report)
    if not queries.described:
        where = ", ".join(str(file.path) for file in queries.files)
        report(SourceProblem(where, "gives no query: every row has a problem", "see what is told of the first ones"))
    return True


def has_columns(file: TableFile, columns: Sequence[str], mapping: TableMap, report: Report) -> bool:
    """Whether each of `columns` stands in a row of a file that describes no queries; else that is reported."""
    missing = dict.fromkeys(columns)
    found: list[Problem] = []  # those of rows are told when the outcomes are read
    for row in file.rows(found.append, mapping.wanted):
        for column in [column for column in missing if _found(row.cells, column)[0]]:
            del missing[column]
        if not missing and file.kind != "json" and file.kind != "jsonl":
            break  # the others have all of their columns in each row
    for problem in found if file.unreadable else ():
        report(problem)
    if missing and not file.unreadable:
        report(_no_column(file, missing))
    return not (missing or file.unreadable)


def _no_column(file: TableFile, missing: Mapping[str, None]) -> SourceProblem:
    have = ", ".join(name for name in file.columns if name)
    what = f"has no column {', '.join(missing)}; it has {have if len(have) <= 500 else f'{have[:500]}...'}"
    fix = f"fix the names in the map, or name the right file: {inspect_hint(file.path)} to see what it is"
    if len(file.columns) == 1 and ";" in have:
        fix = "save it with commas or tabs between the cells: a semicolon separates none"
    return SourceProblem(str(file.path), what, fix)


def _describe(queries: Queries, index: int, row: TableRow, report: Report) -> None:
    """Take in what a row says of its query."""
    mapping = queries.mapping
    try:
        query = id_of(row, mapping.id, mapping)
        said, faults = _said(row, queries)
    except ValueError as error:
        said, faults = b"", [str(error)]
    for fault in faults:
        report(Problem(row.where, fault, _FIX))
    if faults:
        queries.left_out.add((index, row.number))
        return
    known = queries.described.get(query)
    if known is None:
        queries.described[query] = _Described(said, index, row.place, row.number)
        return
    known.rows += 1
    for name in _DESCRIBED:
        here, there = _part(said, name), _part(known.said, name)
        if here != there and _NOTHING not in (here, there):
            what = f"says another {name} of query {query!r} than {queries.place(known)}"
            report(SourceProblem(row.where, what, "give each query an id of its own, and one description"))
    if said.count(_NOTHING) < known.said.count(_NOTHING):
        known.said, known.file, known.place, known.number = said, index, row.place, row.number


def _part(said: bytes, name: str) -> bytes:
    at = _DESCRIBED.index(name) * _DIGEST
    return said[at : at + _DIGEST]


def _said(row: TableRow, queries: Queries) -> tuple[bytes, list[str]]:
    """A digest of each field that a row describes, zeros where it says nothing; and what is wrong with them."""
    mapping = queries.mapping
    digests, faults = [], []
    for name in _DESCRIBED:
        text = ""
        if name in mapping.columns:
            cell = find(row.cells, mapping.columns[name])
            try:
                text = _media_text(cell, queries.media[name]) if name in queries.media else _text(name, cell, mapping)
            except ValueError as error:
                faults.append(f"{mapping.columns[name]} {error}")
        digests.append(hashlib.blake2b(text.encode(), digest_size=_DIGEST).digest() if text else _NOTHING)
    return b"".join(digests), faults


def _media_text(cell: Any, column: MediaColumn) -> str:
    """What tells media of a cell from others; "" where it holds none."""
    return repr(cell) if column.media(cell) else ""


def _text(name: str, cell: Any, mapping: TableMap) -> str:
    """What a cell says of a query. ValueError where that cannot be it."""
    text = cell_text(cell)
    if not text:
        return ""
    if name == "question" and not isinstance(cell, str):
        raise ValueError(f"is {text[:40]}, which is no text")
    if name in mapping.match:
        found = mapping.match[name].search(text)
        if found is None or not found[1]:
            raise ValueError(f"is {text[:40]!r}, which match.{name} does not fit")
        text = found[1]
    if name == "domain" and slug(text) is None:
        raise ValueError(f"gives no domain: {text[:40]!r} has no Latin letter or digit")
    return text


def _require_complete(queries: Queries, report: Report) -> None:
    """Leave out queries of which no row gives the question, the domain, or media that they must have."""
    mapping = queries.mapping
    needed = [[name] for name in ("question", "domain") if name in mapping.columns]
    if queries.media and "modality" not in mapping.fields:
        needed.append(list(queries.media))
    for query, known in list(queries.described.items()):
        for names in needed:
            if all(_part(known.said, name) == _NOTHING for name in names):
                where = queries.place(known)
                what = f"{mapping.columns[names[0]]} is empty: query {query!r} has no {' or '.join(names)}"
                media = 'or state what such rows are: modality = "text", or "image" not to be had'
                report(Problem(where, what, _FIX if names[0] not in queries.media else f"fill the cell, {media}"))
                queries.described.pop(query, None)
                queries.incomplete.add(query)


def queries_of(queries: Queries) -> Iterator[Query]:
    """The queries in the order of the rows that give them."""
    chosen = {(known.file, known.number): query for query, known in queries.described.items()}
    for index, file in enumerate(queries.files):
        for row in file.rows(list[Problem]().append, queries.mapping.wanted):  # what is wrong with it has been told
            if (query := chosen.get((index, row.number))) is not None:
                yield _query(query, row, queries)


def _query(name: str, row: TableRow, queries: Queries) -> Query:
    mapping = queries.mapping
    cells = {name: find(row.cells, column) for name, column in mapping.columns.items()}
    texts = {name: _text(name, cell, mapping) for name, cell in cells.items() if name not in queries.media}
    media: tuple[Media, ...] = ()
    for kind, column in queries.media.items():
        media += column.media(cells[kind])
    query_id = f"{mapping.source}/{name}"
    return Query(
        where=row.where,
        query_id=query_id,
        domain=slug(texts.get("domain") or mapping.constants.get("domain", "")) or "",
        group=f"{mapping.source}/{texts['group']}" if texts.get("group") else query_id,
        question=texts["question"],
        reference_answer=texts.get("reference_answer") or None,
        media=media,
        modality="" if media else mapping.fields.get("modality", ""),
    )


def media_columns(mapping: TableMap) -> dict[str, MediaColumn]:
    """How media are read, by kind, in their order."""
    return {
        kind: MediaColumn(kind, partial(_read, mapping, kind), "path" if kind in mapping.folders else "base64")
        for kind in MEDIA_KINDS
        if kind in mapping.columns
    }


def _read(mapping: TableMap, kind: str, path: str) -> bytes:
    if kind not in mapping.folders:
        raise OSError(0, f"{kind} {path!r} is a path, and the map names no folder of such files")
    folder = mapping.folders[kind]
    require_no_way_out(folder, path)
    return image_in(folder, path) if kind == "image" else media_in(folder, path)
