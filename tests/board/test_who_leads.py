"""`board sensitivity`: rankings under other scenarios are the board's own formulas on decisions that were made before.

Guards against a second definition of RCS or of a band, against decisions that seem to have been made for a scenario
that no router knew, and against a broken submission that hides the others.
"""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import call_cli
from scipy.stats import kendalltau, spearmanr
from sound_submissions import make, probabilities
from suites import THREE, folder_of, suite_benchmark, suite_submission

import rsd_bench as rsd
from rsd_bench.board.build_board import collect_board
from rsd_bench.board.who_leads import decided_for, who_leads
from rsd_bench.config import SCENARIOS
from rsd_bench.dataset.benchmark import Benchmark
from rsd_bench.submission.check_submission import open_submission
from rsd_bench.types import InputError, Scenario

LOW, HIGH = (Scenario(name=name, mes=mes, alpha=0.8, beta=0.1, gamma=0.1) for name, mes in (("low", 2), ("high", 9)))
BOTH = {"low": LOW, "high": HIGH}


@pytest.fixture(scope="module")
def submissions(tmp_path_factory: pytest.TempPathFactory, toy_benchmark: Benchmark) -> Path:
    """Four routers, the first of which knows the answers; one that enters another track only; one that is refused."""
    folder = tmp_path_factory.mktemp("board") / "submissions"
    tracks = toy_benchmark.tracks
    part = toy_benchmark.part("in-domain", "test")
    for seed in range(4):
        frame = probabilities(toy_benchmark, tracks, seed)
        if seed == 0:
            frame.loc[frame["track"] == "in-domain", "p_edge"] = part.outcomes.small / 10
        tau = {name: round(0.3 + 0.1 * seed + 0.05 * at, 2) for at, name in enumerate(SCENARIOS)}
        make(folder / f"router-{seed}", toy_benchmark, frame, name=f"Router {seed}", tau=tau)
    make(folder / "elsewhere", toy_benchmark, probabilities(toy_benchmark, ("chart-to-photo",)))
    shutil.copytree(folder / "router-1", folder / "broken")  # its slug is another
    return folder


def test_under_the_presets_it_is_the_board(submissions: Path, toy_benchmark: Benchmark) -> None:
    found = who_leads(submissions, SCENARIOS, toy_benchmark, "in-domain")
    board = collect_board(submissions, toy_benchmark).data
    tables = {table.scenario: table for table in board.tables if table.track == "in-domain"}
    assert [ranking.scenario.name for ranking in found.rankings] == list(tables)
    for ranking in found.rankings:
        rows = tables[ranking.scenario.name].rows
        assert [(row.band, row.slug, row.name) for row in ranking.rows] == [(r.band, r.slug, r.name) for r in rows]
        assert {row.decided_for for row in ranking.rows} == {ranking.scenario.name}
        for row, of_board in zip(ranking.rows, rows, strict=True):
            for mine, other in ((row.rcs, of_board.score.rcs), (row.gain, of_board.score.gain)):
                assert [*vars(mine).values()] == pytest.approx([*vars(other).values()], abs=2e-9)
            assert ranking.best_fixed == of_board.score.best_fixed
    assert (found.n, found.groups) == (tables["fast_response"].n, tables["fast_response"].rows[0].score.groups)
    assert found.refused == ("broken",) and found.absent == ("elsewhere",)


def test_repeats_are_ranked_as_the_board_ranks_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # routers of different repeats were compared by their means, and one apart from all others had a band
    benchmark = suite_benchmark(240, 120)
    made = [
        suite_submission(benchmark, "all", repeats=range(5), skill=2.0, seed=1),
        suite_submission(benchmark, "one", repeats=(0,), skill=1.0, seed=2),
        suite_submission(benchmark, "some", repeats=(0, 2), skill=-0.5, seed=3, kind="cascade"),
        suite_submission(benchmark, "apart", repeats=(4,), skill=3.0, seed=4),
    ]
    by_slug = {submission.slug: submission for submission in made}
    for submission in made:
        folder_of(tmp_path / "s", submission)
    for module in ("scored", "who_leads"):
        monkeypatch.setattr(f"rsd_bench.board.{module}.check_submission", lambda of, _: (by_slug[of.name], []))
    for track in ("in-domain", THREE):
        found = who_leads(tmp_path / "s", SCENARIOS, benchmark, track)
        tables = [table for table in collect_board(tmp_path / "s", benchmark).data.tables if table.track == track]
        assert len(found.rankings) == len(tables) == 3
        for ranking, table in zip(found.rankings, tables, strict=True):
            assert [(r.slug, r.band) for r in ranking.rows] == [(r.slug, r.band) for r in table.rows]
            assert ranking.no_bands == table.no_bands
            assert [r.not_compared for r in ranking.rows] == [
                next((flag for flag in r.flags if "cannot be compared" in flag), None) for r in table.rows
            ]
            for row, of_board in zip(ranking.rows, table.rows, strict=True):
                assert [*vars(row.rcs).values()] == pytest.approx([*vars(of_board.score.rcs).values()], abs=2e-9)
            assert ranking.rows[-1].slug == "apart" and ranking.rows[-1].band is None


