"""Energy of answers from a log of the power of a Jetson board, which its runs of lmms-eval write beside their samples.

    RUN/tegrastats.log[.gz]                   a line a second: GR3D_FREQ 87% ... VDD_GPU_SOC 23371mW/5888mW ...
    RUN/lmms_eval/<date>_samples_<task>.jsonl

Of each rail a line states the power now and its mean so far. The power of the module is the sum of its rails now (their
names differ from board to board). Samples bear no time of day, so an answer is taken to draw what the module drew while
its GPU worked, energy = sum(power x GPU load) / sum(GPU load) x latency: the mean over a run is that of loading the
model and of waiting too. A log without GPU load leaves that mean.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from rsd_bench.jsonl import opened
from rsd_bench.types import InputError

#: The rails whose sum is the power of the module: AGX Orin, AGX Thor.
_MODULES = ({"VDD_GPU_SOC", "VDD_CPU_CV", "VIN_SYS_5V0"}, {"VDD_GPU", "VDD_CPU_SOC_MSS", "VIN_SYS_5V0"})
_RAIL = re.compile(r"\b([A-Z][A-Z0-9_]+) (\d{1,7})mW/")
_LOAD = re.compile(r"\bGR3D_FREQ (\d{1,3})%")
_MAX_LINE = 1 << 16
_LOG = "tegrastats"


@dataclass(frozen=True)
class Power:
    """Power in watts that an answer draws, and how it was reckoned."""

    watts: float
    basis: str

    def energy(self, latency_s: float | None) -> float | None:
        return None if latency_s is None else self.watts * latency_s


def power_log(samples: Path) -> Path | None:
    """The power log of the run that wrote a sample log."""
    folders = [samples.parent] + [samples.parent.parent] * (samples.parent.name == "lmms_eval")
    return next(
        (
            path
            for folder in folders
            for suffix in (".log", ".log.gz")
            if (path := folder / f"{_LOG}{suffix}").is_file()
        ),
        None,
    )


def read_power(path: Path) -> Power | None:
    """What a power log says; None where no line has all rails of a board. InputError where the file is damaged."""
    lines, total, loads, weighted = 0, 0.0, 0.0, 0.0
    try:
        with opened(path) as stream:
            for line in iter(lambda: stream.readline(_MAX_LINE).decode("ascii", "replace"), ""):
                if (watts := _module(line)) is None:
                    continue
                load = float(found[1]) if (found := _LOAD.search(line)) else 0.0
                lines, total = lines + 1, total + watts
                loads, weighted = loads + load, weighted + load * watts
    except OSError as error:
        what = error.strerror or "cannot be read"
        raise InputError.at(path, what, "restore the file, or move it away") from None
    if loads:
        return Power(weighted / loads, f"{_LOG}: module power while the GPU worked x latency")
    return Power(total / lines, f"{_LOG}: mean module power of the run x latency") if lines else None


def _module(line: str) -> float | None:
    """The power of the module in watts; None where a rail of it is not stated."""
    rails = {name: int(milliwatts) for name, milliwatts in _RAIL.findall(line)}
    module = next((names for names in _MODULES if names <= rails.keys()), None)
    return sum(rails[name] for name in module) / 1000 if module else None
