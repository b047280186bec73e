"""The features of a dataset's queries, in the order of its pairs table: what a router may see.

    FOLDER/features/spec.json                  which encoders made the vectors
    FOLDER/features/<split>-NNNNN-of-NNNNN.parquet   query_id, image, text (float16; null: the query has none)

FOLDER is the store that `rsd-bench features encode` wrote, or the dataset itself (the lite edition carries its own).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
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
from rsd_bench.features.statistics import OF_IMAGE, STATISTIC_NAMES, read_statistics
from rsd_bench.features.vector_cache import vector_column
from rsd_bench.metrics.arrays import BoolArray, FloatArray, IntArray
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
    """Blocks of float32, each (n, d), of n queries; `domains` is what the dataset calls each query's domain, (n,).

    present: by block, which queries have it, (n,); a block that is not named is there for all. What is not there is 0
    in its block: all of `image`, and in `statistics` the numbers of the image, where a query has none.
    """

    blocks: Mapping[str, NDArray[np.float32]]
    domains: NDArray[np.object_]
    spec: FeatureSpec
    present: Mapping[str, BoolArray] = field(default_factory=dict)

    def __post_init__(self) -> None:
        everywhere = np.ones(len(self.domains), np.bool_)
        object.__setattr__(self, "present", {name: self.present.get(name, everywhere) for name in self.blocks})

    def __len__(self) -> int:
        return len(self.domains)

    def take(self, rows: IntArray) -> Features:
        blocks = {name: block[rows] for name, block in self.blocks.items()}
        present = {name: there[rows] for name, there in self.present.items()}
        return Features(blocks, self.domains[rows], self.spec, present)

    def join(self, other: Features) -> Features:
        blocks = {name: np.concatenate([block, other.blocks[name]]) for name, block in self.blocks.items()}
        present = {name: np.concatenate([mine, other.present[name]]) for name, mine in self.present.items()}
        return Features(blocks, np.concatenate([self.domains, other.domains]), self.spec, present)

    def known(self, blocks: tuple[str, ...] = BLOCKS) -> BoolArray:
        """Which entries of `matrix(blocks)` speak of the query, and do not stand for what it lacks; of that shape."""
        parts = []
        for name in blocks:
            there = np.repeat(self.present[name][:, None], self.blocks[name].shape[1], axis=1)
            if name == "statistics" and "image" in self.present:
                there[:, OF_IMAGE] &= self.present["image"][:, None]
            parts.append(there)
        return np.hstack(parts)

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
        columns = {name: vector_column(table.column(name)) for name in ("image", "text")}
    except ValueError as error:
        raise InputError.at(folder / FEATURES, str(error), "encode the features again") from None
    statistics, has_image = read_statistics(benchmark.folder)
    present = {"image": has_image, "text": np.ones(len(wanted), np.bool_)}
    for name, there in present.items():
        _require_present(name, columns[name][1][rows], there, wanted, folder)
    blocks = {name: vectors[rows].astype(np.float32) for name, (vectors, _) in columns.items()}
    blocks["statistics"] = statistics.astype(np.float32)
    shapes = {name: block.shape[1] for name, block in blocks.items()}
    if shapes != spec.dimensions or not all(np.isfinite(block).all() for block in blocks.values()):
        raise InputError.at(folder / FEATURES, "disagrees with its spec.json", "encode the features again")
    return Features(blocks, benchmark.queries["domain"].to_numpy(object), spec, present)


def _require_present(name: str, vectors: BoolArray, queries: BoolArray, ids: list[str], folder: Path) -> None:
    """InputError where a query has what its vector lacks, or the other way round: then they are of another dataset."""
    if len(odd := np.flatnonzero(vectors != queries)):
        what = f"{name} vectors of {len(odd)} queries do not fit the dataset, the first of {ids[odd[0]]!r}"
        raise InputError.at(folder / FEATURES, what, "encode the features of this dataset again")


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
