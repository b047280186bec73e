"""Outcomes of a source as a recipe scores them: as they stand in the store, or over the variants of a question.

[score.SOURCE] variants: a model's score on a query is the mean of its scores on all variants of the question, of which
the query shows one. That is how reliably the model answers the question, whatever it made of this variant; a model
that has no variants has no score then.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from rsd_bench.build.recipe import Recipe
from rsd_bench.metrics.arrays import entered
from rsd_bench.sources.store.import_variants import TABLE
from rsd_bench.sources.store.store_tables import BATCH, batches_of, rows_of
from rsd_bench.types import InputError

_FIGURES = ["query_id", "model", "status", "score", "latency_s", "latency_basis", "output_tokens"]


@dataclass(frozen=True)
class Scoring:
    """How the outcomes of a source are scored. over_variants: by group and model; None where they are as they stand."""

    over_variants: Mapping[tuple[str, str], float] | None = None
    groups: Mapping[str, str] | None = None  # of each query

    def outcome(self, row: dict[str, Any]) -> dict[str, Any]:
        """A row of `responses` with its score."""
        if self.over_variants is None or self.groups is None:
            return row
        score = self.over_variants.get((self.groups[row["query_id"]], row["model"]))
        scored = {"score": score} | ({"score_std": None} if "score_std" in row else {})
        status = "ok" if score is not None else "unscored" if row["score"] is not None else row["status"]
        return row | scored | {"status": status}


def scoring_of(store: Path, source: str, recipe: Recipe) -> Scoring:
    """The scoring that a recipe asks for. InputError where the store has no variants of the source."""
    if source not in recipe.variants:
        return Scoring()
    if not (store / "sources" / source / TABLE).is_file():
        fix = f"import them (variants.jsonl of its records), or leave out [score.{source}]"
        raise InputError.at(recipe.name, f"[score.{source}]: the store has no variants of {source!r}", fix)
    scores = {
        (row["group"], row["model"]): entered(sum(row["scores"]) / len(row["scores"]))
        for row in rows_of(store, source, "variants")
    }
    groups = {row["query_id"]: row["group"] for row in rows_of(store, source, "queries", ["query_id", "group"])}
    return Scoring(scores, groups)


def score_rule_of(rule: str) -> str:
    """What a dataset says of scores over variants; `rule`: of the scores of a variant."""
    return f"mean of the scores on all variants of the question; of a variant: {rule}"


def without_variants(scoring: Scoring, models: Mapping[str, int]) -> tuple[str, ...]:
    """The scored models of a source (scored answers by model) that lose their scores, sorted."""
    if scoring.over_variants is None:
        return ()
    varied = {model for _, model in scoring.over_variants}
    return tuple(sorted(model for model, scored in models.items() if scored and model not in varied))


def figures_of(store: Path, source: str, scoring: Scoring, models: Collection[str]) -> pd.DataFrame:
    """Status, score, latency and tokens of every outcome of some models, in the order of the store."""
    wanted = pa.array(sorted(models), pa.string())
    rows: list[dict[str, Any]] = []
    for batch in batches_of(store, source, "responses", BATCH, _FIGURES):
        rows += map(scoring.outcome, batch.filter(pc.is_in(batch.column("model"), wanted)).to_pylist())
    table = pd.DataFrame(rows, columns=_FIGURES)
    numbers = dict.fromkeys(("score", "latency_s", "output_tokens"), "float64")
    figures: pd.DataFrame = table.astype(numbers)
    return figures


def outcome_rows(store: Path, source: str, scoring: Scoring) -> Iterator[dict[str, Any]]:
    """Every outcome of a source, a batch in memory at a time."""
    return map(scoring.outcome, rows_of(store, source, "responses"))
