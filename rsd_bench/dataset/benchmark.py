"""The part of a dataset that scoring reads: ids, groups, domains, splits, tracks, scores, latencies; no content."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from rsd_bench.config import IN_DOMAIN, NO_LATENCY_S, SPLITS
from rsd_bench.dataset.layout import MANIFEST
from rsd_bench.dataset.manifest import Manifest, file_sha256, manifest_sha256, read_manifest
from rsd_bench.metrics.arrays import BoolArray, IntArray, group_codes
from rsd_bench.metrics.latency import unclocked_groups
from rsd_bench.metrics.routing import Outcomes
from rsd_bench.types import InputError, Problem

_FIGURES = [
    "query_id",
    "group_id",
    "source",
    "domain",
    "small_score",
    "large_score",
    "small_latency_s",
    "large_latency_s",
    "latency_basis",
]
_NO_LATENCY = "the large model's latency is 0"
_TABLES = ("pairs", "splits")  # what scoring reads


@dataclass(frozen=True)
class Part:
    """Queries of one part of a track, with their outcomes; arrays of shape (n,) in the order of `query_ids`."""

    queries: pd.DataFrame
    outcomes: Outcomes
    rows: IntArray  # positions in Benchmark.queries

    def __len__(self) -> int:
        return len(self.rows)

    @cached_property
    def query_ids(self) -> np.ndarray[Any, Any]:
        return self.queries["query_id"].to_numpy(object)

    @cached_property
    def groups(self) -> np.ndarray[Any, Any]:
        return self.queries["group_id"].to_numpy(object)

    @cached_property
    def domains(self) -> np.ndarray[Any, Any]:
        return self.queries["domain"].to_numpy(object)

    @cached_property
    def group_codes(self) -> IntArray:
        """Groups as 0..G-1."""
        return group_codes(self.queries["group_id"], len(self))

    @cached_property
    def by_domain(self) -> dict[str, BoolArray]:
        """Which queries are of each domain, domains in order of name."""
        codes, names = pd.factorize(self.queries["domain"], sort=True)
        return {str(name): codes == code for code, name in enumerate(names)}


@dataclass(frozen=True)
class Benchmark:
    """A dataset opened for scoring. `queries` has one row a query; `tracks` maps a track to its part column."""

    folder: Path
    manifest: dict[str, Any]
    manifest_sha256: str
    queries: pd.DataFrame
    private_sha256: str = ""  # of private test outcomes, where they came from elsewhere

    @property
    def tracks(self) -> tuple[str, ...]:
        return (IN_DOMAIN, *self.manifest["tracks"])

    @property
    def identity(self) -> str:
        """What scores depend on: the manifest, and private outcomes."""
        return f"{self.manifest_sha256} {self.private_sha256}"

    @property
    def accepted_manifests(self) -> tuple[str, ...]:
        """Manifests a submission may name: this one and, for a lite edition, that of the full edition it came from."""
        derived = self.manifest.get("derived_from")
        return (self.manifest_sha256, derived) if derived else (self.manifest_sha256,)

    @cached_property
    def id_array(self) -> pa.Array:
        """The query ids as one arrow array, for look-ups."""
        ids = pa.array(self.queries["query_id"], pa.string())
        return ids.combine_chunks() if isinstance(ids, pa.ChunkedArray) else ids

    @cached_property
    def latency_basis(self) -> list[str]:
        return sorted(self.queries["latency_basis"].unique())

    @cached_property
    def _parts(self) -> dict[tuple[str, str], Part]:
        return {}

    def part(self, track: str, split: str) -> Part:
        """The training, validation or test queries of a track. KeyError for an unknown track."""
        if track not in self.tracks:
            raise KeyError(track)
        if (track, split) not in self._parts:
            self._parts[track, split] = self._part(track, split)
        return self._parts[track, split]

    def rows(self, track: str, split: str) -> IntArray:
        """Positions in `queries` of a part of a track."""
        column = self.queries["split" if track == IN_DOMAIN else track]
        return np.flatnonzero((column == split).to_numpy(np.bool_, na_value=False))

    def _part(self, track: str, split: str) -> Part:
        rows = self.rows(track, split)
        chosen = self.queries.iloc[rows]
        scores = ("small_score", "large_score", "small_latency_s", "large_latency_s")
        return Part(chosen, Outcomes(*(chosen[name].to_numpy(np.float64) for name in scores)), rows)


def read_table(folder: Path, table: str, columns: list[str] | None = None) -> pa.Table:
    """All rows of a table of a dataset folder, splits in order. InputError where a file is missing or damaged."""
    shards = [path for split in SPLITS for path in sorted((folder / table).glob(f"{split}-*.parquet"))]
    if not shards:
        raise InputError.at(folder / table, "has no Parquet file", "build the dataset again")
    tables = []
    for shard in shards:
        try:
            tables.append(pq.read_table(shard, columns=columns, partitioning=None))
        except (pa.ArrowInvalid, OSError, KeyError) as error:
            raise InputError.at(shard, f"cannot be read: {error}", "run `rsd-bench data check`") from None
    return pa.concat_tables(tables)


def open_benchmark(folder: Path) -> Benchmark:
    """Open a dataset folder for scoring. InputError where it is none, or its figures are damaged or private."""
    benchmark = read_queries(folder)
    if benchmark.queries[_FIGURES[4:8]].isna().any(axis=None):
        fix = "run `rsd-bench data check`; where test outcomes are private, `rsd-bench eval --private-outcomes` scores"
        raise InputError.at(folder, "a score or latency is missing", fix)
    if problems := scoring_problems(benchmark):
        raise InputError(problems)
    return benchmark


def scoring_problems(benchmark: Benchmark) -> list[Problem]:
    """Why a dataset cannot score a router: a track without test queries or without latency."""
    problems = latency_problems(benchmark)
    for track in benchmark.tracks:
        if not len(benchmark.part(track, "test")):
            fix = "add queries, or leave the track out of the recipe"
            problems.append(Problem(str(benchmark.folder), f"track {track!r} has no test query", fix))
    return problems


def latency_problems(benchmark: Benchmark) -> list[Problem]:
    """Parts whose RCS divides by nothing: the large model's latency is 0, or may be in a resample of the test queries.

    Test queries are resampled, as a track and by domain; training and validation queries are only summed.
    """
    found = []
    for track in benchmark.tracks:
        part = benchmark.part(track, "test")
        latency, codes = part.outcomes.large_latency, part.group_codes
        groups = {
            f", domain {domain!r}": unclocked_groups(latency[inside], codes[inside])
            for domain, inside in part.by_domain.items()
        }
        if not any(groups.values()):
            groups = {"": unclocked_groups(latency, codes)}
        found += [
            f"track {track!r}{at}: {_NO_LATENCY} in {many} of test queries" for at, many in groups.items() if many
        ]
        for split in SPLITS[:2]:
            seconds = benchmark.queries["large_latency_s"].to_numpy(np.float64)[benchmark.rows(track, split)]
            if len(seconds) and seconds.max() < NO_LATENCY_S:
                found.append(f"track {track!r}: {_NO_LATENCY} for every {split} query")
    fix = "give its latencies, or name a latency profile"
    return [Problem(str(benchmark.folder), what, fix) for what in found]


def read_queries(folder: Path) -> Benchmark:
    """A dataset folder's queries, whose test outcomes may be missing. InputError where the folder is damaged."""
    manifest = read_manifest(folder)
    _verify_files(folder, manifest)
    pairs = read_table(folder, "pairs", _FIGURES).to_pandas()
    splits = read_table(folder, "splits").to_pandas()
    queries = pairs.merge(splits, on="query_id", how="left", validate="1:1")
    if len(queries) != manifest.queries or queries["split"].isna().any():
        raise InputError.at(folder, "its files disagree with its manifest", "run `rsd-bench data check`")
    return Benchmark(folder, manifest.to_dict(), manifest_sha256(folder), queries)


def _verify_files(folder: Path, manifest: Manifest) -> None:
    """InputError where a file that scoring reads is not the manifest's: scores are kept and published by its hash."""
    fix = "run `rsd-bench data check`"
    listed = manifest.files
    if not listed:
        raise InputError.at(folder / MANIFEST, "lists no files", fix)
    for table in _TABLES:
        found = {f"{table}/{path.name}" for path in (folder / table).glob("*.parquet")}
        for name in sorted(found | {name for name in listed if name.startswith(f"{table}/")}):
            if name not in found:
                raise InputError.at(folder / name, "is missing", fix)
            if name not in listed or listed[name].sha256 != file_sha256(folder / name):
                raise InputError.at(folder / name, "is not the file that the manifest names", fix)
