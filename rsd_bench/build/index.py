"""The index of a build: a few figures per query, everything that must be known before rows are streamed.

Texts, images and responses stay on disk; the index holds ids, groups, hashes, scores and latencies only.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.compute as pc
import pyarrow.parquet as pq

from rsd_bench.build.recipe import Recipe
from rsd_bench.config import DOMAIN_OUT, FIXED_TEST, IN_DOMAIN, SPLITS, load_aliases
from rsd_bench.dataset.manifest import MissingQuery
from rsd_bench.dataset.splits import domain_groups, leakage_groups, split_of
from rsd_bench.dataset.tier_outcomes import tier_outcomes
from rsd_bench.dataset.tracks import Track, in_domain, leave_one_out, parts_of
from rsd_bench.metrics.latency import pair_latency
from rsd_bench.model_names import find_model
from rsd_bench.sources.store.damage import reading
from rsd_bench.sources.store.store_media import media_of
from rsd_bench.sources.store.store_tables import BATCH, batches_of, source_info, sources_in
from rsd_bench.types import InputError, Problem

_QUERY_COLUMNS = ["query_id", "domain", "group", "modality", "media", "image_sha256", "image_bytes"]
_OUTCOME_COLUMNS = ["query_id", "model", "status", "score", "latency_s", "latency_basis", "output_tokens"]


@dataclass(frozen=True)
class Index:
    """`queries`: one row a query of the dataset, in source order. `missing`: the queries left out, with the reason."""

    recipe: Recipe
    sources: dict[str, dict[str, Any]]  # provenance by source
    queries: pd.DataFrame
    missing: list[MissingQuery]
    left_out: dict[str, str]  # sources without a query of the pair, and why
    tracks: tuple[Track, ...]


def build_index(recipe: Recipe, store: Path) -> Index:
    """Read the figures of the recipe's sources from a store. InputError listing every problem."""
    known = sources_in(store)
    names = recipe.sources or tuple(known)
    if absent := [name for name in names if name not in known]:
        fix = f"import it; the store has {', '.join(known)}"
        raise InputError([Problem(str(store), f"has no source {name!r}", fix) for name in absent])
    infos = {name: source_info(store, name) for name in names}
    recipe = _with_canonical_pair(recipe, infos)
    queries = pd.concat([_queries(store, name, recipe) for name in names], ignore_index=True)
    if (twice := queries["query_id"].duplicated()).any():
        ids = queries.loc[twice, "query_id"].unique()
        raise InputError([Problem(str(store), f"query_id {i!r} stands in two sources", "rename one") for i in ids])
    _require_domains(recipe, queries)
    reason = _reasons(queries, recipe)
    missing = [MissingQuery(query_id, text) for query_id, text in zip(queries["query_id"], reason, strict=True) if text]
    of_missing = [source for source, text in zip(queries["source"], reason, strict=True) if text]
    queries = queries[[not text for text in reason]].reset_index(drop=True)
    if queries.empty:
        scored = sorted({m for info in infos.values() for m, n in info["models"].items() if n})
        what = f"no query has a score of both {recipe.small!r} and {recipe.large!r}"
        raise InputError.at(store, what, f"scored models: {', '.join(scored) or 'none'}")
    used = set(queries["source"])
    apart = {name: _scores_apart(infos[name], recipe) for name in names if name not in used}
    infos = {name: info for name, info in infos.items() if name in used}
    missing = [query for query, source in zip(missing, of_missing, strict=True) if source in used]
    contents = [[item["sha256"] for item in media] for media in queries["media"]]
    queries["group_id"] = leakage_groups(list(queries["group"]), contents)
    queries["split"] = [split_of(group) for group in queries["group_id"]]
    queries = _with_domains(queries, recipe)
    queries = _with_latency(queries, recipe)
    return Index(recipe, infos, queries, missing, apart, _tracks(recipe, queries))


def _with_canonical_pair(recipe: Recipe, infos: Mapping[str, Mapping[str, Any]]) -> Recipe:
    """The recipe with the canonical ids of its models. InputError naming the nearest where there is no such model."""
    scores: Counter[str] = Counter()
    for info in infos.values():
        scores.update(info["models"])
    aliases, problems, pair = load_aliases(), [], {}
    for tier, asked in (("small", recipe.small), ("large", recipe.large)):
        try:
            pair[tier] = find_model(asked, scores, aliases)
        except ValueError as error:
            problems.append(Problem(recipe.name, f"[pair] {tier}: {error}", "name a model with scores"))
    if problems:
        raise InputError(problems)
    if pair["small"] == pair["large"]:
        raise InputError.at(recipe.name, f"[pair] names {pair['small']!r} twice", "name two models")
    return replace(recipe, small=pair["small"], large=pair["large"])


def _scores_apart(info: Mapping[str, Any], recipe: Recipe) -> str:
    """Why a source has no query of the pair."""
    counts = (f"{info['models'].get(model, 0):,} scores of {model}" for model in (recipe.small, recipe.large))
    return f"no query has a score of both: {', '.join(counts)}"


