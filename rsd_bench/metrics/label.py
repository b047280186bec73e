"""The label of a query: is the small model good enough at a Minimal Expectation Score (MES)?"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rsd_bench.metrics import arrays

LABEL_NAMES = ("cloud", "edge")


def label_column(mes: int) -> str:
    """Name of the dataset column that holds the label at an integer MES."""
    return f"label_mes_{mes}"


def label(small_scores: Any, large_scores: Any, mes: float) -> NDArray[np.int8]:
    """1 where the small model is good enough: s >= mes or s >= l; else 0.

    small_scores, large_scores: judge scores in [0, 10], shape (n,). mes: one number in [0, 10].
    Returns int8, shape (n,), 1 = `edge` competent, 0 = `cloud`. Raises ValueError naming the argument.
    Source: rsd_bench metrics version 1, after the satisfaction rule that arXiv 2510.27256 states in words.
    """
    small = arrays.scores(small_scores, "small_scores")
    large = arrays.scores(large_scores, "large_scores", len(small))
    threshold = arrays.score_bound(mes, "mes")
    return ((small >= threshold) | (small >= large)).astype(np.int8)
