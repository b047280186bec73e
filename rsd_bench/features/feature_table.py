"""The features of a dataset's queries, in the order of its pairs table: what a router may see.

    FOLDER/features/spec.json                  which encoders made the vectors
    FOLDER/features/<split>-NNNNN-of-NNNNN.parquet   query_id, image, text (float16)

FOLDER is the store that `rsd-bench features encode` wrote, or the dataset itself (the lite edition carries its own).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from rsd_bench.dataset.benchmark import Benchmark
from rsd_bench.dataset.query_statistics import STATISTICS_VERSION
from rsd_bench.dataset.tables import read_table
from rsd_bench.features.encoders import EncoderSpec
from rsd_bench.features.statistics import STATISTIC_NAMES, read_statistics
from rsd_bench.features.vector_cache import vector_column
from rsd_bench.metrics.arrays import FloatArray, IntArray
from rsd_bench.types import InputError

FEATURES, SPEC = "features", "spec.json"
BLOCKS = ("image", "text", "statistics")


@dataclass(frozen=True)
class FeatureSpec:
    """What each block is. Features of another spec mean something else, even where their shapes agree."""

    image: EncoderSpec
    text: EncoderSpec
    statistics: tuple[str, ...] = STATISTIC_NAMES
    statistics_version: int = STATISTICS_VERSION

    @property
    def dimensions(self) -> dict[str, int]:
        return dict(zip(BLOCKS, (self.image.dimension, self.text.dimension, len(self.statistics)), strict=True))

    def to_dict(self) -> dict[str, Any]:
        return {
            "image": self.image.to_dict(),
            "text": self.text.to_dict(),
            "statistics": list(self.statistics),
            "statistics_version": self.statistics_version,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> FeatureSpec:
        """ValueError where a field is missing or another."""
        try:
            image, text = (EncoderSpec(**data[kind]) for kind in ("image", "text"))
            return cls(image, text, tuple(data["statistics"]), int(data["statistics_version"]))
        except (KeyError, TypeError) as error:
            raise ValueError(f"is no feature spec: {error}") from None

    def difference(self, other: FeatureSpec) -> str | None:
        """What of `other` is not as here, for people; None where both mean the same features (names may differ)."""
        for kind in ("image", "text"):
            mine, theirs = (getattr(spec, kind) for spec in (self, other))
            if mine.key != theirs.key:
                return f"{kind} features of {theirs.name} ({theirs.revision[:19]}), not {mine.name}"
        if (self.statistics, self.statistics_version) != (other.statistics, other.statistics_version):
            return f"statistics version {other.statistics_version}, not {self.statistics_version}"
        return None


@dataclass(frozen=True)
class Features:
    """Blocks of float32, each (n, d), of n queries; `domains` is what the dataset calls each query's domain, (n,)."""

    blocks: Mapping[str, NDArray[np.float32]]
    domains: NDArray[np.object_]
    spec: FeatureSpec

    def __len__(self) -> int:
        return len(self.domains)

    def take(self, rows: IntArray) -> Features:
        return Features({name: block[rows] for name, block in self.blocks.items()}, self.domains[rows], self.spec)

    def join(self, other: Features) -> Features:
        blocks = {name: np.concatenate([block, other.blocks[name]]) for name, block in self.blocks.items()}
        return Features(blocks, np.concatenate([self.domains, other.domains]), self.spec)

    def matrix(self, blocks: tuple[str, ...] = BLOCKS) -> FloatArray:
        """Chosen blocks side by side, shape (n, sum of d)."""
        return np.hstack([self.blocks[name] for name in blocks]).astype(np.float64)


def read_spec(folder: Path) -> FeatureSpec:
    """The spec of FOLDER/features. InputError where there is none."""
    path = folder / FEATURES / SPEC
    try:
        return FeatureSpec.from_dict(json.loads(path.read_bytes()))
    except FileNotFoundError:
        fix = "make them: rsd-bench features encode DATA --out STORE, then --features STORE"
        raise InputError.at(folder, "holds no encoder features", fix) from None
    except (ValueError, OSError) as error:
        raise InputError.at(path, f"cannot be read: {error}", "encode the features again") from None


def read_features(benchmark: Benchmark, store: Path | None = None) -> Features:
    """Features of every query of a dataset, from `store` or from the dataset itself. InputError where one lacks."""
    folder = store or benchmark.folder
    spec = read_spec(folder)
    table = read_table(folder, FEATURES, ["query_id", "image", "text"])
    position = {query_id: i for i, query_id in enumerate(table.column("query_id").to_pylist())}
    wanted = benchmark.queries["query_id"].tolist()
    rows = _rows(wanted, position, folder)
    try:
        blocks = {name: vector_column(table.column(name))[rows].astype(np.float32) for name in ("image", "text")}
    except ValueError as error:
        raise InputError.at(folder / FEATURES, str(error), "encode the features again") from None
    blocks["statistics"] = read_statistics(benchmark.folder).astype(np.float32)
    shapes = {name: block.shape[1] for name, block in blocks.items()}
    if shapes != spec.dimensions or not all(np.isfinite(block).all() for block in blocks.values()):
        raise InputError.at(folder / FEATURES, "disagrees with its spec.json", "encode the features again")
    return Features(blocks, benchmark.queries["domain"].to_numpy(object), spec)


def copy_features(source: Path, folder: Path) -> FeatureSpec:
    """Copy SOURCE/features into a dataset folder being written: one row a query of its pairs, in their order.

    InputError where a query has no features.
    """
    spec = read_spec(source)
    vectors = read_table(source, FEATURES, ["query_id", "image", "text"])
    position = {query_id: i for i, query_id in enumerate(vectors.column("query_id").to_pylist())}
    (folder / FEATURES).mkdir()
    (folder / FEATURES / SPEC).write_text(json.dumps(spec.to_dict(), indent=1) + "\n", "utf-8", newline="\n")
    for shard in sorted((folder / "pairs").glob("*.parquet")):
        wanted = pq.read_table(shard, columns=["query_id"], partitioning=None).column("query_id").to_pylist()
        rows = _rows(wanted, position, source)
        pq.write_table(vectors.take(pa.array(rows)), folder / FEATURES / shard.name, compression="zstd")
    return spec


def _rows(wanted: list[str], position: Mapping[str, int], folder: Path) -> IntArray:
    lacking = [query_id for query_id in wanted if query_id not in position]
    if lacking:
        what = f"lacks features of {len(lacking)} queries, the first {lacking[0]!r}"
        raise InputError.at(folder / FEATURES, what, f"run rsd-bench features encode DATA --out {folder}")
    return np.array([position[query_id] for query_id in wanted], dtype=np.int64)
