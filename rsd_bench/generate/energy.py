"""Energy of an answer, read from an instrument of this machine or not at all.

A reading covers all that the machine (codecarbon) or its GPUs (NVML) did between the start and the end of a call. That
is the energy of one answer only where the model runs here, alone, one call at a time; anything else is refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from rsd_bench.endpoints.calls import Endpoint
from rsd_bench.endpoints.retry import EnergyMeter
from rsd_bench.types import InputError

_JOULES_PER_KWH = 3.6e6


def open_meter(instrument: str, endpoints: Sequence[Endpoint], concurrency: int) -> EnergyMeter:
    """The meter "nvml" or "codecarbon". InputError where its reading would not be that of one answer."""
    where = f"--energy {instrument}"
    if len(endpoints) != 1 or concurrency != 1:
        raise InputError.at(where, "would count several calls at once", "one --model and --concurrency 1")
    if not _is_here(endpoints[0].base_url):
        raise InputError.at(where, "the endpoint is on another machine", "run generate where the model runs")
    return NvmlMeter() if instrument == "nvml" else CodecarbonMeter()


def _is_here(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class NvmlMeter:
    """The energy counters (millijoules since the driver was loaded) of all NVIDIA GPUs of this machine."""

    basis = "nvml"

    def __init__(self) -> None:
        try:
            import pynvml
        except ImportError:
            raise InputError.at("--energy nvml", "pynvml is not installed", "pip install nvidia-ml-py") from None
        self._nvml: Any = pynvml
        try:
            pynvml.nvmlInit()
            self._devices = [pynvml.nvmlDeviceGetHandleByIndex(i) for i in range(pynvml.nvmlDeviceGetCount())]
            self._start = self._read()
        except pynvml.NVMLError as error:
            raise InputError.at("--energy nvml", f"no reading: {error}", "use a GPU with an energy counter") from None
        if not self._devices:
            raise InputError.at("--energy nvml", "finds no GPU", "leave --energy out")

    def _read(self) -> int:
        return sum(self._nvml.nvmlDeviceGetTotalEnergyConsumption(device) for device in self._devices)

    def start(self) -> None:
        self._start = self._read()

    def stop(self) -> float:
        return (self._read() - self._start) / 1e3


class CodecarbonMeter:
    """codecarbon's reading of the whole machine; offline, nothing is sent or written."""

    basis = "codecarbon"

    def __init__(self) -> None:
        try:
            from codecarbon import OfflineEmissionsTracker
        except ImportError:
            raise InputError.at("--energy codecarbon", "is not installed", "pip install codecarbon") from None
        self._tracker: Any = OfflineEmissionsTracker(
            country_iso_code="USA", save_to_file=False, log_level="error", allow_multiple_runs=True
        )

    def start(self) -> None:
        self._tracker.start_task()

    def stop(self) -> float:
        return float(self._tracker.stop_task().energy_consumed) * _JOULES_PER_KWH
