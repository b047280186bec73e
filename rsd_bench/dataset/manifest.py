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

from rsd_bench.config import MES_LEVELS, SCENARIOS, LatencyProfile, load_profile, profile_of, scenarios_of
from rsd_bench.dataset.layout import MANIFEST, OPTIONAL_COLUMNS, is_track_name
from rsd_bench.dataset.splits import Track
from rsd_bench.folders import settle
from rsd_bench.types import InputError, Scenario
from rsd_bench.version import DATA_SCHEMA_VERSION


@dataclass(frozen=True)
class ModelPair:
    """The two models that a dataset routes between."""

    small: str
    large: str


@dataclass(frozen=True)
class FileEntry:
    """A file of a dataset. `rows`: of a Parquet file that can be read."""

    sha256: str
    bytes: int
    rows: int | None = None

    def to_dict(self) -> dict[str, Any]:
        return _given(asdict(self))


@dataclass(frozen=True)
class SourceEntry:
    """Provenance of a source: whose it is, what may be done with it, how it was scored. `live`, `judging`: by model."""

    name: str
    license: str
    redistributable: bool
    repository: str
    commit: str
    notes: str
    score_rule: str
    queries: int
    live: Mapping[str, Any] | None = None
    judging: Mapping[str, Any] | None = None
    others: Mapping[str, Any] = field(default_factory=dict)  # keys that this version does not know

    def to_dict(self) -> dict[str, Any]:
        return _given({name: getattr(self, name) for name in _SOURCE_KEYS}) | dict(self.others)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> SourceEntry:
        known = {key: value for key, value in data.items() if key in _SOURCE_KEYS}
        return cls(**known, others={key: value for key, value in data.items() if key not in known})


_SOURCE_KEYS = tuple(item.name for item in fields(SourceEntry) if item.name != "others")


@dataclass(frozen=True)
class MissingQuery:
    """A query of a source that stands in no table, and why."""

    query_id: str
    reason: str


@dataclass(frozen=True)
class PrivateOutcomes:
    """Where the test outcomes of a publication lie. `sha256`: in publications before 0.2.0, from which it told them."""

    repository: str
    sha256: str | None = None


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """A dataset folder in figures and hashes. `files` is empty until the folder is written.

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

    def optional(self, table: str) -> tuple[str, ...]:
        """The optional columns that a table has."""
        return (self.optional_columns or {}).get(table, ())

    def to_dict(self) -> dict[str, Any]:
        """The document, keys in order, `files` last."""
        values = _given({name: getattr(self, name) for name in _KEYS}) | dict(self.others)
        values |= {
            "pair": asdict(self.pair),
            "tracks": {track.name: {"train": list(track.train), "test": list(track.test)} for track in self.tracks},
            "sources": {name: source.to_dict() for name, source in self.sources.items()},
            "missing": [asdict(query) for query in self.missing],
        }
        del values["files"], values["withheld"], values["benchmark"]
        if self.withheld:
            values["withheld"] = list(self.withheld)
        if self.private_outcomes:
            values["private_outcomes"] = _given(asdict(self.private_outcomes))
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

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Manifest:
        """ValueError, KeyError, TypeError or AttributeError where it is no manifest."""
        known = {key: value for key, value in data.items() if key in _KEYS}
        secret, files = data.get("private_outcomes"), data.get("files")
        scenarios, profile = data.get("scenarios"), data.get("own_profile")
        if odd := [name for name in data["tracks"] if not is_track_name(name)]:
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
            "tracks": tuple(Track(name, tuple(t["train"]), tuple(t["test"])) for name, t in data["tracks"].items()),
            "sources": {name: SourceEntry.from_dict(source) for name, source in data["sources"].items()},
            "missing": tuple(MissingQuery(**query) for query in data["missing"]),
            "withheld": tuple(data.get("withheld", ())),
            "private_outcomes": PrivateOutcomes(**secret) if secret is not None else None,
            "files": {name: FileEntry(**entry) for name, entry in files.items()} if isinstance(files, dict) else {},
        }
        others = {key: value for key, value in data.items() if key not in _KEYS}
        return cls(**known, others=others, order=tuple(data))


_KEYS = tuple(item.name for item in fields(Manifest) if item.name not in ("others", "order"))


def _check_flips(audit: Any) -> None:
    """ValueError or another error where the shares of flipped labels by MES, which a board interpolates, are none."""
    for mes, share in (audit["all"] if audit is not None else {}).items():
        if int(mes) not in MES_LEVELS or not 0 <= share <= 1:
            raise ValueError(f"flip_prob of MES {mes} is {share!r:.40}, no share")


def _given(values: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if value is not None}


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
    if version != DATA_SCHEMA_VERSION:
        what = f"has schema version {version!r}, this package reads {DATA_SCHEMA_VERSION}"
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
