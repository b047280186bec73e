"""Data and routers of the embedded dataset that several test modules learn from; made once for all of them."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

from rsd_bench.config import SCENARIOS
from rsd_bench.dataset.benchmark import Benchmark, open_benchmark
from rsd_bench.dataset.open import dataset_folder
from rsd_bench.features.feature_table import Features, read_features
from rsd_bench.routers.checkpoint import train_checkpoint
from rsd_bench.routers.interface import TrainingData
from rsd_bench.routers.reference_training import Settings, Trained, train_reference
from rsd_bench.routers.track_training import training_data

QUICK = Settings(epochs=2, patience=2)
FAST = SCENARIOS["fast_response"]
Parts = tuple[TrainingData, TrainingData]


@cache  # the fixtures below are one of each module that imports them
def _lite() -> tuple[Benchmark, Features]:
    benchmark = open_benchmark(dataset_folder())
    return benchmark, read_features(benchmark)


@cache
def _parts() -> Parts:
    train, validation = (training_data(*_lite(), "in-domain", split, FAST) for split in ("train", "validation"))
    return train.take(np.arange(300)), validation.take(np.arange(200))


@cache
def _trained() -> Trained:
    return train_reference(*_parts(), QUICK)


@pytest.fixture
def lite() -> tuple[Benchmark, Features]:
    """The embedded dataset and its features."""
    return _lite()


@pytest.fixture
def parts() -> Parts:
    """300 training and 200 validation queries under `fast_response`."""
    return _parts()


@pytest.fixture
def trained() -> Trained:
    """The reference router after two epochs on `parts`."""
    return _trained()


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint of the reference router after one epoch on chart-to-photo."""
    out, once = tmp_path_factory.mktemp("router") / "checkpoint", replace(QUICK, epochs=1)
    train_checkpoint(out, *_lite(), scenario="fast_response", track="chart-to-photo", settings=once, progress=False)
    return out
