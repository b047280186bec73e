"""What a viewer shows of an image that Pillow has opened: its first frame, upright, 8 bits a channel, on white ground.

Colours are those stored: no ICC profile is applied. Pixels are converted in strips, so that a conversion needs the
memory of what it reads and what it makes, and no more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile
from PIL.ExifTags import Base as Tag

_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_STRIP_PIXELS = 1 << 20


def upright(image: Image.Image, orientation: Any) -> Image.Image:
    """Turned as the EXIF orientation says; as it is where there is none. (A TIFF is turned by Pillow as it loads.)"""
    turn = _UPRIGHT.get(orientation)
    return image if turn is None else image.transpose(turn)


def eight_bits_on_white(opened: ImageFile.ImageFile) -> Image.Image:
    """Decode the first frame: mode L or RGB."""
    if "transparency" in opened.info:
        opened.info["transparency"] = _transparent_colour(opened)
    opened.load()
    if opened.mode.startswith("I;16"):
        return _in_strips(opened, "L", _bounded_grey(opened))
    if opened.mode in ("I", "F"):
        return _in_strips(opened, "L", _unbounded_grey(opened))
    if opened.has_transparency_data:
        return _in_strips(opened, "RGB", _on_white)
    return opened if opened.mode in ("L", "RGB") else _in_strips(opened, "RGB", lambda strip: strip.convert("RGB"))


def _strips(image: Image.Image) -> Iterator[tuple[int, Image.Image]]:
    """(top row, strip) of an image from top to bottom."""
    width, height = image.size
    rows = max(1, _STRIP_PIXELS // width)
    if height <= rows:
        yield 0, image
        return
    for top in range(0, height, rows):
        yield top, image.crop((0, top, width, min(top + rows, height)))


def _in_strips(image: Image.Image, mode: str, convert: Callable[[Image.Image], Image.Image]) -> Image.Image:
    made = Image.new(mode, image.size)
    for top, strip in _strips(image):
        made.paste(convert(strip), (0, top))
    return made


def _on_white(image: Image.Image) -> Image.Image:
    if image.mode == "La":  # Pillow knows no straight way
        image = image.convert("LA")
    image = image.convert("RGBA")
    if image.getchannel("A").getextrema() == (255, 255):  # pasting an opaque image would only cost time
        return image.convert("RGB")
    ground = Image.new("RGB", image.size, "white")
    ground.paste(image, mask=image)
    return ground


def _transparent_colour(opened: ImageFile.ImageFile) -> Any:
    """The transparent colour of a PNG in the numbers of its decoded pixels; Pillow gives those of the file."""
    colour, raw = opened.info["transparency"], str(opened.tile[0].args) if opened.tile else ""
    if opened.format != "PNG" or opened.mode not in ("L", "RGB"):
        return colour
    if opened.mode == "L":
        return colour * {"L;2": 85, "L;4": 17}.get(raw, 1) & 255
    return tuple(part >> 8 if raw == "RGB;16B" else part & 255 for part in colour)  # low bytes are not decoded either


def _tag(opened: Image.Image, tag: Tag, default: int) -> int:
    """The first number of a TIFF tag."""
    found = getattr(opened, "tag_v2", {}).get(tag, default)
    return int(found[0] if isinstance(found, tuple) else found)


def _ink(opened: Image.Image, pixels: NDArray[np.uint8]) -> Image.Image:
    """Grey of a TIFF in which 0 is white, the right way round; Pillow turns only that of 8 bits."""
    return Image.fromarray(255 - pixels if _tag(opened, Tag.PhotometricInterpretation, 1) == 0 else pixels)


def _bounded_grey(opened: Image.Image) -> Callable[[Image.Image], Image.Image]:
    """16 bits (or 12) to 8: black is 0, white the largest number there can be. Pillow's own conversion clips at 255."""
    shift, clear = _tag(opened, Tag.BitsPerSample, 16) - 8, opened.info.get("transparency")

    def convert(strip: Image.Image) -> Image.Image:
        values = np.asarray(strip)
        pixels = (values >> shift).astype(np.uint8)
        if clear is not None:
            pixels[values == clear] = 255
        return _ink(opened, pixels)

    return convert


def _unbounded_grey(opened: Image.Image) -> Callable[[Image.Image], Image.Image]:
    """32 bits, signed 16 bits and floats to 8, whose range the file does not tell.

    Black is 0 and white is 255 (floats: 1), or the least and the greatest number where these lie beyond; NaN is black.
    """
    wraps = opened.mode == "I" and _tag(opened, Tag.BitsPerSample, 0) == 32 and _tag(opened, Tag.SampleFormat, 1) == 1

    def numbers(strip: Image.Image) -> NDArray[np.float64]:
        values = np.asarray(strip)
        with np.errstate(invalid="ignore"):  # a NaN that signals
            return (values.view(np.uint32) if wraps else values).astype(np.float64)

    black, white = 0.0, 1.0 if opened.mode == "F" else 255.0
    for _, strip in _strips(opened):
        values = numbers(strip)
        finite = values[np.isfinite(values)]
        black, white = finite.min(initial=black), finite.max(initial=white)

    def convert(strip: Image.Image) -> Image.Image:
        values = np.nan_to_num(numbers(strip), nan=black, posinf=white, neginf=black)
        return _ink(opened, ((values - black) * (255 / (white - black)) + 0.5).astype(np.uint8))

    return convert
