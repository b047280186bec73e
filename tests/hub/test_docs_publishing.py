"""docs/publishing.md is run: every command and every Python block, in order, against the loopback Hub."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

from conftest import ROOT
from hub_client import Client
from hub_server import LoopbackHub

PAGE = (ROOT / "docs" / "publishing.md").read_text("utf-8")


def test_every_command_and_block_runs(hub: LoopbackHub, client: Client, toy_dataset: Path, tmp_path: Path) -> None:
    shutil.copytree(toy_dataset, tmp_path / "build" / "my-rsd")
    shutil.copytree(ROOT / "leaderboard", tmp_path / "leaderboard")
    client.python(f"import os; os.chdir({str(tmp_path)!r})")
    ran = []
    for kind, text in re.findall(r"```(console|python)\n(.*?)```", PAGE, re.S):
        if kind == "python":
            client.python(text)
            continue
        for line in re.findall(r"^\$ rsd-bench (.*)$", text, re.M):
            told = client.run(*shlex.split(line))
            assert told["code"] == 0, (line, told)
            ran.append((line.split()[1], told["out"]))
    assert [name for name, _ in ran] == ["check", "diff", *["push"] * 4, "export-eval-results", "push", "push"]
    assert "first version" in ran[1][1]
    assert "nothing was sent" in ran[2][1]
    assert "v1.0.0 is published as it is here" in ran[4][1]
    assert hub.repo("org/my-rsd-test").gated == "manual"


def test_every_fact_the_page_names_is_one() -> None:
    from rsd_bench.build.card_facts import card_facts

    listed = re.search(r"can be replaced: (.*?) and so on", PAGE, re.S)
    assert listed
    assert set(re.findall(r"\w+", listed[1])) <= card_facts().keys()
