"""Tracks: which queries take part, between which models they are routed, and who learns from whom.

A track states its protocol. `cross-fitted`: each query is decided once a repeat, by a router that never saw its group.
`fixed-test`: the dataset's own train, validation and test. `domain-out`: learned without some domains, tested on all of
them. What part a query plays is a function of its domain, source, split, group and scores, so it can be checked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from rsd_bench.config import CROSS_FITTED, DOMAIN_OUT, FIXED_TEST, IN_DOMAIN, PROTOCOLS
from rsd_bench.metrics.arrays import BoolArray

#: The part of a query in a cross-fitted track: each in turn, by the fold of its group.
FOLD = "fold"
_MODELS = 2  # that a track routes between at least


@dataclass(frozen=True, kw_only=True)
class Track:
    """What is scored together. Empty: `train` and `test` every domain, `sources` every source, `tiers` the own pair.

    train, test: domains that are learned from (and select tau), and that are tested. tiers: models in order of cost,
    the cheapest first, in place of each query's own pair. costs: of an average query on each tier, in any one unit;
    empty: tiers are evenly spaced. suite: the track counts to the overall figures.
    """

    name: str
    protocol: str = CROSS_FITTED
    train: tuple[str, ...] = ()
    test: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    tiers: tuple[str, ...] = ()
    costs: tuple[float, ...] = ()
    suite: bool = False

    def __post_init__(self) -> None:
        if self.protocol not in PROTOCOLS:
            raise ValueError(f"protocol {self.protocol!r} is none of {', '.join(PROTOCOLS)}")
        if self.tiers and (len(self.tiers) < _MODELS or len(set(self.tiers)) < len(self.tiers)):
            raise ValueError(f"tiers {', '.join(self.tiers)}: at least {_MODELS} models are needed, each once")
        if self.costs and len(self.costs) != (len(self.tiers) or _MODELS):
            raise ValueError(f"has {len(self.costs)} costs for {len(self.tiers) or _MODELS} tiers")

    @property
    def count(self) -> int:
        """K, the number of tiers."""
        return len(self.tiers) or _MODELS

    @property
    def cross_fitted(self) -> bool:
        return self.protocol == CROSS_FITTED

    def to_dict(self) -> dict[str, Any]:
        """As in a manifest, without the name; what is empty is not there."""
        told = {key: list(value) if isinstance(value, tuple) else value for key, value in vars(self).items()}
        return {key: value for key, value in told.items() if key != "name" and value not in ([], False)}

    @classmethod
    def from_dict(cls, name: str, data: Mapping[str, Any]) -> Track:
        """ValueError, KeyError or TypeError where it is none. Without a protocol it is a fixed test, as of schema 1."""
        lists = {key: tuple(data.get(key, ())) for key in ("train", "test", "sources", "tiers", "costs")}
        return cls(name=name, protocol=data.get("protocol", FIXED_TEST), suite=bool(data.get("suite", False)), **lists)


def in_domain(protocol: str) -> Track:
    """The track of all queries and their own pairs, which every dataset has."""
    return Track(name=IN_DOMAIN, protocol=protocol)


def leave_one_out(domains: Sequence[str], protocol: str) -> list[Track]:
    """`leave-<domain>-out` for each domain group, where there are at least two."""
    names = sorted(set(domains))
    if len(names) < 2:
        return []
    return [
        Track(name=f"leave-{name}-out", protocol=protocol, train=tuple(d for d in names if d != name), test=(name,))
        for name in names
    ]


def parts_of(track: Track, queries: pd.DataFrame, scored: BoolArray | None = None) -> list[str | None]:
    """The part that each query plays: train, validation, test, FOLD, or None where it takes no part.

    queries: with domain, source, split and group_id. scored: which have a score of every tier; default all.
    Of `domain-out` all queries of the tested domains are tested; the others learn, where none of them
    shares their group.
    """
    inside = np.ones(len(queries), np.bool_) if scored is None else scored.copy()
    if track.sources:
        inside &= queries["source"].isin(track.sources).to_numpy(np.bool_)
    learns = queries["domain"].isin(track.train).to_numpy(np.bool_) if track.train else np.ones(len(queries), np.bool_)
    tests = queries["domain"].isin(track.test).to_numpy(np.bool_) if track.test else np.ones(len(queries), np.bool_)
    split = queries["split"].to_numpy(object)
    part = np.full(len(queries), None, object)
    if track.cross_fitted:
        part[inside] = FOLD
    elif track.protocol == DOMAIN_OUT:
        tested = inside & tests
        groups = queries["group_id"]
        apart = ~groups.isin(groups[tested]).to_numpy(np.bool_)
        learns = inside & learns & ~tests & apart
        part[learns] = np.where(split[learns] == "validation", "validation", "train")
        part[tested] = "test"
    else:
        takes = inside & np.where(split == "test", tests, learns)
        part[takes] = split[takes]
    found: list[str | None] = part.tolist()
    return found
