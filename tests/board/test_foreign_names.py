"""What a dataset or a submitter calls a thing stays text in leaderboard.md and in the comment on a pull request.

Incident: a backtick in a model id left its code span in leaderboard.md, so that what followed was Markdown of the
model's author; and an empty folder of submissions replaced a board with nothing, exit code 0.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from boards import built  # noqa: F401 (fixture)
from conftest import call_cli
from markdown_it import MarkdownIt
from sound_submissions import make

from rsd_bench.board.comment import Report
from rsd_bench.board.page import to_html
from rsd_bench.board.render import to_markdown, to_text
from rsd_bench.dataset.benchmark import Benchmark
from rsd_bench.dataset.manifest import ModelPair
from rsd_bench.evaluation.evaluate import score_submission
from rsd_bench.submission.check_submission import open_submission

HOSTILE = "a`|b\n\n# c <script>x</script> [y](https://evil.example) ``"


def tokens(markdown: str) -> list[Any]:
    return MarkdownIt("commonmark", {"html": True}).enable("table").parse(markdown)


def structure(markdown: str) -> list[str]:
    """What kinds of blocks and inline parts there are, whatever they hold; a word joiner or an entity is text."""
    found = tokens(markdown)
    inline = [child for block in found for child in block.children or []]
    kinds = {child.type for child in inline}
    assert not kinds & {"link_open", "image", "html_inline"}, kinds
    return [block.type for block in found if block.type != "softbreak"] + [
        child.content for child in inline if child.type == "code_inline"
    ]


def test_names_of_a_dataset_are_text_in_the_markdown(built: Any) -> None:  # noqa: F811
    board = built.board
    plain = structure(to_markdown(board))
    named = replace(
        board,
        dataset=replace(board.dataset, name=HOSTILE, version=HOSTILE, pair=ModelPair(HOSTILE, HOSTILE)),
        latency_basis=(HOSTILE,),
        tables=tuple(replace(t, track=HOSTILE, scenario=HOSTILE) for t in board.tables),
        noise={HOSTILE: next(iter(board.noise.values()))} if board.noise else None,
    )
    markdown = to_markdown(named)
    code = " ".join(HOSTILE.split())
    shown = structure(markdown)
    assert [part for part in shown if part == code] == [code] * 3
    blocks = [[part for part in of if part.endswith(("_open", "_close", "inline"))] for of in (plain, shown)]
    assert blocks[0] == blocks[1], "a name made a block of its own"
    assert "\n# c" not in to_text(named, HOSTILE)
    title = to_html(named).decode().partition("<title>")[2].partition("</title>")[0]
    assert "<" not in title and "&lt;script&gt;" in title


def test_names_of_a_dataset_are_text_in_a_comment(tmp_path: Path, toy_benchmark: Benchmark) -> None:
    submission = open_submission(make(tmp_path / "mine", toy_benchmark), toy_benchmark)
    result = score_submission(submission, toy_benchmark, n_boot=0)
    scores = tuple(replace(score, track=HOSTILE, scenario=HOSTILE) for score in result.scores)
    dataset = replace(result.dataset, name=HOSTILE, version=HOSTILE)
    plain, named = Report((), result), Report((), replace(result, scores=scores, dataset=dataset, name=HOSTILE))
    assert structure(named.to_markdown()) == structure(plain.to_markdown())


@pytest.mark.parametrize("left", ["nothing", "refused"])
def test_a_board_with_routers_is_not_replaced_by_none(
    tmp_path: Path, toy_dataset: Path, toy_benchmark: Benchmark, left: str
) -> None:
    folder = make(tmp_path / "submissions" / "mine", toy_benchmark)
    command = ("board", "build", "--data", toy_dataset, "--n-boot", 20, "--no-cache", "--submissions")
    options = ("--out", tmp_path / "board")
    assert call_cli(*command, tmp_path / "submissions", *options).returncode == 0
    before = {path: path.read_bytes() for path in (tmp_path / "board").rglob("*") if path.is_file()}
    assert len(before) == 5
    emptied = tmp_path / "emptied"
    emptied.mkdir()
    if left == "refused":
        (emptied / "mine").mkdir()
    run = call_cli(*command, emptied, *options)
    assert run.returncode == 1
    (line,) = run.stderr.strip().splitlines()
    assert "would lose all 1 routers" in line and "new --out" in line
    assert {path: path.read_bytes() for path in (tmp_path / "board").rglob("*") if path.is_file()} == before
    assert call_cli(*command, emptied, "--out", tmp_path / "new").returncode == 0, "on purpose it is done"
    assert json.loads((tmp_path / "new" / "leaderboard.json").read_text())["submissions"] == []
    assert call_cli(*command, folder.parent, "--out", tmp_path / "new").returncode == 0
