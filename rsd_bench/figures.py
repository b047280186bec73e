"""One look for every figure: SVG that is the same bytes for the same data, readable in print and on dark ground."""

from __future__ import annotations

import io
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

INK = "#5b6270"
LINES = ("#2b6cb0", "#c05621", "#2f855a", "#6b46c1", "#b7791f", "#b83280")
TIERS = {"small": "#0072b2", "large": "#e69f00"}  # told apart by the colour-blind too

_BYTES: Any = {"svg.hashsalt": "rsd_bench", "svg.fonttype": "none", "font.size": 9}
_PAGE: Any = _BYTES | {
    "font.family": "DejaVu Sans",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#d9dde3",
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "figure.constrained_layout.use": True,
}
_CARD: Any = _BYTES | {
    "font.family": "sans-serif",
    "text.parse_math": False,
}  # no grid, laid out by hand; a name is no formula


def card_style() -> AbstractContextManager[None]:
    """The style of the picture of a dataset's card, within which it is drawn and written."""
    import matplotlib

    return matplotlib.rc_context(_CARD)


def new_figure(
    rows: int = 1, columns: int = 1, *, width: float = 7.0, height: float = 3.2, kind: type[Any] | None = None
) -> tuple[Any, Any]:
    """(figure, axes) in inches, for a page; write it with `save`. kind: a class of Figure, default matplotlib's."""
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context(_PAGE):
        figure = (kind or Figure)(figsize=(width, height))
        return figure, figure.subplots(rows, columns)


def save(figure: Any, path: Path) -> None:
    """Write a figure of `new_figure`."""
    path.write_bytes(page_svg(figure))


def page_svg(figure: Any) -> bytes:
    """The bytes of a figure of `new_figure`."""
    import matplotlib

    with matplotlib.rc_context(_PAGE):
        return svg(figure)


def svg(figure: Any, **left_out: None) -> bytes:
    """Bytes without date and version, so that equal data give equal ones; `left_out` names what else goes unsaid."""
    out = io.BytesIO()
    figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None, **left_out}, facecolor="white")
    return out.getvalue()
