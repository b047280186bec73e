"""An EPS named `a.png` made Pillow start Ghostscript, whose failure was a traceback; a 144-megapixel PNG took 780 MB;
photos held upright lay on their side, and floats were black. Images come from strangers: what is refused, how much is
decoded and what is shown is decided at one door.
"""

from __future__ import annotations

import logging
import os
import re
import subprocess
import threading
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import ROOT
from image_makers import chunk, grey_tiff, held, marked, plain, raw_png, raw_tiff, red_then_blue, saved
from PIL import Image, ImageFile

from rsd_bench.config import MAX_IMAGE_PIXELS
from rsd_bench.dataset import image_file
from rsd_bench.dataset.image_file import open_image, read_image_file

RED, WHITE, GREY = (255, 0, 0), (255, 255, 255), (128, 128, 128)
TWO_BIT = bytes([0b11100100])  # the greys 3, 2, 1, 0
CLEAR_BLACK = chunk(b"tRNS", bytes(2))
TEXT_BOMB = chunk(b"zTXt", b"note\0\0" + zlib.compress(bytes(80_000_000)))
PROFILE_BOMB = chunk(b"iCCP", b"icc\0\0" + zlib.compress(bytes(80_000_000)))
PALETTE = chunk(b"PLTE", bytes([*RED, 0, 0, 255]))


def ramp(*values: Any, kind: Any = np.float32) -> np.ndarray:
    return np.array([values], kind)


