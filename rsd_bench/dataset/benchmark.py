"""The part of a dataset that scoring reads: ids, groups, domains, splits, tracks, scores, latencies; no content."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
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
    read_tiers,
    require,
    splits_problems,
)
from rsd_bench.dataset.layout import MANIFEST, fold_column
from rsd_bench.dataset.manifest import Manifest, file_sha256, manifest_sha256, read_manifest
from rsd_bench.dataset.parts import Lesson, Part
from rsd_bench.dataset.splits import turns
from rsd_bench.dataset.tables import CHECK
from rsd_bench.dataset.tier_outcomes import TierFigures
from rsd_bench.dataset.tracks import FOLD, Track
from rsd_bench.metrics.arrays import BoolArray, FloatArray, IntArray
from rsd_bench.metrics.latency import unclocked_groups
from rsd_bench.metrics.routing import Outcomes, check_scenario
from rsd_bench.metrics.tiers import Tiers, check_tiers_scenario, cost_advantage
from rsd_bench.types import InputError, Problem, Scenario

_FIGURES = ["query_id", "group_id", "source", "domain", *SCORES, *LATENCIES, "latency_basis"]
_NO_LATENCY = "the large model's latency is 0"
_PRIVATE_FIX = f"{CHECK}; where test outcomes are private, `rsd-bench eval --private-outcomes` scores"


@dataclass(frozen=True)
class Benchmark:
    """A dataset opened for scoring. `queries` has one row a query, with its split, folds and part in each track.

    tiers: figures of every query for each list of models that a track names.
    """

    folder: Path
    manifest: Manifest
    manifest_sha256: str
    queries: pd.DataFrame
    tiers: Mapping[tuple[str, ...], TierFigures] = field(default_factory=dict)
    private_sha256: str = ""  # of private test outcomes, where they came from elsewhere; as secret as they are
    noise_key: bytes = field(default=b"", repr=False)  # of the noise on figures of private outcomes
    given_scenarios: Mapping[str, Scenario] | None = None  # in place of the dataset's own

    @property
    def tracks(self) -> tuple[str, ...]:
        return tuple(track.name for track in self.manifest.tracks)

    def track(self, name: str) -> Track:
        """KeyError for an unknown track."""
        return self._by_name[name]

    @cached_property
    def _by_name(self) -> dict[str, Track]:
        return {track.name: track for track in self.manifest.tracks}

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
        found = {*self.queries["latency_basis"].dropna().unique()}
        for figures in self.tiers.values():
            found |= {basis for basis in figures.basis if basis is not None}
        return sorted(found)

    @cached_property
    def _parts(self) -> dict[tuple[str, str], Part]:
        return {}

    def part(self, track: str, split: str) -> Part:
        """The training, validation or test queries of a track. KeyError for an unknown track.

        Every query of a cross-fitted track is tested: `lessons` says by whom. Its `train` and `validation` are for a
        router that is to be deployed: together they are all queries.
        """
        if (track, split) not in self._parts:
            self._parts[track, split] = self._part(self.track(track), split)
        return self._parts[track, split]

    def rows(self, track: str, split: str) -> IntArray:
        """Positions in `queries` of a part of a track. KeyError for an unknown track."""
        return np.flatnonzero(self._plays(self.track(track), split))

    def _plays(self, track: Track, split: str) -> BoolArray:
        own = track.name == IN_DOMAIN
        if not track.cross_fitted:
            column = self.queries["split" if own else track.name]
            return np.asarray((column == split).to_numpy(np.bool_, na_value=False))
        inside = np.ones(len(self.queries), np.bool_)
        if not own:
            inside = (self.queries[track.name] == FOLD).to_numpy(np.bool_, na_value=False)
        if split == "test":
            return inside
        validation = (self.queries["split"] == "validation").to_numpy(np.bool_, na_value=False)
        return np.asarray(inside & (validation if split == "validation" else ~validation))

    def repeats(self, track: str) -> int:
        """How many deals of the folds a track has; 1 where it is not cross-fitted. KeyError for an unknown track."""
        return self.manifest.repeats if self.track(track).cross_fitted else 1

    def folds(self, track: str, repeat: int) -> IntArray:
        """The fold of each query of `part(track, "test")` in a repeat, shape (n,); 0 where it is not cross-fitted."""
        rows = self.rows(track, "test")
        if not self.track(track).cross_fitted:
            return np.zeros(len(rows), np.int64)
        return self.queries[fold_column(repeat)].to_numpy(np.int64)[rows]

    def lessons(self, track: str, repeats: Iterable[int] | None = None) -> Iterator[Lesson]:
        """Who learns from whom in a track: one lesson, or of a cross-fitted one FOLDS for each repeat (default: all).

        A fold is decided by a router that learns from the others, of which the next one is for choosing.
        """
        if not self.track(track).cross_fitted:
            yield Lesson(0, 0, *(self.rows(track, split) for split in SPLITS))
            return
        rows = self.rows(track, "test")
        for repeat in range(self.repeats(track)) if repeats is None else repeats:
            for fold, (train, validation, test) in enumerate(turns(self.folds(track, repeat))):
                yield Lesson(repeat, fold, rows[train], rows[validation], rows[test])

    def last_latency(self, track: str, rows: IntArray) -> FloatArray:
        """Seconds of the dearest tier on any queries of a track, shape (n,). KeyError for an unknown track."""
        tiers = self.track(track).tiers
        if tiers:
            return np.asarray(self.tiers[tiers].latencies[rows, -1])
        return self.queries["large_latency_s"].to_numpy(np.float64)[rows]

    def _part(self, track: Track, split: str) -> Part:
        return self.at(track.name, self.rows(track.name, split))

    def at(self, track: str, rows: IntArray) -> Part:
        """Any queries of a track, by their positions in `queries`. KeyError for an unknown track."""
        chosen, asked = self.queries.iloc[rows], self.track(track)
        if not asked.tiers:
            pair = Outcomes(*(chosen[name].to_numpy(np.float64) for name in (*SCORES, *LATENCIES)))
            return Part(chosen, pair, rows, chosen["latency_basis"].to_numpy(object))
        figures = self.tiers[asked.tiers]
        kept = Tiers(figures.scores[rows], figures.latencies[rows], _advantage(asked))
        return Part(chosen, kept, rows, figures.basis[rows])


def _advantage(track: Track) -> FloatArray:
    return cost_advantage(track.costs) if track.costs else np.linspace(1, 0, track.count)


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
            part = benchmark.part(track, "test")
            try:
                if part.count == 2:
                    check_scenario(scenario, part.outcomes)
                else:
                    check_tiers_scenario(scenario, part.tiers)
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
        latency, codes = part.last_latency, part.group_codes
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
            seconds = benchmark.last_latency(track, benchmark.rows(track, split))
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
    verify_files(folder, manifest, ("pairs", "splits", *(["outcomes"] if manifest.tiers else [])))
    pairs, splits = read_pairs(folder), read_splits(folder, manifest)
    lacking = not tests_may_lack and bool(pairs.frame[[*SCORES, *LATENCIES]].isna().any(axis=None))
    tiers = read_tiers(folder, pairs, manifest)
    require(
        (
            *pairs_problems(folder, pairs, manifest, tests_may_lack=tests_may_lack),
            *splits_problems(pairs, splits, manifest, tiers),
        ),
        _PRIVATE_FIX if lacking else CHECK,
    )
    queries = pairs.frame[_FIGURES].merge(splits.frame, on="query_id", how="left", validate="1:1")
    return Benchmark(folder, manifest, manifest_sha256(folder), queries, tiers, given_scenarios=given)


def verify_files(folder: Path, manifest: Manifest, tables: Iterable[str]) -> None:
    """InputError where a file that scoring reads is not the manifest's: scores are kept and published by its hash."""
    listed = manifest.files
    if not listed:
        raise InputError.at(folder / MANIFEST, "lists no files", CHECK)
    for table in tables:
        found = {f"{table}/{path.name}" for path in (folder / table).glob("*.parquet")}
        for name in sorted(found | {name for name in listed if name.startswith(f"{table}/")}):
            if name not in found:
                raise InputError.at(folder / name, "is missing", CHECK)
            if name not in listed or listed[name].sha256 != file_sha256(folder / name):
                raise InputError.at(folder / name, "is not the file that the manifest names", CHECK)
