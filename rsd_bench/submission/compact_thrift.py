"""Read a struct of Thrift's compact protocol, so strictly that no other reader can take it in another way.

https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md. Refused (ValueError): a field given
twice, a number out of range, kinds that Parquet has no use for, and a list that is not foreseen or says of its elements
what they are not. A reader made for a struct never looks at what a list says: it reads the elements that it expects,
and would find other fields behind them than one that believes the list.
"""

from __future__ import annotations

from collections.abc import Mapping
from mmap import mmap
from typing import Any

TRUE, FALSE, BYTE, I16, I32, I64, DOUBLE, BINARY, LIST, STRUCT = 1, 2, 3, 4, 5, 6, 7, 8, 9, 12
_MAX_DEPTH = 12
_SHORT = "the footer or a page header is cut short"

#: By the number of a field: the Shape of a struct or of a list's structs, or the kind of a list's other elements.
Shape = Mapping[int, Any]
Fields = dict[int, tuple[int, Any]]  # kind and value by number; of a text, nothing


def read_struct(data: mmap, at: int, stop: int, shape: Shape) -> tuple[Fields, int]:
    """The fields of the struct at an offset, and where it ends; nothing is read from `stop` on."""
    cursor = _Cursor(data, at, stop)
    return cursor.struct(shape, 0), cursor.at


def value_of(fields: Fields, number: int, kind: int) -> Any:
    """A field that must be there, of that kind; a number must be a size."""
    found, value = fields.get(number, (0, 0))
    if found != kind or (kind in (I32, I64) and not 0 <= value < 1 << (31 if kind == I32 else 63)):
        raise ValueError(f"field {number} of a footer or page header is unsound")
    return value


class _Cursor:
    """Where in the data the reading is."""

    def __init__(self, data: mmap, at: int, stop: int) -> None:
        self.data, self.at, self.stop = data, at, stop

    def struct(self, shape: Shape, depth: int) -> Fields:
        if depth > _MAX_DEPTH:
            raise ValueError("the footer or a page header is nested too deeply")
        fields: Fields = {}
        number = 0
        while head := self._byte():
            number = number + (head >> 4) if head >> 4 else self._signed()
            if number in fields or not 0 < number < 1 << 15:
                raise ValueError(f"field {number} of a footer or page header stands twice or is unsound")
            kind = head & 15
            fields[number] = kind, self._value(kind, shape.get(number), depth)
        return fields

    def _value(self, kind: int, inner: Any, depth: int) -> Any:
        """inner: what the shape says of the field."""
        if kind in (TRUE, FALSE):
            return kind == TRUE
        if kind in (I16, I32, I64):
            return self._signed()
        if kind == STRUCT:
            return self.struct(inner if isinstance(inner, Mapping) else {}, depth + 1)
        if kind == LIST:
            return self._list(inner, depth + 1)
        if kind not in (BYTE, DOUBLE, BINARY):
            raise ValueError(f"the footer or a page header holds a value of kind {kind}")
        size = {BYTE: 1, DOUBLE: 8}.get(kind) or self._unsigned()
        self.at += size
        return None

    def _list(self, inner: Any, depth: int) -> list[Any]:
        head = self._byte()
        size = head >> 4 if head >> 4 < 15 else self._unsigned()
        if size > self.stop - self.at:
            raise ValueError(_SHORT)
        kind = STRUCT if isinstance(inner, Mapping) else inner
        if size and head & 15 != kind:
            raise ValueError(f"the footer or a page header holds a list of kind {head & 15} where none belongs")
        return [self._value(kind, inner, depth) for _ in range(size)]

    def _byte(self) -> int:
        if self.at >= self.stop:
            raise ValueError(_SHORT)
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
