"""From counts of n-grams to rows of length 1: (1 + ln tf) idf of the n-grams that at least two training rows hold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from scipy import sparse

from rsd_bench.config import NGRAM_BUCKETS
from rsd_bench.metrics.arrays import FloatArray, IntArray

MIN_ROWS = 2  # an n-gram of a single row says nothing of another


@dataclass(frozen=True)
class NgramWeights:
    """The buckets kept, rising, shape (d,), and the idf of each: ln((1 + n) / (1 + df)) + 1."""

    buckets: IntArray
    idf: FloatArray

    @classmethod
    def fit(cls, counts: Any) -> Self:
        """From the counts of the training rows, CSR of shape (n, NGRAM_BUCKETS)."""
        rows_with = np.bincount(counts.indices, minlength=NGRAM_BUCKETS)
        kept = np.flatnonzero(rows_with >= MIN_ROWS)
        return cls(kept, np.log((1 + counts.shape[0]) / (1 + rows_with[kept])) + 1)

    def __call__(self, counts: Any) -> Any:
        """Weighted rows, CSR of float64, shape (n, d): of Euclidean length 1, or empty."""
        n, d = counts.shape[0], len(self.buckets)
        column = np.searchsorted(self.buckets, counts.indices)
        known = np.append(self.buckets, -1)[column] == counts.indices
        row = np.repeat(np.arange(n), np.diff(counts.indptr))[known]
        column = column[known]
        values = (1 + np.log(counts.data[known].astype(np.float64))) * self.idf[column]
        values /= np.sqrt(np.bincount(row, values**2, minlength=n))[row]
        ends = np.concatenate([[0], np.cumsum(np.bincount(row, minlength=n))])
        return sparse.csr_array((values, column, ends), shape=(n, d))
