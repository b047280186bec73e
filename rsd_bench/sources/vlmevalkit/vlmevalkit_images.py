"""The images of a VLMEvalKit row: in base64 in its cell, in the cell of another row, or in files of a folder.

    image        base64, with or without `data:...,` before it; a Python or JSON list of several, in the order in which
                 the model saw them; or, at most 64 characters long, the index of the row whose images it shares
    image_path   path of a file in the folder, or a list of paths. A path of the machine that ran the kit is followed
                 from its end: /data/LMUData/images/Bench/7.jpg is Bench/7.jpg or 7.jpg in the folder
    neither      a file in the folder called after the row's `id`, else after its `index`, with any image's suffix

No path leaves the folder. Base64 is decoded when the rows are read, so that a broken cell costs its row, and again when
the image is asked for: no image is kept.
"""

from __future__ import annotations

import ast
import base64
import binascii
import csv
import json
import warnings
from collections.abc import Callable, Mapping
from functools import lru_cache, partial
from pathlib import Path, PurePosixPath

from rsd_bench.sources.ids import row_id
from rsd_bench.sources.named_media import image_in, way_out
from rsd_bench.sources.source import Media
from rsd_bench.sources.spreadsheets import row_at
from rsd_bench.types import InputError

LONGEST_REFERENCE = 64  # characters of an image cell that is an index; the limit is VLMEvalKit's
_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".tif", ".tiff")


def listed(cell: str) -> list[object]:
    """Items of a cell that is a list, as Python or JSON writes it; [] for any other."""
    cell = cell.strip()
    if not (cell.startswith("[") and cell.endswith("]")):
        return []
    try:
        items = json.loads(cell)
    except (ValueError, RecursionError):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of backslashes in the texts of others
                items = ast.literal_eval(cell)
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            return []
    return items if isinstance(items, list) else []


def encoded_images(cell: str) -> list[str]:
    """The images in base64 that a cell holds, in order."""
    return [str(item) for item in listed(cell)] or [cell]


def decoded(encoded: str) -> bytes:
    """The bytes of an image in base64. ValueError where it is none."""
    encoded = encoded.strip()
    encoded = encoded.partition(",")[2] if encoded.startswith("data:") else encoded
    try:
        data = base64.b64decode(encoded, validate=True)
    except ValueError:  # spaces and line breaks may stand in it: looking for them first would cost as much again
        try:
            data = base64.b64decode("".join(encoded.split()), validate=True)
        except (binascii.Error, ValueError) as error:
            raise ValueError(f"is not base64: {error}") from None
    if not data:
        raise ValueError("is empty")
    return data


def held_images(
    tsv: Path, span: tuple[int, int], positions: tuple[int, int], index: str, count: int
) -> tuple[Media, ...]:
    """The images that the row of the TSV at `span` holds in base64, read again from there when they are asked for.

    positions: where in a row the index and the image stand. index: that of the row, which must still be there then.
    """

    def read(at: int) -> bytes:
        try:
            cells = row_at(tsv, span)
            if row_id(cells[positions[0]]) != index:
                raise ValueError
            encoded = encoded_images(cells[positions[1]].strip())[at]
        except (StopIteration, csv.Error, ValueError, LookupError):
            raise OSError(0, f"{tsv} was changed while it was read") from None
        return decoded(encoded)

    names = [f"{at + 1} of {count}" if count > 1 else "" for at in range(count)]
    return tuple(Media("image", partial(read, at), name) for at, name in enumerate(names))


class ImageFolder:
    """A folder with the images of a benchmark."""

    def __init__(self, folder: Path) -> None:
        if not folder.is_dir():
            raise InputError.at(folder, "is no folder", "name the folder of the images")
        self.folder = folder
        self._called: Callable[[str], Mapping[str, list[str]]] = lru_cache(maxsize=None)(self._files_by_stem)

    def media(self, path: str) -> Media:
        return Media("image", partial(image_in, self.folder, path), path)

    def find(self, name: str) -> list[str]:
        """Paths in the folder of the files that a path or a name may mean; [] where there is none.

        Such a path may be a link out of the folder where no other is found: `way_out`.
        """
        parts = PurePosixPath(name.strip().replace("\\", "/")).parts
        tails = ["/".join(parts[at:]) for at in range(len(parts)) if ".." not in parts[at:] and parts[at] != "/"]
        outside: list[str] = []
        for tail in tails:
            files = self._files(tail)
            if files and not any(map(self.way_out, files)):
                return files
            outside = outside or files
        return outside

    def way_out(self, path: str) -> str:
        """How a path that was found leads out of the folder, over a link, in words; "" where it does not."""
        return way_out(self.folder, path)

    def _files(self, tail: str) -> list[str]:
        try:
            if (self.folder / tail).is_file():
                return [tail]
        except (OSError, ValueError):  # a name that is too long, or holds a zero byte
            return []
        parent, _, stem = tail.rpartition("/")
        return [f"{parent}/{file}" if parent else file for file in self._called(parent).get(stem, ())]

    def _files_by_stem(self, parent: str) -> Mapping[str, list[str]]:
        """Names of the image files of a folder by their stem."""
        by_stem: dict[str, list[str]] = {}
        try:
            names = sorted(path.name for path in (self.folder / parent).iterdir())
        except (OSError, ValueError):
            return {}
        for name in names:
            stem, dot, suffix = name.rpartition(".")
            if dot and f".{suffix.lower()}" in _SUFFIXES:
                by_stem.setdefault(stem, []).append(name)
        return by_stem
