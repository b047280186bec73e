"""Score a submission: every track and scenario it enters, with intervals, domains, references and diagnostics.

A Result is a pure function of the submission's decisions, the dataset, a file of prices and (n_boot, seed): no clock,
no machine in it. Its figures are rounded once, here, so that whoever reads them sees what is published.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rsd_bench.config import N_BOOT
from rsd_bench.dataset.benchmark import Benchmark, open_benchmark
from rsd_bench.dataset.open import dataset_folder
from rsd_bench.endpoints.prices import Prices
from rsd_bench.evaluation.costs import prices_of
from rsd_bench.evaluation.eval_score import EvalScore
from rsd_bench.evaluation.result import Bootstrap, DatasetVersion, Result, RouterLatency, are_presets, rounded
from rsd_bench.evaluation.suite import overall_of
from rsd_bench.evaluation.track_score import score_track
from rsd_bench.metrics.arrays import FloatArray, whole_number
from rsd_bench.submission.check_submission import open_submission
from rsd_bench.submission.submission import Submission
from rsd_bench.types import Scenario

Cut = tuple[str, str, str | None]  # track, scenario, domain


@dataclass(frozen=True)
class Samples:
    """Resampled figures, float32: those of two routers of one key are paired, which rank bands are made of.

    rcs: by (track, scenario, domain), domain None = the whole track; shape (R, N_BOOT_BANDS), a row each repeat that is
    entered; points: RCS of each repeat, shape (R,). overall: `skill` and `gain` over the suite, shape (N_BOOT_BANDS,);
    empty where there is none.
    """

    rcs: Mapping[Cut, NDArray[np.float32]]
    points: Mapping[Cut, FloatArray]
    overall: Mapping[str, NDArray[np.float32]]


def evaluate(
    submission_dir: str | Path,
    data: str | Path | None = None,
    *,
    scenarios: str | Path | Mapping[str, Any] | Iterable[Scenario] | None = None,
    n_boot: int = N_BOOT,
    seed: int = 0,
    prices: str | Path | None = None,
) -> Result:
    """Score a submission on a dataset.

    submission_dir: its folder. data: a dataset folder, a Hub id, or None for the embedded rsd-open lite.
    scenarios: a TOML file, Scenarios with names, or a mapping of names to them, in place of the dataset's own; without
    either, the presets. The submission names its tau by them.
    n_boot: bootstrap resamples of groups, 0 for no intervals. seed: of the bootstrap.
    prices: a TOML file of prices, behind the USD saved; default: the shipped one.
    Raises InputError listing every problem of the submission or of the dataset, ValueError naming another argument.
    """
    for name, value in {"submission_dir": submission_dir, "data": data, "prices": prices}.items():
        if (value is not None or name == "submission_dir") and not isinstance(value, (str, Path)):
            raise ValueError(f"{name}: must be a path, not {str(value)[:80]!r}")
    benchmark = open_benchmark(dataset_folder(data), scenarios)
    priced = prices_of(benchmark, None if prices is None else Path(prices))
    submission = open_submission(Path(submission_dir), benchmark)
    return score_submission(submission, benchmark, n_boot=n_boot, seed=seed, prices=priced)


def score_submission(
    submission: Submission, benchmark: Benchmark, *, n_boot: int = N_BOOT, seed: int = 0, prices: Prices | None = None
) -> Result:
    """`evaluate` for a submission that is already checked; n_boot 0 leaves the intervals out (null)."""
    return score_with_samples(submission, benchmark, n_boot=n_boot, seed=seed, prices=prices)[0]


def score_with_samples(
    submission: Submission, benchmark: Benchmark, *, n_boot: int = N_BOOT, seed: int = 0, prices: Prices | None = None
) -> tuple[Result, Samples]:
    """The Result, and the first N_BOOT_BANDS resamples of what bands are made of. prices: of `prices_of`."""
    n_boot, seed = whole_number(n_boot, "n_boot", 0), whole_number(seed, "seed", 0)
    manifest, prices = benchmark.manifest, prices or prices_of(benchmark)
    entered = {name: benchmark.scenarios[name] for _, name in submission.entries}
    scores: list[EvalScore] = []
    samples: dict[Cut, NDArray[np.float32]] = {}
    points: dict[Cut, FloatArray] = {}
    for track in dict.fromkeys(track for track, _ in submission.entries):
        for score, cells in score_track(submission, benchmark, track, n_boot, seed, prices):
            scores.append(score)
            for domain, cell in cells.items():
                cut = (track, score.scenario, domain)
                samples[cut], points[cut] = cell.rcs_samples, cell.repeats
    suite, of_suite = overall_of(submission, benchmark, n_boot, seed) or (None, {})
    result = Result(
        slug=submission.slug,
        name=submission.meta.declared.name,
        dataset=DatasetVersion(manifest.name, manifest.version, benchmark.manifest_sha256),
        latency_basis=tuple(benchmark.latency_basis),
        router_latency=rounded(RouterLatency(**vars(submission.meta.declared.router_latency))),
        bootstrap=Bootstrap(n_boot, seed),
        scores=tuple(scores),
        scenarios=None if are_presets(entered) else entered,
        overall=suite,
        prices_day=prices.day if any(score.saved_usd for score in scores) else None,
    )
    return result, Samples(samples, points, of_suite)
