"""`rsd_bench.load`: a dataset with a `label` column for any MES and any pair of models.

From the Hub only the tables that a call needs are fetched; what was fetched once is read offline from the Hub's cache.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa

from rsd_bench.config import IN_DOMAIN, SPLITS, load_profile, scenario_named
from rsd_bench.dataset.benchmark import read_table
from rsd_bench.dataset.layout import LABELS, ROWS_PER_GROUP, arrow_schema, card_configs, splits_schema
from rsd_bench.dataset.manifest import manifest_sha256, read_manifest
from rsd_bench.dataset.open import dataset_folder, fetched_from
from rsd_bench.dataset.tier_outcomes import tier_outcomes
from rsd_bench.metrics.arrays import FloatArray, score_bound
from rsd_bench.metrics.label import LABEL_NAMES, label
from rsd_bench.metrics.latency import pair_latency
from rsd_bench.types import Scenario

if TYPE_CHECKING:
    from datasets import Dataset, DatasetDict, IterableDataset, IterableDatasetDict


def load(
    path_or_repo: str | Path | None = None,
    mes: float | None = None,
    scenario: str | Scenario | None = None,
    small: str | None = None,
    large: str | None = None,
    split: str | None = None,
    track: str = IN_DOMAIN,
    revision: str | None = None,
    *,
    config: str = "pairs",
    columns: Sequence[str] | None = None,
    streaming: bool = False,
) -> Dataset | DatasetDict | IterableDataset | IterableDatasetDict:
    """Load a dataset for training or analysis.

    path_or_repo: a dataset folder, a Hub id (`org/name`, `org/name@revision`) or nothing for the embedded rsd-open
        lite edition (figures only).
    mes: a judge score in [0, 10], or scenario: its MES. Adds `label` (ClassLabel cloud/edge); without either the
        columns label_mes_1 ... label_mes_10 stay.
    small, large: models of the pair; default the dataset's own pair. Queries without a score of both are left out,
        with a warning that counts them.
    split: train, validation or test -> Dataset; None -> DatasetDict. track: a cross-domain track instead of in-domain.
    config: another config of the dataset (outcomes, splits, mes-6 ...), as it is. columns: only these.
    streaming: rows as they are read, nothing stored (the default pair, in-domain).
    Where test outcomes are private, scores and labels of the test split are None.
    Raises ValueError naming the argument, InputError (a ValueError) for a dataset that cannot be read.
    """
    if mes is not None and scenario is not None:
        raise ValueError("mes: give mes or scenario, not both")
    if scenario is not None:
        mes = scenario_named(scenario).mes
    if isinstance(mes, str):
        raise ValueError(f"mes: a number is needed, such as mes=6.5; {_not_a_config(mes)}")
    if mes is not None:
        mes = score_bound(mes, "mes")
    if split is not None and split not in SPLITS:
        raise ValueError(f"split: {split!r} is none of {', '.join(SPLITS)}")
    other = any(value is not None for value in (small, large)) or track != IN_DOMAIN
    if (config != "pairs" and (other or mes is not None)) or (streaming and other):
        what = "streaming" if streaming else f"config: {config!r}"
        raise ValueError(f"{what}: small, large and track{'' if streaming else ', mes and scenario'} go without it")
    tables = ["pairs", *(["outcomes"] if small or large else []), *(["splits"] if track != IN_DOMAIN else [])]
    if config != "pairs":
        tables = ["pairs" if config.startswith("mes-") else config]
    folder = dataset_folder(path_or_repo, revision, tables=[] if streaming else tables)
    manifest = read_manifest(folder)
    names = [known["config_name"] for known in card_configs(manifest["edition"] == "lite", manifest["files"])]
    if config not in names:
        raise ValueError(f"config: {_not_a_config(config, names)}")
    if track != IN_DOMAIN and track not in manifest["tracks"]:
        raise ValueError(f"track: {track!r} is none of {', '.join((IN_DOMAIN, *manifest['tracks']))}")

    if columns is not None:
        known = _column_names(manifest, config)
        if unknown := [name for name in columns if name not in (*known, *(["label"] if mes is not None else []))]:
            raise ValueError(f"columns: no {', '.join(unknown)}; {config} has {', '.join(known)}")
    wanted = _columns_to_read(columns, config, mes)
    if streaming:
        return _stream(folder, config, split, mes, columns, wanted)
    parts = _parts(folder, config, split, wanted)
    if track != IN_DOMAIN:
        parts = {name: _on_track(part, folder, track, name) for name, part in parts.items()}
    pair = manifest["pair"]
    chosen = {"small": small or pair["small"], "large": large or pair["large"]}
    if chosen["small"] == chosen["large"]:
        raise ValueError(f"small, large: both are {chosen['small']!r}; name two models")
    if chosen != pair:
        outcomes = _pair_outcomes(folder, chosen, manifest["latency_profile"])
        parts = {name: _with_pair(part, outcomes, chosen) for name, part in parts.items()}
        if not sum(map(len, parts.values())):
            models = ", ".join(_scored_models(folder))
            raise ValueError(f"small, large: no query has a score of both; scored models: {models}")
    if mes is not None:
        parts = {name: _with_label(part, mes) for name, part in parts.items()}
    if columns is not None:
        parts = {name: part.select_columns(list(columns)) for name, part in parts.items()}
    if split:
        return parts[split]
    from datasets import DatasetDict

    return DatasetDict(parts)


def _not_a_config(name: str, names: Sequence[str] = ()) -> str:
    """What to say of a config that is not there: those that are, and the way to any other MES."""
    known = f"configs are {', '.join(names)}" if names else "configs are for datasets.load_dataset, or config=..."
    return f"{name!r} is none; {known}. Any other MES: rsd_bench.load(..., mes=6.5)"


def _column_names(manifest: Mapping[str, Any], config: str) -> list[str]:
    if config == "splits":
        return list(splits_schema(manifest["tracks"]).names)
    lite = manifest["edition"] == "lite"
    chosen = next(known for known in card_configs(lite) if known["config_name"] == config)
    return list(chosen.get("columns") or arrow_schema(config, lite).names)


def _columns_to_read(columns: Sequence[str] | None, config: str, mes: float | None) -> list[str] | None:
    """Columns of the files behind the wanted ones: a label needs both scores, a track or another pair more."""
    if columns is None:
        return None
    needed = ["query_id", "small_score", "large_score"] if config == "pairs" else []
    return list(dict.fromkeys(name for name in (*needed, *columns) if not (name == "label" and mes is not None)))


@contextmanager
def _no_bars() -> Iterator[None]:
    from datasets import disable_progress_bars, enable_progress_bars
    from datasets.utils import are_progress_bars_disabled

    quiet = are_progress_bars_disabled()
    disable_progress_bars()
    try:
        yield
    finally:
        if not quiet:
            enable_progress_bars()


def _parts(folder: Path, config: str, split: str | None, columns: list[str] | None) -> dict[str, Dataset]:
    """The splits of a config. `datasets` caches a folder by its path alone; the manifest's hash keeps builds apart."""
    from datasets import config as settings
    from datasets import load_dataset

    only = {} if columns is None else {"columns": columns}
    cache = Path(settings.HF_DATASETS_CACHE) / "rsd_bench" / manifest_sha256(folder)[:16]
    with _no_bars():
        whole = load_dataset(str(folder), config, cache_dir=str(cache), **only)
    if split is not None and split not in whole:
        raise ValueError(f"split: {split!r} of {config} has no rows; there are {', '.join(whole)}")
    return {name: whole[name] for name in SPLITS if name in whole and split in (None, name)}


