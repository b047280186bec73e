"""`data check`: verify a dataset folder against its manifest and its own figures; every problem, not the first.

Checked: file hashes and rows, schemas, ids, image hashes, splits (by group hash; no group or image in two), tracks,
scores, labels recomputed from scores, outcomes against pairs; and, for the Hub, `check_repository`. A published folder
lacks the content of sources that it names as withheld and the test scores that it names as private: then all of it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from tqdm import tqdm

from rsd_bench.config import MES_LEVELS, SCORE_MAX, SPLITS
from rsd_bench.dataset.benchmark import read_queries, scoring_problems
from rsd_bench.dataset.check_private import check_private
from rsd_bench.dataset.check_repository import check_repository
from rsd_bench.dataset.layout import (
    LABELS,
    LATENCY,
    LITE_TABLES,
    MANIFEST,
    TABLES,
    arrow_schema,
    content_columns,
    splits_schema,
)
from rsd_bench.dataset.manifest import Manifest, file_entries, read_manifest
from rsd_bench.dataset.splits import split_of, track_split
from rsd_bench.metrics.label import label, label_column
from rsd_bench.types import InputError, Problem

_REBUILD = "build the dataset again"
_SHOWN = 20  # rows of one fault that are listed before the rest is counted


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
            *_pairs(folder, manifest),
            *_splits(folder, manifest),
            *_outcomes(folder, manifest),
            *check_private(folder, manifest),
        ]
        return found or scoring_problems(read_queries(folder))
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


def _shards(folder: Path, table: str, split: str) -> list[Path]:
    return sorted((folder / table).glob(f"{split}-*.parquet"))


def _tables(manifest: Manifest) -> tuple[str, ...]:
    return LITE_TABLES if manifest.lite else TABLES


def _schemas(folder: Path, manifest: Manifest) -> Iterator[Problem]:
    for table in _tables(manifest):
        expected = (
            splits_schema(t.name for t in manifest.tracks) if table == "splits" else arrow_schema(table, manifest.lite)
        )
        for split in SPLITS:
            shards = _shards(folder, table, split)
            if not shards:
                yield Problem(str(folder / table), f"has no file for {split}", _REBUILD)
            for shard in shards:
                if not pq.read_schema(shard).equals(expected):
                    yield Problem(str(shard), "has other columns or types than the schema version says", _REBUILD)


def _read(folder: Path, table: str, columns: list[str]) -> pd.DataFrame:
    """Columns of a table with the split whose file each row stands in (column `file`)."""
    frames = [
        pq.read_table(shard, columns=columns, partitioning=None).to_pandas().assign(file=split)
        for split in SPLITS
        for shard in _shards(folder, table, split)
    ]
    joined: pd.DataFrame = pd.concat(frames, ignore_index=True)
    return joined


def _rows(where: Path, ids: Any, what: str, fix: str = _REBUILD) -> Iterator[Problem]:
    """One problem per row for the first rows, then one that counts the rest."""
    ids = list(ids)
    for query_id in ids[:_SHOWN]:
        yield Problem(f"{where}: {query_id}", what, fix)
    if len(ids) > _SHOWN:
        yield Problem(str(where), f"{len(ids) - _SHOWN} more rows: {what}", fix)


def _pairs(folder: Path, manifest: Manifest) -> Iterator[Problem]:
    where = folder / "pairs"
    scores = ["small_score", "large_score"]
    seconds = ["small_latency_s", "large_latency_s"]
    texts = ["query_id", "group_id", "source", "domain", "licence", "image_sha256", "latency_basis"]
    pairs = _read(folder, "pairs", [*texts, *scores, *seconds, *LABELS])
    ids = pairs["query_id"]
    yield from _rows(where, ids[ids.duplicated()], "query_id stands twice")
    hidden = (pairs["file"] == "test") & (manifest.private_outcomes is not None)
    for name in (*texts, *seconds, *scores):
        private = hidden if name in (*LATENCY, *scores) else False
        yield from _rows(where, ids[pairs[name].isna() & ~private], f"{name} is missing")
    for name in scores:
        yield from _rows(
            where, ids[pairs[name].notna() & ~pairs[name].between(0, SCORE_MAX)], f"{name} is not in [0, 10]"
        )
    licences = pairs["source"].map({name: source.license for name, source in manifest.sources.items()})
    yield from _rows(where, ids[pairs["licence"] != licences], "licence is not that of its source")
    for name in seconds:
        sound = (pairs[name] >= 0) & np.isfinite(pairs[name])
        yield from _rows(where, ids[~sound & ~(hidden & pairs[name].isna())], f"{name} is no latency")
    yield from _rows(where, ids[pairs["group_id"].map(split_of) != pairs["file"]], "stands in the wrong split")
    for name in ("group_id", "image_sha256"):
        spread = pairs.groupby(name)["file"].nunique()
        yield from _rows(where, spread.index[spread > 1], f"this {name} stands in more than one split")
    shown = pairs[~hidden]
    if shown[scores].apply(lambda s: s.between(0, SCORE_MAX)).all(axis=None):
        for mes in MES_LEVELS:
            wrong = label(shown["small_score"], shown["large_score"], mes) != shown[label_column(mes)]
            yield from _rows(where, shown["query_id"][wrong], f"{label_column(mes)} does not follow from the scores")
    counted = {
        "queries": len(pairs),
        "groups": int(pairs["group_id"].nunique()),
        "splits": {split: int((pairs["file"] == split).sum()) for split in SPLITS},
        "domains": {k: int(v) for k, v in pairs["domain"].value_counts().sort_index().items()},
        "latency_basis": {k: int(v) for k, v in pairs["latency_basis"].value_counts().sort_index().items()},
    }
    for key, value in counted.items():
        if (told := getattr(manifest, key)) != value:
            yield Problem(str(folder / MANIFEST), f"{key} is {told}, the files hold {value}", _REBUILD)
    if not manifest.lite:
        yield from _content(folder, manifest, len(pairs))


def _content(folder: Path, manifest: Manifest, n: int) -> Iterator[Problem]:
    """Images match their hashes; withheld sources have no content at all."""
    withheld = manifest.withheld
    columns = ["query_id", "source", "image_sha256", *content_columns("pairs")]
    with tqdm(total=n, desc="images", unit="image", disable=None) as bar:
        for split in SPLITS:
            for shard in _shards(folder, "pairs", split):
                with pq.ParquetFile(shard) as file:
                    for batch in file.iter_batches(100, columns=columns):
                        ids, sources, hashes, images, *texts = (batch.column(name) for name in columns)
                        bytes_of = images.field("bytes")
                        for i in range(len(batch)):
                            where, data = f"{shard}: {ids[i].as_py()}", bytes_of[i].as_buffer()
                            if sources[i].as_py() in withheld:
                                if data is not None or any(text[i].is_valid for text in texts):
                                    yield Problem(where, "content of a withheld source", "push again")
                            elif data is None or hashlib.sha256(data).hexdigest() != hashes[i].as_py():
                                yield Problem(where, "image bytes do not match their hash", _REBUILD)
                        bar.update(len(batch))
    for table in ("outcomes", "judgments") if withheld else ():
        (column,) = content_columns(table)
        rows = _read(folder, table, ["query_id", column])
        sources = rows["query_id"].map(_read(folder, "pairs", ["query_id", "source"]).set_index("query_id")["source"])
        told = rows["query_id"][sources.isin(withheld) & rows[column].notna()]
        yield from _rows(folder / table, told, f"{column} of a withheld source", "push again")


def _splits(folder: Path, manifest: Manifest) -> Iterator[Problem]:
    where = folder / "splits"
    tracks = manifest.tracks
    splits = _read(folder, "splits", ["query_id", "split", *(track.name for track in tracks)])
    pairs = _read(folder, "pairs", ["query_id", "domain"])
    yield from _rows(where, splits["query_id"][splits["query_id"].duplicated()], "query_id stands twice")
    yield from _rows(where, splits["query_id"][splits["split"] != splits["file"]], "stands in another split's file")
    both = pairs.merge(splits.drop_duplicates("query_id"), on="query_id", how="outer", suffixes=("", "_splits"))
    lost = both["file"].isna() | both["split"].isna()
    yield from _rows(where, both["query_id"][lost], "stands in pairs or splits, not in both")
    both = both[~lost]
    yield from _rows(where, both["query_id"][both["split"] != both["file"]], "has another split than in pairs")
    for track in tracks:
        expected = [track_split(track, d, s) for d, s in zip(both["domain"], both["split"], strict=True)]
        given = [None if pd.isna(part) else part for part in both[track.name]]
        wrong = [a != b for a, b in zip(given, expected, strict=True)]
        yield from _rows(where, both["query_id"][wrong], f"has the wrong part in track {track.name}")


def _outcomes(folder: Path, manifest: Manifest) -> Iterator[Problem]:
    where = folder / "outcomes"
    outcomes = _read(folder, "outcomes", ["query_id", "model", "status", "score"])
    pairs = _read(folder, "pairs", ["query_id", "small_score", "large_score"]).drop_duplicates("query_id")
    twice = outcomes.duplicated(["query_id", "model"])
    yield from _rows(where, outcomes["query_id"][twice], "has two outcomes of one model")
    yield from _rows(where, outcomes["query_id"][~outcomes["query_id"].isin(pairs["query_id"])], "is no query of pairs")
    odd = (outcomes["status"] == "ok") != outcomes["score"].notna()
    yield from _rows(where, outcomes["query_id"][odd], "status and score disagree (only ok has a score)")
    out = outcomes["score"].notna() & ~outcomes["score"].between(0, SCORE_MAX)
    yield from _rows(where, outcomes["query_id"][out], "score is not in [0, 10]")
    for tier in ("small", "large"):
        model = getattr(manifest.pair, tier)
        side = outcomes[(outcomes["model"] == model) & ~twice].set_index("query_id")["score"]
        if manifest.private_outcomes is not None:
            pairs = pairs[pairs["file"] != "test"]
        given = side.reindex(pairs["query_id"]).to_numpy()
        wrong = given != pairs[f"{tier}_score"].to_numpy()
        yield from _rows(where, pairs["query_id"][wrong], f"score of {model} is not that of pairs")
