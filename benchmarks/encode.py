"""Encoding on this machine: `python benchmarks/encode.py [--images N] [--encoder PATH] [--device cuda] [--data DIR]`

On the CPU: images a second and CPU seconds an image of the engine (a batch on each thread) against one batch at a time
on all threads, taken in turns in one run, whose vectors must be equal to the bit; and what threads and processes each
decode in a second. Where there is an accelerator, or --device names one: N images encoded there against a tenth of them
on the CPU, the cosine between the two, a reference router trained and asked there. Without --data the images are JPEG
of 640 x 480 made here, without --encoder a ViT-B/16 of random weights: what a number costs does not depend on it.
"""

from __future__ import annotations

import argparse
import io
import os
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from PIL import Image
from transformers import AutoImageProcessor, ViTConfig, ViTImageProcessorPil, ViTModel

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))
from conftest import RECIPE, Records

from rsd_bench.build.build_dataset import build_dataset
from rsd_bench.build.recipe import read_recipe
from rsd_bench.dataset.benchmark import open_benchmark
from rsd_bench.features import encode
from rsd_bench.features.devices import HALF_TOLERANCE, find_device
from rsd_bench.features.encoders import open_rgb
from rsd_bench.features.feature_table import read_features
from rsd_bench.routers.checkpoint import train_checkpoint
from rsd_bench.routers.network import ReferenceRouter
from rsd_bench.routers.reference_training import Settings
from rsd_bench.sources.records_folder import open_records
from rsd_bench.sources.store.import_sources import import_source

TURNS = 3


def made_dataset(root: Path, n: int) -> Path:
    """n queries, each with a photo-like JPEG of its own."""
    records, rng = Records(root / "toy", n=n), np.random.default_rng(0)
    for i, query in enumerate(records.queries):
        coarse = Image.fromarray(rng.integers(0, 256, (48, 64, 3), dtype=np.uint8))
        coarse.resize((640, 480), Image.Resampling.BICUBIC).save(out := io.BytesIO(), "JPEG", quality=90)
        query["image"] = f"images/{i}.jpg"
        records.images[query["image"]] = out.getvalue()
    records.images = {query["image"]: records.images[query["image"]] for query in records.queries}
    import_source(open_records(records.write(), print), root / "store", {}, [])
    (root / "recipe.toml").write_text(RECIPE)
    build_dataset(read_recipe(root / "recipe.toml"), root / "store", root / "dataset")
    return root / "dataset"


def made_encoder(folder: Path) -> Path:
    torch.manual_seed(0)
    ViTModel(ViTConfig()).save_pretrained(folder)
    ViTImageProcessorPil(size={"height": 224, "width": 224}).save_pretrained(folder)
    return folder


def timed(work: Callable[[], Any]) -> tuple[Any, float, float]:
    """What it gives, seconds by the clock, and of the CPU with those of its processes."""
    wall, before = time.perf_counter(), os.times()
    found = work()
    after = os.times()
    return found, time.perf_counter() - wall, sum(after[:4]) - sum(before[:4])


def engine_against_one(choice: encode.EncoderChoice, batches: list[encode.Batch]) -> None:
    encoder, n = choice.load(), sum(len(batch.keys) for batch in batches)
    ways: dict[str, Callable[[], list[Any]]] = {
        "one batch on all threads": lambda: [encode.encode_batch(encoder, batch) for batch in batches],
        "a batch on each thread": lambda: [vectors for _, vectors in encode.run_here(choice, encoder, batches)],
    }
    figures: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    bits = set()
    for _ in range(TURNS):
        for name, work in ways.items():
            found, wall, cpu = timed(work)
            figures[name].append((n / wall, cpu / n))
            bits.add(b"".join(vectors.tobytes() for vectors in found))
    if len(bits) != 1:
        raise SystemExit("the two ways give other vectors")
    shown = {name: tuple(map(median, zip(*rows, strict=True))) for name, rows in figures.items()}
    for name, (rate, cpu) in shown.items():
        print(f"{name}: {rate:.2f} images/s, {cpu:.3f} CPU s an image (median of {TURNS}, {n} images)")
    (rate, cpu), (other_rate, other_cpu) = shown.values()
    print(
        f"ratio: {other_rate / rate:.2f} by the clock, {cpu / other_cpu:.2f} of the CPU; load {os.getloadavg()[0]:.1f}"
    )


