"""Do intervals hold what they say? `python benchmarks/coverage.py [--runs 2000] [--groups 5,10,31,184] [--json]`.

Draws many small datasets from a world whose truth is known, scores routers on each with the functions of the package
and counts: how often does a 95 % interval hold the truth (nominal: 95 %), and how often do the rank bands split ten
routers that are equally good (nominal: 5 %)? Beside both stands what plain percentiles, and bands without a correction
for few groups, make of the same samples. Seeded; eight minutes of one core with the defaults.

The world: scores from 0 to 10 of which half are shared by a group, so that its queries stand and fall together;
decisions that know nothing of them; modelled latency, or clocked: log-normal, also shared. `gain` is against all-edge;
`seldom` is the gain of a router that differs from all-edge in a tenth of the queries, of which 15 may hold none. Rank
figures (lift, skill, AUROC, APSP at a CA) are those of a p that is half score, half noise, either shared by a group;
their truth is what two million queries of one group each show.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rsd_bench.config import CONFIDENCE, N_BOOT_BANDS, SCENARIOS
from rsd_bench.metrics.bootstrap import group_sums, interval, rank_bands, resample_sums
from rsd_bench.metrics.label import label
from rsd_bench.metrics.rank_intervals import RANK_RANGES, RankTerms, rank_intervals
from rsd_bench.metrics.routing import DIFFERENCE_RANGES, RANGES, TERMS, Outcomes, metrics_of, terms

Array = NDArray[Any]
SCENARIO = SCENARIOS["fast_response"]
GROUPS = (5, 10, 31, 184)
QUERIES = (50, 100, 200, 600)  # each a group of its own
EDGE_SHARES = (0.6, 0.5, 0.9)  # of the two routers that are compared, and of the one that seldom differs from all-edge
SHARED = 0.5  # chance that a query has the score of its group instead of one of its own
LATENCY, SPREAD = (0.8, 6.4), 0.5  # seconds of the small and the large model; spread of a clocked one's logarithm
ROUTERS = 10
ENDLESS = 10**9  # groups of which no correction is left
SIZES: dict[str, Callable[[np.random.Generator, int], Array]] = {
    "3 each": lambda rng, n: np.full(n, 3),
    "unequal": lambda rng, n: rng.geometric(0.4, n),  # 2.5 on average
    "very unequal": lambda rng, n: np.maximum(1, np.round(rng.lognormal(0.7, 1.0, n))).astype(np.int64),
}
DIFFERENCES = ("gain", "difference", "seldom")
FIGURES = (*RANGES, *DIFFERENCES)
TRUTH = 2_000_000  # queries that the truth of rank figures is read from
EQUALS = ("apart", "alike")  # ten routers that decide independently; that differ in a tenth of the decisions


def shared(rng: np.random.Generator, codes: Array, draw: Callable[[int], Array]) -> Array:
    """A number for each query, which many have from their group; codes: group of each, without gaps."""
    return np.where(rng.random(len(codes)) < SHARED, draw(int(codes.max()) + 1)[codes], draw(len(codes)))


@dataclass(frozen=True)
class World:
    """Many datasets at once: `codes` numbers the groups of all of them, `outcomes` holds all their queries."""

    codes: Array
    outcomes: Outcomes

    @classmethod
    def draw(cls, rng: np.random.Generator, sizes: Array, clocked: bool) -> World:
        codes = np.repeat(np.arange(len(sizes)), sizes)

        def drawn(draw: Callable[[int], Array]) -> Array:
            return shared(rng, codes, draw)

        small, large = np.floor(11 * drawn(rng.random)), np.floor(11 * np.sqrt(drawn(rng.random)))
        latency = [
            seconds * np.exp(SPREAD * drawn(rng.standard_normal) - SPREAD**2 / 2) if clocked else seconds
            for seconds in LATENCY
        ]
        return cls(codes, Outcomes.of(small, large, *latency))

    def sums(self, routes: list[Array], runs: int) -> Array:
        """Group sums of the TERMS of each routing, shape (runs, groups, routings x TERMS)."""
        columns = np.hstack([terms(route, self.outcomes, SCENARIO.mes) for route in routes])
        summed = group_sums(columns, self.codes)
        return summed.reshape(runs, len(summed) // runs, -1)


def scores_of(sums: Array) -> list[dict[str, Array]]:
    """The metrics of each routing, from sums of their TERMS along the last axis."""
    return [metrics_of(part, SCENARIO) for part in np.split(sums, sums.shape[-1] // len(TERMS), axis=-1)]


def true_terms(share: float) -> list[float]:
    """What a query adds on average to the TERMS of a router that sends `share` of them to the small model."""
    solved = [np.mean(np.arange(11) >= SCENARIO.mes), 1 - (SCENARIO.mes / 11) ** 2]
    mean = [5.0, sum(1 - (k / 11) ** 2 for k in range(1, 11))]
    mixed = [share * pair[0] + (1 - share) * pair[1] for pair in (solved, mean, LATENCY)]
    return [1.0, mixed[0], mixed[1], share, mixed[2], LATENCY[1]]


def figures(sums: Array) -> dict[str, Array]:
    """What is given with an interval, from sums of the TERMS of the EDGE_SHARES routers and of all-edge."""
    a, b, seldom, edge = scores_of(sums)
    apart = (a["rcs"] - edge["rcs"], a["rcs"] - b["rcs"], seldom["rcs"] - edge["rcs"])
    return a | dict(zip(DIFFERENCES, apart, strict=True))


def coverage(groups: int, sizes: str, clocked: bool, runs: int, seed: int = 0) -> dict[str, dict[str, float]]:
    """Share of runs whose interval holds the truth, by figure: of plain percentiles (`before`) and of `interval`."""
    rng = np.random.default_rng((seed, groups, clocked))
    world = World.draw(rng, SIZES[sizes](rng, runs * groups), clocked)
    n = len(world.codes)
    sums = world.sums([*(rng.random(n) < share for share in EDGE_SHARES), np.ones(n, np.bool_)], runs)
    truth = figures(np.array([true_terms(share) for share in (*EDGE_SHARES, 1.0)]).ravel())
    within = RANGES | dict.fromkeys(DIFFERENCES, DIFFERENCE_RANGES["rcs"])
    held = {method: dict.fromkeys(FIGURES, 0) for method in ("before", "now")}
    tails = (1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2
    for run in sums:
        values, samples = (figures(of) for of in (run.sum(axis=0), resample_sums(run, N_BOOT_BANDS)))
        for name in FIGURES:
            found = interval(values[name], samples[name], groups, within[name])
            bounds = {"before": np.quantile(samples[name], tails), "now": (found.low, found.high)}
            for method, (low, high) in bounds.items():
                held[method][name] += low - 1e-9 <= truth[name] <= high + 1e-9
    return {method: {name: count / runs for name, count in of.items()} for method, of in held.items()}


def probability(rng: np.random.Generator, world: World) -> Array:
    """P(edge competent) that knows something of the score."""
    return (world.outcomes.small / 10 + shared(rng, world.codes, rng.random)) / 2


@cache
def rank_truth() -> dict[str, float]:
    """Rank figures of endless queries, nearly."""
    rng = np.random.default_rng(1)
    world = World.draw(rng, np.ones(TRUTH, np.int64), clocked=False)
    small, large = world.outcomes.small, world.outcomes.large
    solved = (scores >= SCENARIO.mes for scores in (small, large))
    terms = RankTerms.of(probability(rng, world), *solved, label(small, large, SCENARIO.mes))
    return {name: float(value) for name, value in terms.figures(terms.table.sum(axis=0)).items()}


def rank_coverage(groups: int, sizes: str, runs: int, seed: int = 0) -> dict[str, float]:
    """Share of intervals of `rank_intervals` that hold the truth, by figure, of those that are given."""
    rng = np.random.default_rng((seed, groups, 2))
    world = World.draw(rng, SIZES[sizes](rng, runs * groups), clocked=False)
    p = probability(rng, world)
    truth, held, given = rank_truth(), dict.fromkeys(RANK_RANGES, 0), dict.fromkeys(RANK_RANGES, 0)
    for chosen in np.split(np.arange(len(world.codes)), np.searchsorted(world.codes, np.arange(1, runs) * groups)):
        of = world.outcomes.take(chosen)
        found = rank_intervals(
            p[chosen],
            small=of.small,
            large=of.large,
            mes=SCENARIO.mes,
            groups=world.codes[chosen],
            n_boot=N_BOOT_BANDS,
        )
        for name, bounds in found.items():
            held[name] += bounds.low <= truth[name] <= bounds.high
            given[name] += not np.isnan(bounds.low)
    return {name: held[name] / count if count else np.nan for name, count in given.items()}


def family_wise(groups: int, sizes: Array, equals: str, runs: int, seed: int = 0) -> dict[str, float]:
    """Share of runs in which the bands split ROUTERS routers of equal worth: `before`, and `now` by `rank_bands`.

    sizes: of the groups of all runs.
    """
    rng = np.random.default_rng((seed, groups, len(sizes), EQUALS.index(equals)))
    world = World.draw(rng, sizes, clocked=False)
    n = len(world.codes)
    if equals == "apart":
        routes = [rng.random(n) < 0.5 for _ in range(ROUTERS)]
    else:
        shared = rng.random(n) < 0.5
        routes = [shared ^ (rng.random(n) < 0.05) for _ in range(ROUTERS)]
    split = {"before": 0, "now": 0}
    for run in world.sums(routes, runs):
        values, samples = (
            np.stack([of["rcs"] for of in scores_of(sums)], axis=-1)
            for sums in (run.sum(axis=0), resample_sums(run, N_BOOT_BANDS))
        )
        for method, told in (("before", ENDLESS), ("now", groups)):
            split[method] += int(rank_bands(values, samples, told).max() > 1)
    return {method: count / runs for method, count in split.items()}


def coverage_rows(groups: list[int], runs: int) -> list[dict[str, Any]]:
    worlds = [*((size, False) for size in SIZES), ("unequal", True)]
    rows: list[dict[str, Any]] = []
    for size, clocked in worlds:
        for count in groups:
            shares = coverage(count, size, clocked, runs)
            given = {"groups": count, "sizes": size, "latency": "clocked" if clocked else "modelled"}
            rows.append(given | {name: {method: of[name] for method, of in shares.items()} for name in FIGURES})
    return rows


def rank_coverage_rows(groups: list[int], runs: int) -> list[dict[str, Any]]:
    return [
        {"groups": count, "sizes": size}
        | {name: f"{100 * share:.1f}" for name, share in rank_coverage(count, size, runs).items()}
        for size in SIZES
        for count in groups
    ]


def family_wise_rows(groups: list[int], runs: int) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for size, counts in (("1 each", QUERIES), ("3 each", groups), ("unequal", groups)):
        for count in counts:
            rng = np.random.default_rng(count)
            sizes = np.ones(runs * count, np.int64) if size == "1 each" else SIZES[size](rng, runs * count)
            shares = {equals: family_wise(count, sizes, equals, runs) for equals in EQUALS}
            rows.append({"groups": count, "sizes": size} | shares)
    return rows


def table(rows: list[dict[str, Any]]) -> str:
    """Markdown; shares in per cent, before and now."""
    lines = [f"| {' | '.join(rows[0])} |", f"|{'---|' * len(rows[0])}"]
    for row in rows:
        cells = (
            " / ".join(f"{100 * share:.1f}" for share in cell.values()) if isinstance(cell, dict) else str(cell)
            for cell in row.values()
        )
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=2_000, help="datasets of each kind")
    parser.add_argument("--groups", default=",".join(map(str, GROUPS)), help="numbers of groups")
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    options = parser.parse_args()
    groups = [int(count) for count in options.groups.split(",")]
    found = {
        "coverage": coverage_rows(groups, options.runs),
        "rank_coverage": rank_coverage_rows(groups, options.runs),
        "family_wise": family_wise_rows(groups, options.runs),
    }
    if options.json:
        print(json.dumps({"runs": options.runs, **found}, indent=1))
        return
    print(f"Coverage of 95 % intervals, before / now, in per cent of {options.runs:,} runs\n")
    print(table(found["coverage"]))
    print("\nCoverage of 95 % intervals of rank figures, in per cent\n")
    print(table(found["rank_coverage"]))
    print("\nRuns that split ten equal routers, before / now, in per cent\n")
    print(table(found["family_wise"]))


if __name__ == "__main__":
    main()
