"""Queries that are scored together, and their resamples: a track's test part as a whole, and each domain of it.

Terms of a query are means over repeats, so that a group is resampled with all its repeats together.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rsd_bench.config import N_BOOT_BANDS
from rsd_bench.dataset.parts import Part
from rsd_bench.metrics.arrays import BoolArray, FloatArray, IntArray, group_codes
from rsd_bench.metrics.bootstrap import group_sums, interval, resample_sums, resampling_units
from rsd_bench.metrics.routing import RANGES, TERMS, metrics_of
from rsd_bench.metrics.tier_intervals import decided_columns, decided_figures, repeated_columns
from rsd_bench.metrics.tiers import Tiers, tier_columns
from rsd_bench.types import Interval, Scenario


@dataclass(frozen=True)
class Decided:
    """What a router decided on a part under a scenario: the tiers as it meets them, and its choice in each repeat."""

    tiers: Tiers  # `cascade` where the router is one
    scenario: Scenario
    choices: tuple[IntArray, ...]
    router_latency: float
    costs: FloatArray | None = None

    def columns(self) -> Iterator[NDArray[Any]]:
        """Per-query terms of every figure (`decided_columns`), then TERMS of each repeat where there are several."""
        yield from decided_columns(self.choices, self.tiers, self.scenario, self.router_latency, self.costs)
        yield from self._each_repeat()

    def scores(self) -> Iterator[NDArray[Any]]:
        """TERMS, then those of each repeat where there are several."""
        yield from repeated_columns(self.choices, self.tiers, self.scenario.mes, self.router_latency)
        yield from self._each_repeat()

    def _each_repeat(self) -> Iterator[NDArray[Any]]:
        if len(self.choices) > 1:
            for choice in self.choices:
                yield from tier_columns(choice, self.tiers, self.scenario.mes, self.router_latency)


@dataclass(frozen=True)
class Cell:
    """Figures of queries that are scored together, and of resamples of their groups.

    repeats: RCS of each repeat, shape (R,); rcs_samples: the first N_BOOT_BANDS resampled, float32, shape (R, n_boot).
    """

    n: int
    groups: int
    values: Mapping[str, FloatArray]
    samples: Mapping[str, FloatArray]
    repeats: FloatArray
    rcs_samples: NDArray[np.float32]

    def metrics(self) -> dict[str, Interval]:
        return {
            name: interval(float(self.values[name]), self.samples[name], self.groups, within)
            for name, within in RANGES.items()
        }


@dataclass(frozen=True)
class Layout:
    """How queries fall into cells, and within each cell into units of resampling, numbered through all cells."""

    units: IntArray  # (n,)
    cells: tuple[tuple[str | None, int, int, slice], ...]  # domain, queries, groups, its units

    @classmethod
    def of(cls, part: Part, inside: Mapping[Any, BoolArray], n_boot: int, seed: int) -> Layout:
        units, cells, start = np.zeros(len(part), np.int64), [], 0
        for domain, chosen in inside.items():
            codes = group_codes(part.group_codes[chosen], int(chosen.sum()))
            own = resampling_units(codes, seed) if n_boot else np.zeros(len(codes), np.int64)
            stop = start + int(own.max()) + 1
            units[chosen] = start + own
            cells.append((domain, len(codes), int(codes.max()) + 1, slice(start, stop)))
            start = stop
        return cls(units, tuple(cells))

    def scored(self, columns: Iterable[NDArray[Any]], decided: Decided, n_boot: int, seed: int) -> dict[Any, Cell]:
        """A cell by domain, of `decided.columns()` or `decided.scores()`."""
        scenario, repeats = decided.scenario, len(decided.choices)
        sums, own = group_sums(columns, self.units), len(TERMS) * repeats if repeats > 1 else 0
        out = {}
        for domain, n, groups, units in self.cells:
            each = sums[units].sum(axis=0), resample_sums(sums[units], n_boot, seed)
            values, samples = (_figures(of[..., : of.shape[-1] - own], scenario) for of in each)
            rcs, resampled = values["rcs"][None], samples["rcs"][None, :N_BOOT_BANDS]
            if own:
                rcs, resampled = (
                    np.stack([metrics_of(terms, scenario)["rcs"] for terms in np.split(of, repeats, axis=-1)])
                    for of in (each[0][-own:], each[1][:N_BOOT_BANDS, -own:])
                )
            out[domain] = Cell(n, groups, values, samples, rcs, resampled.astype(np.float32))
        return out


def _figures(sums: FloatArray, scenario: Scenario) -> dict[str, FloatArray]:
    return metrics_of(sums, scenario) if sums.shape[-1] == len(TERMS) else decided_figures(sums, scenario)
