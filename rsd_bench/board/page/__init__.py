"""leaderboard/index.html: the board as one static file that needs no network and runs from disk.

Template, style and scripts stand beside this module and are inlined. Data goes in as JSON inside a script element that
is no script, with <, > and & escaped; the scripts only ever set text, never HTML; a content security policy allows
nothing but the hashes of our own style and script. So no text of a submitter can run. What a dataset names (scenarios,
tracks, domains) is never the key of an object there, but the first of a pair: it may be what all objects have.

Figures are packed to keep 200 submissions under 1.5 MB: scores follow from the sufficient statistics (see what_if.py),
threshold curves are short texts (see curves.py).
"""

from __future__ import annotations

import base64
import hashlib
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson

from rsd_bench.board.leaderboard import BoardOverall, BoardRow, BoardSubmission, BoardTable, Leaderboard
from rsd_bench.board.shown_names import plain, shown_names
from rsd_bench.config import DROP_AT_CA, EMBEDDED, IN_DOMAIN, TAU_GRID
from rsd_bench.evaluation.result import are_presets, json_data
from rsd_bench.inert_text import html_text
from rsd_bench.types import Interval, Problem, RoutingScore

_FOLDER = Path(__file__).parent
_SCRIPTS = (
    *(
        "model.js",
        "dom.js",
        "table.js",
        "verdict.js",
        "plane.js",
        "across.js",
        "overall.js",
        "sensitivity.js",
        "what_if.js",
    ),
    *("notes.js", "main.js"),
)
_DECIMALS = 4
_PROBLEM_LENGTH = 300


def to_html(board: Leaderboard) -> bytes:
    """The page of a board, as UTF-8."""
    styles = ("page.css",) if are_presets(board.scenarios) else ("page.css", "own_scenarios.css")
    style = "".join((_FOLDER / name).read_text("utf-8") for name in styles)
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


def page_data(board: Leaderboard) -> dict[str, Any]:
    """What the scripts read; `model.js` is the other half of this contract."""
    names = shown_names({s.slug: s.name for s in board.submissions})
    position = {s.slug: i for i, s in enumerate(board.submissions)}
    return {
        "dataset": json_data(board.dataset),
        "versions": {"metrics": board.metrics_version, "package": board.package_version},
        "basis": list(board.latency_basis),
        "bootstrap": json_data(board.bootstrap),
        "scenarios": _pairs(json_data(board.scenarios)),
        "home": IN_DOMAIN,
        "option": ("" if board.dataset.name == EMBEDDED else " --data DATASET")
        + (" --scenarios FILE" if board.scenarios_given else ""),
        "taus": list(TAU_GRID),
        "dropAt": DROP_AT_CA,
        "noise": _pairs(json_data(board.noise or {})),
        "submissions": [_submission(s, names[s.slug]) for s in board.submissions],
        "refused": [
            {"slug": plain(r.slug), "problems": len(r.problems), "first": _first(r.problems)} for r in board.refused
        ],
        "overall": board.overall and _overall(board.overall, position),
        "tables": [_table(table, position) for table in board.tables],
    }


def _submission(submission: BoardSubmission, name: str) -> dict[str, Any]:
    latency = submission.router_latency
    return {
        "slug": submission.slug,
        "name": plain(name),
        "authors": [plain(author) for author in submission.authors],
        "url": submission.url,
        "description": plain(submission.description),
        "latency": latency.seconds,
        "hardware": plain(latency.hardware),
        "basis": latency.basis,
        "flags": list(submission.flags),
    }


def _first(problems: Sequence[Problem]) -> dict[str, str] | None:
    """What is wrong first and how to fix it, short enough for a list."""
    if not problems:
        return None
    return {"what": plain(problems[0].what)[:_PROBLEM_LENGTH], "fix": plain(problems[0].fix)[:_PROBLEM_LENGTH]}


def _overall(overall: BoardOverall, position: Mapping[str, int]) -> dict[str, Any]:
    """The table over the suite; a row is [submission, band, skill, low, high, gain, low, high]."""
    return {
        "tracks": len(overall.tracks),
        "groups": overall.groups,
        "gap": _short(overall.minimum_detectable_gap),
        "noBands": overall.no_bands,
        "rows": [
            [
                position[row.slug],
                row.band,
                _short(row.skill.value),
                *_bounds(row.skill),
                _short(row.gain.value),
                *_bounds(row.gain),
            ]
            for row in overall.rows
        ],
    }


def _table(table: BoardTable, position: Mapping[str, int]) -> dict[str, Any]:
    many, first = len(table.frames) > 1, table.rows[0].score
    flags = sorted({flag for row in table.rows for flag in row.flags})
    return {
        "track": table.track,
        "scenario": table.scenario,
        "n": table.n,
        "groups": table.groups,
        "protocol": table.protocol,
        "gap": _short(table.minimum_detectable_gap),
        "noBands": table.no_bands,
        "frames": [
            [f.domain, f.n, list(f.levels), f.large_latency, d.groups]
            for f, d in zip(table.frames, first.domains, strict=True)
        ],
        "fixed": _pairs(table.fixed),
        "oracles": _oracles(table.references),
        "domainOracles": [[domain, _oracles(rows)] for domain, rows in table.domain_references.items()] if many else [],
        "simplex": _pairs(table.sensitivity.simplex),
        "mes": json_data(table.sensitivity.mes),
        "flags": flags,
        "rows": [_row(row, position[row.slug], flags, many) for row in table.rows],
    }


def _oracles(references: Mapping[str, RoutingScore]) -> list[Any]:
    return [[name, [r.apsp, r.ca, r.ail, r.rcs]] for name, r in references.items() if name.endswith("oracle")]


def _pairs(named: Mapping[str, Any]) -> list[Any]:
    return [list(pair) for pair in named.items()]


def _row(row: BoardRow, submission: int, flags: list[str], many: bool) -> list[Any]:
    """What `unpack` of model.js reads, in its order. many: whether domains can be looked at alone."""
    score = row.score
    bands = zip(row.domain_bands, score.domains, strict=True)
    return [
        submission,
        row.band,
        score.tau,
        *_bounds(score.rcs),
        *_bounds(score.gain),
        *map(_short, (score.auroc.value, score.brier, score.ece, score.area_apsp_ca, score.apsp_drop)),
        _short(score.mean_score.value),
        [flags.index(flag) for flag in row.flags],
        row.statistics,
        [[band, *_bounds(domain.rcs)] for band, domain in bands] if many else 0,
        row.curve,
        score.kind,
    ]


def _bounds(interval: Interval) -> tuple[float | None, float | None]:
    return _short(interval.low), _short(interval.high)


def _short(value: float | None) -> float | None:
    return None if value is None or math.isnan(value) else round(value, _DECIMALS) + 0.0
