"""One look for every figure: SVG that is the same bytes for the same data, readable in print and on dark ground."""

from __future__ import annotations

from pathlib import Path
from typing import Any

INK = "#5b6270"
LINES = ("#2b6cb0", "#c05621", "#2f855a", "#6b46c1", "#b7791f", "#b83280")

_STYLE: Any = {
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#d9dde3",
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "svg.hashsalt": "rsd_bench",
    "svg.fonttype": "none",
    "figure.constrained_layout.use": True,
}


def new_figure(rows: int = 1, columns: int = 1, *, width: float = 7.0, height: float = 3.2) -> tuple[Any, Any]:
    """(figure, axes) in inches, drawn without a display; close it with `save`."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    with plt.rc_context(_STYLE):
        return plt.subplots(rows, columns, figsize=(width, height))


def save(figure: Any, path: Path) -> None:
    """Write an SVG without date or version, so that equal data give equal bytes, and free the figure."""
    import matplotlib.pyplot as plt

    with plt.rc_context(_STYLE):
        figure.savefig(path, format="svg", metadata={"Date": None, "Creator": None}, facecolor="white")
    plt.close(figure)
