"""Charts draw the figures of the board, and nothing looks larger than it is.

Guards against names of marks that lay on one another, a constant policy of -0.0005 that looked like a cliff, and charts
that know no cost.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest
from boards import TABLE, altered, built, chromium, table_of, text, visit, with_home_rows  # noqa: F401 (fixtures)

from rsd_bench.config import SCENARIOS

BOXES = (
    """nodes => nodes.map((n) => { const b = n.getBoundingClientRect(); return [b.left, b.top, b.right, b.bottom]; })"""
)


@pytest.mark.parametrize("width", [1280, 375])
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_names_in_the_plane_do_not_collide(visit: Any, scenario: str, width: int) -> None:
    page = visit(f"#scenario={scenario}&view=table", width=width).page
    for by in ("seconds", "usd"):
        page.locator(f"#by-{by}").click()
        boxes = page.locator("#plane .policy-name, #plane text.mark-of").evaluate_all(BOXES)
        assert len(boxes) >= 4
        for i, a in enumerate(boxes):
            for b in boxes[:i]:
                over = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
                assert min(over) <= 3, (by, a, b)


def test_quality_against_cost(visit: Any, built: Any) -> None:
    page = visit("#by=usd&usd=0.001,0.01&view=table").page
    ticks = page.locator("#plane text").all_text_contents()
    assert "USD per 1,000 queries, at your prices" in ticks
    at = page.locator("#plane .dot").evaluate_all(
        "dots => Object.fromEntries(dots.map((d) => [d.dataset.slug, Number(d.getAttribute('cx'))]))"
    )
    kept = {row.slug: row.score.ca.value for row in table_of(built.board).rows}
    low, high = min(kept, key=lambda slug: kept[slug]), max(kept, key=lambda slug: kept[slug])
    for slug, share in kept.items():  # USD are linear in the share that stays on the edge
        expected = at[low] + (share - kept[low]) / (kept[high] - kept[low]) * (at[high] - at[low])
        assert at[slug] == pytest.approx(expected, abs=1e-6)
    page.locator("#by-seconds").press("Enter")
    assert "by=" not in page.url and page.evaluate("document.activeElement.id") == "by-seconds"


def test_escalation_errors_are_those_of_the_board(visit: Any, built: Any) -> None:
    page = visit().page
    for at, row in enumerate(table_of(built.board).rows):
        cells = page.locator("#errors tbody tr").nth(at).locator("td").all_text_contents()
        shares = row.score.under_escalated, row.score.over_escalated
        for shown, share in zip(cells, shares, strict=True):
            assert float(shown.removesuffix(" %")) == pytest.approx(100 * share.value, abs=0.06)


def test_lift_begins_and_ends_at_the_fixed_policies(visit: Any, built: Any) -> None:
    page, references = visit("#view=table&curve=router-2").page, table_of(built.board).references
    drawing = page.locator("#lift svg")
    drawing.focus()
    for key, share, policy in (("Home", "0.0", "all-cloud"), ("End", "100.0", "all-edge")):
        page.keyboard.press(key)
        said = drawing.get_attribute("aria-valuetext")
        assert said.startswith(f"{share} % on the edge, ") and "Router 2" in said
        shown = {float(share) for share in re.findall(r"(\d+\.\d) % (?!on)", said)}
        assert shown == {round(100 * references[policy].apsp, 1)}
    assert page.locator("#lift .line").count() == 4


def test_what_hardly_differs_is_no_cliff(visit: Any, altered: Any) -> None:
    slight = with_home_rows(
        lambda row, table: replace(
            row, score=replace(row.score, gain=replace(row.score.gain, value=-0.0005, low=-0.0006, high=-0.0004))
        )
    )
    page = visit(path=altered(slight)).page
    base = float(page.locator("#rows thead .base").get_attribute("x1"))
    left = page.locator(f"{TABLE} .whisker").first.get_attribute("x1")
    assert 0 < base - float(left) < 30, "of 132 pixels"
    same = with_home_rows(lambda row, table: replace(row, statistics=table.fixed["all-cloud"]))
    page = visit(path=altered(same)).page
    for chart in ("#plane", "#mes"):
        texts = page.locator(f'{chart} text[text-anchor="end"]').all_text_contents()
        ticks = [float(t) for t in texts if re.fullmatch(r"\d\.\d+", t)]
        assert max(ticks) - min(ticks) >= 0.05, chart
    assert text(page, "#errors-title") == "Escalation errors"
