"""Rows of a table that somebody else wrote: .csv, .tsv, .jsonl, .json (these also as .gz) or .parquet, one at a time.

A cell is what the format makes of it: text in .csv and .tsv, typed values elsewhere; column names are kept as they are.
A row that cannot be read is a Problem and left out; where no more can be read, that is a SourceProblem. A pickle is
never opened: doing so runs whatever program its author put there.
"""

from __future__ import annotations

import csv
import gzip
import io
import re
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, cast

import pyarrow as pa
import pyarrow.parquet as pq

from rsd_bench.jsonl import parse_json
from rsd_bench.sources.inspect_hint import inspect_hint
from rsd_bench.sources.json_records import JsonRecords
from rsd_bench.sources.source import SourceProblem
from rsd_bench.types import InputError, Problem, Report

HEAD = "head"  # in a row of a JSON file: what stands beside the list of rows
KINDS = {".csv": "csv", ".tsv": "tsv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "json", ".parquet": "parquet"}
_DELIMITERS = {"csv": ",", "tsv": "\t"}
_PICKLES = (".pkl", ".pickle", ".p", ".joblib", ".pt", ".pth")
_BATCH, _BATCH_BYTES = 1_000, 16 << 20  # rows of Parquet in memory, and about how many bytes
_MAX_LINE = 256 << 20  # bytes; an image in base64 stands in one cell
_UNDECODED = re.compile("[\udc80-\udcff]")
_UNREADABLE = (OSError, EOFError, zlib.error, ValueError, pa.ArrowException)

Wanted = Callable[[str], bool]


@dataclass(frozen=True)
class TableRow:
    """A row: its number from 1, and where it stands: a line of a text, else its number."""

    path: Path
    number: int
    place: int
    cells: Mapping[str, Any]
    by_line: bool

    @property
    def where(self) -> str:
        return place_of(self.path, self.place, self.by_line)


def table_name(path: Path) -> str:
    """The name of a table: that of its file without what tells its format."""
    return Path(path.name.removesuffix(".gz")).stem


def place_of(path: Path, place: int, by_line: bool) -> str:
    return f"{path}:{place}" if by_line else f"{path}: row {place}"


@dataclass
class TableFile:
    """A table. columns: the names that its rows had, complete once all were read; unreadable: whether they were not."""

    path: Path
    kind: str
    records: str = ""
    columns: dict[str, None] = field(default_factory=dict)
    unreadable: bool = False

    @property
    def by_line(self) -> bool:
        return self.kind in ("csv", "tsv", "jsonl")

    def rows(self, report: Report, wanted: Wanted = lambda name: True) -> Iterator[TableRow]:
        """The rows. wanted: which columns are read, where the format can leave out others (Parquet)."""
        number = 0
        try:
            for number, place, cells in self._read(report, wanted):
                if not self.columns.keys() >= cells.keys():
                    self.columns |= dict.fromkeys(cells)
                yield TableRow(self.path, number, place, cells, self.by_line)
        except _UNREADABLE as error:
            missing = isinstance(error, FileNotFoundError)
            what = f"cannot be read{f' behind row {number}' if number else ''}: {_one_line(error)}"
            again = f"export the file again, or {inspect_hint(self.path)} to see what it is"
            fix = "name a readable file" if missing else again
            report(SourceProblem(str(self.path), "no such file" if missing else what, fix))
            self.unreadable = True
            return
        if not number:
            self.unreadable = True
            report(SourceProblem(str(self.path), "has no rows", "export the file again, or leave it out"))

    def _read(self, report: Report, wanted: Wanted) -> Iterator[tuple[int, int, Mapping[str, Any]]]:
        if self.kind == "parquet":
            return self._parquet(wanted)
        if self.kind == "json":
            return self._json(report)
        return self._lines(report) if self.kind == "jsonl" else self._delimited(report)

    def open(self) -> IO[bytes]:
        """The bytes of the file, unpacked."""
        if self.path.suffix.lower() == ".gz":
            return cast("IO[bytes]", gzip.open(self.path))
        return self.path.open("rb")

    def _parquet(self, wanted: Wanted) -> Iterator[tuple[int, int, Mapping[str, Any]]]:
        number = 0
        with pq.ParquetFile(self.path) as file:
            names = file.schema_arrow.names
            self.columns |= dict.fromkeys(names)
            if twice := sorted({name for name in names if names.count(name) > 1 and wanted(name)}):
                raise ValueError(f"columns stand twice: {', '.join(twice)}")
            for batch in parquet_batches(file, [name for name in names if wanted(name)]):
                for cells in batch.to_pylist():
                    number += 1
                    yield number, number, cells

    def _json(self, report: Report) -> Iterator[tuple[int, int, Mapping[str, Any]]]:
        head: dict[str, Any] = {}
        if self.records:  # what stands beside the rows may stand behind them
            with self.open() as stream:
                document = JsonRecords(io.TextIOWrapper(stream, "utf-8-sig"), self.records)
                for _ in document:
                    pass
                head = {HEAD: document.beside}
        with self.open() as stream:
            for number, row in enumerate(JsonRecords(io.TextIOWrapper(stream, "utf-8-sig"), self.records), 1):
                if not isinstance(row, dict):
                    report(Problem(f"{self.path}: row {number}", "is no object", "give a row as {column: value}"))
                    row = None
                elif head.keys() & row.keys():
                    raise ValueError(f"a row has a column {HEAD!r}, which is what stands beside the rows")
                if row is not None:
                    yield number, number, row | head

    def _lines(self, report: Report) -> Iterator[tuple[int, int, Mapping[str, Any]]]:
        number = 0
        with self.open() as stream:
            for line, raw in enumerate(_bounded_lines(stream), 1):
                if not (text := raw.strip()):
                    continue
                number += 1
                try:
                    row = parse_json(text.decode())
                    if not isinstance(row, dict):
                        raise ValueError("is no object")
                except UnicodeDecodeError:
                    report(Problem(f"{self.path}:{line}", "not UTF-8", "save the file as UTF-8"))
                except ValueError as error:
                    report(Problem(f"{self.path}:{line}", str(error), "one JSON object a line"))
                else:
                    yield number, line, row

    def _delimited(self, report: Report) -> Iterator[tuple[int, int, Mapping[str, Any]]]:
        # The limit of the csv module is one per process and far below the size of an image; it is only ever raised.
        csv.field_size_limit(max(csv.field_size_limit(), _MAX_LINE))
        header: list[str] | None = None
        number = 0
        with self.open() as stream:
            # Bytes that are not UTF-8 become lone surrogates, so that the fault is told of the row, not of the file.
            lines = (raw.decode("utf-8", "surrogateescape") for raw in _bounded_lines(stream))
            reader = csv.reader(lines, delimiter=_DELIMITERS[self.kind], strict=True)
            while True:
                place = reader.line_num + 1
                try:
                    cells = next(reader)
                    fault = _fault(cells, header)
                except StopIteration:
                    return
                except csv.Error as error:
                    cells, fault = [""], f"not a table row: {error}"
                if not cells:
                    continue
                if header is None:
                    if fault:
                        raise ValueError(f"line {place}: {fault}")
                    header = [cell.strip() for cell in cells]
                    self.columns |= dict.fromkeys(filter(None, header))
                    continue
                number += 1
                if fault:
                    fix = "fix the row; quote cells that hold a delimiter, a quote or a line break"
                    report(Problem(f"{self.path}:{place}", fault, fix))
                else:
                    yield number, place, dict(zip(header, cells, strict=True))


def parquet_batches(file: pq.ParquetFile, columns: Iterable[str]) -> Iterator[pa.RecordBatch]:
    """These columns of a Parquet file: fewer rows at once where they are heavy, as with images in them."""
    groups = [file.metadata.row_group(at) for at in range(file.metadata.num_row_groups)]
    heaviest = max((group.total_byte_size / max(group.num_rows, 1) for group in groups), default=0.0)
    rows = int(min(_BATCH, max(1, _BATCH_BYTES / max(heaviest, 1.0))))
    yield from file.iter_batches(rows, columns=list(columns))


def _fault(cells: list[str], header: list[str] | None) -> str:
    if any(not cell.isascii() and _UNDECODED.search(cell) for cell in cells):
        return "not UTF-8"
    if header is None:
        names = [cell.strip() for cell in cells]
        twice = sorted({name for name in names if name and names.count(name) > 1})
        return f"columns stand twice: {', '.join(twice)}" if twice else ""
    if len(cells) != len(header):
        return f"row has {len(cells)} cells, the header {len(header)}"
    return ""


def _bounded_lines(stream: IO[bytes]) -> Iterator[bytes]:
    first = True
    while raw := stream.readline(_MAX_LINE + 1):
        if len(raw) > _MAX_LINE:
            raise ValueError("a line is longer than 256 MiB")
        yield raw.removeprefix(b"\xef\xbb\xbf") if first else raw
        first = False


def _one_line(error: BaseException) -> str:
    strerror = error.strerror if isinstance(error, OSError) else None
    return " ".join(str(strerror or error).split())[:200] or type(error).__name__


def is_pickle(path: Path) -> bool:
    """Whether a file is a pickle, by its name or its first bytes; it is not unpickled."""
    names = path.name.lower().removesuffix(".gz").removesuffix(".bz2").removesuffix(".xz")
    if names.endswith(_PICKLES):
        return True
    try:
        with path.open("rb") as stream:
            start = stream.read(2)
    except OSError:
        return False
    return len(start) == 2 and start[0] == 0x80 and 2 <= start[1] <= 5  # PROTO and its number


def unpickling_fix(path: Path) -> str:
    """What to do about a pickle."""
    parquet = f"{path.stem}.parquet"
    return (
        "a pickle runs code when it is opened: where you trust its author, write it as Parquet yourself, as in "
        f'pandas.read_pickle("{path.name}").to_parquet("{parquet}"), and import that'
    )


def table_file(path: Path, records: str = "") -> TableFile:
    """The table at `path`. InputError where it is none of those that are read."""
    if path.is_dir():
        raise InputError.at(path, "is a folder", f"name its files; {inspect_hint(path)} to see what they are")
    if path.exists() and not path.is_file():  # a pipe could be read once, and would be waited for
        raise InputError.at(path, "is no plain file", "write it to a file: it is read three times")
    if is_pickle(path):
        raise InputError.at(path, "is a pickle, which is not read", unpickling_fix(path))
    name = path.name.lower()
    suffix = Path(name.removesuffix(".gz")).suffix
    kind = KINDS.get(suffix)
    if kind is None or (kind == "parquet" and name.endswith(".gz")):
        known = ", ".join(KINDS)
        raise InputError.at(path, f"is no table that is read: {known}", f"{inspect_hint(path)} to see what it is")
    return TableFile(path, kind, records if kind == "json" else "")
