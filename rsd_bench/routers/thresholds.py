"""How a router fixes tau before the test: by grid search, or from calibrated probabilities."""

from __future__ import annotations

import numpy as np

from rsd_bench.config import TAU_ALL_CLOUD
from rsd_bench.metrics.arrays import FloatArray
from rsd_bench.metrics.routing import routing_gain
from rsd_bench.metrics.threshold_curve import choose_tau
from rsd_bench.routers.interface import TrainingData


def grid_tau(p_edge: FloatArray, data: TrainingData) -> float:
    """The tau of the grid with the highest RCS on the rows of `data` (`choose_tau`)."""
    return choose_tau(p_edge, data.outcomes, data.scenario)


def bayes_tau(_p_edge: FloatArray, data: TrainingData) -> float:
    """The tau at which a calibrated p_edge makes routing small worth nothing on average.

    A query gains g1 (mean routing gain where L = 1) with probability p and g0 (where L = 0) otherwise, so small pays
    from p = -g0 / (g1 - g0) on. It needs two means instead of the best of 22 noisy sums. 0 where small always pays.
    """
    gain, label = routing_gain(data.outcomes, data.scenario), data.labels == 1
    if label.all() or gain[~label].mean() >= 0:
        return 0.0
    if not label.any() or gain[label].mean() <= 0:
        return TAU_ALL_CLOUD
    g0, g1 = float(gain[~label].mean()), float(gain[label].mean())
    return float(np.round(-g0 / (g1 - g0), 6))
