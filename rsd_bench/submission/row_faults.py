"""What is wrong with rows of a predictions file: the first ones each, with line and value, the rest as a count."""

from __future__ import annotations

import numpy as np

from rsd_bench.metrics.arrays import BoolArray, IntArray
from rsd_bench.submission.predictions import Predictions
from rsd_bench.types import Problem

SHOWN = 20


class RowFaults:
    """Collects the problems of a file, beginning with those that its reader found."""

    def __init__(self, predictions: Predictions) -> None:
        self.predictions, self.problems = predictions, list(predictions.faults)

    def rows(self, bad: BoolArray | IntArray, column: str, what: str, fix: str) -> None:
        """bad: a mask of all rows, or the positions of some."""
        rows = np.flatnonzero(bad) if bad.dtype == np.bool_ else bad
        for row in rows[:SHOWN].tolist():
            value = self.predictions.shown(column, row)
            self.problems.append(Problem(self.predictions.where(row), f"{column} {value} {what}", fix))
        if len(rows) > SHOWN:
            more = f"{len(rows) - SHOWN} more rows: {column} {what}"
            self.problems.append(Problem(str(self.predictions.path), more, fix))

    def file(self, what: str, fix: str) -> None:
        self.problems.append(Problem(str(self.predictions.path), what, fix))
