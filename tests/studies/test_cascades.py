"""A cascade that is compared without paying for the answer it saw would win everywhere."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from answered import answered  # noqa: F401 (fixture)
from conftest import call_cli

from rsd_bench.dataset.benchmark import open_benchmark
from rsd_bench.features.feature_table import read_features
from rsd_bench.metrics.routing import best_fixed, routing_score
from rsd_bench.routers.registry import CASCADES, ROUTERS
from rsd_bench.studies.cascades import compare_cascades, draw_cascade
from rsd_bench.studies.cross_validation import every_query
from rsd_bench.studies.mean_gains import Decisions, mean_gains


def test_who_goes_on_pays_for_both(answered: tuple[Path, Path]) -> None:
    benchmark = open_benchmark(answered[0])
    data = every_query(benchmark, read_features(benchmark, answered[1]), benchmark.scenarios["low_energy"])
    route = np.random.default_rng(0).random(len(data)) < 0.5
    fixed = routing_score(best_fixed(data.outcomes, data.scenario)[1], data.outcomes, data.scenario).rcs
    for cascade in (False, True):
        made = Decisions(route.astype(float), np.ones(len(data), np.bool_), np.zeros(1), 0.25, cascade)
        expected = routing_score(route, data.outcomes, data.scenario, 0.25, cascade).rcs - fixed
        assert mean_gains([data], [made], [made], together=False).gain.value == pytest.approx(expected)


def test_a_row_with_and_without_the_answer(answered: tuple[Path, Path], tmp_path: Path) -> None:
    benchmark = open_benchmark(answered[0])
    features = read_features(benchmark, answered[1])
    table = compare_cascades(benchmark, features, ROUTERS["ngram-gain"], CASCADES["ngram-cascade"], 1, "cmd")
    for scenario in benchmark.scenarios:
        alone, cascade = table.where(scenario=scenario, source="toy")
        assert (alone["router"], cascade["router"]) == ("ngram-gain", "ngram-cascade")
        assert alone["over"] == 0 and alone["queries"] == 60 and alone["AUROC"] < 0.8 < cascade["AUROC"]
    draw_cascade(table, tmp_path / "cascade.svg")
    assert (tmp_path / "cascade.svg").stat().st_size


def test_the_lite_edition_is_skipped_and_said_so(tmp_path: Path) -> None:
    done = call_cli("router", "cascade", "--out", tmp_path / "results")
    assert done.returncode == 0 and done.stdout.startswith("skipped ") and "holds no answers" in done.stdout
    assert not any(tmp_path.iterdir())
