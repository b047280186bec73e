"""Encode the images and questions of a dataset once: batched, cached by content, resumable, on one machine or many.

The plan fixes which rows share a batch, because the last bits of a vector depend on its batch: every engine runs the
same plan and gives the same vectors. A batch is named by file, row group and rows, so that a worker reads its own.

One machine decodes ahead: on the CPU each thread decodes and encodes batches of its own, for two batches on a thread
each cost less than one batch on two threads, which wait for each other at every layer; an accelerator encodes here
while threads decode what comes next.

A query with several images has the mean of their vectors, one without any none. The n-grams of questions need no
encoder and are counted each time.
"""

from __future__ import annotations

import hashlib
import json
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from tqdm import tqdm

from rsd_bench.config import ENCODER_BATCH, ENCODER_BATCH_MAX, ENCODER_THREADS, SPLITS
from rsd_bench.dataset.manifest import read_manifest, require_content
from rsd_bench.features.batch_trial import batch_by_trial
from rsd_bench.features.blocks import EncoderSpec, FeatureSpec, Kind, NgramSpec
from rsd_bench.features.encoders import Encoder, Half, load_encoder
from rsd_bench.features.feature_table import FEATURES, SPEC
from rsd_bench.features.ngrams import ngram_columns
from rsd_bench.features.vector_cache import VectorCache, vector_array
from rsd_bench.folders import new_folder
from rsd_bench.metrics.arrays import FloatArray
from rsd_bench.types import InputError

_FLUSH = 128  # vectors lost at most by a kill
_ROWS = 10  # in memory at once where each may hold several images
_CONTENT: dict[Kind, str] = {"image": "image", "text": "question"}
_SEVERAL = "images"  # the column of all images, of queries with more than one

#: The content hashes of a row, in order: one, or several, or none.
Keys = str | tuple[str, ...]


@dataclass(frozen=True)
class EncoderChoice:
    """Which encoder, as a user names it; loaded again on every worker."""

    kind: Kind
    source: str
    name: str | None = None
    pooling: str | None = None
    device: str = "auto"

    def load(self) -> Encoder:
        return load_encoder(self.kind, self.source, name=self.name, pooling=self.pooling, device=self.device)


@dataclass(frozen=True)
class Batch:
    """Contents of one row group of one shard: their rows, their places among the images of the row, their hashes."""

    shard: str
    row_group: int
    rows: tuple[int, ...]
    places: tuple[int, ...]
    keys: tuple[str, ...]

    def contents(self, kind: Kind) -> list[Any]:
        """Image bytes or questions, in row order."""
        column = _row_group(self.shard, self.row_group, _CONTENT[kind])
        if kind == "text":
            return [column[row].as_py() for row in self.rows]
        several = _row_group(self.shard, self.row_group, _SEVERAL) if any(self.places) else column
        at = zip(self.rows, self.places, strict=True)
        return [(several[row][place] if place else column[row])["bytes"].as_py() for row, place in at]


#: Runs batches of one encoder and yields each with its vectors, in any order.
Engine = Callable[[EncoderChoice, Encoder, "list[Batch]"], Iterable[tuple[Batch, Half]]]


@lru_cache(maxsize=2)
def _row_group(shard: str, row_group: int, column: str) -> pa.ChunkedArray:
    return pq.ParquetFile(shard).read_row_group(row_group, columns=[column]).column(column)


