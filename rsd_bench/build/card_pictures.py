"""The pictures of a card as SVG: the same figures give the same bytes (no date, no version, fixed ids).

Each has a panel a source. Text stays text.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from rsd_bench.build.card_figures import SCORE_BINS, Figures
from rsd_bench.build.card_pairs import MES_POINTS, PairFigures
from rsd_bench.figures import TIERS, card_style, svg

_COLUMNS = 3
_SHORTEST_S = 1e-3  # that a logarithmic axis shows


def score_histograms(figures: Figures) -> bytes:
    """How many answers of the small and the large model scored what."""
    width = SCORE_BINS[1] - SCORE_BINS[0]

    def draw(panel: Any, source: str, labels: Mapping[str, str]) -> None:
        for i, (tier, counts) in enumerate(figures.histograms[source].items()):
            left = [edge + width * (0.1 + 0.4 * i) for edge in SCORE_BINS[:-1]]
            panel.bar(left, counts, 0.4 * width, align="edge", color=TIERS[tier], label=labels[tier])
        panel.set(xlabel="score", ylabel="queries", xlim=(SCORE_BINS[0], SCORE_BINS[-1]))

    return _panels(list(figures.histograms), figures.pairs, draw)


def satisfied_shares(figures: Figures) -> bytes:
    """APSP of all-small and of all-large at every MES: where the lines are flat, MES says nothing."""

    def draw(panel: Any, source: str, labels: Mapping[str, str]) -> None:
        for tier, values in zip(TIERS, figures.pairs[source].by_mes, strict=True):
            panel.plot(MES_POINTS, values, color=TIERS[tier], label=labels[tier])
        panel.set(xlabel="Minimal Expectation Score", ylabel="APSP", xlim=(0, 10), ylim=(0, 1.03))

    return _panels(list(figures.pairs), figures.pairs, draw)


def latency_distributions(figures: Figures) -> bytes:
    """The share of answers that took at most so many seconds; a step where all were modelled alike."""
    seconds = {source: np.maximum(pair.latencies, _SHORTEST_S) for source, pair in figures.pairs.items()}
    bounds = (min(s.min() for s in seconds.values()), max(s.max() for s in seconds.values())) if seconds else (1, 1)

    def draw(panel: Any, source: str, labels: Mapping[str, str]) -> None:
        for tier, quantiles in zip(TIERS, seconds[source], strict=True):
            panel.plot(quantiles, np.linspace(0, 1, len(quantiles)), color=TIERS[tier], label=labels[tier])
        basis = "clocked" if figures.pairs[source].clocked else "modelled"
        panel.set(xlabel=f"seconds ({basis})", ylabel="share of answers", xscale="log", ylim=(0, 1.03))
        panel.set_xlim(bounds[0] / 1.5, bounds[1] * 1.5)
        panel.xaxis.set_major_formatter("{x:g}")
        panel.xaxis.set_minor_formatter("")

    return _panels(list(figures.pairs), figures.pairs, draw)


def _panels(
    sources: list[str], pairs: Mapping[str, PairFigures], draw: Callable[[Any, str, Mapping[str, str]], None]
) -> bytes:
    """A figure of one panel a source, whose title names its models where sources differ in them."""
    from matplotlib.figure import Figure

    columns = min(_COLUMNS, len(sources)) or 1
    rows = math.ceil(len(sources) / columns) or 1
    named = {pairs[source].models for source in sources if source in pairs}
    one = named.pop() if len(named) == 1 else ("small model", "large model")
    labels = dict(zip(TIERS, one, strict=True))
    with card_style():
        figure = Figure(figsize=(3.2 * columns, 2.6 * rows))
        axes = figure.subplots(rows, columns, squeeze=False).ravel()
        # by hand: a solver would not give the same bytes everywhere
        figure.subplots_adjust(0.24 / columns, 0.18 / rows, 1 - 0.04 / columns, 1 - 0.24 / rows, 0.35, 0.75)
        for panel, source in zip(axes, sources, strict=False):
            draw(panel, source, labels)
            panel.set_title(source)
            if named and source in pairs:
                panel.set_title(f"{source}\n{' / '.join(pairs[source].models)}", fontsize=7)
            panel.spines[["top", "right"]].set_visible(False)
        for panel in axes[len(sources) :]:
            panel.set_axis_off()
        figure.legend(*axes[0].get_legend_handles_labels(), loc="upper center", ncols=2, frameon=False)
        return svg(figure, Format=None, Type=None)
