"""A dataset's own scenarios on the page: fifty of them, with long names, none of which leaves the screen.

Guards against a row of buttons that was made for three short names.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from boards import built, chromium, text, visit  # noqa: F401 (fixtures)

from rsd_bench.board.page import to_html
from rsd_bench.types import Scenario


@pytest.mark.parametrize("width", [375, 1280])
def test_fifty_scenarios_can_be_chosen(visit: Any, built: Any, tmp_path: Path, width: int) -> None:
    names = [f"{'a_long_name_of_a_cohort_' * 2}{i}" if i % 7 == 0 else f"Ward.{i}" for i in range(50)]
    asked = {n: Scenario(name=n, mes=i / 5, alpha=0.8, beta=0.1, gamma=0.1) for i, n in enumerate(names)}
    table = built.board.tables[0]
    board = replace(
        built.board, scenarios=asked, noise=None, tables=tuple(replace(table, scenario=name) for name in names)
    )
    (tmp_path / "many.html").write_bytes(to_html(board))
    page = visit(path=tmp_path / "many.html", width=width).page
    assert page.locator("#scenarios input").count() == 50
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate("document.getElementById('scenarios').offsetHeight") < 400
    page.locator(f'#scenarios input[value="{names[48]}"]').check(force=True)
    assert "at MES 9.6." in text(page, "#caption")
