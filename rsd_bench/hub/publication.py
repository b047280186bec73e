"""From a built folder to the folder that is published: what may not be re-hosted and what is private stays behind.

- A source that is not redistributable loses its images and texts (layout.CONTENT_COLUMNS become null); ids, domains,
  splits, scores, statistics and hashes stay, and the card says so.
- With private outcomes, the test split loses scores, labels, outcomes and judgments, which go to a folder of their own.
  Its rows stay (a split without rows cannot be loaded): which models answered is no secret, how they did is.

A pure function of the built folder, repository and version: published twice, no byte differs, so that nothing is sent
again. Files that lose nothing are hard links. The manifest names the built one in `derived_from`.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from rsd_bench.build.card_facts import card_facts
from rsd_bench.build.dataset_card import write_documents
from rsd_bench.build.shards import WRITER_OPTIONS
from rsd_bench.dataset.layout import LABELS, MANIFEST, PRIVATE, TABLES, content_columns
from rsd_bench.dataset.manifest import (
    Manifest,
    PrivateOutcomes,
    file_entries,
    manifest_sha256,
    read_manifest,
    to_bytes,
)
from rsd_bench.types import InputError

_VERSION = re.compile(r"^v?(\d+)\.(\d+)\.(\d+)$")
_SHOWN_COLUMNS = {"pairs": (), "outcomes": ("query_id", "model"), "judgments": ("query_id", "model", "judge", "repeat")}
_HIDDEN_PAIRS = ("small_score", "large_score", *LABELS)
_PRIVATE_TABLES = ("outcomes", "judgments")
_TEST = "test-"


@dataclass(frozen=True, order=True)
class Version:
    """vMAJOR.MINOR.PATCH of a dataset; its tag on the Hub."""

    major: int
    minor: int
    patch: int

    @classmethod
    def parse(cls, text: str) -> Version | None:
        """The version that a text or a tag names; None where it names none."""
        found = _VERSION.match(text)
        return cls(*map(int, found.groups())) if found else None

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}.{self.patch}"

    @property
    def tag(self) -> str:
        return f"v{self}"


def read_version(text: str, where: object = "--version") -> Version:
    """The Version a text names; InputError for anything else."""
    version = Version.parse(text)
    if version is None:
        raise InputError.at(where, f"{text!r} is no version", "use vMAJOR.MINOR.PATCH, such as v1.0.0")
    return version


def withheld_sources(manifest: Manifest) -> list[str]:
    """Sources whose images and texts may not be re-hosted; none where the edition has no content anyway."""
    if manifest.lite:
        return []
    return sorted(name for name, source in manifest.sources.items() if not source.redistributable)


def write_publication(
    folder: Path,
    out: Path,
    repo: str,
    version: Version,
    private: tuple[str, Path] | None = None,
    *,
    benchmark: bool = True,
) -> Manifest:
    """Fill the empty folder `out` with what is published of the dataset `folder`; return its manifest.

    private: a Hub id and an empty folder, for test outcomes that are to lie in a repository of their own.
    benchmark: whether eval.yaml is among the documents.
    """
    built = read_manifest(folder)
    withheld = withheld_sources(built)
    manifest = replace(
        built,
        version=str(version),
        repository=repo,
        derived_from=built.derived_from or manifest_sha256(folder),
        card=built.card or card_facts(),
        withheld=tuple(withheld),
        benchmark=benchmark,
    )
    if private:
        sha256 = _write_private(folder, private[1], manifest)
        manifest = replace(manifest, private_outcomes=PrivateOutcomes(private[0], sha256))
    hidden = _ids_of(folder, withheld)
    for name in built.files:
        if name.endswith(".parquet"):
            _publish(folder / name, out / name, hidden, private is not None)
    return write_documents(out, manifest)


def _ids_of(folder: Path, sources: Collection[str]) -> pa.Array:
    """query_id of every query of these sources."""
    if not sources:
        return pa.array([], pa.string())
    wanted = pc.field("source").isin(list(sources))
    shards = sorted((folder / "pairs").glob("*.parquet"))
    found = [pq.read_table(s, columns=["query_id"], filters=wanted, partitioning=None) for s in shards]
    return pa.concat_tables(found).column(0).combine_chunks()


def _publish(shard: Path, out: Path, hidden: pa.Array, private: bool) -> None:
    """Link a shard into the publication, or rewrite it, row group by row group, without what must stay behind."""
    table = shard.parent.name
    secret = private and shard.name.startswith(_TEST) and table in _SHOWN_COLUMNS
    with pq.ParquetFile(shard) as source:
        schema = source.schema_arrow
        content = [name for name in content_columns(table) if name in schema.names] if len(hidden) else []
        if not secret and not (content and _holds(source, hidden)):
            link(shard, out)
            return
        out.parent.mkdir(exist_ok=True)
        with pq.ParquetWriter(out, schema, **WRITER_OPTIONS) as sink:
            for i in range(source.num_row_groups):
                rows = source.read_row_group(i)
                for name in content:
                    rows = _without(rows, name, pc.is_in(rows.column("query_id"), hidden))
                for name in _private_columns(table, schema) if secret else ():
                    rows = _without(rows, name, pa.array([True] * len(rows)), PRIVATE if name == "status" else None)
                sink.write_table(rows.cast(schema))


def _private_columns(table: str, schema: pa.Schema) -> list[str]:
    """Columns of a table that say how an answer was."""
    shown = _SHOWN_COLUMNS[table]
    return [name for name in schema.names if (name not in shown if shown else name in _HIDDEN_PAIRS)]


def _holds(source: pq.ParquetFile, ids: pa.Array) -> bool:
    """Whether a row of the file has one of these query ids."""
    columns = (source.read_row_group(i, ["query_id"]).column(0) for i in range(source.num_row_groups))
    return any(pc.any(pc.is_in(column, ids)).as_py() for column in columns)


def _without(rows: pa.Table, name: str, mask: Any, instead: Any = None) -> pa.Table:
    """The table with `instead` (null) where the mask is true in a column."""
    column = rows.column(name)
    kept = pc.if_else(mask, pa.scalar(instead, column.type), column)
    return rows.set_column(rows.schema.get_field_index(name), rows.schema.field(name), kept)


def link(source: Path, out: Path) -> None:
    """A hard link where the file system has them, else a copy."""
    out.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source, out)
    except OSError:
        shutil.copyfile(source, out)


def _write_private(folder: Path, out: Path, manifest: Manifest) -> str:
    """Fill `out` with the test split's outcomes and judgments; return the SHA-256 of them all."""
    hidden = _ids_of(folder, manifest.withheld)
    for table in _PRIVATE_TABLES:
        for shard in sorted((folder / table).glob(f"{_TEST}*.parquet")):
            _publish(shard, out / table / shard.name, hidden, private=False)
    tables = [table for table in TABLES if (out / table).is_dir()]
    configs = [{"config_name": t, "data_files": [{"split": "test", "path": f"{t}/test-*.parquet"}]} for t in tables]
    document = manifest.to_dict()
    (out / "README.md").write_text(_PRIVATE_CARD.format(configs=configs, **document), "utf-8", newline="\n")
    files = {name: entry.to_dict() for name, entry in file_entries(out).items()}
    entries = {name: entry for name, entry in files.items() if name.endswith(".parquet")}
    kept = ("name", "version", "schema_version", "derived_from", "pair", "canary")
    told = {key: document[key] for key in kept} | {"of": manifest.repository, "files": files}
    (out / MANIFEST).write_bytes(to_bytes(told))
    return hashlib.sha256(json.dumps(entries, sort_keys=True).encode()).hexdigest()


_PRIVATE_CARD = """---
pretty_name: Test outcomes of {name}
license: other
configs: {configs}
---

# Test outcomes of {repository}

Scores of the test split of [{repository}](https://huggingface.co/datasets/{repository}), version {version}. Whoever
has these can make a router that looks perfect: keep this repository gated, give access to scorers only, and train on
nothing in it. Submissions are scored with `--private-outcomes`.

Canary {canary}
"""
