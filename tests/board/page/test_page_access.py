"""The page in every hand: keyboard, screen reader, small screens, many rows, no rows.

Guards against a skip link that wiped the reader's choices, details that opened under the sticky bar, points that other
points hid, sliders without a name, and a board without rows that stopped in the middle of drawing.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from boards import TABLE, altered, built, chromium, table_of, text, visit  # noqa: F401 (fixtures)
from playwright.sync_api import expect

from rsd_bench.board.leaderboard import Leaderboard, Refused
from rsd_bench.types import Problem

CHOSEN = "#scenario=high_quality&track=leave-math-out&q=router"


def in_sight(page: Any, at: str) -> bool:
    top = page.evaluate("at => document.querySelector(at).getBoundingClientRect().top", at)
    return 0 <= top < page.viewport_size["height"]


def test_an_empty_board_says_so(visit: Any, altered: Any) -> None:
    page = visit(path=altered(lambda board: replace(board, tables=(), overall=None, submissions=(), refused=()))).page
    assert text(page, "#answer .lead") == "No router yet: the board fills with the first submission."
    assert text(page, "#caption") == "No router entered yet."
    assert page.locator("#track").is_hidden() and page.locator("#plane").is_hidden()
    assert page.locator("#notes dl").is_visible()


def test_skip_link_keeps_the_choices_of_the_reader(visit: Any) -> None:
    page = visit(CHOSEN).page
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("scenario=high_quality"))
    assert page.locator("#s-high_quality").is_checked()
    assert page.locator("#track").input_value() == "leave-math-out"
    assert in_sight(page, "#ranking-title")


@pytest.mark.parametrize("origin", ["#rows", "#plane", "#heat"])
@pytest.mark.parametrize("key", ["Enter", "Escape"])
def test_details_open_in_sight_and_give_the_focus_back(visit: Any, origin: str, key: str) -> None:
    page = visit().page
    opener = page.locator(f'{origin} [data-opens="router-2"]')
    opener.focus()
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.textContent") == "Close"
    assert in_sight(page, "#detail-title")
    page.keyboard.press(key)
    assert page.locator("#detail").is_hidden()
    assert page.evaluate("document.activeElement.dataset.opens") == "router-2"
    assert page.evaluate("at => Boolean(document.activeElement.closest(at))", origin)


def test_choosing_a_threshold_curve_opens_no_detail(visit: Any) -> None:
    page = visit("#router=router-0").page
    page.locator("#curve-router").select_option("router-3")
    assert text(page, "#detail-title") == "Router 0"
    assert page.locator("#curve svg").get_attribute("aria-label").endswith("of Router 3 at every threshold")
    assert "curve=router-3" in page.url and "router=router-0" in page.url


def test_controls_and_tables_have_names(visit: Any) -> None:
    page = visit("#router=router-0").page
    for name in ("Lowest score that satisfies, MES", "Solved queries, α", "Kept on the edge, β", "Time saved, γ"):
        expect(page.get_by_role("slider", name=name, exact=True)).to_have_count(1)
    for name in ("Ranking", "Gains by pair and track", "Every router in this case"):
        expect(page.get_by_role("table", name=name)).to_have_count(1)
        expect(page.locator(".scroll").and_(page.get_by_role("region", name=name))).to_have_count(1)
    expect(page.locator("#rows").get_by_role("rowheader", name="Router 2")).to_have_count(1)


@pytest.mark.parametrize(
    ("chart", "says"), [("#curve", r"^τ 0\.05: APSP 0\.\d{3}, CA"), ("#mes", r"^MES 0\.2, 0\.\d{4} .+")]
)
def test_charts_are_read_with_the_arrow_keys(visit: Any, chart: str, says: str) -> None:
    page = visit().page
    drawing = page.locator(f"{chart} svg")
    drawing.focus()
    page.keyboard.press("ArrowRight")
    assert re.search(says, drawing.get_attribute("aria-valuetext"))
    assert page.locator("#tip").is_visible()
    page.keyboard.press("End")
    assert drawing.get_attribute("aria-valuenow") == drawing.get_attribute("aria-valuemax")


def test_expectation_chart_scales_to_the_routers(visit: Any, built: Any) -> None:
    page = visit().page
    references = table_of(built.board).references
    best, worst = sorted(("all-edge", "all-cloud"), key=lambda policy: references[policy].rcs, reverse=True)
    drawn = page.locator("#mes .key bdi").all_text_contents()
    assert best in drawn and worst not in drawn
    assert set(re.findall("[A-Z]", page.locator("#mes .line.winner").get_attribute("d"))) == {"M", "H", "V"}


def test_threshold_axis_has_a_tick_every_fifth(visit: Any) -> None:
    ticks = visit().page.locator("#curve text[text-anchor=middle]").all_text_contents()
    assert ticks[:6] == ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]


def test_a_point_names_those_it_hides_and_the_keyboard_walks_the_points(visit: Any) -> None:
    page = visit().page
    page.locator('#plane .dot[data-slug="router-1"]').hover(force=True)
    tip = text(page, "#tip")
    assert "Also here: Router 1 (router-1" in tip
    assert page.locator('#plane .dot[tabindex="0"]').count() == 1
    page.locator('#plane .dot[tabindex="0"]').focus()
    walked = set()
    for _ in range(7):
        walked.add(page.evaluate("document.activeElement.dataset.slug"))
        page.keyboard.press("ArrowRight")
    assert len(walked) == 7
    assert page.locator("#plane .key span").count() == 3


def test_tip_leaves_with_the_pointer_and_stays_with_the_focus(visit: Any) -> None:
    page = visit().page
    page.locator("#plane").scroll_into_view_if_needed()
    page.locator('#plane .dot[data-slug="router-0"]').hover(force=True)
    page.evaluate("scrollBy(0, 60)")
    expect(page.locator("#tip")).to_be_hidden()
    page.locator('#plane .dot[data-slug="router-0"]').focus()
    page.evaluate("scrollBy(0, -60)")
    page.wait_for_timeout(100)
    expect(page.locator("#tip")).to_be_visible()


@pytest.mark.parametrize("width", [1280, 900, 375])
def test_no_view_is_wider_than_the_screen(visit: Any, altered: Any, width: int) -> None:
    def long(board: Leaderboard) -> Leaderboard:
        named = tuple(replace(s, name=f"{i}" + "x" * 79) for i, s in enumerate(board.submissions))
        refused = (Refused("y" * 80, None, (Problem("x", "z" * 300, "z" * 300),)),)
        return replace(board, submissions=named, refused=refused)

    page = visit("#router=router-0&q=" + "x" * 70, width, path=altered(long)).page
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.goto(page.url.split("#")[0] + "#q=" + "a" * 3000)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.goto(page.url.split("#")[0] + "#view=table")
    gain = page.locator(f'{TABLE} td[data-key="gain"]').first.bounding_box()
    assert gain["x"] + gain["width"] <= width, "the gain is in sight"
    assert page.locator(f"{TABLE} .brief").first.is_visible() == (width < 960)
    assert page.locator("#rows thead .whiskers").is_visible() == (width > 640)
    assert not page.evaluate("document.querySelector('#ranking .scroll').classList.contains('tall')")


def test_an_address_that_names_only_a_column_sorts_it_as_its_heading_does(visit: Any) -> None:
    page = visit("#sort=rcs").page
    assert page.locator("th[aria-sort]").get_attribute("aria-sort") == "descending"
    page.locator("#sort, #rows th button[data-key=ail]").click()
    assert "sort=ail" in page.url and "dir" not in page.url
    assert text(page, "#shown") == "7 routers, sorted by Seconds, ascending"


def test_forced_colours_keep_legends_and_the_chosen_scenario(visit: Any) -> None:
    page = visit().page
    page.emulate_media(forced_colors="active")
    legend = page.locator("#simplex .key span").evaluate_all(
        "spans => spans.map((s) => getComputedStyle(s, '::before').color)"
    )
    assert len(set(legend)) == len(legend) > 1
    outline = "at => getComputedStyle(document.querySelector(at)).outlineStyle"
    assert page.evaluate(outline, "#scenarios input:checked + label") == "solid"


def test_filter_waits_for_the_typist_and_leaves_the_charts(visit: Any) -> None:
    page = visit().page
    page.evaluate("window.drawn = plane.firstChild")
    page.locator("#filter").press_sequentially("router-3", delay=5)
    expect(page.locator(TABLE)).to_have_count(1)
    assert "q=router-3" in page.url
    assert page.evaluate("window.drawn === plane.firstChild")


def test_page_is_one_file(built: Any) -> None:
    html = Path(built.page).read_text("utf-8")
    assert not re.search(r"<(link|img|iframe)\b|@import|url\(", html.split('<script id="data"')[0])
