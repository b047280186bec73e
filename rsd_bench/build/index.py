"""The index of a build: a few figures per query, everything that must be known before rows are streamed.

Texts, images and responses stay on disk; the index holds ids, groups, hashes, scores and latencies only.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from rsd_bench.build.index_tracks import tracks_with_rows
from rsd_bench.build.recipe import Recipe
from rsd_bench.build.recipe_models import with_canonical_models
from rsd_bench.build.source_outcomes import Scoring, figures_of, scoring_of, without_variants
from rsd_bench.dataset.manifest import MissingQuery, ModelPair
from rsd_bench.dataset.splits import domain_groups, folded_question, join_equal_questions, leakage_groups, split_of
from rsd_bench.dataset.tier_outcomes import TierFigures, tier_figures, tier_outcomes
from rsd_bench.dataset.tracks import Track
from rsd_bench.metrics.latency import pair_latency
from rsd_bench.sources.store.store_media import media_of
from rsd_bench.sources.store.store_tables import BATCH, batches_of, source_info, sources_in
from rsd_bench.types import InputError, Problem

_COLUMNS = ["query_id", "domain", "group", "modality", "media", "image_sha256", "image_bytes"]
_TIERS = ("small", "large")


@dataclass(frozen=True)
class Index:
    """`queries`: one row a query of the dataset, in source order. `missing`: the queries left out, with the reason."""

    recipe: Recipe
    sources: dict[str, dict[str, Any]]  # provenance by source
    scorings: dict[str, Scoring]  # by source
    unvaried: dict[str, tuple[str, ...]]  # source scored over variants -> its models that have none
    queries: pd.DataFrame
    missing: list[MissingQuery]
    left_out: dict[str, str]  # sources without a query of the pair, and why
    tracks: tuple[Track, ...]
    tiers: dict[tuple[str, ...], TierFigures]  # of `queries`, for each list of models that a track names
    standing: int  # queries whose text stands in so many groups that it joins none


def build_index(recipe: Recipe, store: Path) -> Index:
    """Read the figures of the recipe's sources from a store. InputError listing every problem."""
    names = _sources(recipe, store)
    infos = {name: source_info(store, name) for name in names}
    recipe = with_canonical_models(recipe, infos)
    scorings = {name: scoring_of(store, name, recipe) for name in names}
    models = {model for track in recipe.tracks for model in track.tiers}
    outcomes, tables = {}, []
    for name in names:
        pair = recipe.pair_of(name)
        outcomes[name] = figures_of(store, name, scorings[name], {*models, pair.small, pair.large})
        tables.append(_queries(store, name, pair, outcomes[name]))
    queries = pd.concat(tables, ignore_index=True)
    if (twice := queries["query_id"].duplicated()).any():
        ids = queries.loc[twice, "query_id"].unique()
        raise InputError([Problem(str(store), f"query_id {i!r} stands in two sources", "rename one") for i in ids])
    _require_domains(recipe, queries)
    reason = _reasons(queries)
    missing = [MissingQuery(query_id, text) for query_id, text in zip(queries["query_id"], reason, strict=True) if text]
    of_missing = [source for source, text in zip(queries["source"], reason, strict=True) if text]
    queries = queries[[not text for text in reason]].reset_index(drop=True)
    if queries.empty:
        scored = sorted({m for info in infos.values() for m, n in info["models"].items() if n})
        what = f"no query has a score of both {recipe.small!r} and {recipe.large!r}"
        raise InputError.at(store, what, f"scored models: {', '.join(scored) or 'none'}")
    used = set(queries["source"])
    apart = {name: _scores_apart(infos[name], recipe.pair_of(name)) for name in names if name not in used}
    missing = [query for query, source in zip(missing, of_missing, strict=True) if source in used]
    queries, standing = _with_groups(queries, store)
    queries = _with_domains(queries, recipe)
    queries = _with_latency(queries, recipe)
    long = pd.concat([outcomes[name] for name in names if name in used], ignore_index=True)
    wanted = dict.fromkeys(track.tiers for track in recipe.tracks if track.tiers)
    tiers = tier_figures(queries, long, wanted, recipe.profile)
    return Index(
        recipe=recipe,
        sources={name: info for name, info in infos.items() if name in used},
        scorings=scorings,
        unvaried={name: without_variants(scorings[name], infos[name]["models"]) for name in recipe.variants},
        queries=queries,
        missing=missing,
        left_out=apart,
        tracks=tracks_with_rows(recipe, queries, tiers),
        tiers=tiers,
        standing=standing,
    )


