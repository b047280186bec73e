"""The audit of a judge on one source: what people say, what repeats say, and how many labels would flip.

Written to STORE/sources/<source>/audit.json; `data build` takes its `flip_prob` into the dataset where the pair is the
recipe's. An audit speaks of the scores it saw: new scores remove it.
"""

from __future__ import annotations

import json
import math
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rsd_bench.config import INTERVAL, MES_LEVELS, SCORE_MAX
from rsd_bench.folders import write_file
from rsd_bench.judge.agreement import (
    NEAR,
    bootstrap,
    flip_probability,
    krippendorff_alpha,
    quadratic_kappa,
    rank_correlation,
    repeat_variance,
    verbosity_slope,
)
from rsd_bench.judge.human import HumanScore
from rsd_bench.judge.prompt import mark_code
from rsd_bench.metrics.arrays import FloatArray, IntArray, group_codes
from rsd_bench.metrics.label import label
from rsd_bench.sources.store.outcomes import AUDIT
from rsd_bench.sources.store.store_tables import rows_of, scored_by_us
from rsd_bench.types import InputError, Interval
from rsd_bench.version import __version__

Key = tuple[str, str]  # query_id, model
_COLUMNS = ["query_id", "model", "score", "judge", "response"]


@dataclass(frozen=True, slots=True)
class Judged:
    """A scored answer. `code`: made from its text, so that equal answers can be told without keeping them."""

    score: float
    judge: str
    words: int
    code: str


@dataclass(frozen=True)
class Repeats:
    """The mean variance of the scores of an answer, over `answers` that were judged more than once."""

    answers: int
    variance: float


@dataclass(frozen=True)
class Agreement:
    """Judge against the mean of the people who scored an answer. figures: by name, None where undefined."""

    answers: int
    annotators: int
    figures: dict[str, Interval | None]

    def to_dict(self) -> dict[str, Any]:
        shown = {name: _plain(figure) if figure else None for name, figure in self.figures.items()}
        return {"answers": self.answers, "annotators": self.annotators, **shown}


def _plain(interval: Interval) -> dict[str, float | None]:
    """As JSON has it: null for a bound that cannot be given."""
    return {name: None if math.isnan(bound) else bound for name, bound in interval.to_dict().items()}


@dataclass(frozen=True)
class Flips:
    """By MES: the chance that judging again flips a label, over all queries and those near the MES (None: none)."""

    queries: int
    all: dict[str, float]
    near: dict[str, float | None]
    near_queries: dict[str, int]


@dataclass(frozen=True)
class Disagreement:
    """By MES: the share of queries whose label by people differs from the label by the judge."""

    queries: int
    all: dict[str, float]


@dataclass(frozen=True)
class Audit:
    """What stands in audit.json. What is None could not be told: no repeats, no people, no pair."""

    source: str
    judge: str
    answers: int
    repeats: Repeats | None
    human: Agreement | None
    pair: tuple[str, str] | None
    flips: Flips | None
    disagreement: Disagreement | None
    n_boot: int
    seed: int

    def to_dict(self) -> dict[str, Any]:
        return {
            "source": self.source,
            "judge": self.judge,
            "answers": self.answers,
            "repeats": asdict(self.repeats) if self.repeats else None,
            "human": self.human.to_dict() if self.human else None,
            "pair": {"small": self.pair[0], "large": self.pair[1]} if self.pair else None,
            "flip_prob": asdict(self.flips) if self.flips else None,
            "label_disagreement": asdict(self.disagreement) if self.disagreement else None,
            "bootstrap": {"n_boot": self.n_boot, "seed": self.seed, "unit": "query", "interval": INTERVAL},
            "rsd_bench": __version__,
        }


def judged_answers(store: Path, source: str) -> dict[Key, Judged]:
    """Every answer that a judge of this package scored."""
    out: dict[Key, Judged] = {}
    for row in rows_of(store, source, "responses", _COLUMNS):
        if scored_by_us(row):
            text = row["response"] or ""
            judged = Judged(row["score"], row["judge"], len(text.split()), mark_code(text))
            out[row["query_id"], row["model"]] = judged
    return out


