"""Encode the images and questions of a dataset once: batched, cached by content, resumable, on one machine or many.

The plan fixes which rows share a batch, because the last bits of a vector depend on its batch: every engine runs the
same plan and gives the same vectors. A batch is named by file, row group and rows, so that a worker reads its own.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from tqdm import tqdm

from rsd_bench.config import ENCODER_BATCH, SPLITS
from rsd_bench.dataset.manifest import read_manifest, require_content
from rsd_bench.features.encoders import Encoder, Half, Kind, load_encoder
from rsd_bench.features.feature_table import FEATURES, SPEC, FeatureSpec
from rsd_bench.features.vector_cache import VectorCache, vector_array
from rsd_bench.folders import new_folder
from rsd_bench.types import InputError

_FLUSH = 128  # vectors lost at most by a kill
_CONTENT: dict[Kind, str] = {"image": "image", "text": "question"}


@dataclass(frozen=True)
class EncoderChoice:
    """Which encoder, as a user names it; loaded again on every worker."""

    kind: Kind
    source: str
    name: str | None = None
    pooling: str | None = None

    def load(self) -> Encoder:
        return load_encoder(self.kind, self.source, name=self.name, pooling=self.pooling)


@dataclass(frozen=True)
class Batch:
    """Rows of one row group of one shard, and the content hash of each."""

    shard: str
    row_group: int
    rows: tuple[int, ...]
    keys: tuple[str, ...]

    def contents(self, kind: Kind) -> list[Any]:
        """Image bytes or questions, in row order."""
        column = _row_group(self.shard, self.row_group, _CONTENT[kind])
        values = [column[row].as_py() for row in self.rows]
        return [value["bytes"] for value in values] if kind == "image" else values


#: Runs batches of one encoder and yields each with its vectors, in any order.
Engine = Callable[[EncoderChoice, Encoder, "list[Batch]"], Iterable[tuple[Batch, Half]]]


@lru_cache(maxsize=2)
def _row_group(shard: str, row_group: int, column: str) -> pa.ChunkedArray:
    return pq.ParquetFile(shard).read_row_group(row_group, columns=[column]).column(column)


def run_here(choice: EncoderChoice, encoder: Encoder, batches: list[Batch]) -> Iterator[tuple[Batch, Half]]:
    """The engine of one machine."""
    for batch in batches:
        yield batch, encode_batch(encoder, batch)


def encode_batch(encoder: Encoder, batch: Batch) -> Half:
    """Vectors of a batch. InputError naming the file where a content cannot be encoded."""
    try:
        return encoder.encode(batch.contents(encoder.spec.kind))
    except ValueError as error:
        where = f"{batch.shard}: row group {batch.row_group}, rows {batch.rows[0]} to {batch.rows[-1]}"
        raise InputError.at(where, str(error), "run `rsd-bench data check`") from None


def encode_dataset(
    data: Path,
    out: Path,
    image: EncoderChoice,
    text: EncoderChoice,
    *,
    batch: int = ENCODER_BATCH,
    engine: Engine = run_here,
) -> FeatureSpec:
    """Write OUT/features (see table.py) for every query of the dataset folder `data`; OUT/cache keeps every vector.

    Run again after an interruption: what is in the cache is not encoded twice.
    InputError where the dataset has no content (a lite edition), or an encoder cannot be loaded.
    """
    shards = _shards(data)
    vectors, specs, columns = {}, {}, {}
    for choice in (image, text):
        encoder = choice.load()
        cache = VectorCache(out, encoder.spec)
        columns[choice.kind] = {shard: keys_of(shard, choice.kind) for shard in shards}
        _fill(cache, choice, encoder, plan(columns[choice.kind], cache.known, choice.kind, batch), engine)
        vectors[choice.kind], specs[choice.kind] = cache.known, encoder.spec
    spec = FeatureSpec(specs["image"], specs["text"])
    with new_folder(out / FEATURES, may_replace=lambda old: (old / SPEC).is_file()) as folder:
        (folder / SPEC).write_text(json.dumps(spec.to_dict(), indent=1) + "\n", "utf-8", newline="\n")
        for shard in shards:
            table = {"query_id": pq.read_table(shard, columns=["query_id"], partitioning=None).column("query_id")}
            for kind in ("image", "text"):
                table[kind] = vector_array(np.stack([vectors[kind][key] for key in columns[kind][shard]]))
            pq.write_table(pa.table(table), folder / Path(shard).name, compression="zstd")
    return spec


def _shards(data: Path) -> list[str]:
    manifest = read_manifest(data)
    if manifest.edition != "full":
        what = f"is a {manifest.edition} edition, without images and questions"
        raise InputError.at(data, what, "encode the full edition, or use the features a lite edition carries")
    require_content(data, manifest)
    return [str(path) for split in SPLITS for path in sorted((data / "pairs").glob(f"{split}-*.parquet"))]


def keys_of(shard: str, kind: Kind) -> list[str]:
    """The content hash of every row of a shard."""
    column = "image_sha256" if kind == "image" else "question"
    values: list[str] = pq.read_table(shard, columns=[column], partitioning=None).column(column).to_pylist()
    return values if kind == "image" else [hashlib.sha256(value.encode()).hexdigest() for value in values]


def plan(keys: dict[str, list[str]], known: Iterable[str], kind: Kind, size: int) -> list[Batch]:
    """Batches of what is not known yet; each content once, rows of one row group only, questions by length."""
    seen, batches = set(known), []
    for shard, shard_keys in keys.items():
        parquet, start = pq.ParquetFile(shard), 0
        for group in range(parquet.num_row_groups):
            end = start + parquet.metadata.row_group(group).num_rows
            new: dict[str, int] = {}
            for row, key in enumerate(shard_keys[start:end]):
                if key not in seen:
                    seen.add(key)
                    new[key] = row
            start = end
            if kind == "text" and new:
                lengths = [len(value.as_py()) for value in _row_group(shard, group, "question")]
                new = dict(sorted(new.items(), key=lambda item: lengths[item[1]]))
            rows, shas = tuple(new.values()), tuple(new)
            batches += [Batch(shard, group, rows[i : i + size], shas[i : i + size]) for i in range(0, len(new), size)]
    return batches


def _fill(cache: VectorCache, choice: EncoderChoice, encoder: Encoder, batches: list[Batch], engine: Engine) -> None:
    """Run the batches and keep what they give, also when the run is interrupted."""
    waiting: dict[str, Any] = {}
    bar = tqdm(total=sum(len(b.keys) for b in batches), desc=f"{choice.kind}s", unit=choice.kind, disable=None)
    try:
        with bar:
            for done, vectors in engine(choice, encoder, batches) if batches else ():
                waiting |= dict(zip(done.keys, vectors, strict=True))
                bar.update(len(done.keys))
                if len(waiting) >= _FLUSH:
                    cache.add(waiting)
                    waiting = {}
    finally:
        if waiting:
            cache.add(waiting)
