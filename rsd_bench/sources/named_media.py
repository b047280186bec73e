"""Files of media that a source names: bounded, plain files, and none outside its folder where a row gives the path."""

from __future__ import annotations

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
    path = (folder / name).resolve()
    if not path.is_relative_to(folder.resolve()):
        raise OSError(0, f"{name!r} lies outside the folder {folder}")
    return path


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