_processor: Any = None


def _load(folder: str) -> None:
    global _processor
    torch.set_num_threads(1)
    _processor = AutoImageProcessor.from_pretrained(folder)


def _decoded(images: list[bytes]) -> Any:
    return _processor([open_rgb(data) for data in images], return_tensors="pt")["pixel_values"].numpy()


def threads_against_processes(folder: str, batches: list[encode.Batch]) -> None:
    contents, threads = [batch.contents("image") for batch in batches], torch.get_num_threads()
    n = sum(map(len, contents))
    pools: dict[str, Executor] = {
        "threads": ThreadPoolExecutor(threads, initializer=_load, initargs=(folder,)),
        "processes": ProcessPoolExecutor(threads, initializer=_load, initargs=(folder,)),
    }
    for name, pool in pools.items():
        with pool:
            list(pool.map(_decoded, contents[:threads]))  # started
            figures = [timed(lambda pool=pool: list(pool.map(_decoded, contents)))[1] for _ in range(TURNS)]
        print(f"decode and resize on {threads} {name}: {n / median(figures):.0f} images/s")
    torch.set_num_threads(threads)


def accelerator(data: Path, root: Path, source: str, device: str) -> None:
    vectors, place = {}, find_device(device)
    columns = {shard: encode.keys_of(shard, "image") for shard in encode._shards(data)}
    for name in (place.name, "cpu"):
        choice = encode.EncoderChoice("image", source, device=name)
        encoder = choice.load()
        cache = encode.VectorCache(root / "probe", encoder.spec, source)
        batches = encode._planned(columns, cache, encoder, None)
        if name == "cpu":
            batches = batches[: max(1, len(batches) // 10)]
        next(iter(encode.run_here(choice, encoder, batches)))
        found, wall, _ = timed(lambda c=choice, e=encoder, b=batches: list(encode.run_here(c, e, b)))
        n = sum(len(batch.keys) for batch in batches)
        print(f"{encoder.device.described}: {n / wall:.1f} images/s ({n} images, batch {len(batches[0].keys)})")
        vectors[name] = {
            key: row.astype(np.float64) for batch, rows in found for key, row in zip(batch.keys, rows, strict=True)
        }
    away, here = vectors[place.name], vectors["cpu"]
    apart = [1 - float(here[k] @ away[k] / np.linalg.norm(here[k]) / np.linalg.norm(away[k])) for k in here]
    print(f"1 - cosine to the CPU: at most {max(apart):.1e} (bound {HALF_TOLERANCE:g})")
    encode.encode_dataset(data, root / "features", encode.EncoderChoice("image", source, device=place.name), None)
    benchmark = open_benchmark(data)
    features = read_features(benchmark, root / "features")
    settings, scenario = Settings(blocks=("image", "statistics")), next(iter(benchmark.scenarios))
    for name in (place.name, "cpu"):
        out = root / f"router-{name}"
        _, wall, _ = timed(
            lambda out=out, name=name: train_checkpoint(
                out, benchmark, features, scenario=scenario, track="in-domain", settings=settings, device=name
            )
        )
        router = ReferenceRouter.from_pretrained(out)
        _, asked, _ = timed(lambda router=router, name=name: router.to(name).predict_p_edge(features))
        print(f"router on {name}: trained in {wall:.1f} s, {len(features) / asked:.0f} decisions/s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=2_000)
    parser.add_argument("--encoder")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--data", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary)
        place = find_device(given.device)
        data = given.data or made_dataset(root, given.images)
        source = given.encoder or str(made_encoder(root / "encoder"))
        if place.ahead:
            accelerator(data, root, source, place.name)
            return
        choice = encode.EncoderChoice("image", source, device="cpu")
        columns = {shard: encode.keys_of(shard, "image") for shard in encode._shards(data)}
        batches = encode.plan(columns, [], "image", encode.ENCODER_BATCH)
        batches = [batches[i] for i in np.linspace(0, len(batches) - 1, -(-given.images // 16)).astype(int)]
        threads_against_processes(source, batches)
        engine_against_one(choice, batches)


if __name__ == "__main__":
    main()
