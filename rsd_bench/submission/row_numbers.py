"""Hold the numbers of rows against their tracks: repeats that there are, a probability for each tier but the last."""

from __future__ import annotations

import numpy as np

from rsd_bench.dataset.benchmark import Benchmark
from rsd_bench.metrics.arrays import IntArray
from rsd_bench.submission.row_faults import RowFaults
from rsd_bench.submission.submission import P_EDGE, REPEAT, number_columns


def check_probabilities(faults: RowFaults, track: IntArray, benchmark: Benchmark) -> None:
    """p_edge in rows of a track of two tiers, p_1 ... p_{K-1} in those of K: each in [0, 1], and no other.

    track: of each row, a position in benchmark.tracks, -1 where it is unknown: then two tiers are taken for granted.
    """
    counts = np.array([*(benchmark.track(name).count for name in benchmark.tracks), 2])
    of_row, untold = counts[track], np.ones(len(track), np.bool_)
    untold[list(faults.predictions.told)] = False
    for k, name in enumerate(number_columns(int(counts.max()))[1:]):
        wanted = of_row == 2 if name == P_EDGE else of_row > max(2, k)
        column = faults.predictions.numbers.get(name)
        if column is None:
            if (lacking := wanted & (track >= 0)).any():
                of = benchmark.tracks[track[int(np.argmax(lacking))]]
                faults.file(f"column {name!r} is missing, which track {of!r} needs", "give a probability for every row")
            continue
        sound = (column.values >= 0) & (column.values <= 1)
        faults.rows(untold & wanted & ~sound, name, "is not a number in [0, 1]", "give a probability for every row")
        besides = untold & ~wanted & column.given & (track >= 0)
        fix = "leave it empty: p_edge is for two tiers, p_1 ... p_{K-1} for more"
        faults.rows(besides, name, "is not asked for in its track", fix)


def checked_repeats(faults: RowFaults, track: IntArray, benchmark: Benchmark) -> IntArray:
    """The repeat of each row, shape (n,): 0 where none stands, -1 where it is none that the track has."""
    column = faults.predictions.numbers.get(REPEAT)
    if column is None:
        return np.zeros(len(track), np.int64)
    value = np.where(column.given, column.values, 0.0)
    deals = [benchmark.repeats(name) for name in benchmark.tracks]
    sound = (value >= 0) & (value < np.array([*deals, max(deals)])[track]) & (value == np.floor(value))
    bad = ~sound
    bad[list(faults.predictions.told)] = False
    dealt = np.array([*(benchmark.track(name).cross_fitted for name in benchmark.tracks), True])[track]
    faults.rows(bad & dealt, REPEAT, "is none that the dataset has", f"use 0 to {max(deals) - 1}")
    faults.rows(bad & ~dealt, REPEAT, "has no place in a track that is not cross-fitted", "leave it empty")
    return np.where(sound, value, -1).astype(np.int64)
