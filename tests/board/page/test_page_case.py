"""The first answer of the page: which router for my case.

Guards against a page that answered everybody with one table of eleven routers in one band, and against a second set of
formulas in the browser that drifts from the package's.
"""

from __future__ import annotations

import math
import random
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from boards import altered, built, chromium, table_of, text, visit, with_home_rows  # noqa: F401 (fixtures)

from rsd_bench.board.case import FIXED, Candidate, Case, Recommendation, recommend
from rsd_bench.board.leaderboard import Leaderboard
from rsd_bench.dataset.benchmark import open_benchmark
from rsd_bench.dataset.open import dataset_folder
from rsd_bench.evaluation.evaluate import score_submission
from rsd_bench.submission.check_submission import open_submission
from rsd_bench.types import Scenario

FOUND = """([track, scenario, domain, c]) => {
  const found = casework.recommend(track, scenario, domain, c), router = found.router;
  const figures = ({ apsp, ca, ail, rcs, usd }) => ({ apsp, ca, ail, rcs, usd });
  return { router: router && `${router.slug} ${router.scenario}`, fixed: found.best.name, use: found.useRouter,
    gain: found.gain, half: found.half, chance: found.chance,
    figures: [...found.policies, ...(router ? [router] : [])].map(figures) };
}"""


def expected(board: Leaderboard, track: str, domain: str, case: Case) -> Recommendation:
    tables = [table_of(board, track, name) for name in board.scenarios]
    candidates = [
        Candidate(
            name=f"{row.slug} {table.scenario}",
            statistics=row.statistics,
            spread=row.spread,
            router_s=next(s.router_latency.seconds for s in board.submissions if s.slug == row.slug),
            cascade=row.score.kind == "cascade",
        )
        for table in tables
        for row in table.rows
    ]
    groups = [tables[0].groups, *(d.groups for d in tables[0].rows[0].score.domains)]
    return recommend(tables[0].frames, groups, tables[0].fixed, candidates, case, domain)


def close(value: float) -> Any:
    return pytest.approx(value, abs=1e-9, nan_ok=True)


def test_recommendations_are_those_of_python_to_nine_decimals(visit: Any, built: Any) -> None:
    page, rng, used = visit().page, random.Random(0), set()
    tables = [table for table in built.board.tables if len(table.fixed) == 2]
    for _ in range(60):
        table = rng.choice(tables)
        domain = rng.choice(["", *(f.domain for f in table.frames)])
        a, b, c = rng.random() + 1, rng.random() / 4, rng.random() / 4
        total, mes = a + b + c, rng.choice([0, 2.5, 3.3, 5, 6, 7.6, 10])
        scenario = Scenario(mes=mes, alpha=a / total, beta=b / total, gamma=c / total)
        seconds = rng.choice([None, (0.5, 4.0), (3.0, 2.0)])
        usd, most = rng.choice([(0.0, 0.005), (0.001, 0.01)]), rng.choice([None, None, 4.0, 0.0])
        found = page.evaluate(
            FOUND,
            [table.track, table.scenario, domain, {**scenario.figures, "seconds": seconds, "usd": usd, "most": most}],
        )
        case = Case(scenario=scenario, seconds=seconds, usd=usd, most=most)
        said = expected(built.board, table.track, domain, case)
        assert (found["router"], found["fixed"], found["use"]) == (said.router, said.fixed, said.use_router)
        for figure in ("gain", "half", "chance"):
            value = getattr(said, figure)
            assert (math.nan if found[figure] is None else found[figure]) == close(value), figure
        for got, name in zip(found["figures"], [*FIXED, *([said.router] if said.router else [])], strict=True):
            for figure, value in got.items():
                assert value == close(said.figures[name][figure]), (name, figure)
        used.add((said.use_router, said.router is None, said.fixed))
    assert len(used) >= 4, "the cases are too alike"


def told(page: Any) -> dict[str, float]:
    return dict(
        page.locator("#answer [data-figure]").evaluate_all(
            "nodes => nodes.map((n) => [n.dataset.figure, Number(n.dataset.value)])"
        )
    )


def evaluated(built: Any, slug: str, asked: dict[str, float]) -> Any:
    """Scores of a submission where each of its scenarios asks for the same."""
    same = {name: Scenario(name=name, **asked) for name in built.board.scenarios}
    benchmark = open_benchmark(dataset_folder(), scenarios=same.values())
    folder = Path(built.page).parent.parent / "submissions" / slug
    return score_submission(open_submission(folder, benchmark), benchmark, n_boot=0)


def use(page: Any) -> tuple[str, str]:
    """Whose figures are told, and for which scenario it decided."""
    lead = page.locator("#answer .lead")
    slug, scenario = lead.get_attribute("data-best").rsplit(" ", 1)
    return slug, scenario


