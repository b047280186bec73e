"""`router bench` times every router, and what it writes is declared: only the reference router's latency could be."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import WITHOUT_TORCH, call_cli
from toy_store import store  # noqa: F401 (fixture)

from rsd_bench.dataset.benchmark import open_benchmark
from rsd_bench.features.feature_table import read_features
from rsd_bench.routers.latency_bench import STAGES, read_bench
from rsd_bench.routers.registry import ROUTERS
from rsd_bench.routers.saved_router import train_router
from rsd_bench.types import InputError


@pytest.mark.parametrize("name", [name for name in ROUTERS if name != "reference"])
def test_every_router_is_timed_in_its_parts(toy_dataset: Path, store: Path, tmp_path: Path, name: str) -> None:
    benchmark, entry = open_benchmark(toy_dataset), ROUTERS[name]
    encoders = {kind: str(path) for kind, path in _places(store).items() if kind in entry.blocks}
    options = {"scenario": "low_energy", "track": "in-domain", "encoders": encoders}
    train_router(tmp_path / "r", entry, benchmark, read_features(benchmark, store), **options)
    out = ("--calls", 5, "--out", tmp_path / "bench.json", "--json")
    done = call_cli("router", "bench", tmp_path / "r", "--data", toy_dataset, *out)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told == json.loads((tmp_path / "bench.json").read_text()) and told["router"] == name
    parts = {*(STAGES[block] for block in entry.blocks), "head"}
    assert set(told["stages"]) == {*parts, "all"}
    for by_batch in told["stages"].values():
        assert list(by_batch) == ["1", "64"]
        assert all(0 < row["p50_ms"] <= row["p95_ms"] for row in by_batch.values())
    seconds, hardware = read_bench(tmp_path / "bench.json", entry.blocks)
    expected = sum(told["stages"][part]["1"]["p50_ms"] for part in parts) / 1e3 if entry.blocks else 0
    assert seconds == pytest.approx(expected, abs=1e-6) and hardware.startswith(told["hardware"]["processor"])


def _places(store: Path) -> dict[str, Path]:
    found = (store / "cache").glob("*/found-at.txt")
    return {path.parent.name.partition("-")[0]: Path(path.read_text("utf-8")) for path in found}


@pytest.fixture(scope="module")
def words(toy_dataset: Path, store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint of `ngram-gain`."""
    out, benchmark = tmp_path_factory.mktemp("words") / "r", open_benchmark(toy_dataset)
    options = {"scenario": "low_energy", "track": "in-domain"}
    train_router(out, ROUTERS["ngram-gain"], benchmark, read_features(benchmark, store), **options)
    return out


def test_a_router_of_words_is_timed_whole_without_data_and_without_torch(words: Path, tmp_path: Path) -> None:
    script = f"{WITHOUT_TORCH}\nfrom rsd_bench.cli.main import main; main()"
    options = ("--calls", "5", "--threads", "1", "--out", str(tmp_path / "bench.json"))
    command = [sys.executable, "-c", script, "router", "bench", str(words), *options]
    run = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert run.returncode == 0, run.stderr
    stages = [line.split("  ")[0] for line in run.stdout.splitlines()]
    assert {"n-grams", "head", "all"} <= set(stages) and "torch" not in run.stdout
    _, hardware = read_bench(tmp_path / "bench.json", ("ngrams",))
    assert ", 1 threads, numpy " in hardware


def test_what_was_measured_is_declared(words: Path, toy_dataset: Path, store: Path, tmp_path: Path) -> None:
    assert call_cli("router", "bench", words, "--calls", 5, "--out", tmp_path / "bench.json").returncode == 0
    seconds, hardware = read_bench(tmp_path / "bench.json", ("ngrams",))
    data = ("--data", toy_dataset, "--features", store, "--latency", tmp_path / "bench.json")
    submit = ("router", "submit", "ngram-gain", "--track", "in-domain", *data, "--out", tmp_path / "submitted")
    predict = ("router", "predict", words, *data, "--author", "Ada", "--out", tmp_path / "predicted")
    for command, name in ((submit, "submitted"), (predict, "predicted")):
        done = call_cli(*command)
        assert done.returncode == 0, done.stderr
        declared = json.loads((tmp_path / name / "submission.json").read_text())["router_latency"]
        assert declared == {"seconds": seconds, "hardware": hardware}
    with pytest.raises(InputError, match=r"holds no latency of a whole router: KeyError\('image encoder'\)"):
        read_bench(tmp_path / "bench.json")


def test_files_of_the_reference_router_from_before_are_read(tmp_path: Path) -> None:
    stages = ("image encoder", "text encoder", "statistics", "head", "all")
    old = {
        "checkpoint": "routers/fast",
        "stages": {
            name: {"1": {"p50_ms": 2.0, "p95_ms": 3.0, "p50_ms_per_query": 2.0, "calls": 50}} for name in stages
        },
        "hardware": {"processor": "CPU", "threads": 2, "device": "cpu", "python": "3", "torch": "2.13.0"},
    }
    (tmp_path / "bench.json").write_text(json.dumps(old))
    assert read_bench(tmp_path / "bench.json") == (0.008, "CPU, 2 threads, torch 2.13.0")
