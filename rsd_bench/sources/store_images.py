"""The images of a store: STORE/images/<2 digits>/<sha256>, their original bytes."""

from __future__ import annotations

import hashlib
from pathlib import Path

from rsd_bench.sources.damage import reading
from rsd_bench.types import InputError


def image_path(store: Path, sha256: str) -> Path:
    """Where a store keeps the bytes of an image."""
    return store / "images" / sha256[:2] / sha256


def read_image(store: Path, sha256: str) -> bytes:
    """The bytes of an image. InputError where they are gone or not those that were imported."""
    path = image_path(store, sha256)
    with reading(path):
        data = path.read_bytes()
        if hashlib.sha256(data).hexdigest() != sha256:
            raise ValueError("its bytes are not those of its name")
    return data


def image_to_send(store: Path, sha256: str) -> bytes:
    """`read_image` for a request, whose failure is one of that request alone: OSError."""
    try:
        return read_image(store, sha256)
    except InputError as error:
        raise OSError(0, str(error)) from None
