"""`board push`: the board as a static Space of the Hub, in one commit. What is gone from the board leaves the Space."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from rsd_bench.dataset.layout import CARD
from rsd_bench.hub.repository import CommitPlan, Content, head_of, hub_api, hub_errors, plan_commit, remote_paths, send
from rsd_bench.types import InputError

_TYPE = "space"
_FILES = ("index.html", "leaderboard.json", "leaderboard.csv", "leaderboard.md")


def space_files(board: Path) -> dict[str, Content]:
    """The files of a Space by path: the page, its tables, results/*.json and the card that makes it static.

    InputError where `board` is none that `board build` wrote.
    """
    held = board / "leaderboard.json"
    missing = [name for name in _FILES if not (board / name).is_file()]
    if missing:
        raise InputError.at(board, f"has no {missing[0]}", "name the folder that `rsd-bench board build` wrote")
    try:
        told = json.loads(held.read_bytes())
        dataset, count = told["dataset"], len(told["submissions"])
        name, version = str(dataset["name"]), str(dataset["version"])
    except (ValueError, KeyError, TypeError):
        raise InputError.at(held, "is no board", "run `rsd-bench board build`") from None
    results = sorted((board / "results").glob("*.json"))
    files: dict[str, Content] = {name: board / name for name in _FILES}
    files |= {f"results/{path.name}": path for path in results}
    return files | {CARD: _card(name, version, count).encode()}


def _card(name: str, version: str, count: int) -> str:
    import yaml

    title = f"{name} {version} leaderboard"
    head: dict[str, Any] = {
        "title": title,
        "sdk": "static",
        "app_file": _FILES[0],
        "pinned": False,
        "short_description": f"{count} routers between vision-language models",
    }
    told = f"`{_FILES[0]}` is the board; its figures stand in `leaderboard.json`, `.csv`, `.md` and in `results/`."
    return f"---\n{yaml.safe_dump(head, sort_keys=False)}---\n# {title}\n\n{told}\n"


def plan_space(board: Path, repo: str) -> CommitPlan:
    """What `push_space` would change. InputError where the board is none, or the Hub refuses."""
    files = space_files(board)
    with hub_errors(repo):
        api = hub_api()
        head = head_of(api, repo, _TYPE)
        there = remote_paths(api, repo, _TYPE, head) if head else []
        stale = [path for path in there if path.startswith("results/")]
        return plan_commit(api, repo, _TYPE, files, stale, head)


def push_space(plan: CommitPlan, *, private: bool = False) -> str:
    """Carry out a plan; return the commit. A Space that stands there as it is gets none."""
    with hub_errors(plan.repo):
        return send(hub_api(), plan, "Board", private=private)
