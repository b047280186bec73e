"""Score a submission: every track and scenario it enters, with intervals, domains, references and diagnostics.

A Result is a pure function of the submission's decisions, the dataset and (n_boot, seed): no clock, no machine in it.
Its figures are rounded once, here, so that whoever reads them sees what is published.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rsd_bench.config import N_BOOT, N_BOOT_BANDS, TAU_GRID
from rsd_bench.dataset.benchmark import Benchmark, Part, open_benchmark
from rsd_bench.dataset.open import dataset_folder
from rsd_bench.evaluation.result import (
    Bootstrap,
    DatasetVersion,
    DomainScore,
    EvalScore,
    Result,
    RouterLatency,
    SweepPoint,
    are_presets,
    rounded,
)
from rsd_bench.metrics.arrays import BoolArray, FloatArray, IntArray, group_codes, whole_number
from rsd_bench.metrics.bootstrap import group_sums, interval, resample_sums, resampling_units
from rsd_bench.metrics.calibration import auroc, brier, expected_calibration_error
from rsd_bench.metrics.comparison import compare
from rsd_bench.metrics.label import label
from rsd_bench.metrics.routing import (
    RANGES,
    TERMS,
    apsp_drop,
    area_apsp_ca,
    better_fixed,
    check_scenario,
    descending,
    metrics_of,
    reference_scores,
    sweep_curve,
    term_columns,
    with_random,
)
from rsd_bench.submission.check_submission import open_submission, open_submissions
from rsd_bench.submission.submission import Submission
from rsd_bench.types import Comparison, InputError, Interval, RoutingScore, Scenario

#: Resampled RCS by (track, scenario, domain); domain None = the whole track.
Samples = Mapping[tuple[str, str, str | None], NDArray[np.float32]]


def evaluate(
    submission_dir: str | Path,
    data: str | Path | None = None,
    *,
    scenarios: str | Path | Mapping[str, Any] | Iterable[Scenario] | None = None,
    n_boot: int = N_BOOT,
    seed: int = 0,
) -> Result:
    """Score a submission on a dataset.

    submission_dir: its folder. data: a dataset folder, a Hub id, or None for the embedded rsd-open lite.
    scenarios: a TOML file, Scenarios with names, or a mapping of names to them, in place of the dataset's own; without
    either, the presets. The submission names its tau by them.
    n_boot: bootstrap resamples of groups, 0 for no intervals. seed: of the bootstrap.
    Raises InputError listing every problem of the submission or of the dataset, ValueError naming another argument.
    """
    for name, value in {"submission_dir": submission_dir, **({} if data is None else {"data": data})}.items():
        if not isinstance(value, (str, Path)):
            raise ValueError(f"{name}: must be a path, not {str(value)[:80]!r}")
    benchmark = open_benchmark(dataset_folder(data), scenarios)
    return score_submission(open_submission(Path(submission_dir), benchmark), benchmark, n_boot=n_boot, seed=seed)


def score_submission(submission: Submission, benchmark: Benchmark, *, n_boot: int = N_BOOT, seed: int = 0) -> Result:
    """`evaluate` for a submission that is already checked; n_boot 0 leaves the intervals out (null)."""
    return score_with_samples(submission, benchmark, n_boot=n_boot, seed=seed)[0]


def score_with_samples(
    submission: Submission, benchmark: Benchmark, *, n_boot: int = N_BOOT, seed: int = 0
) -> tuple[Result, Samples]:
    """The Result, and the first N_BOOT_BANDS resampled RCS of each (track, scenario, domain or None) as float32.

    Samples of two routers of one key are paired: this is what rank bands are made of.
    """
    n_boot, seed = whole_number(n_boot, "n_boot", 0), whole_number(seed, "seed", 0)
    manifest = benchmark.manifest
    entered = {name: benchmark.scenarios[name] for _, name in submission.p_edge}
    scores: list[EvalScore] = []
    samples: dict[tuple[str, str, str | None], NDArray[np.float32]] = {}
    for track in dict.fromkeys(track for track, _ in submission.p_edge):
        asked = [entered[name] for at, name in submission.p_edge if at == track]
        for score, rcs_samples in _score_track(submission, benchmark.part(track, "test"), track, asked, n_boot, seed):
            scores.append(score)
            for domain, values in rcs_samples.items():
                samples[track, score.scenario, domain] = values[:N_BOOT_BANDS].astype(np.float32)
    result = Result(
        slug=submission.slug,
        name=submission.meta.declared.name,
        dataset=DatasetVersion(manifest.name, manifest.version, benchmark.manifest_sha256),
        latency_basis=tuple(benchmark.latency_basis),
        router_latency=rounded(RouterLatency(**vars(submission.meta.declared.router_latency))),
        bootstrap=Bootstrap(n_boot, seed),
        scores=tuple(scores),
        scenarios=None if are_presets(entered) else entered,
    )
    return result, samples


def route_of(submission: Submission, track: str, scenario: str) -> BoolArray:
    """Decisions on the test part of a track: small model iff p_edge >= tau."""
    return submission.p_edge[track, scenario] >= submission.tau(track, scenario)


@dataclass(frozen=True)
class _Cell:
    """Queries that are scored together (a track's test part, or one domain of it) under one scenario.

    `sums` (12,) and `samples` (n_boot, 12) hold the TERMS of the router, then those of the best fixed policy.
    """

    n: int
    groups: int
    scenario: Scenario
    sums: FloatArray
    samples: FloatArray

    @cached_property
    def values(self) -> dict[str, FloatArray]:
        return metrics_of(self.sums[: len(TERMS)], self.scenario)

    @cached_property
    def resampled(self) -> dict[str, FloatArray]:
        return metrics_of(self.samples[:, : len(TERMS)], self.scenario)

    def intervals(self) -> dict[str, Interval]:
        return {
            name: interval(float(self.values[name]), self.resampled[name], self.groups, within)
            for name, within in RANGES.items()
        }

    def gain(self) -> Interval:
        """RCS minus that of the fixed policy, paired."""
        fixed, resampled = (metrics_of(s[..., len(TERMS) :], self.scenario)["rcs"] for s in (self.sums, self.samples))
        return interval(float(self.values["rcs"] - fixed), self.resampled["rcs"] - resampled, self.groups)


@dataclass(frozen=True)
class _Layout:
    """How queries fall into cells, and within each cell into units of resampling, numbered through all cells."""

    units: IntArray  # (n,)
    cells: tuple[tuple[str | None, int, int, slice], ...]  # domain, queries, groups, its units

    @classmethod
    def of(cls, part: Part, inside: Mapping[Any, BoolArray], n_boot: int, seed: int) -> _Layout:
        units, cells, start = np.zeros(len(part), np.int64), [], 0
        for domain, chosen in inside.items():
            codes = group_codes(part.group_codes[chosen], int(chosen.sum()))
            own = resampling_units(codes, seed) if n_boot else np.zeros(len(codes), np.int64)
            stop = start + int(own.max()) + 1
            units[chosen] = start + own
            cells.append((domain, len(codes), int(codes.max()) + 1, slice(start, stop)))
            start = stop
        return cls(units, tuple(cells))

    def scored(
        self, columns: Iterable[FloatArray], scenarios: list[Scenario], n_boot: int, seed: int
    ) -> list[dict[Any, _Cell]]:
        """Per scenario a cell by domain; all scenarios share the draws and one matrix product."""
        sums = group_sums(columns, self.units)
        out: list[dict[Any, _Cell]] = [{} for _ in scenarios]
        for domain, n, groups, own in self.cells:
            samples = np.split(resample_sums(sums[own], n_boot, seed), len(scenarios), axis=1)
            totals = np.split(sums[own].sum(axis=0), len(scenarios))
            for i, scenario in enumerate(scenarios):
                out[i][domain] = _Cell(n, groups, scenario, totals[i], samples[i])
        return out


@dataclass(frozen=True)
class _Context:
    """What an EvalScore needs besides its cells; `order` is that of falling p, shared by equal p."""

    submission: Submission
    part: Part
    track: str
    references: Mapping[str, RoutingScore]
    order: IntArray


def _score_track(
    submission: Submission, part: Part, track: str, scenarios: list[Scenario], n_boot: int, seed: int
) -> Iterator[tuple[EvalScore, dict[str | None, FloatArray]]]:
    """An EvalScore per scenario, with the resampled RCS of the track (None) and of each domain."""
    outcomes, router = part.outcomes, submission.router_latency_s
    for scenario in scenarios:
        check_scenario(scenario, outcomes)
    references = [reference_scores(outcomes, scenario) for scenario in scenarios]

    def columns() -> Iterator[FloatArray]:
        for scenario, rows in zip(scenarios, references, strict=True):
            yield from term_columns(route_of(submission, track, scenario.name), outcomes, scenario.mes, router)
            yield from term_columns(np.full(len(part), better_fixed(rows) == "all-edge"), outcomes, scenario.mes)

    whole = _Layout.of(part, {None: np.ones(len(part), np.bool_)}, n_boot, seed)
    split = _Layout.of(part, part.by_domain, n_boot, seed)
    cells = zip(*(layout.scored(columns(), scenarios, n_boot, seed) for layout in (whole, split)), strict=True)
    orders: dict[int, IntArray] = {}
    for scenario, rows, (all_of, by_domain) in zip(scenarios, references, cells, strict=True):
        p = submission.p_edge[track, scenario.name]
        if id(p) not in orders:  # scenarios that share their probabilities share the sort
            orders[id(p)] = descending(p)
        context = _Context(submission, part, track, rows, orders[id(p)])
        samples = {domain: cell.resampled["rcs"] for domain, cell in (all_of | by_domain).items()}
        yield _score(context, all_of[None], by_domain), samples


def _score(context: _Context, cell: _Cell, by_domain: Mapping[str, _Cell]) -> EvalScore:
    submission, track, order = context.submission, context.track, context.order
    scenario, outcomes, router = cell.scenario, context.part.outcomes, submission.router_latency_s
    p = submission.p_edge[track, scenario.name]
    labels = label(outcomes.small, outcomes.large, scenario.mes)
    references = with_random(dict(context.references), float(cell.values["ca"]))
    curve = sweep_curve(p, outcomes, scenario, None, router, order)
    worst = min(by_domain, key=lambda domain: (by_domain[domain].values["rcs"], domain))
    score: EvalScore = rounded(
        EvalScore(
            track=track,
            scenario=scenario.name,
            n=cell.n,
            groups=cell.groups,
            tau=submission.tau(track, scenario.name),
            **cell.intervals(),
            best_fixed=better_fixed(references),
            gain=cell.gain(),
            oracle_rcs=references["rcs-oracle"].rcs,
            regret=references["rcs-oracle"].rcs - float(cell.values["rcs"]),
            auroc=auroc(p, labels, order),
            brier=brier(p, labels),
            ece=expected_calibration_error(p, labels),
            edge_label_rate=float(labels.mean()),
            area_apsp_ca=area_apsp_ca(curve),
            apsp_drop=apsp_drop(curve),
            worst_domain=worst,
            worst_domain_rcs=float(by_domain[worst].values["rcs"]),
            references=references,
            domains=tuple(DomainScore(domain=d, n=c.n, groups=c.groups, **c.intervals()) for d, c in by_domain.items()),
            sweep=_sweep_points(sweep_curve(p, outcomes, scenario, TAU_GRID, router, order)),
        )
    )
    return score


def _sweep_points(curve: dict[str, FloatArray]) -> tuple[SweepPoint, ...]:
    return tuple(SweepPoint(*map(float, row)) for row in zip(*curve.values(), strict=True))


def compare_submissions(
    a: Path, b: Path, benchmark: Benchmark, track: str, *, n_boot: int = N_BOOT, seed: int = 0
) -> dict[str, Comparison]:
    """Paired comparison a - b per scenario that both enter on a track. InputError where there is none."""
    first, second = open_submissions([Path(a), Path(b)], benchmark)
    if track not in benchmark.tracks:
        raise InputError.at(track, "is no track", f"use {', '.join(benchmark.tracks)}")
    shared = [s for s in benchmark.scenarios if (track, s) in first.p_edge and (track, s) in second.p_edge]
    if not shared:
        raise InputError.at(track, "is not entered by both submissions", "compare on a track that both enter")
    part = benchmark.part(track, "test")
    return {
        scenario: compare(
            route_of(first, track, scenario),
            route_of(second, track, scenario),
            **vars(part.outcomes),
            scenario=benchmark.scenarios[scenario],
            router_latency_a_s=first.router_latency_s,
            router_latency_b_s=second.router_latency_s,
            groups=part.groups,
            n_boot=n_boot,
            seed=seed,
        )
        for scenario in shared
    }
