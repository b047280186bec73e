"""Images that strangers made: the one place where bytes are opened as an image, and what its pixels are then."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from PIL import Image


@contextmanager
def open_image(data: bytes) -> Iterator[Image.Image]:
    """The image that an image file of these bytes holds, for the block to decode.

    Raises ValueError where the bytes are no image, or one that does not decode whole in the block.
    """
    try:
        with Image.open(io.BytesIO(data)) as opened:
            yield opened
    except (OSError, SyntaxError, ValueError, RuntimeError, Image.DecompressionBombError) as error:
        raise ValueError(f"is not an image that can be read: {error}") from None


def on_white(image: Image.Image) -> Image.Image:
    """The first frame, opaque on white ground, as mode L, RGB or RGBA."""
    image.load()
    if image.has_transparency_data:
        image = image.convert("RGBA")
        if image.getchannel("A").getextrema() != (255, 255):  # pasting an opaque image would only cost time
            ground = Image.new("RGB", image.size, "white")
            ground.paste(image, mask=image)
            image = ground
    if image.mode.startswith("I;16"):  # Pillow's own conversion would clip at 255 of 65,535
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    return image if image.mode in ("L", "RGB", "RGBA") else image.convert("RGB")
