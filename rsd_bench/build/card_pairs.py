"""What a card tells of the models that queries are routed between: who solves how much, and in how many seconds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from rsd_bench.dataset.manifest import Manifest
from rsd_bench.metrics.arrays import FloatArray
from rsd_bench.types import Scenario

_POINTS = 101  # quantiles of latencies that a picture shows
MES_POINTS = np.linspace(0, 10, 41)


@dataclass(frozen=True)
class PairFigures:
    """Models on the queries of a source, or of a track that names its own, the cheapest first.

    apsp: by scenario, of all queries answered by each model. by_mes: the same at MES_POINTS, shape (K, points).
    latencies: quantiles of each model in seconds, shape (K, 101); empty of a track. clocked: by somebody, not modelled.
    """

    models: tuple[str, ...]
    queries: int
    apsp: Mapping[str, Sequence[float]]
    by_mes: FloatArray
    latencies: FloatArray
    clocked: bool

    @property
    def gaps(self) -> dict[str, float]:
        """By scenario, what the last model solves beyond the first."""
        return {name: values[-1] - values[0] for name, values in self.apsp.items()}


def source_pairs(pairs: pd.DataFrame, manifest: Manifest) -> dict[str, PairFigures]:
    """By source, from its rows of `pairs` that have scores."""
    found = {}
    for source, rows in pairs.dropna(subset=["small_score", "large_score"]).groupby("source"):
        pair = manifest.pair_of(str(source))
        scores, seconds = (rows[[f"small_{of}", f"large_{of}"]].to_numpy(np.float64) for of in ("score", "latency_s"))
        clocked = not rows["latency_basis"].str.startswith("profile:").any()
        found[str(source)] = _figures((pair.small, pair.large), scores, manifest.scored_on, seconds, clocked)
    return found


def track_pairs(pairs: pd.DataFrame, outcomes: pd.DataFrame, manifest: Manifest) -> dict[str, PairFigures]:
    """By track that names its models, from the queries that all of them have a score of."""
    wide = outcomes.dropna(subset="score").pivot(index="query_id", columns="model", values="score")
    found = {}
    for track in manifest.tracks:
        if not track.tiers:
            continue
        ids = pairs.loc[pairs["source"].isin(track.sources or manifest.sources), "query_id"]
        scores = wide.reindex(index=ids, columns=list(track.tiers)).dropna().to_numpy(np.float64)
        if len(scores):
            found[track.name] = _figures(track.tiers, scores, manifest.scored_on)
    return found


def _figures(
    models: tuple[str, ...],
    scores: FloatArray,
    scenarios: Mapping[str, Scenario],
    seconds: FloatArray | None = None,
    clocked: bool = False,
) -> PairFigures:
    apsp = {name: (scores >= scenario.mes).mean(axis=0).tolist() for name, scenario in scenarios.items()}
    by_mes = np.array([[(column >= mes).mean() for mes in MES_POINTS] for column in scores.T])
    quantiles = (
        np.empty((0, _POINTS)) if seconds is None else np.quantile(seconds, np.linspace(0, 1, _POINTS), axis=0).T
    )
    return PairFigures(models, len(scores), apsp, by_mes, quantiles, clocked)
