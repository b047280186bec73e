"""The part of a dataset that scoring reads: ids, groups, domains, splits, tracks, scores, latencies; no content."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from rsd_bench.config import IN_DOMAIN, NO_LATENCY_S, SPLITS, as_scenarios
from rsd_bench.dataset.check_figures import (
    LATENCIES,
    SCORES,
    pairs_problems,
    read_pairs,
    read_splits,
    require,
    splits_problems,
)
from rsd_bench.dataset.layout import MANIFEST
from rsd_bench.dataset.manifest import Manifest, file_sha256, manifest_sha256, read_manifest
from rsd_bench.dataset.tables import CHECK
from rsd_bench.metrics.arrays import BoolArray, IntArray, group_codes
from rsd_bench.metrics.latency import unclocked_groups
from rsd_bench.metrics.routing import Outcomes, check_scenario
from rsd_bench.types import InputError, Problem, Scenario

_FIGURES = ["query_id", "group_id", "source", "domain", *SCORES, *LATENCIES, "latency_basis"]
_NO_LATENCY = "the large model's latency is 0"
_TABLES = ("pairs", "splits")  # what scoring reads
_PRIVATE_FIX = f"{CHECK}; where test outcomes are private, `rsd-bench eval --private-outcomes` scores"


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
    manifest: Manifest
    manifest_sha256: str
    queries: pd.DataFrame
    private_sha256: str = ""  # of private test outcomes, where they came from elsewhere; as secret as they are
    noise_key: bytes = field(default=b"", repr=False)  # of the noise on figures of private outcomes
    given_scenarios: Mapping[str, Scenario] | None = None  # in place of the dataset's own

    @property
    def tracks(self) -> tuple[str, ...]:
        return (IN_DOMAIN, *(track.name for track in self.manifest.tracks))

    @property
    def scenarios(self) -> Mapping[str, Scenario]:
        """What routers are scored on, by name: those that were given, else the dataset's own, else the presets."""
        return self.given_scenarios or self.manifest.scored_on

    @property
    def identity(self) -> str:
        """What scores depend on: the manifest, private outcomes, and scenarios that were given."""
        given = [] if self.given_scenarios is None else list(self.given_scenarios.values())
        return f"{self.manifest_sha256} {self.private_sha256} {given}"

    @property
    def accepted_manifests(self) -> tuple[str, ...]:
        """Manifests a submission may name: this one and, for a lite edition, that of the full edition it came from."""
        derived = self.manifest.derived_from
        return (self.manifest_sha256, derived) if derived else (self.manifest_sha256,)

    @cached_property
    def id_array(self) -> pa.Array:
        """The query ids as one arrow array, for look-ups."""
        ids = pa.array(self.queries["query_id"], pa.string())
        return ids.combine_chunks() if isinstance(ids, pa.ChunkedArray) else ids

    @cached_property
    def latency_basis(self) -> list[str]:
        return sorted(self.queries["latency_basis"].dropna().unique())

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
        return Part(chosen, Outcomes(*(chosen[name].to_numpy(np.float64) for name in (*SCORES, *LATENCIES))), rows)


def open_benchmark(folder: Path, scenarios: Any = None) -> Benchmark:
    """Open a dataset folder for scoring.

    scenarios: what `config.as_scenarios` takes, in place of the dataset's own. InputError where they are none, where
    `folder` is no dataset, or its figures are faulty or private, or a scenario makes no sense on them.
    """
    benchmark = _open(folder, scenarios, tests_may_lack=False)
    where = scenarios if isinstance(scenarios, (str, Path)) else "scenarios" if scenarios is not None else None
    if problems := scoring_problems(benchmark, where):
        raise InputError(problems)
    return benchmark


def scoring_problems(benchmark: Benchmark, scenarios: object = None) -> list[Problem]:
    """Why a dataset cannot score a router: a track without test queries or latency, or a scenario that all-small wins.

    scenarios: where they stand; default: in the dataset.
    """
    problems = latency_problems(benchmark)
    for track in benchmark.tracks:
        if not len(benchmark.part(track, "test")):
            fix = "add queries, or leave the track out of the recipe"
            problems.append(Problem(str(benchmark.folder), f"track {track!r} has no test query", fix))
    return problems or scenario_problems(benchmark, scenarios or benchmark.folder)


def scenario_problems(benchmark: Benchmark, where: object) -> list[Problem]:
    """A problem for each scenario by which all-small wins a track whatever answers are worth (`check_scenario`)."""
    found = []
    for scenario in benchmark.scenarios.values():
        for track in benchmark.tracks:
            try:
                check_scenario(scenario, benchmark.part(track, "test").outcomes)
            except ValueError as error:
                what, _, fix = str(error).rpartition("; ")
                found.append(Problem(str(where), f"track {track!r}: {what}", fix))
                break
    return found


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


def read_queries(folder: Path, scenarios: Any = None) -> Benchmark:
    """A dataset folder's queries, whose test outcomes may be missing; `scenarios` as for `open_benchmark`.

    InputError where its figures are faulty.
    """
    return _open(folder, scenarios, tests_may_lack=True)


def _open(folder: Path, scenarios: Any, tests_may_lack: bool) -> Benchmark:
    given = None if scenarios is None else as_scenarios(scenarios)
    manifest = read_manifest(folder)
    _verify_files(folder, manifest)
    pairs, splits = read_pairs(folder), read_splits(folder, manifest)
    lacking = not tests_may_lack and bool(pairs.frame[[*SCORES, *LATENCIES]].isna().any(axis=None))
    require(
        (
            *pairs_problems(folder, pairs, manifest, tests_may_lack=tests_may_lack),
            *splits_problems(pairs, splits, manifest),
        ),
        _PRIVATE_FIX if lacking else CHECK,
    )
    queries = pairs.frame[_FIGURES].merge(splits.frame, on="query_id", how="left", validate="1:1")
    return Benchmark(folder, manifest, manifest_sha256(folder), queries, given_scenarios=given)


def _verify_files(folder: Path, manifest: Manifest) -> None:
    """InputError where a file that scoring reads is not the manifest's: scores are kept and published by its hash."""
    listed = manifest.files
    if not listed:
        raise InputError.at(folder / MANIFEST, "lists no files", CHECK)
    for table in _TABLES:
        found = {f"{table}/{path.name}" for path in (folder / table).glob("*.parquet")}
        for name in sorted(found | {name for name in listed if name.startswith(f"{table}/")}):
            if name not in found:
                raise InputError.at(folder / name, "is missing", CHECK)
            if name not in listed or listed[name].sha256 != file_sha256(folder / name):
                raise InputError.at(folder / name, "is not the file that the manifest names", CHECK)
