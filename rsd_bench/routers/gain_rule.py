"""Decide by expected gain: from the chance that each tier solves a query to the tier of the highest expected RCS.

RCS is a mean of per-query terms, so the best policy takes, query by query, the tier of the highest
u_k = alpha q_k + beta a_k - gamma t_k / AIL_K. No threshold is searched for: what it means follows from the scenario
and the mean latencies of the training rows, and so it means the same in every fold.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from rsd_bench.config import TAU_ALL_CLOUD
from rsd_bench.metrics.arrays import FloatArray
from rsd_bench.metrics.tiers import Tiers
from rsd_bench.types import Scenario


@dataclass(frozen=True)
class GainRule:
    """Weights of a scenario, with advantage and mean seconds over AIL_K of each tier, shape (K,)."""

    scenario: Scenario
    advantage: FloatArray
    share_of_latency: FloatArray

    @classmethod
    def of(cls, tiers: Tiers, scenario: Scenario) -> Self:
        """From the training rows."""
        return cls(scenario, tiers.advantage, tiers.paid.mean(axis=0) / tiers.latencies[:, -1].mean())

    @property
    def besides(self) -> FloatArray:
        """What the answer of a tier is worth beside solving, shape (K,)."""
        return self.scenario.beta * self.advantage - self.scenario.gamma * self.share_of_latency

    def utilities(self, solves: FloatArray) -> FloatArray:
        """u of each tier from its chance of solving, both of shape (n, K)."""
        return np.asarray(self.scenario.alpha * solves + self.besides)

    def gain(self, solves: FloatArray) -> FloatArray:
        """What RCS is expected to gain by the cheapest tier, against the best of the others, shape (n,)."""
        return self._lead(solves)[:, 0]

    def _lead(self, solves: FloatArray) -> FloatArray:
        """u_k minus the highest u of a dearer tier, shape (n, K - 1)."""
        u = self.utilities(solves)
        dearer = np.maximum.accumulate(u[:, ::-1], axis=1)[:, ::-1]
        return np.asarray(u[:, :-1] - dearer[:, 1:])

    def p_tiers(self, solves: FloatArray) -> FloatArray:
        """p for `decide_tiers` with every tau 0.5: (n, K - 1); equal utilities go to the cheaper tier."""
        return np.clip((self._lead(solves) + 1) / 2, 0, 1)

    def p_edge(self, solves: FloatArray) -> FloatArray:
        """Two tiers: (1 + q_1 - q_2) / 2, which needs no scenario; more: the first column of `p_tiers`. Shape (n,)."""
        if solves.shape[1] > 2:
            return self.p_tiers(solves)[:, 0]
        return np.clip((solves[:, 0] - solves[:, 1] + 1) / 2, 0, 1)

    @property
    def tau(self) -> float:
        """The tau of `p_edge` from which on the expected gain is at least 0."""
        if len(self.advantage) > 2:
            return 0.5
        worth, alpha = float(self.besides[0] - self.besides[1]), self.scenario.alpha
        if alpha == 0:
            return 0.0 if worth >= 0 else TAU_ALL_CLOUD
        return float(np.clip((1 - worth / alpha) / 2, 0, TAU_ALL_CLOUD))
