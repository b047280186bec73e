"""Outcomes of models as the arrays that metrics compute with: of one model, and of the tiers of a track."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from rsd_bench.config import LatencyProfile
from rsd_bench.metrics.arrays import BoolArray, FloatArray
from rsd_bench.metrics.latency import TierOutcomes, tier_latency


@dataclass(frozen=True)
class TierFigures:
    """What K models made of n queries: scores and seconds, shape (n, K), and the latency's basis, (n,).

    Where a query lacks a score of a tier, it has neither seconds nor a basis: NaN and None.
    """

    scores: FloatArray
    latencies: FloatArray
    basis: NDArray[Any]

    @property
    def scored(self) -> BoolArray:
        """Which queries have a score of every tier, shape (n,)."""
        return np.asarray(~np.isnan(self.scores).any(axis=1))


def tier_outcomes(tier: str, model: str, outcomes: pd.DataFrame) -> TierOutcomes:
    """From a frame with latency_s, latency_basis and output_tokens, one row a query; NaN where a figure is missing."""
    latency, tokens = (outcomes[c].to_numpy(np.float64, na_value=np.nan) for c in ("latency_s", "output_tokens"))
    return TierOutcomes(tier, model, latency, outcomes["latency_basis"].to_numpy(object), tokens)


def tier_figures(
    queries: pd.DataFrame, outcomes: pd.DataFrame, wanted: Iterable[tuple[str, ...]], profile: LatencyProfile
) -> dict[tuple[str, ...], TierFigures]:
    """Figures of `queries` (query_id, source), whose order they keep, for each wanted list of models in order of cost.

    outcomes: long, with query_id, model, score, latency_s, latency_basis and output_tokens. A latency is clocked where
    a source clocked every tier on every query that takes part, else it is that of the profile (`metrics.latency`).
    """
    lists = list(wanted)
    ids, sources = pd.Index(queries["query_id"]), queries["source"].to_numpy(object)
    sides = {
        model: outcomes[outcomes["model"] == model].set_index("query_id").reindex(ids)
        for model in dict.fromkeys(model for tiers in lists for model in tiers)
    }
    return {tiers: _figures({model: sides[model] for model in tiers}, sources, profile) for tiers in lists}


def _figures(sides: Mapping[str, pd.DataFrame], sources: NDArray[Any], profile: LatencyProfile) -> TierFigures:
    """sides: outcomes of each model, one row a query, in order of cost."""
    scores = np.column_stack([side["score"].to_numpy(np.float64, na_value=np.nan) for side in sides.values()])
    found = TierFigures(scores, np.full(scores.shape, np.nan), np.full(len(sources), None, object))
    rows = np.flatnonzero(found.scored)
    if len(rows):
        clocked = [tier_outcomes(model, model, side.iloc[rows]) for model, side in sides.items()]
        ids = next(iter(sides.values())).index[rows].to_numpy(object)
        found.latencies[rows], found.basis[rows] = tier_latency(ids, sources[rows], clocked, profile)
    return found
