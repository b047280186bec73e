"""Which routers of a table can be told apart: bands, and the gap that can be told at all.

Routers may enter different repeats of a track. Each two are compared on the repeats that both entered; pairs that share
the same repeats form a family, whose intervals hold at once, and all families together (Bonferroni). Bands stand
between routers that all share a repeat: the one that most of them entered, of several the first. Whoever did not enter
it cannot be compared with all of them, and has no band.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rsd_bench.config import MIN_RANKED_GROUPS
from rsd_bench.evaluation.compare_submissions import shared_repeats
from rsd_bench.metrics.arrays import FloatArray, IntArray
from rsd_bench.metrics.bootstrap import bands_within, rank_bands, simultaneous_margins
from rsd_bench.metrics.detectable import detectable_gap


@dataclass(frozen=True)
class Standing:
    """How a router stands in a table, or in a domain of it.

    value: as published; repeats: those entered; points: RCS of each, shape (R,); samples: the same resampled, shape
    (R, n_boot).
    """

    value: float
    repeats: tuple[int, ...]
    points: FloatArray
    samples: FloatArray

    def on(self, repeats: Sequence[int]) -> tuple[float, FloatArray]:
        """Point and samples as means over some of its repeats."""
        at = [self.repeats.index(repeat) for repeat in repeats]
        return float(self.points[at].mean()), np.asarray(self.samples[at].mean(axis=0, dtype=np.float64))


@dataclass(frozen=True)
class Bands:
    """Bands of the routers of a table, 1 = best, 0 of one that cannot be compared: it did not enter `repeat`.

    no_bands: why there are none, so that all others are 1; else None.
    minimum_detectable_gap: in RCS; None where no two routers differ, or the groups are too few to tell.
    """

    bands: IntArray
    no_bands: str | None
    minimum_detectable_gap: float | None
    repeat: int | None = None  # that the routers of all bands entered; None of figures that know no repeats

    def band(self, router: int) -> int | None:
        """The band of a router; None of one that cannot be compared."""
        return int(self.bands[router]) or None

    def why_none(self, router: int) -> str | None:
        """Why a router has no band where others have."""
        if self.bands[router]:
            return None
        return f"cannot be compared: did not enter repeat {self.repeat}, on which the others are ranked"


def by_band(band: int | None) -> tuple[bool, int]:
    """What sorts rows from the best band down; those without a band come last."""
    return band is None, band or 0


def ranked(standings: Sequence[Standing], groups: int) -> Bands:
    """Bands of a table. Fewer than MIN_RANKED_GROUPS groups give none."""
    entered = Counter(repeat for of in standings for repeat in of.repeats)
    shared = min(entered, key=lambda repeat: (-entered[repeat], repeat))
    inside = [i for i, of in enumerate(standings) if shared in of.repeats]
    found = _ranked([standings[i] for i in inside], groups)
    bands = np.zeros(len(standings), np.int64)
    bands[inside] = found.bands
    alone = len(standings) > 1 and len(inside) == 1
    why = "no two routers share a repeat" if alone else found.no_bands
    return Bands(bands, why, found.minimum_detectable_gap, shared)


def _ranked(standings: Sequence[Standing], groups: int) -> Bands:
    """Bands of routers of which each two share a repeat."""
    sets = list(dict.fromkeys(of.repeats for of in standings))
    if len(sets) == 1:
        samples = np.array([of.on(of.repeats)[1] for of in standings]).T
        bands = rank_bands(np.array([of.value for of in standings]), samples, groups)
        return reasoned(bands, groups, detectable_gap(samples, groups))
    families = list(dict.fromkeys(found for a in sets for b in sets if (found := shared_repeats([a, b]))))
    size = (len(standings), len(standings))
    differences, margins, gaps = np.zeros(size), np.full(size, np.inf), {}
    for family in families:
        members = [i for i, of in enumerate(standings) if set(of.repeats) >= set(family)]
        points, resampled = zip(*(standings[i].on(family) for i in members), strict=True)
        samples = np.array(resampled).T
        apart = simultaneous_margins(samples, groups, len(families))
        gaps[family] = len(members), detectable_gap(samples, groups)
        for i, a in enumerate(members):
            for j, b in enumerate(members):
                if shared_repeats([standings[a].repeats, standings[b].repeats]) == family:
                    differences[a, b], margins[a, b] = points[i] - points[j], apart[i, j]
    bands = bands_within(np.array([of.value for of in standings]), differences, margins)
    _, gap = max(gaps.values(), key=lambda of: of[0], default=(0, None))
    return reasoned(bands, groups, gap)


def reasoned(bands: IntArray, groups: int, gap: float | None) -> Bands:
    """Bands as a table shows them: where nothing is told apart, or groups are too few, all are 1, and it says why."""
    together = np.ones_like(bands)
    if groups < MIN_RANKED_GROUPS:
        return Bands(together, f"fewer than {MIN_RANKED_GROUPS} groups", gap)
    if len(bands) > 1 and bands.max() == 1:
        return Bands(together, "no two routers can be told apart", gap)
    return Bands(bands, None, gap)
