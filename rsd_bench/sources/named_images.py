"""Media files that a source names: bounded, plain files, and none outside its folder where a row gives the path."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

from rsd_bench.config import MAX_MEDIA_BYTES
from rsd_bench.dataset.image_file import read_bounded, read_image_file


def media_in(folder: Path, name: str, kind: str) -> bytes:
    """The image, sound or video that a row names by its path in `folder`. OSError as of `image_in`."""
    if kind == "image":
        return image_in(folder, name)
    path = _inside(folder, name, kind)
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # a pipe would be waited for
            raise OSError(0, "is no plain file")
        with path.open("rb") as file:
            return read_medium(file, kind)
    except OSError as error:
        raise OSError(0, f"{kind} {name!r}: {error.strerror}") from None


def read_medium(stream: Any, kind: str) -> bytes:
    """The bytes of a binary stream that holds an image, a sound or a video. OSError where they are too many."""
    if kind == "image":
        return read_bounded(stream)
    data: bytes = stream.read(MAX_MEDIA_BYTES + 1)
    if len(data) > MAX_MEDIA_BYTES:
        raise OSError(0, f"has more than {MAX_MEDIA_BYTES:,} bytes; cut it")
    return data


def image_in(folder: Path, name: str) -> bytes:
    """The image that a row names by its path in `folder`. OSError where it lies elsewhere or cannot be read."""
    return image_at(_inside(folder, name, "image"), name)


def _inside(folder: Path, name: str, kind: str) -> Path:
    path = (folder / name).resolve()
    if not path.is_relative_to(folder.resolve()):
        raise OSError(0, f"{kind} {name!r} lies outside the folder {folder}")
    return path


def image_at(path: Path, name: str) -> bytes:
    """The image at `path`. OSError that calls it `name` where it cannot be read."""
    try:
        return read_image_file(path)
    except (OSError, ValueError) as error:
        what = error.strerror if isinstance(error, OSError) else str(error)
        raise OSError(0, f"image {name!r}: {what}") from None