def _stream(
    folder: Path,
    config: str,
    split: str | None,
    mes: float | None,
    columns: Sequence[str] | None,
    wanted: list[str] | None,
) -> IterableDataset | IterableDatasetDict:
    """Rows as they are read: from the Hub where `folder` is the cache of a repository that holds no rows."""
    from datasets import ClassLabel, Features, load_dataset

    origin = fetched_from(folder)
    where, revision = origin if origin else (str(folder), None)
    only = {} if wanted is None else {"columns": wanted}
    with _no_bars():
        rows = load_dataset(where, config, split=split, revision=revision, streaming=True, **only)
    if mes is None and columns is None:
        return rows

    def chosen(table: pa.Table) -> pa.Table:
        if mes is not None:
            small, large = (np.array(table.column(f"{t}_score").to_pylist(), float) for t in ("small", "large"))
            table = table.append_column("label", pa.array(_labels(small, large, mes), pa.int64()))
        return table.select(kept)

    kept = list(columns or [])

    def choose(part: IterableDataset) -> IterableDataset:
        """One step on arrow tables: as rows, images would be decoded and encoded anew."""
        features = Features(
            {**part.features, **({} if mes is None else {"label": ClassLabel(names=list(LABEL_NAMES))})}
        )
        if columns is None:
            kept.extend(name for name in features if name not in LABELS and name not in kept)
        features = Features({name: features[name] for name in kept})
        tables = part.with_format("arrow")
        return tables.map(chosen, batched=True, batch_size=ROWS_PER_GROUP["pairs"], features=features).with_format(None)

    if split:
        return choose(rows)
    for name in list(rows):
        rows[name] = choose(rows[name])
    return rows


def _on_track(part: Dataset, folder: Path, track: str, split: str) -> Dataset:
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
    fast, slow = (tier_outcomes(tier, models[tier], side[both]) for tier, side in sides.items())
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
    small, large = (np.asarray(figures[f"{tier}_score"][:], float) for tier in ("small", "large"))
    values = _labels(small, large, mes) if len(part) else []
    return part.add_column("label", values, feature=ClassLabel(names=list(LABEL_NAMES)))


def _labels(small: FloatArray, large: FloatArray, mes: float) -> list[int | None]:
    """Labels; None where a score is private."""
    out: list[int | None] = [None] * len(small)
    known = np.flatnonzero(~(np.isnan(small) | np.isnan(large)))
    for i, value in zip(known, label(small[known], large[known], mes).tolist() if len(known) else [], strict=True):
        out[i] = value
    return out
