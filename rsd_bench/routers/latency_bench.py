"""Router latency by protocol: warm-up, then timed calls one after another; encoders, statistics and head apart.

Clock: time.perf_counter around each call. Threads, processor and versions are stamped: a latency without its hardware
says nothing.
"""

from __future__ import annotations

import json
import platform
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from rsd_bench.config import is_latency
from rsd_bench.dataset.manifest import read_manifest
from rsd_bench.dataset.open import dataset_folder
from rsd_bench.features.devices import CPU, Device, find_device
from rsd_bench.features.feature_table import BLOCKS, Features
from rsd_bench.folders import write_file
from rsd_bench.routers.network import ReferenceRouter
from rsd_bench.routers.pipeline import RouterPipeline, load_router, open_checkpoint, statistics_of
from rsd_bench.routers.saved_router import SavedRouter
from rsd_bench.types import InputError

BATCHES = (1, 64)
WARM_UP, CALLS = 3, 50


@dataclass(frozen=True)
class Timing:
    """Milliseconds: p50 and p95 of a call, and p50 a query."""

    p50_ms: float
    p95_ms: float
    p50_ms_per_query: float
    calls: int


Timings = dict[int, Timing]  # by batch size


@dataclass(frozen=True)
class Hardware:
    """Processor, threads and versions that a latency holds for."""

    processor: str
    threads: int
    device: str
    python: str
    torch: str
    transformers: str


@dataclass(frozen=True)
class Bench:
    """What `router bench` measured; as JSON, what `router submit --latency` reads."""

    checkpoint: str
    stages: dict[str, Timings]
    hardware: Hardware


def bench_head(router: ReferenceRouter, calls: int = CALLS, batches: tuple[int, ...] = BATCHES) -> Timings:
    """p50 and p95 milliseconds a call of the network alone on cached features, by batch size."""
    rng = np.random.default_rng(0)
    rows = {size: _random_features(router, size, rng) for size in batches}
    return {size: timed(partial(router.predict_p_edge, rows[size]), calls, size) for size in batches}


