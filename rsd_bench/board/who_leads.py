"""Who leads for whom: the submissions of a board ranked under each scenario of a file, and how alike the rankings are.

Formulas, intervals and bands are those of the board. What differs is what decisions were made for: a submission decides
by the tau that it names for the scenario itself, else by that of the scenario, among those that it enters, whose MES is
the nearest. `decided_for` says which; no router was tuned to a scenario that it does not name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np

from rsd_bench.board.bands import Standing, by_band, ranked
from rsd_bench.board.build_board import submission_folders
from rsd_bench.board.scored import UNREADABLE, refusal
from rsd_bench.config import N_BOOT
from rsd_bench.dataset.benchmark import Benchmark
from rsd_bench.dataset.parts import Part
from rsd_bench.evaluation.cells import Cell, Decided, Layout
from rsd_bench.evaluation.references import best_fixed_name, fixed_names, references_of
from rsd_bench.evaluation.result import rounded
from rsd_bench.evaluation.track_score import met_tiers
from rsd_bench.metrics.arrays import IntArray
from rsd_bench.metrics.bootstrap import interval
from rsd_bench.metrics.routing import RANGES
from rsd_bench.metrics.tiers import Tiers, check_tiers_scenario
from rsd_bench.submission.check_submission import check_submission
from rsd_bench.submission.submission import Submission
from rsd_bench.types import InputError, Interval, Problem, Scenario

_SEED = 0


@dataclass(frozen=True, kw_only=True)
class Ranked:
    """A submission in a ranking. decided_for: the scenario whose tau and probabilities are its decisions.

    band: None where it cannot be compared with the others, and not_compared says why.
    """

    band: int | None
    not_compared: str | None
    slug: str
    name: str
    decided_for: str
    rcs: Interval
    gain: Interval  # over the best fixed policy


@dataclass(frozen=True)
class ScenarioRanking:
    """The ranking under one scenario, from the best band down. no_bands: why there are none; else None."""

    scenario: Scenario
    best_fixed: str
    no_bands: str | None
    rows: tuple[Ranked, ...]


@dataclass(frozen=True)
class Likeness:
    """Rank correlations of the RCS of the submissions under two scenarios; None where all are equal, or one only."""

    a: str
    b: str
    spearman: float | None
    kendall: float | None


@dataclass(frozen=True)
class WhoLeads:
    """All rankings of a track. refused: submissions with problems; absent: those that do not enter the track."""

    track: str
    n: int
    groups: int
    rankings: tuple[ScenarioRanking, ...]
    likeness: tuple[Likeness, ...]
    refused: tuple[str, ...]
    absent: tuple[str, ...]


def who_leads(submissions: Path, scenarios: Mapping[str, Scenario], benchmark: Benchmark, track: str) -> WhoLeads:
    """Rank the submissions below a folder on a track under each scenario.

    InputError where there is no such track, no submission of it, or a scenario under which all-small always wins.
    """
    if track not in benchmark.tracks:
        raise InputError.at(track, "is no track", f"use {', '.join(benchmark.tracks)}")
    part = benchmark.part(track, "test")
    if problems := [problem for scenario in scenarios.values() for problem in _degenerate(scenario, part)]:
        raise InputError(problems)
    opened = {folder.name: _opened(folder, benchmark) for folder in submission_folders(submissions)}
    sound = {name: found for name, found in opened.items() if isinstance(found, Submission)}
    entered = {name: found for name, found in sound.items() if any(at == track for at, _ in found.entries)}
    if not entered:
        raise InputError.at(submissions, f"holds no submission that enters {track!r}", "name the right --submissions")
    layout = Layout.of(part, {None: np.ones(len(part), np.bool_)}, N_BOOT, _SEED)
    field = _Field(track, part, layout, tuple(entered.values()), benchmark.scenarios)
    rankings = tuple(_ranking(field, scenario) for scenario in scenarios.values())
    return WhoLeads(
        track=track,
        n=len(part),
        groups=field.groups,
        rankings=rankings,
        likeness=tuple(_likeness(*pair) for pair in combinations(rankings, 2)),
        refused=tuple(name for name in opened if name not in sound),
        absent=tuple(name for name in sound if name not in entered),
    )


def decided_for(submission: Submission, track: str, scenario: Scenario, named: Mapping[str, Scenario]) -> str:
    """The scenario whose decisions stand for `scenario`: itself where it is entered, else the nearest in MES.

    named: the scenarios that submissions name a tau for; of two that are equally near, the first.
    """
    entered = [name for name in named if (track, name) in submission.entries]
    if scenario.name in entered:
        return scenario.name
    return min(entered, key=lambda name: abs(named[name].mes - scenario.mes))


@dataclass(frozen=True)
class _Field:
    """Who is ranked on what. layout: what is resampled; every submission and scenario sees the same draws."""

    track: str
    part: Part
    layout: Layout
    submissions: tuple[Submission, ...]
    named: Mapping[str, Scenario]  # the scenarios of the dataset, which submissions name a tau for

    @property
    def groups(self) -> int:
        return int(self.part.group_codes.max()) + 1

    def cell(self, choices: Sequence[IntArray], tiers: Tiers, scenario: Scenario, router_latency: float) -> Cell:
        """The figures of decisions, means over repeats, and of resamples, as a board has them."""
        decided = Decided(tiers, scenario, tuple(choices), router_latency)
        summed = self.layout.summed([decided.scores()], N_BOOT, _SEED)
        (cells,) = self.layout.cells_of(summed, [decided], N_BOOT, _SEED)
        return cells[None]


def _ranking(field: _Field, scenario: Scenario) -> ScenarioRanking:
    straight = field.part.tiers
    best_fixed = best_fixed_name(references_of(straight, scenario), straight.count)
    everywhere = np.full(len(field.part), fixed_names(straight.count).index(best_fixed))
    fixed = field.cell([everywhere], straight, scenario, 0.0)
    bases = [decided_for(submission, field.track, scenario, field.named) for submission in field.submissions]
    cells, standings = [], []
    for submission, basis in zip(field.submissions, bases, strict=True):
        said, tiers = submission.entries[field.track, basis], met_tiers(submission, field.part)
        cell = field.cell(list(said.choice), tiers, scenario, submission.router_latency_s)
        cells.append(cell)
        value, samples = rounded(float(cell.values["rcs"])), cell.rcs_samples.astype(np.float64)
        standings.append(Standing(value, said.repeats, cell.repeats, samples))
    found = ranked(standings, field.groups)
    rows = []
    for i, (submission, basis, cell) in enumerate(zip(field.submissions, bases, cells, strict=True)):
        value, samples = float(cell.values["rcs"]), cell.samples["rcs"]
        gain = value - float(fixed.values["rcs"]), samples - fixed.samples["rcs"]
        rows.append(
            Ranked(
                band=found.band(i),
                not_compared=found.why_none(i),
                slug=submission.slug,
                name=submission.meta.declared.name,
                decided_for=basis,
                rcs=rounded(interval(value, samples, field.groups, RANGES["rcs"])),
                gain=rounded(interval(*gain, field.groups)),
            )
        )
    rows.sort(key=lambda row: (by_band(row.band), -row.rcs.value, row.slug))
    return ScenarioRanking(scenario, best_fixed, found.no_bands, tuple(rows))


def _degenerate(scenario: Scenario, part: Part) -> list[Problem]:
    try:
        check_tiers_scenario(scenario, part.tiers)
    except ValueError as error:
        return [Problem("--scenarios", str(error))]
    return []


def _opened(folder: Path, benchmark: Benchmark) -> Submission | list[Problem]:
    try:
        submission, problems = check_submission(folder, benchmark)
    except UNREADABLE as error:
        return refusal(folder, error)
    return submission or problems


def _likeness(a: ScenarioRanking, b: ScenarioRanking) -> Likeness:
    from scipy.stats import kendalltau, spearmanr

    scores = [{row.slug: row.rcs.value for row in ranking.rows} for ranking in (a, b)]
    each = [np.array([of[slug] for slug in sorted(scores[0])]) for of in scores]
    if any(np.ptp(values) == 0 for values in each):
        return Likeness(a.scenario.name, b.scenario.name, None, None)
    spearman, kendall = (float(rank(*each).statistic) for rank in (spearmanr, kendalltau))
    return Likeness(a.scenario.name, b.scenario.name, spearman, kendall)