def _require_domains(recipe: Recipe, queries: pd.DataFrame) -> None:
    """InputError naming each domain of [domains] that no query of the sources has."""
    known = sorted(queries["domain"].unique())
    named = [domain for members in (recipe.domains or {}).values() for domain in members]
    if absent := [domain for domain in named if domain not in known]:
        fix = f"use {', '.join(known)}"
        raise InputError([Problem(recipe.name, f"[domains]: no source has domain {d!r}", fix) for d in absent])


def _queries(store: Path, source: str, recipe: Recipe) -> pd.DataFrame:
    """Queries of a source with the pair's outcomes beside them (columns small_..., large_...), in file order."""
    folder = store / "sources" / source
    rows = [row for batch in batches_of(store, source, "queries", BATCH, _QUERY_COLUMNS) for row in batch.to_pylist()]
    table = pd.DataFrame(({**row, "media": media_of(row)} for row in rows), columns=_QUERY_COLUMNS)
    table.insert(1, "source", source)
    wanted = pc.field("model").isin([recipe.small, recipe.large])
    with reading(path := folder / "responses.parquet"):
        outcomes = pq.read_table(path, columns=_OUTCOME_COLUMNS, filters=wanted).to_pandas()
    for tier, model in (("small", recipe.small), ("large", recipe.large)):
        side = outcomes[outcomes["model"] == model].drop(columns="model").add_prefix(f"{tier}_")
        table = table.merge(side, how="left", left_on="query_id", right_on=f"{tier}_query_id", validate="1:1")
    joined: pd.DataFrame = table.drop(columns=["small_query_id", "large_query_id"])
    return joined


def _reasons(queries: pd.DataFrame, recipe: Recipe) -> list[str]:
    """Why a query cannot stand in the dataset; "" where it can."""
    out = [""] * len(queries)
    for tier, model in (("small", recipe.small), ("large", recipe.large)):
        figures = zip(queries[f"{tier}_status"], queries[f"{tier}_score"].isna(), strict=True)
        for i, (status, unscored) in enumerate(figures):
            if unscored:
                text = f"no outcome of {model}" if pd.isna(status) else f"{model}: {status}"
                out[i] = f"{out[i]}; {text}" if out[i] else text
    return out


def _with_domains(queries: pd.DataFrame, recipe: Recipe) -> pd.DataFrame:
    try:
        groups = domain_groups(recipe.domains, sorted(queries["domain"].unique()))
    except ValueError as error:
        raise InputError.at(recipe.name, f"[domains]: {error}", "name each source domain once") from None
    queries = queries.rename(columns={"domain": "source_domain"})
    return queries.assign(domain=queries["source_domain"].map(groups))


def _with_latency(queries: pd.DataFrame, recipe: Recipe) -> pd.DataFrame:
    small, large = (
        tier_outcomes(tier, model, queries.filter(regex=f"^{tier}_").rename(columns=lambda c: c.split("_", 1)[1]))
        for tier, model in (("small", recipe.small), ("large", recipe.large))
    )
    ids, sources = queries["query_id"].to_numpy(object), queries["source"].to_numpy(object)
    latency = pair_latency(ids, sources, small, large, recipe.profile)
    return queries.assign(small_latency_s=latency.small_s, large_latency_s=latency.large_s, latency_basis=latency.basis)


def _tracks(recipe: Recipe, queries: pd.DataFrame) -> tuple[Track, ...]:
    """Leave-one-domain-out tracks that have every part, and the recipe's own, which must have every part."""
    domains = sorted(queries["domain"].unique())
    named = {track.name for track in recipe.tracks}
    held_out = FIXED_TEST if recipe.protocol == FIXED_TEST else DOMAIN_OUT
    left_out = [track for track in leave_one_out(domains, held_out) if track.name not in named]
    tracks = (in_domain(recipe.protocol), *left_out, *recipe.tracks)
    problems = []
    for track in recipe.tracks:
        for domain in (*track.train, *track.test):
            if domain not in domains:
                problems.append(
                    Problem(recipe.name, f"track {track.name!r}: no domain {domain!r}", f"use {', '.join(domains)}")
                )
        if not problems and (lacking := _lacking(track, queries)):
            what = f"track {track.name!r} has no {' and no '.join(lacking)} query"
            problems.append(Problem(recipe.name, what, "name domains of more groups, or leave out the track"))
    if problems:
        raise InputError(problems)
    kept = {IN_DOMAIN, *named}
    return tuple(track for track in tracks if track.name in kept or not _lacking(track, queries))


def _lacking(track: Track, queries: pd.DataFrame) -> list[str]:
    """The parts of a track without a query (a domain of a few groups may have none in some split)."""
    parts = set(parts_of(track, queries))
    return [split for split in SPLITS if split not in parts]
