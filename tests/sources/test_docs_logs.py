"""docs/formats.md, inspect-ai and lm-eval: its files are written, its commands run, and print what it says."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest
from conftest import ROOT, call_cli

from rsd_bench import config
from rsd_bench.sources.source import STATUSES

PAGE = (ROOT / "docs" / "formats.md").read_text("utf-8")
SECTIONS = {name: PAGE.partition(f"\n## {name}\n")[2].partition("\n## ")[0] for name in ("inspect-ai", "lm-eval")}
FILES = re.compile(r"^`([\w./-]+)`:\n\n```\w+\n(.*?)^```$", re.M | re.S)
CONSOLE = re.compile(r"^```console\n(.*?)^```$", re.M | re.S)
SCORES = {
    "inspect-ai": [{"photo/1": 10.0, "text/2": 5.0}] * 2,
    "lm-eval": [{"physics/0": 10.0, "physics/1": 0.0}, {"physics/0": 10.0, "physics/1": 10.0}],
}


@pytest.mark.parametrize("name", SECTIONS)
def test_commands_print_what_the_page_says(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import pyarrow.parquet as pq

    monkeypatch.chdir(tmp_path)
    files = FILES.findall(SECTIONS[name])
    assert files
    for file, text in files:
        Path(file).parent.mkdir(parents=True, exist_ok=True)
        Path(file).write_text(text, "utf-8")
    (console,) = CONSOLE.findall(SECTIONS[name])
    commands = re.findall(r"^\$ rsd-bench (.*)\n((?:[^$].*\n)+)", console, re.M)
    for (command, shown), scores in zip(commands, SCORES[name], strict=True):
        done = call_cli(*shlex.split(command))
        assert done.returncode == 0, done.stderr
        assert [line for line in shown.splitlines() if line not in done.stdout.splitlines()] == []
        (source,) = (Path(command.rpartition(" ")[2]) / "sources").glob("[a-z]*")
        queries, outcomes = (
            pq.read_table(source / f"{table}.parquet").to_pylist() for table in ("queries", "responses")
        )
        domains = {query["query_id"]: query["domain"] for query in queries}
        found = {domains[r["query_id"]] + "/" + r["query_id"].partition("/")[2]: r["score"] for r in outcomes}
        assert found == scores


@pytest.mark.parametrize("name", SECTIONS)
def test_what_the_page_names_exists(name: str) -> None:
    helps = call_cli("data", "import", {"inspect-ai": "inspect"}.get(name, name), "--help").stdout
    others = {"--no-log-images", "--log_samples", "--log"}  # of the tools themselves
    assert {option for option in re.findall(r"--[a-z][a-z_-]+", SECTIONS[name]) if option not in helps} <= others
    statuses = re.findall(r"`(\w+)` \(", SECTIONS[name].partition("**Status.**")[2].partition("\n\n")[0])
    assert {*statuses} <= {*STATUSES}


def test_bounds_are_those_of_the_code() -> None:
    bounds = SECTIONS["inspect-ai"].partition("**Bounds.**")[2]
    assert f"{config.MAX_LOG_BYTES >> 20} MiB" in bounds
    assert f"{config.MAX_LOG_ENTRIES:,} entries" in bounds
    assert f"at most {config.MAX_LOG_RATIO} times" in bounds


def test_models_that_come_one_by_one_come_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    ((file, text),) = FILES.findall(SECTIONS["inspect-ai"])
    Path(file).parent.mkdir()
    for model in ("org/small", "org/large"):
        Path(file).write_text(text.replace("org/small", model), "utf-8")
        assert call_cli("data", "import", "inspect", file, "--out", "store").returncode == 0
    assert json.loads(Path("store/sources/pets/source.json").read_text())["models"] == {"org/large": 2, "org/small": 2}
    Path(file).write_text(text.replace("What is it?", "What is that?").replace("org/small", "org/third"), "utf-8")
    refused = call_cli("data", "import", "inspect", file, "--out", "store")
    assert refused.returncode == 1 and "its question is" in refused.stderr
