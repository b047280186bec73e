"""From a built folder to the folder that is published: what may not be re-hosted and what is private stays behind.

- A source that is not redistributable loses its images and texts (layout.CONTENT_COLUMNS become null); ids, domains,
  splits, scores, statistics and hashes stay, and the card says so.
- With private outcomes, the test split loses scores, labels, latencies, outcomes and judgments, which go to a folder of
  their own. No byte of the public folder is a function of them (`hub.public_part`); the private folder, written last,
  names the public one by the SHA-256 of its manifest.

A pure function of the built folder, repository and version: published twice, no byte differs, so that nothing is sent
again. Files that lose nothing are hard links. The manifest names the built one in `derived_from`, unless that would be
a digest of private outcomes.
"""

from __future__ import annotations

import os
import re
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from rsd_bench.build.card_facts import card_facts
from rsd_bench.build.dataset_card import write_documents
from rsd_bench.build.shards import WRITER_OPTIONS
from rsd_bench.dataset.layout import MANIFEST, PRIVATE_SPLIT, PRIVATE_TABLES, TABLES
from rsd_bench.dataset.manifest import (
    Manifest,
    PrivateOutcomes,
    file_entries,
    manifest_sha256,
    read_manifest,
    to_bytes,
)
from rsd_bench.hub.public_part import is_public, public_manifest, write_public_tables
from rsd_bench.hub.withheld_content import has_content, ids_of, withheld_sources, without_content
from rsd_bench.types import InputError

_VERSION = re.compile(r"^v?(\d+)\.(\d+)\.(\d+)$")
_IDENTITY = ("name", "version", "schema_version", "derived_from", "pair", "canary")
_NOT_PUBLIC = ("sources", "latency_basis", "flip_prob")  # as they are for all splits


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
    benchmark: whether eval.yaml is among the documents. InputError where private outcomes would be needed in public.
    """
    built = read_manifest(folder)
    if private and (needing := [track.name for track in built.tracks if track.cross_fitted or track.tiers]):
        what = f"outcomes cannot be private where tracks learn from all queries or name models: {', '.join(needing)}"
        raise InputError.at(folder, what, 'build it with protocol = "fixed-test" and without such tracks')
    if private and built.pairs:
        what = f"outcomes cannot be private where sources have their own pairs: {', '.join(built.pairs)}"
        raise InputError.at(folder, what, "build a dataset of one pair")
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
    hidden = ids_of(folder, withheld)
    shown = manifest
    if private:
        shown = replace(public_manifest(folder, manifest), private_outcomes=PrivateOutcomes(private[0]))
        write_public_tables(folder, out, manifest, hidden)
    for name in built.files:
        if name.endswith(".parquet") and (not private or is_public(name)):
            _publish(folder / name, out / name, hidden)
    published = write_documents(out, shown)
    if private:
        _write_private(folder, private[1], manifest, hidden, manifest_sha256(out))
    return published


def _publish(shard: Path, out: Path, hidden: pa.Array) -> None:
    """Link a shard into the publication, or rewrite it, row group by row group, without what must stay behind."""
    table = shard.parent.name
    with pq.ParquetFile(shard) as source:
        if not has_content(table, source, hidden):
            link(shard, out)
            return
        out.parent.mkdir(exist_ok=True)
        schema = source.schema_arrow
        with pq.ParquetWriter(out, schema, **WRITER_OPTIONS) as sink:
            for i in range(source.num_row_groups):
                sink.write_table(without_content(table, source.read_row_group(i), hidden).cast(schema))


def link(source: Path, out: Path) -> None:
    """A hard link where the file system has them, else a copy."""
    out.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source, out)
    except OSError:
        shutil.copyfile(source, out)


def _write_private(folder: Path, out: Path, manifest: Manifest, hidden: pa.Array, public_sha256: str) -> None:
    """Fill `out` with the test split's outcomes and judgments, and with what else the public folder does not tell."""
    for table in PRIVATE_TABLES:
        for shard in sorted((folder / table).glob(f"{PRIVATE_SPLIT}-*.parquet")):
            _publish(shard, out / table / shard.name, hidden)
    tables = [table for table in TABLES if (out / table).is_dir()]
    configs = [{"config_name": t, "data_files": [{"split": "test", "path": f"{t}/test-*.parquet"}]} for t in tables]
    document = manifest.to_dict()
    (out / "README.md").write_text(_PRIVATE_CARD.format(configs=configs, **document), "utf-8", newline="\n")
    files = {name: entry.to_dict() for name, entry in file_entries(out).items()}
    told = {key: document[key] for key in (*_IDENTITY, *_NOT_PUBLIC) if key in document}
    told |= {"of": manifest.repository, "of_manifest": public_sha256, "files": files}
    (out / MANIFEST).write_bytes(to_bytes(told))


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
