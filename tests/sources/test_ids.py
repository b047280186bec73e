"""Names of foreign files become ids that tell apart what differs, and not what is the same."""

from __future__ import annotations

from pathlib import Path

import pytest
from tables import LONG, prepare, read, rows_of, write

from rsd_bench.sources.ids import source_id


@pytest.mark.parametrize(("name", "expected"), [("Chart & table", "Chart-table"), ("mme", "mme")])
def test_a_name_becomes_the_id_nearest_to_it(name: str, expected: str) -> None:
    assert source_id(name, "tool") == expected


def test_names_without_a_latin_letter_stay_apart() -> None:
    """Two tasks that were called by one character each became one source."""
    one, other = source_id("猫", "inspect-ai"), source_id("犬", "inspect-ai")
    assert one != other and one.startswith("inspect-ai-")


def test_an_id_is_one_in_every_format(tmp_path: Path) -> None:
    """A whole number that pandas wrote as 1.0 was another query in CSV than in JSON."""
    mapping, ids = prepare(tmp_path, LONG), []
    for qid in ("7", "7.0"):
        write(tmp_path / "t.csv", [row | {"qid": qid} for row in rows_of(1)])
        ids += read(tmp_path / "t.csv", mapping).queries
    assert ids == ["quiz/7", "quiz/7"]