def test_decisions_are_those_of_the_nearest_scenario(submissions: Path, toy_benchmark: Benchmark) -> None:
    submission, part = open_submission(submissions / "router-2", toy_benchmark), toy_benchmark.part("in-domain", "test")
    for scenario, basis in ((LOW, "low_energy"), (HIGH, "high_quality"), (replace(LOW, mes=7), "fast_response")):
        assert decided_for(submission, "in-domain", scenario, SCENARIOS) == basis
        (ranking,) = who_leads(submissions, {scenario.name: scenario}, toy_benchmark, "in-domain").rankings
        (row,) = (row for row in ranking.rows if row.slug == "router-2")
        route = submission.entries["in-domain", basis].choice[0] == 0
        score = rsd.score_routing(
            route, **vars(part.outcomes), scenario=scenario, router_latency_s=submission.router_latency_s
        )
        assert row.decided_for == basis and row.rcs.value == pytest.approx(score.rcs, abs=1e-9)
    named = replace(LOW, name="high_quality")  # a scenario that the submission names is decided as it says
    assert decided_for(submission, "in-domain", named, SCENARIOS) == "high_quality"
    key = "in-domain", "low_energy"
    only = replace(submission, entries={key: submission.entries[key]})
    assert decided_for(only, "in-domain", HIGH, SCENARIOS) == "low_energy"


def test_likeness_is_the_rank_correlation(submissions: Path, toy_benchmark: Benchmark) -> None:
    found = who_leads(submissions, BOTH, toy_benchmark, "in-domain")
    low, high = ({row.slug: row.rcs.value for row in ranking.rows} for ranking in found.rankings)
    pairs = np.array([(low[slug], high[slug]) for slug in low])
    (likeness,) = found.likeness
    assert (likeness.a, likeness.b) == ("low", "high")
    assert likeness.spearman == pytest.approx(spearmanr(*pairs.T).statistic)
    assert likeness.kendall == pytest.approx(kendalltau(*pairs.T).statistic)
    assert likeness.kendall < 1


def test_a_single_router_is_like_nothing(tmp_path: Path, toy_benchmark: Benchmark) -> None:
    make(tmp_path / "submissions" / "alone", toy_benchmark)
    (likeness,) = who_leads(tmp_path / "submissions", BOTH, toy_benchmark, "in-domain").likeness
    assert likeness.spearman is None and likeness.kendall is None


def test_what_cannot_be_ranked_is_refused(tmp_path: Path, submissions: Path, toy_benchmark: Benchmark) -> None:
    (tmp_path / "empty").mkdir()
    cheap = Scenario(name="cheap", mes=5, alpha=0.2, beta=0.7, gamma=0.1)
    for folder, scenarios, track, says in (
        (tmp_path / "none", BOTH, "in-domain", "is not a folder"),
        (tmp_path / "empty", BOTH, "in-domain", "holds no submission that enters"),
        (submissions, BOTH, "nowhere", "is no track"),
        (submissions, {"cheap": cheap, "again": cheap}, "in-domain", "raise alpha\n.*raise alpha"),
    ):
        with pytest.raises(InputError, match=says):
            who_leads(folder, scenarios, toy_benchmark, track)


def scenario_file(folder: Path, names: list[str]) -> Path:
    tables = [
        f"[{json.dumps(name)}]\nmes = {i % 11}\nalpha = 0.8\nbeta = 0.1\ngamma = 0.1\n" for i, name in enumerate(names)
    ]
    (folder / "scenarios.toml").write_text("\n".join(tables))
    return folder / "scenarios.toml"


def sensitivity(submissions: Path, data: Path, scenarios: Path, *options: str) -> Any:
    return call_cli(
        "board", "sensitivity", "--scenarios", scenarios, "--submissions", submissions, "--data", data, *options
    )


def test_people_see_who_leads_and_are_told_what_decided(tmp_path: Path, submissions: Path, toy_dataset: Path) -> None:
    path = scenario_file(tmp_path, ["clerks", "auditors"])
    run = sensitivity(submissions, toy_dataset, path)
    assert run.returncode == 0
    assert re.search(r"^clerks +0 +router-\d +\d\.\d{4} \[.* of 4 +low_energy$", run.stdout, re.M)
    assert re.search(r"^clerks +auditors +-?\d\.\d\d +-?\d\.\d\d$", run.stdout, re.M)
    assert "no router was tuned to a scenario that it does not name" in run.stdout
    assert re.findall(r"^warning: (\S+): (.*?)(?: ->|$)", run.stderr, re.M) == [
        ("broken", "is refused"),
        ("elsewhere", "does not enter in-domain"),
    ]
    as_json = json.loads(sensitivity(submissions, toy_dataset, path, "--json").stdout)
    assert [ranking["scenario"]["name"] for ranking in as_json["rankings"]] == ["clerks", "auditors"]
    assert as_json["refused"] == ["broken"] and as_json["absent"] == ["elsewhere"]


def test_many_scenarios_and_hostile_names(tmp_path: Path, submissions: Path, toy_dataset: Path) -> None:
    path = scenario_file(tmp_path, [f"s{i}" for i in range(12)])
    run = sensitivity(submissions, toy_dataset, path)
    assert run.returncode == 0
    assert "... and 46 more pairs (--json lists all)" in run.stdout
    hostile = scenario_file(tmp_path, ["__proto__", "a\nb\u001b[31m"])
    refused = sensitivity(submissions, toy_dataset, hostile)
    assert refused.returncode == 1 and refused.stderr.count("may not be called so") == 2
    assert all(line.isprintable() for line in refused.stderr.splitlines())


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "holds no scenario"),
        ("mes = 6", "scenario 'mes' is no table"),
        ("[a]\nmes = nan", "give mes"),
        ("[", "not TOML"),
    ],
)
def test_scenario_files_that_are_none(
    tmp_path: Path, submissions: Path, toy_dataset: Path, text: str, says: str
) -> None:
    (tmp_path / "scenarios.toml").write_text(text)
    run = sensitivity(submissions, toy_dataset, tmp_path / "scenarios.toml")
    assert run.returncode == 1 and run.stdout == ""
    assert says in run.stderr and len(run.stderr.splitlines()) == 1
