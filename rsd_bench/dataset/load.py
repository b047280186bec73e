"""`rsd_bench.load`: a dataset with a `label` column for any MES and any pair of models.

From the Hub only the tables that a call needs are fetched; what was fetched once is read offline from the Hub's cache.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from rsd_bench.config import IN_DOMAIN, SCENARIOS, SPLITS, scenario_named
from rsd_bench.dataset.check_figures import (
    pairs_problems,
    read_pairs,
    read_splits,
    read_tiers,
    require,
    splits_problems,
)
from rsd_bench.dataset.layout import LABELS, ROWS_PER_GROUP, card_configs, columns_of, splits_schema
from rsd_bench.dataset.manifest import Manifest, manifest_sha256, read_manifest
from rsd_bench.dataset.open import dataset_folder, fetched_from
from rsd_bench.dataset.other_pair import with_pair
from rsd_bench.dataset.track_rows import no_progress_bars, rows_on_track
from rsd_bench.dataset.tracks import Track
from rsd_bench.metrics.arrays import FloatArray, score_bound
from rsd_bench.metrics.label import LABEL_NAMES, label
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
    mes: a judge score in [0, 10], or scenario: its MES; a Scenario, or the name of one of the dataset's own, or of a
        preset where it has none. Adds `label` (ClassLabel cloud/edge); without either the columns label_mes_1 ...
        label_mes_10 stay.
    small, large: models of the pair; default the dataset's own pair. Queries without a score of both are left out,
        with a warning that counts them.
    split: train, validation or test -> Dataset; None -> DatasetDict. track: another track instead of in-domain, with
        its own parts (every chart is a test row of `leave-chart-out`) and, where it has one, its own pair. The splits
        of a cross-fitted track are the dataset's own (`rsd.folds` deals it).
    config: another config of the dataset (outcomes, splits, mes-6 ...), as it is. columns: only these.
    streaming: rows as they are read, nothing stored (the default pair, in-domain).
    Where test outcomes are private, scores, labels and latencies of the test split are None.
    Raises ValueError naming the argument, InputError (a ValueError) for a dataset that cannot be read.
    """
    known = SCENARIOS
    if isinstance(scenario, str):  # the manifest alone says which there are
        known = read_manifest(dataset_folder(path_or_repo, revision, tables=[])).scored_on
    wanted = _Wanted(
        mes=_mes_of(mes, scenario, known),
        small=small,
        large=large,
        split=split,
        track=track,
        config=config,
        columns=tuple(columns) if columns is not None else None,
    )
    wanted.check(streaming)
    folder = dataset_folder(path_or_repo, revision, tables=[] if streaming else wanted.tables())
    manifest = read_manifest(folder)
    _check_against(wanted, manifest)
    if streaming:
        return _stream(folder, wanted)
    if "pairs" in wanted.tables():
        _require_sound(folder, manifest, with_splits=track != IN_DOMAIN)
    with no_progress_bars():
        parts = _made(folder, manifest, wanted)
    if split:
        return parts[split]
    from datasets import DatasetDict

    return DatasetDict(parts)


@dataclass(frozen=True)
class _Wanted:
    """What `load` was asked for; `mes` is that of the scenario, too."""

    mes: float | None
    small: str | None
    large: str | None
    split: str | None
    track: str
    config: str
    columns: tuple[str, ...] | None

    def check(self, streaming: bool) -> None:
        """ValueError for what no dataset can give."""
        if self.split is not None and self.split not in SPLITS:
            raise ValueError(f"split: {self.split!r} is none of {', '.join(SPLITS)}")
        other = any(value is not None for value in (self.small, self.large)) or self.track != IN_DOMAIN
        if (self.config != "pairs" and (other or self.mes is not None)) or (streaming and other):
            what = "streaming" if streaming else f"config: {self.config!r}"
            raise ValueError(f"{what}: small, large and track{'' if streaming else ', mes and scenario'} go without it")

    def tables(self) -> list[str]:
        """The tables of the dataset that it needs."""
        if self.config != "pairs":
            return ["pairs" if self.config.startswith("mes-") else self.config]
        outcomes = ["outcomes"] if self.small or self.large or self.track != IN_DOMAIN else []
        return ["pairs", *outcomes, *(["splits"] if self.track != IN_DOMAIN else [])]

    def columns_to_read(self) -> list[str] | None:
        """Columns of the files behind the wanted ones: a label needs both scores, a track or another pair more."""
        if self.columns is None:
            return None
        needed = ["query_id", "small_score", "large_score"] if self.config == "pairs" else []
        made = {"label"} if self.mes is not None else set()
        return list(dict.fromkeys(name for name in (*needed, *self.columns) if name not in made))


def _mes_of(mes: float | None, scenario: str | Scenario | None, known: Mapping[str, Scenario]) -> float | None:
    if mes is not None and scenario is not None:
        raise ValueError("mes: give mes or scenario, not both")
    if scenario is not None:
        mes = scenario_named(scenario, known).mes
    if isinstance(mes, str):
        raise ValueError(f"mes: a number is needed, such as mes=6.5; {_not_a_config(mes)}")
    return None if mes is None else score_bound(mes, "mes")


