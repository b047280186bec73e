"""How many contents an accelerator encodes at once, by trial: the CPU's number is fixed, a card's depends on the card.

The bits of a vector follow its batch, so that the CPU never tries: there the same plan gives the same bytes everywhere.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from rsd_bench.config import ENCODER_BATCH
from rsd_bench.features.encoders import Encoder, Tensors
from rsd_bench.types import InputError

_WORTH = 1.1  # a batch twice as large is kept where it is this much quicker a content


def batch_by_trial(encoder: Encoder, contents: Sequence[Any], most: int) -> int:
    """From ENCODER_BATCH on doubled up to `most`, while it is quicker and memory holds.

    contents: some of those to encode. InputError where memory does not hold the smallest.
    """
    best, quickest, size = 0, float("inf"), min(ENCODER_BATCH, most)
    few = encoder.prepare(contents[:ENCODER_BATCH])
    while size <= most:
        try:
            seconds = _seconds(encoder, _repeated(few, size)) / size
        except RuntimeError as error:  # torch's OutOfMemoryError is one, and what MPS raises instead
            if "memory" not in str(error):
                raise
            if best:
                break
            fix = "free its memory, or use --device cpu"
            raise InputError.at(f"device {encoder.device.name}", f"cannot hold {size} contents: {error}", fix) from None
        if seconds * _WORTH > quickest:
            break
        best, quickest, size = size, seconds, size * 2
    return best


def _repeated(few: Tensors, size: int) -> Tensors:
    import torch

    return {name: tensor[torch.arange(size) % len(tensor)] for name, tensor in few.items()}


def _seconds(encoder: Encoder, inputs: Tensors) -> float:
    """Of the second of two calls: the first one compiles and allocates."""
    encoder.forward(inputs)
    start = time.perf_counter()
    encoder.forward(inputs)
    return time.perf_counter() - start
