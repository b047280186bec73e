"""Cost of a router of words: `python benchmarks/ngrams.py`. Training, one decision, a fresh process that loads it.

Synthetic questions of about 36 tokens (72 n-grams), words drawn as words fall (Zipf) from 30,000, so that the kernel is
as full as that of English; what the tiers solve depends on some of the words. Each training runs in a process of its
own, whose peak resident memory is told; decisions and loading on one core. Seconds of the CPU, which other work on the
machine leaves alone, beside those by the clock. Two to three minutes.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from rsd_bench.config import SCENARIOS
from rsd_bench.features.blocks import Features, FeatureSpec, NgramSpec
from rsd_bench.features.ngrams import count_ngrams
from rsd_bench.metrics.routing import Outcomes
from rsd_bench.routers.interface import TrainingData
from rsd_bench.routers.ngram_routers import NgramGain
from rsd_bench.routers.pipeline import load_router
from rsd_bench.routers.registry import ROUTERS
from rsd_bench.routers.saved_router import Decider, SavedRouter, write_router

ROWS, WORDS, TOKENS, CALLS, LOADS = (3_000, 100_000), 30_000, 36, 500, 5


def questions(n: int) -> tuple[list[str], np.ndarray]:
    """n questions, and how hard each is."""
    rng = np.random.default_rng(0)
    chance = 1 / np.arange(1, WORDS + 1)
    words = rng.choice(WORDS, (n, TOKENS), p=chance / chance.sum())
    hardness = rng.normal(size=WORDS)[words].mean(axis=1)
    return [" ".join(f"w{word}" for word in row) for row in words], hardness


def data(n: int) -> TrainingData:
    asked, hard = questions(n)
    rng = np.random.default_rng(1)
    large, small = (np.where(rng.normal(0, 0.3, n) + lead > hard, 9.0, 2.0) for lead in (0.2, 0.0))
    ids, spec = np.array([f"synthetic/{i}" for i in range(n)], object), FeatureSpec(None, None, ngrams=NgramSpec())
    features = Features({"ngrams": count_ngrams(asked)}, np.full(n, "", object), spec, query_ids=ids)
    groups = np.array([f"g{i // 2}" for i in range(n)], dtype=object)
    return TrainingData(features, Outcomes.of(small, large), groups, SCENARIOS["fast_response"])


def train(n: int) -> None:
    """Print what one training costs."""
    whole = data(n)
    start, busy = time.perf_counter(), time.process_time()
    part = 4 * n // 5
    NgramGain().fit(whole.take(np.arange(part)), whole.take(np.arange(part, n)))
    busy, seconds = time.process_time() - busy, time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"train {n:,} rows: {busy:.1f} s of the CPU ({seconds:.1f} s), peak memory {peak:,.0f} MiB")


def decide(folder: Path) -> None:
    """Print what a decision of a router of 3,000 rows costs, and a process that loads it and decides once."""
    whole = data(ROWS[0])
    rows = np.arange(ROWS[0])
    parts = whole.take(rows[:2_400]), whole.take(rows[2_400:])
    router = NgramGain().fit(*parts)
    decider = Decider(router, whole.scenario, router.threshold())
    pair = {"small": "small", "large": "large"}
    notes = {"dataset": "synthetic", "manifests": [], "pair": pair, "track": "in-domain"}
    counts = {"train_queries": 2_400, "validation_queries": 600}
    entry = ROUTERS["ngram-gain"]
    deciders, spec = {whole.scenario.name: decider}, whole.features.spec
    known = router.known_queries(*parts)
    write_router(folder, SavedRouter(entry.name, entry.blocks, spec, deciders, {}, notes | counts, known), entry)
    size = sum(path.stat().st_size for path in folder.iterdir())
    kept = sum(array.nbytes for array in known.state().arrays.values())
    print(f"a checkpoint of one scenario: {size / 1e6:.2f} MB, {kept / 1e6:.2f} of which are its training queries")
    pipeline, asked = load_router(folder), questions(CALLS)[0]
    for explain in (False, True):
        seconds, busy = [], []
        for question in asked:
            start, on_cpu = time.perf_counter(), time.process_time()
            pipeline.route(None, question, explain=explain)
            busy.append(time.process_time() - on_cpu)
            seconds.append(time.perf_counter() - start)
        p50, p95, cpu = 1e3 * np.array([*np.quantile(seconds, (0.5, 0.95)), np.median(busy)])
        what = "one decision with its reasons" if explain else "one decision"
        print(f"{what}: p50 {cpu:.3f} ms of the CPU ({p50:.3f} ms, p95 {p95:.3f} ms; {CALLS} calls)")
    script = f"import rsd_bench as rsd; print(rsd.load_router({str(folder)!r}).route(None, 'How many?').model)"
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    for _ in range(LOADS):
        subprocess.run([sys.executable, "-c", script], check=True, capture_output=True)
    after, wall = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter() - start
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(f"a fresh process that loads it and decides once: {cpu / LOADS:.2f} s of the CPU ({wall / LOADS:.2f} s)")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--train", type=int, metavar="ROWS", help="only this training, in this process")
    if rows := parser.parse_args().train:
        train(rows)
        return
    for n in ROWS:
        subprocess.run([sys.executable, __file__, "--train", str(n)], check=True)
    with tempfile.TemporaryDirectory() as folder:
        decide(Path(folder))


if __name__ == "__main__":
    main()
