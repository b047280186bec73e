"""Router latency by protocol, of any router: warm-up, then timed calls one after another, part by part.

    image encoder, text encoder, statistics, n-grams    what the router reads, from bytes and text
    head                                                from features to decisions
    all                                                 the whole way, `route_many`

Clock: time.perf_counter around each call. Threads, processor and versions are stamped: a latency without its hardware
says nothing.
"""

from __future__ import annotations

import json
import platform
import sys
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow.parquet as pq

from rsd_bench.config import is_latency
from rsd_bench.dataset.manifest import read_manifest
from rsd_bench.dataset.open import dataset_folder
from rsd_bench.features.blocks import BLOCKS, NGRAMS, Features
from rsd_bench.features.devices import CPU, Device, find_device
from rsd_bench.features.ngrams import count_ngrams
from rsd_bench.folders import write_file
from rsd_bench.routers.decision import decisions_of
from rsd_bench.routers.pipeline import RouterPipeline, deciders_of, load_router, open_checkpoint, statistics_of
from rsd_bench.routers.saved_router import REFERENCE, SavedRouter
from rsd_bench.types import InputError

if TYPE_CHECKING:
    from rsd_bench.routers.network import ReferenceRouter

BATCHES = (1, 64)
WARM_UP, CALLS = 3, 50
HEAD, ALL = "head", "all"
#: What a block costs before a decision.
STAGES = {"image": "image encoder", "text": "text encoder", "statistics": "statistics", NGRAMS: "n-grams"}
_MADE_UP = (
    "Look at the figure of exhibit {} and answer: which of the lines in the chart has the highest value in the year "
    "{}, and by how many units does it differ from the lowest one?"
)


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
    """Processor, threads and versions that a latency holds for; torch, transformers: None where neither was used."""

    processor: str
    threads: int
    device: str
    python: str
    numpy: str
    torch: str | None
    transformers: str | None


@dataclass(frozen=True)
class Bench:
    """What `router bench` measured; as JSON, what `router submit --latency` reads."""

    checkpoint: str
    router: str
    stages: dict[str, Timings]
    hardware: Hardware


def bench_head(
    router: ReferenceRouter | SavedRouter, calls: int = CALLS, batches: tuple[int, ...] = BATCHES
) -> Timings:
    """p50 and p95 milliseconds a call from features to decisions, on made-up features, by batch size."""
    rng, decider = np.random.default_rng(0), next(iter(deciders_of(router).values()))
    rows = {size: _made_up_features(router, size, rng) for size in batches}
    return {
        size: timed(partial(decisions_of, router, decider, of, [""] * size), calls, size) for size, of in rows.items()
    }