def test_a_phone_with_a_quick_small_model(visit: Any, built: Any) -> None:
    page = visit().page
    page.get_by_label("Small model, seconds a query").fill("0.5")
    slug, scenario = use(page)
    asked = built.board.scenarios["fast_response"].figures
    score = next(s for s in evaluated(built, slug, asked).scores if (s.track, s.scenario) == ("in-domain", scenario))
    cloud = table_of(built.board).references["all-cloud"].ail
    apsp, ca = score.apsp.value, score.ca.value
    ail = 0.016 + ca * 0.5 + (1 - ca) * cloud
    rcs = asked["alpha"] * apsp + asked["beta"] * ca + asked["gamma"] * (1 - ail / cloud)
    row = page.locator(f'#if-rows tr[data-slug="{slug}"]')
    assert float(row.get_attribute("data-rcs")) == pytest.approx(rcs, abs=5e-9)
    assert "sec=0.5" in page.url or page.wait_for_url("**sec=0.5**") is None
    page.reload()
    assert page.get_by_label("Small model, seconds a query").input_value() == "0.5"
    assert use(page) == (slug, scenario)


def test_a_clinic_that_asks_for_eight_of_ten(visit: Any, built: Any) -> None:
    page = visit().page
    page.locator("#s-high_quality").check(force=True)
    page.locator("#domain").select_option("medical")
    slug, scenario = use(page)
    asked = built.board.scenarios["high_quality"].figures
    score = next(s for s in evaluated(built, slug, asked).scores if (s.track, s.scenario) == ("in-domain", scenario))
    medical = next(d for d in score.domains if d.domain == "medical")
    row = page.locator(f'#if-rows tr[data-slug="{slug}"]')
    assert float(row.get_attribute("data-rcs")) == pytest.approx(medical.rcs.value, abs=5e-9)
    assert f"{medical.n} in {medical.groups} groups" in text(page, "#answer")


def test_a_crawler_bound_by_cost(visit: Any, built: Any) -> None:
    page = visit().page
    page.get_by_label("Large model, USD a call").fill("0.01")
    page.get_by_label("Budget, USD per 1,000 queries").fill("6")
    figures, scenario = told(page), built.board.scenarios["fast_response"]
    assert figures["usd"] <= 6
    assert figures["usd"] == pytest.approx(10 * (1 - figures["ca"]), abs=1e-9)
    case = Case(scenario=scenario, usd=(0.0, 0.01), most=6.0)
    said = expected(built.board, "in-domain", "", case)
    slug, decided = use(page)
    assert said.router == f"{slug} {decided}"
    score = next(
        s for s in evaluated(built, slug, scenario.figures).scores if (s.track, s.scenario) == ("in-domain", decided)
    )
    name = said.router if said.use_router else said.fixed
    for figure in ("apsp", "ca", "ail", "usd"):
        assert figures[figure] == close(said.figures[name][figure])
    assert said.figures[said.router]["rcs"] == pytest.approx(score.rcs.value, abs=5e-9)
    page.get_by_label("Budget, USD per 1,000 queries").fill("0")
    assert "no router stays within this budget" in text(page, "#answer .lead")


def test_only_who_is_shown_to_gain_is_recommended(visit: Any, altered: Any) -> None:
    plain = visit().page
    slug, _ = use(plain)
    assert plain.locator("#answer .lead").get_attribute("data-use") in (slug, "(all-edge)", "(all-cloud)")
    wide = with_home_rows(lambda row, table: replace(row, spread=[[90000] * len(block) for block in row.spread]))
    page = visit(path=altered(wide)).page
    assert page.locator("#answer .lead").get_attribute("data-use") in ("(all-edge)", "(all-cloud)")
    assert re.search(r"\[-\d+\.\d, \+\d+\.\d\]points of", text(page, "#answer .cards"))
    unknown = with_home_rows(lambda row, table: replace(row, spread=[]))
    page = visit(path=altered(unknown)).page
    assert "is not known here" in text(page, "#answer")


def test_commands_train_what_is_recommended(visit: Any, altered: Any) -> None:
    def named(board: Leaderboard) -> Leaderboard:
        texts = tuple(replace(s, description="`ngram+statistics` of rsd_bench, seed 0") for s in board.submissions)
        return replace(board, submissions=texts)

    page = visit(path=altered(named)).page
    preset = text(page, "#answer pre")
    assert preset == (
        "rsd-bench router train 'ngram+statistics' --scenario fast_response --out router\n"
        "rsd-bench serve --router router --edge MODEL@URL --cloud MODEL@URL"
    )
    page.locator("#if-mes").fill("7")
    own = text(page, "#answer pre")
    assert "[my_case]\nmes = 7\nalpha = 0.85\nbeta = 0.03\ngamma = 0.12\nEND\n" in own
    assert "--scenarios case.toml --scenario my_case --out router" in own
    assert visit().page.locator("#answer pre").count() == 0  # theirs to train


@pytest.mark.parametrize("given", ["sec=x,&usd=,,&most=-1", "sec=1e999,0&usd=abc,def&most=nan", "sec=0,0"])
def test_a_broken_case_is_that_of_the_data(visit: Any, given: str) -> None:
    shown = visit(f"#{given}").page
    assert "NaN" not in text(shown, "#answer") and "Infinity" not in text(shown, "#answer")
    assert told(shown)["ail"] == pytest.approx(told(visit().page)["ail"], abs=1e-9)
