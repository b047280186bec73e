"""What the scripts of the page read; `model.js` is the other half of this contract.

Scores follow from the sufficient statistics (what_if.py), threshold curves are short texts (curves.py), and figures of
a router go as whole numbers in text (packed.py): counts as differences from level to level, seconds as what differs
from the means of the models, bounds of intervals as ten-thousandths. What all scenarios of a track share stands once.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby, pairwise
from typing import Any

from rsd_bench.board.case import Candidate, Z, deviate
from rsd_bench.board.contenders import contenders
from rsd_bench.board.leaderboard import BoardOverall, BoardRow, BoardSubmission, BoardTable, Leaderboard
from rsd_bench.board.packed import pack
from rsd_bench.board.shown_names import plain, shown_names
from rsd_bench.board.what_if import DomainFrame, Statistics
from rsd_bench.config import DROP_AT_CA, EMBEDDED, IN_DOMAIN, TAU_GRID
from rsd_bench.evaluation.result import json_data
from rsd_bench.routers.registry import ROUTERS
from rsd_bench.types import Interval, Problem, RoutingScore

_DECIMALS = 4  # of what is only shown
_NANO = 1_000_000_000
_PROBLEM_LENGTH = 300
#: Where to go from the page; from the repository's own, by paths beside `leaderboard/`.
_OUT = (("Paper", "https://arxiv.org/abs/2510.27256"),)
_HERE = (
    ("Repository", "../README.md"),
    ("Submit a router", "../docs/submitting.md"),
    ("Docs", "../docs/index.md"),
    ("Data card", "../dataset_cards/rsd-open.md"),
)


def page_data(board: Leaderboard) -> dict[str, Any]:
    """All of it, as JSON has it."""
    names = shown_names({s.slug: s.name for s in board.submissions})
    position = {s.slug: i for i, s in enumerate(board.submissions)}
    latency = {s.slug: s.router_latency.seconds for s in board.submissions}
    suite = board.overall.tracks if board.overall else [table.track for table in board.tables]
    swept = {IN_DOMAIN, *suite}
    by_track = [list(of) for _, of in groupby(board.tables, lambda table: (table.track, table.frames))]
    return {
        "dataset": json_data(board.dataset),
        "versions": {"metrics": board.metrics_version, "package": board.package_version},
        "basis": list(board.latency_basis),
        "bootstrap": json_data(board.bootstrap),
        "z": Z,
        "scenarios": _pairs(json_data(board.scenarios)),
        "home": IN_DOMAIN,
        "ways": [*(_HERE if board.dataset.name == EMBEDDED else ()), *_OUT],
        "option": ("" if board.dataset.name == EMBEDDED else " --data DATASET")
        + (" --scenarios FILE" if board.scenarios_given else ""),
        "taus": list(TAU_GRID),
        "dropAt": DROP_AT_CA,
        "noise": _pairs(json_data(board.noise or {})),
        "submissions": [_submission(s, names[s.slug]) for s in board.submissions],
        "refused": [
            {"slug": plain(r.slug), "problems": len(r.problems), "first": _first(r.problems)} for r in board.refused
        ],
        "overall": board.overall and _overall(board.overall, position),
        "parts": [_part(of[0]) for of in by_track],
        "tables": [table for of in by_track for table in _tables(of, position, latency, of[0].track in swept)],
    }


def _submission(submission: BoardSubmission, name: str) -> dict[str, Any]:
    latency = submission.router_latency
    return {
        "slug": submission.slug,
        "name": plain(name),
        "authors": [plain(author) for author in submission.authors],
        "url": submission.url,
        "description": plain(submission.description),
        "latency": latency.seconds,
        "hardware": plain(latency.hardware),
        "basis": latency.basis,
        "flags": list(submission.flags),
        "train": _trained_by(submission.description),
    }


def _trained_by(description: str) -> str | None:
    """The name by which `rsd-bench router train` knows a router: what `router submit` wrote into its description."""
    named = re.match("`([^`]+)` of rsd_bench\\b", description)
    return named[1] if named and named[1] in ROUTERS else None


def _first(problems: Sequence[Problem]) -> dict[str, str] | None:
    """What is wrong first and how to fix it, short enough for a list."""
    if not problems:
        return None
    return {"what": plain(problems[0].what)[:_PROBLEM_LENGTH], "fix": plain(problems[0].fix)[:_PROBLEM_LENGTH]}


def _overall(overall: BoardOverall, position: Mapping[str, int]) -> dict[str, Any]:
    """The table over the suite; a row is [submission, band, skill, low, high, gain, low, high]."""
    return {
        "tracks": list(overall.tracks),
        "groups": overall.groups,
        "gap": _short(overall.minimum_detectable_gap),
        "noBands": overall.no_bands,
        "rows": [
            [
                position[row.slug],
                row.band,
                *map(_short, (row.skill.value, row.skill.low, row.skill.high)),
                *map(_short, (row.gain.value, row.gain.low, row.gain.high)),
            ]
            for row in overall.rows
        ],
    }


def _part(table: BoardTable) -> dict[str, Any]:
    """What the tables of a track share, whatever the scenario."""
    groups = (table.groups, *(d.groups for d in table.rows[0].score.domains))
    return {
        "track": table.track,
        "frames": [
            [f.domain, f.n, list(f.levels), f.large_latency, d.groups]
            for f, d in zip(table.frames, table.rows[0].score.domains, strict=True)
        ],
        "deviates": [None if math.isnan(of := deviate(number)) else of for number in groups],
        "fixed": _pairs(table.fixed),
    }


def _tables(
    tables: Sequence[BoardTable], position: Mapping[str, int], latency: Mapping[str, float], swept: bool
) -> Iterator[Any]:
    """The tables of a track, one a scenario. swept: whether with threshold curves, a third of a row."""
    rows = [row for table in tables for row in table.rows]
    candidates = [
        Candidate(
            name=row.slug,
            statistics=row.statistics,
            router_s=latency[row.slug],
            cascade=row.score.kind == "cascade",
        )
        for row in rows
    ]
    shown = iter(contenders(tables[0].frames, candidates))
    for table in tables:
        yield _table(table) | {
            "rows": [_row(row, position[row.slug], latency[row.slug], next(shown), swept, table) for row in table.rows]
        }


def _table(table: BoardTable) -> dict[str, Any]:
    many = len(table.frames) > 1
    return {
        "track": table.track,
        "scenario": table.scenario,
        "n": table.n,
        "groups": table.groups,
        "protocol": table.protocol,
        "gap": _short(table.minimum_detectable_gap),
        "noBands": table.no_bands,
        "oracles": _oracles(table.references),
        "domainOracles": [[domain, _oracles(rows)] for domain, rows in table.domain_references.items()] if many else [],
        "simplex": _pairs(table.sensitivity.simplex),
        "mes": json_data(table.sensitivity.mes),
        "flags": _flags(table),
    }


def _flags(table: BoardTable) -> list[str]:
    return sorted({flag for row in table.rows for flag in row.flags})


def _oracles(references: Mapping[str, RoutingScore]) -> list[Any]:
    return [[name, [r.apsp, r.ca, r.ail, r.rcs]] for name, r in references.items() if name.endswith("oracle")]


def _pairs(named: Mapping[str, Any]) -> list[Any]:
    return [list(pair) for pair in named.items()]


def _row(
    row: BoardRow, submission: int, latency: float, shown: Iterable[bool], swept: bool, table: BoardTable
) -> list[Any]:
    """What `unpack` of model.js reads, in its order. shown: the blocks of its spread that are asked for."""
    score, flags = row.score, _flags(table)
    repeats = score.repeats.number if score.repeats else 1
    head = (repeats, int(score.kind == "cascade"), row.band or 0)
    by_domain = zip(row.domain_bands, score.domains, strict=True) if len(table.frames) > 1 else ()
    counts = _counts(row.statistics, table, latency, repeats)
    bounds = [of for band, d in by_domain for of in (band or 0, *_bounds(d.rcs))]
    return [
        submission,
        score.tau,
        [flags.index(flag) for flag in row.flags],
        pack([*head, *map(_ten_thousandths, _figures(row)), *bounds, *counts]),
        row.curve if swept else "",
        [[i, pack(_differences(row.spread[i]))] for i, asked in enumerate(shown) if asked and row.spread],
    ]


def _differences(block: Sequence[int]) -> Iterator[int]:
    """A block of a spread, each level as what it differs by from the one before: they hardly do."""
    yield from block[:5]
    yield from (block[i] - block[i - 4] for i in range(5, len(block)))


def _figures(row: BoardRow) -> tuple[float | None, ...]:
    score = row.score
    rcs, gain, others = score.rcs, score.gain, (score.over_escalated, score.under_escalated, score.skill)
    return (
        *(row.mean_tau, rcs.low, rcs.high, gain.low, gain.high, score.auroc.value, score.brier, score.ece),
        *(score.area_apsp_ca, score.apsp_drop, score.mean_score.value),
        *(None if share is None else share.value for share in others),
    )


def _bounds(interval: Interval) -> tuple[int, int]:
    return _ten_thousandths(interval.low), _ten_thousandths(interval.high)


def _ten_thousandths(value: float | None) -> int:
    """0 stands for no value, so that those from 0 up are one higher."""
    if value is None or math.isnan(value):
        return 0
    whole = round(float(value) * 10_000)
    return whole + 1 if whole >= 0 else whole


def _counts(statistics: Statistics, table: BoardTable, latency: float, repeats: int) -> Iterator[int]:
    """Statistics of a router, domain by domain, times its repeats where they count queries.

    Of more tiers than two, cost advantages are shares: billionths.
    """
    first, *_, last = table.fixed.values()
    unit = repeats if len(table.fixed) == 2 else _NANO
    for frame, (kept, waited, *solved), small, large in zip(table.frames, statistics, first, last, strict=True):
        yield round(kept * unit)
        yield round((waited - _expected_wait(frame, kept, small[1], large[1], latency)) * _NANO)
        at_least = [round(count * repeats) for count in solved]
        yield from (frame.n * repeats - count for count in at_least[:1])
        yield from (low - high for low, high in pairwise(at_least))


def _expected_wait(frame: DomainFrame, kept: float, small: float, large: float, latency: float) -> float:
    """Summed seconds of a router that keeps `kept` of a domain's queries, if every query took the mean of its model."""
    return kept * (small / frame.n) + (frame.n - kept) * (large / frame.n) + latency * frame.n


def _short(value: float | None) -> float | None:
    return None if value is None or math.isnan(value) else round(value, _DECIMALS) + 0.0
