"""rsd_bench: datasets and a benchmark for routing between small and large vision-language models.

The public names are imported on first use, so that `import rsd_bench` costs milliseconds and loads neither numpy nor
datasets nor torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from rsd_bench.version import METRICS_VERSION, __version__

if TYPE_CHECKING:
    from rsd_bench.config import SCENARIOS as SCENARIOS
    from rsd_bench.config import load_scenarios as load_scenarios
    from rsd_bench.dataset.folds import folds as folds
    from rsd_bench.dataset.load import load as load
    from rsd_bench.evaluation.evaluate import evaluate as evaluate
    from rsd_bench.evaluation.plots import plot as plot
    from rsd_bench.evaluation.result import Result as Result
    from rsd_bench.features.blocks import Features as Features
    from rsd_bench.features.feature_table import load_features as load_features
    from rsd_bench.features.perturb import perturb as perturb
    from rsd_bench.metrics.calibration import auroc_tiers as auroc_tiers
    from rsd_bench.metrics.comparison import compare as compare
    from rsd_bench.metrics.escalation import Escalation as Escalation
    from rsd_bench.metrics.escalation import captured as captured
    from rsd_bench.metrics.escalation import escalation as escalation
    from rsd_bench.metrics.escalation import saved_calls as saved_calls
    from rsd_bench.metrics.escalation import saved_usd as saved_usd
    from rsd_bench.metrics.frontier import Frontier as Frontier
    from rsd_bench.metrics.frontier import frontier as frontier
    from rsd_bench.metrics.label import label as label
    from rsd_bench.metrics.lift import Lift as Lift
    from rsd_bench.metrics.lift import apsp_at_ca as apsp_at_ca
    from rsd_bench.metrics.lift import lift as lift
    from rsd_bench.metrics.overall import Overall as Overall
    from rsd_bench.metrics.overall import SuiteTrack as SuiteTrack
    from rsd_bench.metrics.overall import overall as overall
    from rsd_bench.metrics.rank_intervals import rank_intervals as rank_intervals
    from rsd_bench.metrics.routing import score_routing as score_routing
    from rsd_bench.metrics.satisfaction import MesFit as MesFit
    from rsd_bench.metrics.satisfaction import fit_mes as fit_mes
    from rsd_bench.metrics.sweeps import sweep as sweep
    from rsd_bench.metrics.sweeps import sweep_tiers as sweep_tiers
    from rsd_bench.metrics.tier_intervals import tier_intervals as tier_intervals
    from rsd_bench.metrics.tier_policies import rcs_oracle_tiers as rcs_oracle_tiers
    from rsd_bench.metrics.tier_policies import reference_tiers as reference_tiers
    from rsd_bench.metrics.tiers import competent_tier as competent_tier
    from rsd_bench.metrics.tiers import cost_advantage as cost_advantage
    from rsd_bench.metrics.tiers import decide_tiers as decide_tiers
    from rsd_bench.metrics.tiers import label_tiers as label_tiers
    from rsd_bench.metrics.tiers import score_tiers as score_tiers
    from rsd_bench.routers.estimator import RouterClassifier as RouterClassifier
    from rsd_bench.routers.network import ReferenceRouter as ReferenceRouter
    from rsd_bench.routers.pipeline import load_router as load_router
    from rsd_bench.types import Comparison as Comparison
    from rsd_bench.types import InputError as InputError
    from rsd_bench.types import Interval as Interval
    from rsd_bench.types import Problem as Problem
    from rsd_bench.types import RoutingScore as RoutingScore
    from rsd_bench.types import Scenario as Scenario

_HOME = {
    "SCENARIOS": "config",
    "load_scenarios": "config",
    "load": "dataset.load",
    "folds": "dataset.folds",
    "evaluate": "evaluation.evaluate",
    "Result": "evaluation.result",
    "plot": "evaluation.plots",
    "label": "metrics.label",
    "score_routing": "metrics.routing",
    "sweep": "metrics.sweeps",
    "label_tiers": "metrics.tiers",
    "competent_tier": "metrics.tiers",
    "cost_advantage": "metrics.tiers",
    "decide_tiers": "metrics.tiers",
    "score_tiers": "metrics.tiers",
    "sweep_tiers": "metrics.sweeps",
    "reference_tiers": "metrics.tier_policies",
    "rcs_oracle_tiers": "metrics.tier_policies",
    "lift": "metrics.lift",
    "Lift": "metrics.lift",
    "apsp_at_ca": "metrics.lift",
    "rank_intervals": "metrics.rank_intervals",
    "tier_intervals": "metrics.tier_intervals",
    "auroc_tiers": "metrics.calibration",
    "Frontier": "metrics.frontier",
    "frontier": "metrics.frontier",
    "Overall": "metrics.overall",
    "SuiteTrack": "metrics.overall",
    "overall": "metrics.overall",
    "captured": "metrics.escalation",
    "Escalation": "metrics.escalation",
    "escalation": "metrics.escalation",
    "saved_calls": "metrics.escalation",
    "saved_usd": "metrics.escalation",
    "MesFit": "metrics.satisfaction",
    "fit_mes": "metrics.satisfaction",
    "Features": "features.blocks",
    "load_features": "features.feature_table",
    "perturb": "features.perturb",
    "ReferenceRouter": "routers.network",
    "RouterClassifier": "routers.estimator",
    "load_router": "routers.pipeline",
    "compare": "metrics.comparison",
    "Comparison": "types",
    "InputError": "types",
    "Interval": "types",
    "Problem": "types",
    "RoutingScore": "types",
    "Scenario": "types",
}

__all__ = ["METRICS_VERSION", "__version__", *_HOME]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'rsd_bench' has no attribute {name!r}")
    value = getattr(import_module(f"rsd_bench.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
