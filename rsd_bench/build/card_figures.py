"""The figures that a card shows, counted from the files of a dataset folder, so that a card cannot claim others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from rsd_bench.build.card_pairs import PairFigures, source_pairs, track_pairs
from rsd_bench.config import MES_LEVELS, SCORE_MAX, SPLITS
from rsd_bench.dataset.manifest import Manifest
from rsd_bench.metrics.label import label_column

SCORE_BINS = np.linspace(0, SCORE_MAX, 11)


@dataclass(frozen=True)
class Judge:
    """Who scored a source: how many answers, how many calls an answer, how often repeated calls agree (None: one)."""

    source: str
    name: str
    models: int
    answers: int
    calls: float
    agreement: float | None


@dataclass(frozen=True)
class Figures:
    """Counts of a dataset folder. Rates are shares of the queries that have a label; None where none has."""

    domains: dict[str, dict[str, int]]  # domain -> split -> queries
    edge_rates: dict[str, dict[int, float | None]]  # "all" or domain -> MES -> share labelled edge
    histograms: dict[str, dict[str, list[int]]]  # source -> tier -> answers per score bin
    pairs: dict[str, PairFigures]  # by source
    tracks: dict[str, PairFigures]  # by track that names its models
    judges: tuple[Judge, ...]
    statuses: dict[str, int]
    outcomes: int
    models: int


def dataset_figures(folder: Path, manifest: Manifest) -> Figures:
    """Count a dataset folder of this manifest; reads no image and no text."""
    labels = [label_column(mes) for mes in MES_LEVELS]
    figures = [f"{tier}_{figure}" for tier in ("small", "large") for figure in ("score", "latency_s")]
    pairs = _read(folder, "pairs", ["query_id", "source", "domain", *figures, "latency_basis", *labels])
    outcomes = _read(folder, "outcomes", ["query_id", "model", "status", "score", "judge", "n_judgments"])
    outcomes["source"] = outcomes["query_id"].map(pairs.set_index("query_id")["source"])
    judgments = _read(folder, "judgments", ["query_id", "model", "judge", "score"])
    by_domain = {"all": pairs, **{str(name): part for name, part in pairs.groupby("domain")}}
    counts = pairs.groupby(["domain", "file"]).size()
    return Figures(
        domains={d: {s: int(counts.get((d, s), 0)) for s in SPLITS} for d in sorted(pairs["domain"].unique())},
        edge_rates={
            name: {mes: _rate(part[label_column(mes)]) for mes in MES_LEVELS} for name, part in by_domain.items()
        },
        histograms={str(source): _histogram(part) for source, part in pairs.groupby("source")},
        pairs=source_pairs(pairs, manifest),
        tracks=track_pairs(pairs, outcomes, manifest),
        judges=_judges(outcomes, judgments),
        statuses={str(k): int(v) for k, v in outcomes["status"].value_counts().sort_index().items()},
        outcomes=len(outcomes),
        models=int(outcomes["model"].nunique()),
    )


def _read(folder: Path, table: str, columns: list[str]) -> pd.DataFrame:
    """Columns of all rows of a table with the split of their file; no row where the edition lacks the table."""
    frames = [pd.DataFrame({name: [] for name in (*columns, "file")})]
    for split in SPLITS:
        for shard in sorted((folder / table).glob(f"{split}-*.parquet")):
            rows = pq.read_table(shard, columns=columns, partitioning=None).to_pandas()
            frames.append(rows.assign(file=split))
    filled = [frame for frame in frames if len(frame)]
    joined: pd.DataFrame = pd.concat(filled, ignore_index=True) if filled else frames[0]
    return joined


def _rate(labels: pd.Series) -> float | None:
    return float(labels.mean()) if labels.notna().any() else None


def _histogram(pairs: pd.DataFrame) -> dict[str, list[int]]:
    return {
        tier: np.histogram(pairs[f"{tier}_score"].dropna().to_numpy(float), SCORE_BINS)[0].tolist()
        for tier in ("small", "large")
    }


def _judges(outcomes: pd.DataFrame, judgments: pd.DataFrame) -> tuple[Judge, ...]:
    scored = outcomes[outcomes["score"].notna()]
    same = judgments.groupby(["query_id", "model", "judge"])["score"].agg(["nunique", "size"])
    repeated = same[same["size"] > 1].reset_index()
    repeated["source"] = repeated["query_id"].map(outcomes.drop_duplicates("query_id").set_index("query_id")["source"])
    agreement: Mapping[Any, float] = (
        (repeated["nunique"] == 1).groupby([repeated["source"], repeated["judge"]]).mean().to_dict()
    )
    return tuple(
        Judge(
            source=str(source),
            name=str(judge),
            models=int(part["model"].nunique()),
            answers=len(part),
            calls=float(part["n_judgments"].mean()),
            agreement=agreement.get((source, judge)),
        )
        for (source, judge), part in scored.fillna({"judge": "not named"}).groupby(["source", "judge"])
    )
