"""docs/formats.md, lmms-eval: its logs and its commands are run as they stand there."""

from __future__ import annotations

import gzip
import json
import re
from pathlib import Path

import pytest
from conftest import ROOT, call_cli, png

from rsd_bench.sources.source import STATUSES

SECTION = (ROOT / "docs" / "formats.md").read_text("utf-8").partition("\n## lmms-eval\n")[2].partition("\n## ")[0]
BLOCKS = dict(re.findall(r"```(\w*)\n(.*?)```", SECTION, flags=re.S))


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The files that the page names, in a folder of their own."""
    for seed, name in enumerate(BLOCKS[""].split()):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        log = BLOCKS["jsonl"].encode()
        content = {
            ".png": lambda seed=seed: png(seed),
            ".json": lambda: json.dumps({"model_name": "org/small"}).encode(),
            ".jsonl": lambda log=log: log,
            ".gz": lambda log=log: gzip.compress(log),
        }
        path.write_bytes(content[path.suffix]())
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_commands_do_what_the_page_says(here: Path) -> None:
    commands = re.findall(r"\$ rsd-bench (.*?)(?: +#.*)?$", BLOCKS["console"], flags=re.M)
    assert len(commands) == 4
    for command in commands:
        done = call_cli(*command.split())
        assert done.returncode == 0, done.stderr
    for store in ("store", "texts", "later"):
        info = json.loads((here / store / "sources" / "pets" / "source.json").read_text())
        assert (info["queries"], info["models"]) == (2, {"org/small": 2, "org__large": 2})
    assert len([path for path in (here / "store" / "images").rglob("*") if path.suffix == "" and path.is_file()]) == 2


def test_what_the_page_names_exists() -> None:
    assert "error" in STATUSES
    helps = call_cli("data", "import", "lmms-eval", "--help").stdout
    options = set(re.findall(r"--[a-z][a-z-]+", SECTION)) - {"--log_samples", "--log"}
    assert options == {option for option in options if option in helps}
