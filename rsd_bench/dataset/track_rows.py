"""The rows of a loaded dataset that take part in a track, by the part that they play there.

A track deals the queries anew: of a domain that is held out all are tested, in whichever split of the dataset they are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from rsd_bench.config import SPLITS
from rsd_bench.dataset.tables import read_table
from rsd_bench.dataset.tracks import FOLD

if TYPE_CHECKING:
    from datasets import Dataset


def rows_on_track(parts: Mapping[str, Dataset], folder: Path, track: str) -> dict[str, Dataset]:
    """The parts of a track, train to test, from all splits; one without a row only where `parts` has it.

    A cross-fitted track has folds and no parts: its rows stay in the dataset's own splits.
    """
    from datasets import concatenate_datasets

    whole = concatenate_datasets([parts[name] for name in SPLITS if name in parts])
    table = read_table(folder, "splits", ["query_id", "split", track]).to_pandas().set_index("query_id")
    plays = table[track].where(table[track] != FOLD, table["split"])
    of_rows = plays.reindex(whole.with_format("pandas")["query_id"][:]).to_numpy(object)
    found = {name: np.flatnonzero(of_rows == name) for name in SPLITS}
    return {name: whole.select(rows) for name, rows in found.items() if len(rows) or name in parts}


@contextmanager
def no_progress_bars() -> Iterator[None]:
    """`datasets` without its bars: copying a few thousand rows is no news, and standard error is for problems."""
    from datasets import disable_progress_bars, enable_progress_bars
    from datasets.utils import are_progress_bars_disabled

    quiet = are_progress_bars_disabled()
    disable_progress_bars()
    try:
        yield
    finally:
        if not quiet:
            enable_progress_bars()
