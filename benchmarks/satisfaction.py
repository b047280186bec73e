"""Is the MES of people found again? `python benchmarks/satisfaction.py [--runs 400] [--ratings 300,100] [--json]`.

Draws many cohorts whose MES is known, fits each with the function of the package and counts: how often does the fit lie
within 0.5 of the truth, how often does its 95 % interval hold it, and how often is a cohort that does not look at the
scores fitted all the same? Seeded; a minute of one core with the defaults.

The world: each query has two ratings, of one answer each. Scores are whole numbers, tenths (both uniform), or graded
(30 % are 0, 35 % are 10, the rest whole numbers between). A person whose MES is M is satisfied from M on, but

- `contrary`: says the opposite with a fixed chance, whatever the score; or
- `soft`: is satisfied with the chance 1 / (1 + exp((M - score) / width)), so that expectations differ among people.

With chance 1/2 the two ratings of a query share their luck. Where expectations are soft, the score that separates best
is not M but the score at which the chance to be satisfied is the share of satisfied ratings; the table has both.
"""

from __future__ import annotations

import argparse
import json
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rsd_bench.metrics.satisfaction import MesFit, fit_mes

Array = NDArray[Any]
WHOLE, TENTHS = np.arange(11.0), np.arange(101) / 10
#: The scores that occur, and their chances.
SCORES: dict[str, tuple[Array, Array]] = {
    "whole": (WHOLE, np.full(11, 1 / 11)),
    "tenths": (TENTHS, np.full(101, 1 / 101)),
    "graded": (WHOLE, np.array([0.30, *[0.35 / 9] * 9, 0.35])),
}
NOISES = (("contrary", 0.1), ("contrary", 0.2), ("soft", 0.5), ("soft", 1.0))
MES = (4, 5, 6, 7, 8)
NEAR = 0.5
SHARED = 0.5  # chance that the two ratings of a query share their luck


@dataclass(frozen=True)
class World:
    """How scores fall, and what people who have an MES of `mes` say of them."""

    scores: str
    noise: str
    size: float
    mes: float

    @property
    def chances(self) -> Array:
        """Of being satisfied, for each score that occurs."""
        levels, _ = SCORES[self.scores]
        if self.noise == "contrary":
            return np.where(levels >= self.mes, 1 - self.size, self.size)
        return 1 / (1 + np.exp((self.mes - levels) / self.size))

    @property
    def separating(self) -> float:
        """The score that separates best among endlessly many ratings."""
        levels, share = SCORES[self.scores]
        yes, no = share * self.chances, share * (1 - self.chances)
        right = yes[::-1].cumsum()[::-1] / yes.sum() + (no.cumsum() - no) / no.sum()
        return float(levels[right.argmax()])

    def fit(self, ratings: int, seed: int) -> MesFit:
        """The fit of one cohort."""
        rng = np.random.default_rng((seed, *map(ord, self.scores + self.noise), int(10 * self.size), int(self.mes)))
        levels, share = SCORES[self.scores]
        at = rng.choice(len(levels), ratings, p=share)
        queries = np.arange(ratings) // 2
        luck, shared = rng.random(ratings), rng.random(ratings)[queries]
        luck = np.where(rng.random(ratings)[queries] < SHARED, shared, luck)
        return fit_mes(levels[at], luck < self.chances[at], queries, seed=seed)


def held(fits: list[MesFit], truth: float) -> float:
    """Share of the fits whose interval holds the truth."""
    return float(np.mean([fit.mes.low - 1e-9 <= truth <= fit.mes.high + 1e-9 for fit in fits]))


def near(fits: list[MesFit], truth: float) -> float:
    """Share of the fits within NEAR of the truth."""
    return float(np.mean([abs(fit.mes.value - truth) <= NEAR + 1e-9 for fit in fits]))


def recovery(scores: str, noise: str, size: float, ratings: int, runs: int) -> dict[str, Any]:
    """Of `runs` cohorts, dealt over MES: shares near the truth and with an interval that holds it."""
    per_mes = math.ceil(runs / len(MES))
    found: dict[str, list[float]] = {name: [] for name in ("near_mes", "held_mes", "near_best", "held_best", "width")}
    for mes in MES:
        world = World(scores, noise, size, float(mes))
        fits = [world.fit(ratings, seed) for seed in range(per_mes)]
        found["near_mes"].append(near(fits, world.mes))
        found["held_mes"].append(held(fits, world.mes))
        found["near_best"].append(near(fits, world.separating))
        found["held_best"].append(held(fits, world.separating))
        found["width"].append(float(np.mean([fit.mes.high - fit.mes.low for fit in fits])))
    means = {name: float(np.mean(values)) for name, values in found.items()}
    return {"scores": scores, "noise": noise, "size": size, "ratings": ratings, **means}


def fitted_by_chance(scores: str, ratings: int, runs: int) -> float:
    """Share of cohorts that are fitted although they are satisfied with chance 0.6 whatever the score."""
    levels, share = SCORES[scores]
    fitted = 0
    for seed in range(runs):
        rng = np.random.default_rng((seed, ratings))
        given = rng.choice(levels, ratings, p=share)
        fitted += fit_mes(given, rng.random(ratings) < 0.6, np.arange(ratings) // 2, seed=seed).predicts
    return fitted / runs


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=400, help="cohorts of each kind")
    parser.add_argument("--ratings", default="300,100", help="numbers of ratings")
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    options = parser.parse_args()
    sizes = [int(count) for count in options.ratings.split(",")]
    rows = [
        recovery(scores, *noise, ratings, options.runs) for ratings in sizes for scores in SCORES for noise in NOISES
    ]
    chance = {f"{scores}, {n}": fitted_by_chance(scores, n, options.runs) for n in sizes for scores in SCORES}
    if options.json:
        print(json.dumps({"runs": options.runs, "recovery": rows, "fitted_by_chance": chance}, indent=1))
        return
    print("| ratings | scores | noise | near MES | holds MES | near best | holds best | width |")
    print("|---|---|---|---|---|---|---|---|")
    for row in rows:
        shares = (f"{100 * row[name]:.1f}" for name in ("near_mes", "held_mes", "near_best", "held_best"))
        noise = f"{row['noise']} {row['size']:g}"
        print(f"| {row['ratings']} | {row['scores']} | {noise} | {' | '.join(shares)} | {row['width']:.2f} |")
    print("\nFitted by chance, in per cent:", "; ".join(f"{name}: {100 * share:.1f}" for name, share in chance.items()))


if __name__ == "__main__":
    main()
