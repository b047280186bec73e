"""What a caller may give as the image of a query: a path, encoded bytes, a PIL image, an array, several, or None."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from rsd_bench.dataset.image_file import read_image_file
from rsd_bench.types import InputError

_GIVE = "give a path, bytes, a PIL image, a uint8 array of shape (H, W) or (H, W, 3), a list of these, or None"
_AS_PNG = ("1", "L", "LA", "P", "RGB", "RGBA")  # modes that PNG keeps


def image_bytes(given: Any) -> list[bytes]:
    """The encoded images of a query, in order; what is decoded becomes a PNG. InputError where one is no image."""
    several = list(given) if isinstance(given, (list, tuple)) else [] if given is None else [given]
    return [_encoded(one) for one in several]


def _encoded(one: Any) -> bytes:
    if isinstance(one, bytes):
        return one
    if isinstance(one, (str, Path)):
        try:
            return read_image_file(Path(one))
        except OSError as error:
            raise InputError.at(one, error.strerror or "cannot be read", "name a readable image file") from None
        except ValueError as error:
            raise InputError.at(one, str(error), "give an image that opens") from None
    if isinstance(one, np.ndarray):
        if one.dtype != np.uint8 or one.ndim < 2 or one.shape[2:] not in ((), (3,)) or not one.size:
            raise InputError.at("image", f"is an array of {one.dtype}, shape {one.shape}", _GIVE)
        one = Image.fromarray(one)
    if not isinstance(one, Image.Image):
        raise InputError.at("image", f"is a {type(one).__name__}", _GIVE)
    out = io.BytesIO()
    try:
        (one if one.mode in _AS_PNG else one.convert("RGB")).save(out, "PNG")
    except (OSError, ValueError) as error:
        raise InputError.at("image", f"cannot be read: {error}", "give an image that opens") from None
    return out.getvalue()
