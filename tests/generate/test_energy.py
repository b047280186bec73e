"""Joules of an answer.

Guards against the energy of failed tries in that of an answer, and readings of several calls at once.
"""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from asking import IMAGE, QUICK, question, run
from chat_server import Loopback

from rsd_bench.endpoints.retry import Asking
from rsd_bench.generate.energy import NvmlMeter


class Counter8Joules:
    """A meter that reads 8 joules a call and notices calls that overlap or were never stopped."""

    basis = "test"

    def __init__(self) -> None:
        self.running = False

    def start(self) -> None:
        assert not self.running
        self.running = True

    def stop(self) -> float:
        assert self.running
        self.running = False
        return 8.0


def test_energy_is_that_of_the_try_that_succeeded(tmp_path: Path) -> None:
    asking = Asking(lambda sha256: IMAGE, QUICK, stream=True, meter=Counter8Joules())
    with Loopback() as server:
        requests = [question("fault=500-once"), question("q"), question("fault=400")]
        _, answers, _ = run(tmp_path, server.url, requests, 1, asking=asking)
    assert [(answers[r.key].energy_j, answers[r.key].energy_basis) for r in requests] == [
        (8.0, "test"),
        (8.0, "test"),
        (None, None),
    ]


def test_nvml_reads_the_difference_of_millijoule_counters(monkeypatch: pytest.MonkeyPatch) -> None:
    counters = iter([1_000, 5_000, 2_000, 6_000, 2_500, 7_250])  # two GPUs, three readings
    nvml = SimpleNamespace(
        NVMLError=RuntimeError,
        nvmlInit=lambda: None,
        nvmlDeviceGetCount=lambda: 2,
        nvmlDeviceGetHandleByIndex=lambda i: i,
        nvmlDeviceGetTotalEnergyConsumption=lambda device: next(counters),
    )
    monkeypatch.setitem(sys.modules, "pynvml", nvml)
    meter = NvmlMeter()
    meter.start()
    assert meter.stop() == pytest.approx(1.75)
