"""`rsd.folds`: each query is tested once a repeat, by a router that never saw its group.

Guards against folds of rows: of a question in three variants, two taught the router the answer to the third.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from folded import MODELS, folded, folded_dataset  # noqa: F401 (fixtures)

import rsd_bench as rsd
from rsd_bench.config import FOLDS, REPEATS
from rsd_bench.dataset.benchmark import Benchmark


def test_every_query_is_tested_once_and_its_group_is_never_learned_from(folded_dataset: Path) -> None:  # noqa: F811
    every = set(rsd.load(folded_dataset, split="train")["query_id"])
    for split in ("validation", "test"):
        every |= set(rsd.load(folded_dataset, split=split)["query_id"])
    deals = []
    for repeat in (0, REPEATS - 1):
        pairs = rsd.folds(folded_dataset, repeat=repeat)
        assert len(pairs) == FOLDS
        tested = [query for _, test in pairs for query in test["query_id"]]
        assert len(tested) == len(every) and set(tested) == every
        for train, test in pairs:
            assert len(train) + len(test) == len(every)
            assert not set(train["group_id"]) & set(test["group_id"])
        deals.append([frozenset(test["query_id"]) for _, test in pairs])
    assert deals[0] != deals[1]


def test_folds_are_those_that_a_submission_is_held_to(folded_dataset: Path, folded: Benchmark) -> None:  # noqa: F811
    for lesson, (_, test) in zip(folded.lessons("in-domain", [2]), rsd.folds(folded_dataset, repeat=2), strict=True):
        assert test["query_id"][:] == folded.queries["query_id"].iloc[lesson.test].tolist()


def test_columns_are_those_of_load(folded_dataset: Path) -> None:  # noqa: F811
    train, _ = rsd.folds(folded_dataset)[0]
    assert train.features == rsd.load(folded_dataset, split="train").features
    labelled, _ = rsd.folds(folded_dataset, scenario="high_quality")[0]
    assert labelled.features == rsd.load(folded_dataset, scenario="high_quality", split="train").features
    want = rsd.label(labelled["small_score"][:], labelled["large_score"][:], 8)
    assert labelled["label"][:] == want.tolist()


def test_a_track_with_tiers_has_the_figures_of_each(
    folded_dataset: Path,  # noqa: F811
    folded: Benchmark,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("rsd_bench.dataset.folds.read_queries", lambda _: folded)
    figures = folded.tiers[MODELS]
    place = {query_id: at for at, query_id in enumerate(folded.queries["query_id"])}
    for train, test in rsd.folds(folded_dataset, "three-tiers", 1, mes=6.5):
        for part in (train, test):
            at = [place[query_id] for query_id in part["query_id"]]
            scores = np.column_stack([part[f"score_{k}"][:] for k in (1, 2, 3)])
            assert np.array_equal(scores, figures.scores[at]) and "label" not in part.column_names
            assert np.array_equal(np.column_stack([part[f"latency_{k}"][:] for k in (1, 2, 3)]), figures.latencies[at])
            labels = np.column_stack([part["label_1"][:], part["label_2"][:]])
            assert np.array_equal(labels, rsd.label_tiers(scores, 6.5))


def test_what_has_no_folds_says_what_to_use(
    toy_dataset: Path,
    folded_dataset: Path,  # noqa: F811
) -> None:
    with pytest.raises(ValueError, match=r"track: 'in-domain' is fixed-test.*rsd_bench.load\(track='in-domain'"):
        rsd.folds(toy_dataset)
    with pytest.raises(ValueError, match="track: 'moon' is none of in-domain"):
        rsd.folds(folded_dataset, "moon")
    for repeat in (REPEATS, -1, 0.5, "0"):
        with pytest.raises(ValueError, match=r"repeat: .* is none of 0 to 4"):
            rsd.folds(folded_dataset, repeat=repeat)