def bench_pipeline(
    pipeline: RouterPipeline, images: list[bytes | None], questions: list[str], calls: int = CALLS
) -> dict[str, Timings]:
    """The same for each stage from bytes and text to a decision; queries are taken in turn."""
    stages: dict[str, Timings] = {}
    for size in BATCHES:
        turn = _Turn(images, questions, size)
        work: dict[str, Callable[[], Any]] = {
            "image": lambda turn=turn: pipeline.encode_images(turn()[0]),  # type: ignore[misc]
            "text": lambda turn=turn: pipeline.encode_questions(turn()[1]),  # type: ignore[misc]
            "statistics": lambda turn=turn: statistics_of(*turn()),  # type: ignore[misc]
            NGRAMS: lambda turn=turn: count_ngrams(turn()[1]),  # type: ignore[misc]
        }
        parts = {STAGES[name]: work[name] for name in work if name in pipeline.blocks}
        parts[ALL] = lambda turn=turn: pipeline.route_many(*turn())  # type: ignore[misc]
        for name, call in parts.items():
            stages.setdefault(name, {})[size] = timed(call, calls if size == 1 else max(3, calls // 20), size)
    return stages | {HEAD: bench_head(pipeline.router, calls)}


class _Turn:
    """The next `size` queries each time it is called, from the first again after the last."""

    def __init__(self, images: list[bytes | None], questions: list[str], size: int) -> None:
        self._images, self._questions, self._size, self._at = images, questions, size, 0

    def __call__(self) -> tuple[list[Any], list[str]]:
        rows = [(self._at + i) % len(self._questions) for i in range(self._size)]
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
    """Of this machine, now; torch as far as this process uses it. device: of the encoders."""
    torch, transformers = (sys.modules.get(name) for name in ("torch", "transformers"))
    return Hardware(
        processor=_processor(),
        threads=torch.get_num_threads() if torch else _blas_threads(),
        device=device.described,
        python=platform.python_version(),
        numpy=np.__version__,
        torch=torch.__version__ if torch else None,
        transformers=transformers.__version__ if transformers else None,
    )


def _blas_threads() -> int:
    from threadpoolctl import threadpool_info

    return max((int(pool["num_threads"]) for pool in threadpool_info()), default=1)


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def _made_up_features(router: ReferenceRouter | SavedRouter, n: int, rng: np.random.Generator) -> Features:
    blocks: dict[str, Any] = {
        name: rng.normal(size=(n, dimension)).astype(np.float32)
        for name, dimension in router.spec.dimensions.items()
        if name in router.blocks
    }
    if NGRAMS in router.blocks:
        blocks[NGRAMS] = count_ngrams(_made_up_questions(n))
    return Features(blocks, np.full(n, "", dtype=object), router.spec, {"image": np.ones(n, np.bool_)})


def _made_up_questions(n: int) -> list[str]:
    """As long as those of rsd-open: 36 tokens."""
    return [_MADE_UP.format(i, 1990 + i) for i in range(n)]


def run_bench(
    checkpoint: Path,
    data: str | None,
    image_encoder: str | None,
    text_encoder: str | None,
    *,
    threads: int | None = None,
    calls: int = CALLS,
    trust: bool = False,
    device: str = "auto",
) -> Bench:
    """Time a checkpoint: every stage on queries of a full dataset. InputError.

    Without `data` the head alone, of a router of words every stage, on made-up questions: texts of one length cost the
    same. trust: run the file of a router of the user's own.
    """
    router = open_checkpoint(checkpoint, trust)
    name = router.name if isinstance(router, SavedRouter) else REFERENCE
    if data is None and set(router.blocks) != {NGRAMS}:
        with _limited(threads):
            return Bench(str(checkpoint), name, {HEAD: bench_head(router, calls)}, hardware())
    place = find_device(device) if {"image", "text"} & set(router.blocks) else CPU
    places: dict[str, Any] = {"image_encoder": image_encoder, "text_encoder": text_encoder, "device": place.name}
    pipeline = load_router(checkpoint, trust=trust, **places)
    if data is None:
        questions = _made_up_questions(max(BATCHES))
        images: list[bytes | None] = [None] * len(questions)
    else:
        looks = bool({"image", "statistics"} & set(pipeline.blocks))
        images, questions = _queries(dataset_folder(data), looks)
    with _limited(threads):
        return Bench(str(checkpoint), name, bench_pipeline(pipeline, images, questions, calls), hardware(place))


def _limited(threads: int | None) -> Any:
    if threads is None:
        return nullcontext()
    if torch := sys.modules.get("torch"):
        torch.set_num_threads(threads)
    from threadpoolctl import threadpool_limits

    return threadpool_limits(threads)


def _queries(folder: Path, with_images: bool) -> tuple[list[bytes | None], list[str]]:
    """Images and questions of some test queries; those that have an image, where all stages are to be timed."""
    if read_manifest(folder).edition != "full":
        raise InputError.at(
            folder, "has no images to route", "name a full edition, or leave --data out to time the head"
        )
    shard = sorted((folder / "pairs").glob("test-*.parquet"))[0]
    table = pq.ParquetFile(shard).read_row_group(0, columns=["image", "question"])
    rows = [row for row in table.to_pylist() if row["image"] or not with_images]
    if not rows:
        raise InputError.at(shard, "its first queries have no image", "name a dataset whose queries have images")
    images = [row["image"]["bytes"] if with_images else None for row in rows]
    return images, [row["question"] or "" for row in rows]


def write_bench(path: Path, measured: Bench) -> None:
    """Keep the figures for `router submit --latency`."""
    write_file(path, (json.dumps(asdict(measured), indent=1) + "\n").encode())


def read_bench(path: Path, blocks: tuple[str, ...] = BLOCKS) -> tuple[float, str]:
    """(seconds a query at batch 1 of a router that reads `blocks`, hardware) of a file of `write_bench`.

    The p50 of the stages that the blocks need, and of the head, added up. InputError where the file is none, or holds
    the head alone, which is not a router's latency.
    """
    try:
        measured = json.loads(path.read_bytes())
        names = [*(STAGES[block] for block in blocks), HEAD] if blocks else []
        seconds = sum(float(measured["stages"][name]["1"]["p50_ms"]) for name in names) / 1e3
        if not is_latency(seconds):
            raise ValueError(f"{seconds} s is no latency")
        stamp = measured["hardware"]
        made_by = f"torch {stamp['torch']}" if stamp["torch"] else f"numpy {stamp['numpy']}"
        on = "" if stamp["device"] == "cpu" else f"{stamp['device']}, "
        return round(seconds, 6), f"{stamp['processor']}, {stamp['threads']} threads, {on}{made_by}"
    except (OSError, ValueError, KeyError, TypeError) as error:
        fix = "make it: rsd-bench router bench DIR --data FULL_EDITION --out FILE"
        raise InputError.at(path, f"holds no latency of a whole router: {error!r}", fix) from None
