"""Seconds that the query statistics take, one query at a time: `python benchmarks/query_statistics.py DATASET_DIR`.

DATASET_DIR is a full edition (images and questions). Prints p50 and p95 over its test queries.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import numpy as np

from rsd_bench.dataset.query_statistics import image_statistics, text_statistics
from rsd_bench.dataset.tables import read_table


def main(folder: str) -> None:
    splits = read_table(Path(folder), "splits", ["query_id", "split"]).to_pylist()
    test = {row["query_id"] for row in splits if row["split"] == "test"}
    table = read_table(Path(folder), "pairs", ["query_id", "image", "question"])
    rows = [row for batch in table.to_batches() for row in batch.to_pylist() if row["query_id"] in test]
    for row in rows[:20]:
        image_statistics(row["image"]["bytes"])
    seconds = []
    for row in rows:
        start = time.perf_counter()
        image_statistics(row["image"]["bytes"])
        text_statistics(row["question"])
        seconds.append(time.perf_counter() - start)
    p50, p95 = np.quantile(seconds, (0.5, 0.95))
    print(f"{len(rows)} queries, one core of {os.cpu_count()}: p50 {p50 * 1e3:.1f} ms, p95 {p95 * 1e3:.1f} ms")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    main(sys.argv[1])
