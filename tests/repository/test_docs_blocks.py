"""Every block of code of the pages is run by a test, or says why it cannot be.

Guards against a page that nobody ran since it was written. A page with a test of its own is named below with the test;
every other page is run here, from top to bottom, in an empty folder.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT
from docs_blocks import Block, blocks, run

import rsd_bench as rsd

PAGES = sorted(
    str(path.relative_to(ROOT))
    for path in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md"))
)
#: Who runs the blocks of a page, or of some sections of it, which need a Hub or files that only that test makes.
RUN_BY: dict[str, dict[str, str]] = {
    "CONTRIBUTING.md": {"*": "tests/repository/test_contributing.py"},
    "docs/formats.md": {
        "lmms-eval": "tests/sources/test_import_lmms_eval_docs.py",
        "VLMEvalKit": "tests/sources/test_docs_vlmevalkit.py",
        "inspect-ai": "tests/sources/test_docs_logs.py",
        "lm-eval": "tests/sources/test_docs_logs.py",
        "*": "tests/repository/test_docs_formats.py",
    },
    "docs/metrics.md": {"*": "tests/metrics/test_docs_metrics.py"},
    "docs/publishing.md": {"*": "tests/hub/test_docs_publishing.py"},
    "docs/satisfaction.md": {"*": "tests/cli/test_docs_satisfaction.py"},
    "docs/scenarios.md": {"*": "tests/cli/test_docs_scenarios.py"},
    "docs/submitting.md": {"*": "tests/cli/test_docs_submitting.py"},
}
HERE = [page for page in PAGES if page not in RUN_BY and blocks(page)]


def write_inputs(page: str) -> None:
    """Files that the commands of a page name and that no block of it writes, in the current folder."""
    (own,) = [block.text for block in blocks("docs/routers.md") if "def make_router" in block.text]
    Path({"README.md": "my_router.py"}.get(page, "long_questions.py")).write_text(own)
    decided = [name for _, test in rsd.folds() for name in test["query_id"]]
    Path("probabilities.csv").write_text("query_id,p_edge\n" + "".join(f"{name},0.5\n" for name in decided))


def run_page(page: str, marks: tuple[str, ...]) -> None:
    """Run the blocks that bear one of the marks, in order."""
    write_inputs(page)
    names: dict[str, Any] = {}
    for block in blocks(page):
        if block.mark in marks:
            run(block, names)


@pytest.mark.filterwarnings("ignore:.*queries lack a score")
@pytest.mark.parametrize("page", HERE)
def test_blocks_of_a_page_run(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run_page(page, ("",))


@pytest.mark.heavy
@pytest.mark.filterwarnings("ignore:.*queries lack a score")
@pytest.mark.parametrize("page", [page for page in HERE if any(block.mark == "heavy" for block in blocks(page))])
def test_long_blocks_of_a_page_run(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run_page(page, ("", "heavy"))


@pytest.mark.parametrize("page", RUN_BY)
def test_who_runs_a_page_reads_it(page: str) -> None:
    sections = {block.section for block in blocks(page)}
    for section, test in RUN_BY[page].items():
        text = (ROOT / test).read_text("utf-8")
        assert section == "*" or section in sections, f"{page} has no code under {section!r}"
        assert Path(page).name in text and (section == "*" or section in text), test


def test_a_block_that_is_not_run_says_why() -> None:
    marked = [block for page in PAGES for block in blocks(page) if block.mark]
    assert marked
    assert [str(block) for block in marked if len(block.reason.split()) < 3] == []


def test_a_block_that_fails_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for kind, text in (
        ("python", "print(1)  # -> 2\n"),
        ("console", "$ rsd-bench eval nowhere\n"),
        ("console", "$ rsd-bench --version\nrsd-bench of old\n"),
        ("console", "$ curl localhost\n"),
    ):
        with pytest.raises(AssertionError):
            run(Block("page.md", 1, "", kind, text), {})


def test_marks_and_blocks_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import docs_blocks

    monkeypatch.setattr(docs_blocks, "ROOT", tmp_path)
    (tmp_path / "page.md").write_text(
        "# A\n\n<!-- not run: it needs\na key -->\n```console\n$ x\n```\n\n- in a list\n\n  ```python\n  1\n  ```\n"
        "\n## B\n\n```\nrsd-bench x\n```\n\n```\nprinted\n```\n\n<!-- heavy: minutes -->\n```sh\n$ y\n```\n"
    )
    found = [(block.section, block.kind, block.mark) for block in blocks("page.md")]
    assert found == [("A", "console", "not run"), ("A", "python", ""), ("B", "console", ""), ("B", "console", "heavy")]
