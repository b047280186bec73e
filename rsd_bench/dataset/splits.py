"""Leak-free splits: queries that share a group, an image, a sound or a video always fall into the same split.

The split of a group is a function of its id alone (a hash in [0, 1) cut at 0.6 and 0.8), so adding rows moves nothing,
unless a new row ties two groups together by a shared image: then they must stand in one split.
Tracks choose among the splits by domain: they train on training rows, select on validation rows, test on test rows.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rsd_bench.config import SPLIT_SHARES, SPLITS

_SALT = "rsd_bench split 1\n"


@dataclass(frozen=True)
class Track:
    """A cross-domain track: which domain groups train (and select tau), which are tested."""

    name: str
    train: tuple[str, ...]
    test: tuple[str, ...]


def leakage_groups(groups: Sequence[str], media: Sequence[Sequence[str]]) -> list[str]:
    """Final group id per query: components of "same group" and "same medium", each named by its smallest group id.

    media: what identifies the images, sounds and videos of each query, such as their hashes.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    names, group_code = np.unique(np.asarray(groups, dtype=object), return_inverse=True)
    shown = np.array([item for items in media for item in items], dtype=object)
    _, medium_code = np.unique(shown, return_inverse=True)
    of = np.repeat(group_code, [len(items) for items in media])
    size = len(names) + int(medium_code.max(initial=-1)) + 1
    edges = coo_array((np.ones(len(of), np.bool_), (of, len(names) + medium_code)), shape=(size, size))
    _, component = connected_components(edges, directed=False)
    smallest: dict[int, str] = {}
    for name, part in zip(names, component[: len(names)], strict=True):  # sorted: the first seen is the smallest
        smallest.setdefault(int(part), str(name))
    return [smallest[int(part)] for part in component[group_code]]


def split_of(group_id: str) -> str:
    """train, validation or test, by the SHA-256 of the group id."""
    digest = hashlib.sha256((_SALT + group_id).encode()).digest()
    position = int.from_bytes(digest[:8], "big") / 2**64
    if position < SPLIT_SHARES[0]:
        return SPLITS[0]
    return SPLITS[1] if position < SPLIT_SHARES[0] + SPLIT_SHARES[1] else SPLITS[2]


def fold_of(groups: Iterable[str], folds: int, seed: int) -> NDArray[np.int64]:
    """The cross-validation fold, 0 ... folds - 1, of each query by a hash of its group id and the seed, shape (n,)."""
    names, codes = np.unique(np.array(list(groups), dtype=object), return_inverse=True)
    digests = (hashlib.sha256(f"rsd_bench fold {seed}\n{name}".encode()).digest() for name in names)
    fold = np.array([int.from_bytes(digest[:8], "big") % folds for digest in digests], dtype=np.int64)
    return np.asarray(fold[codes])


def leave_one_out(domains: Sequence[str]) -> list[Track]:
    """`leave-<domain>-out` for each domain group, where there are at least two."""
    names = sorted(set(domains))
    if len(names) < 2:
        return []
    return [Track(f"leave-{name}-out", tuple(d for d in names if d != name), (name,)) for name in names]


def track_split(track: Track, domain: str, split: str) -> str | None:
    """The part a query plays in a track: its split where its domain takes that part there, else None."""
    takes = track.test if split == "test" else track.train
    return split if domain in takes else None


def domain_groups(mapping: Mapping[str, Sequence[str]] | None, domains: Sequence[str]) -> dict[str, str]:
    """Source domain -> domain group; an unmapped domain is its own group. ValueError for a domain in two groups."""
    found = {domain: domain for domain in domains}
    seen: dict[str, str] = {}
    for group, members in (mapping or {}).items():
        for domain in members:
            if domain in seen:
                raise ValueError(f"domain {domain!r} stands in {seen[domain]!r} and {group!r}")
            seen[domain] = group
    return found | {domain: seen[domain] for domain in found if domain in seen}
