"""The rankings of a board: one table per track and scenario, with bands, reference policies and what the page needs.

A table is plain data. Ranks are bands: routers whose paired interval contains 0 share one.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from rsd_bench.board.flags import decision_flags
from rsd_bench.board.scored import Scored, processors
from rsd_bench.board.sensitivity import sensitivity
from rsd_bench.board.what_if import domain_frames, statistics_of
from rsd_bench.config import SCENARIOS
from rsd_bench.dataset.benchmark import Benchmark, Part
from rsd_bench.metrics.bootstrap import rank_bands
from rsd_bench.metrics.routing import Outcomes, reference_scores
from rsd_bench.types import Scenario

_DECIMALS = 9


def board_tables(accepted: Sequence[Scored], benchmark: Benchmark) -> list[dict[str, Any]]:
    """A table for each track and scenario that somebody enters, in the dataset's order of tracks."""
    wanted = [
        (entered, track, scenario)
        for track in benchmark.tracks
        for scenario in SCENARIOS.values()
        if (entered := [s for s in accepted if s.enters(track, scenario.name)])
    ]
    parts = {track: benchmark.part(track, "test") for _, track, _ in wanted}
    with ThreadPoolExecutor(processors()) as pool:  # most of the time goes to numpy, which lets other threads run
        return list(pool.map(lambda each: _table(each[0], parts[each[1]], *each[1:]), wanted))


def _table(entered: Sequence[Scored], part: Part, track: str, scenario: Scenario) -> dict[str, Any]:
    """One ranking: rows from the best band down, then reference policies without a rank."""
    rows = {s.slug: s.rows[track][scenario.name] for s in entered}
    statistics = {s.slug: s.statistics[track][scenario.name] for s in entered}
    frames = domain_frames(part)
    bands = _bands(entered, (track, scenario.name, None), [row["rcs"]["value"] for row in rows.values()])
    by_domain = {f["domain"]: bands for f in frames}
    if len(frames) > 1:
        for position, frame in enumerate(frames):
            values = [row["domains"][position]["rcs"]["value"] for row in rows.values()]
            by_domain[frame["domain"]] = _bands(entered, (track, scenario.name, frame["domain"]), values)
    order = sorted(entered, key=lambda s: (bands[s.slug], -rows[s.slug]["rcs"]["value"], s.slug))
    fixed = {
        name: statistics_of(np.full(len(part), name == "all-edge"), part, 0.0) for name in ("all-edge", "all-cloud")
    }
    return {
        "track": track,
        "scenario": scenario.name,
        "n": len(part),
        "rows": [
            {
                "band": bands[s.slug],
                "slug": s.slug,
                "name": s.meta["name"],
                **{k: v for k, v in rows[s.slug].items() if k != "random"},
                "domains": [d | {"band": by_domain[d["domain"]][s.slug]} for d in rows[s.slug]["domains"]],
                "flags": decision_flags(rows[s.slug]),
            }
            for s in order
        ],
        "references": _references(part.outcomes, scenario),
        "domain_references": {
            domain: _references(part.outcomes.take(inside), scenario) for domain, inside in part.by_domain.items()
        },
        "random": {slug: row["random"] for slug, row in rows.items()},
        "curves": {s.slug: s.curves[track][scenario.name] for s in entered},
        "what_if": {"domains": frames, "statistics": statistics, "fixed": fixed},
        "sensitivity": sensitivity(frames, statistics, fixed, scenario),
    }


def _references(outcomes: Outcomes, scenario: Scenario) -> list[dict[str, Any]]:
    """Reference policies, the same for every router."""
    return [
        {"policy": name, **{k: round(v, _DECIMALS) + 0.0 if k != "n" else v for k, v in row.to_dict().items()}}
        for name, row in reference_scores(outcomes, scenario).items()
    ]


def _bands(entered: Sequence[Scored], key: tuple[str, str, str | None], values: Sequence[float]) -> dict[str, int]:
    """Rank band of each slug on a track and scenario, or within one domain of it, from paired samples."""
    samples = np.array([s.samples[key] for s in entered], np.float64)
    bands = rank_bands(np.array(values), samples.T)
    return {s.slug: int(band) for s, band in zip(entered, bands, strict=True)}