def _check_against(wanted: _Wanted, manifest: Manifest) -> None:
    """ValueError for what this dataset does not have."""
    names = [known["config_name"] for known in card_configs(manifest.lite, manifest.files, manifest.optional("pairs"))]
    if wanted.config not in names:
        raise ValueError(f"config: {_not_a_config(wanted.config, names)}")
    tracks = tuple(track.name for track in manifest.tracks)
    if wanted.track not in tracks:
        raise ValueError(f"track: {wanted.track!r} is none of {', '.join(tracks)}")
    asked = _track_of(manifest, wanted.track)
    if asked.count > 2:
        what = f"track: {wanted.track!r} routes between {asked.count} models, which pairs cannot hold"
        raise ValueError(f'{what}; take their scores from config="outcomes"')
    if asked.tiers and (wanted.small or wanted.large):
        raise ValueError(f"small, large: track {wanted.track!r} has its own, {' and '.join(asked.tiers)}")
    if wanted.columns is not None:
        known = _column_names(manifest, wanted.config)
        label_too = ["label"] if wanted.mes is not None else []
        if unknown := [name for name in wanted.columns if name not in (*known, *label_too)]:
            raise ValueError(f"columns: no {', '.join(unknown)}; {wanted.config} has {', '.join(known)}")


def _track_of(manifest: Manifest, name: str) -> Track:
    return next(track for track in manifest.tracks if track.name == name)


def _not_a_config(name: str, names: Sequence[str] = ()) -> str:
    """What to say of a config that is not there: those that are, and the way to any other MES."""
    known = f"configs are {', '.join(names)}" if names else "configs are for datasets.load_dataset, or config=..."
    return f"{name!r} is none; {known}. Any other MES: rsd_bench.load(..., mes=6.5)"


def _column_names(manifest: Manifest, config: str) -> list[str]:
    if config == "splits":
        return list(splits_schema((track.name for track in manifest.cross_domain), manifest.repeats).names)
    configs = card_configs(manifest.lite, None, manifest.optional("pairs"))
    chosen = next(known for known in configs if known["config_name"] == config)
    return list(chosen.get("columns") or columns_of(config, manifest.lite, manifest.optional(config)))


def _require_sound(folder: Path, manifest: Manifest, with_splits: bool) -> None:
    """InputError where the figures are faulty: `datasets` hands on whatever the files hold."""
    pairs = read_pairs(folder)
    require(pairs_problems(folder, pairs, manifest, tests_may_lack=True))
    if with_splits:
        tiers = read_tiers(folder, pairs, manifest)
        require(splits_problems(pairs, read_splits(folder, manifest), manifest, tiers))


def _made(folder: Path, manifest: Manifest, wanted: _Wanted) -> dict[str, Dataset]:
    """The wanted parts with the wanted rows, pair, label and columns."""
    parts = _parts(folder, wanted)
    if wanted.track != IN_DOMAIN:
        parts = _chosen(rows_on_track(parts, folder, wanted.track), wanted.split, f"track {wanted.track!r}")
    if tiers := _track_of(manifest, wanted.track).tiers:
        parts = with_pair(parts, folder, manifest, tiers[0], tiers[1], (f"track: {wanted.track!r}",) * 2)
    else:
        parts = with_pair(parts, folder, manifest, wanted.small, wanted.large)
    if wanted.mes is not None:
        parts = {name: _with_label(part, wanted.mes) for name, part in parts.items()}
    if wanted.columns is not None:
        parts = {name: part.select_columns(list(wanted.columns)) for name, part in parts.items()}
    return parts


def _parts(folder: Path, wanted: _Wanted) -> dict[str, Dataset]:
    """The splits of a config that the wanted rows stand in: those of a track may stand in any.

    `datasets` caches a folder by its path alone; the manifest's hash keeps builds apart.
    """
    from datasets import config as settings
    from datasets import load_dataset

    columns = wanted.columns_to_read()
    only = {} if columns is None else {"columns": columns}
    cache = Path(settings.HF_DATASETS_CACHE) / "rsd_bench" / manifest_sha256(folder)[:16]
    with no_progress_bars():
        whole = load_dataset(str(folder), wanted.config, cache_dir=str(cache), **only)
    parts = {name: whole[name] for name in SPLITS if name in whole}
    return parts if wanted.track != IN_DOMAIN else _chosen(parts, wanted.split, wanted.config)


def _chosen(parts: dict[str, Dataset], split: str | None, of: str) -> dict[str, Dataset]:
    if split is not None and split not in parts:
        raise ValueError(f"split: {split!r} of {of} has no rows; there are {', '.join(parts)}")
    return {name: part for name, part in parts.items() if split in (None, name)}


def _stream(folder: Path, wanted: _Wanted) -> IterableDataset | IterableDatasetDict:
    """Rows as they are read: from the Hub where `folder` is the cache of a repository that holds no rows."""
    from datasets import ClassLabel, Features, load_dataset

    origin = fetched_from(folder)
    where, revision = origin if origin else (str(folder), None)
    mes, columns, split = wanted.mes, wanted.columns_to_read(), wanted.split
    only = {} if columns is None else {"columns": columns}
    with no_progress_bars():
        rows = load_dataset(where, wanted.config, split=split, revision=revision, streaming=True, **only)
    if mes is None and columns is None:
        return rows

    def chosen(table: pa.Table) -> pa.Table:
        if mes is not None:
            small, large = (np.array(table.column(f"{t}_score").to_pylist(), float) for t in ("small", "large"))
            table = table.append_column("label", pa.array(_labels(small, large, mes), pa.int64()))
        return table.select(kept)

    kept = list(wanted.columns or [])

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
