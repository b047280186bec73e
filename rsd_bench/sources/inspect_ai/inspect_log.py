"""Log files of inspect-ai: the header of a log, and its samples one by one.

    LOG.json    one object: version, status, eval, plan, results, stats, samples
    LOG.eval    a zip: header.json, or _journal/start.json in a log that was not finished (start.json and results.json
                before 2024-11), and samples/<id>_epoch_<n>.json

A log is a stranger's file: a .json is parsed at once up to MAX_LOG_BYTES, a .eval sample by sample, each up to that
size, with bounds on the number of entries and on what all of them unpack to. Entries are stored, deflated, or
compressed with Zstandard (zip method 93, which inspect-ai writes today and Python's zipfile does not read before 3.14).

NaN is no fault in these files: inspect-ai writes it as the value of a score that says "unscored". It is read as None.
"""

from __future__ import annotations

import re
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from rsd_bench.config import MAX_LOG_BYTES, MAX_LOG_ENTRIES, MAX_LOG_RATIO
from rsd_bench.jsonl import parse_json, parse_json_at
from rsd_bench.sources.inspect_hint import inspect_hint
from rsd_bench.sources.source import SourceProblem
from rsd_bench.types import InputError, Problem, Report

SUFFIXES = (".eval", ".json")
_ZSTD = 93
_PARTS = ("eval", "samples", "plan")
_HEADERS = ("header.json", "_journal/start.json", "start.json")
_SAMPLE = re.compile(r"samples/.+_epoch_\d+\.json", re.DOTALL)
_CHUNKED = re.compile(r"samples/.+_epoch_\d+/sample\.json", re.DOTALL)
_LOCAL_HEADER = struct.Struct("<4s22xHH")  # of a zip entry: signature, length of the name, of the extra field
_LOCAL_SIGNATURE = b"PK\x03\x04"
_DAMAGE = (
    *(OSError, ValueError, TypeError, AttributeError, RuntimeError, EOFError, LookupError, MemoryError),
    *(zipfile.BadZipFile, zlib.error, struct.error, pa.ArrowException),
)  # what reading a hostile zip raises
_CONVERT = "write the log anew: `inspect log convert LOG --to json --output-dir DIR`"


@dataclass(frozen=True)
class InspectLog:
    """A log without its samples. `header` holds `eval`, and `status` and `results` where the run got so far."""

    path: Path
    header: Mapping[str, Any]

    @property
    def task(self) -> str:
        return str(self.header["eval"]["task"])

    @property
    def model(self) -> str:
        return str(self.header["eval"]["model"])

    @property
    def status(self) -> str:
        return str(self.header.get("status", "started"))

    def of_eval(self, *path: str) -> Any:
        """What `eval` holds at a path of keys; None where there is nothing."""
        return _at(self.header["eval"], *path)

    def of_results(self, *path: str) -> Any:
        return _at(self.header.get("results"), *path)


def _at(value: Any, *path: str) -> Any:
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def read_log(path: Path) -> InspectLog | None:
    """The log at `path`; None for other JSON. Raises InputError where it cannot be read or names no task and model."""
    with _reading(path):
        if path.suffix == ".eval":
            with _archive(path) as archive:
                names = set(archive.namelist())
                found = next((name for name in _HEADERS if name in names), None)
                if found is None:
                    raise ValueError("holds no header.json: it is no log of inspect-ai")
                header = _parse(_unpacked(archive, archive.getinfo(found)))
                if found == "start.json" and "results.json" in names:
                    header = {**_parse(_unpacked(archive, archive.getinfo("results.json"))), **header}
        else:
            header = _header(_text_of(path))
    if not isinstance(header, dict) or header.keys().isdisjoint(_PARTS):
        return None
    if not isinstance(header.get("eval"), dict):
        raise InputError.at(path, "has no `eval`, which says what was run", "name the log as inspect-ai wrote it")
    for name in ("task", "model"):
        if not isinstance(value := header["eval"].get(name), str) or not value.strip():
            raise InputError.at(path, f"eval.{name} is no text", "name the log as inspect-ai wrote it")
    return InspectLog(path, {name: value for name, value in header.items() if name != "samples"})


def samples_of(log: InspectLog, report: Report) -> Iterator[tuple[str, Any]]:
    """Where each sample stands, and its JSON value. An entry that cannot be read goes to `report`."""
    with _reading(log.path):
        if log.path.suffix != ".eval":
            for name, number, value in _members(_text_of(log.path)):
                if number is not None:
                    yield f"{log.path}: samples[{number}]", value
                elif name == "samples" and value is not None:
                    raise ValueError("`samples` is no list")
            return
        with _archive(log.path) as archive:
            entries: dict[str, list[zipfile.ZipInfo]] = {}
            for info in archive.infolist():
                entries.setdefault(info.filename, []).append(info)
            for name, (info, *again) in entries.items():
                where = f"{log.path}: {repr(name)[1:-1]}"  # on one line, whatever is in the name
                if _CHUNKED.fullmatch(name):
                    report(Problem(where, "is a sample in chunks, which are not read", _CONVERT))
                if not _SAMPLE.fullmatch(name):
                    continue
                if any((other.CRC, other.file_size) != (info.CRC, info.file_size) for other in again):
                    report(SourceProblem(where, "stands twice in the log, and differs", "keep one of them"))
                    continue
                try:
                    sample = _parse(_unpacked(archive, info))
                except _DAMAGE as error:
                    report(Problem(where, f"cannot be read: {_said(error)}", _CONVERT))
                    continue
                yield where, sample


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    try:
        yield
    except InputError:
        raise
    except _DAMAGE as error:
        fix = f"name a log as inspect-ai wrote it, or {inspect_hint(path)} to see what this is"
        raise InputError.at(path, f"cannot be read: {_said(error)}", fix) from None


