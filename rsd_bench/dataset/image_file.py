"""Images that strangers made: the one place where bytes are opened as an image.

Six kinds are read (`image_kinds.IMAGE_FORMATS`), within bounds of bytes and pixels that are looked at before anything
is decoded; no program is ever started. What the pixels are then: `image_pixels`. Images of many pixels are decoded and
used one at a time, however many threads read images.
"""

from __future__ import annotations

import io
import logging
import stat
import struct
import threading
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

from PIL import Image, ImageFile, UnidentifiedImageError
from PIL.ExifTags import Base as Tag

from rsd_bench.config import LARGE_IMAGE_PIXELS, MAX_IMAGE_BYTES, MAX_IMAGE_PIXELS
from rsd_bench.dataset.image_kinds import IMAGE_FORMATS, image_kind
from rsd_bench.dataset.image_pixels import eight_bits_on_white, upright

#: Raise when another picture is made of a file: figures that a store keeps of its images are computed again.
PIXELS_VERSION = 2

_DAMAGE = (
    *(OSError, SyntaxError, ValueError, TypeError, LookupError, ArithmeticError, RuntimeError, AttributeError),
    *(AssertionError, EOFError, MemoryError, struct.error, zlib.error, Image.DecompressionBombError),
)  # what Pillow's readers raise on hostile bytes
_NAMES = f"{', '.join(IMAGE_FORMATS[:-1])} or {IMAGE_FORMATS[-1]}"
_large = threading.RLock()
logging.getLogger("PIL").addHandler(logging.NullHandler())  # else what it logs of a damaged file lands on stderr


def read_image_file(path: Path) -> bytes:
    """The bytes of an image file. OSError where it cannot be read, is no plain file or has too many bytes."""
    return read_plain_file(path, MAX_IMAGE_BYTES)


def read_plain_file(path: Path, most: int) -> bytes:
    """The bytes of a file. OSError where it cannot be read, is no plain file or has more than `most` bytes."""
    mode = path.stat().st_mode
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):  # a pipe would be waited for
        raise OSError(0, "is no plain file; put the file itself there")
    with path.open("rb") as file:
        return read_bounded(file, most)


def read_bounded(stream: Any, most: int | None = None) -> bytes:
    """The bytes of a binary stream. OSError where there are more than `most`, by default than an image may have."""
    most = MAX_IMAGE_BYTES if most is None else most
    data: bytes = stream.read(most + 1)
    if len(data) > most:
        raise OSError(0, f"has more than {most:,} bytes; make it smaller")
    return data


class TooLarge(ValueError):  # noqa: N818 - a finding, as InputError is one
    """An image of more bytes or pixels than are ever decoded."""


@contextmanager
def open_image(data: bytes) -> Iterator[Image.Image]:
    """What a viewer shows of an image file, decoded, as mode L or RGB, for use in the block.

    Raises ValueError that says why and what to do where the bytes are no such image or do not decode whole.
    """
    with _identified(data) as opened, _large if opened.width * opened.height > LARGE_IMAGE_PIXELS else nullcontext():
        try:
            with _quiet:
                image = upright(eight_bits_on_white(opened), _orientation(opened))
        except _DAMAGE as error:
            raise _refused(_damage(error)) from None
        yield image


def pixels_of(data: bytes) -> int:
    """How many pixels an image has by its head, undecoded. ValueError where it is none, TooLarge beyond bounds."""
    with _identified(data) as opened:
        return opened.width * opened.height


def _identified(data: bytes) -> ImageFile.ImageFile:
    """The image before its pixels are decoded. ValueError where there is none, or one out of bounds."""
    if len(data) > MAX_IMAGE_BYTES:
        raise TooLarge(_said(f"it has {len(data):,} bytes, more than {MAX_IMAGE_BYTES:,}; make it smaller"))
    kind = image_kind(data)
    if kind is not None and kind not in IMAGE_FORMATS:
        raise _refused(f"it is {kind}; give the image as {_NAMES}")
    try:
        with _quiet:
            opened = Image.open(io.BytesIO(data), formats=IMAGE_FORMATS)
    except UnidentifiedImageError:
        what = f"its {kind} is damaged or of a rare kind" if kind else f"it is none of {_NAMES}"
        what = what if data else "it is empty"
        raise _refused(f"{what}; save it as PNG or JPEG again") from None
    except Image.DecompressionBombError:
        raise TooLarge(_said("it has too many pixels; make it smaller")) from None
    except _DAMAGE as error:
        raise _refused(_damage(error)) from None
    pixels = opened.width * opened.height
    if pixels > MAX_IMAGE_PIXELS:
        raise TooLarge(_said(f"it has {pixels:,} pixels, more than {MAX_IMAGE_PIXELS:,}; make it smaller"))
    if not pixels:
        raise _refused("it has no pixels; save it as PNG or JPEG again")
    return opened


def _refused(why: str) -> ValueError:
    return ValueError(_said(why))


def _said(why: str) -> str:
    return f"is not an image that can be read: {why}"


def _damage(error: BaseException) -> str:
    what = " ".join(str(error).split())[:200] or type(error).__name__
    return f"it is damaged: {what}; fetch it again, or save it as PNG or JPEG"


def _orientation(opened: Image.Image) -> Any:
    try:
        return opened.getexif().get(Tag.Orientation)
    except _DAMAGE:  # damaged EXIF is no reason to refuse: viewers show the pixels as they are stored
        return None


class _Quiet:
    """Pillow warns of odd metadata, none of which is read here, and of many pixels, which are bounded here.

    `catch_warnings` knows no threads: the first of our blocks sets the filter and the last one puts the filters back.
    """

    def __init__(self) -> None:
        self._lock, self._blocks, self._filters = threading.Lock(), 0, warnings.catch_warnings()

    def __enter__(self) -> None:
        with self._lock:
            if not self._blocks:
                self._filters = warnings.catch_warnings()
                self._filters.__enter__()
                warnings.filterwarnings("ignore", module=r"PIL\.")
            self._blocks += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._blocks -= 1
            if not self._blocks:
                self._filters.__exit__(None, None, None)


_quiet = _Quiet()
