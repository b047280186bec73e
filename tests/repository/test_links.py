"""Links of README, docs and the other pages lead somewhere: to a file, and to a heading that is there.

Guards against a page that was renamed and a heading that was reworded. Addresses of the web are not asked.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

import pytest
from conftest import ROOT
from markdown_it import MarkdownIt
from markdown_it.token import Token

PAGES = sorted(
    path
    for folder in (".", "docs", "docs/*", "benchmarks", "dataset_cards", "examples", "examples/*")
    for path in ROOT.glob(f"{folder}/*.md")
)
#: Pages that the site alone has, made when it is built.
MADE = ("docs/reference/commands.md", "docs/reference/python.md")
_ADDRESS = re.compile(r"^(https?:|mailto:)")


def tokens(path: Path) -> list[Token]:
    text = re.sub(r"\A---\n.*?\n---\n", "", path.read_text("utf-8"), flags=re.S)  # front matter of a card
    return MarkdownIt().enable("table").parse(text)


def anchors(path: Path) -> set[str]:
    """Of its headings, as code hosts make them, and those that it writes as HTML."""
    found: list[str] = []
    parsed = tokens(path)
    for i, token in enumerate(parsed):
        if token.type == "heading_open":
            words = "".join(part.content for part in parsed[i + 1].children or [] if part.type != "html_inline")
            slug = re.sub(r"[^\w\- ]", "", words.lower()).replace(" ", "-")
            found.append(slug + (f"-{n}" if (n := sum(re.sub(r"-\d+$", "", old) == slug for old in found)) else ""))
    return {*found, *re.findall(r"""<\w+ (?:id|name)=["']([^"']+)""", path.read_text("utf-8"))}


def links(path: Path) -> Iterator[str]:
    for token in tokens(path):
        for part in token.children or []:
            yield from (str(part.attrs[name]) for name in ("href", "src") if name in part.attrs)


def broken(path: Path, root: Path) -> list[str]:
    """Links of a page that lead nowhere."""
    found = []
    for link in links(path):
        place, _, anchor = unquote(link).partition("#")
        target = (path.parent / place).resolve() if place else path
        if _ADDRESS.match(link) or (not anchor and str(target.relative_to(root)) in MADE):
            continue
        if not target.exists() or (anchor and anchor not in anchors(target)):
            found.append(link)
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    assert broken(page, ROOT) == []


def test_pages_are_found() -> None:
    assert {"README.md", "CONTRIBUTING.md", "CHANGELOG.md"} < {path.name for path in PAGES}
    assert {path.name for path in (ROOT / "docs").glob("*.md")} <= {path.name for path in PAGES}


def test_a_broken_link_is_seen(tmp_path: Path) -> None:
    (tmp_path / "b.md").write_text("# Two `words`, here\n\n## Again\n\n## Again\n\n<a id='own'></a>\n")
    (tmp_path / "a.md").write_text(
        "# Top\n[1](b.md#two-words-here) [2](b.md#again-1) [3](#top) [4](b.md#own) [5](https://example.org/none)\n"
        "| [6](none.md) |\n|---|\n| ![7](none.png) |\n\n[8](b.md#again-2) [9](#bottom)\n"
    )
    assert broken(tmp_path / "a.md", tmp_path) == ["none.md", "none.png", "b.md#again-2", "#bottom"]
