"""Decisions on disk, so that an interrupted experiment resumes: OUT/.cache/<key>.npz.

The key is a hash of the data, the features, the router's name, protocol, scenario and seed, and of the source code that
decides: a change of any of them decides anew. Routers of a user's own file are not kept.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import rsd_bench.routers
from rsd_bench.dataset.benchmark import Benchmark
from rsd_bench.features.feature_table import Features
from rsd_bench.folders import write_file
from rsd_bench.routers.registry import ROUTERS
from rsd_bench.studies.cross_validation import Decided

_DECIDING = (
    *("interface", "thresholds", "baselines", "cross_fit", "network", "reference_training", "registry"),
    *("ngram_routers", "ngram_weights", "landmarks", "ridge", "gain_rule"),
)


class DecisionCache:
    """Decisions of one dataset and one set of features."""

    def __init__(self, folder: Path, benchmark: Benchmark, features: Features) -> None:
        self._folder = folder / ".cache"
        source = Path(rsd_bench.routers.__path__[0])
        code = [hashlib.sha256((source / f"{name}.py").read_bytes()).hexdigest() for name in _DECIDING]
        self._base = [benchmark.manifest_sha256, features.spec.to_dict(), code]

    def get(self, key: tuple[Any, ...], decide: Callable[[], Decided]) -> Decided:
        """The decisions of `key` (router name first), made now where they are not kept."""
        if str(key[0]).partition(":")[0] not in ROUTERS:
            return decide()
        name = hashlib.sha256(json.dumps([*self._base, key], sort_keys=True).encode()).hexdigest()[:32]
        path = self._folder / f"{name}.npz"
        try:
            with np.load(path, allow_pickle=False) as kept:
                return Decided(kept["p_edge"], kept["route"])
        except (OSError, ValueError, KeyError, zipfile.BadZipFile):
            made = decide()  # not there, or damaged
        self._folder.mkdir(parents=True, exist_ok=True)
        write_file(path, _npz(made))
        return made


def _npz(decided: Decided) -> bytes:
    out = io.BytesIO()
    np.savez_compressed(out, p_edge=decided.p_edge, route=decided.route)
    return out.getvalue()
