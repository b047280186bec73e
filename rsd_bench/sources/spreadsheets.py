"""Tables of other tools (.xlsx, .tsv, .csv, .json, .jsonl), read strictly: every cell as the text it was written as.

No type is inferred: "nan", "None" and "1e5" stay text, an empty cell is "". A formula cell is its own text ("=1+1"):
pandas turns an answer that begins with "=" into a formula, so its text is the answer and nothing is computed. Column
names are lower-cased, but for the option letters A ... Z. A fault of a row is a Problem with file and row, one of the
file as a whole, or one that may have torn the rows after it, a SourceProblem. A pickle is never opened.
"""

from __future__ import annotations

import csv
import datetime
import io
import re
import zipfile
import zlib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from openpyxl import load_workbook
from openpyxl.utils.escape import unescape
from openpyxl.utils.exceptions import InvalidFileException

from rsd_bench.sources.inspect_hint import inspect_hint
from rsd_bench.sources.json_tables import JSON_SUFFIXES, json_rows
from rsd_bench.sources.source import SourceProblem
from rsd_bench.sources.text_lines import MAX_CELL, Lines, plain_cells
from rsd_bench.types import Problem, Report

_DELIMITERS = {".tsv": "\t", ".csv": ","}
_PICKLES = (".pkl", ".pickle")
_MAX_WORKBOOK = 1 << 30  # bytes of all parts of a workbook, unpacked
_UNDECODED = re.compile("[\udc80-\udcff]")
_BROKEN_WORKBOOK = (
    *(zipfile.BadZipFile, zlib.error, InvalidFileException, EOFError, OSError, SyntaxError),
    *(KeyError, IndexError, ValueError, TypeError, AttributeError),  # openpyxl on parts that are missing or malformed
)


@dataclass(frozen=True)
class Row:
    """A row: where it stands, its cells by column, and its bytes [start, end) in a text table."""

    where: str
    cells: dict[str, str]
    span: tuple[int, int] = (0, 0)


def _no_roles(columns: Collection[str]) -> Mapping[str, str]:
    return {}


@dataclass(frozen=True)
class Naming:
    """How the columns of files that name them otherwise are found.

    roles: of the columns that a file has, the one that stands for a column, by the latter's name. fix: what to do
        where a required column is missing. text: columns that need not be there but whose text counts where they are.
    """

    roles: Callable[[Collection[str]], Mapping[str, str]] = _no_roles
    fix: str = "name the right file"
    text: Collection[str] = ()

    def counts(self, columns: Sequence[str], required: Sequence[str]) -> set[int]:
        """Positions of the columns whose text is read."""
        roles = self.roles(columns)
        read = {roles.get(name, name) for name in (*required, *self.text)}
        return {at for at, name in enumerate(columns) if name in read}


AS_NAMED = Naming()


def read_table(path: Path, required: Sequence[str], report: Report, naming: Naming = AS_NAMED) -> Iterator[Row]:
    """Yield the rows of a table; report faults. A missing column is one SourceProblem, and no row is yielded then.

    A column that stands for another (`naming`) is a cell of a row under both names.
    """
    suffix = path.suffix.lower()
    if suffix in _PICKLES:
        what = "is a pickle, which can run code when it is opened: it is never read"
        table = f'to_json("{path.stem}.jsonl", orient="records", lines=True)'
        report(SourceProblem(str(path), what, f'where you trust it: pandas.read_pickle("{path.name}").{table}'))
    elif suffix in JSON_SUFFIXES:
        yield from _json(path, required, report, naming)
    elif suffix in (*_DELIMITERS, ".xlsx"):
        yield from _cells(path, required, report, naming)
    else:
        what = "is no .xlsx, .tsv, .csv, .json or .jsonl file"
        report(SourceProblem(str(path), what, f"convert it to one of these; {inspect_hint(path)} to see what it is"))


