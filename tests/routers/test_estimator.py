"""Routers behave as scikit-learn's users expect of an estimator, and decide there as they do elsewhere.

Guards against an estimator that only looks like one: clones that keep what was learned, folds that share groups, a
pickle that a function in it breaks, a decision that differs from that of `router train`.
"""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest
from lite_routers import FAST, Parts, parts  # noqa: F401 (fixture)
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, GroupKFold, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.utils.estimator_checks import check_estimator

from rsd_bench import RouterClassifier
from rsd_bench.features.ngrams import count_ngrams
from rsd_bench.routers.registry import ROUTERS


@pytest.mark.parametrize("name", ["logistic", "knn", "boosted-trees"])
def test_scikit_learns_own_checks(name: str) -> None:
    found = check_estimator(RouterClassifier(name), on_fail=None)
    failed = {of["check_name"]: str(of["exception"]) for of in found if of["status"] == "failed"}
    assert not failed
    assert sum(of["status"] == "passed" for of in found) > 40


def outcomes_of(part: Any) -> np.ndarray:
    return np.column_stack(list(vars(part.outcomes).values()))


QUESTIONS = [f"{'Why' if i % 3 else 'How many'} {'chairs' if i % 2 else 'ideas'} {i}?" for i in range(120)]
SCORES = np.array([[9.0 if i % 3 == 0 else 2.0, 8.0] for i in range(120)])


@pytest.mark.parametrize("name", ["gain-kernel", "logistic-cross-fitted", "domain-constant", "logistic"])
def test_it_decides_as_the_router_does(name: str, parts: Parts) -> None:
    train, validation = parts
    both = train.join(validation).take(np.arange(0, len(train) + len(validation), 4))
    model = RouterClassifier(name, FAST, random_state=3).fit(both.features, outcomes_of(both), groups=both.groups)
    from rsd_bench.dataset.splits import fold_of

    aside = fold_of(both.groups, 5, 3) == 0
    held_out = both.take(np.flatnonzero(aside))
    router = ROUTERS[name].make(3).fit(both.take(np.flatnonzero(~aside)), held_out)
    p = router.predict_p_edge(validation.features)
    np.testing.assert_array_equal(model.predict_proba(validation.features)[:, 1], p)
    np.testing.assert_array_equal(model.predict(validation.features), p >= router.threshold(held_out))
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.predict_proba(validation.features), model.predict_proba(validation.features))
    assert again.tau_ == model.tau_ and again.get_params() == model.get_params()
    assert model.score(validation.features, outcomes_of(validation)) == pytest.approx(
        RouterClassifier.score(again, validation.features, outcomes_of(validation))
    )


def test_a_clone_has_learned_nothing() -> None:
    model = RouterClassifier("ngram-logistic").fit(QUESTIONS, SCORES)
    other = clone(model).set_params(random_state=7)
    assert not hasattr(other, "router_") and other.get_params() == model.get_params() | {"random_state": 7}


@pytest.mark.parametrize("name", ["ngram-gain", "ngram-logistic"])
def test_questions_in_a_pipeline_and_across_folds(name: str) -> None:
    import pandas as pd

    groups = np.arange(120) // 6
    pipeline = make_pipeline(FunctionTransformer(count_ngrams), RouterClassifier(name))
    folds = GroupKFold(3)
    found = cross_validate(pipeline, QUESTIONS, SCORES, groups=groups, cv=folds, error_score="raise")
    plain = cross_validate(RouterClassifier(name), QUESTIONS, SCORES, groups=groups, cv=folds)
    np.testing.assert_array_equal(found["test_score"], plain["test_score"])
    always = RouterClassifier("domain-constant").fit(QUESTIONS, SCORES).score(QUESTIONS, SCORES)
    assert found["test_score"].min() > always  # the words say it all
    frame = pd.DataFrame({"question": QUESTIONS})
    p = [RouterClassifier(name).fit(x, SCORES).predict_proba(x) for x in (QUESTIONS, frame, frame["question"])]
    assert np.array_equal(p[0], p[1]) and np.array_equal(p[0], p[2])


def test_features_across_folds_and_a_grid(parts: Parts) -> None:
    some = parts[0].take(np.arange(0, len(parts[0]), 4))
    search = GridSearchCV(
        RouterClassifier(scenario=FAST),
        {"router": ["statistics-logistic", "domain-constant"]},
        cv=GroupKFold(2),
        error_score="raise",
    )
    search.fit(some.features, outcomes_of(some), groups=some.groups)
    assert search.best_params_["router"] in ("statistics-logistic", "domain-constant")
    assert len(some.features[some.groups == some.groups[0]]) >= 1 and some.features.shape == (len(some),)


def test_a_table_of_numbers_in_a_pipeline() -> None:
    x = np.random.default_rng(0).normal(size=(200, 3))
    labels = np.where(x[:, 0] > 0, "keep", "ask")
    pipeline = make_pipeline(StandardScaler(), RouterClassifier("logistic")).fit(x, labels)
    assert pipeline.score(x, labels) > 0.9 and list(pipeline.classes_) == ["ask", "keep"]


def test_groups_are_held_out_whole() -> None:
    """Row by row the rows that fix tau would be twins of those that were learned from."""
    groups = np.repeat(np.arange(30), 4)
    whole, apart = (
        RouterClassifier("ngram-logistic", random_state=1).fit(QUESTIONS, SCORES, groups=g) for g in (groups, None)
    )
    assert not np.array_equal(whole.predict_proba(QUESTIONS), apart.predict_proba(QUESTIONS))


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"router": "nothing"}, "nothing: is no router"),
        ({"scenario": "slow"}, "scenario: no preset 'slow'"),
        ({"router": "logistic"}, "X: has no image, which router 'logistic' reads"),
        ({"y": SCORES[:5]}, "y: has 5 rows where X has 120"),
        ({"y": SCORES[:, [0, 1, 1]]}, r"y: outcomes have 2 columns"),
        ({"y": SCORES + 3}, "small"),
        ({"y": ["a"] * 120}, "one class"),
        ({"groups": [1, 2]}, r"groups: must have one id a query, shape \(120,\)"),
        ({"X": np.ones((120, 2))}, "router: 'ngram-logistic' reads words, not a table of numbers"),
    ],
)
def test_what_is_wrong_is_named(given: dict[str, Any], told: str) -> None:
    arguments = {"X": QUESTIONS, "y": SCORES} | {k: v for k, v in given.items() if k in ("X", "y", "groups")}
    options = {"router": "ngram-logistic"} | {k: v for k, v in given.items() if k in ("router", "scenario")}
    with pytest.raises(ValueError, match=told):
        RouterClassifier(**options).fit(**arguments)
