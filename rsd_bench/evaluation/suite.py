"""Overall figures of a submission that enters every track of a dataset's suite."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from rsd_bench.config import N_BOOT_BANDS
from rsd_bench.dataset.benchmark import Benchmark
from rsd_bench.evaluation.published import rounded
from rsd_bench.evaluation.result import Overall, OverallScore
from rsd_bench.evaluation.track_score import met_tiers
from rsd_bench.metrics.overall import OverallFigures, SuiteTrack, overall
from rsd_bench.submission.submission import Submission


def suite_of(benchmark: Benchmark) -> tuple[str, ...]:
    """The tracks of a dataset's suite; lift is a figure of two tiers, so only tracks of two count."""
    return tuple(track.name for track in benchmark.manifest.tracks if track.suite and track.count == 2)


def overall_of(
    submission: Submission, benchmark: Benchmark, n_boot: int, seed: int
) -> tuple[Overall, Mapping[str, NDArray[np.float32]]] | None:
    """Overall figures, and resampled `skill` and `gain`. None where a track or scenario of the suite is not entered."""
    suite, scenarios = suite_of(benchmark), list(benchmark.scenarios)
    if not suite or not all((track, scenario) in submission.entries for track in suite for scenario in scenarios):
        return None
    tracks = {track: _suite_track(submission, benchmark, track) for track in suite}
    found = overall(tracks, scenarios=benchmark.scenarios.values(), n_boot=n_boot, seed=seed)
    by_scenario = {name: _score(of) for name, of in found.by_scenario.items()}
    whole = _score(found)
    room = np.full(min(n_boot, N_BOOT_BANDS), np.nan, np.float32)  # resamples that lack a figure are NaN, at the end
    samples = {name: np.concatenate([of, room[len(of) :]]).astype(np.float32) for name, of in found.samples.items()}
    return Overall(whole.skill, whole.gain, by_scenario, suite, found.groups), samples


def _score(of: OverallFigures) -> OverallScore:
    score: OverallScore = rounded(OverallScore(of.skill, of.gain))
    return score


def _suite_track(submission: Submission, benchmark: Benchmark, track: str) -> SuiteTrack:
    part = benchmark.part(track, "test")
    tiers, said = met_tiers(submission, part), {name: submission.entries[track, name] for name in benchmark.scenarios}
    return SuiteTrack(
        small=tiers.scores[:, 0],
        large=tiers.scores[:, 1],
        small_latency=tiers.latencies[:, 0],
        large_latency=tiers.latencies[:, 1],
        router_latency_s=submission.router_latency_s,
        groups=part.groups,
        p_edge={name: of.p[:, :, 0].T for name, of in said.items()},
        route_small={name: (of.choice == 0).T for name, of in said.items()},
        cascade=tiers.cascade,
    )
