"""What a Parquet file unpacks to, as the headers of its pages say.

The sizes in a footer bind nobody: 14 KB with a footer that told of 100 bytes unpacked to 400 MB. The header of a page
does: a reader allocates what it states, and a page that unpacks to more is an error. So the headers are walked before
anything is unpacked. Footer and headers are Thrift structs in the compact protocol
(https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md); the numbers below are fields of
https://github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift. Whatever two readers could take in
two ways (a field given twice, a number out of range) is refused, so that arrow reads what was walked.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_GROUPS, _ALGORITHM = 4, 8  # FileMetaData
_CHUNKS = 1  # RowGroup
_CHUNK, _CRYPTO = 3, 8  # ColumnChunk
_CHUNK_VALUES, _CHUNK_BYTES, _DATA_AT, _DICTIONARY_AT = 5, 7, 9, 11  # ColumnMetaData
_UNPACKED, _PACKED, _DATA, _DATA_V2 = 2, 3, 5, 8  # PageHeader
_VALUES, _ENCODING, _ENCODING_V2 = 1, 2, 4  # DataPageHeader, DataPageHeaderV2
_CODED = {2, 8}  # encodings that refer to a dictionary
_DELTA_BYTE_ARRAY = 7  # a text as what it shares with the one before: a short page tells of texts without end

_TRUE, _FALSE, _BYTE, _I16, _I32, _I64, _DOUBLE, _BINARY, _LIST, _STRUCT = 1, 2, 3, 4, 5, 6, 7, 8, 9, 12
_MAX_DEPTH = 12
_PAGE_BYTES = 64  # what a page costs besides its content
_MAX_FOOTER = 1 << 20  # a thousand row groups
_TAIL = 8  # length of the footer, and PAR1

_Fields = dict[int, tuple[int, Any]]  # kind and value by number


@dataclass(frozen=True)
class Pages:
    """What the headers of all pages of a file say."""

    unpacked_bytes: int
    coded: frozenset[int]  # positions of columns that refer to a dictionary: a text of it may stand behind every row


def read_pages(path: Path) -> Pages:
    """Walk the headers of a file's pages. ValueError where they are unsound, or an encoding knows no bound."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        size = int.from_bytes(data[-_TAIL : -_TAIL // 2], "little")
        if size > min(_MAX_FOOTER, len(data) - _TAIL):
            raise ValueError(f"has a footer of {size} bytes; write fewer row groups")
        footer = _Cursor(data, len(data) - _TAIL - size, len(data) - _TAIL).struct()
        if _ALGORITHM in footer:
            raise ValueError("is encrypted")
        groups = _get(footer, _GROUPS, _LIST)
        chunks = ((at, chunk) for group in groups for at, chunk in enumerate(_get(group, _CHUNKS, _LIST)))
        pages = [(at, size, coded) for at, chunk in chunks for size, coded in _pages(data, chunk)]
    return Pages(sum(size for _, size, _ in pages), frozenset(at for at, _, coded in pages if coded))


def _pages(data: mmap.mmap, chunk: _Fields) -> Iterator[tuple[int, bool]]:
    """Of each page of a column chunk the bytes that it unpacks to, and whether it refers to a dictionary."""
    if _CRYPTO in chunk:
        raise ValueError("is encrypted")
    column = _get(chunk, _CHUNK, _STRUCT)
    at = _get(column, _DATA_AT, _I64)
    if _DICTIONARY_AT in column and 0 < _get(column, _DICTIONARY_AT, _I64) < at:
        at = _get(column, _DICTIONARY_AT, _I64)
    stop = at + _get(column, _CHUNK_BYTES, _I64)
    if not 0 <= at <= stop <= len(data):
        raise ValueError("a column lies outside of the file")
    values = 0
    while at < stop:
        cursor = _Cursor(data, at, stop)
        header, coded = cursor.struct(), False
        for kind, encoding in ((_DATA, _ENCODING), (_DATA_V2, _ENCODING_V2)):
            if kind in header:
                page = _get(header, kind, _STRUCT)
                values += _get(page, _VALUES, _I32)
                of = _get(page, encoding, _I32)
                coded = coded or of in _CODED
                if of == _DELTA_BYTE_ARRAY:
                    raise ValueError("is encoded as DELTA_BYTE_ARRAY; write it with a dictionary or plain")
        yield _PAGE_BYTES + _get(header, _UNPACKED, _I32), coded
        at = cursor.at + _get(header, _PACKED, _I32)
    if values < _get(column, _CHUNK_VALUES, _I64):
        raise ValueError("a column has fewer values than its footer says")


def _get(fields: _Fields, number: int, kind: int) -> Any:
    """A field that must be there, of that kind; a number must be a size."""
    found, value = fields.get(number, (0, 0))
    if found != kind or (kind in (_I32, _I64) and not 0 <= value < 1 << (31 if kind == _I32 else 63)):
        raise ValueError(f"field {number} of a footer or page header is unsound")
    return value


class _Cursor:
    """Reads a struct of Thrift's compact protocol between two offsets; ValueError for what no Parquet file holds."""

    def __init__(self, data: mmap.mmap, at: int, stop: int) -> None:
        self.data, self.at, self.stop = data, at, stop

    def struct(self, depth: int = 0) -> _Fields:
        if depth > _MAX_DEPTH:
            raise ValueError("the footer or a page header is nested too deeply")
        fields: _Fields = {}
        number = 0
        while head := self._byte():
            number = number + (head >> 4) if head >> 4 else self._signed()
            if number in fields or not 0 < number < 1 << 15:
                raise ValueError(f"field {number} of a footer or page header stands twice or is unsound")
            kind = head & 15
            fields[number] = kind, kind == _TRUE if kind in (_TRUE, _FALSE) else self._value(kind, depth)
        return fields

    def _value(self, kind: int, depth: int) -> Any:
        if kind in (_I16, _I32, _I64):
            return self._signed()
        if kind == _BINARY:
            return self._skip(self._unsigned())
        if kind == _STRUCT:
            return self.struct(depth + 1)
        if kind == _LIST:
            return self._list(depth + 1)
        if kind in (_TRUE, _FALSE, _BYTE):  # flags in a list take a byte each
            return self._byte()
        if kind == _DOUBLE:
            return self._skip(8)
        raise ValueError(f"the footer or a page header holds a value of kind {kind}")

    def _list(self, depth: int) -> list[Any]:
        head = self._byte()
        size = head >> 4 if head >> 4 < 15 else self._unsigned()
        if size > self.stop - self.at:
            raise ValueError("the footer or a page header is cut short")
        return [self._value(head & 15, depth) for _ in range(size)]

    def _skip(self, size: int) -> None:
        self.at += size

    def _byte(self) -> int:
        if self.at >= self.stop:
            raise ValueError("the footer or a page header is cut short")
        self.at += 1
        return self.data[self.at - 1]

    def _unsigned(self) -> int:
        value = 0
        for shift in range(0, 70, 7):
            byte = self._byte()
            value |= (byte & 127) << shift
            if byte < 128 and value < 1 << 64:
                return value
        raise ValueError("the footer or a page header holds a number out of range")

    def _signed(self) -> int:
        value = self._unsigned()
        return (value >> 1) ^ -(value & 1)
