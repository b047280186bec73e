"""Boards of suites: overall figures, bands of routers of different repeats, tables of three tiers and cascades.

Guards against a router of one repeat that is ranked as if it had five, bands that nobody could be told apart by, and a
page that shows two-model figures of three models.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from suites import THREE, folder_of, suite_benchmark, suite_submission

from rsd_bench.board import scored
from rsd_bench.board.bands import Standing, ranked
from rsd_bench.board.board_diff import diff_boards
from rsd_bench.board.build_board import build_board, collect_board
from rsd_bench.board.page import page_data
from rsd_bench.board.what_if import statistics_of, what_if
from rsd_bench.config import CA_POINTS, MIN_RANKED_GROUPS, SCENARIOS
from rsd_bench.dataset.benchmark import Benchmark
from rsd_bench.metrics.bootstrap import rank_bands
from rsd_bench.submission.submission import Submission

BOOT = 200


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where `given` puts submissions that a replaced reader gives."""
    return tmp_path / "s"


def given(folder: Path, monkeypatch: pytest.MonkeyPatch, submissions: Sequence[Submission]) -> None:
    by_slug = {submission.slug: submission for submission in submissions}
    for submission in submissions:
        folder_of(folder, submission)
    monkeypatch.setattr(scored, "check_submission", lambda of, _: (by_slug[of.name], []))


def several(benchmark: Benchmark) -> list[Submission]:
    return [
        suite_submission(benchmark, "best", repeats=range(5), skill=3.0, seed=1),
        suite_submission(benchmark, "good", repeats=range(5), skill=1.0, seed=2),
        suite_submission(benchmark, "once", repeats=(0,), skill=0.0, seed=3),
        suite_submission(benchmark, "climbs", repeats=(0, 1), skill=1.0, seed=4, kind="cascade"),
        suite_submission(benchmark, "elsewhere", repeats=(0,), tracks=[THREE], seed=5),
    ]


