"""How much a probability says, and how honestly: AUROC, Brier score, expected calibration error."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rsd_bench.config import ECE_BINS
from rsd_bench.metrics import arrays
from rsd_bench.metrics.arrays import FloatArray, IntArray
from rsd_bench.metrics.threshold_curve import descending
from rsd_bench.metrics.tiers import label_tiers


def auroc(p_edge: FloatArray, labels: NDArray[np.int8], order: IntArray | None = None) -> float | None:
    """Area under the ROC curve of p against the label, ties half; None where only one label occurs.

    order: `descending(p_edge)`, where it is at hand.
    """
    order = descending(p_edge) if order is None else order
    ranked, found = p_edge[order], np.cumsum(labels[order], dtype=np.int64)
    positives = int(found[-1])
    if not 0 < positives < len(labels):
        return None
    last = np.append(np.flatnonzero(ranked[1:] < ranked[:-1]), len(ranked) - 1)  # of each run of equal p
    true = np.append(0, found[last])
    false = np.append(0, last + 1 - found[last])
    return float(np.trapezoid(true / positives, false / false[-1]))


def auroc_tiers(p: Any, *, scores: Any, mes: float) -> FloatArray:
    """AUROC of p_k against the label of tier k, for every tier but the last; NaN where only one label occurs.

    p: P(tier k is good enough) in [0, 1], shape (n, K - 1); of two tiers shape (n,) will do. scores: judge scores in
    [0, 10], shape (n, K). mes: one number in [0, 10]. Returns shape (K - 1,): the chance that a random competent query
    gets a higher p than a random other one, ties half. Raises ValueError naming the argument.
    Source: rsd_bench metrics version 2; of two tiers the AUROC of version 1.
    """
    labels = label_tiers(scores, mes)
    probabilities = arrays.tier_probabilities(p, "p", len(labels), labels.shape[1] + 1)
    found = (auroc(probabilities[:, k], labels[:, k]) for k in range(labels.shape[1]))
    return np.array([math.nan if area is None else area for area in found])


def brier(p_edge: FloatArray, labels: NDArray[np.int8]) -> float:
    """Mean squared difference of p and the label."""
    return float(np.mean((p_edge - labels) ** 2))


def expected_calibration_error(p_edge: FloatArray, labels: NDArray[np.int8], bins: int = ECE_BINS) -> float:
    """Expected calibration error over equal-width bins of p, each weighted by its share of queries."""
    which = np.minimum((p_edge * bins).astype(np.int64), bins - 1)
    gap = np.bincount(which, labels - p_edge, bins)
    return float(np.abs(gap).sum() / len(p_edge))
