"""Another pair of models on a loaded dataset: scores and latencies of its outcomes in place of the default ones."""

from __future__ import annotations

import warnings
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


def with_pair(
    parts: dict[str, Dataset], folder: Path, manifest: Manifest, small: str | None, large: str | None
) -> dict[str, Dataset]:
    """Splits of `pairs` with the outcomes of `small` and `large` (None: the dataset's own); ValueError without any."""
    pair = asdict(manifest.pair)
    if small in (None, pair["small"]) and large in (None, pair["large"]):
        return parts
    scores, aliases = _scores_of(folder), load_aliases()
    chosen = dict(pair)
    for tier, asked in (("small", small), ("large", large)):
        if asked is not None and asked != pair[tier]:
            try:
                chosen[tier] = find_model(asked, scores, aliases)
            except ValueError as error:
                raise ValueError(f"{tier}: {error}") from None
    if chosen["small"] == chosen["large"]:
        raise ValueError(f"small, large: both are {chosen['small']!r}; name two models")
    if chosen == pair:
        return parts
    outcomes = _pair_outcomes(folder, chosen, manifest.profile)
    parts = {name: _replaced(part, outcomes, chosen) for name, part in parts.items()}
    if not sum(map(len, parts.values())):
        both = " and ".join(f"{model!r} ({scores.get(model, 0):,} scores)" for model in chosen.values())
        raise ValueError(f"small, large: no query has a score of both {both}")
    return parts


def _pair_outcomes(folder: Path, models: dict[str, str], profile: LatencyProfile) -> pd.DataFrame:
    """Per query with a score of both models: small_... and large_... columns and the latency basis, by query_id."""
    long = open_outcomes(folder)
    sources = read_table(folder, "pairs", ["query_id", "source"]).to_pandas().set_index("query_id")["source"]
    sides = {}
    for tier, model in models.items():
        side = long[(long["model"] == model) & long["score"].notna()].set_index("query_id").reindex(sources.index)
        sides[tier] = side
    both = sides["small"]["score"].notna() & sides["large"]["score"].notna()
    if (lacking := int((~both).sum())) and both.any():
        counts = ", ".join(f"{n} of {source}" for source, n in sources[~both].value_counts().sort_index().items())
        warnings.warn(
            f"{lacking} queries lack a score of {models['small']} or {models['large']} and are left out: {counts}",
            stacklevel=4,
        )
    fast, slow = (tier_outcomes(tier, models[tier], side[both]) for tier, side in sides.items())
    known = sources[both]
    latency = pair_latency(known.index, known.to_numpy(object), fast, slow, profile)
    return pd.DataFrame(
        {
            "small_score": sides["small"].loc[both, "score"],
            "large_score": sides["large"].loc[both, "score"],
            "small_latency_s": latency.small_s,
            "large_latency_s": latency.large_s,
            "latency_basis": latency.basis,
        },
        index=sources.index[both],
    )


def _scores_of(folder: Path) -> dict[str, int]:
    """Scored answers by model."""
    long = open_outcomes(folder)
    return {str(model): int(n) for model, n in long.groupby("model", sort=True)["score"].count().items()}


def _replaced(part: Dataset, outcomes: pd.DataFrame, models: dict[str, str]) -> Dataset:
    """Replace the pair's columns; the label columns of the default pair go."""
    ids = pd.Index(part.with_format("pandas")["query_id"][:])
    known = ids.isin(outcomes.index)
    part = part.select(np.flatnonzero(known))
    figures = outcomes.loc[ids[known]]
    values: dict[str, Any] = {f"{tier}_model": np.full(len(figures), model) for tier, model in models.items()}
    values |= {name: figures[name].to_numpy() for name in figures.columns}
    order = [name for name in part.column_names if name not in LABELS]
    part = part.remove_columns([name for name in part.column_names if name in values or name in LABELS])
    for name, column in values.items():
        part = part.add_column(name, column.tolist())
    return part.select_columns(order)