def bench_pipeline(
    pipeline: RouterPipeline, images: list[bytes], questions: list[str], calls: int = CALLS
) -> dict[str, Timings]:
    """The same for each stage from bytes and text to a decision; queries are taken in turn."""
    head = _reference(pipeline.router)
    stages: dict[str, Timings] = {}
    for size in BATCHES:
        turn = _Turn(images, questions, size)
        work: dict[str, Callable[[], Any]] = {
            "image encoder": lambda turn=turn: pipeline.encode_images(turn()[0]),  # type: ignore[misc]
            "text encoder": lambda turn=turn: pipeline.encode_questions(turn()[1]),  # type: ignore[misc]
            "statistics": lambda turn=turn: statistics_of(*turn()),  # type: ignore[misc]
            "all": lambda turn=turn: head.predict_p_edge(pipeline.features(*turn())),  # type: ignore[misc]
        }
        for name, call in work.items():
            stages.setdefault(name, {})[size] = timed(call, calls if size == 1 else max(3, calls // 20), size)
    return stages | {"head": bench_head(head, calls)}


def _reference(router: ReferenceRouter | SavedRouter) -> ReferenceRouter:
    if isinstance(router, SavedRouter):
        raise InputError.at(router.name, "is not timed by this command", "name a checkpoint of the reference router")
    return router


class _Turn:
    """The next `size` queries each time it is called, from the first again after the last."""

    def __init__(self, images: list[bytes], questions: list[str], size: int) -> None:
        self._images, self._questions, self._size, self._at = images, questions, size, 0

    def __call__(self) -> tuple[list[bytes], list[str]]:
        rows = [(self._at + i) % len(self._images) for i in range(self._size)]
        self._at += self._size
        return [self._images[row] for row in rows], [self._questions[row] for row in rows]


def timed(call: Callable[[], Any], calls: int, batch: int) -> Timing:
    """Time `calls` calls, each of `batch` queries, after a warm-up."""
    for _ in range(WARM_UP if calls > WARM_UP else 1):
        call()
    seconds = []
    for _ in range(calls):
        start = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - start)
    p50, p95 = (1e3 * float(np.quantile(seconds, q)) for q in (0.5, 0.95))
    return Timing(p50, p95, p50 / batch, calls)


def hardware(device: Device = CPU) -> Hardware:
    """Of this machine, now; device: of the encoders."""
    import torch
    import transformers

    return Hardware(
        processor=_processor(),
        threads=torch.get_num_threads(),
        device=device.described,
        python=platform.python_version(),
        torch=torch.__version__,
        transformers=transformers.__version__,
    )


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def _random_features(router: ReferenceRouter, n: int, rng: np.random.Generator) -> Features:
    blocks = {
        name: rng.normal(size=(n, dimension)).astype(np.float32) for name, dimension in router.spec.dimensions.items()
    }
    return Features(blocks, np.full(n, "", dtype=object), router.spec)


def run_bench(
    checkpoint: Path,
    data: str | None,
    image_encoder: str | None,
    text_encoder: str | None,
    *,
    threads: int | None = None,
    calls: int = CALLS,
    device: str = "auto",
) -> Bench:
    """Time a checkpoint: every stage on queries of a full dataset, or without `data` the head alone. InputError."""
    import torch

    if threads:
        torch.set_num_threads(threads)
    place = CPU  # of the head
    if data is None:
        stages = {"head": bench_head(_reference(open_checkpoint(checkpoint)), calls)}
    else:
        place = find_device(device)
        pipeline = load_router(checkpoint, image_encoder=image_encoder, text_encoder=text_encoder, device=place.name)
        stages = bench_pipeline(pipeline, *_queries(dataset_folder(data)), calls=calls)
    return Bench(str(checkpoint), stages, hardware(place))


def _queries(folder: Path) -> tuple[list[bytes], list[str]]:
    """Images and questions of some test queries that have an image: all stages are timed."""
    if read_manifest(folder).edition != "full":
        raise InputError.at(
            folder, "has no images to route", "name a full edition, or leave --data out to time the head"
        )
    shard = sorted((folder / "pairs").glob("test-*.parquet"))[0]
    table = pq.ParquetFile(shard).read_row_group(0, columns=["image", "question"])
    rows = [row for row in table.to_pylist() if row["image"]]
    if not rows:
        raise InputError.at(shard, "its first queries have no image", "name a dataset whose queries have images")
    return [row["image"]["bytes"] for row in rows], [row["question"] for row in rows]


def write_bench(path: Path, measured: Bench) -> None:
    """Keep the figures for `router submit --latency`."""
    write_file(path, (json.dumps(asdict(measured), indent=1) + "\n").encode())


def read_bench(path: Path, blocks: tuple[str, ...] = BLOCKS) -> tuple[float, str]:
    """(seconds a query at batch 1 of a router that reads `blocks`, hardware) of a file of `write_bench`.

    The p50 of the stages that the blocks need, and of the head, added up. InputError where the file is none, or holds
    the head alone, which is not a router's latency.
    """
    stages_of = {"image": "image encoder", "text": "text encoder", "statistics": "statistics"}
    try:
        measured = json.loads(path.read_bytes())
        names = [*(stages_of[block] for block in blocks), "head"] if blocks else []
        seconds = sum(float(measured["stages"][name]["1"]["p50_ms"]) for name in names) / 1e3
        if not is_latency(seconds):
            raise ValueError(f"{seconds} s is no latency")
        stamp = measured["hardware"]
        on = "" if stamp["device"] == "cpu" else f"{stamp['device']}, "
        return round(seconds, 6), f"{stamp['processor']}, {stamp['threads']} threads, {on}torch {stamp['torch']}"
    except (OSError, ValueError, KeyError, TypeError) as error:
        fix = "make it: rsd-bench router bench DIR --data FULL_EDITION --out FILE"
        raise InputError.at(path, f"holds no latency of a whole router: {error!r}", fix) from None
