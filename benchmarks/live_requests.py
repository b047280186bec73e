"""Rate, CPU and memory of live generation against a loopback endpoint in another process.

    python benchmarks/live_requests.py [--queries 5000] [--concurrency 64] [--latency 0.1]

Prints JSON: rate and ideal rate (concurrency / latency) in calls a second, CPU milliseconds a call of the client, and
its peak memory in MB. Streaming, one image a query, every answer committed; outcomes written at the end are in the
memory, not in the rate.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from rsd_bench.dataset.query_statistics import text_statistics
from rsd_bench.endpoints.answer_store import open_answers
from rsd_bench.endpoints.calls import Endpoint
from rsd_bench.endpoints.chat import load_sdk
from rsd_bench.endpoints.engine import Job, Lane, count_pending, run_local
from rsd_bench.endpoints.prices import Budget, load_prices
from rsd_bench.endpoints.retry import Asking
from rsd_bench.generate.answer_queries import Plan, file_outcomes
from rsd_bench.sources.store.store_media import store_image
from rsd_bench.sources.store.store_tables import JUDGMENTS, QUERIES, RESPONSES

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "support"))
from chat_server import Loopback
from conftest import png


def write_store(store: Path, n: int) -> None:
    """A store with one source of `n` queries about one picture."""
    sha256, size, pixels = store_image(store, lambda: png(0, (80, 60)))
    folder = store / "sources" / "load"
    folder.mkdir(parents=True)
    with pq.ParquetWriter(folder / "queries.parquet", QUERIES) as writer:
        for start in range(0, n, 1000):
            rows = [
                {
                    "query_id": f"load/{i}",
                    "domain": "load",
                    "group": f"load/{i}",
                    "question": f"How many things are in picture {i}?",
                    "reference_answer": str(i),
                    "image_sha256": sha256,
                    "image_bytes": size,
                    "statistics": text_statistics("How many?") | pixels,
                }
                for i in range(start, min(start + 1000, n))
            ]
            writer.write_table(pa.Table.from_pylist(rows, QUERIES))
    for name, schema in (("responses", RESPONSES), ("judgments", JUDGMENTS)):
        pq.write_table(schema.empty_table(), folder / f"{name}.parquet")
    (folder / "source.json").write_text(
        json.dumps({"source": "load", "name": "load", "license": "CC0-1.0", "models": {}})
    )


def _peak_mb() -> int:
    """Peak resident memory of this process alone: ru_maxrss would start at the size of whoever forked it."""
    status = Path("/proc/self/status").read_text("utf-8").splitlines()
    return next(int(row.split()[1]) for row in status if row.startswith("VmHWM")) // 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--queries", type=int, default=5_000)
    parser.add_argument("--concurrency", type=int, default=64)
    parser.add_argument("--latency", type=float, default=0.1)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, Loopback(given.latency) as server:
        store = Path(folder)
        write_store(store, given.queries)
        endpoint, params = Endpoint("huge", server.url), {"temperature": 0, "max_tokens": 64}
        plan = Plan(store, ["load"], [endpoint], params)
        budget = Budget(load_prices())
        with open_answers(store) as answers:
            lanes = [Lane(endpoint, lambda: plan.requests("huge"), given.concurrency)]
            tally = count_pending(lanes, answers, budget, 64)
            load_sdk()  # its import is no part of the rate
            wall, cpu = time.perf_counter(), time.process_time()
            run_local(lanes, Job(answers, Asking(plan.media, stream=True), budget, tally))
            wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
            counts = file_outcomes(plan, answers)
    figures = {
        "queries": given.queries,
        "ok": counts["huge", "ok"],
        "rate": round(given.queries / wall, 1),
        "ideal_rate": given.concurrency / given.latency if given.latency else None,
        "cpu_ms_a_call": round(1e3 * cpu / given.queries, 3),
        "peak_memory_mb": _peak_mb(),
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
