"""Build a dataset folder from a recipe and a store: index, stream the tables, card, manifest, one rename.

The same recipe and store give the same bytes. A killed build leaves no folder that loads.
"""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from tqdm import tqdm

from rsd_bench.build.card_facts import card_facts
from rsd_bench.build.dataset_card import write_documents
from rsd_bench.build.index import Index, build_index
from rsd_bench.build.index_tracks import track_parts
from rsd_bench.build.provenance import label_noise, live_provenance
from rsd_bench.build.recipe import Recipe
from rsd_bench.build.shards import WRITER_OPTIONS, SplitShards
from rsd_bench.build.source_outcomes import outcome_rows, score_rule_of
from rsd_bench.build.track_counts import track_counts
from rsd_bench.config import FOLDS, IN_DOMAIN, MES_LEVELS, SPLITS
from rsd_bench.dataset.benchmark import Benchmark, latency_problems, scenario_problems
from rsd_bench.dataset.layout import (
    LITE_TABLES,
    OPTIONAL_COLUMNS,
    ROWS_PER_GROUP,
    arrow_schema,
    fold_column,
    splits_schema,
)
from rsd_bench.dataset.manifest import Manifest, ModelPair, SourceEntry, manifest_sha256, read_manifest
from rsd_bench.dataset.splits import fold_of
from rsd_bench.features.feature_table import copy_features
from rsd_bench.folders import new_folder
from rsd_bench.metrics.label import label, label_column
from rsd_bench.sources.source import MEDIA_KINDS
from rsd_bench.sources.store.store_media import read_media
from rsd_bench.sources.store.store_tables import BATCH, batches_of, rows_of
from rsd_bench.types import InputError
from rsd_bench.version import DATA_SCHEMA_VERSION, METRICS_VERSION

_CANARY_NAMESPACE = "https://arxiv.org/abs/2510.27256#rsd_bench/"


def build_dataset(
    recipe: Recipe, store: Path, out: Path, *, lite: bool = False, features: Path | None = None
) -> Manifest:
    """Build the full edition, or with `lite` the figures-only edition, into folder `out`; return its manifest.

    features: a folder that `rsd-bench features encode` wrote; its vectors become part of a lite edition.

    InputError where the recipe and the store do not fit, or `out` holds something else, another dataset included.
    """

    def another_build(folder: Path) -> bool:
        try:
            return read_manifest(folder).name == recipe.name
        except InputError:
            return False

    with new_folder(out, may_replace=another_build) as folder:
        if lite:
            full = folder / ".full"  # inside: the next build clears what a killed one leaves
            full.mkdir()
            _write_full(recipe, store, full)
            write_lite(full, folder, features)
            shutil.rmtree(full)
        else:
            _write_full(recipe, store, folder)
        return read_manifest(folder)


def _write_full(recipe: Recipe, store: Path, folder: Path) -> None:
    index = build_index(recipe, store)
    tracks = _track_columns(index)
    manifest = _manifest(index, label_noise(index.recipe, store, index.sources), _optional_columns(index, store))
    queries = Benchmark(Path(recipe.name), manifest, "", index.queries.assign(**tracks), index.tiers)
    if problems := latency_problems(queries) or scenario_problems(queries, recipe.name):  # before anything is written
        raise InputError(problems)
    manifest = replace(manifest, track_counts=track_counts(queries))
    with _shards(folder, "pairs", manifest) as shards:
        for source in index.sources:
            for split, row in _pairs(index, store, source):
                shards.write(split, [row])
    splits = dict(zip(index.queries["query_id"], index.queries["split"], strict=True))
    for table in ("outcomes", "judgments"):
        with _shards(folder, table, manifest) as shards:
            for source in index.sources:
                scored = outcome_rows(store, source, index.scorings[source])
                for row in scored if table == "outcomes" else rows_of(store, source, table):
                    if row["query_id"] in splits:
                        shards.write(splits[row["query_id"]], [row])
    _write_splits(index, tracks, folder)
    write_documents(folder, manifest)


def _shards(folder: Path, table: str, manifest: Manifest) -> SplitShards:
    schema = arrow_schema(table, optional=manifest.optional(table))
    return SplitShards(folder / table, schema, ROWS_PER_GROUP[table])


