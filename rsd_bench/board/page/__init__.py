"""leaderboard/index.html: the board as one static file that needs no network and runs from disk.

Template, style and scripts stand beside this module and are inlined. Data goes in as JSON inside a script element that
is no script, with <, > and & escaped; the scripts only ever set text, never HTML; a content security policy allows
nothing but the hashes of our own style and script. So no text of a submitter can run.

Figures are packed to keep 200 submissions under 1.5 MB: scores follow from the sufficient statistics (see what_if.py),
threshold curves are short texts (see curves.py).
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson

from rsd_bench.board.shown_names import plain, shown_names
from rsd_bench.config import DROP_AT_CA, EMBEDDED, IN_DOMAIN, TAU_GRID

_FOLDER = Path(__file__).parent
_SCRIPTS = (
    *("model.js", "dom.js", "table.js", "verdict.js", "plane.js", "across.js", "sensitivity.js", "what_if.js"),
    *("notes.js", "main.js"),
)
_DECIMALS = 4
_PROBLEM_LENGTH = 300


def to_html(board: Mapping[str, Any]) -> bytes:
    """The page of a board, as UTF-8."""
    style = (_FOLDER / "page.css").read_text("utf-8")
    script = "".join((_FOLDER / name).read_text("utf-8") for name in _SCRIPTS)
    dataset = board["dataset"]
    title = f"{plain(dataset['name'])} {plain(dataset['version'])} leaderboard"
    page = (_FOLDER / "page.html").read_text("utf-8")
    for name, value in {
        "TITLE": title.replace("&", "&amp;").replace("<", "&lt;"),
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


def page_data(board: Mapping[str, Any]) -> dict[str, Any]:
    """What the scripts read; `model.js` is the other half of this contract."""
    submissions = board["submissions"]
    names = shown_names(submissions)
    position = {s["slug"]: i for i, s in enumerate(submissions)}
    return {
        "dataset": board["dataset"],
        "versions": {"metrics": board["metrics_version"], "package": board["package_version"]},
        "basis": board["latency_basis"],
        "bootstrap": board["bootstrap"],
        "scenarios": board["scenarios"],
        "home": IN_DOMAIN,
        "option": "" if board["dataset"]["name"] == EMBEDDED else " --data DATASET",
        "taus": list(TAU_GRID),
        "dropAt": DROP_AT_CA,
        "noise": board["noise"],
        "submissions": [
            {
                "slug": s["slug"],
                "name": plain(names[s["slug"]]),
                "authors": [plain(author) for author in s["authors"]],
                "url": s["url"],
                "description": plain(s["description"]),
                "latency": s["router_latency"]["seconds"],
                "hardware": plain(s["router_latency"]["hardware"]),
                "basis": s["router_latency"]["basis"],
                "flags": s["flags"],
            }
            for s in submissions
        ],
        "refused": [
            {"slug": plain(r["slug"]), "problems": len(r["problems"]), "first": _first(r["problems"])}
            for r in board["refused"]
        ],
        "tables": [_table(table, position) for table in board["tables"]],
    }


def _first(problems: Sequence[Mapping[str, str]]) -> dict[str, str] | None:
    """What is wrong first and how to fix it, short enough for a list."""
    return {k: plain(problems[0][k])[:_PROBLEM_LENGTH] for k in ("what", "fix")} if problems else None


def _table(table: Mapping[str, Any], position: Mapping[str, int]) -> dict[str, Any]:
    frames = table["what_if"]["domains"]
    many = len(frames) > 1
    groups = [domain["groups"] for domain in table["rows"][0]["domains"]]
    flags = sorted({flag for row in table["rows"] for flag in row["flags"]})
    return {
        "track": table["track"],
        "scenario": table["scenario"],
        "n": table["n"],
        "groups": table["rows"][0]["groups"],
        "frames": [
            [f["domain"], f["n"], f["levels"], f["large_latency"], g] for f, g in zip(frames, groups, strict=True)
        ],
        "fixed": table["what_if"]["fixed"],
        "oracles": {r["policy"]: _policy(r) for r in table["references"] if r["policy"].endswith("oracle")},
        "domainOracles": {
            domain: {r["policy"]: _policy(r) for r in rows if r["policy"].endswith("oracle")}
            for domain, rows in (table["domain_references"].items() if many else ())
        },
        "sensitivity": table["sensitivity"],
        "flags": flags,
        "rows": [
            [
                position[row["slug"]],
                row["band"],
                row["tau"],
                *(_short(row["rcs"][k]) for k in ("low", "high")),
                *(_short(row["gain"][k]) for k in ("low", "high")),
                *(_short(row[k]) for k in ("auroc", "brier", "ece", "area_apsp_ca", f"apsp_drop_at_ca_{DROP_AT_CA:g}")),
                _short(row["mean_score"]["value"]),
                [flags.index(flag) for flag in row["flags"]],
                table["what_if"]["statistics"][row["slug"]],
                [[d["band"], *(_short(d["rcs"][k]) for k in ("low", "high"))] for d in row["domains"]] if many else 0,
                table["curves"][row["slug"]],
            ]
            for row in table["rows"]
        ],
    }


def _policy(row: Mapping[str, Any]) -> list[float]:
    return [row["apsp"], row["ca"], row["ail"], row["rcs"]]


def _short(value: float | None) -> float | None:
    return None if value is None else round(value, _DECIMALS) + 0.0
