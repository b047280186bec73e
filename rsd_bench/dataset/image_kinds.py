"""What kind of file bytes are, by how they begin: which images are read, and what the others are called."""

from __future__ import annotations

#: Pillow's names of the kinds that are read. Its other readers stay shut: that of EPS starts Ghostscript.
IMAGE_FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF")

_BEGINNINGS = (
    (b"\x89PNG", "PNG"),
    (b"\xff\xd8\xff", "JPEG"),
    (b"GIF8", "GIF"),
    (b"BM", "BMP"),
    (b"II*\0", "TIFF"),
    (b"MM\0*", "TIFF"),
    (b"II+\0", "TIFF"),
    (b"MM\0+", "TIFF"),
    (b"%!PS", "EPS"),
    (b"\xc5\xd0\xd3\xc6", "EPS"),
    (b"%PDF", "PDF"),
    (b"8BPS", "PSD"),
    (b"\0\0\1\0", "ICO"),
    (b"\0\0\0\x0cjP  ", "JPEG 2000"),
    (b"\xff\x4f\xff\x51", "JPEG 2000"),
    (b"\0\0\0\x0cJXL ", "JPEG XL"),
    (b"\xff\x0a", "JPEG XL"),
    (b"PK\3\4", "ZIP"),
    (b"version https://git-lfs", "a Git LFS pointer"),
)
_BRANDS = {b"avif": "AVIF", b"avis": "AVIF", **dict.fromkeys((b"heic", b"heix", b"hevc", b"mif1", b"msf1"), "HEIC")}
_MARKUP = ((b"<svg", "SVG"), (b"<html", "a web page"), (b"<!doctype html", "a web page"))
_MARKUP_WITHIN = 1_000  # bytes: a declaration and a comment may stand before the first tag


def image_kind(data: bytes) -> str | None:
    """What the file says it is; None where its first bytes are those of no kind known here."""
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WEBP"
    if data[4:8] == b"ftyp":
        return _BRANDS.get(data[8:12], "a video")
    for beginning, kind in _BEGINNINGS:
        if data.startswith(beginning):
            return kind
    text = data[:_MARKUP_WITHIN].removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    return next((kind for tag, kind in _MARKUP if text.startswith(b"<") and tag in text), None)
