"""Names that every object of JavaScript has are names like any other.

Incident: a domain called `constructor`, `toString` or `hasOwnProperty` broke the detail of a router: the page looked it
up in a plain object and found a function.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from boards import TABLE, built, chromium, visit  # noqa: F401 (fixtures)

from rsd_bench.board.leaderboard import BoardRow, BoardTable, Leaderboard, NoiseCeiling
from rsd_bench.board.page import to_html
from rsd_bench.board.sensitivity import Sensitivity
from rsd_bench.config import IN_DOMAIN
from rsd_bench.evaluation.result import EvalScore

NAMES = ("constructor", "toString", "hasOwnProperty", "__proto__", "valueOf", "__defineGetter__", "7", "isPrototypeOf")
Renamed = Callable[[str], str]


def renaming(texts: list[str], shift: int) -> Renamed:
    """Each of the texts becomes a name that objects have, what is left one of its own; `shift` turns which is which."""
    new = {text: NAMES[(at + shift) % len(NAMES)] + "-again" * (at // len(NAMES)) for at, text in enumerate(texts)}
    assert len({*new.values()}) == len(new)
    return lambda text: new.get(text, text)


def renamed(board: Leaderboard, track: Renamed, scenario: Renamed, domain: Renamed, slug: Renamed) -> Leaderboard:
    def score_of(score: EvalScore) -> EvalScore:
        domains = tuple(replace(d, domain=domain(d.domain)) for d in score.domains)
        names = {"track": track(score.track), "scenario": scenario(score.scenario)}
        return replace(score, **names, domains=domains, worst_domain=domain(score.worst_domain))

    def row_of(row: BoardRow) -> BoardRow:
        return replace(row, slug=slug(row.slug), score=score_of(row.score))

    def table_of(table: BoardTable) -> BoardTable:
        leads = {slug(name): share for name, share in table.sensitivity.simplex.items()}
        winner = replace(table.sensitivity.mes, winner=slug(table.sensitivity.mes.winner))
        return replace(
            table,
            track=track(table.track),
            scenario=scenario(table.scenario),
            rows=tuple(map(row_of, table.rows)),
            frames=tuple(replace(frame, domain=domain(frame.domain)) for frame in table.frames),
            domain_references={domain(name): rows for name, rows in table.domain_references.items()},
            sensitivity=Sensitivity(leads, winner),
        )

    scenarios = {scenario(name): replace(of, name=scenario(name)) for name, of in board.scenarios.items()}
    noise = board.noise and {scenario(name): ceiling for name, ceiling in board.noise.items()}
    submissions = tuple(replace(s, slug=slug(s.slug)) for s in board.submissions)
    tables = tuple(map(table_of, board.tables))
    rows = tuple(replace(row, slug=slug(row.slug)) for row in board.overall.rows)
    overall = replace(board.overall, tracks=tuple(map(track, board.overall.tracks)), rows=rows)
    return replace(board, scenarios=scenarios, noise=noise, submissions=submissions, overall=overall, tables=tables)


#: All that the views of a page show: figures only, names and labels left out, and how many marks are drawn.
FIGURES = """([track, scenario, domain, slug]) => {
  location.hash = new URLSearchParams({ track, scenario, domain, router: slug }).toString();
  dispatchEvent(new HashChangeEvent("hashchange"));
  const texts = (node) => [...node.querySelectorAll("td, dd, .card b, text, option, output, .key span")];
  const read = (node) => texts(node).flatMap((n) => n.textContent.match(/[-+−]?[0-9]+[.][0-9]+/g) || []);
  const ids = ["headline", "table", "detail", "plane", "curve", "heat", "if-rows", "simplex", "mes"];
  return ids.map((id) => document.getElementById(id)).map((part) =>
    [part.id, part.querySelectorAll("*").length, ...read(part)]);
}"""


@pytest.mark.parametrize("shift", [0, 1, 3])
def test_names_that_every_object_has(visit: Any, built: Any, tmp_path: Path, shift: int) -> None:
    board = replace(built.board, noise={"high_quality": NoiseCeiling(0.1, 0.9)})  # of one scenario only
    tracks = list(dict.fromkeys(t.track for t in board.tables if t.track != IN_DOMAIN))  # which is the page's own word
    domains = sorted({frame.domain for table in board.tables for frame in table.frames})
    names = (
        renaming(tracks, shift),
        renaming(list(board.scenarios), shift + 1),
        renaming(domains, shift + 2),
        renaming([s.slug for s in board.submissions], shift + 3),
    )
    track, scenario, domain, slug = names
    pages = {}
    for of, name in ((board, "plain"), (renamed(board, *names), "odd")):
        (tmp_path / f"{name}.html").write_bytes(to_html(of))
        pages[name] = visit(path=tmp_path / f"{name}.html").page
    seen = 0
    for table in board.tables[:: 2 + shift]:
        for inside in ("", *(f.domain for f in table.frames if len(table.frames) > 1)):
            plain = pages["plain"].evaluate(FIGURES, [table.track, table.scenario, inside, "router-2"])
            at = [track(table.track), scenario(table.scenario), inside and domain(inside), slug("router-2")]
            odd = pages["odd"].evaluate(FIGURES, at)
            assert [part[1] > 1 for part in plain].count(True) == len(plain), "a part of the page is empty"
            for one, other in zip(plain, odd, strict=True):
                assert sorted(one[2:]) == sorted(other[2:]) and one[:2] == other[:2], (at, one[0])
            seen += 1
    assert seen >= 8
    for page in pages.values():
        assert page.locator(TABLE).count() == len(board.submissions)
        page.locator("#rows th button").first.press("Home")


@pytest.mark.parametrize("name", NAMES)
def test_a_track_of_one_domain_of_such_a_name(visit: Any, built: Any, tmp_path: Path, name: str) -> None:
    # there the page has no oracles by domain: it took the function of that name for them
    alone = next(t for t in built.board.tables if len(t.frames) == 1)
    same: Renamed = lambda text: text  # noqa: E731
    board = renamed(built.board, same, same, lambda text: name if text == alone.frames[0].domain else text, same)
    (tmp_path / "page.html").write_bytes(to_html(board))
    page = visit(f"#track={alone.track}&scenario={alone.scenario}&router=router-1", path=tmp_path / "page.html").page
    assert page.locator("#detail h2").text_content() == "Router 1 (router-1)"
    assert page.locator("#detail dt").count() >= 10 and page.locator("#heat tbody tr").count() == 7


def test_no_script_of_the_page_looks_a_name_up_in_a_plain_object() -> None:
    scripts = {path.name: path.read_text("utf-8") for path in (Path(to_html.__code__.co_filename).parent).glob("*.js")}
    assert len(scripts) >= 10
    for name, script in scripts.items():
        for gone in (".scenarios[", ".noise[", ".noise?.[", ".fixed[", "racles[", "shares[", ".simplex[", " in KEYS"):
            assert gone not in script, f"{name}: {gone}"
