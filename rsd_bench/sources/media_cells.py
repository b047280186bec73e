"""Images, sounds and videos in a cell of a table: their bytes, base64, or the path of a file; one of them or a list.

A list keeps its order, which is that in which a model sees them. Bytes are decoded and files read when the medium is
asked for, not when the row is.
"""

from __future__ import annotations

import ast
import base64
import binascii
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from rsd_bench.sources.source import Media


@dataclass(frozen=True)
class MediaColumn:
    """How the cells of a column are read.

    kind: of its media, as in `source.MEDIA_KINDS`. read_path: the bytes of the file that a cell names (OSError where it
    may not or cannot be read). texts: what a text in a cell is: "path", "base64", or "" where it is no medium.
    """

    kind: str
    read_path: Callable[[str], bytes]
    texts: str = ""

    def media(self, cell: Any) -> tuple[Media, ...]:
        """The media of a cell; none where it is empty. ValueError that says what is wrong with it."""
        items = _items(cell) if self.texts else cell if isinstance(cell, list) else [cell]
        if len(items) == 1 and _is_empty(items[0]):
            return ()
        if any(map(_is_empty, items)):
            raise ValueError(f"holds an {self.kind} that is empty, among {len(items)}")
        return tuple(map(self._one, items))

    def _one(self, item: Any) -> Media:
        path = None
        if isinstance(item, Mapping) and {"bytes", "path"} & item.keys():
            item, path = item.get("bytes"), item.get("path")
        name = path if isinstance(path, str) else ""
        if isinstance(item, bytes):
            return Media(self.kind, lambda: item, name)
        if item is None and name:
            return Media(self.kind, partial(self.read_path, name), name)
        if isinstance(item, str) and self.texts == "path":
            return Media(self.kind, partial(self.read_path, item.strip()), item.strip())
        if isinstance(item, str) and self.texts == "base64":
            return Media(self.kind, partial(decoded, item), name)
        raise ValueError(f"is no {self.kind} column but {type(item).__name__}")


def row_media(
    columns: Sequence[MediaColumn], cells: Mapping[str, Any], names: Mapping[str, Any], stated: str
) -> tuple[tuple[Media, ...], list[str]]:
    """The media of a row, column by column, and what is wrong with its cells.

    cells, names: the cell, and what the table calls its column, by kind of media. stated: the modality that the map
    states of rows whose cells are empty; "" where it states none, and such a row is a fault.
    """
    media: list[Media] = []
    faults = []
    for column in columns:
        try:
            media += column.media(cells[column.kind])
        except ValueError as error:
            faults.append(f"{names[column.kind]} {error}")
    if columns and not (media or stated or faults):
        faults.append(f"{names[columns[0].kind]} holds no {columns[0].kind}")
    return tuple(media), faults


def _is_empty(item: Any) -> bool:
    if isinstance(item, Mapping):
        return not (item.get("bytes") or item.get("path"))
    return item is None or (isinstance(item, str) and not item.strip())


def _items(cell: Any) -> list[Any]:
    """The items of a cell, which may be a list that was written as text: JSON, or as Python prints one."""
    if isinstance(cell, str) and (text := cell.strip()).startswith("[") and text.endswith("]"):
        for read in (json.loads, ast.literal_eval):
            try:
                listed = read(text)
            except (ValueError, SyntaxError, MemoryError, RecursionError):
                continue
            if isinstance(listed, list) and all(isinstance(item, str) for item in listed):
                return listed or [None]
    return (cell or [None]) if isinstance(cell, list) else [cell]


def decoded(text: str) -> bytes:
    """The bytes of base64, plain or as a data URI. ValueError where it is none."""
    encoded = text.partition(",")[2] if text.lstrip().startswith("data:") else text
    try:
        return base64.b64decode("".join(encoded.split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise ValueError(f"is not base64: {error}") from None