def _cells(path: Path, required: Sequence[str], report: Report, naming: Naming) -> Iterator[Row]:
    """The rows of a table with a header."""
    suffix = path.suffix.lower()
    if suffix == ".xlsx":
        rows = _sheet(path, lambda columns: naming.counts(columns, required), report)
    else:
        rows = _text(path, _DELIMITERS[suffix], report)
    columns: list[str] | None = None
    roles: Mapping[str, str] = {}
    empty = unsound = True
    for where, cells, span in rows:
        if columns is None:
            columns = [column_name(cell) for cell in cells]
            roles = naming.roles(columns)
            if not _usable_header(where, columns, roles, required, report, naming.fix):
                return
            continue
        empty = False
        if len(cells) != len(columns):
            what = f"row has {len(cells)} cells, the header {len(columns)}"
            report(Problem(where, what, "fix the row; quote cells that hold a delimiter, a quote or a line break"))
            continue
        unsound = False
        named = dict(zip(columns, cells, strict=True))
        yield Row(where, named | {role: named[column] for role, column in roles.items()}, span)
    if columns is not None and unsound:
        what = "has a header but no rows" if empty else "has no row that can be read"
        report(SourceProblem(str(path), what, "export the file again"))


def _json(path: Path, required: Sequence[str], report: Report, naming: Naming) -> Iterator[Row]:
    """The rows of a table without a header: each says its own columns."""
    lacking: list[Problem] = []  # told of the file, where no row has what is missing
    first: tuple[str, list[str], Mapping[str, str]] | None = None
    sound = False
    for where, cells in json_rows(path, report):
        columns = [column_name(key) for key in cells]
        named = dict(zip(columns, cells.values(), strict=True))
        roles = naming.roles(columns)
        first = first or (str(path), columns, roles)
        if len(named) < len(columns):
            report(Problem(where, "names a column twice, in capitals and not", "keep one"))
            continue
        missing = [name for name in required if roles.get(name, name) not in named]
        if missing:
            lacking.append(Problem(where, f"has no {', '.join(missing)}", "fix the row or leave it out"))
            continue
        sound = True
        yield Row(where, named | {role: named[column] for role, column in roles.items()})
    if first and not sound and lacking:
        _usable_header(*first, required, report, naming.fix)
        return
    for problem in lacking:
        report(problem)
    if first and not sound:
        report(SourceProblem(str(path), "has no row that can be read", "export the file again"))


def row_at(path: Path, span: tuple[int, int]) -> list[str]:
    """The cells of the row of a .tsv at `span`: the way back to a cell too large to be kept."""
    with path.open("rb") as stream:
        stream.seek(span[0])
        text = stream.read(span[1] - span[0]).decode("utf-8", "surrogateescape")
    plain = plain_cells(text, "\t")
    # Lines end at "\n" alone, as in `Lines`: str.splitlines would cut a question at U+2028.
    return plain or next(csv.reader(io.StringIO(text, newline="\n"), delimiter="\t", strict=True))


def columns_of(path: Path) -> list[str]:
    """Column names of a .tsv; none where it cannot be read."""
    return [column_name(cell) for cell in next(_text(path, "\t", lambda _: None), ("", [], (0, 0)))[1]]


def column_name(cell: str) -> str:
    """A column as it is called here: lower-cased, but for the option letters."""
    name = cell.strip()
    return name if len(name) == 1 else name.lower()


def _usable_header(
    where: str, columns: list[str], roles: Mapping[str, str], required: Sequence[str], report: Report, fix: str
) -> bool:
    twice = sorted({name for name in columns if name and columns.count(name) > 1})
    missing = [name for name in required if roles.get(name, name) not in columns]
    if twice:
        report(SourceProblem(where, f"columns stand twice: {', '.join(twice)}", "keep one of each"))
    if missing:
        have = ", ".join(name for name in columns if name) or "none"
        report(SourceProblem(where, f"has no column {', '.join(missing)}; it has {have}", fix))
    return not twice and not missing


