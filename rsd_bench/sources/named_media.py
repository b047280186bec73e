"""Files of media that a source names: bounded, plain files, and none outside of its folder.

A row could lead out by its path, and a folder by a symbolic link, of which a cache of the Hub is full. Neither is
followed: whose file would go into a dataset that is published? The link is named, so that its file can be put there.
"""

from __future__ import annotations

import os
from pathlib import Path

from rsd_bench.config import MAX_MEDIA_BYTES
from rsd_bench.dataset.image_file import read_image_file, read_plain_file
from rsd_bench.types import InputError


def image_in(folder: Path, name: str) -> bytes:
    """The image that a row names by its path in `folder`. OSError where it lies elsewhere or cannot be read."""
    return image_at(_inside(folder, name), name)


def media_in(folder: Path, name: str) -> bytes:
    """The sound or video that a row names by its path in `folder`. OSError as of `image_in`."""
    return media_at(_inside(folder, name), name)


def _inside(folder: Path, name: str) -> Path:
    if what := way_out(folder, name):
        raise OSError(0, what)
    return (folder / name).resolve()


def way_out(folder: Path, name: str) -> str:
    """How the path `name` leads out of a folder, in words; "" where it does not."""
    if (folder / name).resolve().is_relative_to(folder.resolve()):
        return ""
    if Path(os.path.normpath(folder / name)).is_relative_to(os.path.normpath(folder)):
        for step in (folder / part for part in [*reversed(Path(name).parents), Path(name)] if part.parts):
            if step.is_symlink() and not step.resolve().is_relative_to(folder.resolve()):
                what = f"{str(step)!r} is a symbolic link to {str(step.resolve())!r}, outside of {str(folder)!r}"
                return f"{what}; put the files themselves there (cp -rL)"
    return f"{name!r} lies outside the folder {folder}"


def require_no_way_out(folder: Path, name: str) -> None:
    """InputError where a folder on the way from `folder` to the file `name` is a symbolic link that leads out of it."""
    for step in [folder / part for part in reversed(Path(name).parents) if part.parts]:
        if step.is_symlink() and not step.resolve().is_relative_to(folder.resolve()):
            what = f"is a symbolic link to {step.resolve()}, outside of {folder}"
            raise InputError.at(step, what, "put the folder itself there: nothing outside of a source's folder is read")


def image_at(path: Path, name: str) -> bytes:
    """The image at `path`. OSError that calls it `name` where it cannot be read."""
    try:
        return read_image_file(path)
    except (OSError, ValueError) as error:
        what = error.strerror if isinstance(error, OSError) else str(error)
        raise OSError(0, f"image {name!r}: {what}") from None


def media_at(path: Path, name: str) -> bytes:
    """The sound or video at `path`. OSError that calls it `name` where it cannot be read."""
    try:
        return read_plain_file(path, MAX_MEDIA_BYTES)
    except OSError as error:
        raise OSError(0, f"{name!r}: {error.strerror or error}") from None
