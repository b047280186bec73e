"""The README shows what the demo prints and stays short, so that the first page cannot rot.

Its code is run by test_docs_blocks.py.
"""

from __future__ import annotations

import re

from conftest import ROOT

README = (ROOT / "README.md").read_text("utf-8")


def test_demo_output_is_the_committed_board() -> None:
    board = (ROOT / "leaderboard" / "leaderboard.md").read_text("utf-8")
    shown = re.findall(r"(?:Reference router|Routing-gain|Logistic).*?(\d\.\d{4} \[\S+ \S+\])", README)
    assert len(shown) == 9
    assert all(interval in board for interval in shown)


def test_readme_stays_short() -> None:
    assert len(README.splitlines()) < 250
