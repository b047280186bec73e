"""`rsd_bench.load`: a dataset with a `label` column for any MES and any pair of models."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from rsd_bench.arrays import score_bound
from rsd_bench.config import IN_DOMAIN, SPLITS, load_profile, scenario_named
from rsd_bench.dataset.benchmark import read_table
from rsd_bench.dataset.layout import LABELS
from rsd_bench.dataset.manifest import manifest_sha256, read_manifest
from rsd_bench.dataset.open import dataset_folder
from rsd_bench.labels import LABEL_NAMES, label
from rsd_bench.latency import TierOutcomes, pair_latency
from rsd_bench.types import Scenario

if TYPE_CHECKING:
    from datasets import Dataset, DatasetDict


def load(
    path_or_repo: str | Path | None = None,
    mes: float | None = None,
    scenario: str | Scenario | None = None,
    small: str | None = None,
    large: str | None = None,
    split: str | None = None,
    track: str = IN_DOMAIN,
    revision: str | None = None,
) -> Dataset | DatasetDict:
    """Load a dataset for training or analysis.

    path_or_repo: a dataset folder, a Hub id (`org/name`, `org/name@revision`) or nothing for the embedded rsd-open
        lite edition (figures only).
    mes: a judge score in [0, 10], or scenario: its MES. Adds `label` (ClassLabel cloud/edge); without either the
        columns label_mes_1 ... label_mes_10 stay.
    small, large: models of the pair; default the dataset's own pair. Queries without a score of both are left out,
        with a warning that counts them.
    split: train, validation or test -> Dataset; None -> DatasetDict. track: a cross-domain track instead of in-domain.
    Raises ValueError naming the argument, InputError (a ValueError) for a dataset that cannot be read.
    """
    if mes is not None and scenario is not None:
        raise ValueError("mes: give mes or scenario, not both")
    if scenario is not None:
        mes = scenario_named(scenario).mes
    if mes is not None:
        mes = score_bound(mes, "mes")
    if split is not None and split not in SPLITS:
        raise ValueError(f"split: {split!r} is none of {', '.join(SPLITS)}")
    folder = dataset_folder(path_or_repo, revision)
    manifest = read_manifest(folder)
    if track != IN_DOMAIN and track not in manifest["tracks"]:
        raise ValueError(f"track: {track!r} is none of {', '.join((IN_DOMAIN, *manifest['tracks']))}")

    from datasets import DatasetDict, config, disable_progress_bars, enable_progress_bars, load_dataset
    from datasets.utils import are_progress_bars_disabled

    quiet = are_progress_bars_disabled()
    disable_progress_bars()
    try:
        # `datasets` tells local folders apart by name alone: another build's cache would answer for this one
        cache = Path(config.HF_DATASETS_CACHE) / "rsd_bench" / manifest_sha256(folder)[:32]
        pairs = load_dataset(str(folder), "pairs", cache_dir=str(cache))
        parts = {name: _on_track(pairs[name], folder, track, name) for name in SPLITS if split in (None, name)}
        pair = manifest["pair"]
        chosen = {"small": small or pair["small"], "large": large or pair["large"]}
        if chosen != pair:
            outcomes = _pair_outcomes(folder, chosen, manifest["latency_profile"])
            parts = {name: _with_pair(part, outcomes, chosen) for name, part in parts.items()}
            if not sum(map(len, parts.values())):
                models = ", ".join(_scored_models(folder))
                raise ValueError(f"small, large: no query has a score of both; scored models: {models}")
        if mes is not None:
            parts = {name: _with_label(part, mes) for name, part in parts.items()}
    finally:
        if not quiet:
            enable_progress_bars()
    return parts[split] if split else DatasetDict(parts)


def _on_track(part: Dataset, folder: Path, track: str, split: str) -> Dataset:
    if track == IN_DOMAIN:
        return part
    splits = read_table(folder, "splits", ["query_id", track]).to_pandas().set_index("query_id")[track]
    inside = splits.reindex(part.with_format("pandas")["query_id"][:]).to_numpy(object) == split
    return part.select(np.flatnonzero(inside))


def _pair_outcomes(folder: Path, models: dict[str, str], profile: str) -> pd.DataFrame:
    """Per query with a score of both models: small_... and large_... columns and the latency basis, by query_id."""
    columns = ["query_id", "model", "score", "latency_s", "latency_basis", "output_tokens"]
    long = read_table(folder, "outcomes", columns).to_pandas()
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
            stacklevel=3,
        )
    fast, slow = (TierOutcomes.of(tier, models[tier], side[both]) for tier, side in sides.items())
    latency = pair_latency(sources[both].to_numpy(object), fast, slow, load_profile(profile))
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


def _scored_models(folder: Path) -> list[str]:
    long = read_table(folder, "outcomes", ["model", "score"]).to_pandas()
    return sorted(long.loc[long["score"].notna(), "model"].unique())


def _with_pair(part: Dataset, outcomes: pd.DataFrame, models: dict[str, str]) -> Dataset:
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


def _with_label(part: Dataset, mes: float) -> Dataset:
    from datasets import ClassLabel

    part = part.remove_columns([name for name in part.column_names if name in LABELS])
    figures = part.select_columns(["small_score", "large_score"]).with_format("numpy")
    values = label(figures["small_score"][:], figures["large_score"][:], mes).tolist() if len(part) else []
    return part.add_column("label", values).cast_column("label", ClassLabel(names=list(LABEL_NAMES)))
