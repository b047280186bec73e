"""Where does it pay to look at the small model's answer before going on to the large one?

Source by source, since answers of one are a letter and of another a page: `ngram-gain` by the words of the question
alone, against the cascade that reads the answer too and pays for both models where it goes on.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from rsd_bench.config import FOLDS, ROUTER_LATENCY_S
from rsd_bench.dataset.benchmark import Benchmark
from rsd_bench.features.answers import edge_answers, with_answers
from rsd_bench.features.blocks import Features
from rsd_bench.metrics.calibration import auroc
from rsd_bench.metrics.routing import routing_gain
from rsd_bench.routers.interface import TrainingData
from rsd_bench.routers.registry import Entry
from rsd_bench.studies.cross_validation import Decided, decide_out_of_fold, every_query
from rsd_bench.studies.mean_gains import COLUMNS as MEAN_COLUMNS
from rsd_bench.studies.mean_gains import DIGITS as MEAN_DIGITS
from rsd_bench.studies.mean_gains import Decisions, mean_gains
from rsd_bench.studies.study_table import Table, dataset_of
from rsd_bench.types import InputError

COLUMNS = ("scenario", "source", "queries", "answer words", "router", "AUROC", *MEAN_COLUMNS)
DIGITS = (None, None, 0, 0, None, 3, *MEAN_DIGITS)
ANSWERED = 0.5  # share of a source's queries that must have an answer


def compare_cascades(
    benchmark: Benchmark, features: Features, query: Entry, cascade: Entry, seeds: int, command: str
) -> Table:
    """Two rows a scenario and source: without and with the answer. InputError where the dataset has no answers."""
    answers = np.array(edge_answers(benchmark), object)
    seen = with_answers(features, answers.tolist())
    sources = benchmark.queries["source"].to_numpy(object)
    there = {source: answers[sources == source] != "" for source in sorted(set(sources))}
    kept = [source for source, known in there.items() if known.mean() >= ANSWERED]
    if not kept:
        raise InputError.at(benchmark.folder, "holds answers to hardly any query", "name a dataset with answers")
    rows: list[tuple[Any, ...]] = []
    jobs = [(scenario, source) for scenario in benchmark.scenarios.values() for source in kept]
    for scenario, source in tqdm(jobs, desc="cascade", unit="source", disable=None):
        part = np.flatnonzero(sources == source)
        data = every_query(benchmark, seen, scenario).take(part)
        words = float(np.median([len(text.split()) for text in answers[part] if text]))
        both = (query, cascade)
        runs = {entry.name: [decide_out_of_fold(entry.make, data, s) for s in range(seeds)] for entry in both}
        base = _decisions(data, runs[query.name], False)
        for entry in both:
            gains = mean_gains([data], [_decisions(data, runs[entry.name], entry.cascade)], [base], together=False)
            areas = [area for run in runs[entry.name] if (area := auroc(run.p_edge, data.labels)) is not None]
            area = float(np.mean(areas)) if areas else None
            rows.append((scenario.name, source, len(data), words, entry.name, area, *gains.cells))
    left_out = ", ".join(source for source in there if source not in kept)
    return Table(
        name="cascade",
        title="Cascades: the answer of the small model, seen before going on",
        command=command,
        reading=f"`{query.name}` reads the question, `{cascade.name}` the small model's answer too; then a query that "
        "goes on has waited for both. Each source is cross-validated by itself.",
        columns=COLUMNS,
        digits=DIGITS,
        rows=tuple(rows),
        notes=(
            f"{FOLDS} folds of groups, {seeds} deals; `over` is the paired difference to `{query.name}`; `answer "
            f"words` is the median. Without answers, and left out: {left_out or 'none'}. No source logs "
            f"probabilities of tokens or second samples. Router latency: {ROUTER_LATENCY_S} s.",
        ),
        dataset=dataset_of(benchmark),
    )


def _decisions(data: TrainingData, runs: Sequence[Decided], cascade: bool) -> Decisions:
    routes = np.array([run.route for run in runs])
    gain = routing_gain(data.outcomes, data.scenario)
    spread = 100 * (routes * gain).mean(axis=1)
    return Decisions(routes.mean(axis=0), np.ones(len(data), np.bool_), spread, cascade=cascade)


def draw_cascade(table: Table, path: Path) -> None:
    """What the answer adds, by source, one panel a scenario."""
    from rsd_bench.figures import INK, LINES, new_figure, save

    scenarios = list(dict.fromkeys(table.column("scenario")))
    figure, axes = new_figure(1, len(scenarios), width=9.0, height=3.0)
    for axis, scenario in zip(np.atleast_1d(axes), scenarios, strict=True):
        rows = [row for row in table.where(scenario=scenario) if row["router"] == table.rows[1][4]]
        y = np.arange(len(rows))[::-1]
        over, low, high = (np.array([row[key] for row in rows]) for key in ("over", "over low", "over high"))
        axis.errorbar(over, y, xerr=(over - low, high - over), fmt="o", color=LINES[0], markersize=4, linewidth=1.2)
        axis.axvline(0, color=INK, linewidth=0.8)
        axis.set(title=scenario, xlabel="RCS over the query alone, points", yticks=y)
        axis.set_yticklabels([row["source"] for row in rows] if axis is np.atleast_1d(axes)[0] else [])
    save(figure, path)
