"""The routers of `router list` as one scikit-learn estimator: pipelines, `cross_validate`, `clone`, `GridSearchCV`.

What `fit` is given decides what is learned. Outcomes, scores of both models, are the lesson of every other command: the
label follows from the scenario's MES, and `predict` decides at the tau that the router fixes on rows held out. Labels
alone are those of any classifier: `predict` takes the likelier.

X is what a router reads: Features for any; the questions, or their n-grams, for those of words; a table of numbers for
those that read one matrix, whatever its columns are.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.metrics import accuracy_score
from sklearn.utils import assert_all_finite
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import check_is_fitted, column_or_1d, validate_data

from rsd_bench.config import FOLDS, NGRAM_BUCKETS, SCORE_MAX, scenario_named
from rsd_bench.dataset.splits import fold_of
from rsd_bench.features.blocks import NGRAMS, Features, FeatureSpec, NgramSpec
from rsd_bench.features.ngrams import count_ngrams
from rsd_bench.metrics.arrays import FloatArray
from rsd_bench.metrics.routing import Outcomes, routing_score
from rsd_bench.routers.interface import TrainingData
from rsd_bench.routers.registry import Entry, router_entry
from rsd_bench.routers.saved_state import State
from rsd_bench.types import Scenario

_MATRIX = "text"  # the block that a table of numbers takes the place of: one that a query never lacks
_EDGE = 0.5


class RouterClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """A router as a scikit-learn classifier of queries: class 1 where the small model is good enough, 0 where not.

    router: a name of `rsd-bench router list`, or FILE.py. scenario: a name or a Scenario, whose MES makes the labels
    and whose weights tau. random_state: seed of what training leaves to chance, and of which groups are held out for
    tau. Parameters are looked at by `fit`, which raises ValueError naming the argument.
    """

    def __init__(
        self, router: str = "logistic", scenario: str | Scenario = "fast_response", random_state: int = 0
    ) -> None:
        self.router, self.scenario, self.random_state = router, scenario, random_state

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = False
        return tags

    def fit(self, X: Any, y: Any, groups: Any = None) -> Self:  # noqa: N803 - scikit-learn's name
        """Learn from n queries.

        X: Features, questions, their n-grams (CSR), or numbers of shape (n, d). y: outcomes, shape (n, 2), scores of
        the small and the large model in [0, 10]; or (n, 4), with their latencies in seconds; or labels of two classes,
        (n,), the second of which stands for the small model. groups: ids of the queries' groups, shape (n,), which are
        held out whole; default: each query is one.
        """
        if y is None:
            raise ValueError(f"{type(self).__name__} requires y to be passed, but the target y is None")
        entry, scenario = router_entry(self.router), scenario_named(self.scenario)
        features = self._features(X, entry, first=True)
        outcomes = self._outcomes(y, len(features))
        ids = np.arange(len(features)) if groups is None else np.asarray(groups, dtype=object)
        if ids.shape != (len(features),):
            raise ValueError(f"groups: must have one id a query, shape ({len(features)},), not {ids.shape}")
        if self.labels_only_:
            scenario = replace(scenario, mes=SCORE_MAX)
        data = TrainingData(features, outcomes, ids.astype(str).astype(object), scenario)
        aside = fold_of(data.groups, FOLDS, self.random_state) == 0
        parts = (~aside, aside) if aside.any() and not aside.all() else (aside | True, aside | True)
        train, validation = (data.take(np.flatnonzero(rows)) for rows in parts)
        self.router_ = self._made(entry).fit(train, validation)
        self.tau_ = _EDGE if self.labels_only_ else float(self.router_.threshold(validation))
        return self

    def predict_proba(self, X: Any) -> FloatArray:  # noqa: N803
        """P(cloud) and P(edge competent), as the router puts it, shape (n, 2)."""
        check_is_fitted(self, "router_")
        p = self.router_.predict_p_edge(self._features(X, router_entry(self.router)))
        return np.column_stack([1 - p, p])

    def predict(self, X: Any) -> NDArray[Any]:  # noqa: N803
        """The class of each query, shape (n,): the second where P(edge competent) >= `tau_`."""
        at_edge = self.predict_proba(X)[:, 1]
        edge = at_edge > _EDGE if self.labels_only_ else at_edge >= self.tau_
        found: NDArray[Any] = self.classes_[edge.astype(int)]
        return found

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:  # noqa: N803
        """RCS of the decisions on outcomes, accuracy on labels."""
        if self.labels_only_:
            return float(accuracy_score(column_or_1d(y), self.predict(X), sample_weight=sample_weight))
        outcomes = _scores(np.asarray(y))
        return routing_score(self.predict(X) == 1, outcomes, scenario_named(self.scenario)).rcs

    def _made(self, entry: Entry) -> Any:
        router: Any = entry.make(self.random_state)
        if not self.one_matrix_:
            return router
        if not hasattr(router, "reading"):
            what = "reads blocks of features" if entry.blocks != (NGRAMS,) else "reads words"
            raise ValueError(f"router: {self.router!r} {what}, not a table of numbers; give X as Features or questions")
        return router.reading((_MATRIX,))

    def _features(self, X: Any, entry: Entry, first: bool = False) -> Features:  # noqa: N803
        if isinstance(X, Features):
            features = X
        elif (words := _words(X)) is not None:
            features = Features(
                {NGRAMS: words}, _no_domain(words.shape[0]), FeatureSpec(None, None, ngrams=NgramSpec())
            )
        else:
            numbers = np.asarray(validate_data(self, X, reset=first, dtype=np.float64))
            features = Features({_MATRIX: numbers}, _no_domain(len(numbers)), FeatureSpec(None, None))
        one_matrix = not isinstance(X, Features) and _MATRIX in features.blocks
        if first:
            self.one_matrix_ = one_matrix
        if lacking := [name for name in entry.blocks if name not in features.blocks and not one_matrix]:
            raise ValueError(f"X: has no {lacking[0]}, which router {self.router!r} reads")
        if one_matrix != self.one_matrix_:
            raise ValueError("X: is of another kind than what the router learned from")
        return features

    def _outcomes(self, y: Any, n: int) -> Outcomes:
        """Of both models; of labels, scores that make them: the large model solves all."""
        table = np.column_stack(list(vars(y).values())) if isinstance(y, Outcomes) else np.asarray(y)
        if len(table) != n:
            raise ValueError(f"y: has {len(table)} rows where X has {n}")
        self.labels_only_ = table.ndim < 2 or table.shape[1] < 2
        if not self.labels_only_:
            self.classes_ = np.array([0, 1])
            return _scores(table)
        given = column_or_1d(y, warn=True)
        assert_all_finite(given, input_name="y")
        check_classification_targets(given)
        if (kind := type_of_target(given, input_name="y")) != "binary":
            raise ValueError(f"Only binary classification is supported. The type of the target is {kind}.")
        self.classes_, place = np.unique(given, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError("y: holds one class, and a classifier needs two; give outcomes where one is all there is")
        return Outcomes.of(place * SCORE_MAX, np.full(n, SCORE_MAX))

    def __getstate__(self) -> dict[str, Any]:
        """A trained router of the package as what it learned: its classes hold functions, which no pickle takes."""
        found = dict(super().__getstate__())
        if hasattr(found.get("router_"), "state"):
            found["router_"] = found["router_"].state()
        return found

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        if isinstance(state.get("router_"), State):
            self.router_ = self._made(router_entry(self.router)).restore(state["router_"])


def _scores(table: NDArray[Any]) -> Outcomes:
    if table.ndim != 2 or table.shape[1] not in (2, 4):
        raise ValueError(f"y: outcomes have 2 columns (scores) or 4 (and latencies), not the shape {table.shape}")
    return Outcomes.of(*table.T)


def _words(X: Any) -> Any:  # noqa: N803
    """N-grams of questions, or those that X holds; None where it holds something else."""
    if sparse.issparse(X):
        return sparse.csr_array(X, dtype=np.float32) if X.shape[1] == NGRAM_BUCKETS else None
    if not isinstance(X, (list, tuple, np.ndarray)) and not hasattr(X, "iloc"):
        return None
    column = np.asarray(X, dtype=object) if hasattr(X, "iloc") or not isinstance(X, np.ndarray) else X
    if column.ndim == 2 and column.shape[1] == 1:
        column = column[:, 0]
    if column.ndim != 1 or not len(column) or not all(isinstance(question, str) for question in column):
        return None
    return count_ngrams(column)


def _no_domain(n: int) -> NDArray[np.object_]:
    return np.full(n, "", dtype=object)