#: name -> the file and the pixels of the first row that a viewer shows
SHOWN = {
    "png": (saved(plain(RED), "PNG"), [RED]),
    "png, half transparent": (saved(plain((0, 0, 0, 127), "RGBA"), "PNG"), [GREY]),
    "png, grey and transparent": (saved(plain((0, 0), "LA"), "PNG"), [WHITE]),
    "png, palette": (raw_png((2, 1), 8, 3, bytes([1, 0]), PALETTE), [(0, 0, 255), RED]),
    "png, palette with a transparent colour": (
        raw_png((2, 1), 8, 3, bytes([1, 0]), PALETTE, chunk(b"tRNS", b"\xff\0")),
        [WHITE, RED],
    ),
    "png, palette half transparent": (
        raw_png((2, 1), 8, 3, bytes([1, 0]), PALETTE, chunk(b"tRNS", b"\xff\x80")),
        [(127, 127, 255), RED],
    ),
    "png, 1 bit": (raw_png((2, 1), 1, 0, b"\x80"), [WHITE, 0]),
    "png, 1 bit with transparent black": (raw_png((2, 1), 1, 0, b"\x80", CLEAR_BLACK), [WHITE, WHITE]),
    "png, 2 bits": (raw_png((4, 1), 2, 0, TWO_BIT), [255, 170, 85, 0]),
    "png, 2 bits with a transparent grey": (
        raw_png((4, 1), 2, 0, TWO_BIT, chunk(b"tRNS", b"\0\1")),
        [255, 170, 255, 0],
    ),
    "png, 16 bits": (raw_png((3, 1), 16, 0, bytes([0, 0, 128, 0, 255, 255])), [0, 128, 255]),
    "png, 16 bits with transparent black": (  # 0 is transparent, 1 of 65,535 is black
        raw_png((3, 1), 16, 0, bytes([0, 0, 0, 1, 128, 0]), CLEAR_BLACK),
        [255, 0, 128],
    ),
    "png, 16 bits a colour": (raw_png((1, 1), 16, 2, bytes([255, 255, 0, 0, 128, 0])), [(255, 0, 128)]),
    "png, 16 bits a colour, one transparent": (
        raw_png((2, 1), 16, 2, b"\xff\xff\0\0\0\0" + b"\x80\0" * 3, chunk(b"tRNS", b"\x80\0" * 3)),
        [RED, WHITE],
    ),
    "png, 16 bits with alpha": (raw_png((1, 1), 16, 4, bytes([0, 0, 128, 0])), [(127, 127, 127)]),
    "png, animated": (red_then_blue("PNG"), [RED]),
    "png, animation of no frames": (raw_png((1, 1), 8, 2, bytes(RED), chunk(b"acTL", bytes(8))), [RED]),
    "jpeg": (saved(plain(GREY), "JPEG"), [GREY]),
    "jpeg, grey": (saved(plain(128, "L"), "JPEG"), [128]),
    "jpeg, cmyk as Adobe inverts it": (saved(plain((0, 255, 255, 0), "CMYK"), "JPEG"), [(254, 0, 0)]),
    "jpeg, several pictures": (red_then_blue("MPO"), [(254, 0, 0)]),
    "jpeg, damaged exif": (saved(plain(GREY), "JPEG", exif=b"Exif\0\0II*\0\x08\0\0\0\x09\0\x12\x01"), [GREY]),
    "gif": (saved(plain(RED), "GIF"), [RED]),
    "gif, animated": (red_then_blue("GIF"), [RED]),
    "gif, transparent": (saved(plain(0, "P"), "GIF", transparency=0), [WHITE]),
    "webp": (saved(plain(RED), "WEBP", lossless=True), [RED]),
    "webp, half transparent": (saved(plain((0, 0, 0, 127), "RGBA"), "WEBP", lossless=True), [GREY]),
    "webp, animated": (red_then_blue("WEBP", lossless=True), [RED]),
    "bmp": (saved(plain(RED), "BMP"), [RED]),
    "tiff": (saved(plain(RED), "TIFF"), [RED]),
    "tiff, two pages": (red_then_blue("TIFF"), [RED]),
    "tiff, cmyk": (saved(plain((0, 255, 255, 0), "CMYK"), "TIFF"), [RED]),
    "tiff, ycbcr": (
        raw_tiff((1, 1), bytes([76, 85, 255]), {258: [8] * 3, 262: [6], 277: [3], 530: [1, 1]}),
        [(254, 0, 0)],
    ),
    "tiff, lab": (saved(plain((255, 128, 128), "LAB"), "TIFF"), [WHITE]),
    "tiff, grey multiplied by its alpha": (
        raw_tiff((1, 1), bytes([0, 127]), {258: [8, 8], 262: [1], 277: [2], 338: [1]}),
        [GREY],
    ),
    "tiff, 12 bits": (
        raw_tiff((2, 1), bytes([0xFF, 0xF8, 0x00]), {258: [12], 262: [1], 277: [1]}),
        [255, 128],
    ),
    "tiff, 16 bits": (grey_tiff(ramp(0, 32768, 65535, kind=np.uint16)), [0, 128, 255]),
    "tiff, 16 bits, big-endian": (grey_tiff(ramp(0, 32768, 65535, kind=np.uint16), order=">"), [0, 128, 255]),
    "tiff, 16 bits, 0 is white": (grey_tiff(ramp(0, 32768, 65535, kind=np.uint16), 0), [255, 127, 0]),
    "tiff, signed 16 bits": (grey_tiff(ramp(-1000, 0, 1000, kind=np.int16), 1, 2), [0, 128, 255]),
    "tiff, 32 bits within 8": (grey_tiff(ramp(0, 100, 200, kind=np.int32), 1, 2), [0, 100, 200]),
    "tiff, 32 bits": (grey_tiff(ramp(0, 50_000, 100_000, kind=np.int32), 1, 2), [0, 128, 255]),
    "tiff, unsigned 32 bits": (grey_tiff(ramp(0, 2**31, 2**32 - 1, kind=np.uint32)), [0, 128, 255]),
    "tiff, floats to 1": (grey_tiff(ramp(0, 0.5, 0.75), 1, 3), [0, 128, 191]),
    "tiff, floats to 1, 0 is white": (grey_tiff(ramp(0, 0.5, 1), 0, 3), [255, 127, 0]),
    "tiff, floats beyond 1": (grey_tiff(ramp(-1000, 0, 1000), 1, 3), [0, 128, 255]),
    "tiff, floats that are no numbers": (grey_tiff(ramp(np.nan, np.inf, -np.inf, 0.5), 1, 3), [0, 255, 0, 128]),
    "tiff, floats that signal": (
        raw_tiff((1, 1), b"\1\0\x80\x7f", {258: [32], 262: [1], 277: [1], 339: [3]}),
        [0],
    ),
    "tiff, floats all alike": (grey_tiff(ramp(5, 5), 1, 3), [255, 255]),
    "tiff, the largest floats": (grey_tiff(ramp(-3e38, 0, 3e38), 1, 3), [0, 128, 255]),
}
#: name -> a file, the reason for which it is refused
REFUSED = {
    "eps": (saved(plain(RED), "EPS"), "it is EPS; give the image as PNG, JPEG, WEBP, GIF, BMP or TIFF"),
    "eps with a preview": (b"\xc5\xd0\xd3\xc6" + bytes(100), "it is EPS; give"),
    "pdf": (saved(plain(RED), "PDF"), "it is PDF; give"),
    "svg": (b'<?xml version="1.0"?><!-- made --><svg xmlns="http://www.w3.org/2000/svg"/>', "it is SVG; give"),
    "psd": (b"8BPS\0\1" + bytes(100), "it is PSD; give"),
    "heic": (b"\0\0\0\x18ftypheic" + bytes(100), "it is HEIC; give"),
    "avif": (saved(plain(RED), "AVIF"), "it is AVIF; give"),
    "ico": (saved(plain(RED, size=(16, 16)), "ICO"), "it is ICO; give"),
    "jpeg 2000": (saved(plain(RED), "JPEG2000"), "it is JPEG 2000; give"),
    "ppm": (saved(plain(RED), "PPM"), "it is none of PNG, JPEG"),
    "tga": (saved(plain(RED), "TGA"), "it is none of PNG, JPEG"),
    "a web page": (b"\n<!DOCTYPE html><html><body>404</body></html>", "it is a web page; give"),
    "a Git LFS pointer": (b"version https://git-lfs.github.com/spec/v1\noid", "it is a Git LFS pointer; give"),
    "text": (b"not an image", "it is none of PNG, JPEG"),
    "nothing": (b"", "it is empty; save"),
    "png of no width": (raw_png((0, 5), 8, 2, b""), "it"),
    "gif of no size": (b"GIF89a" + bytes(7) + b",", "it"),
    "png without pixels": (b"\x89PNG nothing", "its PNG is damaged or of a rare kind; save"),
    "half a png": (saved(marked(), "PNG")[:-60], "it is damaged: "),
    "half a jpeg": (saved(marked(), "JPEG")[:-60], "it is damaged: "),
    "png of 144 megapixels": (raw_png((12_000, 12_000), 8, 2, b""), "it has 144,000,000 pixels, more than 110,000,000"),
    "png of 4 gigapixels": (raw_png((65_535, 65_535), 8, 2, b""), "it has too many pixels; make it smaller"),
    "bmp of many pixels": (
        saved(plain(RED), "BMP")[:18] + (20_000).to_bytes(4, "little") * 2 + saved(plain(RED), "BMP")[26:],
        "it has too many pixels",
    ),
    "png with a text of 80 MB": (raw_png((1, 1), 8, 2, bytes(RED), TEXT_BOMB), "it is damaged: Decompressed data"),
    "png with a profile of 80 MB": (
        raw_png((1, 1), 8, 2, bytes(RED), PROFILE_BOMB),
        "it is damaged: Decompressed data",
    ),
    "tiff of a rare kind": (
        raw_tiff((1, 1), bytes(14), {258: [16] * 7, 262: [2], 277: [7]}),
        "its TIFF is damaged or of a rare kind",
    ),
}


