"""N-grams of a question: how often each word, sign and pair of neighbours stands in it, by a hash and not by its name.

The text is case-folded (`str.casefold`) and cut into the matches of NGRAM_TOKENS: runs of word characters, and single
signs. An n-gram is one token, or two neighbours with a space between, in UTF-8; its bucket is the lower 18 bits of its
CRC-32. The standard library's: the same on every machine, and loaded at no cost where scikit-learn takes a second.

Stored as two lists a query, buckets in rising order and their counts: figures that a dataset may carry where it may not
carry the question. Who guesses an n-gram can see whether its bucket is taken.
"""

from __future__ import annotations

import re
import zlib
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

from rsd_bench.config import NGRAM_BUCKETS, NGRAM_ORDERS, NGRAM_TOKENS

if TYPE_CHECKING:
    import pyarrow as pa

_TOKEN = re.compile(NGRAM_TOKENS)
COLUMNS = ("ngram_buckets", "ngram_counts")


def ngrams_of(question: str) -> list[str]:
    """The n-grams of a question, single tokens first, each as often as it stands there."""
    tokens = _TOKEN.findall(question.casefold())
    return [" ".join(tokens[i : i + n]) for n in NGRAM_ORDERS for i in range(len(tokens) - n + 1)]


def bucket_of(ngram: str) -> int:
    """0 ... NGRAM_BUCKETS - 1."""
    return zlib.crc32(ngram.encode("utf-8", "surrogatepass")) & (NGRAM_BUCKETS - 1)


def count_ngrams(questions: Iterable[str]) -> Any:
    """Counts by bucket, CSR of float32, shape (n, NGRAM_BUCKETS), buckets rising; of an empty question none."""
    buckets: list[int] = []
    counts: list[int] = []
    ends = [0]
    for question in questions:
        found = sorted(Counter(map(bucket_of, ngrams_of(question))).items())
        buckets.extend(bucket for bucket, _ in found)
        counts.extend(count for _, count in found)
        ends.append(len(buckets))
    return _csr(np.array(buckets, np.int32), np.array(counts, np.float32), np.array(ends))


def _csr(buckets: Any, counts: Any, ends: Any) -> Any:
    return sparse.csr_array((counts, buckets, ends.astype(np.int32)), shape=(len(ends) - 1, NGRAM_BUCKETS))


def ngram_columns(questions: Sequence[str]) -> dict[str, pa.ListArray]:
    """The counts of questions as columns of a table, COLUMNS."""
    import pyarrow as pa

    counted = count_ngrams(questions)
    ends = pa.array(counted.indptr, pa.int32())
    values = (pa.array(part.astype(np.int32), pa.int32()) for part in (counted.indices, counted.data))
    return {name: pa.ListArray.from_arrays(ends, of) for name, of in zip(COLUMNS, values, strict=True)}


def ngram_block(table: pa.Table) -> Any:
    """The counts of a table with COLUMNS, as `count_ngrams` gives them. ValueError where it holds something else."""
    import pyarrow as pa

    lists = [table.column(name).combine_chunks() for name in COLUMNS]
    if any(of.type != pa.list_(pa.int32()) or of.null_count for of in lists):
        raise ValueError(f"n-grams are no lists of int32: {', '.join(str(of.type) for of in lists)}")
    buckets, counts = (of.flatten() for of in lists)
    lengths, others = (of.value_lengths().to_numpy(zero_copy_only=False) for of in lists)
    if buckets.null_count or counts.null_count or not np.array_equal(lengths, others):
        raise ValueError("n-grams have other counts than buckets")
    flat, times = (of.to_numpy(zero_copy_only=False) for of in (buckets, counts))
    ends = np.concatenate([[0], np.cumsum(lengths)])
    first = np.zeros(len(flat) + 1, np.bool_)
    first[ends[:-1]] = True
    rising = np.diff(flat, prepend=-1) > 0
    if not (rising | first[:-1]).all() or not ((flat >= 0) & (flat < NGRAM_BUCKETS) & (times > 0)).all():
        raise ValueError("n-grams are no buckets in rising order with counts of at least 1")
    return _csr(flat.astype(np.int32), times.astype(np.float32), ends)
