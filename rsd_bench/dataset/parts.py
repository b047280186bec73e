"""What is scored together, and what is learned from: the queries of a track with their outcomes, and its lessons."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from rsd_bench.metrics.arrays import BoolArray, FloatArray, IntArray, group_codes
from rsd_bench.metrics.routing import Outcomes
from rsd_bench.metrics.tiers import Tiers


@dataclass(frozen=True)
class Lesson:
    """One training of a router: the rows it learns from, chooses by and then decides, positions in Benchmark.queries.

    repeat, fold: which deal of the folds, and which of them is decided; both 0 where a track is not cross-fitted.
    """

    repeat: int
    fold: int
    train: IntArray
    validation: IntArray
    test: IntArray


@dataclass(frozen=True)
class Part:
    """Queries of one part of a track, with their outcomes; arrays of shape (n,) in the order of `query_ids`.

    figures: what each tier made of them. basis: of their latencies.
    """

    queries: pd.DataFrame
    figures: Outcomes | Tiers
    rows: IntArray  # positions in Benchmark.queries
    basis: np.ndarray[Any, Any]

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def count(self) -> int:
        """K, the number of tiers."""
        return self.figures.count if isinstance(self.figures, Tiers) else 2

    @cached_property
    def outcomes(self) -> Outcomes:
        """Of two tiers. ValueError where there are more: they are no pair."""
        if isinstance(self.figures, Outcomes):
            return self.figures
        if self.count > 2:
            raise ValueError(f"a track of {self.count} tiers has no pair of outcomes")
        (small, large), (fast, slow) = self.figures.scores.T, self.figures.latencies.T
        return Outcomes(*(np.ascontiguousarray(column) for column in (small, large, fast, slow)))

    @cached_property
    def tiers(self) -> Tiers:
        if isinstance(self.figures, Tiers):
            return self.figures
        pair = self.figures
        scores = np.column_stack([pair.small, pair.large])
        latencies = np.column_stack([pair.small_latency, pair.large_latency])
        return Tiers(scores, latencies, np.array([1.0, 0.0]))

    @property
    def last_latency(self) -> FloatArray:
        """Seconds of the dearest tier, which RCS divides by, shape (n,)."""
        return self.figures.latencies[:, -1] if isinstance(self.figures, Tiers) else self.figures.large_latency

    @cached_property
    def query_ids(self) -> np.ndarray[Any, Any]:
        return self.queries["query_id"].to_numpy(object)

    @cached_property
    def groups(self) -> np.ndarray[Any, Any]:
        return self.queries["group_id"].to_numpy(object)

    @cached_property
    def domains(self) -> np.ndarray[Any, Any]:
        return self.queries["domain"].to_numpy(object)

    @cached_property
    def group_codes(self) -> IntArray:
        """Groups as 0..G-1."""
        return group_codes(self.queries["group_id"], len(self))

    @cached_property
    def by_domain(self) -> dict[str, BoolArray]:
        """Which queries are of each domain, domains in order of name."""
        codes, names = pd.factorize(self.queries["domain"], sort=True)
        return {str(name): codes == code for code, name in enumerate(names)}