def shown(data: bytes) -> Image.Image:
    with open_image(data) as image:
        assert image.mode in ("L", "RGB")
        return image.copy()


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """No program may be started, and no warning may escape."""

    def started(*arguments: object, **_: object) -> None:
        raise AssertionError(f"a program was started: {arguments}")

    for owner, name in ((subprocess, "Popen"), (os, "system"), (os, "posix_spawn")):
        monkeypatch.setattr(owner, name, started)
    warnings.simplefilter("error")  # pytest puts the filters back


def test_images_are_opened_in_one_place() -> None:
    opening = re.compile(r"\b(Image\.open|ImageFile\.Parser|Image\.frombytes)\(")
    found = [p.name for p in (ROOT / "rsd_bench").rglob("*.py") if opening.search(p.read_text("utf-8"))]
    assert found == ["image_file.py"]


@pytest.mark.parametrize("name", SHOWN)
def test_each_kind_is_shown_as_a_viewer_shows_it(name: str, capfd: pytest.CaptureFixture[str]) -> None:
    data, expected = SHOWN[name]
    image = shown(data).convert("RGB")
    row = [pixel if isinstance(pixel, tuple) else (pixel,) * 3 for pixel in expected]
    assert np.abs(np.array([image.getpixel((x, 0)) for x in range(len(row))]) - np.array(row)).max() <= 1
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("name", REFUSED)
def test_each_other_kind_is_refused_in_one_line(
    name: str, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    data, reason = REFUSED[name]
    with monkeypatch.context() as patch, pytest.raises(ValueError) as refused:
        patch.setattr(logging.getLogger(), "handlers", [])  # where nobody set up logging, errors go to stderr
        shown(data)
    said = str(refused.value)
    assert said.startswith(f"is not an image that can be read: {reason}")
    assert "\n" not in said and "0x" not in said and "; " in said  # says what to do, and no address in memory
    assert capfd.readouterr() == ("", "")


TURNED = [marked(), *(marked().transpose(how) for how in (0, 3, 1, 5, 2, 6, 4))]  # what a camera held so stores


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("JPEG", {"quality": 100, "subsampling": 0}),
        ("PNG", {}),
        ("WEBP", {"lossless": True}),
        ("TIFF", {}),
        ("TIFF", {"compression": "tiff_lzw"}),
    ],
)
def test_a_photo_is_upright_however_the_camera_was_held(kind: str, options: dict[str, Any], orientation: int) -> None:
    if orientation > 1 and (kind == "TIFF"):
        options = options | {"tiffinfo": {274: orientation}}
    elif orientation > 1:
        options = options | held(orientation)
    image = shown(saved(TURNED[orientation - 1], kind, **options))
    assert image.size == (48, 32)
    corners = [image.getpixel(at) for at in ((4, 4), (44, 4), (4, 28), (44, 28))]
    assert np.abs(np.array(corners) - [RED, (0, 0, 255), WHITE, WHITE]).max() <= 3


