"""leaderboard/index.html: the board as one static file that needs no network and runs from disk.

Template, style and scripts stand beside this module and are inlined. Data goes in as JSON inside a script element that
is no script, with <, > and & escaped; the scripts only ever set text, never HTML; a content security policy allows
nothing but the hashes of our own style and script. So no text of a submitter can run. What a dataset names (scenarios,
tracks, domains) is never the key of an object there, but the first of a pair: it may be what all objects have.

Figures are packed to keep 100 submissions on every track under 2 MB (see page_data.py).
"""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path
from typing import Any

import orjson

from rsd_bench.board.leaderboard import Leaderboard
from rsd_bench.board.page.page_data import page_data as page_data
from rsd_bench.board.shown_names import plain
from rsd_bench.inert_text import html_text

_FOLDER = Path(__file__).parent
_SCRIPTS = (
    *("packed.js", "model.js", "case.js", "dom.js", "answer.js", "table.js", "verdict.js", "plane.js", "across.js"),
    *("overall.js", "tabs.js", "sensitivity.js", "lift.js", "what_if.js", "notes.js", "main.js"),
)


def to_html(board: Leaderboard) -> bytes:
    """The page of a board, as UTF-8."""
    style = (_FOLDER / "page.css").read_text("utf-8")
    script = "".join((_FOLDER / name).read_text("utf-8") for name in _SCRIPTS)
    title = f"{plain(board.dataset.name)} {plain(board.dataset.version)} leaderboard"
    page = (_FOLDER / "page.html").read_text("utf-8")
    for name, value in {
        "TITLE": html_text(title),
        "POLICY": f"default-src 'none'; style-src '{_hash(style)}'; script-src '{_hash(script)}'; base-uri 'none'",
        "STYLE": style,
        "SCRIPT": script,
        "DATA": escaped_json(page_data(board)),  # last: whatever it holds is not a placeholder any more
    }.items():
        page = page.replace(f"%{name}%", value)
    return page.encode()


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def escaped_json(value: Any) -> str:
    """JSON that stays JSON inside a script element."""
    text = orjson.dumps(value).decode()
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text
