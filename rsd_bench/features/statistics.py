"""v_stat: the query statistics as numbers, counts on a log scale, the question type one-hot."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa

from rsd_bench.dataset.check_figures import require
from rsd_bench.dataset.query_statistics import IMAGE_NUMBERS, QUESTION_TYPES, TEXT_NUMBERS
from rsd_bench.dataset.tables import read_rows, read_table
from rsd_bench.metrics.arrays import FloatArray

_LOG_SCALE = {"characters", "words", "digits", "numbers", "width", "height", "megapixels", "aspect", "bytes_per_pixel"}

STATISTIC_NAMES = (
    *TEXT_NUMBERS,
    *IMAGE_NUMBERS,
    "multiple_choice",
    *(f"question_type={name}" for name in QUESTION_TYPES),
)


def read_statistics(folder: Path) -> FloatArray:
    """v_stat of every query of a dataset folder, shape (n, len(STATISTIC_NAMES)), not yet scaled.

    InputError naming the first row whose statistics are missing or no numbers.
    """
    struct = read_table(folder, "pairs", ["statistics"]).column("statistics").combine_chunks()
    with np.errstate(divide="ignore", invalid="ignore"):  # the logarithm of what is no count is none
        matrix = statistics_matrix(struct)
    bad = ~np.isfinite(matrix).all(axis=1) | (matrix[:, -len(QUESTION_TYPES) :].sum(axis=1) != 1)
    if bad.any():
        rows = read_rows(folder, "pairs", {"query_id": pa.string()})
        require(rows.problems(bad, "statistics are missing or no numbers", "build the dataset again"))
    return matrix


def statistics_matrix(struct: pa.StructArray) -> FloatArray:
    """v_stat of n `statistics` structs, shape (n, len(STATISTIC_NAMES))."""
    columns = []
    for name in (*TEXT_NUMBERS, *IMAGE_NUMBERS):
        values = struct.field(name).to_numpy(zero_copy_only=False).astype(np.float64)
        columns.append(np.log1p(values) if name in _LOG_SCALE else values)
    columns.append(struct.field("multiple_choice").to_numpy(zero_copy_only=False).astype(np.float64))
    kinds = struct.field("question_type").to_numpy(zero_copy_only=False)
    columns += [(kinds == name).astype(np.float64) for name in QUESTION_TYPES]
    return np.column_stack(columns)
