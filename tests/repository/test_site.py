"""The site of the docs builds without a warning or the network, and holds every public name and every command.

Guards against a page that only a code host can show, a reference that somebody forgot to extend, and a page that asks a
stranger's server for a font.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

import pytest
from conftest import ROOT
from typer.core import TyperGroup
from typer.main import get_command

import rsd_bench
from rsd_bench.cli.main import app

#: What a browser fetches by itself; a link that a reader may follow is none of it.
FETCHED = re.compile(
    r"<(?:script|img|iframe|source)\b[^>]*?\bsrc=[\"']?([^\"'\s>]+)|<link\b[^>]*?\bhref=[\"']?([^\"'\s>]+)"
)
BOARD = "leaderboard"  # a page of its own, which tests/board reads


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("mkdocstrings", reason="the docs extra is not installed")
    pytest.importorskip("material", reason="the docs extra is not installed")
    folder = tmp_path_factory.mktemp("site")
    nowhere = "http://127.0.0.1:9"  # whoever asks the web gets an error
    environment = os.environ | {"http_proxy": nowhere, "https_proxy": nowhere, "PYTHONPATH": str(ROOT)}
    command = (sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder))
    built = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    return folder


def leaves(command: TyperGroup, *names: str) -> Iterator[str]:
    for name, sub in command.commands.items():
        yield " ".join((*names, name))
        if isinstance(sub, TyperGroup):
            yield from leaves(sub, *names, name)


def test_every_public_name_has_an_entry(site: Path) -> None:
    page = (site / "reference" / "python.html").read_text("utf-8")
    assert [name for name in rsd_bench.__all__ if f'id="rsd_bench.{name}"' not in page] == []
    for name in rsd_bench.__all__:
        entry = page.partition(f'id="rsd_bench.{name}"')[2].partition("<h3 ")[0]
        assert re.search(r"<p>[^<]*\w", entry), f"{name}: its entry says nothing"


def test_every_command_has_an_entry(site: Path) -> None:
    page = (site / "reference" / "commands.html").read_text("utf-8")
    headings = {re.sub(r"<[^>]+>", "", text) for text in re.findall(r"<h\d id=[^>]*>(.*?)</h\d>", page, re.S)}
    root = get_command(app)
    assert isinstance(root, TyperGroup)
    wanted = {f"rsd-bench {names}" for names in leaves(root)}
    assert len(wanted) > 25
    assert wanted - {heading.removesuffix("¶").removesuffix("&para;") for heading in headings} == set()


def test_every_page_of_docs_is_in_the_menu(site: Path) -> None:
    menu = (site / "index.html").read_text("utf-8")
    pages = [path.stem for path in (ROOT / "docs").glob("*.md")]
    assert len(pages) >= 11
    assert [page for page in pages if f'href="{page}.html" class="md-nav__link' not in menu and page != "index"] == []


def test_a_browser_asks_no_other_server(site: Path) -> None:
    asked = {
        found
        for page in site.rglob("*.html")
        if BOARD not in page.parts
        for pair in FETCHED.findall(page.read_text("utf-8"))
        for found in pair
        if re.match(r"(https?:)?//", found)
    }
    assert asked == set()
    styles = "".join(path.read_text("utf-8") for path in site.rglob("*.css"))
    assert re.findall(r"(?:@import|url\()\s*[\"']?(?:https?:)?//[^)]*", styles) == []


def test_links_between_pages_lead_to_pages(site: Path) -> None:
    """Also those of pages that lie elsewhere in the repository, and none to a file that the site does not have."""
    followed = 0
    for page in site.rglob("*.html"):
        if BOARD in page.parts or page.name == "404.html":
            continue
        for link in re.findall(r"<a\b[^>]*?\bhref=\"([^\"#?]+)", page.read_text("utf-8")):
            if not re.match(r"\w+:", link):
                assert (page.parent / unquote(link)).exists(), f"{page.name}: {link}"
                followed += 1
    assert followed > 300
    overview = (site / "overview.html").read_text("utf-8")
    assert 'href="metrics.html"' in overview and 'href="leaderboard/index.html"' in overview
    assert "CITATION.cff" in overview and 'href="CITATION.cff"' not in overview


def test_blocks_lists_and_marks_are_shown_as_on_a_code_host(site: Path) -> None:
    """Two Markdowns, one page: as many items, rows and blocks of code, and no comment of ours in sight."""
    from markdown_it import MarkdownIt

    for page in (ROOT / "docs").glob("*.md"):
        tokens = MarkdownIt().enable("table").parse(page.read_text("utf-8"))
        html = (site / f"{page.stem}.html").read_text("utf-8").partition("<article")[2].partition("</article>")[0]
        shown = {
            "fence": len(re.findall(r'<div class="[^"]*highlight', html)),
            "list_item_open": html.count("<li>"),
            "tr_open": html.count("<tr>"),
        }
        written = {kind: sum(token.type == kind for token in tokens) for kind in shown}
        written["fence"] += sum(token.type == "code_block" for token in tokens)
        assert shown == written, page.name
        assert "&lt;!--" not in html, page.name


def test_pictures_of_the_concepts_are_what_the_script_draws(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(ROOT / "docs" / "site")
    import concept_pictures

    from rsd_bench.figures import save

    committed = {path.stem: path.read_bytes() for path in (ROOT / "docs" / "concepts").glob("*.svg")}
    assert committed.keys() == concept_pictures.PICTURES.keys()
    page = (ROOT / "docs" / "concepts.md").read_text("utf-8")
    for name, draw in concept_pictures.PICTURES.items():
        save(draw(), tmp_path / "drawn.svg")
        assert (tmp_path / "drawn.svg").read_bytes() == committed[name], name
        assert f"](concepts/{name}.svg)" in page
