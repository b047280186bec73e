"""The page of a suite: the overall table, three tiers and cascades. It never shows a figure of two models for three."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from boards import TABLE, built, chromium, text, visit  # noqa: F401 (fixtures)
from suites import THREE, folder_of, suite_benchmark, suite_submission

from rsd_bench.board import scored
from rsd_bench.board.build_board import collect_board
from rsd_bench.board.leaderboard import Leaderboard


@pytest.fixture
def suite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Leaderboard]:
    benchmark = suite_benchmark(240, 120)
    submissions = {
        "best": suite_submission(benchmark, "best", repeats=range(5), skill=3.0, seed=1),
        "climbs": suite_submission(benchmark, "climbs", repeats=(0,), seed=4, kind="cascade"),
        "once": suite_submission(benchmark, "once", repeats=(0,), skill=0.0, seed=3, tau=0.5),
    }
    for submission in submissions.values():
        folder_of(tmp_path / "s", submission)
    monkeypatch.setattr(scored, "check_submission", lambda of, _: (submissions[of.name], []))
    board = collect_board(tmp_path / "s", benchmark, n_boot=200)
    (tmp_path / "index.html").write_bytes(board.files()["index.html"])
    return tmp_path / "index.html", board.data


def test_overall_is_the_first_ranking(visit: Any, suite: tuple[Path, Leaderboard]) -> None:
    page = visit("", path=suite[0]).page
    rows = page.locator("#overall tbody tr[data-slug]")
    assert rows.locator("th bdi").first.text_content() == "Best" and rows.count() == 3
    overall = suite[1].overall
    assert overall and f"{overall.rows[0].skill.value:.2f}" in rows.nth(0).text_content()
    assert page.locator("#table").is_hidden() and page.locator("#overall tr.policy-line").count() == 1
    assert "Smallest gap in skill" in text(page, "#overall .gap") or "Too few groups" in text(page, "#overall .gap")


def test_tabs_lead_to_every_track(visit: Any, suite: tuple[Path, Leaderboard]) -> None:
    page = visit("", path=suite[0]).page
    assert page.locator("#tabs button").all_text_contents() == [
        "Overall",
        "All domains",
        "Pairs of models",
        "Other tracks",
    ]
    assert page.locator("#tabs button[aria-pressed=true]").all_text_contents() == ["Overall"]
    page.get_by_role("button", name="Pairs of models").press("Enter")
    assert page.locator("#overall").is_hidden() and page.locator("#rows").is_visible()
    page.locator("#subtabs button").nth(1).click()
    assert page.locator("#track").input_value() == "pair-1" and "track=pair-1" in page.url
    assert page.locator("#subtabs button[aria-pressed=true]").text_content() == "pair 1"
    page.get_by_role("button", name="Overall").click()
    page.reload()
    assert page.locator("#overall").is_visible()
    page.locator("#track").select_option(THREE)
    assert page.locator("#tabs button[aria-pressed=true]").all_text_contents() == ["Other tracks"]


def test_three_tiers_have_three_fixed_policies_and_no_figures_of_two(
    visit: Any,
    suite: tuple[Path, Leaderboard],
) -> None:
    page = visit(f"#track={THREE}&router=best", path=suite[0]).page
    names = page.locator("#rows .policies th").evaluate_all("cells => cells.map((c) => c.firstChild.textContent)")
    assert names == ["all-at-1", "all-at-2", "all-at-3", "label-oracle", "rcs-oracle"]
    table = next(t for t in suite[1].tables if (t.track, t.scenario) == (THREE, "fast_response"))
    shown = {row["slug"]: row for row in page.evaluate("board.rows('three-tiers', 'fast_response', '')")}
    for row in table.rows:
        assert shown[row.slug]["rcs"] == pytest.approx(row.score.rcs.value, abs=1e-8)
        assert shown[row.slug]["gain"] == pytest.approx(row.score.gain.value, abs=1e-8)
        assert shown[row.slug]["random"] is None
    detail = text(page, "#detail")
    assert "differs by repeat, fold or tier" in detail and "random at equal CA" not in detail
    assert "mixtures of all-edge" not in text(page, "#plane")
    assert page.locator("#every").is_hidden() and "A case is asked of two models" in text(page, "#answer")


def test_a_cascade_says_what_it_saw(visit: Any, suite: tuple[Path, Leaderboard]) -> None:
    page = visit("#track=pair-0&router=climbs", path=suite[0]).page
    detail = text(page, "#detail")
    assert "decides after it saw the answer" in detail and "Regret" not in detail
    assert "protocol cross-fitted" in text(page, "#caption").lower()
    assert page.locator(f'{TABLE}[data-slug="climbs"]').locator(".chip", has_text="cascade").count() == 1
