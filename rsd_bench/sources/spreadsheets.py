"""Tables of other tools (.xlsx, .tsv, .csv), read strictly: every cell as the text it was written as.

No type is inferred: "nan", "None" and "1e5" stay text, an empty cell is "". A formula cell is its own text ("=1+1"):
pandas turns an answer that begins with "=" into a formula, so its text is the answer and nothing is computed. Column
names are lower-cased, but for the option letters A ... Z. Each fault is a Problem with file and row.
"""

from __future__ import annotations

import csv
import datetime
import io
import re
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from openpyxl import load_workbook
from openpyxl.utils.escape import unescape
from openpyxl.utils.exceptions import InvalidFileException

from rsd_bench.types import Problem, Report

_DELIMITERS = {".tsv": "\t", ".csv": ","}
_MAX_CELL = 256 << 20  # characters; an image in base64 stands in one cell
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


def read_table(path: Path, required: Sequence[str], report: Report) -> Iterator[Row]:
    """Yield the rows of a table; report faults. A missing column is one Problem, and no row is yielded then."""
    suffix = path.suffix.lower()
    if suffix not in (*_DELIMITERS, ".xlsx"):
        report(Problem(str(path), "is no .xlsx, .tsv or .csv file", "convert it to one of these"))
        return
    rows = _sheet(path, required, report) if suffix == ".xlsx" else _text(path, _DELIMITERS[suffix], report)
    columns: list[str] | None = None
    empty = True
    for where, cells, span in rows:
        if columns is None:
            columns = [_column(cell) for cell in cells]
            if not _usable_header(where, columns, required, report):
                return
            continue
        empty = False
        if len(cells) != len(columns):
            what = f"row has {len(cells)} cells, the header {len(columns)}"
            report(Problem(where, what, "fix the row; quote cells that hold a delimiter, a quote or a line break"))
            continue
        yield Row(where, dict(zip(columns, cells, strict=True)), span)
    if columns is not None and empty:
        report(Problem(str(path), "has a header but no rows", "export the file again"))


def row_at(path: Path, span: tuple[int, int]) -> list[str]:
    """The cells of the row of a .tsv at `span`: the way back to a cell too large to be kept."""
    with path.open("rb") as stream:
        stream.seek(span[0])
        text = stream.read(span[1] - span[0]).decode("utf-8", "surrogateescape")
    # Lines end at "\n" alone, as in `_Lines`: str.splitlines would cut a question at U+2028.
    return next(csv.reader(io.StringIO(text, newline="\n"), delimiter="\t", strict=True))


def columns_of(path: Path) -> list[str]:
    """Column names of a .tsv that `read_table` could read."""
    return [_column(cell) for cell in next(_text(path, "\t", lambda _: None))[1]]


def _column(cell: str) -> str:
    name = cell.strip()
    return name if len(name) == 1 else name.lower()


def _usable_header(where: str, columns: list[str], required: Sequence[str], report: Report) -> bool:
    twice = sorted({name for name in columns if name and columns.count(name) > 1})
    missing = [name for name in required if name not in columns]
    if twice:
        report(Problem(where, f"columns stand twice: {', '.join(twice)}", "keep one of each"))
    if missing:
        have = ", ".join(name for name in columns if name) or "none"
        report(Problem(where, f"has no column {', '.join(missing)}; it has {have}", "name the right file"))
    return not twice and not missing


def _text(path: Path, delimiter: str, report: Report) -> Iterator[tuple[str, list[str], tuple[int, int]]]:
    # The limit of the csv module is one per process and far below the size of an image; it is only ever raised here.
    csv.field_size_limit(max(csv.field_size_limit(), _MAX_CELL))
    try:
        with path.open("rb") as stream:
            lines = _Lines(stream)
            reader = csv.reader(lines, delimiter=delimiter, strict=True)
            blank = True
            while True:
                start, where = lines.offset, f"{path}:{reader.line_num + 1}"
                try:
                    cells = next(reader)
                except StopIteration:
                    break
                except csv.Error as error:
                    report(Problem(where, f"not a table row: {error}", "quote the cell and double the quotes in it"))
                    continue
                if not cells:
                    continue
                if any(not cell.isascii() and _UNDECODED.search(cell) for cell in cells):
                    report(Problem(where, "not UTF-8", "save the file as UTF-8"))
                    if blank:
                        return  # without a header no row can be read
                    continue
                blank = False
                yield where, cells, (start, lines.offset)
            if blank:
                report(Problem(str(path), "is empty", "export the file again"))
    except OSError as error:
        report(Problem(str(path), error.strerror or "cannot be read", "name a readable file"))


class _Lines:
    """Lines of a file as text, with the offset that the reader of them has reached."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self.offset = 0

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        raw = self._stream.readline()
        if not raw:
            raise StopIteration
        first = self.offset == 0
        self.offset += len(raw)
        # Bytes that are not UTF-8 become lone surrogates, so that the fault can be told of the row and not of the file.
        return (raw.removeprefix(b"\xef\xbb\xbf") if first else raw).decode("utf-8", "surrogateescape")


def _sheet(path: Path, required: Sequence[str], report: Report) -> Iterator[tuple[str, list[str], tuple[int, int]]]:
    try:
        with path.open("rb") as stream:
            sheet = load_workbook(stream, read_only=True).worksheets[0]
            sheet.reset_dimensions()  # a size that a writer declared too small would hide rows
            yield from _sheet_rows(path, sheet.iter_rows(values_only=True), required, report)
    except _BROKEN_WORKBOOK as error:
        missing = isinstance(error, FileNotFoundError)
        what = "no such file" if missing else f"is not a workbook that can be read: {error}"
        report(Problem(str(path), what, "name a readable file" if missing else "save it again as .xlsx or .tsv"))


def _sheet_rows(
    path: Path, rows: Iterator[tuple[Any, ...]], required: Sequence[str], report: Report
) -> Iterator[tuple[str, list[str], tuple[int, int]]]:
    header: list[str] | None = None
    for number, values in enumerate(rows, 1):
        where = f"{path}: row {number}"
        if all(value is None for value in values):
            continue
        if header is None:
            header = [_cell_text(value) for value in values]
            while header and not header[-1]:
                header.pop()
            yield where, header, (0, 0)
            continue
        values = (*values, *[None] * (len(header) - len(values)))
        if any(value is not None for value in values[len(header) :]):
            report(Problem(where, "has cells beyond the last column of the header", "name the column or clear them"))
            continue
        lost = [n for n, v in zip(header, values, strict=False) if _is_date(v) and _column(n) in required]
        if lost:
            report(Problem(where, f"{lost[0]} is a date cell: its text is lost", "format the column as text"))
            continue
        yield where, [_cell_text(value) for value in values[: len(header)]], (0, 0)
    if header is None:
        report(Problem(str(path), "is empty", "export the file again"))


def _is_date(value: Any) -> bool:
    return isinstance(value, (datetime.date, datetime.time, datetime.timedelta))


def _cell_text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return str(unescape(value))  # _x000D_ is how a workbook writes a carriage return
    formula = getattr(value, "text", None)  # an array formula: how a writer stores "{=...}"
    return f"{{{formula}}}" if isinstance(formula, str) else str(value)