def _text(path: Path, delimiter: str, report: Report) -> Iterator[tuple[str, list[str], tuple[int, int]]]:
    # The limit of the csv module is one per process and far below the size of an image; it is only ever raised here.
    csv.field_size_limit(max(csv.field_size_limit(), MAX_CELL))
    try:
        with path.open("rb") as stream:
            lines = Lines(stream)
            reader = csv.reader(lines, delimiter=delimiter, strict=True)
            blank = True
            while True:
                start, where = lines.offset, f"{path}:{lines.number + 1}"
                try:
                    cells = lines.plain_row(delimiter) or next(reader)
                except StopIteration:
                    break
                except csv.Error as error:  # where the next row begins cannot be known
                    what = f"not a table row: {error}"
                    report(SourceProblem(where, what, "quote the cell and double the quotes in it"))
                    return
                if not cells:
                    continue
                if any(not cell.isascii() and _UNDECODED.search(cell) for cell in cells):
                    kind = SourceProblem if blank else Problem  # without a header no row can be read
                    report(kind(where, "not UTF-8", "save the file as UTF-8"))
                    if blank:
                        return
                    continue
                blank = False
                yield where, cells, (start, lines.offset)
            if blank:
                report(SourceProblem(str(path), "is empty", "export the file again"))
    except OSError as error:
        report(SourceProblem(str(path), error.strerror or "cannot be read", "name a readable file"))


_Read = Callable[[list[str]], set[int]]  # which columns of a header are read


def _sheet(path: Path, read: _Read, report: Report) -> Iterator[tuple[str, list[str], tuple[int, int]]]:
    try:
        with path.open("rb") as stream:
            with zipfile.ZipFile(stream) as parts:
                if sum(part.file_size for part in parts.infolist()) > _MAX_WORKBOOK:
                    raise ValueError(f"it unpacks to more than {_MAX_WORKBOOK >> 30} GiB")
            sheet = load_workbook(stream, read_only=True).worksheets[0]
            sheet.reset_dimensions()  # a size that a writer declared too small would hide rows
            yield from _sheet_rows(path, sheet.iter_rows(values_only=True), read, report)
    except _BROKEN_WORKBOOK as error:
        missing = isinstance(error, FileNotFoundError)
        what = "no such file" if missing else f"is not a workbook that can be read: {error}"
        report(SourceProblem(str(path), what, "name a readable file" if missing else "save it again as .xlsx or .tsv"))


def _sheet_rows(
    path: Path, rows: Iterator[tuple[Any, ...]], read: _Read, report: Report
) -> Iterator[tuple[str, list[str], tuple[int, int]]]:
    header: list[str] | None = None
    counts: set[int] = set()
    for number, values in enumerate(rows, 1):
        where = f"{path}: row {number}"
        if all(value is None for value in values):
            continue
        if header is None:
            header = [_cell_text(value) for value in values]
            while header and not header[-1]:
                header.pop()
            counts = read([column_name(cell) for cell in header])
            yield where, header, (0, 0)
            continue
        values = (*values, *[None] * (len(header) - len(values)))
        if any(value is not None for value in values[len(header) :]):
            report(Problem(where, "has cells beyond the last column of the header", "name the column or clear them"))
            continue
        lost = [header[at] for at in sorted(counts) if _is_date(values[at])]
        if lost:
            report(Problem(where, f"{lost[0]} is a date cell: its text is lost", "format the column as text"))
            continue
        yield where, [_cell_text(value) for value in values[: len(header)]], (0, 0)
    if header is None:
        report(SourceProblem(str(path), "is empty", "export the file again"))


def _is_date(value: Any) -> bool:
    return isinstance(value, (datetime.date, datetime.time, datetime.timedelta))


def _cell_text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return str(unescape(value))  # _x000D_ is how a workbook writes a carriage return
    formula = getattr(value, "text", None)  # an array formula: how a writer stores "{=...}"
    return f"{{{formula}}}" if isinstance(formula, str) else str(value)
