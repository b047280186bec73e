"""Score a submission: every track and scenario it enters, with intervals, domains, references and diagnostics.

A Result is a pure function of the submission's decisions, the dataset and (n_boot, seed): no clock, no machine in it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from rsd_bench.arrays import BoolArray, FloatArray, group_codes
from rsd_bench.config import CONFIDENCE, DROP_AT_CA, N_BOOT, SCENARIOS, TAU_GRID
from rsd_bench.dataset.benchmark import Benchmark, Part, open_benchmark
from rsd_bench.dataset.open import dataset_folder
from rsd_bench.labels import label
from rsd_bench.metrics import (
    apsp_drop,
    area_apsp_ca,
    best_fixed,
    check_scenario,
    metrics_of,
    reference_scores,
    routing_score,
    sweep_curve,
    terms,
)
from rsd_bench.stats import auroc, brier, compare, expected_calibration_error, group_sums, interval, resample_sums
from rsd_bench.submission.check import open_submission
from rsd_bench.submission.model import Submission
from rsd_bench.types import Comparison, InputError, Interval, Scenario
from rsd_bench.version import METRICS_VERSION, __version__

if TYPE_CHECKING:
    import pandas as pd

METRICS = ("apsp", "mean_score", "ca", "ail", "rcs")
_DECIMALS = 9  # of a published number: hides the last bits, in which machines differ


@dataclass(frozen=True)
class Result:
    """Scores of a submission. `scores` holds one dict per track and scenario (see `rsd-bench schema result`)."""

    slug: str
    name: str
    dataset: Mapping[str, str]
    latency_basis: tuple[str, ...]
    router_latency: Mapping[str, Any]
    bootstrap: Mapping[str, Any]
    scores: tuple[dict[str, Any], ...]
    metrics_version: int = METRICS_VERSION
    package_version: str = __version__

    def to_dict(self) -> dict[str, Any]:
        """Plain data, numbers rounded to nine decimals; equal inputs give an equal dict."""
        rounded: dict[str, Any] = _rounded(asdict(self))
        return rounded

    def to_frame(self) -> pd.DataFrame:
        """One row a track and scenario: the metrics with `_low` and `_high`, and the diagnostics."""
        import pandas as pd

        return pd.DataFrame([flat_row(row) for row in self.to_dict()["scores"]])


def flat_row(row: Mapping[str, Any]) -> dict[str, Any]:
    """A score dict without its nested tables; an interval {value, low, high} becomes three columns."""
    out: dict[str, Any] = {}
    for key, value in row.items():
        if isinstance(value, dict) and value.keys() == {"value", "low", "high"}:
            out |= {key: value["value"], f"{key}_low": value["low"], f"{key}_high": value["high"]}
        elif not isinstance(value, (dict, list, tuple)):
            out[key] = value
    return out


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, _DECIMALS) + 0.0  # no -0.0
    if isinstance(value, Mapping):
        return {key: _rounded(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_rounded(item) for item in value]
    return value


def evaluate(
    submission_dir: str | Path, data: str | Path | None = None, *, n_boot: int = N_BOOT, seed: int = 0
) -> Result:
    """Score a submission folder on a dataset (folder, Hub id, or nothing for the embedded rsd-open lite).

    Raises InputError listing every problem of the submission or of the dataset.
    """
    benchmark = open_benchmark(dataset_folder(data))
    return score_submission(open_submission(Path(submission_dir), benchmark), benchmark, n_boot=n_boot, seed=seed)


def score_submission(submission: Submission, benchmark: Benchmark, *, n_boot: int = N_BOOT, seed: int = 0) -> Result:
    """`evaluate` for a submission that is already checked."""
    manifest = benchmark.manifest
    scores = [
        _score(submission, benchmark.part(track, "test"), track, SCENARIOS[scenario], n_boot, seed)
        for track, scenario in submission.p_edge
    ]
    return Result(
        slug=submission.slug,
        name=submission.meta["name"],
        dataset={
            "name": manifest["name"],
            "version": manifest["version"],
            "manifest_sha256": benchmark.manifest_sha256,
        },
        latency_basis=tuple(benchmark.latency_basis),
        router_latency={**submission.meta["router_latency"], "basis": "declared"},
        bootstrap={"n_boot": n_boot, "seed": seed, "unit": "group", "confidence": CONFIDENCE},
        scores=tuple(scores),
    )


def route_of(submission: Submission, track: str, scenario: str) -> BoolArray:
    """Decisions on the test part of a track: small model iff p_edge >= tau."""
    return submission.p_edge[track, scenario] >= submission.tau(track, scenario)


def _score(
    submission: Submission, part: Part, track: str, scenario: Scenario, n_boot: int, seed: int
) -> dict[str, Any]:
    outcomes, p, router = part.outcomes, submission.p_edge[track, scenario.name], submission.router_latency_s
    check_scenario(scenario, outcomes)
    route = route_of(submission, track, scenario.name)
    labels = label(outcomes.small, outcomes.large, scenario.mes)
    fixed_name, fixed = best_fixed(outcomes, scenario)
    both = np.hstack([terms(route, outcomes, scenario.mes, router), terms(fixed, outcomes, scenario.mes)])
    codes = group_codes(part.groups, len(part))
    samples = resample_sums(group_sums(both, codes), n_boot, seed)
    half = both.shape[1] // 2
    ours = metrics_of(samples[:, :half], scenario)
    score = routing_score(route, outcomes, scenario, router)
    references = reference_scores(outcomes, scenario, score.ca)
    gain = score.rcs - references[fixed_name].rcs
    curve = sweep_curve(p, outcomes, scenario, None, router)
    domains = _domains(part, both[:, :half], scenario, n_boot, seed)
    worst = min(domains, key=lambda row: (row["rcs"]["value"], row["domain"]))
    return {
        "track": track,
        "scenario": scenario.name,
        "n": len(part),
        "groups": int(codes.max()) + 1,
        "tau": submission.tau(track, scenario.name),
        **{name: asdict(interval(getattr(score, name), ours[name])) for name in METRICS},
        "best_fixed": fixed_name,
        "gain": asdict(interval(gain, ours["rcs"] - metrics_of(samples[:, half:], scenario)["rcs"])),
        "oracle_rcs": references["rcs-oracle"].rcs,
        "regret": references["rcs-oracle"].rcs - score.rcs,
        "auroc": auroc(p, labels),
        "brier": brier(p, labels),
        "ece": expected_calibration_error(p, labels),
        "edge_label_rate": float(labels.mean()),
        "area_apsp_ca": area_apsp_ca(curve),
        f"apsp_drop_at_ca_{DROP_AT_CA:g}": apsp_drop(curve),
        "worst_domain": worst["domain"],
        "worst_domain_rcs": worst["rcs"]["value"],
        "references": [{"policy": name, **row.to_dict()} for name, row in references.items()],
        "domains": domains,
        "sweep": _grid_rows(sweep_curve(p, outcomes, scenario, TAU_GRID, router)),
    }


def _domains(part: Part, ours: FloatArray, scenario: Scenario, n_boot: int, seed: int) -> list[dict[str, Any]]:
    """Metrics with intervals within each domain; groups are resampled inside the domain."""
    rows = []
    for domain in sorted(set(part.domains)):
        inside = part.domains == domain
        sums = group_sums(ours[inside], group_codes(part.groups[inside], int(inside.sum())))
        values, samples = (
            metrics_of(sums.sum(axis=0), scenario),
            metrics_of(resample_sums(sums, n_boot, seed), scenario),
        )
        intervals: dict[str, Interval] = {name: interval(float(values[name]), samples[name]) for name in METRICS}
        rows.append(
            {
                "domain": domain,
                "n": int(inside.sum()),
                "groups": len(sums),
                **{name: asdict(value) for name, value in intervals.items()},
            }
        )
    return rows


def _grid_rows(curve: dict[str, FloatArray]) -> list[dict[str, float]]:
    return [dict(zip(curve, map(float, row), strict=True)) for row in zip(*curve.values(), strict=True)]


def compare_submissions(
    a: Path, b: Path, benchmark: Benchmark, track: str, *, n_boot: int = N_BOOT, seed: int = 0
) -> dict[str, Comparison]:
    """Paired comparison a - b per scenario that both enter on a track. InputError where there is none."""
    first, second = (open_submission(Path(folder), benchmark) for folder in (a, b))
    if track not in benchmark.tracks:
        raise InputError.at(track, "is no track", f"use {', '.join(benchmark.tracks)}")
    shared = [s for s in SCENARIOS if (track, s) in first.p_edge and (track, s) in second.p_edge]
    if not shared:
        raise InputError.at(track, "is not entered by both submissions", "compare on a track that both enter")
    part = benchmark.part(track, "test")
    return {
        scenario: compare(
            route_of(first, track, scenario),
            route_of(second, track, scenario),
            **vars(part.outcomes),
            scenario=scenario,
            router_latency_a_s=first.router_latency_s,
            router_latency_b_s=second.router_latency_s,
            groups=part.groups,
            n_boot=n_boot,
            seed=seed,
        )
        for scenario in shared
    }
