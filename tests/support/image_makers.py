"""Image files of every kind, also those that Pillow does not write, made on the spot."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from PIL import Image

ORIENTATION = 274
_SIZES = {1: "B", 3: "H", 4: "I"}


def saved(image: Image.Image, kind: str, **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def red_then_blue(kind: str, **options: Any) -> bytes:
    """A file of two frames or pages."""
    return saved(plain((255, 0, 0)), kind, save_all=True, append_images=[plain((0, 0, 255))], **options)


def plain(colour: Any, mode: str = "RGB", size: tuple[int, int] = (8, 6)) -> Image.Image:
    return Image.new(mode, size, colour)


def held(orientation: int) -> dict[str, Any]:
    """The option of `save` that writes this EXIF orientation."""
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    return {"exif": exif}


def marked() -> Image.Image:
    """48 x 32, white but for a red block at the top left and a blue one at the top right."""
    image = plain("white", size=(48, 32))
    image.paste((255, 0, 0), (0, 0, 16, 16))
    image.paste((0, 0, 255), (32, 0, 48, 16))
    return image


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def raw_png(size: tuple[int, int], bits: int, colour: int, row: bytes, *chunks: bytes) -> bytes:
    """A PNG whose rows are all `row`; `chunks` stand before its pixels."""
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", *size, bits, colour, 0, 0, 0))
    pixels = chunk(b"IDAT", zlib.compress((b"\0" + row) * min(size[1], 100)))
    return b"\x89PNG\r\n\x1a\n" + head + b"".join(chunks) + pixels + chunk(b"IEND", b"")


def raw_tiff(size: tuple[int, int], pixels: bytes, tags: Mapping[int, Sequence[int]], order: str = "<") -> bytes:
    """An uncompressed TIFF of one strip. tags: those beside size, strip and compression, as shorts."""
    entries = {256: (4, [size[0]]), 257: (4, [size[1]]), 259: (3, [1]), 278: (4, [size[1]]), 279: (4, [len(pixels)])}
    entries |= {tag: (3, list(values)) for tag, values in tags.items()}
    entries[273] = (4, [0])
    after = 8 + 2 + 12 * len(entries) + 4
    extra, fields = b"", b""
    for tag, (kind, values) in sorted(entries.items()):
        data = struct.pack(f"{order}{len(values)}{_SIZES[kind]}", *values)
        if tag == 273:
            data = struct.pack(f"{order}I", after + sum(2 * len(v) for k, v in entries.values() if 2 * len(v) > 4))
        if len(data) > 4:
            data, extra = struct.pack(f"{order}I", after + len(extra)), extra + data
        fields += struct.pack(f"{order}HHI", tag, kind, len(values)) + data.ljust(4, b"\0")
    head = (b"II" if order == "<" else b"MM") + struct.pack(f"{order}HI", 42, 8)
    return head + struct.pack(f"{order}H", len(entries)) + fields + bytes(4) + extra + pixels


def grey_tiff(values: Any, photometric: int = 1, sample_format: int = 1, order: str = "<") -> bytes:
    """An uncompressed TIFF of one grey channel with the numbers of an array."""
    array = np.asarray(values)
    tags = {258: [array.itemsize * 8], 262: [photometric], 277: [1], 339: [sample_format]}
    data = array.astype(array.dtype.newbyteorder(order)).tobytes()
    return raw_tiff((array.shape[1], array.shape[0]), data, tags, order)
