"""A table of one model's outcomes as the arrays that `metrics.latency` computes with."""

from __future__ import annotations

import numpy as np
import pandas as pd

from rsd_bench.metrics.latency import TierOutcomes


def tier_outcomes(tier: str, model: str, outcomes: pd.DataFrame) -> TierOutcomes:
    """From a frame with latency_s, latency_basis and output_tokens, one row a query; NaN where a figure is missing."""
    latency, tokens = (outcomes[c].to_numpy(np.float64, na_value=np.nan) for c in ("latency_s", "output_tokens"))
    return TierOutcomes(tier, model, latency, outcomes["latency_basis"].to_numpy(object), tokens)
