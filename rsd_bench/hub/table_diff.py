"""Rows of one table, or tracks, before and after: which came, which went, which changed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from rsd_bench.dataset.manifest import Manifest


@dataclass(frozen=True)
class TableDiff:
    """Rows of one table by key (joined with " | "); `changed` maps a key to the columns that differ."""

    added: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    changed: dict[str, list[str]] = field(default_factory=dict)
    columns_added: list[str] = field(default_factory=list)
    columns_removed: list[str] = field(default_factory=list)
    columns_retyped: list[str] = field(default_factory=list)

    @property
    def kind(self) -> str:
        if self.removed or self.changed or self.columns_removed or self.columns_retyped:
            return "major"
        return "minor" if self.added or self.columns_added else "patch"


def compare_tables(old: pd.DataFrame, new: pd.DataFrame, before: dict[str, str], after: dict[str, str]) -> TableDiff:
    both = old.index.intersection(new.index)
    changed: dict[str, list[str]] = {}
    for column in old.columns.intersection(new.columns):
        for key in both[differs(old.loc[both, column], new.loc[both, column])]:
            changed.setdefault(str(key), []).append(str(column))
    return TableDiff(
        added=sorted(map(str, new.index.difference(old.index))),
        removed=sorted(map(str, old.index.difference(new.index))),
        changed=dict(sorted(changed.items())),
        columns_added=[name for name in after if name not in before],
        columns_removed=[name for name in before if name not in after],
        columns_retyped=[name for name in before if name in after and before[name] != after[name]],
    )


def differs(a: pd.Series, b: pd.Series) -> np.ndarray[Any, Any]:
    """Where two columns of the same rows differ; null equals null only."""
    left, right = ([None if pd.isna(value) else value for value in side] for side in (a, b))
    return np.array([x != y for x, y in zip(left, right, strict=True)], bool)


def compare_tracks(before: Manifest, after: Manifest) -> TableDiff:
    """Tracks by name; what each says of its protocol, domains, sources and models."""
    old, new = ({track.name: vars(track) for track in side.tracks} for side in (before, after))
    changed = {
        name: [key for key, value in old[name].items() if new[name][key] != value] for name in old if name in new
    }
    return TableDiff(
        added=[name for name in new if name not in old],
        removed=[name for name in old if name not in new],
        changed={name: keys for name, keys in changed.items() if keys},
    )
