"""manifest.json: what a dataset folder holds, provably.

Read once into a `Manifest`. What this version does not know is kept, and keys stay in the order they were read in, so
that a manifest that is written again has the same bytes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from rsd_bench.config import (
    FIXED_TEST,
    IN_DOMAIN,
    MES_LEVELS,
    SCENARIOS,
    LatencyProfile,
    load_profile,
    profile_of,
    scenarios_of,
)
from rsd_bench.dataset.layout import MANIFEST, OPTIONAL_COLUMNS, fold_column, is_track_name
from rsd_bench.dataset.manifest_entries import FileEntry as FileEntry
from rsd_bench.dataset.manifest_entries import MissingQuery as MissingQuery
from rsd_bench.dataset.manifest_entries import ModelPair as ModelPair
from rsd_bench.dataset.manifest_entries import PrivateOutcomes as PrivateOutcomes
from rsd_bench.dataset.manifest_entries import SourceEntry as SourceEntry
from rsd_bench.dataset.manifest_entries import TrackCounts as TrackCounts
from rsd_bench.dataset.manifest_entries import given
from rsd_bench.dataset.tracks import Track, in_domain
from rsd_bench.folders import settle
from rsd_bench.types import InputError, Scenario
from rsd_bench.version import DATA_SCHEMA_VERSION


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """A dataset folder in figures and hashes. `files` is empty until the folder is written.

    pair: of every query, but of those of the sources in `pairs`. tracks: `in-domain` first. track_counts: by track.
    repeats: deals of folds, for each of which `splits` has a column; 0 where no track is cross-fitted.
    standing: queries whose text stands in so many groups that it joins none.
    repository: the Hub id of a published folder. derived_from: SHA-256 of the manifest that this folder was made from.
    withheld: sources whose images and texts were left out. benchmark: whether eval.yaml belongs to the folder.
    scenarios: the dataset's own, None where the presets are used. own_profile: a latency profile that is not shipped.
    """

    name: str
    title: str
    version: str
    edition: str
    schema_version: int
    metrics_version: int
    recipe_sha256: str
    canary: str
    pair: ModelPair
    latency_profile: str
    latency_basis: Mapping[str, int]
    queries: int
    groups: int
    splits: Mapping[str, int]
    domains: Mapping[str, int]
    tracks: tuple[Track, ...]
    sources: Mapping[str, SourceEntry]
    missing: tuple[MissingQuery, ...]
    pairs: Mapping[str, ModelPair] | None = None
    repeats: int = 0
    track_counts: Mapping[str, TrackCounts] | None = None
    standing: int | None = None
    card: Mapping[str, Any] | None = None  # the words of the card
    flip_prob: Mapping[str, Any] | None = None
    scenarios: Mapping[str, Scenario] | None = None
    own_profile: LatencyProfile | None = None
    optional_columns: Mapping[str, tuple[str, ...]] | None = None  # of layout.OPTIONAL_COLUMNS, by table
    left_out: Mapping[str, str] | None = None  # sources of the recipe without a query of the pair, and why
    repository: str | None = None
    derived_from: str | None = None
    features: Mapping[str, Any] | None = None
    withheld: tuple[str, ...] = ()
    private_outcomes: PrivateOutcomes | None = None
    benchmark: bool = True
    files: Mapping[str, FileEntry] = field(default_factory=dict)
    others: Mapping[str, Any] = field(default_factory=dict)  # keys that this version does not know
    order: tuple[str, ...] = ()  # of the keys, as they were read; new ones follow

    @property
    def lite(self) -> bool:
        return self.edition == "lite"

    @property
    def scored_on(self) -> Mapping[str, Scenario]:
        """The scenarios that its board is scored on, unless others are asked for."""
        return self.scenarios or SCENARIOS

    @property
    def profile(self) -> LatencyProfile:
        """What models a latency that nobody clocked. InputError where no profile is called so."""
        return self.own_profile or load_profile(self.latency_profile)

    @property
    def cross_domain(self) -> tuple[Track, ...]:
        """The tracks that have a column of their own in `splits`: all but `in-domain`."""
        return tuple(track for track in self.tracks if track.name != IN_DOMAIN)

    @property
    def tiers(self) -> tuple[tuple[str, ...], ...]:
        """The lists of models that tracks route between in place of each query's own pair, each once."""
        return tuple(dict.fromkeys(track.tiers for track in self.tracks if track.tiers))

    @property
    def fold_columns(self) -> tuple[str, ...]:
        """The columns of `splits` that say in which fold a query is dealt, one a repeat."""
        return tuple(fold_column(repeat) for repeat in range(self.repeats))

    def pair_of(self, source: str) -> ModelPair:
        """The models that the queries of a source are routed between."""
        return (self.pairs or {}).get(source, self.pair)

    def optional(self, table: str) -> tuple[str, ...]:
        """The optional columns that a table has."""
        return (self.optional_columns or {}).get(table, ())

    def to_dict(self) -> dict[str, Any]:
        """The document, keys in order, `files` last."""
        values = given({name: getattr(self, name) for name in _KEYS}) | dict(self.others)
        values |= {
            "pair": asdict(self.pair),
            "tracks": self._tracks_told(),
            "sources": {name: source.to_dict() for name, source in self.sources.items()},
            "missing": [asdict(query) for query in self.missing],
        }
        for name in ("files", "withheld", "benchmark", "track_counts"):
            values.pop(name, None)
        if self.pairs:
            values["pairs"] = {source: asdict(pair) for source, pair in self.pairs.items()}
        if self.schema_version == 1:
            del values["repeats"]
        if self.withheld:
            values["withheld"] = list(self.withheld)
        if self.private_outcomes:
            values["private_outcomes"] = given(asdict(self.private_outcomes))
        if self.scenarios:
            values["scenarios"] = {name: scenario.figures for name, scenario in self.scenarios.items()}
        if self.own_profile:
            values["own_profile"] = self.own_profile.to_dict()
        if self.optional_columns:
            values["optional_columns"] = {table: list(names) for table, names in self.optional_columns.items()}
        if not self.benchmark:
            values["benchmark"] = False
        order = dict.fromkeys(key for key in (*self.order, *_KEYS, *values) if key in values)
        document = {key: values[key] for key in order}
        return document | ({"files": {name: e.to_dict() for name, e in self.files.items()}} if self.files else {})

    def _tracks_told(self) -> dict[str, Any]:
        if self.schema_version == 1:
            return {t.name: {"train": list(t.train), "test": list(t.test)} for t in self.cross_domain}
        counts = self.track_counts or {}
        return {
            track.name: track.to_dict() | (asdict(counts[track.name]) if track.name in counts else {})
            for track in self.tracks
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Manifest:
        """ValueError, KeyError, TypeError or AttributeError where it is no manifest."""
        known = {key: value for key, value in data.items() if key in _KEYS}
        secret, files = data.get("private_outcomes"), data.get("files")
        scenarios, profile = data.get("scenarios"), data.get("own_profile")
        if odd := [name for name in data["tracks"] if not (is_track_name(name) or name == IN_DOMAIN)]:
            raise ValueError(f"a track may not be called {odd[0]!r:.80}")
        _check_flips(data.get("flip_prob"))
        optional = {table: tuple(names) for table, names in data.get("optional_columns", {}).items()}
        for table, names in optional.items():
            if odd := [name for name in names if name not in OPTIONAL_COLUMNS[table]]:
                raise ValueError(f"{table} has no optional column {odd[0]!r:.80}")
        known |= {
            "scenarios": None if scenarios is None else scenarios_of(scenarios.items(), MANIFEST),
            "own_profile": None if profile is None else profile_of(profile, Path(MANIFEST)),
            "optional_columns": optional or None,
            "pair": ModelPair(**data["pair"]),
            "pairs": {source: ModelPair(**pair) for source, pair in data.get("pairs", {}).items()} or None,
            "tracks": _tracks_of(data["tracks"]),
            "track_counts": _counts_of(data["tracks"]) or None,
            "sources": {name: SourceEntry.from_dict(source) for name, source in data["sources"].items()},
            "missing": tuple(MissingQuery(**query) for query in data["missing"]),
            "withheld": tuple(data.get("withheld", ())),
            "private_outcomes": PrivateOutcomes(**secret) if secret is not None else None,
            "files": {name: FileEntry(**entry) for name, entry in files.items()} if isinstance(files, dict) else {},
        }
        others = {key: value for key, value in data.items() if key not in _KEYS}
        return cls(**known, others=others, order=tuple(data))


def _tracks_of(data: Mapping[str, Any]) -> tuple[Track, ...]:
    """`in-domain` first; schema 1, which did not name it, had fixed tests only."""
    tracks = tuple(Track.from_dict(name, told) for name, told in data.items())
    return tracks if IN_DOMAIN in data else (in_domain(FIXED_TEST), *tracks)


def _counts_of(data: Mapping[str, Any]) -> dict[str, TrackCounts]:
    names = [item.name for item in fields(TrackCounts)]
    return {name: TrackCounts(*(told[key] for key in names)) for name, told in data.items() if names[0] in told}


_KEYS = tuple(item.name for item in fields(Manifest) if item.name not in ("others", "order"))


def _check_flips(audit: Any) -> None:
    """ValueError or another error where the shares of flipped labels by MES, which a board interpolates, are none."""
    for mes, share in (audit["all"] if audit is not None else {}).items():
        if int(mes) not in MES_LEVELS or not 0 <= share <= 1:
            raise ValueError(f"flip_prob of MES {mes} is {share!r:.40}, no share")


def file_sha256(path: Path) -> str:
    """Hex SHA-256 of a file, read in blocks."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def files_below(folder: Path) -> list[Path]:
    """Every file below a folder, in the same order everywhere: Windows would sort names without regard to case."""
    return sorted((p for p in folder.rglob("*") if p.is_file()), key=lambda p: p.relative_to(folder).parts)


def file_entries(folder: Path, known: Mapping[str, FileEntry] | None = None) -> dict[str, FileEntry]:
    """sha256, bytes and (Parquet) rows of every file below `folder` but the manifest, by relative path.

    Names with a dot in front are not the dataset's: git's and the Hub's own files in a downloaded copy.
    known: entries that hold already; their files are not read again.
    """
    entries: dict[str, FileEntry] = {}
    for path in files_below(folder):
        if path.name == MANIFEST:
            continue
        name = path.relative_to(folder).as_posix()
        if name.startswith("."):
            continue
        if known and name in known:
            entries[name] = known[name]
            continue
        rows = _rows(path) if path.suffix == ".parquet" else None
        entries[name] = FileEntry(file_sha256(path), path.stat().st_size, rows)
    return entries


def _rows(path: Path) -> int | None:
    """Rows of a Parquet file; None where it is damaged, which no manifest says."""
    try:
        return int(pq.read_metadata(path).num_rows)
    except pa.ArrowException:
        return None


def to_bytes(document: Mapping[str, Any]) -> bytes:
    """manifest.json of a document."""
    return (json.dumps(document, indent=1, ensure_ascii=False) + "\n").encode()


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a dataset folder. InputError where there is none or its schema version is another."""
    path = folder / MANIFEST
    settle(folder)
    try:
        document = json.loads(path.read_bytes())
        version = document["schema_version"]
    except FileNotFoundError:
        raise InputError.at(
            folder, f"is not a dataset folder (no {MANIFEST})", "build one: rsd-bench data build"
        ) from None
    except OSError as error:
        raise InputError.at(path, error.strerror or "cannot be read") from None
    except (ValueError, KeyError, TypeError, RecursionError):
        raise InputError.at(path, "is not a dataset manifest", "build the dataset again") from None
    if not (type(version) is int and 1 <= version <= DATA_SCHEMA_VERSION):
        what = f"has schema version {version!r}, this package reads 1 to {DATA_SCHEMA_VERSION}"
        raise InputError.at(path, what, "build the dataset again, or install the matching rsd-bench")
    try:
        return Manifest.from_dict(document)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError.at(path, f"is not a dataset manifest: {error!r}", "build the dataset again") from None


def manifest_sha256(folder: Path) -> str:
    """The identity of a dataset: SHA-256 of its manifest.json, which holds the hashes of all its files."""
    return file_sha256(folder / MANIFEST)


def require_content(data: object, manifest: Manifest) -> None:
    """InputError where a published dataset has no images and questions of some sources, which may not be re-hosted."""
    if manifest.withheld:
        what = f"was published without the images and questions of {', '.join(manifest.withheld)}"
        raise InputError.at(data, what, "use the built folder")
