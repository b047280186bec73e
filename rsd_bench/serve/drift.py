"""Whether traffic is still what a router was trained for: its queries against those of the store, p against verdicts.

Input drift is a classifier two-sample test (Lopez-Paz and Oquab, ICLR 2017): a logistic regression learns to tell the
queries of traffic (`served-*`) from those of the other sources of the store, five-fold; its AUROC out of fold is 0.5
where nobody can tell them apart and 1 where everybody can. p-value: how often labels that are dealt at random do as
well. Once on hashed n-grams of the questions, and once on the question vectors of the router's encoder, where it has
one. Calibration drift: p_edge of the router on judged traffic against the label of its scenario.

Traffic of users never is a benchmark: a low p-value of the inputs is a reason to judge a sample, verdicts that disagree
with p are the reason to train again.
"""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rsd_bench.metrics.calibration import auroc, expected_calibration_error
from rsd_bench.metrics.label import label
from rsd_bench.serve.deciding import Loaded
from rsd_bench.serve.filing import PREFIX
from rsd_bench.serve.journal import FILE, connect
from rsd_bench.sources.store.store_media import media_of, read_media
from rsd_bench.sources.store.store_tables import rows_of, sources_in
from rsd_bench.types import InputError, Scenario

MIN_QUERIES = 30  # of either kind, below which nothing is said of the inputs
MIN_JUDGED = 100  # judged queries of traffic, below which nothing is said of calibration
_MOST = 4_000  # queries of either kind that are compared
_FOLDS, _DEALS, _SEED = 5, 999, 0
_SIGNIFICANCE = 0.01
_CRITICAL = 2.576  # standard errors: two-sided, at the 1 % of _SIGNIFICANCE
_APART = 0.75  # AUROC from which on inputs are called drifted
_BUCKETS = 1 << 14


@dataclass(frozen=True)
class Inputs:
    """auroc: how well traffic is told from what was known; p_value: how often chance does as well."""

    by: str
    auroc: float
    p_value: float


@dataclass(frozen=True)
class Calibration:
    """p_edge against the share of queries on which the edge was good enough; z: their difference in standard errors."""

    judged: int
    mean_p: float
    competent: float
    ece: float
    auroc: float | None
    z: float


@dataclass(frozen=True)
class Drift:
    """calibration None: too little was judged. advice: what to do, in a line."""

    scenario: str
    known: int
    served: int
    inputs: tuple[Inputs, ...]
    calibration: Calibration | None
    judged: int
    retrain: bool
    advice: str

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def measure_drift(router: Loaded, store: Path, scenario: str | None = None) -> Drift:
    """The drift of a store's traffic from its other sources, for a router.

    InputError where the store has too few queries of either kind, or the router is not for `scenario`.
    """
    named = _scenario(router, scenario)
    names = sources_in(store)
    kinds = [[name for name in names if name.startswith(PREFIX) is served] for served in (False, True)]
    known, served = ([_Row(name, row) for name in kind for row in rows_of(store, name, "queries")] for kind in kinds)
    for rows, what, fix in (
        (known, "of sources that the router was trained on", "import them into this store"),
        (served, "of traffic", "run `rsd-bench data import served STORE` when there is more"),
    ):
        if len(rows) < MIN_QUERIES:
            raise InputError.at(store, f"has {len(rows)} queries {what}; {MIN_QUERIES} are needed", fix)
    questions = [[row.question for row in _some(rows)] for rows in (known, served)]
    inputs = [_told_apart("n-grams", _hashed(questions), questions)]
    encode = getattr(router.router, "encode_questions", None)
    if encode is not None and _reads_text(router.router):
        vectors = np.asarray(encode([text for part in questions for text in part]), np.float64)
        inputs.append(_told_apart("embeddings", vectors, questions))
    judged = list(_judged(store, served))
    calibration = _calibration(router, store, judged, named) if len(judged) >= MIN_JUDGED else None
    return _concluded(named.name, len(known), len(served), tuple(inputs), calibration, len(judged))


class _Row:
    """A query of a source."""

    def __init__(self, source: str, row: Mapping[str, Any]) -> None:
        self.source, self.query_id, self.question = source, str(row["query_id"]), str(row["question"])
        self.images = [str(item["sha256"]) for item in media_of(row) if item["kind"] == "image"]


def _scenario(router: Loaded, name: str | None) -> Scenario:
    if not router.scenarios:
        raise InputError.at("router", "is for no scenario", "name a checkpoint of `rsd-bench router train`")
    if name is not None and name not in router.scenarios:
        raise InputError.at("--scenario", f"the router is not for {name!r:.80}", f"use {', '.join(router.scenarios)}")
    return router.scenarios[name] if name is not None else next(iter(router.scenarios.values()))