def run_here(choice: EncoderChoice, encoder: Encoder, batches: list[Batch]) -> Iterator[tuple[Batch, Half]]:
    """The engine of one machine: a batch on each thread, and one more is read. In the order of the plan."""
    import torch

    allowed = torch.get_num_threads()
    threads = min(allowed, ENCODER_THREADS)

    def work(contents: list[Any]) -> Any:
        prepared = encoder.prepare(contents, threads)
        return prepared if encoder.device.ahead else encoder.forward(prepared)

    def done(batch: Batch, found: Future[Any]) -> tuple[Batch, Half]:
        with _naming(batch):
            return batch, encoder.forward(found.result()) if encoder.device.ahead else found.result()

    waiting: deque[tuple[Batch, Future[Any]]] = deque()
    pool = ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(allowed // threads,))
    try:
        for batch in batches:
            with _naming(batch):
                waiting.append((batch, pool.submit(work, batch.contents(encoder.spec.kind))))
            if len(waiting) > threads:
                yield done(*waiting.popleft())
        while waiting:
            yield done(*waiting.popleft())
    finally:
        pool.shutdown(cancel_futures=True)
        torch.set_num_threads(allowed)  # the threads told MKL, which is one for all


def encode_batch(encoder: Encoder, batch: Batch) -> Half:
    """Vectors of a batch. InputError naming the file where a content cannot be encoded."""
    with _naming(batch):
        return encoder.encode(batch.contents(encoder.spec.kind))


@contextmanager
def _naming(batch: Batch) -> Iterator[None]:
    try:
        yield
    except ValueError as error:
        where = f"{batch.shard}: row group {batch.row_group}, rows {batch.rows[0]} to {batch.rows[-1]}"
        raise InputError.at(where, str(error), "run `rsd-bench data check`") from None


def encode_dataset(
    data: Path,
    out: Path,
    image: EncoderChoice | None,
    text: EncoderChoice | None,
    *,
    batch: int | None = None,
    engine: Engine = run_here,
) -> FeatureSpec:
    """Write OUT/features (see feature_table.py) for every query of the dataset folder `data`; OUT/cache keeps vectors.

    An encoder that is None leaves its block out; n-grams are always there. batch: contents encoded at once; None:
    ENCODER_BATCH on the CPU, by trial on an accelerator.

    Run again after an interruption: what is in the cache is not encoded twice.
    InputError where the dataset has no content (a lite edition), or an encoder cannot be loaded.
    """
    shards = _shards(data)
    vectors: dict[Kind, dict[str, Half]] = {}
    specs: dict[Kind, EncoderSpec] = {}
    columns: dict[Kind, dict[str, list[Keys]]] = {}
    for choice in filter(None, (image, text)):
        encoder = choice.load()
        cache = VectorCache(out, encoder.spec, choice.source)
        columns[choice.kind] = {shard: keys_of(shard, choice.kind) for shard in shards}
        _fill(cache, choice, encoder, _planned(columns[choice.kind], cache, encoder, batch), engine)
        vectors[choice.kind], specs[choice.kind] = cache.known, encoder.spec
    spec = FeatureSpec(specs.get("image"), specs.get("text"), ngrams=NgramSpec())
    with new_folder(out / FEATURES, may_replace=lambda old: (old / SPEC).is_file()) as folder:
        (folder / SPEC).write_text(json.dumps(spec.to_dict(), indent=1) + "\n", "utf-8", newline="\n")
        for shard in shards:
            read = pq.read_table(shard, columns=["query_id", "question"], partitioning=None)
            table = {"query_id": read.column("query_id")}
            for kind, encoder_spec in specs.items():
                table[kind] = _column(columns[kind][shard], vectors[kind], encoder_spec.dimension)
            table |= ngram_columns([question or "" for question in read.column("question").to_pylist()])
            pq.write_table(pa.table(table), folder / Path(shard).name, compression="zstd")
    return spec


def _column(rows: list[Keys], vectors: dict[str, Half], dimension: int) -> pa.FixedSizeListArray:
    """The vectors of rows: of several contents the mean, of none null."""
    found, present = np.zeros((len(rows), dimension), np.float16), np.zeros(len(rows), np.bool_)
    for i, keys in enumerate(map(_several, rows)):
        if keys:
            present[i], found[i] = True, mean_vector([vectors[key] for key in keys])
    return vector_array(found, present)


def mean_vector(vectors: Sequence[Half]) -> Half:
    """One vector for several contents of a query, shape (d,)."""
    mean: FloatArray = np.mean(vectors, axis=0, dtype=np.float64)
    return vectors[0] if len(vectors) == 1 else mean.astype(np.float16)


def _several(keys: Keys) -> tuple[str, ...]:
    return (keys,) if isinstance(keys, str) else keys


def _shards(data: Path) -> list[str]:
    manifest = read_manifest(data)
    if manifest.edition != "full":
        what = f"is a {manifest.edition} edition, without images and questions"
        raise InputError.at(data, what, "encode the full edition, or use the features a lite edition carries")
    require_content(data, manifest)
    return [str(path) for split in SPLITS for path in sorted((data / "pairs").glob(f"{split}-*.parquet"))]


def keys_of(shard: str, kind: Kind) -> list[Keys]:
    """The content hashes of every row of a shard."""
    column = "image_sha256" if kind == "image" else "question"
    values: list[str | None] = pq.read_table(shard, columns=[column], partitioning=None).column(column).to_pylist()
    if kind == "text":
        return [_sha256((value or "").encode()) for value in values]
    keys: list[Keys] = [() if value is None else value for value in values]
    with pq.ParquetFile(shard) as file:
        if _SEVERAL in file.schema_arrow.names:
            batches = file.iter_batches(_ROWS, columns=[_SEVERAL])
            for row, images in enumerate(images for batch in batches for images in batch.column(0).to_pylist()):
                if images:
                    keys[row] = tuple(_sha256(item["bytes"]) for item in images)
    return keys


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def plan(keys: dict[str, list[Keys]], known: Iterable[str], kind: Kind, size: int) -> list[Batch]:
    """Batches of what is not known yet; each content once, rows of one row group only, questions by length."""
    seen, batches = set(known), []
    for shard, shard_keys in keys.items():
        parquet, start = pq.ParquetFile(shard), 0
        for group in range(parquet.num_row_groups):
            end = start + parquet.metadata.row_group(group).num_rows
            new: list[tuple[int, int, str]] = []  # row, place, key
            for row, row_keys in enumerate(shard_keys[start:end]):
                for place, key in enumerate(_several(row_keys)):
                    if key not in seen:
                        seen.add(key)
                        new.append((row, place, key))
            start = end
            if kind == "text" and new:
                lengths = [len(value.as_py()) for value in _row_group(shard, group, "question")]
                new.sort(key=lambda content: lengths[content[0]])
            for i in range(0, len(new), size):
                rows, places, shas = zip(*new[i : i + size], strict=True)
                batches.append(Batch(shard, group, rows, places, shas))
    return batches


def _planned(keys: dict[str, list[Keys]], cache: VectorCache, encoder: Encoder, size: int | None) -> list[Batch]:
    """The plan for batches of this size; None: of the size that suits the encoder's device."""
    kind = encoder.spec.kind
    if size is None and encoder.device.ahead:
        whole = plan(keys, cache.known, kind, ENCODER_BATCH_MAX)
        if not whole:
            return []
        largest = max(whole, key=lambda batch: len(batch.keys))
        with _naming(largest):
            size = batch_by_trial(encoder, largest.contents(kind), len(largest.keys))
    return plan(keys, cache.known, kind, size or ENCODER_BATCH)


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
