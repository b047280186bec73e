"""The overall table: routers that enter every track of the dataset's suite, by overall skill."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rsd_bench.board.bands import reasoned
from rsd_bench.board.leaderboard import BoardOverall, OverallRow
from rsd_bench.board.scored import Scored
from rsd_bench.evaluation.result import rounded
from rsd_bench.metrics.bootstrap import rank_bands
from rsd_bench.metrics.detectable import detectable_gap


def board_overall(accepted: Sequence[Scored]) -> BoardOverall | None:
    """Bands are those of overall skill, which is about the order of p alone; gain, which is about decisions, stands
    beside it. None where nobody enters the whole suite."""
    entered = [s for s in accepted if s.overall and "skill" in s.samples.overall]
    if not entered:
        return None
    figures = [s.overall for s in entered if s.overall]
    values = np.array([of.skill.value for of in figures])
    samples, groups = np.array([s.samples.overall["skill"] for s in entered], np.float64).T, figures[0].groups
    samples = samples[~np.isnan(samples).any(axis=1)]
    known = len(samples) > 0 and not np.isnan(values).any()
    gap = detectable_gap(samples, groups) if known else None
    bands = rank_bands(values, samples, groups) if known else np.ones(len(values), np.int64)
    found = reasoned(bands, groups, gap)
    rows = [
        OverallRow(
            band=int(band),
            slug=s.slug,
            name=s.submission.name,
            kind=next(iter(s.entries.values())).score.kind,
            skill=of.skill,
            gain=of.gain,
            by_scenario=of.by_scenario,
        )
        for s, of, band in zip(entered, figures, found.bands, strict=True)
    ]
    return BoardOverall(
        tracks=figures[0].tracks,
        groups=groups,
        minimum_detectable_gap=rounded(found.minimum_detectable_gap),
        no_bands=found.no_bands,
        rows=tuple(sorted(rows, key=lambda row: (row.band, -row.skill.value, row.slug))),
    )
