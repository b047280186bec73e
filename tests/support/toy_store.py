"""Features of the toy dataset, every block, by the tiny encoders; made once for each module that imports `store`."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("torch")

from rsd_bench.features.encode import EncoderChoice, encode_dataset


@pytest.fixture(scope="module")
def store(toy_dataset: Path, tiny_encoders: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of features. Read only."""
    out = tmp_path_factory.mktemp("store")
    encode_dataset(toy_dataset, out, *(EncoderChoice(kind, str(tiny_encoders[kind])) for kind in ("image", "text")))
    return out