def _pairs(index: Index, store: Path, source: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """(split, row) of every query of a source, read in row-group sized batches, images from the store."""
    figures = index.queries[index.queries["source"] == source].set_index("query_id")
    known = figures.to_dict("index")
    licence = index.sources[source]["license"]
    labels = {
        label_column(mes): dict(
            zip(figures.index, label(figures["small_score"], figures["large_score"], mes).tolist(), strict=True)
        )
        for mes in MES_LEVELS
    }
    columns = ["query_id", "question", "reference_answer", "statistics"]
    batches = batches_of(store, source, "queries", ROWS_PER_GROUP["pairs"], columns)
    with tqdm(total=len(figures), desc=f"{source}: pairs", unit="query", disable=None) as bar:
        for batch in batches:
            for row in batch.to_pylist():
                query_id = row["query_id"]
                if query_id not in known:
                    continue
                figure = known[query_id]
                bar.update()
                yield (
                    figure["split"],
                    {
                        **row,
                        **{name: figure[name] for name in figures.columns},
                        "source": source,
                        **_media(store, figure["media"]),
                        "licence": licence,
                        **{name: column[query_id] for name, column in labels.items()},
                    },
                )


def _media(store: Path, media: Sequence[Mapping[str, str]]) -> dict[str, Any]:
    """The media columns of a query; `images` only where it has several, the first of which is its `image`."""
    held: dict[str, list[dict[str, Any]]] = {kind: [] for kind in MEDIA_KINDS}
    for item in media:
        held[item["kind"]].append({"bytes": read_media(store, item["kind"], item["sha256"]), "path": None})
    images = held["image"]
    return {
        "image": images[0] if images else None,
        "image_sha256": next((item["sha256"] for item in media if item["kind"] == "image"), None),
        "images": images if len(images) > 1 else None,
        **{kind: held[kind] or None for kind in ("audio", "video")},
    }


def _optional_columns(index: Index, store: Path) -> dict[str, tuple[str, ...]]:
    """Which optional columns the tables have: those with something in them."""
    queries = index.queries
    kinds = [[item["kind"] for item in media] for media in queries["media"]]
    has = {
        "modality": any(one != ["image"] for one in kinds),
        "images": any(one.count("image") > 1 for one in kinds),
        "audio": any("audio" in one for one in kinds),
        "video": any("video" in one for one in kinds),
    }
    costs = OPTIONAL_COLUMNS["outcomes"]
    ids = pa.array(queries["query_id"])
    for source in index.sources:
        for batch in batches_of(store, source, "responses", BATCH, ["query_id", *costs]):
            rows = batch.filter(pc.is_in(batch.column("query_id"), ids))
            has |= {name: has.get(name, False) or rows.column(name).null_count < len(rows) for name in costs}
    found = {table: tuple(name for name in names if has[name]) for table, names in OPTIONAL_COLUMNS.items()}
    return {table: names for table, names in found.items() if names}


def _track_columns(index: Index) -> dict[str, Any]:
    """The fold of each query in each repeat, and its part in each cross-domain track."""
    queries, cross_domain = index.queries, [track for track in index.tracks if track.name != IN_DOMAIN]
    folds = {fold_column(r): fold_of(queries["group_id"], FOLDS, r) for r in range(_repeats(index))}
    return folds | {track.name: track_parts(track, queries, index.tiers) for track in cross_domain}


def _repeats(index: Index) -> int:
    """Deals of folds: those of the recipe where a track needs them."""
    return index.recipe.repeats if any(track.cross_fitted for track in index.tracks) else 0


def _write_splits(index: Index, tracks: dict[str, Any], folder: Path) -> None:
    queries = index.queries
    columns = {"query_id": queries["query_id"], "split": queries["split"], **tracks}
    repeats = _repeats(index)
    schema = splits_schema(list(tracks)[repeats:], repeats)
    with SplitShards(folder / "splits", schema, ROWS_PER_GROUP["splits"]) as shards:
        for values in zip(*columns.values(), strict=True):
            row = dict(zip(columns, values, strict=True))
            shards.write(row["split"], [row])


def _manifest(index: Index, noise: dict[str, Any] | None, optional: dict[str, tuple[str, ...]]) -> Manifest:
    """The manifest without its file list. noise: how many labels would flip. optional: columns by table."""
    recipe, queries = index.recipe, index.queries

    def counts(column: str) -> dict[str, int]:
        return {str(k): int(v) for k, v in queries[column].value_counts().sort_index().items()}

    def entry(source: str, info: dict[str, Any]) -> SourceEntry:
        kept = ("name", "license", "redistributable", "repository", "commit", "notes", "score_rule")
        told: dict[str, Any] = {key: info[key] for key in kept}
        if source in recipe.variants:
            told |= {"score_rule": score_rule_of(info["score_rule"]), "unvaried": index.unvaried[source] or None}
        n = int((queries["source"] == source).sum())
        return SourceEntry(**told, **live_provenance(info), queries=n)

    return Manifest(
        name=recipe.name,
        title=recipe.title or recipe.name,
        version=recipe.version,
        edition="full",
        schema_version=DATA_SCHEMA_VERSION,
        metrics_version=METRICS_VERSION,
        recipe_sha256=recipe.sha256,
        canary=_canary(recipe.name),
        pair=ModelPair(recipe.small, recipe.large),
        pairs={source: pair for source, pair in recipe.pairs.items() if source in index.sources} or None,
        latency_profile=recipe.latency_profile,
        own_profile=recipe.own_profile,
        scenarios=recipe.scenarios,
        latency_basis=counts("latency_basis"),
        queries=len(queries),
        groups=int(queries["group_id"].nunique()),
        splits={split: counts("split").get(split, 0) for split in SPLITS},
        domains=counts("domain"),
        tracks=index.tracks,
        repeats=_repeats(index),
        standing=index.standing,
        sources={source: entry(source, info) for source, info in index.sources.items()},
        missing=tuple(index.missing),
        card=card_facts(recipe.card, recipe.name),
        flip_prob=noise,
        optional_columns=optional or None,
        left_out=index.left_out or None,
    )


def _canary(name: str) -> str:
    """A GUID that is the dataset's own: text that holds it was copied from the dataset."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, _CANARY_NAMESPACE + name))


def write_lite(full: Path, folder: Path, features: Path | None = None) -> None:
    """Project a full dataset folder onto its figures: no image, no text, no response, no judgment.

    features: folder whose FOLDER/features holds vectors of exactly these queries; a copy becomes part of the edition.
    """
    for table in LITE_TABLES:
        (folder / table).mkdir()
        for shard in sorted((full / table).glob("*.parquet")):
            with pq.ParquetFile(shard) as source:
                kept = [name for name in OPTIONAL_COLUMNS.get(table, ()) if name in source.schema_arrow.names]
                schema = source.schema_arrow if table == "splits" else arrow_schema(table, True, kept)
                with pq.ParquetWriter(folder / table / shard.name, schema, **WRITER_OPTIONS) as sink:
                    sink.write_table(source.read(schema.names).cast(schema))
    spec = copy_features(features, folder).to_dict() if features else None
    lite = replace(read_manifest(full), edition="lite", derived_from=manifest_sha256(full), features=spec)
    write_documents(folder, lite)
