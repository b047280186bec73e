"""Text that somebody else wrote, made inert: one function for each format that it goes into.

Names, ids, licences, notes, paths and problems come from submitters, models, sources and recipes. Whatever stands in
them, they stay text: no markup, no link, no table break, no formula. And one rule for the links that are kept as links.
"""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache

_UNSEEN = ("Cc", "Cf", "Cs")  # Unicode categories: control, format (zero width, direction), half a character
_FORMULA = re.compile(r"(^|;)([\s\"]*[=+\-@＝＋－＠﹦﹢﹣﹫])")
_LINKED = re.compile(r"@(?=\w)|:(?=//)|www(?=\.)|#(?=\d)|\bGH-(?=\d)", re.IGNORECASE)
_KEPT = 4_096  # texts: names and flags stand in every table
_JOINER = "\u2060"  # word joiner: no width, no line break
_ENTITIES = {
    "&": "&amp;",
    "<": "&lt;",
    ">": "&gt;",
    "|": "&#124;",
    "[": "&#91;",
    "]": "&#93;",
    "`": "&#96;",
    "$": "<span>$</span>",  # GitHub's own way to write one that opens no formula
}
_MARK = re.compile(r"(?<![^\W_])_|_(?![^\W_])|[*\\!#~]")  # an underscore within a word marks nothing
_CODE = re.compile(r"(?<!`)`(?!`)([^`]+)`(?!`)")


@lru_cache(maxsize=_KEPT)
def csv_cell(text: str) -> str:
    """Text on one line; where a spreadsheet would run it as a formula, an apostrophe stands in front.

    Where numbers have decimal commas a spreadsheet splits at semicolons: a formula may stand behind one too.
    """
    return _FORMULA.sub(r"\1'\2", one_line(text))


def one_line(text: str) -> str:
    """Text without line breaks, control, format and direction characters, which show nothing and hide what follows."""
    return " ".join("".join(c for c in text if c.isspace() or unicodedata.category(c) not in _UNSEEN).split())


@lru_cache(maxsize=_KEPT)
def markdown_text(text: str) -> str:
    """Inert Markdown, in a line or in a cell: no table break, no HTML, no link, no mention, no formula.

    GitHub looks for mentions, references and addresses after it has undone escapes and entities, so that only a
    character between their parts keeps them from being links.
    """
    broken = _LINKED.sub(f"\\g<0>{_JOINER}", one_line(text))
    marked = _MARK.sub(r"\\\g<0>", broken)
    return "".join(_ENTITIES.get(c, c) for c in marked)


@lru_cache(maxsize=_KEPT)
def markdown_code(text: str) -> str:
    """A code span that no backtick within it ends: the fence is longer than any run of them. Not for a cell of a table.

    Nothing for a text without a visible character, of which Markdown makes no span.
    """
    code = one_line(text)
    fence = "`" * (1 + max(map(len, re.findall("`+", code)), default=0))
    space = " " if code.startswith("`") or code.endswith("`") else ""
    return f"{fence}{space}{code}{space}{fence}" if code else ""


def markdown_code_cell(text: str) -> str:
    """`markdown_code` in a cell of a table, where a bar ends the cell even within code unless a backslash is before it.

    Behind a backslash of the text's own that would not help: such a text is shown as text.
    """
    return markdown_text(text) if "\\|" in text else markdown_code(text).replace("|", "\\|")


def markdown_prose(text: str) -> str:
    """Sentences on one line, or in a cell: `markdown_text`, but for pairs of single backticks, which stay code."""
    parts = _CODE.split(one_line(text))
    return "".join(markdown_code_cell(part) if at % 2 else _spaced(part) for at, part in enumerate(parts))


def _spaced(part: str) -> str:
    """`markdown_text` of a part of a sentence, with the blanks at its ends."""
    before, after = (" " if part[at].isspace() else "" for at in (0, -1)) if part.strip() else (part, "")
    return f"{before}{markdown_text(part)}{after}"


def html_text(text: str) -> str:
    """Text of an HTML element, or of a quoted attribute."""
    return html.escape(text, quote=True)


def html_table(caption: str, header: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A table of inert cells, which a notebook shows in its own style."""

    def line(tag: str, cells: Iterable[str]) -> str:
        return "<tr>" + "".join(f"<{tag}>{html_text(one_line(cell))}</{tag}>" for cell in cells) + "</tr>"

    body = "".join(line("td", row) for row in rows)
    head = f"<caption>{html_text(one_line(caption))}</caption><thead>{line('th', header)}</thead>"
    return f"<table>{head}<tbody>{body}</tbody></table>"
