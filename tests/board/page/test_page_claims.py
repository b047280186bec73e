"""What the page claims is what the figures bear out.

Guards against a board that named a router the winner whose gain was as likely below 0, that measured gains inside a
domain against the best policy of the whole track, that let routers lead the weights by ties with all-edge, and whose
sliders showed weights that were not the ones it computed with.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from boards import TABLE, altered, built, chromium, table_of, text, visit, with_home_rows  # noqa: F401 (fixtures)
from conftest import ROOT
from playwright.sync_api import expect

from rsd_bench.board.leaderboard import BoardRow, BoardTable, Leaderboard, Refused
from rsd_bench.config import SCENARIOS
from rsd_bench.evaluation.result import RouterLatency
from rsd_bench.types import Problem
from rsd_bench.version import METRICS_VERSION


def with_gains(low: float, high: float) -> Callable[[Leaderboard], Leaderboard]:
    """Every interval of a gain in the home table becomes [low, high]."""

    def change(row: BoardRow, table: BoardTable) -> BoardRow:
        return replace(row, score=replace(row.score, gain=replace(row.score.gain, low=low, high=high)))

    return with_home_rows(change)


def test_gain_is_over_the_best_fixed_policy_of_what_is_shown(visit: Any) -> None:
    wrong = visit().page.evaluate(
        """board.data.tables.flatMap((t) => ["", ...t.frames.map((f) => f.domain)].flatMap((domain) => {
        const best = Math.max(...board.fixedOf(board.policies(t.track, t.scenario, domain)).map((p) => p.rcs));
        return board.rows(t.track, t.scenario, domain).filter((r) => Math.abs(r.gain - (r.rcs - best)) > 1e-12)
          .map((r) => [t.track, t.scenario, domain, r.slug]); }))"""
    )
    assert wrong == []


def test_random_regret_and_mean_score_are_those_of_python(visit: Any, built: Any) -> None:
    page = visit().page
    for table in built.board.tables:
        rows = page.evaluate("([t, s]) => board.rows(t, s, '')", [table.track, table.scenario])
        for found, score in zip(rows, (row.score for row in table.rows), strict=True):
            random = score.references["random"].rcs if len(table.fixed) == 2 else None
            assert found["random"] == (random and pytest.approx(random, abs=2e-9))
            assert found["regret"] == pytest.approx(score.regret, abs=2e-9)
            assert found["mean"] == pytest.approx(score.mean_score.value, abs=6e-5)


@pytest.mark.parametrize(
    ("low", "high", "says", "tone"),
    [
        (
            -0.0044,
            0.0172,
            r"^No router is shown to beat all-(edge|cloud): [+-]?\d+\.\d points \[-0\.4, \+1\.7\]$",
            None,
        ),
        (0.002, 0.0172, r"^.+ beats all-(edge|cloud): [+-]?\d+\.\d points \[\+0\.2, \+1\.7\]$", "up"),
        (-0.03, -0.001, r"^Every router is shown to fall short of all-\w+: .* points \[-3\.0, -0\.1\]$", "down"),
    ],
)
def test_first_sentence_says_what_the_interval_bears_out(
    visit: Any, altered: Any, low: float, high: float, says: str, tone: str | None
) -> None:
    page = visit(path=altered(with_gains(low, high))).page
    assert re.search(says, text(page, ".verdict b"))
    assert text(page, ".verdict small") == "fast response · in domain"
    assert re.search(r" solves \d+\.\d % of the queries at \d+\.\d\d s", text(page, ".verdict > span"))
    for tones in ("up", "down"):
        coloured = page.locator(f".verdict .{tones}, {TABLE} td .{tones}").count()
        assert (coloured > 0) == (tones == tone), tones
    for shades, of in (("gains", "up"), ("loses", "down")):
        assert (page.locator(f"#heat td.here.{shades}").count() > 0) == (of == tone), shades


def test_whiskers_show_the_interval_of_the_gain_around_zero(visit: Any, altered: Any) -> None:
    page = visit(path=altered(with_gains(-0.01, 0.03))).page
    assert text(page, "#rows thead th[aria-label='Interval of the gain'] text") == "0"
    zero = float(page.locator("#rows thead .base").get_attribute("x1"))
    marks = page.locator(f"{TABLE} .whisker").evaluate_all(
        "lines => lines.map((l) => ['x1', 'x2'].map((k) => Number(l.getAttribute(k))))"
    )
    assert len(marks) == 7
    for left, right in marks:
        assert (right - zero) == pytest.approx(3 * (zero - left), rel=1e-6)
        assert right - left > 100, "the scale is that of the routers, not of the oracle"
    page.locator("#domain").select_option("science")
    assert page.locator(f"{TABLE} .whisker").count() == 0
    assert "Intervals of the gain, Skill and Lost are known of whole tracks only." in text(page, "#common")


def test_above_the_dotted_line_a_router_gains(visit: Any, built: Any) -> None:
    page = visit().page
    for scenario in built.board.scenarios:
        page.locator(f"#s-{scenario}").check(force=True)
        x1, y1, x2, y2 = (float(v) for v in re.findall(r"[\d.]+", page.locator("#plane .equal").get_attribute("d")))
        dots = page.locator("#plane .dot").evaluate_all(
            """dots => Object.fromEntries(dots.map((d) => [d.dataset.slug,
            ['cx', 'cy'].map((k) => Number(d.getAttribute(k)))]))"""
        )
        rows = table_of(built.board, scenario=scenario).rows
        clear = {row.slug: row.score.gain.value for row in rows if abs(row.score.gain.value) > 0.003}
        assert clear
        for slug, gain in clear.items():
            x, y = dots[slug]
            assert (y < y1 + (x - x1) / (x2 - x1) * (y2 - y1)) == (gain > 0), slug


def test_a_domain_view_says_what_is_of_the_whole_track(visit: Any, altered: Any) -> None:
    flagged = with_home_rows(lambda row, table: replace(row, flags=("below all-edge",)))
    page = visit("#domain=science&router=router-0", path=altered(flagged)).page
    whole = "Whole track, not only science. "
    assert page.locator(".scope").all_text_contents() == [whole] * 4
    assert text(page, "#simplex-note").startswith(whole) and text(page, "#mes-note").startswith(whole)
    assert set(page.locator(f'{TABLE} td[data-key="skill"]').all_text_contents()) == {"–"}
    assert "Probabilities (whole track)" in page.locator("#detail dt").all_text_contents()
    assert "below all-edge" not in text(page, "#rows")
    page.locator("#domain").select_option("")
    assert page.locator(".scope").all_text_contents() == [""] * 4
    assert "below all-edge" in text(page, "#rows")


def test_detail_compares_with_chance_and_names_the_worst_domain(visit: Any, built: Any) -> None:
    score = next(row.score for row in table_of(built.board).rows if row.slug == "router-2")
    shown = text(visit("#router=router-2").page, "#detail dl")
    assert f"random at equal CA scores {score.references['random'].rcs:.3f}" in shown
    assert f"{score.worst_domain.replace('-', ' ')}, score {score.worst_domain_rcs:.3f}" in shown
    assert f"{100 * score.regret:.1f} points to the oracle" in shown
    assert f"{score.mean_score.value:.3f} of 1" in shown


def test_fixed_policies_lead_where_routers_only_tie(visit: Any, altered: Any) -> None:
    tied = with_home_rows(lambda row, table: replace(row, statistics=table.fixed[row.score.best_fixed]))
    page = visit(path=altered(tied)).page
    leads = page.evaluate("board.simplex(board.table('in-domain', 'fast_response'), 6).map((p) => p[3])")
    assert set(leads) <= {"(all-edge)", "(all-cloud)"}
    assert "a fixed policy is at least as good as every router" in text(page, "#simplex-note")
    assert set(page.locator("#heat td.here").all_text_contents()) == {"0.0"}, "what rounds to 0 has no sign"


def test_sliders_show_both_what_is_set_and_what_counts(visit: Any) -> None:
    page, alpha = visit().page, SCENARIOS["fast_response"].alpha
    assert text(page, "#out-alpha") == f"{alpha:.2f}"
    page.get_by_label("Kept on the edge, β").fill("1")
    page.get_by_label("Time saved, γ").fill("1")
    counts = f"{alpha / (alpha + 2):.2f}"
    assert text(page, "#out-alpha") == f"{alpha:.2f} → {counts}"
    assert page.locator("#if-alpha").get_attribute("aria-valuetext") == counts
    assert text(page, "#if-refused").startswith("A scenario with these weights would be refused")
    expect(page).to_have_url(re.compile(f"if=6%2C{alpha}%2C1%2C1"))
    page.reload()
    assert text(page, "#out-alpha") == f"{alpha:.2f} → {counts}"
    for key in ("alpha", "beta", "gamma"):
        page.locator(f"#if-{key}").fill("0")
    assert text(page, "#out-gamma") == "0.00 → 0.33"
    page.get_by_role("button", name="Back to the scenario").click()
    assert text(page, "#out-alpha") == f"{alpha:.2f}" and text(page, "#if-refused") == ""
    page.locator("#s-high_quality").check(force=True)
    assert text(page, "#out-mes") == "8.0"


def test_routers_that_tie_share_a_place(visit: Any, altered: Any) -> None:
    def same(row: BoardRow, table: BoardTable) -> BoardRow:
        (kept, latency, *solved), *others = table.rows[0].statistics
        latency += table.rows.index(row) * 1e-10  # equal but for noise far below nine decimals
        return replace(row, statistics=[[kept, latency, *solved], *others])

    def alone(board: Leaderboard) -> Leaderboard:
        return replace(with_home_rows(same)(board), tables=with_home_rows(same)(board).tables[:1])

    page = visit(path=altered(alone)).page
    places = page.locator("#if-rows tbody tr:not(.policies) td:first-child").all_text_contents()
    assert places == ["1"] * 7


def test_refused_submissions_say_what_to_mend(visit: Any, altered: Any) -> None:
    assert "<b>refused: 3 problems, first " in text(visit().page, "#refused")

    def two(board: Leaderboard) -> Leaderboard:
        problem = Problem("x", "<i>lacks</i> 3 items" + "x" * 900, "add them")
        return replace(board, refused=(Refused("bad", None, (problem, problem)),))

    shown = text(visit(path=altered(two)).page, "#refused")
    assert shown.startswith("bad: 2 problems, first <i>lacks</i> 3 items") and shown.endswith("; to fix: add them")
    assert len(shown) < 700


def test_words_of_the_page(visit: Any, altered: Any) -> None:
    def unstated(board: Leaderboard) -> Leaderboard:
        latency = RouterLatency(0.016, "not stated")
        return replace(board, submissions=tuple(replace(s, router_latency=latency) for s in board.submissions))

    page = visit("#router=router-0", path=altered(unstated)).page
    assert "declared, hardware not stated" in text(page, "#detail")
    assert "Latency profile:paper-bounds, reported" in text(page, "#about")
    assert not re.search(r"\ball (edge|cloud)\b", text(page, "main"))
    said = {"MES", "Solved (APSP)", "On edge (CA)", "Seconds (AIL)", "Score (RCS)", "AUROC", "Skill"}
    assert said <= set(page.locator("#notes dt").all_text_contents())
    links = page.locator("#notes a").evaluate_all("links => links.map((a) => a.getAttribute('href'))")
    assert links == ["leaderboard.csv", "leaderboard.json", "leaderboard.md"]
    named = page.locator(f"{TABLE} th.name button bdi").all_text_contents()
    assert {"Router 1 (router-1)", "Router 1 (router-1-again)", "Router 2"} <= set(named)


def test_modelled_latencies_are_told_in_seconds(visit: Any, altered: Any) -> None:
    page = visit(path=altered(lambda board: replace(board, latency_basis=("profile:paper-bounds",)))).page
    edge, cloud = page.evaluate("board.policies('in-domain', 'fast_response', '').slice(0, 2).map((p) => p.ail)")
    assert f"Modelled latency: {edge:.2f} s small, {cloud:.2f} s large" in text(page, "#about")


def test_caption_counts_groups_and_warns_of_few_queries(visit: Any, built: Any) -> None:
    page = visit().page
    for part in table_of(built.board).rows[0].score.domains:
        page.locator("#domain").select_option(part.domain)
        caption = text(page, "#caption")
        assert f"{part.n} test queries in {part.groups} groups" in caption
        assert ("under 50 queries" in caption) == (part.n < 50)


def test_colours_name_the_same_router_in_both_drawings(visit: Any, built: Any) -> None:
    page = visit().page
    for scenario in ("fast_response", "high_quality", "low_energy"):
        page.locator(f"#s-{scenario}").check(force=True)
        seen = [
            dict(
                page.locator(f"{at} .key span").evaluate_all(
                    "spans => spans.map((s) => [s.querySelector('bdi').textContent, s.style.getPropertyValue('--k')])"
                )
            )
            for at in ("#simplex", "#mes")
        ]
        shared = set(seen[0]) & set(seen[1])
        assert shared and all(seen[0][name] == seen[1][name] for name in shared)
        assert all(len(set(colour.values())) == len(colour) for colour in seen)


def test_result_files_are_linked(visit: Any, built: Any) -> None:
    href = visit("#router=router-2").page.locator("#detail p.note a").get_attribute("href")
    assert json.loads((built.page.parent / href).read_text())["slug"] == "router-2"


def test_bands_are_groups_and_the_best_fixed_policy_is_a_line_among_them(visit: Any, built: Any) -> None:
    page, table = visit().page, table_of(built.board)
    rows = page.locator("#rows tbody:not(.policies) tr").evaluate_all(
        "rows => rows.map((r) => r.dataset.slug || (r.matches('.group') ? 'band' : 'fixed'))"
    )
    fixed = table.references[table.best_fixed].rcs
    above = [row.slug for row in table.rows if row.score.rcs.value >= fixed]
    assert [slug for slug in rows[: rows.index("fixed")] if slug != "band"] == above
    assert rows.count("band") == len({row.band for row in table.rows}) and rows.count("fixed") == 1
    assert (
        text(page, "#gap") == f"Smallest gap that this table can see: {100 * table.minimum_detectable_gap:.1f} points"
    )
    page.locator('#rows th button[data-key="name"]').click()
    assert page.locator("#rows tr.group, #rows tr.policy-line").count() == 0


def test_a_glossary_is_one_click_away(visit: Any) -> None:
    page = visit().page
    page.get_by_role("link", name="glossary").click()
    assert page.locator("#glossary").is_visible()
    assert page.evaluate("glossary.getBoundingClientRect().top < innerHeight")
    assert page.locator("#rows th button[title]").count() >= 7
    assert "view=table" in page.url


def test_ways_out_lead_somewhere(visit: Any) -> None:
    page = visit(path=ROOT / "leaderboard" / "index.html").page
    links = page.locator("#ways a").evaluate_all("links => links.map((a) => [a.textContent, a.getAttribute('href')])")
    assert {"Repository", "Submit a router", "Docs", "Paper", "Data card", "CSV", "JSON", "Text"} == {
        t for t, _ in links
    }
    for _, href in links:
        assert href.startswith("https://arxiv.org/") or (ROOT / "leaderboard" / href).is_file(), href
    assert f"metrics version {METRICS_VERSION}" in text(page, "#ways")


def test_authors_and_links_stand_in_the_table(visit: Any) -> None:
    page = visit().page
    assert page.locator(f'{TABLE}[data-slug="router-2"] .by').text_content() == "A. Author"
    link = page.locator(f'{TABLE}[data-slug="nasty-4"] .by a')
    assert link.get_attribute("href").startswith("https://evil.example/") and "nofollow" in link.get_attribute("rel")
