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
    from rsd_bench.dataset.load import load as load
    from rsd_bench.evaluation.evaluate import evaluate as evaluate
    from rsd_bench.evaluation.result import Result as Result
    from rsd_bench.metrics.comparison import compare as compare
    from rsd_bench.metrics.label import label as label
    from rsd_bench.metrics.routing import score_routing as score_routing
    from rsd_bench.metrics.routing import sweep as sweep
    from rsd_bench.metrics.satisfaction import MesFit as MesFit
    from rsd_bench.metrics.satisfaction import fit_mes as fit_mes
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
    "load": "dataset.load",
    "evaluate": "evaluation.evaluate",
    "Result": "evaluation.result",
    "label": "metrics.label",
    "score_routing": "metrics.routing",
    "sweep": "metrics.routing",
    "MesFit": "metrics.satisfaction",
    "fit_mes": "metrics.satisfaction",
    "ReferenceRouter": "routers.network",
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
