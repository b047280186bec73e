"""The media of a store, each once, by content: their original bytes, and the statistics of images.

STORE/images/<2 digits>/<sha256>         an image; beside it <sha256>.json, its statistics
STORE/media/<2 digits>/<sha256>          a sound or a video
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rsd_bench.config import MAX_MEDIA_BYTES
from rsd_bench.dataset.image_file import PIXELS_VERSION
from rsd_bench.dataset.query_statistics import STATISTICS_VERSION, image_statistics
from rsd_bench.folders import write_file
from rsd_bench.sources.source import MEDIA_KINDS, Media
from rsd_bench.sources.store.damage import reading
from rsd_bench.types import InputError

FOLDERS = ("images", "media")
_FIGURES_VERSION = [STATISTICS_VERSION, PIXELS_VERSION]  # of the figures beside an image


@dataclass(frozen=True)
class Stored:
    """A medium that a store holds; `statistics` of an image, else empty."""

    kind: str
    sha256: str
    bytes: int
    statistics: Mapping[str, float]


def media_of(row: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Kind and sha256 of the media of a query, in order; older rows have `image_sha256` alone."""
    if row["media"] is None and row["image_sha256"] is not None:
        return [{"kind": "image", "sha256": row["image_sha256"]}]
    return list(row["media"] or ())


def image_path(store: Path, sha256: str) -> Path:
    """Where a store keeps the bytes of an image."""
    return store / "images" / sha256[:2] / sha256


def media_path(store: Path, kind: str, sha256: str) -> Path:
    """Where a store keeps the bytes of a medium of a kind."""
    return image_path(store, sha256) if kind == "image" else store / "media" / sha256[:2] / sha256


def read_media(store: Path, kind: str, sha256: str) -> bytes:
    """The bytes of a medium. InputError where they are gone or not those that were imported."""
    path = media_path(store, kind, sha256)
    with reading(path):
        data = path.read_bytes()
        if hashlib.sha256(data).hexdigest() != sha256:
            raise ValueError("its bytes are not those of its name")
    return data


def head_of(store: Path, kind: str, sha256: str, size: int) -> bytes:
    """The first `size` bytes of a medium, unchecked: for telling what it is. b"" where it cannot be read."""
    try:
        with media_path(store, kind, sha256).open("rb") as stream:
            return stream.read(size)
    except OSError:
        return b""


def content_to_send(store: Path, sha256: str) -> bytes:
    """`media_to_send` of a medium of any kind: its content tells which it is."""
    kinds = (kind for kind in MEDIA_KINDS if media_path(store, kind, sha256).is_file())
    return media_to_send(store, next(kinds, MEDIA_KINDS[0]), sha256)


def media_to_send(store: Path, kind: str, sha256: str) -> bytes:
    """`read_media` for a request, whose failure is one of that request alone: OSError."""
    try:
        return read_media(store, kind, sha256)
    except InputError as error:
        raise OSError(0, str(error)) from None


def store_media(store: Path, media: Media) -> Stored:
    """Put a medium into the store, once. OSError where it cannot be read, ValueError where it is no such medium."""
    if media.kind == "image":
        return Stored("image", *store_image(store, media.read))
    data = media.read()
    if not data:
        raise ValueError("is empty")
    if len(data) > MAX_MEDIA_BYTES:
        raise ValueError(f"has {len(data):,} bytes, more than {MAX_MEDIA_BYTES:,}; cut it")
    sha256 = hashlib.sha256(data).hexdigest()
    path = media_path(store, media.kind, sha256)
    if not (path.is_file() and path.read_bytes() == data):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_file(path, data)
    return Stored(media.kind, sha256, len(data), {})


def store_image(store: Path, read: Callable[[], bytes]) -> tuple[str, int, dict[str, float]]:
    """Put an image and its statistics into the store, once; return sha256, size in bytes, statistics.

    Raises OSError where it cannot be read and ValueError where it does not decode.
    """
    data = read()
    sha256 = hashlib.sha256(data).hexdigest()
    path = image_path(store, sha256)
    sidecar = path.with_suffix(".json")
    try:
        known = json.loads(sidecar.read_bytes())
        if known.pop("version") == _FIGURES_VERSION and path.read_bytes() == data:
            return sha256, len(data), known
    except (OSError, ValueError, KeyError, AttributeError):
        pass  # not stored yet, or a torn or older sidecar: computed below
    statistics = image_statistics(data)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_file(path, data)
    write_file(sidecar, json.dumps({"version": _FIGURES_VERSION, **statistics}).encode())
    return sha256, len(data), statistics
