"""v_stat: the query statistics as numbers, counts on a log scale, the question type one-hot; 0 what a query lacks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa

from rsd_bench.dataset.check_figures import require
from rsd_bench.dataset.query_statistics import IMAGE_NUMBERS, QUESTION_TYPES, TEXT_NUMBERS
from rsd_bench.dataset.tables import read_rows, read_table
from rsd_bench.features.blocks import OF_IMAGE as OF_IMAGE
from rsd_bench.features.blocks import STATISTIC_NAMES as STATISTIC_NAMES
from rsd_bench.metrics.arrays import BoolArray, FloatArray

_LOG_SCALE = {"characters", "words", "digits", "numbers", "width", "height", "megapixels", "aspect", "bytes_per_pixel"}


def read_statistics(folder: Path) -> tuple[FloatArray, BoolArray]:
    """v_stat of every query of a dataset folder, shape (n, len(STATISTIC_NAMES)), not yet scaled; and who has an image.

    InputError naming the first row whose statistics are missing or no numbers.
    """
    table = read_table(folder, "pairs", ["statistics", "image_sha256"])
    has_image = table.column("image_sha256").is_valid().to_numpy()
    with np.errstate(divide="ignore", invalid="ignore"):  # the logarithm of what is no count is none
        matrix, told = statistics_matrix(table.column("statistics").combine_chunks())
    bad = ~np.isfinite(matrix).all(axis=1) | (matrix[:, -len(QUESTION_TYPES) :].sum(axis=1) != 1) | (told != has_image)
    if bad.any():
        rows = read_rows(folder, "pairs", {"query_id": pa.string()})
        require(rows.problems(bad, "statistics are missing or no numbers", "build the dataset again"))
    return matrix, has_image


def statistics_matrix(struct: pa.StructArray) -> tuple[FloatArray, BoolArray]:
    """v_stat of n `statistics` structs, shape (n, len(STATISTIC_NAMES)), and which of them speak of an image, (n,).

    The numbers of an image that is not there are null; they become 0, on the scale of the column.
    """
    columns = []
    for name in (*TEXT_NUMBERS, *IMAGE_NUMBERS):
        values = struct.field(name).to_numpy(zero_copy_only=False).astype(np.float64)
        columns.append(np.log1p(values) if name in _LOG_SCALE else values)
    columns.append(struct.field("multiple_choice").to_numpy(zero_copy_only=False).astype(np.float64))
    kinds = struct.field("question_type").to_numpy(zero_copy_only=False)
    columns += [(kinds == name).astype(np.float64) for name in QUESTION_TYPES]
    matrix = np.column_stack(columns)
    told = ~np.isnan(matrix[:, OF_IMAGE]).all(axis=1)
    matrix[np.ix_(~told, OF_IMAGE)] = 0
    return matrix, told
