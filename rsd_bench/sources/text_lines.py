"""Lines of a table of text, one ahead: a row in which nothing is quoted needs no csv reader to be split.

The csv module looks at every character, which takes ten times as long where an image in base64 stands in a row.
"""

from __future__ import annotations

from typing import IO

MAX_CELL = 256 << 20  # characters; an image in base64 stands in one cell


def plain_cells(line: str, delimiter: str) -> list[str] | None:
    """The cells of a line in which nothing is quoted, as csv reads it; None for any other."""
    if '"' in line or len(line) > MAX_CELL:
        return None
    text = line.rstrip("\r\n")
    return text.split(delimiter) if text and "\r" not in text and "\n" not in text else None


class Lines:
    """Lines of a file as text, with the offset and the number of the last one that was taken."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._next = ""
        self._size = 0
        self.offset = 0
        self.number = 0

    def __iter__(self) -> Lines:
        return self

    def __next__(self) -> str:
        line = self._look()
        if not line:
            raise StopIteration
        self._next = ""
        self.offset += self._size
        self.number += 1
        return line

    def plain_row(self, delimiter: str) -> list[str] | None:
        """Take the next line if it is a row in which nothing is quoted; its cells."""
        cells = plain_cells(self._look(), delimiter)
        if cells is not None:
            next(self)
        return cells

    def _look(self) -> str:
        """The next line, which is not taken yet; "" at the end."""
        if not self._next:
            raw = self._stream.readline()
            self._size = len(raw)
            raw = raw if self.number else raw.removeprefix(b"\xef\xbb\xbf")
            # Bytes that are not UTF-8 become lone surrogates: the fault can be told of the row and not of the file.
            self._next = raw.decode("utf-8", "surrogateescape")
        return self._next
