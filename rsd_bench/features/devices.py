"""Where encoders and the reference router compute: the CPU, or the accelerator that torch finds.

On the CPU in float32, and the bits of a vector are the same whatever the number of threads. An accelerator takes half
precision where its hardware has it: its vectors are those of the CPU within HALF_TOLERANCE, and their spec says where
they were made. torch is imported only to ask it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args

from rsd_bench.types import InputError

DeviceName = Literal["auto", "cpu", "cuda", "mps"]
DEVICES: tuple[DeviceName, ...] = get_args(DeviceName)

#: 1 - cosine between a vector of an accelerator and the CPU's of the same content is at most this.
HALF_TOLERANCE = 1e-4
_TENSOR_CORES = (7, 0)  # the compute capability from which float16 is not slower than float32


@dataclass(frozen=True)
class Device:
    """name: as torch calls it. half: the torch type of half precision, or none. card: what the vendor calls it."""

    name: str
    half: str | None = None
    card: str = ""

    @property
    def ahead(self) -> bool:
        """Whether it computes beside the CPU, which meanwhile decodes the next images."""
        return self.name != "cpu"

    @property
    def described(self) -> str:
        """For the provenance of vectors."""
        known = self.name if not self.card else f"{self.name} ({self.card})"
        return f"{known}, {self.half}" if self.half else known


CPU = Device("cpu")


def find_device(asked: str = "auto") -> Device:
    """The device of that name; auto: CUDA, else MPS, else the CPU. InputError where it is not there."""
    if asked not in DEVICES:
        raise InputError.at(f"device {asked!r:.40}", "is none", f"use {', '.join(DEVICES)}")
    if asked == "cpu":
        return CPU
    found = {name: probe for name, probe in (("cuda", _cuda), ("mps", _mps)) if asked in ("auto", name)}
    for probe in found.values():
        if device := probe():
            return device
    if asked == "auto":
        return CPU
    raise InputError.at(f"device {asked}", "is not there, or not for this torch", "use auto, or install torch for it")


def _cuda() -> Device | None:
    import torch

    if not torch.cuda.is_available():
        return None
    half = "float16" if torch.cuda.get_device_capability() >= _TENSOR_CORES else None
    return Device("cuda", half, torch.cuda.get_device_name())


def _mps() -> Device | None:
    import torch

    return Device("mps", "float16") if torch.backends.mps.is_available() else None


def precision(device: Device, *, whole: bool = False) -> Any:
    """The context in which a network computes there; whole: in float32 whatever the hardware has."""
    import torch

    half = None if whole or device.half is None else getattr(torch, device.half)
    return torch.autocast(device.name, dtype=half, enabled=half is not None)
