"""Two submissions on one track: the paired difference of every metric, on the repeats that both enter."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rsd_bench.config import N_BOOT
from rsd_bench.dataset.benchmark import Benchmark
from rsd_bench.evaluation.track_score import met_tiers
from rsd_bench.metrics.comparison import compared
from rsd_bench.metrics.tier_intervals import repeated_columns
from rsd_bench.metrics.tiers import check_tiers_scenario
from rsd_bench.submission.check_submission import open_submissions
from rsd_bench.submission.submission import Submission
from rsd_bench.types import Comparison, InputError


def compare_submissions(
    a: Path, b: Path, benchmark: Benchmark, track: str, *, n_boot: int = N_BOOT, seed: int = 0
) -> dict[str, Comparison]:
    """Paired comparison a - b per scenario that both enter on a track. InputError where there is none."""
    first, second = open_submissions([Path(a), Path(b)], benchmark)
    if track not in benchmark.tracks:
        raise InputError.at(track, "is no track", f"use {', '.join(benchmark.tracks)}")
    both = [s for s in benchmark.scenarios if (track, s) in first.entries and (track, s) in second.entries]
    if not both:
        raise InputError.at(track, "is not entered by both submissions", "compare on a track that both enter")
    return {name: _compared((first, second), benchmark, track, name, n_boot, seed) for name in both}


def shared_repeats(entered: Sequence[Sequence[int]]) -> tuple[int, ...]:
    """The repeats that all have, rising."""
    return tuple(sorted(set(entered[0]).intersection(*entered[1:])))


def _compared(
    pair: tuple[Submission, Submission], benchmark: Benchmark, track: str, scenario: str, n_boot: int, seed: int
) -> Comparison:
    said, asked = [of.entries[track, scenario] for of in pair], benchmark.scenarios[scenario]
    repeats = shared_repeats([of.repeats for of in said])
    if not repeats:
        what = f"is entered in repeats {list(said[0].repeats)} by one and {list(said[1].repeats)} by the other"
        raise InputError.at(track, what, "compare submissions that share a repeat")
    part = benchmark.part(track, "test")
    check_tiers_scenario(asked, part.tiers)
    columns = []
    for submission, of in zip(pair, said, strict=True):
        choices = [of.choice[of.repeats.index(repeat)] for repeat in repeats]
        tiers = met_tiers(submission, part)
        columns.append(list(repeated_columns(choices, tiers, asked.mes, submission.router_latency_s)))
    return compared(columns[0], columns[1], asked, part.group_codes, n_boot, seed)
