"""How much can be learned at all? A learning curve, and predictors that know more than any router may.

Where several queries are variants of one seed question (groups), a predictor that knows the other variants' labels
bounds what any router can know of a question before its figures are drawn. Where many other models answered, a
predictor that knows whether they did bounds what the difficulty of a query can tell. Both look at answers: they are
ceilings, not routers.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from tqdm import tqdm

from rsd_bench.config import FOLDS, scenario_named
from rsd_bench.dataset.benchmark import Benchmark
from rsd_bench.dataset.check_figures import open_outcomes
from rsd_bench.dataset.splits import fold_of
from rsd_bench.features.feature_table import Features
from rsd_bench.metrics.arrays import FloatArray
from rsd_bench.routers.interface import TrainingData
from rsd_bench.routers.registry import Entry
from rsd_bench.routers.thresholds import grid_tau
from rsd_bench.studies.cross_validation import Decided, every_query, summarise
from rsd_bench.studies.study_table import Table, dataset_of

COLUMNS = ("what", "source", "queries", "training queries", "gain", "low", "high", "AUROC")
DIGITS = (None, None, 0, 0, 2, 2, 2, 3)
_OWN_SCORES = 0.25  # share of queries whose group has more than one pair of scores, from which scores are their own
SHARES = (0.1, 0.2, 0.4, 0.7, 1.0)
LEARNED, VARIANTS, OTHERS = "learned router", "labels of other variants", "answers of other models"


def ceiling(benchmark: Benchmark, features: Features, entry: Entry, scenario: str, seeds: int, command: str) -> Table:
    """Learning curve of a router over all sources, then the ceilings of each source that has them."""
    every = every_query(benchmark, features, scenario_named(scenario, benchmark.scenarios))
    ids, sources = (benchmark.queries[column].to_numpy(object) for column in ("query_id", "source"))
    rows: list[tuple[Any, ...]] = []
    for share in tqdm(SHARES, desc="learning curve", unit="size", disable=None):
        runs = [_subsampled(entry, every, share, seed) for seed in range(seeds)]
        used = float(np.mean([run[1] for run in runs]))
        rows.append(_row(LEARNED, "all", used, every, [run[0] for run in runs]))
    for source in sorted(set(sources)):
        part = np.flatnonzero(sources == source)
        data = every.take(part)
        known = other_variants(data)
        if known is not None:
            rows.append(_row(VARIANTS, source, None, data, [_hindsight(data, known)]))
        guess = _other_models(benchmark, data, ids[part], source)
        if guess is not None:
            rows.append(_row(OTHERS, source, None, data, [_hindsight(data, guess)]))
    return Table(
        name="ceiling",
        title="How much can be learned: learning curve and ceilings",
        command=command,
        reading=f"`{entry.name}` with a share of its training and validation groups, against predictors that look at "
        "answers no router can see. The ceilings choose tau in hindsight.",
        columns=COLUMNS,
        digits=DIGITS,
        rows=tuple(rows),
        notes=(
            f"`{scenario}`, cross-validation, {seeds} seed(s). {VARIANTS}: mean label of the other queries of a group. "
            f"{OTHERS}: ridge-penalised logistic regression on the scores of every other model, cross-fitted.",
        ),
        dataset=dataset_of(benchmark),
    )


def _row(what: str, source: str, used: float | None, data: TrainingData, runs: list[Decided]) -> tuple[Any, ...]:
    summary = summarise(data, runs)
    gain = (100 * value for value in (summary.gain.value, summary.gain.low, summary.gain.high))
    return (what, source, len(data), used, *gain, summary.auroc)


def _subsampled(entry: Entry, data: TrainingData, share: float, seed: int) -> tuple[Decided, float]:
    """Cross-validated decisions of a router that learns from a share of the groups; and its mean training size."""
    fold = fold_of(data.groups.tolist(), FOLDS, seed)
    kept = fold_of(data.groups.tolist(), 1_000, seed + 1_000) < 1_000 * share
    p, route, used = np.zeros(len(data)), np.zeros(len(data)), []
    for k in range(FOLDS):
        test = np.flatnonzero(fold == k)
        held_out = data.take(np.flatnonzero((fold == (k + 1) % FOLDS) & kept))
        train = data.take(np.flatnonzero((fold != k) & (fold != (k + 1) % FOLDS) & kept))
        router = entry.make(seed).fit(train, held_out)
        p[test] = router.predict_p_edge(data.features.take(test))
        route[test] = p[test] >= router.threshold(held_out)
        used.append(len(train))
    return Decided(p, route), float(np.mean(used))


def _hindsight(data: TrainingData, p: FloatArray) -> Decided:
    return Decided(p, (p >= grid_tau(p, data)).astype(np.float64))


def other_variants(data: TrainingData) -> FloatArray | None:
    """Mean label of the other queries of the group.

    None where most queries have no other, or scores are those of the group, as means over variants: no ceiling then.
    """
    frame = pd.DataFrame({"group": data.groups, "label": data.labels.astype(float)})
    by = frame.groupby("group")["label"]
    others = by.transform("count") - 1
    pair = pd.DataFrame({"group": data.groups, "small": data.outcomes.small, "large": data.outcomes.large})
    scores = pair.groupby("group")[["small", "large"]].transform("nunique").max(axis=1)
    if (others > 0).mean() < 0.5 or (scores[others > 0] > 1).mean() < _OWN_SCORES:
        return None
    mean = (by.transform("sum") - frame["label"]) / others.where(others > 0)
    return mean.fillna(frame["label"].mean()).to_numpy(np.float64)


def _other_models(benchmark: Benchmark, data: TrainingData, ids: Any, source: str) -> FloatArray | None:
    """Cross-fitted P(edge competent) from the scores of all models but the source's pair.

    None where there are under three, or a fold leaves queries of one label only to learn from.
    """
    from sklearn.linear_model import LogisticRegression

    own = benchmark.manifest.pair_of(source)
    pair = {own.small, own.large}
    wide = open_outcomes(benchmark.folder).pivot(index="query_id", columns="model", values="score").reindex(ids)
    wide = wide[[model for model in wide.columns if model not in pair]].dropna(axis=1)
    if wide.shape[1] < 3:
        return None
    scores, labels = wide.to_numpy(np.float64) / 10, data.labels
    fold, p = fold_of(data.groups.tolist(), FOLDS, 0), np.zeros(len(data))
    if any(len(np.unique(labels[fold != k])) < 2 for k in range(FOLDS)):
        return None
    for k in range(FOLDS):
        model = LogisticRegression(C=0.1, max_iter=1_000).fit(scores[fold != k], labels[fold != k])
        p[fold == k] = model.predict_proba(scores[fold == k])[:, 1]
    return p


def draw_ceiling(table: Table, path: Path) -> None:
    """AUROC and gain against training queries."""
    from rsd_bench.figures import INK, LINES, new_figure, save

    figure, axes = new_figure(1, 2, width=8.5)
    curve = table.where(what=LEARNED)
    for axis, column, label in zip(axes, ("AUROC", "gain"), ("AUROC", "RCS gain, points"), strict=True):
        x = [row["training queries"] for row in curve]
        axis.plot(x, [row[column] for row in curve], color=LINES[0], marker="o", markersize=4, label=LEARNED)
        if column == "gain":
            axis.fill_between(x, [r["low"] for r in curve], [r["high"] for r in curve], color=LINES[0], alpha=0.15)
            axis.axhline(0, color=INK, linewidth=0.8)
        axis.set(xlabel="training queries", ylabel=label)
    ceilings = [row for row in table.where() if row["what"] != LEARNED]
    for row, colour in zip(ceilings, LINES[1:], strict=False):
        axes[0].axhline(
            row["AUROC"], color=colour, linestyle="--", linewidth=1, label=f"{row['source']}: {row['what']}"
        )
    axes[0].legend(fontsize=7)
    save(figure, path)
