"""`data diff`: what publishing a folder would change, row by row, and how big a version that is.

Both sides are compared as published (what a licence withholds is withheld on both), private outcomes by the hashes in
their own repository. Rows are matched by their key; an
image counts by its SHA-256. patch: no row differs, only documents. minor: rows, models or columns were added. major:
rows or columns went, or a row of the published version changed, labels and scores above all. Tracks count as rows: a
track that is tested otherwise, or between other models, is another one.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from rsd_bench.config import MES_LEVELS
from rsd_bench.dataset.layout import MANIFEST
from rsd_bench.dataset.manifest import read_manifest
from rsd_bench.dataset.open import dataset_folder, split_revision
from rsd_bench.hub.publication import Version, read_version, write_publication
from rsd_bench.hub.push import beside
from rsd_bench.hub.repository import head_of, hub_api, hub_errors, remote_paths
from rsd_bench.hub.table_diff import TableDiff, compare_tables, compare_tracks, differs
from rsd_bench.metrics.label import label_column
from rsd_bench.types import InputError

if TYPE_CHECKING:
    from huggingface_hub import HfApi

_KEYS = {
    "pairs": ["query_id"],
    "outcomes": ["query_id", "model"],
    "judgments": ["query_id", "model", "judge", "repeat"],
    "splits": ["query_id"],
}
_SHOWN = 10
PRIVATE = "private test outcomes"


@dataclass(frozen=True)
class DatasetDiff:
    """Published against new. `flipped`: MES -> ids whose label differs; `scores`: id -> (tier, old, new)."""

    old: str | None
    old_version: str | None
    tables: dict[str, TableDiff]
    flipped: dict[int, list[str]]
    scores: dict[str, list[tuple[str, float | None, float | None]]]
    files: list[str]

    @property
    def kind(self) -> str:
        """first, none, patch, minor or major."""
        if self.old is None:
            return "first"
        kinds = {table.kind for table in self.tables.values()}
        if PRIVATE in self.files:
            kinds.add("major")
        for kind in ("major", "minor"):
            if kind in kinds:
                return kind
        return "patch" if self.files else "none"

    @property
    def next_version(self) -> str | None:
        """The version that this change calls for; None where nothing changed or nothing is published."""
        old = Version.parse(self.old_version or "")
        if old is None:
            return None
        following = {
            "major": Version(old.major + 1, 0, 0),
            "minor": Version(old.major, old.minor + 1, 0),
            "patch": Version(old.major, old.minor, old.patch + 1),
        }
        return following[self.kind].tag if self.kind in following else None

    def to_dict(self) -> dict[str, Any]:
        return {
            "published": self.old,
            "published_version": self.old_version,
            "change": self.kind,
            "next_version": self.next_version,
            "tables": {name: vars(table) | {"change": table.kind} for name, table in self.tables.items()},
            "labels_flipped": {str(mes): ids for mes, ids in self.flipped.items()},
            "scores_changed": {
                key: [{"tier": tier, "old": old, "new": new} for tier, old, new in sides]
                for key, sides in self.scores.items()
            },
            "files": self.files,
        }

    def to_text(self) -> str:
        if self.old is None:
            return "nothing is published yet: this would be the first version"
        lines = [f"published  {self.old} ({self.old_version})"]
        for name, table in self.tables.items():
            counts = f"{len(table.added)} added, {len(table.removed)} removed, {len(table.changed)} changed"
            lines.append(f"{name:<10} {counts}")
            for sign, column in (("+", "columns_added"), ("-", "columns_removed"), ("~", "columns_retyped")):
                lines += [f"  {sign} column {name}" for name in getattr(table, column)]
            lines += _some([f"  + {key}" for key in table.added])
            lines += _some([f"  - {key}" for key in table.removed])
            lines += _some([f"  ~ {key}: {', '.join(columns)}" for key, columns in table.changed.items()])
        if any(self.flipped.values()):
            flips = ", ".join(f"{len(ids)} at MES {mes}" for mes, ids in self.flipped.items() if ids)
            lines.append(f"labels flipped  {flips}")
        if self.scores:
            lines.append(f"scores changed  {len(self.scores)} queries")
            lines += _some([f"  {key}: {t} {old} -> {new}" for key, s in self.scores.items() for t, old, new in s])
        lines.append(f"files that differ  {', '.join(self.files) or 'none'}")
        following = f", next version {self.next_version}" if self.next_version else ""
        lines.append(f"change  {self.kind}{following}")
        return "\n".join(lines)


def _some(lines: list[str]) -> list[str]:
    left = len(lines) - _SHOWN
    return lines if left <= 0 else [*lines[:_SHOWN], f"  ... and {left} more (--json lists all)"]


def diff_with_published(folder: Path, target: str) -> DatasetDiff:
    """Compare a built folder, as it would be published, with `org/name[@revision]` or another dataset folder.

    InputError where either is no dataset. A repository without a dataset gives the diff of a first version.
    """
    read_manifest(folder)
    if Path(target).is_dir():
        return _against(folder, Path(target), target)
    repo, revision = split_revision(target)
    with hub_errors(target):
        api = hub_api()
        head = head_of(api, repo, "dataset", revision)
        first = head is None or MANIFEST not in remote_paths(api, repo, "dataset", head)
    if first:
        return DatasetDiff(None, None, {}, {}, {}, [])
    return _against(folder, dataset_folder(repo, head), f"{repo}@{revision or 'main'}", api)


def _against(folder: Path, old: Path, name: str, api: HfApi | None = None) -> DatasetDiff:
    """The diff of two built folders, or of a published one and what publishing `folder` in its place would give.

    api: where `old` was fetched from; its private outcomes are compared there.
    """
    published = read_manifest(old)
    if published.repository is None:
        return diff_folders(old, folder, name)
    version = read_version(published.version, old)
    with beside(folder) as temporary:
        public, private = temporary / "public", temporary / "private"
        public.mkdir()
        private.mkdir()
        secret = published.private_outcomes
        write_publication(
            folder,
            public,
            published.repository,
            version,
            (secret.repository, private) if secret else None,
            benchmark=published.benchmark,
        )
        found = diff_folders(old, public, name)
        if secret and api and PRIVATE not in found.files:
            with hub_errors(secret.repository):
                if _private_files(private) != _published_private_files(api, secret.repository, version):
                    return replace(found, files=[*found.files, PRIVATE])
        return found


def _private_files(folder: Path) -> dict[str, str]:
    """SHA-256 of the tables of private outcomes."""
    files = json.loads((folder / MANIFEST).read_bytes())["files"]
    return {name: entry["sha256"] for name, entry in files.items() if name.endswith(".parquet")}


def _published_private_files(api: HfApi, repo: str, version: Version) -> dict[str, str]:
    """The same of a published version. InputError where the repository cannot be seen."""
    head = head_of(api, repo, "dataset", version.tag)
    if head is None:
        what = "cannot be seen, so that private outcomes cannot be compared"
        raise InputError.at(repo, what, "use a token that may read it")
    path = Path(api.hf_hub_download(repo, MANIFEST, repo_type="dataset", revision=head))
    return _private_files(path.parent)


def diff_folders(old: Path, new: Path, name: str) -> DatasetDiff:
    """Compare two dataset folders; only shards whose bytes differ are read."""
    before, after = read_manifest(old), read_manifest(new)
    sides = {
        path: [side.files[path].sha256 if path in side.files else None for side in (before, after)]
        for path in sorted(before.files.keys() | after.files.keys())
    }
    differ = [path for path, (a, b) in sides.items() if a != b]
    if before.private_outcomes != after.private_outcomes:
        differ.append(PRIVATE)
    tables = dict.fromkeys(path.split("/")[0] for path in sides if path.endswith(".parquet"))
    rows = {table: (_rows(old, table, differ), _rows(new, table, differ)) for table in tables}
    pairs = rows.get("pairs", (pd.DataFrame(), pd.DataFrame()))
    return DatasetDiff(
        old=name,
        old_version=before.version,
        tables={
            **{table: compare_tables(*rows[table], _schema(old, table), _schema(new, table)) for table in tables},
            "tracks": compare_tracks(before, after),
        },
        flipped=_flips(*pairs),
        scores=_score_changes(*pairs),
        files=differ,
    )


def _schema(folder: Path, table: str) -> dict[str, str]:
    """Column -> type of a table; nothing where the folder lacks it."""
    shards = sorted((folder / table).glob("*.parquet"))
    return {column.name: str(column.type) for column in pq.read_schema(shards[0])} if shards else {}


def _rows(folder: Path, table: str, differ: list[str]) -> pd.DataFrame:
    """Rows of the shards that differ, indexed by key, without image bytes; a struct is one column per part."""
    shards = [p for p in sorted((folder / table).glob("*.parquet")) if f"{table}/{p.name}" in differ]
    parts = []
    for shard in shards:
        columns = [name for name in pq.read_schema(shard).names if name != "image"]
        parts.append(pq.read_table(shard, columns=columns, partitioning=None).flatten())
    if not parts:
        return pd.DataFrame()
    table_rows = pa.concat_tables(parts, promote_options="default")
    for i, column in enumerate(table_rows.schema):
        if pa.types.is_list(column.type) or pa.types.is_fixed_size_list(column.type):
            texts = pa.array(map(str, table_rows.column(i).to_pylist()), pa.string())
            table_rows = table_rows.set_column(i, column.name, texts)
    frame: pd.DataFrame = table_rows.to_pandas(types_mapper=pd.ArrowDtype)
    keys = _KEYS.get(table, ["query_id"])
    index = frame[keys].astype(str).agg(" | ".join, axis=1) if len(frame) else pd.Series([], dtype=str)
    again = index.groupby(index).cumcount()
    frame.index = pd.Index(index.where(again == 0, index + " #" + (again + 1).astype(str)), name="key")
    return frame


def _flips(old: pd.DataFrame, new: pd.DataFrame) -> dict[int, list[str]]:
    """MES -> ids of the queries on both sides whose label differs."""
    both = old.index.intersection(new.index)
    columns = {mes: label_column(mes) for mes in MES_LEVELS}
    return {
        mes: list(map(str, both[differs(old.loc[both, name], new.loc[both, name])])) if len(both) else []
        for mes, name in columns.items()
    }


def _score_changes(old: pd.DataFrame, new: pd.DataFrame) -> dict[str, list[tuple[str, float | None, float | None]]]:
    both = old.index.intersection(new.index)
    found: dict[str, list[tuple[str, float | None, float | None]]] = {}
    for tier in ("small", "large") if len(both) else ():
        a, b = old.loc[both, f"{tier}_score"], new.loc[both, f"{tier}_score"]
        for key in both[differs(a, b)]:
            found.setdefault(str(key), []).append((tier, _number(a[key]), _number(b[key])))
    return found


def _number(value: Any) -> float | None:
    return None if pd.isna(value) else float(value)
