"""Image files that a source names: bounded, plain files, and none outside its folder where a row gives the path."""

from __future__ import annotations

from pathlib import Path

from rsd_bench.dataset.image_file import read_image_file


def image_in(folder: Path, name: str) -> bytes:
    """The image that a row names by its path in `folder`. OSError where it lies elsewhere or cannot be read."""
    path = (folder / name).resolve()
    if not path.is_relative_to(folder.resolve()):
        raise OSError(0, f"image {name!r} lies outside the folder {folder}")
    return image_at(path, name)


def image_at(path: Path, name: str) -> bytes:
    """The image at `path`. OSError that calls it `name` where it cannot be read."""
    try:
        return read_image_file(path)
    except (OSError, ValueError) as error:
        what = error.strerror if isinstance(error, OSError) else str(error)
        raise OSError(0, f"image {name!r}: {what}") from None