def _sources(recipe: Recipe, store: Path) -> tuple[str, ...]:
    """The sources of the dataset. InputError for each that the recipe names and the store, or its own list, lacks."""
    known = sources_in(store)
    names = recipe.sources or tuple(known)
    fix = f"import it; the store has {', '.join(known)}"
    problems = [Problem(str(store), f"has no source {name!r}", fix) for name in names if name not in known]
    for key, named in (("pairs", recipe.pairs), ("score", recipe.variants)):
        fix = f"use {', '.join(names)}"
        problems += [Problem(recipe.name, f"[{key}.{n}]: no source {n!r}", fix) for n in named if n not in names]
    if problems:
        raise InputError(problems)
    return names


def _scores_apart(info: Mapping[str, Any], pair: ModelPair) -> str:
    """Why a source has no query of the pair."""
    counts = (f"{info['models'].get(model, 0):,} scores of {model}" for model in (pair.small, pair.large))
    return f"no query has a score of both: {', '.join(counts)}"


def _require_domains(recipe: Recipe, queries: pd.DataFrame) -> None:
    """InputError naming each domain of [domains] that no query of the sources has."""
    known = sorted(queries["domain"].unique())
    named = [domain for members in (recipe.domains or {}).values() for domain in members]
    if absent := [domain for domain in named if domain not in known]:
        fix = f"use {', '.join(known)}"
        raise InputError([Problem(recipe.name, f"[domains]: no source has domain {d!r}", fix) for d in absent])


def _queries(store: Path, source: str, pair: ModelPair, outcomes: pd.DataFrame) -> pd.DataFrame:
    """Queries of a source with its pair's outcomes beside them (columns small_..., large_...), in file order."""
    rows = [row for batch in batches_of(store, source, "queries", BATCH, _COLUMNS) for row in batch.to_pylist()]
    table = pd.DataFrame(({**row, "media": media_of(row)} for row in rows), columns=_COLUMNS)
    table.insert(1, "source", source)
    for tier in _TIERS:
        model = getattr(pair, tier)
        side = outcomes[outcomes["model"] == model].drop(columns="model").add_prefix(f"{tier}_")
        table = table.merge(side, how="left", left_on="query_id", right_on=f"{tier}_query_id", validate="1:1")
        table[f"{tier}_model"] = model
    joined: pd.DataFrame = table.drop(columns=[f"{tier}_query_id" for tier in _TIERS])
    return joined


def _reasons(queries: pd.DataFrame) -> list[str]:
    """Why a query cannot stand in the dataset; "" where it can."""
    out = [""] * len(queries)
    for tier in _TIERS:
        figures = zip(*(queries[f"{tier}_{name}"] for name in ("model", "status", "score")), strict=True)
        for i, (model, status, score) in enumerate(figures):
            if pd.isna(score):
                text = f"no outcome of {model}" if pd.isna(status) else f"{model}: {status}"
                out[i] = f"{out[i]}; {text}" if out[i] else text
    return out


def _with_groups(queries: pd.DataFrame, store: Path) -> tuple[pd.DataFrame, int]:
    """With the group and the split of each query, and how many of them are about a standing prompt."""
    contents = [[item["sha256"] for item in media] for media in queries["media"]]
    asked: dict[str, str] = {}
    for source in queries["source"].unique():
        for batch in batches_of(store, source, "queries", BATCH, ["query_id", "question"]):
            asked |= {row["query_id"]: _digest(row["question"]) for row in batch.to_pylist()}
    joined = join_equal_questions(
        leakage_groups(list(queries["group"]), contents), list(queries["query_id"].map(asked))
    )
    splits = [split_of(group) for group in joined.groups]
    return queries.assign(group_id=joined.groups, split=splits), sum(joined.standing)


def _digest(question: str | None) -> str:
    """What tells a folded question from any other, in few bytes; "" of one without words."""
    folded = folded_question(question or "")
    return hashlib.sha256(folded.encode()).hexdigest() if folded else ""


def _with_domains(queries: pd.DataFrame, recipe: Recipe) -> pd.DataFrame:
    try:
        groups = domain_groups(recipe.domains, sorted(queries["domain"].unique()))
    except ValueError as error:
        raise InputError.at(recipe.name, f"[domains]: {error}", "name each source domain once") from None
    queries = queries.rename(columns={"domain": "source_domain"})
    return queries.assign(domain=queries["source_domain"].map(groups))


def _with_latency(queries: pd.DataFrame, recipe: Recipe) -> pd.DataFrame:
    parts = []
    for source, part in queries.groupby("source", sort=False):
        pair = recipe.pair_of(str(source))
        small, large = (
            tier_outcomes(
                tier, getattr(pair, tier), part.filter(regex=f"^{tier}_").rename(columns=lambda c: c.split("_", 1)[1])
            )
            for tier in _TIERS
        )
        ids, sources = part["query_id"].to_numpy(object), part["source"].to_numpy(object)
        latency = pair_latency(ids, sources, small, large, recipe.profile)
        parts.append(
            part.assign(small_latency_s=latency.small_s, large_latency_s=latency.large_s, latency_basis=latency.basis)
        )
    return pd.concat(parts).loc[queries.index]