def audit_source(
    store: Path,
    source: str,
    human: Sequence[HumanScore] = (),
    pair: tuple[str, str] | None = None,
    n_boot: int = 1_000,
    seed: int = 0,
) -> Audit:
    """Compute and write the audit of a source. pair: (small, large), for flipped labels.

    Raises InputError where nothing was judged, or by several judges: another prompt, model or parameter is another.
    """
    answers = judged_answers(store, source)
    judges = sorted({answer.judge for answer in answers.values()})
    if not judges:
        raise InputError.at(f"{store}: {source}", "has no score of a judge", "run `rsd-bench judge` first")
    if len(judges) > 1:
        counts = Counter(answer.judge for answer in answers.values())
        what = f"was scored by {', '.join(f'{judge} ({counts[judge]} answers)' for judge in judges)}"
        raise InputError.at(f"{store}: {source}", what, "score all of it with one judge, one prompt, one --param")
    repeats = _repeats(store, source, judges[0])
    variance = repeat_variance(list(repeats.values()))
    audit = Audit(
        source=source,
        judge=judges[0],
        answers=len(answers),
        repeats=None if variance is None else Repeats(answers=variance[1], variance=variance[0]),
        human=_against_people(answers, [s for s in human if (s.query_id, s.model) in answers], n_boot, seed),
        pair=pair,
        flips=label_flips(answers, repeats, pair) if pair else None,
        disagreement=_disagreement(answers, human, pair) if pair else None,
        n_boot=n_boot,
        seed=seed,
    )
    path = store / "sources" / source / AUDIT
    write_file(path, (json.dumps(audit.to_dict(), indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode())
    return audit


def _repeats(store: Path, source: str, judge: str) -> dict[Key, FloatArray]:
    """Scores of every judge call, by answer."""
    found: defaultdict[Key, list[float]] = defaultdict(list)
    for row in rows_of(store, source, "judgments", ["query_id", "model", "judge", "score"]):
        if row["judge"] == judge:
            found[row["query_id"], row["model"]].append(row["score"])
    return {key: np.array(scores) for key, scores in found.items()}


def _against_people(
    answers: dict[Key, Judged], human: Sequence[HumanScore], n_boot: int, seed: int
) -> Agreement | None:
    if not human:
        return None
    keys = sorted({(score.query_id, score.model) for score in human})
    people = sorted({score.annotator for score in human})
    ratings = np.full((1 + len(people), len(keys)), np.nan)
    ratings[0] = [answers[key].score for key in keys]
    position = {key: i for i, key in enumerate(keys)}
    for score in human:
        ratings[1 + people.index(score.annotator), position[score.query_id, score.model]] = score.score
    judge, mean = ratings[0], np.nanmean(ratings[1:], axis=0)
    words = np.array([answers[key].words for key in keys], np.float64)
    groups = group_codes([key[0] for key in keys], len(keys))
    figures: dict[str, tuple[Callable[[IntArray], float | None], tuple[float, float]]] = {
        "quadratic_kappa": (lambda i: quadratic_kappa(judge[i], mean[i]), (-1, 1)),
        "krippendorff_alpha": (lambda i: krippendorff_alpha(ratings[:, i]), (-math.inf, 1)),
        "mean_absolute_error": (lambda i: float(np.abs(judge[i] - mean[i]).mean()), (0, SCORE_MAX)),
        "bias": (lambda i: float((judge[i] - mean[i]).mean()), (-SCORE_MAX, SCORE_MAX)),
        "rank_correlation": (lambda i: rank_correlation(judge[i], mean[i]), (-1, 1)),
        "verbosity_slope": (lambda i: verbosity_slope(judge[i] - mean[i], words[i]), (-math.inf, math.inf)),
    }
    intervals = {name: bootstrap(of, groups, n_boot, seed, within) for name, (of, within) in figures.items()}
    return Agreement(len(keys), len(people), intervals)


def label_flips(answers: dict[Key, Judged], repeats: dict[Key, FloatArray], pair: tuple[str, str]) -> Flips | None:
    """Flipped labels of the queries whose two answers were judged more than once; None without one.

    Equal answers share their judge calls: whatever the judge says, both score the same, and the label stays 1.
    """
    queries = []
    for query in [query for query, model in repeats if model == pair[0] and (query, pair[1]) in repeats]:
        small, large = ((query, model) for model in pair)
        if min(len(repeats[small]), len(repeats[large])) > 1:
            queries.append((repeats[small], repeats[large], answers[small].code == answers[large].code))
    if not queries:
        return None
    mean = np.array([scores.mean() for scores, _, _ in queries])
    out = Flips(len(queries), {}, {}, {})
    for mes in MES_LEVELS:
        flips = np.array([0.0 if same else flip_probability(s, large, mes) for s, large, same in queries])
        near = np.abs(mean - mes) <= NEAR
        out.all[str(mes)] = float(flips.mean())
        out.near[str(mes)] = float(flips[near].mean()) if near.any() else None
        out.near_queries[str(mes)] = int(near.sum())
    return out


def _disagreement(
    answers: dict[Key, Judged], human: Sequence[HumanScore], pair: tuple[str, str]
) -> Disagreement | None:
    people: defaultdict[Key, list[float]] = defaultdict(list)
    for score in human:
        people[score.query_id, score.model].append(score.score)
    both = sorted(
        query
        for query, model in people
        if model == pair[0] and (query, pair[1]) in people and {(query, m) for m in pair} <= answers.keys()
    )
    if not both:
        return None
    people_s, people_l = ([float(np.mean(people[query, model])) for query in both] for model in pair)
    judge_s, judge_l = ([answers[query, model].score for query in both] for model in pair)
    share = {str(m): float((label(people_s, people_l, m) != label(judge_s, judge_l, m)).mean()) for m in MES_LEVELS}
    return Disagreement(len(both), share)
