"""Vectors on disk by content: STORE/cache/<encoder key>/*.parquet with columns sha256 and vector (float16).

A file appears whole or not at all and is never changed, so a killed run keeps what it had finished and two runs may
write side by side. The key of an encoder is a hash of its weights, preprocessing and pooling: other settings, other
folder. Those that an accelerator made have one of their own, named for it: a spec says where all of them were made.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from rsd_bench.features.encoders import EncoderSpec, Half
from rsd_bench.folders import clear_unfinished, write_file
from rsd_bench.metrics.arrays import BoolArray
from rsd_bench.types import InputError

_FOUND_AT = "found-at.txt"


def _folder(store: Path, spec: EncoderSpec) -> Path:
    made_on = "" if spec.device == "cpu" else "-" + re.sub(r"[^a-z0-9]+", "-", spec.device.lower()).strip("-")
    return store / "cache" / f"{spec.kind}-{spec.key}{made_on}"


def encoder_folders(store: Path, specs: Iterable[EncoderSpec]) -> dict[str, str]:
    """Kind -> the folder that an encoder of the store's vectors was found at, of those that came from one."""
    found = {}
    for spec in specs:
        with suppress(OSError, UnicodeDecodeError):
            found[str(spec.kind)] = (_folder(store, spec) / _FOUND_AT).read_text("utf-8")
    return found


class VectorCache:
    """The vectors of one encoder. `known` maps a content hash to its vector, shape (dimension,)."""

    def __init__(self, store: Path, spec: EncoderSpec, source: str = "") -> None:
        """source: as the user named the encoder; where that is a folder, it is kept for `encoder_folders`."""
        self._folder = _folder(store, spec)
        self._folder.mkdir(parents=True, exist_ok=True)
        clear_unfinished(self._folder)
        self._dimension = spec.dimension
        write_file(self._folder / "encoder.json", (json.dumps(spec.to_dict(), indent=1) + "\n").encode())
        if source and Path(source).is_dir():
            write_file(self._folder / _FOUND_AT, str(Path(source).resolve()).encode())
        self.known: dict[str, Half] = {}
        for path in sorted(self._folder.glob("*.parquet")):
            self.known |= self._read(path)

    def _read(self, path: Path) -> dict[str, Half]:
        try:
            table = pq.read_table(path, columns=["sha256", "vector"], partitioning=None)
            vectors, present = vector_column(table.column("vector"))
            if not present.all():
                raise ValueError("a vector is missing")
        except (pa.ArrowInvalid, OSError, KeyError, ValueError) as error:
            raise InputError.at(path, f"cannot be read: {error}", "delete this file; it is encoded again") from None
        if vectors.shape[1:] != (self._dimension,):
            raise InputError.at(path, f"holds vectors of shape {vectors.shape[1:]}", "delete this file")
        return dict(zip(table.column("sha256").to_pylist(), vectors, strict=True))

    def add(self, vectors: Mapping[str, Half]) -> None:
        """Write vectors to disk; they count as known only then."""
        table = pa.table(
            {"sha256": pa.array(list(vectors)), "vector": vector_array(np.stack(list(vectors.values())))},
        )
        sink = pa.BufferOutputStream()
        pq.write_table(table, sink, compression="zstd")
        data = sink.getvalue().to_pybytes()
        write_file(self._folder / f"{hashlib.sha256(data).hexdigest()[:24]}.parquet", data)
        self.known |= vectors


def vector_array(vectors: Half, present: BoolArray | None = None) -> pa.FixedSizeListArray:
    """float16 of shape (n, d) as an arrow column, null where not `present`, shape (n,)."""
    absent = None if present is None or present.all() else pa.array(~present)
    values = pa.array(vectors.ravel(), pa.float16())
    return pa.FixedSizeListArray.from_arrays(values, vectors.shape[1], mask=absent)


def vector_column(column: pa.ChunkedArray) -> tuple[Half, BoolArray]:
    """An arrow column of fixed-size float16 lists as shape (n, d), 0 where it is null, and where it is not, shape (n,).

    ValueError where it holds something else.
    """
    kind = column.type
    if not (pa.types.is_fixed_size_list(kind) and pa.types.is_float16(kind.value_type)):
        raise ValueError(f"a vector column holds {kind}, not float16 of a fixed size")
    present = column.is_valid().to_numpy()
    vectors = np.zeros((len(column), kind.list_size), np.float16)
    flat = column.drop_null().combine_chunks().flatten().to_numpy(zero_copy_only=False)
    vectors[present] = np.asarray(flat, dtype=np.float16).reshape(-1, kind.list_size)
    return vectors, present
