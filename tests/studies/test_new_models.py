"""A model counted as new must be new to the router, and no query may be decided by who learned from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from lite_routers import lite  # noqa: F401 (fixture)

from rsd_bench.dataset.benchmark import Benchmark
from rsd_bench.features.feature_table import Features
from rsd_bench.routers.interface import TrainingData
from rsd_bench.studies import mean_gains, new_models
from rsd_bench.studies.new_models import LARGE, NOTHING, ONBOARDED, OWN, SMALL, UNSEEN, across_models, draw_models
from rsd_bench.types import InputError


class _Quick:
    """Decides as a coin that its groups weigh, and remembers them."""

    def __init__(self, groups: Sequence[str], known: frozenset[str] = frozenset()) -> None:
        self.known = known | set(groups)

    def onboarded(self, data: TrainingData) -> _Quick:
        return _Quick(data.groups, frozenset(self.known))

    def predict_p_edge(self, features: Features) -> np.ndarray:
        return np.full(len(features), len(self.known) % 2)

    def threshold(self) -> float:
        return 0.5


def test_the_new_model_and_the_tested_groups_are_unknown(
    lite: tuple[Benchmark, Features], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(new_models, "_learned", lambda data: _Quick(data.groups))
    monkeypatch.setattr(mean_gains, "N_BOOT", 50)
    asked: list[bool] = []
    decide = new_models._out_of_fold

    def watched(suite: new_models._Suite, track: str, routers: Sequence[_Quick]) -> np.ndarray:
        groups = suite.tracks[track].groups
        asked.extend(router.known.isdisjoint(groups[suite.fold == k]) for k, router in enumerate(routers))
        return decide(suite, track, routers)  # type: ignore[arg-type]

    monkeypatch.setattr(new_models, "_out_of_fold", watched)
    table = across_models(*lite, "fast_response", 2, "cmd")
    assert asked and all(asked)
    for new in (LARGE, SMALL):
        assert {row["what"] for row in table.where(new=new)} == {UNSEEN, ONBOARDED, NOTHING, OWN}
        assert {row["pairs"] for row in table.where(new=new)} == {10}
    draw_models(table, tmp_path / "models.svg")
    assert (tmp_path / "models.svg").stat().st_size


def test_who_knows_the_new_model_is_not_asked() -> None:
    models = {"a--x": ("a", "x"), "a--y": ("a", "y"), "b--x": ("b", "x"), "b--y": ("b", "y")}
    suite = new_models._Suite({}, models, np.zeros(0, np.int64), {})
    assert suite.others("a--x", LARGE) == ["a--y"] and suite.others("a--x", SMALL) == ["b--x", "b--y"]


def test_a_dataset_without_a_suite_is_refused(lite: tuple[Benchmark, Features]) -> None:
    benchmark, features = lite
    alone = replace(benchmark.manifest, tracks=tuple(replace(t, suite=False) for t in benchmark.manifest.tracks))
    with pytest.raises(InputError, match="no suite of pairs"):
        across_models(replace(benchmark, manifest=alone), features, "fast_response", 1, "cmd")