def _said(error: BaseException) -> str:
    if isinstance(error, UnicodeDecodeError):
        return "it is no UTF-8 text"
    what = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return " ".join(what.split())[:200] or type(error).__name__


def _text_of(path: Path) -> str:
    found = path.stat()
    if not stat.S_ISREG(found.st_mode):  # a pipe would be waited for
        raise ValueError("it is no plain file")
    if found.st_size > MAX_LOG_BYTES:
        fix = "`inspect log convert --to eval` makes it one that is read sample by sample"
        raise InputError.at(path, f"has {found.st_size:,} bytes, more than {MAX_LOG_BYTES:,}", fix)
    return path.read_bytes().decode("utf-8-sig")


def _header(text: str) -> dict[str, Any] | None:
    """All but the samples of a log that is one JSON object; None for other JSON. What follows samples is not needed."""
    if not text.lstrip().startswith("{"):
        parse_json(text, nan=True)
        return None
    header: dict[str, Any] = {}
    for name, number, value in _members(text):
        if number is not None and "eval" in header:
            break
        header |= {name: value} if number is None else {name: None}
    return header


def _members(text: str) -> Iterator[tuple[str, int | None, Any]]:
    """The members of the object that a text holds, one at a time: name, None, value.

    Those of `samples`, if it is a list, come one at a time as well: "samples", number, value. A log is so never held
    whole beside its text. Raises ValueError where the text is no JSON object.
    """
    place = _Place(text)
    names: set[str] = set()
    place.need("{")
    while not place.take("}"):
        if names:
            place.need(",")
        name = place.value()
        if not isinstance(name, str) or name in names:
            raise ValueError(f"not JSON: key {str(name)[:40]!r} is no text, or stands twice")
        names.add(name)
        place.need(":")
        if name != "samples" or not place.take("["):
            yield name, None, place.value()
            continue
        number = 0
        while not place.take("]"):
            if number:
                place.need(",")
            yield name, number, place.value()
            number += 1
    if place.left():
        raise ValueError("not JSON: something follows the object")


class _Place:
    """How far a JSON text is read."""

    def __init__(self, text: str) -> None:
        self._text, self._at = text, 0

    def left(self) -> str:
        """The next character that is no space; "" at the end."""
        while (mark := self._text[self._at : self._at + 1]) and mark in " \t\r\n":
            self._at += 1
        return mark

    def take(self, mark: str) -> bool:
        found = self.left() == mark
        self._at += found
        return found

    def need(self, mark: str) -> None:
        if not self.take(mark):
            raise ValueError(f"not JSON: {mark!r} is missing at character {self._at}")

    def value(self) -> Any:
        self.left()
        value, self._at = parse_json_at(self._text, self._at)
        return value


def _parse(data: bytes) -> Any:
    return parse_json(data.decode("utf-8-sig"), nan=True)


@contextmanager
def _archive(path: Path) -> Iterator[zipfile.ZipFile]:
    found = path.stat()
    if not stat.S_ISREG(found.st_mode):
        raise ValueError("it is no plain file")
    with zipfile.ZipFile(path) as archive:
        entries = archive.infolist()
        if len(entries) > MAX_LOG_ENTRIES:
            raise ValueError(f"it has {len(entries):,} entries, more than {MAX_LOG_ENTRIES:,}")
        unpacked = sum(info.file_size for info in entries)  # entries that overlap count each
        if unpacked > max(MAX_LOG_BYTES, MAX_LOG_RATIO * found.st_size):
            raise ValueError(f"it unpacks to {unpacked:,} bytes, more than {MAX_LOG_RATIO} times its own size")
        yield archive


def _unpacked(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    """The bytes of an entry, at most as many as its header states. Raises one of _DAMAGE."""
    if info.file_size > MAX_LOG_BYTES:
        raise ValueError(f"it unpacks to {info.file_size:,} bytes, more than {MAX_LOG_BYTES:,}")
    if info.compress_type == _ZSTD:
        return _unpacked_zstd(archive, info)
    with archive.open(info) as stream:
        return stream.read(info.file_size + 1)  # zipfile checks length and CRC


def _unpacked_zstd(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    file = archive.fp
    if file is None or info.flag_bits & 1:
        raise ValueError("it is encrypted")
    file.seek(info.header_offset)
    signature, name, extra = _LOCAL_HEADER.unpack(file.read(_LOCAL_HEADER.size))
    if signature != _LOCAL_SIGNATURE:
        raise ValueError("its entry is damaged")
    file.seek(name + extra, 1)
    packed = file.read(min(info.compress_size, MAX_LOG_BYTES))
    with pa.input_stream(pa.BufferReader(packed), compression="zstd") as stream:
        data: bytes = stream.read(info.file_size + 1)
    if len(data) != info.file_size or zlib.crc32(data) != info.CRC:
        raise ValueError("its bytes are not those that were written (length or CRC)")
    return data