def _reads_text(router: Any) -> bool:
    return "text" in getattr(router, "blocks", ("text",))


def _some(rows: list[_Row]) -> list[_Row]:
    if len(rows) <= _MOST:
        return rows
    chosen = np.random.default_rng(_SEED).choice(len(rows), _MOST, replace=False)
    return [rows[i] for i in sorted(chosen)]


def _hashed(questions: list[list[str]]) -> Any:
    from sklearn.feature_extraction.text import HashingVectorizer

    vectorizer = HashingVectorizer(n_features=_BUCKETS, ngram_range=(1, 2), alternate_sign=False)
    return vectorizer.transform([text for part in questions for text in part])


def _told_apart(by: str, features: Any, questions: list[list[str]]) -> Inputs:
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold, cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import MaxAbsScaler
    from threadpoolctl import threadpool_limits

    truth = np.repeat(np.array([0, 1], np.int8), [len(part) for part in questions])
    folds = StratifiedKFold(_FOLDS, shuffle=True, random_state=_SEED)
    model = make_pipeline(MaxAbsScaler(), LogisticRegression(max_iter=500, class_weight="balanced"))
    with threadpool_limits(1):  # small matrices: threads cost more than they bring
        p = cross_val_predict(model, features, truth, cv=folds, method="predict_proba")[:, 1]
    found, rng = auroc(p, truth), np.random.default_rng(_SEED)
    assert found is not None
    chance = [auroc(p, rng.permutation(truth)) or 0.0 for _ in range(_DEALS)]
    return Inputs(by, found, (1 + sum(one >= found for one in chance)) / (1 + _DEALS))


def _models(store: Path) -> dict[str, str]:
    """The models that traffic asked most, by tier."""
    if not (store / FILE).is_file():
        raise InputError.at(store, f"has no {FILE}", "name the store of `rsd-bench serve --log`")
    with closing(connect(store)) as journal:
        try:
            rows = journal.execute("SELECT tier, model FROM answers GROUP BY tier, model ORDER BY count(*)").fetchall()
        except sqlite3.Error as error:
            raise InputError.at(store / FILE, f"SQLite: {error}", "restore the file or move it away") from None
    return dict(rows)


def _judged(store: Path, served: list[_Row]) -> Iterator[tuple[_Row, float, float]]:
    """Queries of traffic with the scores of edge and cloud."""
    models = _models(store)
    scores: dict[tuple[str, str], float] = {}
    for source in sorted({row.source for row in served}):
        for row in rows_of(store, source, "responses", ["query_id", "model", "score"]):
            if row["score"] is not None:
                scores[row["query_id"], row["model"]] = row["score"]
    for one in served:
        edge, cloud = (scores.get((one.query_id, models.get(tier, ""))) for tier in ("edge", "cloud"))
        if edge is not None and cloud is not None:
            yield one, edge, cloud


def _calibration(
    router: Loaded, store: Path, judged: list[tuple[_Row, float, float]], scenario: Scenario
) -> Calibration:
    given: dict[str, Any] = {"scenario": scenario.name} if router.told else {}
    decisions = [
        router.router.route([read_media(store, "image", sha) for sha in row.images] or None, row.question, **given)
        for row, _, _ in judged
    ]
    p = np.array([decision.p_edge for decision in decisions], np.float64)
    edge, cloud = (np.array([one[k] for one in judged], np.float64) for k in (1, 2))
    labels = label(edge, cloud, scenario.mes)
    spread = math.sqrt(float(np.mean(p * (1 - p))) / len(p))
    z = float(labels.mean() - p.mean()) / spread if spread else 0.0
    return Calibration(
        judged=len(p),
        mean_p=float(p.mean()),
        competent=float(labels.mean()),
        ece=expected_calibration_error(p, labels),
        auroc=auroc(p, labels),
        z=z,
    )


def _concluded(
    scenario: str, known: int, served: int, inputs: tuple[Inputs, ...], calibration: Calibration | None, judged: int
) -> Drift:
    moved = any(one.p_value <= _SIGNIFICANCE and one.auroc >= _APART for one in inputs)
    off = calibration is not None and abs(calibration.z) > _CRITICAL
    if off:
        advice = "train again with this traffic: p does not hold on it"
    elif calibration is None and moved:
        advice = f"judge traffic: it differs from what was known, and {judged} of {MIN_JUDGED} judged queries are there"
    elif calibration is None:
        advice = "nothing to do: traffic looks like what was known"
    elif moved:
        advice = "nothing to do: traffic differs from what was known, and p holds on it"
    else:
        advice = "nothing to do: traffic looks like what was known, and p holds on it"
    return Drift(scenario, known, served, inputs, calibration, judged, off, advice)
