"""The score histograms of a card as SVG: the same figures give the same bytes (no date, no version, fixed ids)."""

from __future__ import annotations

import math

from rsd_bench.build.card_figures import SCORE_BINS, Figures
from rsd_bench.figures import TIERS, card_style, svg

_COLUMNS = 3


def score_histograms(figures: Figures, models: dict[str, str]) -> bytes:
    """One panel a source: how many answers of the small and the large model scored what. Text stays text."""
    from matplotlib.figure import Figure

    sources = figures.histograms
    columns = min(_COLUMNS, len(sources)) or 1
    rows = math.ceil(len(sources) / columns) or 1
    width = SCORE_BINS[1] - SCORE_BINS[0]
    with card_style():
        figure = Figure(figsize=(3.2 * columns, 2.6 * rows))
        axes = figure.subplots(rows, columns, squeeze=False).ravel()
        figure.subplots_adjust(0.24 / columns, 0.18 / rows, 1 - 0.04 / columns, 1 - 0.2 / rows, 0.35, 0.6)  # no solver
        for panel, (source, tiers) in zip(axes, sources.items(), strict=False):
            for i, (tier, counts) in enumerate(tiers.items()):
                left = [edge + width * (0.1 + 0.4 * i) for edge in SCORE_BINS[:-1]]
                panel.bar(left, counts, 0.4 * width, align="edge", color=TIERS[tier], label=models[tier])
            panel.set(title=source, xlabel="score", ylabel="queries", xlim=(SCORE_BINS[0], SCORE_BINS[-1]))
            panel.spines[["top", "right"]].set_visible(False)
        for panel in axes[len(sources) :]:
            panel.set_axis_off()
        figure.legend(*axes[0].get_legend_handles_labels(), loc="upper center", ncols=2, frameon=False)
        return svg(figure, Format=None, Type=None)