def test_what_is_converted_in_strips_is_converted_whole() -> None:
    values = np.arange(1500 * 2000, dtype=np.uint16).reshape(1500, 2000)
    assert np.array_equal(np.asarray(shown(saved(Image.fromarray(values), "PNG"))), values >> 8)
    floats = np.linspace(-3, 7, 1500 * 2000, dtype=np.float32).reshape(1500, 2000)  # a range that no strip has
    scaled = (floats.astype(np.float64) + 3) * 25.5 + 0.5
    assert np.array_equal(np.asarray(shown(saved(Image.fromarray(floats), "TIFF"))), scaled.astype(np.uint8))
    colours = np.random.default_rng(0).integers(0, 256, (1500, 2000, 4), np.uint8)
    white = Image.new("RGB", (2000, 1500), "white")
    white.paste(Image.fromarray(colours), mask=Image.fromarray(colours))
    assert np.array_equal(np.asarray(shown(saved(Image.fromarray(colours), "PNG"))), np.asarray(white))


def test_the_bounds_are_looked_at_before_anything_is_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    assert MAX_IMAGE_PIXELS >= 12_032 * 9_024  # the photos of a 108-megapixel phone
    monkeypatch.setattr(ImageFile.ImageFile, "load", lambda _: pytest.fail("was decoded"))
    monkeypatch.setattr(image_file, "MAX_IMAGE_PIXELS", 47)
    with pytest.raises(ValueError, match="it has 48 pixels, more than 47; make it smaller"):
        shown(saved(plain(RED), "PNG"))
    monkeypatch.setattr(image_file, "MAX_IMAGE_BYTES", 50)
    with pytest.raises(ValueError, match=r"it has \d+ bytes, more than 50; make it smaller"):
        shown(saved(plain(RED), "PNG"))


def test_large_images_are_in_memory_one_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_file, "LARGE_IMAGE_PIXELS", 47)
    data, other = saved(plain(RED), "PNG"), threading.Event()

    def second() -> None:
        with open_image(data):
            other.set()

    with ThreadPoolExecutor(1) as pool:
        with open_image(data):
            pool.submit(second)
            assert not other.wait(0.2)
        assert other.wait(10)


def test_threads_that_read_images_leave_the_filters_of_warnings_as_they_were() -> None:
    before = list(warnings.filters)
    odd = [SHOWN["png, animation of no frames"][0], SHOWN["jpeg, damaged exif"][0], SHOWN["png"][0]] * 100
    with ThreadPoolExecutor(8) as pool:
        assert len(list(pool.map(shown, odd))) == 300
    assert warnings.filters == before


def test_what_the_caller_does_in_the_block_is_no_fault_of_the_image() -> None:
    with pytest.raises(KeyError), open_image(saved(plain(RED), "PNG")):
        raise KeyError("the caller's own")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_a_pipe_named_as_an_image_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.png")
    with pytest.raises(OSError, match="is no plain file"):
        read_image_file(tmp_path / "a.png")


def test_a_file_of_too_many_bytes_is_not_read_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_file, "MAX_IMAGE_BYTES", 1000)
    (tmp_path / "a.png").write_bytes(bytes(1000))
    assert len(read_image_file(tmp_path / "a.png")) == 1000
    (tmp_path / "a.png").write_bytes(bytes(1001))
    with pytest.raises(OSError, match="has more than 1,000 bytes; make it smaller"):
        read_image_file(tmp_path / "a.png")
