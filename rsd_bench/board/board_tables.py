"""The rankings of a board: one table per track and scenario, with bands, reference policies and what the page needs.

Ranks are bands: routers whose paired interval contains 0 share one.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from rsd_bench.board.flags import table_flags
from rsd_bench.board.leaderboard import BoardRow, BoardTable
from rsd_bench.board.scored import Scored, processors
from rsd_bench.board.sensitivity import sensitivity
from rsd_bench.board.what_if import domain_frames, statistics_of
from rsd_bench.dataset.benchmark import Benchmark
from rsd_bench.dataset.parts import Part
from rsd_bench.evaluation.result import DomainScore, EvalScore, rounded
from rsd_bench.metrics.bootstrap import rank_bands
from rsd_bench.metrics.routing import reference_scores
from rsd_bench.types import Scenario


def board_tables(accepted: Sequence[Scored], benchmark: Benchmark) -> tuple[BoardTable, ...]:
    """A table for each track and scenario that somebody enters, in the dataset's order of tracks."""
    wanted = [
        (entered, track, scenario)
        for track in benchmark.tracks
        for scenario in benchmark.scenarios.values()
        if (entered := [s for s in accepted if (track, scenario.name) in s.entries])
    ]
    parts = {track: benchmark.part(track, "test") for _, track, _ in wanted}
    with ThreadPoolExecutor(processors()) as pool:  # most of the time goes to numpy, which lets other threads run
        return tuple(pool.map(lambda each: _table(each[0], parts[each[1]], *each[1:]), wanted))


def _table(entered: Sequence[Scored], part: Part, track: str, scenario: Scenario) -> BoardTable:
    """One ranking: rows from the best band down, then reference policies without a rank."""
    entries = {s.slug: s.entries[track, scenario.name] for s in entered}
    scores = {slug: entry.score for slug, entry in entries.items()}
    flags = table_flags(scores)
    statistics = {slug: entry.statistics for slug, entry in entries.items()}
    frames = domain_frames(part)
    bands = _bands(entered, (track, scenario.name, None), list(scores.values()))
    by_domain = [bands]
    if len(frames) > 1:
        of_domains = zip(*(score.domains for score in scores.values()), strict=True)
        by_domain = [
            _bands(entered, (track, scenario.name, frame.domain), of_domain)
            for frame, of_domain in zip(frames, of_domains, strict=True)
        ]
    fixed = {
        name: statistics_of(np.full(len(part), name == "all-edge"), part, 0.0) for name in ("all-edge", "all-cloud")
    }
    return BoardTable(
        track=track,
        scenario=scenario.name,
        n=len(part),
        rows=tuple(
            BoardRow(
                band=bands[s.slug],
                slug=s.slug,
                name=s.submission.name,
                score=scores[s.slug],
                domain_bands=tuple(of_slug[s.slug] for of_slug in by_domain),
                decisions_sha256=entries[s.slug].decisions_sha256,
                flags=tuple(flags[s.slug]),
                statistics=statistics[s.slug],
                curve=entries[s.slug].curve,
            )
            for s in sorted(entered, key=lambda s: (bands[s.slug], -scores[s.slug].rcs.value, s.slug))
        ),
        references=rounded(reference_scores(part.outcomes, scenario)),
        domain_references={
            domain: rounded(reference_scores(part.outcomes.take(inside), scenario))
            for domain, inside in part.by_domain.items()
        },
        frames=frames,
        fixed=fixed,
        sensitivity=sensitivity(frames, statistics, fixed, scenario),
    )


def _bands(
    entered: Sequence[Scored], key: tuple[str, str, str | None], scores: Sequence[EvalScore | DomainScore]
) -> dict[str, int]:
    """Rank band of each slug on a track and scenario, or within one domain of it, from paired samples."""
    samples = np.array([s.samples[key] for s in entered], np.float64)
    bands = rank_bands(np.array([score.rcs.value for score in scores]), samples.T, scores[0].groups)
    return {s.slug: int(band) for s, band in zip(entered, bands, strict=True)}
