"""Scenarios from people: per cohort the MES that its ratings fit, how sure that is, and what it changes.

The judge's scores and the groups of the queries are those of a store. Ratings count alike, whoever gave them; the
bootstrap draws groups of queries, so intervals speak of other queries and of these people. A cohort whose satisfaction
the scores do not tell is refused with the reason, and gets no scenario.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from rsd_bench.config import MIN_RATED_GROUPS, RESERVED_NAMES, SCORE_MAX, scenario_key
from rsd_bench.judge.agreement import NEAR
from rsd_bench.judge.people import Answer
from rsd_bench.judge.satisfaction import Rating
from rsd_bench.metrics.arrays import BoolArray, FloatArray, entered
from rsd_bench.metrics.label import label
from rsd_bench.metrics.satisfaction import MesFit, fit_mes, rater_agreement
from rsd_bench.sources.ids import slug
from rsd_bench.sources.store.store_tables import rows_of
from rsd_bench.types import InputError, Interval, Scenario

EVERYBODY = "all"  # the scenario of all ratings together
_MOST, _DIGEST = 63, 8  # characters of a scenario's name, and of the digest in one


@dataclass(frozen=True)
class Scored:
    """What a store knows: the score and the judge of each scored answer, and the group of each query."""

    scores: Mapping[Answer, float]
    judges: Mapping[Answer, str]
    groups: Mapping[str, str]


@dataclass(frozen=True)
class Change:
    """Share of n labels that differ at the MES - 1 and at the MES + 1 from those at the MES.

    With a large model: labels of the pair. Without: whether the model's answers reach the MES, by itself; no pair with
    it as the small model changes in more.
    """

    small: str
    large: str | None
    n: int
    lower: float
    higher: float


@dataclass(frozen=True, kw_only=True)
class Cohort:
    """What the ratings of a cohort say. cohort: as the file names it, None for all ratings together.

    annotators: 0 where none is named. judges: whose scores they are. agreement: Krippendorff's alpha over the answers
    that several people rated, None where it is not defined. auroc: of the score for satisfaction, None where only one
    kind of rating occurs. fit, scenario: None where the cohort is refused, and why.
    """

    name: str
    cohort: str | None
    ratings: int
    answers: int
    groups: int
    annotators: int
    satisfied: float
    judges: tuple[str, ...]
    rated_by_several: int
    agreement: Interval | None
    auroc: Interval | None
    refused: str
    fit: MesFit | None
    scenario: Scenario | None
    changes: tuple[Change, ...] = ()


def scored_answers(store: Path, sources: Collection[str]) -> Scored:
    """Every scored answer of the sources; InputError where there is none."""
    scores: dict[Answer, float] = {}
    judges: dict[Answer, str] = {}
    groups: dict[str, str] = {}
    for source in sources:
        for row in rows_of(store, source, "responses", ["query_id", "model", "score", "judge"]):
            if row["score"] is not None:
                answer = row["query_id"], row["model"]
                scores[answer], judges[answer] = row["score"], row["judge"] or "not named"
        groups |= {row["query_id"]: row["group"] for row in rows_of(store, source, "queries", ["query_id", "group"])}
    if not scores:
        raise InputError.at(store, "has no scored answer", "run `rsd-bench judge` first")
    return Scored(scores, judges, groups)


def fit_scenarios(
    ratings: Sequence[Rating], scored: Scored, like: Scenario, pair: tuple[str, str] | None = None
) -> list[Cohort]:
    """A Cohort for each one that is named, in the order of the file, and one of all ratings where that is another.

    like: whose weights the scenarios take. pair: (small, large), whose labels are compared; default: every model.
    """
    by_cohort: defaultdict[str, list[Rating]] = defaultdict(list)
    for rating in ratings:
        by_cohort[rating.cohort].append(rating)
    names = _scenario_names([cohort for cohort in by_cohort if cohort])
    found = [_fit(name, cohort, by_cohort[cohort], scored, like) for cohort, name in names.items()]
    if len(by_cohort) != 1 or not names:
        found.append(_fit(EVERYBODY, None, ratings, scored, like))
    return [
        replace(one, changes=tuple(_changes(one.scenario.mes, scored, pair))) if one.scenario else one for one in found
    ]


def _scenario_names(cohorts: Sequence[str]) -> dict[str, str]:
    """The name of the scenario of each cohort, one that a file of scenarios may have, whatever people call themselves.

    The nearest legal one; `cohort-` stands before one that is reserved, or instead of one without a Latin letter or
    digit. Where that is no cohort's alone, or there is none, a digest of what the cohort is called stands behind it.
    """
    names = {cohort: slug(cohort) or "" for cohort in cohorts}
    for cohort, name in names.items():
        if name.lower() in (*RESERVED_NAMES, EVERYBODY):
            names[cohort] = f"cohort-{name}"
    alike = Counter(map(scenario_key, names.values()))
    for cohort, name in names.items():
        if not name or alike[scenario_key(name)] > 1:
            digest = hashlib.sha256(cohort.encode("utf-8", "surrogatepass")).hexdigest()[:_DIGEST]
            names[cohort] = f"{(name or 'cohort')[: _MOST - _DIGEST - 1]}-{digest}"
    return names


def _fit(name: str, cohort: str | None, ratings: Sequence[Rating], scored: Scored, like: Scenario) -> Cohort:
    answers = [(rating.query_id, rating.model) for rating in ratings]
    satisfied = np.array([rating.satisfied for rating in ratings])
    groups = [scored.groups[rating.query_id] for rating in ratings]
    several, agreement = _agreement(answers, satisfied, scored.groups)
    fit = None
    if satisfied.any() and not satisfied.all():
        fit = fit_mes([scored.scores[answer] for answer in answers], satisfied, groups)
    sides = [
        len({group for group, yes in zip(groups, satisfied, strict=True) if yes == side}) for side in (True, False)
    ]
    refused = _why_not(fit, *sides)
    return Cohort(
        name=name,
        cohort=cohort,
        ratings=len(ratings),
        answers=len(set(answers)),
        groups=len(set(groups)),
        annotators=len({rating.annotator for rating in ratings} - {""}),
        satisfied=float(satisfied.mean()),
        judges=tuple(sorted({scored.judges[answer] for answer in answers})),
        rated_by_several=several,
        agreement=agreement,
        auroc=fit.auroc if fit else None,
        refused=refused,
        fit=None if refused else fit,
        scenario=None if refused or fit is None else replace(like, name=name, mes=fit.mes.value),
    )


def _why_not(fit: MesFit | None, satisfied: int, others: int) -> str:
    """Why no MES can be had, "" where one can. satisfied, others: groups of queries with such a rating."""
    if fit is None or min(satisfied, others) < MIN_RATED_GROUPS:
        return (
            f"too few ratings: {satisfied} groups of queries have a satisfied one and {others} an unsatisfied one, "
            f"{MIN_RATED_GROUPS} of each are needed"
        )
    if fit.predicts:
        return ""
    bounds = f"AUROC {fit.auroc.value:.2f} [{fit.auroc.low:.2f}, {fit.auroc.high:.2f}]"
    if fit.auroc.high < 1 / 2:
        return f"people are satisfied where the judge scores low: {bounds} lies below 0.5; is 1 satisfied?"
    return f"scores do not tell who is satisfied: {bounds} does not lie above 0.5"


def _agreement(
    answers: Sequence[Answer], satisfied: BoolArray, groups: Mapping[str, str]
) -> tuple[int, Interval | None]:
    """How many answers several people rated, and how far these people agree on them."""
    rated, yes = Counter(answers), Counter(answer for answer, of in zip(answers, satisfied, strict=True) if of)
    several = [answer for answer, count in rated.items() if count > 1]
    if not several:
        return 0, None
    raters, of_them = (np.array([of[answer] for answer in several]) for of in (rated, yes))
    return len(several), rater_agreement(raters, of_them, [groups[query] for query, _ in several])


def _changes(mes: float, scored: Scored, pair: tuple[str, str] | None) -> list[Change]:
    by_model: defaultdict[str, dict[str, float]] = defaultdict(dict)
    for (query, model), score in scored.scores.items():
        by_model[model][query] = score
    if pair is None:
        return [
            _change(model, None, np.array(list(its.values())), None, mes) for model, its in sorted(by_model.items())
        ]
    small, large = (by_model[model] for model in pair)
    both = [query for query in small if query in large]
    if not both:
        raise InputError.at(", ".join(pair), "have no query that both were scored on", "name another pair")
    scores, of_large = (np.array([its[query] for query in both]) for its in (small, large))
    return [_change(*pair, scores, of_large, mes)]


def _change(small: str, large: str | None, scores: FloatArray, of_large: FloatArray | None, mes: float) -> Change:
    def labels(at: float) -> BoolArray:
        return scores >= at if of_large is None else label(scores, of_large, at) == 1

    now = labels(mes)
    lower, higher = ((labels(entered(at)) != now).mean() for at in (max(0, mes - NEAR), min(SCORE_MAX, mes + NEAR)))
    return Change(small, large, len(scores), float(lower), float(higher))
