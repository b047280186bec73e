"""The README's Python is run and its printed values are compared, so that the first page cannot rot."""

from __future__ import annotations

import re

import pytest
from conftest import ROOT

README = (ROOT / "README.md").read_text("utf-8")


@pytest.mark.filterwarnings("ignore:.*queries lack a score")
def test_code_blocks_give_what_they_say(capsys: pytest.CaptureFixture[str]) -> None:
    code = "\n".join(re.findall(r"```python\n(.*?)```", README, re.S))
    exec(compile(code, "README.md", "exec"), {})
    assert capsys.readouterr().out.splitlines() == re.findall(r"# -> (.*)", code)


def test_demo_output_is_the_committed_board() -> None:
    board = (ROOT / "leaderboard" / "leaderboard.md").read_text("utf-8")
    shown = re.findall(r"(?:Reference router|Routing-gain|Logistic).*?(\d\.\d{4} \[\S+ \S+\])", README)
    assert len(shown) == 9
    assert all(interval in board for interval in shown)


def test_readme_stays_short() -> None:
    assert len(README.splitlines()) < 250
