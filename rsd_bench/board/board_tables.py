"""The rankings of a board: one table per track and scenario, with bands, reference policies and what the page needs.

Ranks are bands: routers whose paired interval contains 0 share one.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np

from rsd_bench.board.bands import Bands, Standing, by_band, ranked
from rsd_bench.board.flags import table_flags
from rsd_bench.board.leaderboard import BoardRow, BoardTable
from rsd_bench.board.scored import Scored, processors
from rsd_bench.board.sensitivity import sensitivity
from rsd_bench.board.what_if import domain_frames, statistics_of
from rsd_bench.dataset.benchmark import Benchmark
from rsd_bench.dataset.parts import Part
from rsd_bench.dataset.tracks import Track
from rsd_bench.evaluation.references import best_fixed_name, fixed_names, references_of
from rsd_bench.evaluation.result import DomainScore, EvalScore, rounded
from rsd_bench.metrics.arrays import BoolArray
from rsd_bench.metrics.tiers import Tiers
from rsd_bench.types import RoutingScore, Scenario


def board_tables(accepted: Sequence[Scored], benchmark: Benchmark) -> tuple[BoardTable, ...]:
    """A table for each track and scenario that somebody enters, in the dataset's order of tracks."""
    wanted = [
        (entered, benchmark.track(track), scenario)
        for track in benchmark.tracks
        for scenario in benchmark.scenarios.values()
        if (entered := [s for s in accepted if (track, scenario.name) in s.entries])
    ]
    parts = {track.name: benchmark.part(track.name, "test") for _, track, _ in wanted}
    with ThreadPoolExecutor(processors()) as pool:  # most of the time goes to numpy, which lets other threads run
        return tuple(pool.map(lambda each: _table(each[0], parts[each[1].name], *each[1:]), wanted))


def _table(entered: Sequence[Scored], part: Part, track: Track, scenario: Scenario) -> BoardTable:
    """One ranking: rows from the best band down, then reference policies without a rank."""
    entries = {s.slug: s.entries[track.name, scenario.name] for s in entered}
    scores = {slug: entry.score for slug, entry in entries.items()}
    flags = table_flags(scores)
    statistics = {slug: entry.statistics for slug, entry in entries.items()}
    frames, tiers = domain_frames(part), replace(part.tiers, cascade=False)
    whole = _bands(entered, (track.name, scenario.name, None), list(scores.values()))
    by_domain = [whole]
    if len(frames) > 1:
        of_domains = zip(*(score.domains for score in scores.values()), strict=True)
        by_domain = [
            _bands(entered, (track.name, scenario.name, frame.domain), of_domain)
            for frame, of_domain in zip(frames, of_domains, strict=True)
        ]
    every = np.arange(tiers.count)
    fixed = {
        name: statistics_of([np.full(len(part), k)], tiers, part, 0.0)
        for k, name in zip(every, fixed_names(tiers.count), strict=True)
    }
    bands = {s.slug: whole.band(i) for i, s in enumerate(entered)}
    apart = {s.slug: why for i, s in enumerate(entered) if (why := whole.why_none(i))}
    of_slug = {s.slug: tuple(of.band(i) for of in by_domain) for i, s in enumerate(entered)}
    references = references_of(tiers, scenario)
    return BoardTable(
        track=track.name,
        scenario=scenario.name,
        protocol=track.protocol,
        tiers=track.tiers,
        n=len(part),
        groups=next(iter(scores.values())).groups,
        minimum_detectable_gap=rounded(whole.minimum_detectable_gap),
        no_bands=whole.no_bands,
        best_fixed=best_fixed_name(references, tiers.count),
        rows=tuple(
            BoardRow(
                band=bands[s.slug],
                slug=s.slug,
                name=s.submission.name,
                score=scores[s.slug],
                domain_bands=of_slug[s.slug],
                decisions_sha256=entries[s.slug].decisions_sha256,
                flags=(*flags[s.slug], *([apart[s.slug]] if s.slug in apart else [])),
                statistics=statistics[s.slug],
                spread=entries[s.slug].spread,
                mean_tau=entries[s.slug].mean_tau,
                curve=entries[s.slug].curve,
            )
            for s in sorted(entered, key=lambda s: (by_band(bands[s.slug]), -scores[s.slug].rcs.value, s.slug))
        ),
        references=rounded(references),
        domain_references={domain: _references(tiers, inside, scenario) for domain, inside in part.by_domain.items()},
        frames=frames,
        fixed=fixed,
        sensitivity=sensitivity(frames, statistics, fixed, scenario),
    )


def _references(tiers: Tiers, inside: BoolArray, scenario: Scenario) -> dict[str, RoutingScore]:
    part = replace(tiers, scores=tiers.scores[inside], latencies=tiers.latencies[inside])
    rows: dict[str, RoutingScore] = rounded(references_of(part, scenario))
    return rows


def _bands(
    entered: Sequence[Scored], cut: tuple[str, str, str | None], scores: Sequence[EvalScore | DomainScore]
) -> Bands:
    """Bands on a track and scenario, or within one domain of it, from paired samples."""
    standings = []
    for s, score in zip(entered, scores, strict=True):
        repeats = s.entries[cut[:2]].score.repeats
        of = s.samples.points[cut], s.samples.rcs[cut].astype(np.float64)
        standings.append(Standing(score.rcs.value, repeats.entered if repeats else (0,), *of))
    return ranked(standings, scores[0].groups)
