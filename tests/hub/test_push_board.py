"""A board on the Hub: a static Space in one commit, which then holds what the board holds and nothing else."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import yaml
from conftest import ROOT, call_cli
from hub_client import Client
from hub_server import LoopbackHub

FILES = {"index.html", "leaderboard.json", "leaderboard.csv", "leaderboard.md"}


def test_a_board_is_a_static_space_in_one_commit(hub: LoopbackHub, client: Client, tmp_path: Path) -> None:
    board = tmp_path / "leaderboard"
    shutil.copytree(ROOT / "leaderboard", board)
    arguments = ("board", "push", board, "org/board")
    shown = client.json(*arguments)
    assert shown["dry_run"] is True and shown["commit"] is None and not hub.repos
    told = client.json(*arguments, "--no-dry-run")
    assert told["ok"], told
    repo, files = hub.repo("org/board", "space"), hub.files("org/board", kind="space")
    assert [c.title for c in repo.commits.values()] == ["initial commit", "Board"]
    assert told["commit"] == repo.refs["refs/heads/main"] and sorted(files) == sorted({*told["send"], ".gitattributes"})
    assert {name: files[name] for name in FILES} == {name: (board / name).read_bytes() for name in FILES}
    card = yaml.safe_load(files["README.md"].decode().split("---")[1])
    assert card["sdk"] == "static" and card["app_file"] == "index.html" and len(card["short_description"]) <= 60

    again = client.json(*arguments, "--no-dry-run")
    assert again["commit"] == told["commit"] and again["send"] == [] and len(repo.commits) == 2
    gone = next((board / "results").glob("*.json"))
    gone.unlink()
    less = client.json(*arguments, "--no-dry-run")
    assert less["delete"] == [f"results/{gone.name}"] and len(repo.commits) == 3
    assert f"results/{gone.name}" not in hub.files("org/board", kind="space")


def test_a_push_that_cannot_be_says_why(tmp_path: Path) -> None:
    (tmp_path / "none").mkdir()
    run = call_cli("board", "push", tmp_path / "none", "org/board")
    assert run.returncode == 1 and "has no index.html -> name the folder that `rsd-bench board build`" in run.stderr
    for name in FILES:
        (tmp_path / "none" / name).write_text(json.dumps({"rows": []}))
    run = call_cli("board", "push", tmp_path / "none", "org/board")
    assert run.returncode == 1 and "leaderboard.json: is no board -> run `rsd-bench board build`" in run.stderr
    assert call_cli("board", "push", ROOT / "leaderboard", "board").returncode == 2
