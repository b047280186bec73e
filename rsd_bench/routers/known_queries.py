"""The training queries whose words come nearest to a question: by id and similarity, why a router of words decides.

A checkpoint keeps no text. Of the rows that a router learned from it keeps the id, and how often each n-gram that the
router knows stands there, as places among those n-grams. Rows of the same n-grams are kept once, by the first id: they
are equally near. Where there are more than MAX_KNOWN_NGRAMS entries (about 1 MB), so many rows as fit are drawn: near
ones of a sample explain as well, and a checkpoint stays small whatever it was trained on.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from rsd_bench.config import MAX_KNOWN_NGRAMS, NGRAM_BUCKETS
from rsd_bench.features.blocks import Features
from rsd_bench.routers.ngram_weights import NgramWeights
from rsd_bench.routers.saved_state import State


@dataclass(frozen=True)
class KnownQueries:
    """n training queries: ids, shape (n,); counts, CSR of shape (n, NGRAM_BUCKETS), of n-grams that `words` weighs."""

    ids: NDArray[np.object_]
    counts: Any
    words: NgramWeights

    @classmethod
    def of(cls, learned: Features, words: NgramWeights) -> Self:
        """Of the rows that a router learned from."""
        counts = _kept(learned.ngrams, words)
        ends, seen = counts.indptr, dict[bytes, int]()
        for row, (start, end) in enumerate(zip(ends[:-1].tolist(), ends[1:].tolist(), strict=True)):
            if end > start:
                seen.setdefault(counts.indices[start:end].tobytes() + counts.data[start:end].tobytes(), row)
        rows = np.fromiter(seen.values(), np.int64, len(seen))
        if np.diff(ends)[rows].sum() > MAX_KNOWN_NGRAMS:
            drawn = np.random.default_rng(0).permutation(rows)
            rows = np.sort(drawn[np.cumsum(np.diff(ends)[drawn]) <= MAX_KNOWN_NGRAMS])
        return cls(learned.query_ids[rows], counts[rows], words)

    @cached_property
    def _weighted(self) -> Any:
        return self.words(self.counts)

    def nearest(self, counts: Any, count: int) -> list[tuple[tuple[str, float], ...]]:
        """Of each row of n-gram counts the `count` nearest queries: id, and the cosine of weighted n-grams, above 0."""
        near = (self._weighted @ self.words(counts).T).toarray()
        found = []
        for column in near.T:
            first = np.argsort(-column, kind="stable")[:count]
            found.append(tuple((str(self.ids[i]), round(float(column[i]), 6)) for i in first if column[i] > 0))
        return found

    def state(self) -> State:
        """What `of_state` makes it from again, with the weights of the n-grams."""
        places = np.searchsorted(self.words.buckets, self.counts.indices)
        texts = [str(query_id).encode("utf-8", "surrogatepass") for query_id in self.ids]
        arrays = {
            "places": places.astype(np.min_scalar_type(len(self.words.buckets))),
            "counts": self.counts.data.astype(np.min_scalar_type(int(self.counts.data.max(initial=1)))),
            "ends": self.counts.indptr[1:].astype(np.int32),
            "ids": np.frombuffer(b"".join(texts), np.uint8),
            "id_ends": np.cumsum([len(text) for text in texts], dtype=np.int32),
        }
        return State({}, arrays)

    @classmethod
    def of_state(cls, state: State, words: NgramWeights) -> Self:
        """ValueError where the state is none."""
        places = state.integers("places", None, high=len(words.buckets))
        counts = state.integers("counts", len(places), low=1, high=1 << 32)
        ends, id_ends, text = state.integers("ends", None), state.integers("id_ends", None), state.integers("ids", None)
        for of, length in ((ends, len(places)), (id_ends, len(text))):
            if len(of) != len(ends) or (np.diff(of, prepend=0) < 0).any() or sum(of[-1:]) != length:
                raise ValueError("known queries do not fit each other")
        starts = np.zeros(len(places), np.bool_)
        starts[np.append(0, ends)[:-1][np.diff(ends, prepend=0) > 0]] = True
        if not (starts | (np.diff(places, prepend=-1) > 0)).all():
            raise ValueError("places of known queries do not rise")
        data = text.astype(np.uint8).tobytes()
        pieces = zip(np.append(0, id_ends)[:-1].tolist(), id_ends.tolist(), strict=True)
        ids = np.array([data[start:end].decode("utf-8", "surrogatepass") for start, end in pieces], object)
        whole = (counts.astype(np.float32), words.buckets[places], np.append(0, ends))
        return cls(ids, sparse.csr_array(whole, shape=(len(ends), NGRAM_BUCKETS)), words)


def _kept(counts: Any, words: NgramWeights) -> Any:
    """The counts without n-grams that have no weight."""
    known = np.isin(counts.indices, words.buckets)
    ends = np.append(0, np.cumsum(known))[counts.indptr]
    return sparse.csr_array((counts.data[known], counts.indices[known], ends), shape=counts.shape)
