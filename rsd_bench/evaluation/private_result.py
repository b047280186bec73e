"""What scoring on private outcomes tells: a few figures with noise, nothing that depends on one query."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from rsd_bench.config import IN_DOMAIN
from rsd_bench.evaluation.result import DatasetVersion, json_data
from rsd_bench.types import Interval
from rsd_bench.version import METRICS_VERSION


@dataclass(frozen=True)
class PrivateTerms:
    """The noise on each count, in queries, the decimals of each figure, and the account's scorings."""

    noise_queries: float
    decimals: int
    budget: int
    used: int


@dataclass(frozen=True, kw_only=True)
class PrivateScore:
    """Figures of one scenario, of the in-domain track."""

    scenario: str
    n: int
    tau: float
    apsp: Interval
    ca: Interval
    ail: Interval
    rcs: Interval
    gain: Interval
    best_fixed: str

    @property
    def track(self) -> str:
        return IN_DOMAIN


@dataclass(frozen=True, kw_only=True)
class PrivateResult:
    """The public result of a submission on private outcomes, one PrivateScore per scenario."""

    slug: str
    dataset: DatasetVersion
    metrics_version: int = METRICS_VERSION
    private: PrivateTerms
    scores: tuple[PrivateScore, ...]

    @property
    def name(self) -> str:
        return self.slug

    def to_dict(self) -> dict[str, Any]:
        return {name: json_data(value) for name, value in vars(self).items()}
