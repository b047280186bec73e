"""Results and comparisons are small tables in a notebook, not walls of text, and names in them stay text."""

from __future__ import annotations

from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from sound_submissions import make, probabilities
from suites import suite_benchmark, written

import rsd_bench as rsd
from rsd_bench.board.build_board import collect_board
from rsd_bench.config import MAX_SHOWN_ROWS
from rsd_bench.dataset.benchmark import Benchmark
from rsd_bench.types import Interval


class Table(HTMLParser):
    """Rows of cells, and the tags that are there."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.tags: set[str] = set()
        self.caption = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert not attrs
        self.tags.add(tag)
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_data(self, data: str) -> None:
        if self.rows:
            self.rows[-1][-1] += data
        else:
            self.caption += data


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory, toy_dataset: Path, toy_benchmark: Benchmark) -> rsd.Result:
    frame = probabilities(toy_benchmark, toy_benchmark.tracks)
    folder = make(tmp_path_factory.mktemp("scored") / "mine", toy_benchmark, frame)
    return rsd.evaluate(folder, toy_dataset, n_boot=50)


def test_a_result_is_a_row_a_track_and_scenario(result: rsd.Result) -> None:
    table = Table(result._repr_html_())
    assert len(table.rows) == 1 + len(result.scores)
    first = result.scores[0]
    assert table.rows[1][:4] == [first.track, first.scenario, str(first.n), first.rcs.text()]
    assert table.rows[1][4] == first.gain.points()
    assert {len(row) for row in table.rows} == {8}
    assert result.name in table.caption and result.dataset.version in table.caption


def test_a_long_result_says_where_the_rest_is(result: rsd.Result) -> None:
    table = Table(replace(result, scores=result.scores * MAX_SHOWN_ROWS)._repr_html_())
    assert len(table.rows) == 1 + MAX_SHOWN_ROWS
    assert f"{len(result.scores) * MAX_SHOWN_ROWS - MAX_SHOWN_ROWS} more rows in to_frame()" in table.caption


def test_a_comparison_is_a_row_a_metric() -> None:
    compared = rsd.compare([1, 0, 1], [0, 0, 1], small=[1, 9, 5], large=[9, 3, 5], scenario="low_energy", n_boot=50)
    table = Table(compared._repr_html_())
    assert [row[0] for row in table.rows[1:]] == ["RCS", "APSP", "CA", "AIL, seconds", "mean score"]
    assert table.rows[1][1:] == [f"{compared.a.rcs:.4f}", f"{compared.b.rcs:.4f}", compared.rcs.text(sign="+")]
    assert ("cannot" in table.caption) is not compared.separable


def test_an_interval_that_is_not_known_is_a_dash() -> None:
    assert rsd.Interval(0.5, float("nan"), float("nan")).text() == "0.5000 [-, -]"


def test_names_stay_text(result: rsd.Result) -> None:
    hostile = "<script>alert(1)</script><b onload='x'>"
    score = replace(result.scores[0], track=hostile)
    table = Table(replace(result, name=hostile, scores=(score,))._repr_html_())
    assert table.tags == {"table", "caption", "thead", "tbody", "tr", "th", "td"}
    assert table.rows[1][0] == hostile and hostile in table.caption


def test_a_board_is_its_ranking(tmp_path: Path, toy_benchmark: Benchmark) -> None:
    """Of the suite where there is one, else of the first table; an empty board says so."""
    assert "no router" in Table(collect_board(tmp_path, toy_benchmark, n_boot=50).data._repr_html_()).caption
    make(tmp_path / "mine", toy_benchmark, probabilities(toy_benchmark, toy_benchmark.tracks))
    board = collect_board(tmp_path, toy_benchmark, n_boot=50).data
    first, table = board.tables[0], Table(board._repr_html_())
    row = first.rows[0]
    gain = Interval(*(100 * x for x in (row.score.gain.value, row.score.gain.low, row.score.gain.high)))
    assert board.overall is None and table.rows[1] == ["1", row.name, row.score.rcs.text(3), gain.text(1, "+")]
    assert f"{first.scenario} ({first.track})" in table.caption

    suite = suite_benchmark()
    written(tmp_path / "suite" / "router-0001", suite, 1)
    board = collect_board(tmp_path / "suite", suite, n_boot=50).data
    assert board.overall is not None
    shown = Table(board._repr_html_())
    assert shown.rows[1][2] == board.overall.rows[0].skill.text(3) and "overall, 2 tracks" in shown.caption
