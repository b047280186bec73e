"""Threshold sweeps as tables: what a router scores at every threshold, of two models and of K tiers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from rsd_bench.config import scenario_named
from rsd_bench.metrics import arrays
from rsd_bench.metrics.routing import Outcomes, check_scenario
from rsd_bench.metrics.threshold_curve import sweep_curve
from rsd_bench.metrics.tier_policies import checked_tiers, tier_curve
from rsd_bench.types import Scenario

if TYPE_CHECKING:
    import pandas as pd


def sweep(
    p_edge: Any,
    *,
    small: Any,
    large: Any,
    small_latency: Any = None,
    large_latency: Any = None,
    scenario: str | Scenario,
    taus: Iterable[float] | None = None,
    router_latency_s: Any = 0.0,
) -> pd.DataFrame:
    """Scores at every threshold: small model iff p_edge >= tau.

    p_edge: P(edge competent) in [0, 1], shape (n,). taus: thresholds >= 0; None means every distinct p_edge. Both end
    policies are always there: all-small (the lowest tau) and all-large (tau 1.01). Other arguments as `score_routing`.
    Returns a DataFrame tau, apsp, ca, ail (seconds), rcs in ascending tau. Raises ValueError naming the argument.
    """
    import pandas as pd

    scenario = scenario_named(scenario)
    outcomes = Outcomes.of(small, large, small_latency, large_latency)
    p = arrays.probabilities(p_edge, "p_edge", len(outcomes))
    check_scenario(scenario, outcomes)
    if taus is not None:
        taus = arrays.thresholds(taus, "taus").tolist()
    router_latency = arrays.seconds(router_latency_s, "router_latency_s", len(outcomes))
    return pd.DataFrame(sweep_curve(p, outcomes, scenario, taus, router_latency))


def sweep_tiers(
    p: Any,
    *,
    scores: Any,
    latencies: Any = None,
    scenario: str | Scenario,
    advantage: Any = None,
    cascade: bool = False,
    taus: Iterable[float] | None = None,
    router_latency_s: Any = 0.0,
) -> pd.DataFrame:
    """Scores at every threshold, one for all tiers: the first tier with p_k >= tau answers, else the last.

    p: P(tier k is good enough) in [0, 1], shape (n, K - 1); of two tiers shape (n,) will do. taus: thresholds >= 0;
    None means every distinct p at which a decision changes. Both ends are always there: all at tier 1 and, at tau 1.01,
    all at tier K. Other arguments as `score_tiers`. Returns a DataFrame tau, apsp, ca, ail (seconds), rcs in ascending
    tau. Raises ValueError naming the argument. Source: rsd_bench metrics version 2; two tiers equal `sweep`.
    """
    import pandas as pd

    tiers, found = checked_tiers(scores, latencies, scenario, advantage, cascade)
    probabilities = arrays.tier_probabilities(p, "p", len(tiers), tiers.count)
    if taus is not None:
        taus = arrays.thresholds(taus, "taus").tolist()
    router_latency = arrays.seconds(router_latency_s, "router_latency_s", len(tiers))
    return pd.DataFrame(tier_curve(probabilities, tiers, found, taus, router_latency))
