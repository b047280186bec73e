"""The reference router's own cost: training on cached features, and the head alone. `python benchmarks/router.py`

2,000 queries of rsd-open lite for 50 epochs without early stopping; the head by `rsd_bench.routers.latency_bench`, p50
of 200 calls; peak resident memory of the whole process. Training uses one thread; the head torch's default unless
--threads.
"""

from __future__ import annotations

import argparse
import resource
import time
from dataclasses import asdict

import numpy as np
import torch

from rsd_bench.config import IN_DOMAIN, SCENARIOS, SPLITS
from rsd_bench.dataset.benchmark import open_benchmark
from rsd_bench.dataset.open import dataset_folder
from rsd_bench.features.feature_table import read_features
from rsd_bench.routers.latency_bench import bench_head, hardware
from rsd_bench.routers.reference_training import Settings, train_reference
from rsd_bench.routers.track_training import training_data

ROWS, EPOCHS, BATCHES = 2_000, 50, (1, 64, 256)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int)
    threads = parser.parse_args().threads
    if threads:
        torch.set_num_threads(threads)
    benchmark = open_benchmark(dataset_folder())
    features, scenario = read_features(benchmark), SCENARIOS["fast_response"]
    train, validation = (training_data(benchmark, features, IN_DOMAIN, split, scenario) for split in SPLITS[:2])
    rows = train.take(np.arange(ROWS))
    start = time.perf_counter()
    trained = train_reference(rows, validation, Settings(epochs=EPOCHS, patience=EPOCHS))
    seconds = time.perf_counter() - start
    print(f"train {ROWS} rows x {len(trained.history)} epochs: {seconds:.1f} s")
    for batch, row in bench_head(trained.router, calls=200, batches=BATCHES).items():
        print(f"head, batch {batch}: p50 {row.p50_ms:.3f} ms a call, {1e3 * row.p50_ms_per_query:.1f} us a query")
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB")
    print(", ".join(f"{key} {value}" for key, value in asdict(hardware()).items()))


if __name__ == "__main__":
    main()
