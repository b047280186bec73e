"""The features of a dataset's queries, in the order of its pairs table: read from a folder, copied into an edition.

    FOLDER/features/spec.json                  which encoders made the vectors, which n-grams are counted
    FOLDER/features/<split>-NNNNN-of-NNNNN.parquet   query_id; image, text (float16; null: the query has none);
                                               ngram_buckets, ngram_counts

FOLDER is the store that `rsd-bench features encode` wrote, or the dataset itself (the lite edition carries its own). A
block that spec.json does not name is not there; a router that reads it says so. A dataset without features has what it
says itself: the statistics, and where it has its questions their n-grams.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from rsd_bench.config import SPLITS
from rsd_bench.dataset.benchmark import Benchmark, read_queries
from rsd_bench.dataset.open import dataset_folder
from rsd_bench.dataset.tables import read_table
from rsd_bench.features.blocks import BLOCKS as BLOCKS
from rsd_bench.features.blocks import NGRAMS, NgramSpec
from rsd_bench.features.blocks import Features as Features
from rsd_bench.features.blocks import FeatureSpec as FeatureSpec
from rsd_bench.features.ngrams import COLUMNS, count_ngrams, ngram_block
from rsd_bench.features.statistics import read_statistics
from rsd_bench.features.vector_cache import vector_column
from rsd_bench.metrics.arrays import BoolArray, IntArray
from rsd_bench.types import InputError

FEATURES, SPEC = "features", "spec.json"


def read_spec(folder: Path) -> FeatureSpec:
    """The spec of FOLDER/features. InputError where there is none."""
    path = folder / FEATURES / SPEC
    try:
        spec = FeatureSpec.from_dict(json.loads(path.read_bytes()))
        if spec.ngrams not in (None, NgramSpec()):
            raise ValueError("its n-grams are counted otherwise than by this version of the package")
        return spec
    except FileNotFoundError:
        fix = "make them: rsd-bench features encode DATA --out STORE, then --features STORE (load_features: store=)"
        raise InputError.at(folder, "holds no encoder features", fix) from None
    except (ValueError, OSError) as error:
        raise InputError.at(path, f"cannot be read: {error}", "encode the features again") from None


def read_features(benchmark: Benchmark, store: Path | None = None) -> Features:
    """Features of every query of a dataset, from `store` or from the dataset itself. InputError where one lacks."""
    folder = store or benchmark.folder
    if store is None and not (folder / FEATURES).exists():
        return _of_dataset(benchmark)
    spec = read_spec(folder)
    table = read_table(folder, FEATURES, _columns(spec))
    position = {query_id: i for i, query_id in enumerate(table.column("query_id").to_pylist())}
    wanted = benchmark.queries["query_id"].tolist()
    rows = _rows(wanted, position, folder)
    try:
        columns = {encoder.kind: vector_column(table.column(encoder.kind)) for encoder in spec.encoders}
        ngrams = ngram_block(table) if spec.ngrams else None
    except ValueError as error:
        raise InputError.at(folder / FEATURES, str(error), "encode the features again") from None
    statistics, has_image = read_statistics(benchmark.folder)
    present = {"image": has_image, "text": np.ones(len(wanted), np.bool_)}
    for name, (_, there) in columns.items():
        _require_present(name, there[rows], present[name], wanted, folder)
    blocks: dict[str, Any] = {name: vectors[rows].astype(np.float32) for name, (vectors, _) in columns.items()}
    blocks["statistics"] = statistics.astype(np.float32)
    shapes = {name: block.shape[1] for name, block in blocks.items()}
    if shapes != spec.dimensions or not all(np.isfinite(block).all() for block in blocks.values()):
        raise InputError.at(folder / FEATURES, "disagrees with its spec.json", "encode the features again")
    if ngrams is not None:
        blocks[NGRAMS] = ngrams[rows]
    ids, domains = (benchmark.queries[name].to_numpy(object) for name in ("query_id", "domain"))
    return Features(blocks, domains, spec, present, ids)


def _of_dataset(benchmark: Benchmark) -> Features:
    """What a dataset that carries no features says of its queries itself."""
    statistics, has_image = read_statistics(benchmark.folder)
    blocks: dict[str, Any] = {"statistics": statistics.astype(np.float32)}
    if not benchmark.manifest.lite:
        table = read_table(benchmark.folder, "pairs", ["query_id", "question"])
        asked = dict(zip(table.column("query_id").to_pylist(), table.column("question").to_pylist(), strict=True))
        blocks[NGRAMS] = count_ngrams(asked[query_id] or "" for query_id in benchmark.queries["query_id"])
    spec = FeatureSpec(None, None, ngrams=NgramSpec() if NGRAMS in blocks else None)
    ids, domains = (benchmark.queries[name].to_numpy(object) for name in ("query_id", "domain"))
    present = {"image": has_image, "text": np.ones(len(ids), np.bool_)}
    return Features(blocks, domains, spec, present, ids)


def load_features(
    data: str | Path | None = None, split: str | None = None, *, store: str | Path | None = None
) -> Features:
    """The features of a dataset's queries: frozen encoder vectors, hashed n-grams and statistics, to train on.

    data: a dataset folder, a Hub id (`org/name`, `org/name@revision`) or nothing for the embedded rsd-open lite.
    split: train, validation or test; default: every query, in the order of the dataset's pairs.
    store: what `rsd-bench features encode` wrote, where the dataset carries no features of its own.
    Returns Features of n queries: `query_ids`, shape (n,), and `blocks`, of these as far as there are:
        image, text    float32, shape (n, d): one vector a query, 0 where it has none (`present` says which, (n,))
        ngrams         scipy CSR of float32, shape (n, 262144): counts of hashed words and pairs of words
        statistics     float32, shape (n, 27), columns as `spec.statistics` names them
    Raises ValueError naming the argument, InputError (a ValueError) for what cannot be read.
    """
    if split is not None and split not in SPLITS:
        raise ValueError(f"split: {split!r:.80} is none of {', '.join(SPLITS)}")
    benchmark = read_queries(dataset_folder(data))
    features = read_features(benchmark, None if store is None else Path(store))
    if split is None:
        return features
    return features.take(np.flatnonzero(benchmark.queries["split"].to_numpy(object) == split))


def _columns(spec: FeatureSpec) -> list[str]:
    """The columns of features of this spec."""
    return ["query_id", *(encoder.kind for encoder in spec.encoders), *(COLUMNS if spec.ngrams else ())]


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
    vectors = read_table(source, FEATURES, _columns(spec))
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
