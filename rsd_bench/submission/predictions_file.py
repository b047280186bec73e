"""Find the predictions file of a submission and read it by its format, within the bounds of the dataset."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa

from rsd_bench.submission.parquet_predictions import read_parquet
from rsd_bench.submission.predictions import FIX_COLUMNS, Bounds, Predictions
from rsd_bench.submission.submission import PREDICTION_FILES
from rsd_bench.submission.submission_files import need_plain_file
from rsd_bench.submission.text_predictions import read_csv, read_jsonl
from rsd_bench.types import InputError

_READERS = {".parquet": read_parquet, ".jsonl": read_jsonl, ".csv": read_csv}


def read_predictions(folder: Path, bounds: Bounds) -> Predictions:
    """The predictions of a folder; InputError listing what is wrong with the file as a whole.

    A file that is too large, too many rows or a longer text than any valid one is refused before it is unpacked.
    """
    found = [folder / name for name in PREDICTION_FILES if (folder / name).exists() or (folder / name).is_symlink()]
    if len(found) != 1:
        what = "has no predictions file" if not found else f"has {len(found)} predictions files"
        raise InputError.at(folder, what, f"give one of {', '.join(PREDICTION_FILES)}")
    path = found[0]
    need_plain_file(path, bounds.file_bytes)
    try:
        return _READERS[path.suffix](path, bounds)
    except (pa.ArrowException, KeyError, OSError, UnicodeError, OverflowError) as error:
        what = (str(error).splitlines() or [type(error).__name__])[0][:200]
        raise InputError.at(path, f"cannot be read: {what}", FIX_COLUMNS) from None