def test_a_board_of_a_suite(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    benchmark = suite_benchmark(240, 120)
    given(folder, monkeypatch, several(benchmark))
    files = build_board(folder, benchmark, n_boot=BOOT, cached=tmp_path / "kept")
    assert build_board(folder, benchmark, n_boot=BOOT, cached=tmp_path / "kept") == files
    assert build_board(folder, benchmark, n_boot=BOOT) == files
    board = json.loads(files["leaderboard.json"])
    overall = board["overall"]
    assert overall["rows"][0]["slug"] == "best" and overall["tracks"] == ["pair-0", "pair-1"]
    assert {row["slug"] for row in overall["rows"]} == {"best", "good", "once", "climbs"}
    skills = [row["skill"]["value"] for row in overall["rows"]]
    bands = [row["band"] for row in overall["rows"]]
    assert bands == sorted(bands) and max(bands) > 1 and overall["no_bands"] is None
    assert skills == sorted(skills, reverse=True)
    assert overall["groups"] == 120 and 0 < overall["minimum_detectable_gap"] < 0.5
    assert overall["references"] == [{"policy": "best-fixed", "skill": 0.0, "gain": 0.0}]
    for table in board["tables"]:
        assert table["protocol"] == "cross-fitted" and table["groups"] == 120
        rows = {row["slug"]: row for row in table["rows"]}
        assert rows["climbs"]["kind"] == "cascade" and rows["best"]["kind"] == "query"
        assert rows["best"]["repeats"]["number"] == 5 and rows["once"]["repeats"]["rcs_std"] is None
        assert table["best_fixed"] in {row["policy"] for row in table["references"]}
        assert table["minimum_detectable_gap"] > 0
        results = json.loads(files["results/best.json"])["scores"]
        own = next(s for s in results if (s["track"], s["scenario"]) == (table["track"], table["scenario"]))
        for name in ("captured", "auroc", "over_escalated", "under_escalated", "saved_calls", "apsp_at_ca"):
            assert rows["best"].get(name) == own.get(name)
        assert ("skill" in rows["best"]) == ("lift" in rows["best"]) == (table["track"] != THREE)
    three = next(table for table in board["tables"] if table["track"] == THREE)
    assert three["tiers"] == ["m0", "m1", "m2"] and set(three["what_if"]["fixed"]) == {
        "all-at-1",
        "all-at-2",
        "all-at-3",
    }
    text = files["leaderboard.md"].decode()
    assert "## Overall" in text and "(best fixed)" in text
    assert all("cascade" in line for line in text.splitlines() if "Climbs" in line)
    columns = files["leaderboard.csv"].decode().partition("\n")[0]
    assert "skill,skill_low,skill_high" in columns and "apsp_drop" not in columns
    at_ca = [f"apsp_at_ca_{ca:g}{bound}" for ca in CA_POINTS for bound in ("", "_low", "_high")]
    assert ",".join(at_ca) in columns
    for row in csv.DictReader(io.StringIO(files["leaderboard.csv"].decode())):
        if row["track"] != THREE and row["band"]:
            assert float(row["apsp_at_ca_0.8_low"]) < float(row["apsp_at_ca_0.8"]) < float(row["apsp_at_ca_0.8_high"])
        elif row["track"] == THREE:
            assert not row["apsp_at_ca_0.8"], "of two models only"
    assert "APSP at CA 0.8" in text and "APSP drop" not in text


def test_statistics_give_the_scores_of_repeats_tiers_and_cascades(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # what the sliders of the page compute with
    benchmark = suite_benchmark(240, 120)
    given(folder, monkeypatch, several(benchmark))
    board = collect_board(folder, benchmark, n_boot=20).data
    for table in board.tables:
        for row in table.rows:
            found = what_if(table.frames, row.statistics, SCENARIOS[table.scenario])
            for name in ("apsp", "ca", "ail", "rcs"):
                assert found[name] == pytest.approx(getattr(row.score, name).value, abs=2e-8)
        for name, statistics in table.fixed.items():
            found = what_if(table.frames, statistics, SCENARIOS[table.scenario])
            assert found["rcs"] == pytest.approx(table.references[name].rcs, abs=2e-8)
    assert page_data(board)["overall"]["rows"][0][0] == 0


def standing(rng: np.random.Generator, value: float, repeats: Sequence[int], spread: float = 0.02) -> Standing:
    points = np.full(len(repeats), value)
    return Standing(value, tuple(repeats), points, value + spread * rng.normal(size=(len(repeats), 400)))


def test_bands_of_equal_repeats_are_those_of_their_means() -> None:
    rng = np.random.default_rng(0)
    rows = [standing(rng, value, range(5)) for value in (0.5, 0.49, 0.4)]
    found = ranked(rows, 100)
    samples = np.array([of.samples.mean(axis=0) for of in rows]).T
    assert found.bands.tolist() == rank_bands(np.array([0.5, 0.49, 0.4]), samples, 100).tolist() == [1, 1, 2]
    assert found.no_bands is None and found.minimum_detectable_gap


def test_routers_are_compared_on_the_repeats_that_both_entered() -> None:
    rng = np.random.default_rng(0)
    first, other = standing(rng, 0.50, (0, 1)), standing(rng, 0.45, (0,), 0.001)
    lucky = Standing(0.5, (0, 1), np.array([0.44, 0.56]), first.samples)
    # on repeat 0, which both entered, the one that leads by its mean is the worse one
    assert ranked([lucky, other], 100).no_bands == "no two routers can be told apart"
    assert ranked([Standing(0.5, (0, 1), np.array([0.56, 0.44]), first.samples), other], 100).bands.tolist() == [1, 2]
    alone = ranked([standing(rng, 0.9, (0,), 1e-3), standing(rng, 0.1, (1,), 1e-3)], 100)
    assert alone.no_bands == "no two routers share a repeat" and alone.bands.tolist() == [1, 0]
    # equals of one family stay as they are where another family is there
    three = [standing(rng, 0.5, range(5), 1e-3), standing(rng, 0.4, range(5), 1e-3), standing(rng, 0.3, (4,), 1e-3)]
    assert ranked(three, 100).bands.tolist() == [1, 2, 3]


def test_who_cannot_be_compared_holds_no_band_and_shares_none() -> None:
    # a leader on a repeat of its own made one band of all the others, an upside-down router among them
    rng = np.random.default_rng(0)
    leader, others = standing(rng, 0.9, (4,), 1e-3), [standing(rng, value, (0,), 1e-3) for value in (0.5, 0.4, 0.1)]
    found = ranked([leader, *others], 100)
    assert found.bands.tolist() == [0, 1, 2, 3] and found.no_bands is None and found.repeat == 0
    last = ranked([*others, standing(rng, 0.0, (4,), 1e-3)], 100)
    assert last.bands.tolist() == [1, 2, 3, 0]
    # a repeat is enough: whoever has more is compared on those that both entered, and never with the one apart
    many = ranked([standing(rng, 0.7, range(5), 1e-3), leader, *others], 100)
    assert many.bands.tolist() == [1, 0, 2, 3, 4] and many.minimum_detectable_gap
    few = ranked([leader, *others], MIN_RANKED_GROUPS - 1)
    assert few.bands.tolist() == [0, 1, 1, 1] and few.no_bands == f"fewer than {MIN_RANKED_GROUPS} groups"


def test_a_board_says_of_a_router_that_it_cannot_be_compared(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    benchmark = suite_benchmark(240, 120)
    apart = suite_submission(benchmark, "apart", repeats=(4,), skill=-3.0, seed=6)
    given(folder, monkeypatch, [of for of in several(benchmark) if of.slug != "best"] + [apart])
    files = build_board(folder, benchmark, n_boot=BOOT)
    board = json.loads(files["leaderboard.json"])
    for table in board["tables"]:
        row = table["rows"][-1]
        why = "cannot be compared: did not enter repeat 0, on which the others are ranked"
        assert row["slug"] == "apart" and row["band"] is None and why in row["flags"]
        assert {domain["band"] for domain in row["domains"]} == {None}
        assert all(of["band"] >= 1 and why not in of["flags"] for of in table["rows"][:-1])
    line = next(of for of in files["leaderboard.csv"].decode().splitlines() if ",apart," in of)
    assert line.split(",")[2] == "" and "cannot be compared" in line
    assert [move.slug for move in diff_boards(board, board)] == []


def test_tables_of_few_groups_have_no_bands() -> None:
    rng = np.random.default_rng(0)
    rows = [standing(rng, value, (0,), 1e-4) for value in (0.9, 0.1)]
    assert ranked(rows, MIN_RANKED_GROUPS).bands.tolist() == [1, 2]
    few = ranked(rows, MIN_RANKED_GROUPS - 1)
    assert few.bands.tolist() == [1, 1] and few.no_bands == f"fewer than {MIN_RANKED_GROUPS} groups"
    assert ranked(rows[:1], 100).no_bands is None


def test_statistics_of_one_repeat_are_whole_numbers() -> None:
    benchmark = suite_benchmark(60, 30)
    part = benchmark.part("pair-0", "test")
    rows = statistics_of([np.zeros(60, np.int64)], part.tiers, part, 0.0)
    assert all(isinstance(row[0], int) and all(isinstance(of, int) for of in row[2:]) for row in rows)
