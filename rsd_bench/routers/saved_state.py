"""What a trained router is on disk: a few settings as JSON, and arrays of numbers. Never a pickle, never code.

    DIR/config.json      settings (see saved_router.py)
    DIR/weights.npz      arrays, stored without compression

A checkpoint may come from anybody, so nothing of it is believed: sizes are bounded before anything is read, each array
must be as long as its header says, and whoever asks for one says which shape it has. Faults are ValueErrors here.
"""

from __future__ import annotations

import json
import math
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rsd_bench.config import MAX_ROUTER_ARRAYS, MAX_ROUTER_BYTES, MAX_ROUTER_CONFIG_BYTES
from rsd_bench.metrics.arrays import FloatArray, IntArray

CONFIG, WEIGHTS = "config.json", "weights.npz"


@dataclass(frozen=True)
class State:
    """Settings (JSON) and arrays by name; those of a part of a router stand under `part.name`."""

    settings: Mapping[str, Any] = field(default_factory=dict)
    arrays: Mapping[str, NDArray[Any]] = field(default_factory=dict)

    def part(self, name: str) -> State:
        """The state of a part. ValueError where there is none."""
        settings = self.settings.get(name)
        if not isinstance(settings, Mapping):
            raise ValueError(f"has no part {name!r}")
        start = f"{name}."
        return State(
            settings, {key.removeprefix(start): of for key, of in self.arrays.items() if key.startswith(start)}
        )

    def numbers(self, name: str, *shape: int | None, infinite: bool = False) -> FloatArray:
        """An array of float64 of this shape (None: any length). ValueError where it is another, or holds NaN."""
        found = self._array(name, "f", shape)
        if np.isnan(found).any() or (not infinite and np.isinf(found).any()):
            raise ValueError(f"{name} holds NaN or infinity")
        return found.astype(np.float64)

    def integers(self, name: str, *shape: int | None, low: int = 0, high: int | None = None) -> IntArray:
        """An array of integers, low <= each < high. ValueError where it is another."""
        found = self._array(name, "iu", shape)
        if len(found) and (found.min() < low or (high is not None and found.max() >= high)):
            raise ValueError(f"{name} holds a number out of range")
        return found.astype(np.int64)

    def flags(self, name: str, *shape: int | None) -> NDArray[np.bool_]:
        """An array of booleans."""
        return self._array(name, "b", shape)

    def _array(self, name: str, kinds: str, shape: tuple[int | None, ...]) -> NDArray[Any]:
        found = self.arrays.get(name)
        if found is None:
            raise ValueError(f"lacks {name}")
        fits = len(shape) == found.ndim and all(n in (None, m) for n, m in zip(shape, found.shape, strict=True))
        if found.dtype.kind not in kinds or not fits:
            raise ValueError(f"{name} is {found.dtype} of shape {found.shape}")
        return found


def joined(settings: Mapping[str, Any], **parts: State) -> State:
    """A state with parts."""
    arrays = {f"{name}.{key}": array for name, part in parts.items() for key, array in part.arrays.items()}
    return State({**settings, **{name: part.settings for name, part in parts.items()}}, arrays)


def write_state(folder: Path, state: State) -> None:
    """Write config.json and weights.npz; equal states give equal bytes."""
    text = json.dumps(state.settings, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    (folder / CONFIG).write_text(text, "utf-8", newline="\n")
    with (folder / WEIGHTS).open("wb") as file:
        np.savez(file, **state.arrays)  # type: ignore[arg-type]


def read_settings(path: Path) -> dict[str, Any]:
    """config.json. ValueError or OSError."""
    if (size := path.stat().st_size) > MAX_ROUTER_CONFIG_BYTES:
        raise ValueError(f"has {size:,} bytes, more than {MAX_ROUTER_CONFIG_BYTES:,}")
    try:
        found = json.loads(path.read_bytes())
    except RecursionError:
        raise ValueError("is nested too deeply") from None
    if not isinstance(found, dict):
        raise ValueError("is no JSON object")
    return found


def read_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """weights.npz. ValueError or OSError."""
    if (size := path.stat().st_size) > MAX_ROUTER_BYTES:
        raise ValueError(f"has {size:,} bytes, more than {MAX_ROUTER_BYTES:,}")
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            plain = all(m.compress_type == zipfile.ZIP_STORED and m.file_size == m.compress_size for m in members)
            if not plain or len(members) > MAX_ROUTER_ARRAYS or sum(m.file_size for m in members) > size:
                raise ValueError("is packed otherwise than this package packs it, or holds more than its size")
            return {member.filename.removesuffix(".npy"): _array_of(archive, member) for member in members}
    except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError) as error:
        raise ValueError(f"is no archive of arrays that can be read: {error}") from None


def _array_of(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> NDArray[Any]:
    with archive.open(member) as file:
        if np.lib.format.read_magic(file) != (1, 0):
            raise ValueError(f"{member.filename} is of an unknown format")
        shape, by_columns, dtype = np.lib.format.read_array_header_1_0(file)
        data = file.read()
    if dtype.kind not in "fiub" or math.prod(shape) * dtype.itemsize != len(data):
        raise ValueError(f"{member.filename} holds {dtype} of shape {shape} in {len(data)} bytes")
    return np.frombuffer(data, dtype).reshape(shape, order="F" if by_columns else "C")
