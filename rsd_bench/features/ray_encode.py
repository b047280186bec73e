"""The same plan on a Ray cluster: one encoder per worker (an actor), batches read where they are encoded.

The dataset folder and a local encoder folder must have the same path on every node (a shared file system). Vectors
come back to the driver, which alone writes the cache; a batch lost with a worker is run again by Ray. A worker has the
driver's device, of CUDA a card of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, replace
from typing import Any

import numpy as np

from rsd_bench.features.encode import Batch, EncoderChoice, Engine, encode_batch
from rsd_bench.features.encoders import Encoder, Half
from rsd_bench.types import InputError


def ray_engine(address: str | None, workers: int) -> Engine:
    """An engine over the cluster at `address` (None: the one named by RAY_ADDRESS, else a new one on this machine)."""
    try:
        import ray
    except ImportError as error:
        raise InputError.at("--engine ray", f"cannot be used: {error}", "pip install 'rsd-bench[ray]'") from None
    if not ray.is_initialized():
        ray.init(address=address, log_to_driver=False)

    def run(choice: EncoderChoice, encoder: Encoder, batches: list[Batch]) -> Iterator[tuple[Batch, Half]]:
        context = ray.data.DataContext.get_current()
        context.enable_progress_bars = False
        # blocks are made here and not by a task: on a small cluster the workers hold every core
        items = [{"batch": i, **asdict(batch)} for i, batch in enumerate(batches)]
        rows = ray.data.from_items(items, override_num_blocks=min(len(batches), 4 * workers))
        done = rows.map_batches(
            _Worker,
            fn_constructor_args=(asdict(replace(choice, device=encoder.device.name)),),
            compute=ray.data.ActorPoolStrategy(size=workers),
            batch_size=1,
            num_cpus=1,
            num_gpus=int(encoder.device.name == "cuda"),
        )
        for row in done.iter_rows():
            yield batches[row["batch"]], np.asarray(row["vectors"], dtype=np.float16)

    return run


class _Worker:
    """Loads the encoder once and encodes the batches that Ray gives it, one at a time."""

    def __init__(self, choice: dict[str, Any]) -> None:
        self._encoder = EncoderChoice(**choice).load()

    def __call__(self, rows: dict[str, Any]) -> dict[str, Any]:
        numbers, places = (tuple(map(int, rows[name][0])) for name in ("rows", "places"))
        batch = Batch(str(rows["shard"][0]), int(rows["row_group"][0]), numbers, places, tuple(rows["keys"][0]))
        return {"batch": rows["batch"], "vectors": encode_batch(self._encoder, batch)[None]}
