"""`rsd.plot`: a picture of a result, of a comparison or of a sweep, in the look of the package's other figures.

A Figure is returned, not shown: a notebook shows it by itself, `figure.savefig("x.svg")` writes it. No state of
matplotlib's is touched. What is drawn is what the object holds; nothing is computed here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from rsd_bench.config import MAX_SHOWN_ROWS
from rsd_bench.evaluation.result import Result
from rsd_bench.figures import INK, LINES, new_figure, page_svg
from rsd_bench.types import METRIC_TITLES, Comparison, Interval

_SWEPT = ("tau", "apsp", "ca", "ail", "rcs")


class Picture(Figure):
    """A Figure that a notebook shows without pyplot."""

    def _repr_svg_(self) -> str:
        return page_svg(self).decode()


def plot(what: Result | Comparison | pd.DataFrame) -> Figure:
    """Draw a result, a comparison, or a frame of `sweep` or `sweep_tiers`.

    what: a Result: RCS in each track and scenario with its 95 % interval, beside the best fixed policy and the oracle
    (the first rows of a long one). A Comparison: a - b of every metric with its interval, AIL in seconds. A DataFrame
    with tau, apsp, ca, ail (seconds) and rcs: these against tau.
    Returns a matplotlib Figure. Raises ValueError naming what, where it is none of these or has no row.
    """
    if isinstance(what, Result):
        return _result(what)
    if isinstance(what, Comparison):
        return _comparison(what)
    if isinstance(what, pd.DataFrame) and {*_SWEPT} <= {*what.columns} and len(what):
        return _sweep(what)
    raise ValueError(
        "what: must be a Result, a Comparison or a DataFrame with rows and the columns "
        f"{', '.join(_SWEPT)}, not {type(what).__name__}"
    )


def _result(result: Result) -> Figure:
    scores = result.scores[:MAX_SHOWN_ROWS]
    if not scores:
        raise ValueError("what: the Result holds no score")
    figure, axis = new_figure(width=7.5, height=1.1 + 0.3 * len(scores), kind=Picture)
    rows = range(len(scores))
    _whiskers(axis, [score.rcs for score in scores], LINES[0], "router")
    fixed = [score.references[score.best_fixed].rcs for score in scores]
    axis.plot(fixed, rows, linestyle="", marker="|", markersize=11, color=LINES[1], label="best fixed policy")
    axis.plot([score.oracle_rcs for score in scores], rows, linestyle="", marker="D", color=INK, label="oracle")
    _name_rows(axis, [f"{score.track}, {score.scenario}" for score in scores])
    axis.set_xlabel("RCS")
    axis.set_title(result.name, parse_math=False)
    figure.legend(loc="outside lower center", ncols=3)
    return figure  # type: ignore[no-any-return]  # new_figure knows no matplotlib


def _comparison(comparison: Comparison) -> Figure:
    shares = [name for name in METRIC_TITLES if name != "ail"]
    figure, (left, right) = new_figure(1, 2, width=8.0, height=2.4, kind=Picture)
    for axis, names, unit in ((left, shares, "a - b"), (right, ["ail"], "a - b, seconds")):
        _whiskers(axis, [getattr(comparison, name) for name in names], LINES[0], "")
        axis.axvline(0, color=INK, linewidth=1)
        _name_rows(axis, [METRIC_TITLES[name].partition(",")[0] for name in names])
        axis.set_xlabel(unit)
    return figure  # type: ignore[no-any-return]


def _sweep(swept: pd.DataFrame) -> Figure:
    figure, (shares, seconds) = new_figure(1, 2, width=8.0, kind=Picture)
    ordered = swept.sort_values("tau")
    for axis, names in ((shares, ("rcs", "apsp", "ca")), (seconds, ("ail",))):
        for name, color in zip(names, LINES, strict=False):
            # a query goes to the small model where p_edge >= tau: a row holds down to the threshold before it
            axis.step(ordered["tau"], ordered[name], where="pre", color=color, label=METRIC_TITLES[name])
        axis.set_xlabel("tau")
    shares.set_ylim(min(0, ordered["rcs"].min()) - 0.02, 1.02)
    seconds.set_ylim(bottom=0)
    shares.legend()
    seconds.set_ylabel(METRIC_TITLES["ail"])
    return figure  # type: ignore[no-any-return]


def _whiskers(axis: Any, intervals: Sequence[Interval], color: str, label: str) -> None:
    """A point a row with its interval; bounds that are not known are not drawn."""
    values = [interval.value for interval in intervals]
    reach = [
        [interval.value - interval.low for interval in intervals],
        [interval.high - interval.value for interval in intervals],
    ]
    axis.errorbar(values, range(len(values)), xerr=reach, fmt="o", color=color, capsize=3, label=label)


def _name_rows(axis: Any, names: list[str]) -> None:
    """From the top down, as a table is read."""
    axis.set_yticks(range(len(names)), names, parse_math=False)
    axis.set_ylim(len(names) - 0.5, -0.5)
