"""The minimum detectable gap: what two routers must differ by to be told apart.

With two standard errors s of their difference, a gap of (z_0.975 + z_0.8) s is told from 0 at 95 % in 80 % of the
datasets that could have been drawn. Both deviates are those of few groups (`bootstrap.few_groups_deviate`), as in
intervals. A table has routers, so their differences are resampled; a dataset without any has outcomes, from which the
gap is reckoned for two policies that differ at random.
"""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import Any

import numpy as np

from rsd_bench.config import CONFIDENCE, DISAGREEMENT, MIN_BAND_GROUPS, POWER
from rsd_bench.metrics import arrays
from rsd_bench.metrics.arrays import FloatArray
from rsd_bench.metrics.bootstrap import ROUNDING, few_groups_deviate, paired_errors
from rsd_bench.metrics.routing import Outcomes, rcs_gain
from rsd_bench.metrics.tiers import Tiers
from rsd_bench.types import Scenario

_LEVELS = (1 + CONFIDENCE) / 2, POWER


def detectable_gap(samples: FloatArray, groups: int) -> float | None:
    """The minimum detectable gap of a table of R routers, in the unit of its figure.

    samples: paired bootstrap samples of the figure, of `groups` groups, (n_boot, R), as `rank_bands` takes them. The
    standard error is the median over pairs of routers that differ at all. None where no two do, and of fewer than
    MIN_BAND_GROUPS groups, which tell nothing apart. Source: rsd_bench metrics version 2.
    """
    if groups < MIN_BAND_GROUPS or not len(samples):
        return None
    errors = paired_errors(samples)
    apart = errors[np.triu_indices(len(errors), 1)]
    apart = apart[apart > ROUNDING]
    return float(np.median(apart)) * _deviates(groups) if len(apart) else None


def expected_gap(
    outcomes: Outcomes | Tiers, groups: Any, scenario: Scenario, disagree: float = DISAGREEMENT
) -> float | None:
    """The minimum detectable gap in RCS that a dataset promises before it has routers: from its outcomes alone.

    It is that of two policies that answer a random share `disagree` of the queries by different models (any two of K
    tiers), one of them so much more often by the better model that the other falls behind by the gap. A query's
    difference then varies by v - gap^2, where v = disagree x (mean of the squared difference in what two models'
    answers are worth), so that gap = z sqrt((v - gap^2) / n) = z sqrt(v / (n + z^2)), z = z_0.975 + z_0.8. Routers that
    disagree more, or on queries that stand in one group, need a larger gap; `detectable_gap` knows them.

    groups: shape (n,), ids; None makes each query its own. None where no answer is worth more than another, and of
    fewer than MIN_BAND_GROUPS groups. Raises ValueError naming the argument. Source: rsd_bench metrics version 2.
    """
    n = len(outcomes)
    count = int(arrays.group_codes(groups, n).max()) + 1
    share = arrays.shares(disagree, "disagree")
    if len(share) != 1:
        raise ValueError("disagree: must be one share of the queries")
    if count < MIN_BAND_GROUPS:
        return None
    squared = 2 * _worth(outcomes, scenario).var(axis=1, ddof=1).mean()  # of the difference of any two tiers
    z = _deviates(count)
    gap = z * math.sqrt(float(share[0] * squared) / (n + z**2))
    return gap if gap > ROUNDING else None


def _worth(outcomes: Outcomes | Tiers, scenario: Scenario) -> FloatArray:
    """What each tier's answer to each query is worth in RCS, less the same for all tiers, times n; shape (n, K)."""
    of = (
        outcomes
        if isinstance(outcomes, Tiers)
        else Tiers.of(
            np.column_stack([outcomes.small, outcomes.large]),
            np.column_stack([outcomes.small_latency, outcomes.large_latency]),
        )
    )
    solved = (of.scores >= scenario.mes).astype(np.float64)
    return np.asarray(rcs_gain(solved, of.advantage, -of.paid / of.latencies[:, -1].mean(), scenario))


def _deviates(groups: int) -> float:
    return sum(few_groups_deviate(NormalDist().inv_cdf(level), groups) for level in _LEVELS)
