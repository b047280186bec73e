"""The rows of a JSON document, one at a time: of a list, or of a list within objects, and what stands beside it.

    [{...}, {...}]                                            records ""
    {"model": "m", "data": {"rows": [{...}, {...}]}}          records "data.rows"; beside it: {"model": "m", "data": {}}

The document is never in memory as a whole: a window of it is, as large as its largest value. Each value is read by
`jsonl.parse_json`, so the rules are those of JSON Lines. A fault is a ValueError.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import IO, Any

from rsd_bench.jsonl import parse_json

_CHUNK = 1 << 16  # characters read at once, at first
_MAX_VALUE = 64 << 20  # characters of a value; a row is text and figures
_SCAN = json.JSONDecoder()
_WHITE = " \t\n\r"
_ENDS = (*_WHITE, *",:]}")  # what stands behind a value


class JsonRecords:
    """Iterate once for the rows; `beside` is complete when that is done."""

    def __init__(self, stream: IO[str], records: str = "") -> None:
        self.beside: dict[str, Any] = {}
        self._records = records
        self._window = _Window(stream)

    def __iter__(self) -> Iterator[Any]:
        path = self._records.split(".") if self._records else []
        yield from self._walk(path, self.beside)
        if self._window.peek():
            raise ValueError("not JSON: the document goes on behind its end")

    def _walk(self, path: Sequence[str], beside: dict[str, Any]) -> Iterator[Any]:
        """The rows of the value that comes next, at `path` within it."""
        window = self._window
        if not path:
            if window.peek() != "[":
                lines = "is no list; state `records` where it holds one, or call a file of JSON Lines .jsonl"
                raise ValueError(f"has no list at {self._records}" if self._records else lines)
            yield from window.items("[]")
            return
        if window.peek() != "{":
            raise ValueError(f"has no {self._records}")
        seen = set()
        for key in window.items("{}"):
            if key in seen:
                raise ValueError(f"key {key!r} stands twice")
            seen.add(key)
            window.take(":")
            if key == path[0]:
                yield from self._walk(path[1:], beside.setdefault(key, {}) if path[1:] else {})
            else:
                beside[key] = window.value()
        if path[0] not in seen:
            raise ValueError(f"has no {self._records}; it has {', '.join(map(str, seen)) or 'nothing'}")


class _Window:
    """The part of a stream that is being read."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream, self._text, self._at, self._ended = stream, "", 0, False

    def items(self, brackets: str) -> Iterator[Any]:
        """The items of a list, or the keys of an object, whose values the caller reads."""
        self.take(brackets[0])
        if self.peek() == brackets[1]:
            self.take(brackets[1])
            return
        while True:
            if brackets == "{}" and self.peek() != '"':
                raise ValueError(f"not JSON: a key must stand where {self.peek() or 'the file ends'!r} is")
            yield self.value()
            if self.peek() != ",":
                self.take(brackets[1])
                return
            self.take(",")

    def peek(self) -> str:
        """The next character that is no white space; "" at the end."""
        while True:
            while self._at < len(self._text) and self._text[self._at] in _WHITE:
                self._at += 1
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._more(_CHUNK):
                return ""

    def take(self, character: str) -> None:
        if (found := self.peek()) != character:
            what = repr(found) if found else "the end of the file"
            raise ValueError(f"not JSON: {character!r} must stand where {what} is")
        self._at += 1

    def value(self) -> Any:
        """The next value. One that nothing ends within the window ("4" of 4.5) may go on behind it."""
        self.peek()
        size = _CHUNK
        while True:
            try:
                end = _SCAN.raw_decode(self._text, self._at)[1]
            except (json.JSONDecodeError, RecursionError):
                end = len(self._text)
            if self._text[end : end + 1] in _ENDS or not self._more(size):
                break
            size *= 2
            if len(self._text) > _MAX_VALUE:
                raise ValueError("holds a value of more than 64 MiB, or one that does not end")
        value = parse_json(self._text[self._at : end])
        self._at = end
        return value

    def _more(self, size: int) -> bool:
        """Read on; False at the end. The text that was read before `_at` goes."""
        if self._ended:
            return False
        chunk = self._stream.read(size)
        self._text, self._at = self._text[self._at :] + chunk, 0
        self._ended = not chunk
        return bool(chunk)


def top_level(stream: IO[str]) -> Iterator[tuple[str, Any, bool]]:
    """The parts of a document as they come: key, value, and whether it is one of a list under that key.

    The key is "" where the document is a list itself.
    """
    window = _Window(stream)
    if window.peek() == "[":
        yield from (("", item, True) for item in window.items("[]"))
        return
    for key in window.items("{}"):
        window.take(":")
        if window.peek() == "[":
            yield from ((key, item, True) for item in window.items("[]"))
        else:
            yield key, window.value(), False
    if window.peek():
        raise ValueError("holds more than one JSON document; call a file of JSON Lines .jsonl")
