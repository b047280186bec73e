"""What others wrote stays text in whatever it is put into.

Incident: a backtick in a model id ended its code span in leaderboard.md, a dataset card had the raw <script> of a
source's name, licence and notes, and `https://github.com@evil.example` was taken for a link to GitHub.
"""

from __future__ import annotations

from typing import Any

import pytest
from markdown_it import MarkdownIt

from rsd_bench.inert_text import html_text, markdown_code, markdown_code_cell, markdown_prose, markdown_text, one_line
from rsd_bench.schemas import is_web_link

NASTY = [
    "a`b", "`", "``", "` `", "a``b`c", "`x", "x`", "a|b", "`a|b`", "a\\|b", "a\\", "\\`|",
    "<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "a\nb\n\n# c", "| x |\n|---|",
    "[x](javascript:y)", "![x](https://evil.example/p)", "*a*", "_a_", "__a__", "a_b_c", "~~a~~", "&lt;b&gt;",
    "<!--", "\u202egnp", "a\0b", "$x$", "https://evil.example", "`<b>`", "x `y` z | `", " a ", "```\nx\n```",
    "- a", "1. a", "> a", "    a", "a  \nb", "</td></table>",
]  # fmt: skip


def parts(markdown: str) -> list[Any]:
    """The inline tokens of Markdown, as a renderer with tables and raw HTML sees them."""
    blocks = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"]).parse(markdown)
    assert not [b.type for b in blocks if b.type in ("html_block", "fence", "code_block", "hr")]
    return [child for block in blocks for child in block.children or []]


def shown(tokens: list[Any]) -> str:
    allowed = {"text", "code_inline", "text_special", "html_inline"}
    assert {token.type for token in tokens} <= allowed, [token.type for token in tokens]
    assert {token.content for token in tokens if token.type == "html_inline"} <= {"<span>", "</span>"}
    return "".join(token.content for token in tokens if token.type != "html_inline").replace("\u2060", "")


@pytest.mark.parametrize("text", NASTY)
@pytest.mark.parametrize("function", [markdown_text, markdown_code_cell, markdown_prose])
def test_a_text_fills_its_cell_and_shows_what_was_written(text: str, function: Any) -> None:
    blocks = (
        MarkdownIt("commonmark", {"html": True})
        .enable(["table", "strikethrough"])
        .parse(f"| a | b | c |\n|---|---|---|\n| before | {function(text)} | `after` |\n")
    )
    cells = [block for block in blocks if block.type == "inline"][3:]
    assert [cell.content for cell in (cells[0], cells[2])] == ["before", "`after`"] and len(cells) == 3
    expected = one_line(text)
    if function is markdown_prose:  # pairs of backticks are code, and leave
        assert shown(cells[1].children).replace("`", "").split() == expected.replace("`", "").split()
    else:
        assert shown(cells[1].children) == expected


@pytest.mark.parametrize("text", NASTY)
def test_a_code_span_ends_where_it_should(text: str) -> None:
    tokens = parts(f"Small {markdown_code(text)}, large `b`.")
    code = [token.content for token in tokens if token.type == "code_inline"]
    assert code == [one_line(text), "b"]
    assert shown(tokens) == f"Small {one_line(text)}, large b."


def test_names_and_notes_of_before_stay_as_they_are() -> None:
    for text in ("claude-3.5-sonnet", "MIT (README badge; no licence file)", "latency_s measured for 7", "qwen2_vl_7b"):
        assert markdown_text(text) == text == markdown_prose(text)
    assert markdown_prose("Variants share `group`: see `a|b`.") == "Variants share `group`: see `a\\|b`."
    assert markdown_code("profile:paper-bounds") == "`profile:paper-bounds`" and not markdown_code("\u200b")


def test_html_text_fits_an_attribute_too() -> None:
    assert html_text("<a href=\"x\" b='y'>&") == "&lt;a href=&quot;x&quot; b=&#x27;y&#x27;&gt;&amp;"


LINKS = [
    "https://example.org/my-router", "https://arxiv.org/abs/2510.27256", "https://medium.com/@ada/x?y=1#z",
    "https://a.example:8443/", "https://xn--bcher-kva.example", "https://A.Example/[x]", "https://a.example?x",
    "https://github.com/a/b/",
]  # fmt: skip
NO_LINKS = [
    "https://github.com@evil.example", "https://github.com:443@evil.example/",
    "https://github.com%40@evil.example", "https://user:password@github.com/a", "http://example.org",
    "HTTPS://example.org", "https://localhost/x", "https://example", "https://127.0.0.1/", "https://0x7f.1/",
    "https://[::1]/", "https://github.com\\@evil.example", "https://a.example/\\", "https://a.example\n",
    "https://a.example/\t", "https://a.example/\x00", "https://a.example/\u202egnp", "https://é.example",
    "https://a..example", "https://.example", "https://a.example.", "https://-a.example", "https://a-.example",
    "https://", "https:///a.example", "https:a.example", " https://a.example", "//a.example",
    "javascript:alert(1)", "data:text/html,x", "https://a.example:port/", "https://a.example/" + "x" * 500, "",
]  # fmt: skip


@pytest.mark.parametrize("text", LINKS)
def test_addresses_that_are_what_they_look_like(text: str) -> None:
    assert is_web_link(text)


@pytest.mark.parametrize("text", NO_LINKS)
def test_addresses_that_hide_where_they_go(text: str) -> None:
    assert not is_web_link(text)
