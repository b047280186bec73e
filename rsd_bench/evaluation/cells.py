"""Queries that are scored together, and their resamples: a track's test part as a whole, and each domain of it.

Terms of a query are means over repeats, so that a group is resampled with all its repeats together.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rsd_bench.config import N_BOOT_BANDS
from rsd_bench.dataset.parts import Part
from rsd_bench.metrics.arrays import BoolArray, FloatArray, IntArray, group_codes
from rsd_bench.metrics.bootstrap import group_sums, interval, resample_sums, resampling_units
from rsd_bench.metrics.routing import RANGES, TERMS, metrics_of
from rsd_bench.metrics.tier_intervals import decided_columns, decided_figures, own_columns, own_rcs, repeated_columns
from rsd_bench.metrics.tiers import Tiers, tier_columns
from rsd_bench.types import Interval, Scenario


@dataclass(frozen=True)
class Decided:
    """What a router decided on a part under a scenario: the tiers as it meets them, and its choice in each repeat."""

    tiers: Tiers  # `cascade` where the router is one
    scenario: Scenario
    choices: tuple[IntArray, ...]
    router_latency: float

    def columns(self) -> Iterator[NDArray[Any]]:
        """Per-query terms of every figure: `decided_columns`."""
        return decided_columns(self.choices, self.tiers, self.scenario, self.router_latency)

    def scores(self) -> Iterator[NDArray[Any]]:
        """TERMS alone."""
        return repeated_columns(self.choices, self.tiers, self.scenario.mes, self.router_latency)

    def of_repeats(self) -> Iterator[NDArray[Any]]:
        """What RCS needs of each repeat beyond the TERMS of all."""
        for choice in self.choices:
            yield from own_columns(tier_columns(choice, self.tiers, self.scenario.mes, self.router_latency))

    def rcs_of_repeats(self, own: FloatArray, terms: FloatArray) -> FloatArray:
        """RCS of each repeat, (R, ...), from sums of `of_repeats` and of TERMS."""
        return np.stack([own_rcs(one, terms, self.scenario) for one in np.split(own, len(self.choices), axis=-1)])


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

    def summed(
        self, blocks: Iterable[Iterable[NDArray[Any]] | FloatArray], n_boot: int, seed: int, first: int | None = None
    ) -> dict[Any, list[tuple[FloatArray, FloatArray]]]:
        """By domain, of each block of per-query columns the sums over all queries, and over resamples.

        All blocks share the draws and one matrix product; first: only so many of the resamples.
        """
        each = [group_sums(block, self.units) for block in blocks]
        sums, ends = np.hstack(each), np.cumsum([block.shape[1] for block in each])[:-1]
        out = {}
        for domain, _, _, units in self.cells:
            found = sums[units].sum(axis=0), resample_sums(sums[units], n_boot, seed, first)
            out[domain] = list(zip(*(np.split(of, ends, axis=-1) for of in found), strict=True))
        return out

    def cells_of(
        self,
        summed: Mapping[Any, Sequence[tuple[FloatArray, FloatArray]]],
        asked: Sequence[Decided],
        n_boot: int,
        seed: int,
    ) -> list[dict[Any, Cell]]:
        """Per scenario a cell by domain; summed: the first blocks are its `columns` or `scores`."""
        several = len(asked[0].choices) > 1
        each = self.summed((of.of_repeats() for of in asked), n_boot, seed, N_BOOT_BANDS) if several else {}
        out: list[dict[Any, Cell]] = [{} for _ in asked]
        for domain, n, groups, _ in self.cells:
            for i, decided in enumerate(asked):
                total, resampled = summed[domain][i]
                values, samples = (_figures(of, decided.scenario) for of in (total, resampled))
                rcs, of_rcs = values["rcs"][None], samples["rcs"][None, :N_BOOT_BANDS]
                if several:
                    terms = total, resampled[:N_BOOT_BANDS]
                    rcs, of_rcs = (
                        decided.rcs_of_repeats(own, of) for own, of in zip(each[domain][i], terms, strict=True)
                    )
                out[i][domain] = Cell(n, groups, values, samples, rcs, of_rcs.astype(np.float32))
        return out


def _figures(sums: FloatArray, scenario: Scenario) -> dict[str, FloatArray]:
    return metrics_of(sums, scenario) if sums.shape[-1] == len(TERMS) else decided_figures(sums, scenario)
