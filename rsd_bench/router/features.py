"""Features of the queries of a dataset, in the order of its pairs table.

v_stat: the query statistics as numbers (counts on a log scale, question type one-hot), z-scored with the mean and
deviation of the training rows only.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rsd_bench.arrays import FloatArray, IntArray
from rsd_bench.dataset.benchmark import read_table
from rsd_bench.query_statistics import IMAGE_NUMBERS, QUESTION_TYPES, TEXT_NUMBERS

_LOG_SCALE = {"characters", "words", "digits", "numbers", "width", "height", "megapixels", "aspect", "bytes_per_pixel"}

STATISTIC_NAMES = (
    *TEXT_NUMBERS,
    *IMAGE_NUMBERS,
    "multiple_choice",
    *(f"question_type={name}" for name in QUESTION_TYPES),
)


def read_statistics(folder: Path) -> FloatArray:
    """v_stat of every query of a dataset folder, shape (n, len(STATISTIC_NAMES)), not yet scaled."""
    struct = read_table(folder, "pairs", ["statistics"]).column("statistics").combine_chunks()
    columns = []
    for name in (*TEXT_NUMBERS, *IMAGE_NUMBERS):
        values = struct.field(name).to_numpy(zero_copy_only=False).astype(np.float64)
        columns.append(np.log1p(values) if name in _LOG_SCALE else values)
    columns.append(struct.field("multiple_choice").to_numpy(zero_copy_only=False).astype(np.float64))
    kinds = struct.field("question_type").to_numpy(zero_copy_only=False)
    columns += [(kinds == name).astype(np.float64) for name in QUESTION_TYPES]
    return np.column_stack(columns)


@dataclass(frozen=True)
class Scaler:
    """z-scores; a column that is constant on the training rows becomes 0."""

    mean: FloatArray
    deviation: FloatArray

    @classmethod
    def fit(cls, features: FloatArray, train: IntArray) -> Scaler:
        """From the training rows of a feature matrix."""
        mean, deviation = features[train].mean(axis=0), features[train].std(axis=0)
        return cls(mean, np.where(deviation > 0, deviation, np.inf))

    def __call__(self, features: FloatArray) -> FloatArray:
        return (features - self.mean) / self.deviation
