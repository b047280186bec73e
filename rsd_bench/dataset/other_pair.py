"""Another pair of models on a loaded dataset: scores and latencies of its outcomes in place of the default ones."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from rsd_bench.config import LatencyProfile, load_aliases
from rsd_bench.dataset.check_figures import open_outcomes
from rsd_bench.dataset.layout import LABELS
from rsd_bench.dataset.manifest import Manifest
from rsd_bench.dataset.tables import read_table
from rsd_bench.dataset.tier_outcomes import tier_outcomes
from rsd_bench.metrics.latency import pair_latency
from rsd_bench.model_names import find_model

if TYPE_CHECKING:
    from datasets import Dataset

_TIERS = ("small", "large")


def with_pair(
    parts: dict[str, Dataset],
    folder: Path,
    manifest: Manifest,
    small: str | None,
    large: str | None,
    names: tuple[str, str] = ("small", "large"),
) -> dict[str, Dataset]:
    """Splits of `pairs` with the outcomes of `small` and `large` (None: those of each query's source).

    ValueError, naming the arguments `names`, for a model that the outcomes lack, or where no query has both scores.
    """
    asked = dict(zip(_TIERS, (small, large), strict=True))
    if all(model is None for model in asked.values()):
        return parts
    own = {source: asdict(manifest.pair_of(source)) for source in manifest.sources}
    if all(model in (None, pair[tier]) for pair in own.values() for tier, model in asked.items()):
        return parts
    long = open_outcomes(folder)
    scores, aliases = _scores_of(long), load_aliases()
    known = {tier: {pair[tier] for pair in own.values()} for tier in _TIERS}
    chosen: dict[str, str | None] = {}
    for tier, name in zip(_TIERS, names, strict=True):
        model = asked[tier]
        try:
            chosen[tier] = model if model is None or model in known[tier] else find_model(model, scores, aliases)
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from None
    models = {source: {tier: chosen[tier] or pair[tier] for tier in _TIERS} for source, pair in own.items()}
    if models == own:
        return parts
    same = {source: pair["small"] for source, pair in models.items() if pair["small"] == pair["large"]}
    if len(same) == len(models):
        both = ", ".join(dict.fromkeys(names))
        raise ValueError(f"{both}: both are {next(iter(same.values()))!r}; name two models")
    pairs = read_table(folder, "pairs", ["query_id", "source"]).to_pandas().set_index("query_id")["source"]
    asked_of = {source: pair for source, pair in models.items() if source not in same}
    outcomes, left_out = _pair_outcomes(long, pairs, asked_of, manifest.profile)
    if names == _TIERS and len(outcomes) and left_out:  # a track says itself which queries it has
        counts = ", ".join(f"{n} of {source}" for source, n in left_out.items())
        named = " or ".join(dict.fromkeys(model for pair in models.values() for model in pair.values()))
        what = f"{sum(left_out.values())} queries lack a score of {named} and are left out: {counts}"
        warnings.warn(what, stacklevel=4)  # of who called `load`
    parts = {name: _replaced(part, outcomes) for name, part in parts.items()}
    if not sum(map(len, parts.values())):
        asked_for = dict.fromkeys(model for pair in models.values() for model in pair.values())
        both = " and ".join(f"{model!r} ({scores.get(model, 0):,} scores)" for model in asked_for)
        raise ValueError(f"{', '.join(dict.fromkeys(names))}: no query has a score of both {both}")
    return parts


def _pair_outcomes(
    long: pd.DataFrame, pairs: Any, models: Mapping[str, Mapping[str, str]], profile: LatencyProfile
) -> tuple[pd.DataFrame, dict[str, int]]:
    """Per query with a score of both models of its source: small_..., large_... columns and latency basis, by query_id.

    And the number of queries left out of each source. long: outcomes of all models. pairs: the source of each query, by
    query_id. models: small and large by source; other sources are left out.
    """
    found, lacking = [], pd.Series(0, pairs.value_counts().sort_index().index)
    for source, ids in pairs.groupby(pairs).groups.items():
        if source not in models:
            lacking[source] = len(ids)
            continue
        sides = {
            tier: long[(long["model"] == model) & long["score"].notna()].set_index("query_id").reindex(ids)
            for tier, model in models[source].items()
        }
        both = sides["small"]["score"].notna() & sides["large"]["score"].notna()
        lacking[source] = int((~both).sum())
        fast, slow = (tier_outcomes(tier, models[source][tier], side[both]) for tier, side in sides.items())
        latency = pair_latency(ids[both], np.full(int(both.sum()), source, object), fast, slow, profile)
        figures: dict[str, Any] = {f"{tier}_model": models[source][tier] for tier in _TIERS}
        figures |= {f"{tier}_score": side.loc[both, "score"] for tier, side in sides.items()}
        figures |= {"small_latency_s": latency.small_s, "large_latency_s": latency.large_s}
        found.append(pd.DataFrame(figures | {"latency_basis": latency.basis}, index=ids[both]))
    return pd.concat(found), {str(source): int(n) for source, n in lacking[lacking > 0].items()}


def _scores_of(long: pd.DataFrame) -> dict[str, int]:
    """Scored answers by model."""
    return {str(model): int(n) for model, n in long.groupby("model", sort=True)["score"].count().items()}


def _replaced(part: Dataset, outcomes: pd.DataFrame) -> Dataset:
    """Replace the pair's columns; the label columns of the default pair go."""
    ids = pd.Index(part.with_format("pandas")["query_id"][:])
    known = ids.isin(outcomes.index)
    part = part.select(np.flatnonzero(known))
    figures = outcomes.loc[ids[known]]
    order = [name for name in part.column_names if name not in LABELS]
    part = part.remove_columns([name for name in part.column_names if name in figures or name in LABELS])
    for name in figures.columns:
        part = part.add_column(name, figures[name].tolist())
    return part.select_columns(order)
