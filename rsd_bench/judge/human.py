"""Human scores: a file of `people` whose rows have a score from 0 to 10."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from rsd_bench.config import SCORE_MAX
from rsd_bench.judge.people import Answer, Form, Row, number, read_people
from rsd_bench.metrics.arrays import entered


@dataclass(frozen=True)
class HumanScore:
    """One person's score of one answer."""

    query_id: str
    model: str
    score: float
    annotator: str


def read_human_scores(path: Path, known: Collection[Answer]) -> list[HumanScore]:
    """The scores of a file. known: (query_id, model) of every judged answer. InputError listing every fault."""
    form = Form("score", _score, "query_id, model, score from 0 to 10", needs="judged", done="scored")
    return [HumanScore(s.query_id, s.model, s.value, *s.person) for s in read_people(path, form, known)]


def _score(row: Row) -> float:
    score = number("score", row["score"])
    if not 0 <= score <= SCORE_MAX:
        raise ValueError(f"score {score} is not in [0, 10]")
    return entered(score)
