"""Who answered is told from who was asked.

Guards against an alias that moved: the answers of another model, or of two versions of one, stood under the name that
was asked, and nothing said so.
"""

from __future__ import annotations

import json
import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest
from chat_server import Loopback
from conftest import LITE, RECIPE, Records, run_cli

from rsd_bench.build.provenance import moved_models
from rsd_bench.dataset.manifest import ModelPair, SourceEntry, read_manifest
from rsd_bench.model_names import what_moved


@pytest.mark.parametrize(
    ("served", "says"),
    [
        ([], None),
        (["gpt-4o"], None),
        (["gpt-4o-2024-08-06"], None),
        (["openai/gpt-4o", "gpt-4o"], None),
        (["gpt-4o-2024-08-06", "gpt-4o-2024-11-20"], "several versions: gpt-4o-2024-08-06, gpt-4o-2024-11-20"),
        (["gpt-4o-2024-08-06", "gpt-4o-mini"], "was answered by gpt-4o-mini"),
    ],
)
def test_one_version_of_what_was_asked_is_no_news(served: list[str], says: str | None) -> None:
    moved = what_moved("gpt-4o", served)
    assert moved is None if says is None else says in (moved or "")


def test_a_model_that_moved_between_two_sources_has_moved() -> None:
    imported = SourceEntry("n", "CC0", True, "", "", "", "", 1)
    sources = {
        "a": replace(imported, live={"s": {"served_models": ["s-2026-01-01"]}, "unused": {"served_models": ["x"]}}),
        "b": replace(imported, live={"s": {"served_models": ["s-2026-02-01"]}}),
        "imported": imported,
    }
    manifest = replace(read_manifest(LITE), pair=ModelPair("s", "l"), sources=sources)
    assert [problem.where for problem in moved_models(manifest)] == ["s"]


def test_who_answered_is_kept_named_and_warned_of(tmp_path: Path) -> None:
    records = Records(tmp_path / "toy", n=60, models=("published",))
    records.responses = records.responses[:1]
    store = tmp_path / "store"
    with Loopback() as server:
        models = ("tiny", "huge", "alias-huge-mini")
        asked = [part for name in models for part in ("--model", f"{name}@{server.url}")]
        made = run_cli("generate", records.write(), *asked, "--out", store)
        assert made.returncode == 0, made.stderr
        judged = [run_cli("judge", store, "--judge", f"{judge}@{server.url}") for judge in ("judge", "alias-other")]
        told = json.loads(run_cli("generate", store, *asked, "--out", store, "--json").stdout)
    assert told["served_models"]["alias-huge-mini"] == ["huge-mini"]
    assert "served    tiny: tiny-2026-11-01\n" in made.stdout
    assert "warning: alias-huge-mini was answered by huge-mini; " in made.stdout
    assert "served    judge: judge-2026-11-01\n" in judged[0].stdout
    assert "warning: alias-other was answered by other; " in judged[1].stdout
    connection = sqlite3.connect(store / "requests.sqlite")
    served = dict(connection.execute("SELECT model, served_model FROM answers WHERE status = 'ok'"))
    connection.close()
    assert served["alias-huge-mini"] == "huge-mini"
    assert served["alias-other"] == "other"

    recipe = tmp_path / "recipe.toml"
    recipe.write_text(RECIPE.replace("huge", "alias-huge-mini"))
    built = run_cli("data", "build", recipe, "--store", store, "--out", tmp_path / "moved")
    assert built.returncode == 0
    first, second = built.stderr.splitlines()
    assert first.startswith("warning: alias-huge-mini: was answered by huge-mini -> ")
    assert second.startswith("warning: rsd-bench:reference@1:")
    assert "/alias-other: was answered by other -> " in second
    again = json.loads(run_cli("data", "build", recipe, "--store", store, "--out", tmp_path / "moved", "--json").stdout)
    assert again["warnings"][0]["where"] == "alias-huge-mini"


def test_nothing_is_said_where_the_model_asked_has_answered(tmp_path: Path) -> None:
    records = Records(tmp_path / "toy", n=60, models=("published",))
    records.responses = records.responses[:1]
    store, recipe = tmp_path / "store", tmp_path / "recipe.toml"
    recipe.write_text(RECIPE)
    with Loopback() as server:
        asked = [part for name in ("tiny", "huge") for part in ("--model", f"{name}@{server.url}")]
        assert run_cli("generate", records.write(), *asked, "--out", store).returncode == 0
        assert run_cli("judge", store, "--judge", f"judge@{server.url}").returncode == 0
    built = run_cli("data", "build", recipe, "--store", store, "--out", tmp_path / "ds")
    assert (built.returncode, built.stderr) == (0, "")
    entry = json.loads((tmp_path / "ds" / "manifest.json").read_text())["sources"]["toy"]
    assert entry["live"]["tiny"]["served_models"] == ["tiny-2026-11-01"]
    assert [judge["served_models"] for judge in entry["judging"].values()] == [["judge-2026-11-01"]]
