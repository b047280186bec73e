"""A judge that is shown the media of a query: all of them, or it is not asked and the outcome says so.

Guards against a verdict about pictures of which the judge saw the first, and against queries without media, on which
the prompt that shows pictures was a traceback.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from chat_server import Loopback
from conftest import call_cli
from mixed_media import mixed_records

from rsd_bench.endpoints.calls import Endpoint
from rsd_bench.judge.model_judge import ModelJudge
from rsd_bench.judge.prompt import SHIPPED, load_prompt
from rsd_bench.sources.store.store_tables import rows_of


@pytest.fixture
def seeing(tmp_path: Path) -> Path:
    """The shipped judge, with eyes and ears."""
    folder = shutil.copytree(SHIPPED / "reference", tmp_path / "seeing")
    settings = (folder / "judge.toml").read_text()
    (folder / "judge.toml").write_text(settings.replace("image = false", "image = true"))
    return folder


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """Ten queries, of which four cannot be sent, with an unscored answer of `tiny` to each."""
    records = mixed_records(tmp_path / "toy", models=("tiny",))
    for row in records.responses:
        row.update(score=None, judge=None)
    assert call_cli("data", "import", "records", records.write(), "--out", tmp_path / "store").returncode == 0
    return tmp_path / "store"


def judged(store: Path, server: Loopback, *more: object, code: int = 0, model: str = "judge") -> dict[str, Any]:
    run = call_cli("judge", store, "--judge", f"{model}@{server.url}", *more, "--json")
    assert run.returncode == code, run.stdout + run.stderr
    return json.loads(run.stdout)


def statuses(store: Path) -> list[str]:
    table = pd.DataFrame(rows_of(store, "toy", "responses"))
    return table.sort_values("query_id")["status"].tolist()


def test_keys_of_judge_calls_stay(seeing: Path) -> None:
    prompt, image = load_prompt("reference"), [("image", "a" * 64)]
    judge = ModelJudge(Endpoint("judge", "http://j/v1"), prompt, params={"temperature": 0})
    key = judge.request(prompt.messages("q", "ref", "cand", image), 0).key
    assert key == "17c01e2e7fc8f5d96c0846f36191914f7f3f4539f36fb3c5d6839a14a15a3065"  # of release 0.1.0
    (user,) = load_prompt(str(seeing)).messages("q", "ref", "cand", image)[1:]
    assert [part["type"] for part in user["content"]] == ["image_url", "text"]


def test_a_judge_with_eyes_sees_all_of_a_query_or_is_not_asked(store: Path, seeing: Path) -> None:
    with Loopback() as server:
        said = judged(store, server, "--prompt", seeing)
        shown = [
            content if isinstance(content, str) else [part["type"] for part in content] for _, content in server.sent()
        ]
    assert said["models"] == {"tiny": {"ok": 6, "unsent": 4}} and sum(said["unsent"].values()) == 4
    assert statuses(store) == ["ok"] * 4 + ["unscored"] * 4 + ["ok"] * 2
    kinds = sorted([kind for kind in parts if kind != "text"] for parts in shown if not isinstance(parts, str))
    assert kinds == [
        ["image_url"],
        ["image_url"],
        ["image_url"] * 3,
        ["image_url", "input_audio", "input_audio"],
        ["input_audio"],
    ]
    assert sum(isinstance(parts, str) for parts in shown) == 1  # the query that is text alone


def test_why_a_judge_was_not_asked_is_said(store: Path, seeing: Path) -> None:
    with Loopback() as server:
        run = call_cli("judge", store, "--judge", f"judge@{server.url}", "--prompt", seeing)
    assert run.returncode == 0
    assert "unsent    1: video cannot be sent" in run.stdout.splitlines()


def test_a_judge_that_reads_only_needs_no_media(store: Path) -> None:
    with Loopback() as server:
        said = judged(store, server)
        assert all(isinstance(content, str) for _, content in server.sent())
    assert said["models"] == {"tiny": {"ok": 10}} and said["unsent"] == {}
    assert call_cli("judge", store, "--judge", "exact-match").returncode == 0


def test_a_judge_that_takes_no_pictures_is_named(store: Path, seeing: Path) -> None:
    with Loopback() as server:
        said = judged(store, server, "--prompt", seeing, code=1, model="blind-judge")
        (problem,) = said["problems"]
        assert "4 judge calls show media that the judge does not take" in problem["what"]
        assert statuses(store).count("ok") == 2 and statuses(store).count("unscored") == 8
        server.mend()
        assert judged(store, server, "--prompt", seeing, model="blind-judge")["models"]["tiny"]["ok"] == 6


def test_batch_files_of_a_judge_show_the_same(store: Path, seeing: Path, tmp_path: Path) -> None:
    out = tmp_path / "batch.jsonl"
    run = call_cli("judge", store, "--judge", "judge@http://127.0.0.1:9/v1", "--prompt", seeing, "--batch-out", out)
    assert run.returncode == 0 and "6 requests" in run.stdout
    parts = [json.loads(line)["body"]["messages"][1]["content"] for line in out.open()]
    assert sorted(len(content) for content in parts if not isinstance(content, str)) == [2, 2, 2, 4, 4]
