"""The pictures of docs/concepts.md: `python docs/site/concept_pictures.py` writes them into docs/concepts/.

They show what a word means on scores invented here, labelled and scored by the package; no dataset is read, so nothing
that is published moves them.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import rsd_bench as rsd
from rsd_bench.figures import INK, LINES, TIERS, new_figure, save

FOLDER = Path(__file__).resolve().parents[1] / "concepts"
SMALL = np.array([8, 5, 3, 6, 2, 9, 7, 4, 1, 8, 5, 10])
LARGE = np.array([9, 8, 3, 10, 7, 8, 9, 9, 6, 10, 4, 10])
MES = 6
MIDDLE = "#56b4e9"


def satisficing() -> Any:
    """Five queries: their two scores, the MES, and who should answer."""
    figure, axis = new_figure(height=2.9)
    at = np.arange(5)
    axis.bar(at - 0.18, SMALL[:5], 0.34, color=TIERS["small"], label="small model")
    axis.bar(at + 0.18, LARGE[:5], 0.34, color=TIERS["large"], label="large model")
    axis.axhline(MES, color=INK, linestyle="--", label=f"MES {MES}")
    labels = rsd.label(SMALL[:5], LARGE[:5], MES)
    why = ["enough" if s >= MES else "no gain" if s >= g else "too little" for s, g in zip(SMALL, LARGE, strict=True)]
    named = [f"query {i + 1}\n{'edge' if labels[i] else 'cloud'}: {why[i]}" for i in at]
    axis.set_xticks(at, named)
    axis.set_ylabel("judge score")
    axis.set_ylim(0, 10.5)
    figure.legend(loc="outside upper center", ncols=3)
    return figure


def mes() -> Any:
    """The share of twelve queries that each answer satisfies, and that are labelled edge, by MES."""
    figure, axis = new_figure(height=2.9)
    demands = np.linspace(0, 10, 201)
    axis.plot(demands, [(m <= LARGE).mean() for m in demands], color=TIERS["large"], label="large model satisfies")
    axis.plot(demands, [(m <= SMALL).mean() for m in demands], color=TIERS["small"], label="small model satisfies")
    edge = [rsd.label(SMALL, LARGE, float(m)).mean() for m in demands]
    axis.plot(demands, edge, color=INK, linestyle="--", label="labelled edge")
    axis.set_xlabel("MES: how good an answer must be")
    axis.set_ylabel("share of queries")
    axis.set_ylim(0, 1.05)
    axis.legend()
    return figure


def tiers() -> Any:
    """Three models; the first that is likely enough to do answers."""
    figure, axis = new_figure(height=2.0)
    axis.axis("off")
    for k, (name, color) in enumerate([("tier 1", TIERS["small"]), ("tier 2", MIDDLE), ("tier 3", TIERS["large"])]):
        wide = {"boxstyle": "round,pad=0.6", "facecolor": color, "edgecolor": "none"}
        axis.text(
            2 * k, 0, f"{name}\nanswers", ha="center", va="center", color="white" if k == 0 else "black", bbox=wide
        )
        if k < 2:
            axis.text(2 * k, 1, f"$p_{k + 1}$ ≥ $\\tau_{k + 1}$ ?", ha="center", va="center", color=INK)
            _arrow(axis, (2 * k, 0.82), (2 * k, 0.36), "yes")
            _arrow(axis, (2 * k + 0.42, 1), (2 * k + (1.58 if k == 0 else 1.9), 1 if k == 0 else 0.36), "no")
    axis.text(-1.5, 1, "query", ha="center", va="center", color=INK)
    _arrow(axis, (-1.2, 1), (-0.42, 1), "")
    axis.set(xlim=(-1.8, 4.8), ylim=(-0.5, 1.35))
    return figure


def cascade() -> Any:
    """What a query that needs the large model waits for: decided before any answer, and after the small model's."""
    figure, axis = new_figure(height=1.9)
    ways = {
        "router before": [("router", 0.4, INK), ("large model", 4, TIERS["large"])],
        "cascade": [("small model", 1.2, TIERS["small"]), ("router", 0.4, INK), ("large model", 4, TIERS["large"])],
    }
    seen: set[str] = set()
    for row, parts in enumerate(ways.values()):
        begun = 0.0
        for name, seconds, color in parts:
            axis.barh(row, seconds, 0.5, left=begun, color=color, label=None if name in seen else name)
            begun += seconds
            seen.add(name)
    axis.set_yticks(range(len(ways)), list(ways))
    axis.invert_yaxis()
    axis.set_xlabel("time until the answer")
    axis.set_xticks([])
    figure.legend(loc="outside upper center", ncols=3)
    return figure


def lift() -> Any:
    """Solved queries against queries kept, of a router and of choice by lot, and the area between."""
    figure, axis = new_figure(width=5.0, height=3.2)
    small, large = np.tile(SMALL, 2), np.tile(LARGE, 2)
    p = np.clip(0.5 + 0.06 * (small - large) + 0.12 * np.sin(np.arange(len(small))), 0, 1)
    curve = rsd.lift(p, small=small, large=large, mes=float(MES)).curve
    axis.plot(curve["ca"], curve["apsp"], color=LINES[0], label="router")
    axis.plot(curve["ca"], curve["random"], color=INK, linestyle="--", label="by lot")
    axis.fill_between(
        curve["ca"], curve["random"], curve["apsp"], color=LINES[0], alpha=0.15, linewidth=0, label="lift"
    )
    axis.set_xlabel("CA: share that the small model answers")
    axis.set_ylabel("APSP: share solved")
    axis.legend()
    return figure


PICTURES: dict[str, Callable[[], Any]] = {draw.__name__: draw for draw in (satisficing, mes, tiers, cascade, lift)}


def _arrow(axis: Any, start: tuple[float, float], end: tuple[float, float], word: str) -> None:
    axis.annotate("", end, start, arrowprops={"arrowstyle": "->", "color": INK})
    middle = ((start[0] + end[0]) / 2, (start[1] + end[1]) / 2)
    axis.annotate(word, middle, (4, 4), textcoords="offset points", color=INK)


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for name, draw in PICTURES.items():
        save(draw(), FOLDER / f"{name}.svg")
