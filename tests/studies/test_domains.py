"""A domain counted as unseen must be unseen, and queries that adapted a router must not test it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from lite_routers import FAST, lite  # noqa: F401 (fixture)

from rsd_bench.dataset.benchmark import Benchmark
from rsd_bench.features.feature_table import Features
from rsd_bench.metrics.routing import best_fixed, routing_score
from rsd_bench.routers.baselines import DomainConstant
from rsd_bench.routers.interface import TrainingData
from rsd_bench.routers.registry import Entry
from rsd_bench.studies import domains, mean_gains
from rsd_bench.studies.cross_validation import every_query
from rsd_bench.studies.domains import ADAPTED, LABELS, TRAINED, across_domains, draw_domains


class Spy(DomainConstant):
    """Remembers what it learned from."""

    seen: list[tuple[set[str], set[str]]] = []  # noqa: RUF012

    def fit(self, train: TrainingData, validation: TrainingData) -> Spy:
        both = train.join(validation)
        self.seen.append((set(both.features.domains), set(both.groups)))
        super().fit(train, validation)
        return self


def test_no_router_learns_from_the_domain_that_it_decides(
    lite: tuple[Benchmark, Features], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mean_gains, "N_BOOT", 50)
    Spy.seen.clear()
    table = across_domains(*lite, Entry("spy", "Spy", lambda seed: Spy(), ()), 3, "cmd")
    every = every_query(*lite, FAST)
    names = sorted(set(every.features.domains))
    groups = {name: set(every.groups[every.features.domains == name]) for name in names}
    for learned, known in Spy.seen:
        assert any(name not in learned and known.isdisjoint(groups[name]) for name in names)
    for scenario in ("fast_response", "high_quality", "low_energy"):
        rows = table.where(scenario=scenario)
        assert {row["what"] for row in rows} >= {TRAINED, ADAPTED, LABELS, domains.REWEIGHTED, domains.ROBUST}
        assert {row["labelled"] for row in rows} == {0, 5, 10, 20, 50, 100}
        (trained,) = table.where(scenario=scenario, what=TRAINED)
        assert trained["over"] == 0 and trained["low"] <= trained["gain"] <= trained["high"] <= 1e-9
    draw_domains(table, tmp_path / "domains.svg")
    assert (tmp_path / "domains.svg").stat().st_size


def test_gains_are_those_of_the_formulas(lite: tuple[Benchmark, Features]) -> None:
    every = every_query(*lite, FAST)
    found = []
    for name in ("photo", "logic"):
        data = every.take(np.flatnonzero(every.features.domains == name))
        found.append(domains.Unseen(data, np.random.default_rng(0).random(len(data)), 0.5, 0.5))
    decided = [domains._always(of) for of in found]
    what, labelled, count, gain, *_ = domains._row("x", 0, found, decided, decided)
    each = [
        routing_score(of.p >= of.tau, of.data.outcomes, FAST, 0.016).rcs
        - routing_score(best_fixed(of.data.outcomes, FAST)[1], of.data.outcomes, FAST).rcs
        for of in found
    ]
    assert (what, labelled, count) == ("x", 0, 2) and gain == pytest.approx(100 * np.mean(each))


def test_labelled_queries_and_their_groups_are_not_tested(lite: tuple[Benchmark, Features]) -> None:
    every = every_query(*lite, FAST)
    data = every.take(np.flatnonzero(every.features.domains == "math")[:40])
    data = TrainingData(data.features, data.outcomes, np.repeat([f"g{i}" for i in range(10)], 4).astype(object), FAST)
    of = domains.Unseen(data, np.linspace(0, 1, 40), 0.0, 1.0)
    decided = domains._drawn(of, 5, 1, 1)[TRAINED]
    chosen = np.random.default_rng(1).choice(40, 5, replace=False)
    hidden = np.isin(data.groups, data.groups[chosen])
    assert (decided.tested == ~hidden).all()
    assert (decided.share[hidden] == 0).all() and (decided.share[~hidden] == 1).all()
