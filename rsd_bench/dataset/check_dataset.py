"""`data check`: verify a dataset folder against its manifest and its own figures; every problem, not the first.

Checked: file hashes and rows, schemas, the figures that are looked at when a dataset is opened (`check_figures`),
outcomes, image hashes, no group or image in two splits, no twins across a split or fold (`check_twins`); and, for the
Hub, `check_repository`. A published folder lacks the content of sources that it names as withheld and the test scores
that it names as private: then all of it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from tqdm import tqdm

from rsd_bench.config import SPLITS
from rsd_bench.dataset.benchmark import read_queries, scoring_problems
from rsd_bench.dataset.check_figures import (
    outcomes_problems,
    pairs_problems,
    read_outcomes,
    read_pairs,
    read_splits,
    read_tiers,
    splits_problems,
)
from rsd_bench.dataset.check_private import check_private
from rsd_bench.dataset.check_repository import check_repository
from rsd_bench.dataset.check_twins import check_twins
from rsd_bench.dataset.layout import (
    LITE_TABLES,
    MANIFEST,
    TABLES,
    arrow_schema,
    columns_of,
    content_columns,
    splits_schema,
)
from rsd_bench.dataset.manifest import Manifest, file_entries, read_manifest
from rsd_bench.dataset.tables import OTHER_SCHEMA, read_rows, shards_of
from rsd_bench.types import InputError, Problem

_REBUILD = "build the dataset again"


def check_dataset(folder: Path) -> list[Problem]:
    """Every problem of a dataset folder; empty where it is sound. Images are read a row group at a time."""
    try:
        manifest = read_manifest(folder)
    except InputError as error:
        return error.problems
    damaged = list(_files(folder, manifest))
    if damaged:  # figures of files that are not the built ones prove nothing
        return damaged
    problems = list(_schemas(folder, manifest))
    if problems:
        return problems
    try:
        found = [
            *check_repository(folder, manifest),
            *_figures(folder, manifest),
            *_provenance(folder, manifest),
            *(() if manifest.lite else _content(folder, manifest)),
            *check_twins(folder, manifest),
            *check_private(folder, manifest),
        ]
        return found or scoring_problems(read_queries(folder))
    except InputError as error:
        return error.problems
    except (pa.ArrowInvalid, pa.ArrowTypeError, KeyError, TypeError, AttributeError) as error:
        return [Problem(str(folder), f"cannot be checked further: {error!r}", _REBUILD)]


def _files(folder: Path, manifest: Manifest) -> Iterator[Problem]:
    """Missing, unexpected and changed files."""
    listed = manifest.files
    if not listed:
        yield Problem(str(folder / MANIFEST), "lists no files", _REBUILD)
        return
    found = file_entries(folder)
    for name in sorted(listed.keys() - found.keys()):
        yield Problem(str(folder / name), "is missing", _REBUILD)
    for name in sorted(found.keys() - listed.keys()):
        yield Problem(str(folder / name), "is not in the manifest", "remove it")
    for name in sorted(listed.keys() & found.keys()):
        told = vars(listed[name])
        for key, value in vars(found[name]).items():
            if told[key] != value:
                yield Problem(str(folder / name), f"{key} is {value}, the manifest says {told[key]}", _REBUILD)


def _tables(manifest: Manifest) -> tuple[str, ...]:
    return LITE_TABLES if manifest.lite else TABLES


def _schemas(folder: Path, manifest: Manifest) -> Iterator[Problem]:
    for table in _tables(manifest):
        expected = (
            splits_schema((t.name for t in manifest.cross_domain), manifest.repeats)
            if table == "splits"
            else arrow_schema(table, manifest.lite, manifest.optional(table))
        )
        for split in SPLITS:
            shards = sorted((folder / table).glob(f"{split}-*.parquet"))
            if not shards:
                yield Problem(str(folder / table), f"has no file for {split}", _REBUILD)
            for shard in shards:
                if not pq.read_schema(shard).equals(expected):
                    yield Problem(str(shard), OTHER_SCHEMA, _REBUILD)


def _figures(folder: Path, manifest: Manifest) -> Iterator[Problem]:
    """What opening a dataset looks at too, and the outcomes behind it."""
    pairs, private = read_pairs(folder), manifest.private_outcomes is not None
    yield from pairs_problems(folder, pairs, manifest, tests_may_lack=private)
    tiers = read_tiers(folder, pairs, manifest)
    yield from splits_problems(pairs, read_splits(folder, manifest), manifest, tiers)
    yield from outcomes_problems(read_outcomes(folder), pairs, manifest)


def _provenance(folder: Path, manifest: Manifest) -> Iterator[Problem]:
    """Licences are those of the sources; no group and no image stands in two splits."""
    names = ("query_id", "source", "group_id", "licence", "image_sha256")
    pairs = read_rows(folder, "pairs", dict.fromkeys(names, pa.string()))
    frame = pairs.frame
    yield from pairs.problems(frame["licence"].isna(), "licence is missing", _REBUILD)
    if "modality" not in manifest.optional("pairs"):  # every query is about one image
        yield from pairs.problems(frame["image_sha256"].isna(), "image_sha256 is missing", _REBUILD)
    licences = frame["source"].map({name: source.license for name, source in manifest.sources.items()})
    wrong = frame["licence"].notna() & (frame["licence"] != licences)
    yield from pairs.problems(wrong, "licence is not that of its source", _REBUILD)
    for name in ("group_id", "image_sha256"):
        spread = frame.assign(file=pairs.split).groupby(name)["file"].transform("nunique") > 1  # False where null
        yield from pairs.problems(spread, f"this {name} stands in more than one split", _REBUILD)


def _content(folder: Path, manifest: Manifest) -> Iterator[Problem]:
    """Images match their hashes; withheld sources have no content at all."""
    withheld = manifest.withheld
    has = columns_of("pairs", manifest.lite, manifest.optional("pairs"))
    columns = ["query_id", "source", "image_sha256", *(name for name in content_columns("pairs") if name in has)]
    with tqdm(total=manifest.queries, desc="images", unit="image", disable=None) as bar:
        for shard in shards_of(folder, "pairs"):
            with pq.ParquetFile(shard) as file:
                for batch in file.iter_batches(100, columns=columns):
                    ids, sources, hashes, images, *texts = (batch.column(name) for name in columns)
                    bytes_of = images.field("bytes")
                    for i in range(len(batch)):
                        where, data = f"{shard}: {ids[i].as_py()}", bytes_of[i].as_buffer()
                        if sources[i].as_py() in withheld:
                            if data is not None or any(text[i].is_valid for text in texts):
                                yield Problem(where, "content of a withheld source", "push again")
                        elif (data and hashlib.sha256(data).hexdigest()) != hashes[i].as_py():
                            yield Problem(where, "image bytes do not match their hash", _REBUILD)
                    bar.update(len(batch))
    pairs = read_rows(folder, "pairs", dict.fromkeys(("query_id", "source"), pa.string())).frame
    kept_back = pairs["query_id"][pairs["source"].isin(withheld)]
    for table in ("outcomes", "judgments") if withheld else ():
        (column,) = content_columns(table)
        rows = read_rows(folder, table, dict.fromkeys(("query_id", column), pa.string()))
        told = rows.frame["query_id"].isin(kept_back) & rows.frame[column].notna()
        yield from rows.problems(told, f"{column} of a withheld source", "push again")
