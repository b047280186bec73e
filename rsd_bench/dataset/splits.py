"""Leak-free splits: queries that share a group, an image, a sound or a video always fall into the same split.

The split of a group is a function of its id alone (a hash in [0, 1) cut at 0.6 and 0.8), so adding rows moves nothing,
unless a new row ties two groups together by a shared image: then they must stand in one split.
`tracks` says which part a query plays in each track.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rsd_bench.config import FOLDS, SPLIT_SHARES, SPLITS, STANDING_GROUPS
from rsd_bench.metrics.arrays import IntArray

_SALT = "rsd_bench split 1\n"


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


@dataclass(frozen=True)
class QuestionGroups:
    """Group id of each query after equal question texts were joined; whether its text is a standing prompt."""

    groups: list[str]
    standing: list[bool]


def folded_question(text: str) -> str:
    """A question text without what case and white space say: two queries of equal folded text ask the same."""
    return " ".join(text.split()).casefold()


def join_equal_questions(groups: Sequence[str], questions: Sequence[str | None]) -> QuestionGroups:
    """Join groups that ask the same: `leakage_groups` of the groups and their folded question texts.

    groups: of each query, as `leakage_groups` made them of ids and images. A text that stands in more than
    STANDING_GROUPS of them is a standing prompt ("Describe the image."): it says nothing of what is asked, and joins
    nothing; nor does a query without words.
    """
    folded = [folded_question(question or "") for question in questions]
    stands_in: dict[str, set[str]] = {}
    for group, text in zip(groups, folded, strict=True):
        stands_in.setdefault(text, set()).add(group)
    standing = [bool(text) and len(stands_in[text]) > STANDING_GROUPS for text in folded]
    asked = [[text] if text and not alone else [] for text, alone in zip(folded, standing, strict=True)]
    return QuestionGroups(leakage_groups(groups, asked), standing)


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


def turns(fold: IntArray) -> Iterator[tuple[IntArray, IntArray, IntArray]]:
    """Each fold in turn: who learns, by whom is chosen, who is decided; positions in `fold`.

    A fold is decided by a router that learns from the others, of which the next one is for choosing.
    """
    for k in range(FOLDS):
        aside = (k + 1) % FOLDS
        masks = ((fold != k) & (fold != aside), fold == aside, fold == k)
        train, validation, test = map(np.flatnonzero, masks)
        yield train, validation, test


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
