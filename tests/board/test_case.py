"""A recommendation for a case says how sure it is: as sure as the bootstrap would.

Guards against a page that recomputes a ranking for anybody's wishes without a word on chance, and names the luckiest.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from boards import synthetic
from suites import suite_benchmark, suite_submission

from rsd_bench.board import scored
from rsd_bench.board.build_board import collect_board
from rsd_bench.board.case import Candidate, Case, chance, paid, recommend, spread_levels
from rsd_bench.board.leaderboard import BoardRow, BoardTable, Leaderboard
from rsd_bench.board.packed import pack
from rsd_bench.board.what_if import DomainFrame
from rsd_bench.dataset.benchmark import open_benchmark
from rsd_bench.dataset.open import dataset_folder
from rsd_bench.types import Scenario


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> Leaderboard:
    """Two routers on every track of rsd-open, with the resamples of a published board."""
    root, benchmark = tmp_path_factory.mktemp("case"), open_benchmark(dataset_folder())
    for seed in (0, 1):
        synthetic(root / f"router-{seed}", benchmark, seed)
    return collect_board(root, benchmark).data


def of(row: BoardRow) -> Candidate:
    return Candidate(name=row.slug, statistics=row.statistics, spread=row.spread, router_s=0.016)


def groups_of(table: BoardTable) -> list[int]:
    return [table.groups, *(domain.groups for domain in table.rows[0].score.domains)]


def test_gain_and_interval_are_those_of_the_bootstrap(board: Leaderboard) -> None:
    seen = 0
    for table in (t for t in board.tables if len(t.fixed) == 2):
        for row in table.rows:
            case = Case(scenario=board.scenarios[table.scenario])
            found = recommend(table.frames, groups_of(table), table.fixed, [of(row)], case)
            gain = row.score.gain
            assert found.fixed == row.score.best_fixed
            assert found.gain == pytest.approx(gain.value, abs=2e-9)
            width = (gain.high - gain.low) / 2
            within = 0.15 if table.track in ("measured", "leave-medical-out") else 0.05  # clocked query by query
            assert abs(found.half - width) <= max(within * width, 0.001), (table.track, table.scenario, row.slug)
            assert found.use_router == (found.gain - found.half > 0)
            seen += 1
    assert seen >= 100


@pytest.mark.parametrize("kind", ["query", "cascade"])
def test_own_seconds_and_prices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    # latencies of this suite are constants of their models: as own seconds they must change nothing
    benchmark = suite_benchmark(240, 120)
    submission = suite_submission(benchmark, "one", repeats=range(2), skill=2.0, kind=kind)
    monkeypatch.setattr(scored, "check_submission", lambda *_: (submission, []))
    (tmp_path / "one").mkdir()
    board = collect_board(tmp_path, benchmark, n_boot=50).data
    scenario = board.scenarios["fast_response"]
    table = next(t for t in board.tables if (t.track, t.scenario) == ("pair-0", "fast_response"))
    (row,) = table.rows
    candidate = Candidate(
        name="one",
        statistics=row.statistics,
        spread=row.spread,
        router_s=submission.router_latency_s,
        cascade=kind == "cascade",
    )
    plain, own = (
        recommend(
            table.frames,
            groups_of(table),
            table.fixed,
            [candidate],
            Case(scenario=scenario, seconds=seconds, usd=(0.001, 0.01)),
        )
        for seconds in (None, (0.5, 1.2))
    )
    for figure, value in plain.figures["one"].items():
        assert own.figures["one"][figure] == pytest.approx(value, abs=1e-9), figure
    assert own.half == pytest.approx(plain.half, abs=1e-9) and own.gain == pytest.approx(plain.gain, abs=1e-9)
    kept = row.score.ca.value
    calls = (1 if kind == "cascade" else kept, 1 - kept)
    assert plain.figures["one"]["usd"] == pytest.approx(calls[0] * 1 + calls[1] * 10, abs=1e-6)


def test_a_budget_leaves_out_who_costs_more(board: Leaderboard) -> None:
    table = board.tables[0]
    case = Case(scenario=board.scenarios[table.scenario], usd=(0.0, 0.01))
    rows = [of(row) for row in table.rows]
    costs = {c.name: 10 * (1 - row.score.ca.value) for c, row in zip(rows, table.rows, strict=True)}
    cheapest = min(costs, key=lambda name: costs[name])
    for most, router, fixed in ((costs[cheapest] + 1e-9, cheapest, "all-edge"), (0.0, None, "all-edge")):
        bound = Case(scenario=case.scenario, usd=case.usd, most=most)
        found = recommend(table.frames, groups_of(table), table.fixed, rows, bound)
        assert (found.router, found.fixed) == (router, fixed)
        assert math.isnan(found.gain) == (router is None)


def test_chance_and_interval_agree() -> None:
    assert chance(0.02, 0.02) == pytest.approx(0.975, abs=1e-12)
    assert chance(-0.02, 0.02) == pytest.approx(0.025, abs=1e-12)
    assert [chance(gain, 0.0) for gain in (-1, 0, 1)] == [0, 0.5, 1]
    assert math.isnan(chance(0.1, math.nan))


def test_what_a_cascade_pays_it_pays_for_both() -> None:
    assert paid(0.75, (1.0, 10.0), cascade=False) == 0.75 + 2.5
    assert paid(0.75, (1.0, 10.0), cascade=True) == 1 + 2.5


def test_spreads_of_many_levels_are_kept_by_half_a_score() -> None:
    many = DomainFrame("photo", 10, tuple(np.arange(101) / 10), 1.0)
    assert len(spread_levels([many])) == 21
    assert spread_levels([DomainFrame("math", 10, (0.0, 7.5), 1.0)]) == (0.0, 7.5)


def test_numbers_are_packed_as_source_maps_have_them() -> None:
    assert pack([0, 1, -1, 15, 16, -16, 123456789]) == "ACDegBhBqxmvrH"


def test_a_scenario_nobody_can_satisfy(board: Leaderboard) -> None:
    # above the highest level nobody solves anything, and only what stays on the edge and time count
    table = board.tables[0]
    frames = [
        DomainFrame(f.domain, f.n, tuple(level for level in f.levels if level <= 8), f.large_latency)
        for f in table.frames
    ]
    case = Case(scenario=Scenario(mes=9, alpha=0.5, beta=0.3, gamma=0.2))
    found = recommend(frames, groups_of(table), table.fixed, [of(table.rows[0])], case)
    assert found.figures["all-edge"]["apsp"] == 0 and found.fixed == "all-edge"
    assert not found.use_router and found.gain < 0
