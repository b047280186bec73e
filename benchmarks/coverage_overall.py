"""Do overall figures hold what they say? `python benchmarks/coverage_overall.py [--runs 400] [--groups 10,31,100,300]`.

As `coverage.py`, for a suite: tracks that ask the same queries of one small and several large models, and a router that
was trained several times. Many small suites are drawn from a world whose truth is known, and counted: how often does a
95 % interval of overall skill and gain hold the truth (nominal: 95 %), and how often do bands on them split ten routers
that are equally good (nominal: 5 %)? Seeded; twenty minutes of one core with the defaults.

The world: a group shares half of its scores; the large models of different tracks share half of theirs; p is half score
and half noise, of which a half is the router's own, shared by a group, and a half is of each repeat. In `clear` the
large model is the better fixed policy by far, in `tied` both fixed policies are nearly equal.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rsd_bench.config import N_BOOT_BANDS
from rsd_bench.metrics.bootstrap import rank_bands
from rsd_bench.metrics.overall import Overall, SuiteTrack, overall
from rsd_bench.types import Scenario

Array = NDArray[Any]
GROUPS = (10, 31, 100, 300)
WORLDS = {
    "clear": [
        Scenario(name="eight", mes=8, alpha=0.9, beta=0.05, gamma=0.05),
        Scenario(name="six", mes=6, alpha=0.85, beta=0.03, gamma=0.12),
    ],
    "tied": [Scenario(name="five", mes=5, alpha=0.8, beta=0.15, gamma=0.05)],
}
SUITES = {"one track": (1, 1), "one track, 3 repeats": (1, 3), "3 tracks, 3 repeats": (3, 3)}  # tracks, repeats
QUERIES = 2.5  # of a group, on average
TAU = 0.5
ROUTERS = 10
TRUTH = 400_000  # queries that the truth is read from
FIGURES = ("skill", "gain")


def shared(rng: np.random.Generator, codes: Array) -> Array:
    """A number in [0, 1] for each query, which half of them have from their group."""
    own = rng.random(len(codes))
    return np.where(rng.random(len(codes)) < 0.5, rng.random(int(codes.max()) + 1)[codes], own)


@dataclass(frozen=True)
class Suite:
    """Queries in groups, what the models of each track answered, and the noise in the p of each router."""

    codes: Array
    small: Array
    large: list[Array]

    @classmethod
    def draw(cls, rng: np.random.Generator, codes: Array, tracks: int) -> Suite:
        common = shared(rng, codes)
        large = [np.where(rng.random(len(codes)) < 0.5, common, shared(rng, codes)) for _ in range(tracks)]
        return cls(codes, np.floor(11 * shared(rng, codes)), [np.floor(11 * np.sqrt(of)) for of in large])

    def router(self, rng: np.random.Generator, world: str, repeats: int, n_boot: int) -> Overall:
        """A router of this world, scored."""
        n, tracks = len(self.codes), {}
        for i, large in enumerate(self.large):
            each = shared(rng, self.codes)[:, None] / 2 + rng.random((n, repeats)) / 2
            p = self.small[:, None] / 20 + each / 2
            by_scenario = {scenario.name: p for scenario in WORLDS[world]}
            tracks[f"track {i}"] = SuiteTrack(
                small=self.small,
                large=large,
                groups=self.codes,
                p_edge=by_scenario,
                route_small={name: of >= TAU for name, of in by_scenario.items()},
            )
        return overall(tracks, scenarios=WORLDS[world], n_boot=n_boot)


def drawn(rng: np.random.Generator, groups: int, tracks: int) -> Suite:
    return Suite.draw(rng, np.repeat(np.arange(groups), rng.geometric(1 / QUERIES, groups)), tracks)


@cache
def truth(world: str) -> dict[str, float]:
    """Skill and gain of endless queries, nearly: the same of any number of tracks, groups and repeats."""
    rng = np.random.default_rng(1)
    found = Suite.draw(rng, np.arange(TRUTH), 1).router(rng, world, 2, 0)
    return {name: getattr(found, name).value for name in FIGURES}


def coverage(groups: int, world: str, suite: str, runs: int, seed: int = 0) -> dict[str, float]:
    """Share of runs whose interval holds the truth, by figure."""
    rng, (tracks, repeats) = np.random.default_rng((seed, groups, len(suite))), SUITES[suite]
    held = dict.fromkeys(FIGURES, 0)
    for _ in range(runs):
        found = drawn(rng, groups, tracks).router(rng, world, repeats, N_BOOT_BANDS)
        for name in FIGURES:
            bounds = getattr(found, name)
            held[name] += bounds.low <= truth(world)[name] <= bounds.high
    return {name: count / runs for name, count in held.items()}


def family_wise(groups: int, world: str, suite: str, runs: int, seed: int = 0) -> dict[str, float]:
    """Share of runs in which bands split ROUTERS routers of equal worth, by figure."""
    rng, (tracks, repeats) = np.random.default_rng((seed, groups, len(suite), 1)), SUITES[suite]
    split = dict.fromkeys(FIGURES, 0)
    for _ in range(runs):
        of = drawn(rng, groups, tracks)
        routers = [of.router(rng, world, repeats, N_BOOT_BANDS) for _ in range(ROUTERS)]
        for name in FIGURES:
            values = np.array([getattr(router, name).value for router in routers])
            samples = np.stack([router.samples[name] for router in routers], axis=1)
            split[name] += int(rank_bands(values, samples, groups).max() > 1)
    return {name: count / runs for name, count in split.items()}


def rows(groups: list[int], runs: int) -> dict[str, list[dict[str, Any]]]:
    """Shares in per cent, by table."""
    found: dict[str, list[dict[str, Any]]] = {"coverage": [], "family_wise": []}
    for suite in SUITES:
        for count in groups:
            split = {name: f"{100 * share:.1f}" for name, share in family_wise(count, "clear", suite, runs).items()}
            found["family_wise"].append({"groups": count, "suite": suite} | split)
            for world in WORLDS:
                held = {name: f"{100 * share:.1f}" for name, share in coverage(count, world, suite, runs).items()}
                found["coverage"].append({"groups": count, "suite": suite, "fixed policies": world} | held)
            print(count, suite, split, *found["coverage"][-2:], file=sys.stderr, flush=True)
    return found


def table(of: list[dict[str, Any]]) -> str:
    lines = [list(of[0]), ["---"] * len(of[0]), *(map(str, row.values()) for row in of)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=400, help="suites of each kind")
    parser.add_argument("--groups", default=",".join(map(str, GROUPS)), help="numbers of groups")
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    options = parser.parse_args()
    found = rows([int(count) for count in options.groups.split(",")], options.runs)
    if options.json:
        print(json.dumps({"runs": options.runs, **found}, indent=1))
        return
    for name, of in found.items():
        print(f"\n{name}, in per cent\n\n{table(of)}")


if __name__ == "__main__":
    main()
