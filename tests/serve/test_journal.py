"""Traffic is kept and becomes data: what was acknowledged is on disk, and the next router can be trained on it.

Guards against answers that were paid for and lost, a log that stops the server, texts that were to be redacted and are
on disk, and outcomes filed under another question.
"""

from __future__ import annotations

import base64
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT, png, run_cli

pytest.importorskip("starlette")

import pandas as pd
from openai import OpenAI
from serving import FakeTier, Server, figures, serving

from rsd_bench.serve.filing import file_served
from rsd_bench.serve.journal import FILE
from rsd_bench.sources.store.store_tables import sources_in
from rsd_bench.types import InputError


@pytest.fixture(scope="module")
def pair() -> Iterator[tuple[FakeTier, FakeTier]]:
    with FakeTier("small") as edge, FakeTier("large") as cloud:
        yield edge, cloud


def ask(server: Server, text: str, image: bytes | None = None, stream: bool = False, **more: Any) -> str:
    client = OpenAI(api_key="none", base_url=f"{server.url}/v1", max_retries=0, timeout=20)
    parts: list[Any] = [{"type": "text", "text": text}]
    if image:
        url = f"data:image/png;base64,{base64.b64encode(image).decode()}"
        parts.insert(0, {"type": "image_url", "image_url": {"url": url}})
    messages = more.pop("messages", [{"role": "user", "content": parts}])
    done = client.chat.completions.create(model="rsd", messages=messages, stream=stream, **more)
    if stream:
        return "".join(c.choices[0].delta.content or "" for c in done if c.choices)
    return done.choices[0].message.content


def rows(store: Path, sql: str) -> list[tuple[Any, ...]]:
    connection = sqlite3.connect(store / FILE)
    found = connection.execute(sql).fetchall()
    connection.close()
    return found


def wait_for(store: Path, sql: str, count: int) -> None:
    end = time.monotonic() + 10
    while len(rows(store, sql)) < count and time.monotonic() < end:
        time.sleep(0.02)
    assert len(rows(store, sql)) == count


def responses(store: Path) -> pd.DataFrame:
    (source,) = sources_in(store)
    return pd.read_parquet(store / "sources" / source / "responses.parquet")


def test_traffic_becomes_a_source(pair: tuple[FakeTier, FakeTier], tmp_path: Path) -> None:
    prices = tmp_path / "prices.toml"
    prices.write_text(
        'date = "2026-11-24"\n[models.small]\ninput = 1\noutput = 1\n[models.large]\ninput = 10\noutput = 10\n'
    )
    with serving(*pair, log=str(tmp_path / "store"), prices=str(prices), shadow=1.0) as server:
        ask(server, "easy one", png(1))
        ask(server, "hard one", png(2), stream=True)
        ask(server, "EASY one", png(1))  # the same query
        turns = [("user", "easy"), ("assistant", "a"), ("user", "easy again")]
        ask(server, "", messages=[{"role": role, "content": text} for role, text in turns])
        wait_for(tmp_path / "store", "SELECT * FROM answers WHERE shadow = 1", 3)
        counted = figures(server)
        assert counted['rsd_logged_total{outcome="kept"}'] == 4 and counted['rsd_logged_total{outcome="shadow"}'] == 3
        assert counted["rsd_saved_usd"] == pytest.approx(2 * 110 * 9e-6), "shadows are not subtracted: they stand apart"
        assert counted['rsd_shadow_calls_total{outcome="answered",tier="cloud"}'] == 1
        assert counted['rsd_shadow_tokens_total{kind="output",tier="cloud"}'] == 10
        assert counted['rsd_shadow_cost_usd_total{tier="cloud"}'] == pytest.approx(1100e-6)
        assert counted['rsd_shadow_cost_usd_total{tier="edge"}'] == pytest.approx(220e-6)
        store = tmp_path / "store"
        made = run_cli("data", "import", "served", store, "--reference", "large")
        assert made.returncode == 0, made.stderr
        assert [line.split()[-1] for line in made.stdout.splitlines()] == ["4", "2"]
        table = responses(store)
        assert sorted(zip(table.model, table.response, table.status, strict=True)) == [
            ("large", "large says: easy one", "unscored"),
            ("large", "large says: hard one", "unscored"),
            ("small", "small says: easy one", "unscored"),
            ("small", "small says: hard one", "unscored"),
        ]
        assert (table.latency_basis == "measured").all() and (table.latency_s > 0).all()
        assert table.first_token_s.notna().sum() == 1
        assert sorted(table.cost_usd) == pytest.approx([110e-6] * 2 + [1100e-6] * 2)
        assert rows(store, "SELECT * FROM media") == []
        ask(server, "hard two")
        ask(server, "Hard one", png(2))
        wait_for(store, "SELECT * FROM answers WHERE shadow = 1", 5)
        file_served(store, "large")
        assert len(responses(store)) == 6 and not file_served(store, "large")
    (source,) = sources_in(store)
    queries = pd.read_parquet(store / "sources" / source / "queries.parquet").set_index("question")
    assert queries.loc["hard one", "reference_answer"] == "large says: hard one"
    assert queries.loc["hard two", "modality"] == "text" and queries.loc["easy one", "modality"] == "image"
    info = json.loads((store / "sources" / source / "source.json").read_text())
    assert info["live"]["small"]["served_models"] == ["small-2026"] and not info["redistributable"]
    decisions = rows(store, "SELECT alone, scenario, chosen, p_edge, tau FROM served ORDER BY at")
    assert decisions[:2] == [(1, "fast_response", "edge", 0.9, 0.5), (1, "fast_response", "cloud", 0.1, 0.5)]
    assert [alone for alone, *_ in decisions] == [1, 1, 1, 0, 1, 1]


def test_what_is_filed_is_judged_and_generated_like_any_other(pair: tuple[FakeTier, FakeTier], tmp_path: Path) -> None:
    from chat_server import Loopback

    with serving(*pair, log=str(tmp_path), shadow=1.0) as server:
        for n in range(4):
            ask(server, f"easy {n}", png(n))
        wait_for(tmp_path, "SELECT * FROM answers WHERE shadow = 1", 4)
    assert run_cli("data", "import", "served", tmp_path, "--reference", "large").returncode == 0
    with Loopback() as judges:
        judged = run_cli("judge", tmp_path, "--judge", f"judge@{judges.url}")
        assert judged.returncode == 0, judged.stderr
    table = responses(tmp_path)
    assert set(table[table.model == "large"].score) == {10.0} and set(table[table.model == "small"].score) == {2.0}
    assert file_served(tmp_path) == {}, "judged answers are not filed over"


def shout(text: str) -> str:
    if "bomb" in text:
        raise ValueError
    return text.replace("alice@example.org", "[mail]")


def test_texts_are_redacted_before_they_are_written(
    pair: tuple[FakeTier, FakeTier], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "my_redaction.py").write_text("from test_journal import shout as redact\n")
    monkeypatch.syspath_prepend(tmp_path)
    store = tmp_path / "store"
    with serving(*pair, log=str(store), redact="my_redaction:redact") as server:
        assert "alice@example.org" in ask(server, "easy mail of alice@example.org")
        ask(server, "easy bomb of alice@example.org")
        assert figures(server)['rsd_logged_total{outcome="redaction"}'] == 1
    assert rows(store, "SELECT question, text FROM served JOIN answers USING (id)") == [
        ("easy mail of [mail]", "small says: easy mail of [mail]")
    ]
    for path in store.iterdir():
        assert b"alice" not in path.read_bytes()
    for named in ("my_redaction", "nowhere:x", "my_redaction:nothing", "os:sep"):
        with pytest.raises(InputError, match="--redact"), serving(*pair, log=str(store), redact=named):
            pass


def test_a_share_is_kept_and_a_full_log_stops_nothing(pair: tuple[FakeTier, FakeTier], tmp_path: Path) -> None:
    with serving(*pair, log=str(tmp_path / "a"), log_share=0.0, shadow=1.0) as server:
        ask(server, "easy")
    assert rows(tmp_path / "a", "SELECT * FROM served") == []
    with serving(*pair, log=str(tmp_path / "b"), log_max_gb=1e-4) as server:
        for n in range(6):
            assert ask(server, f"easy {n}", png(n, (200, 100)))
        dropped = figures(server)['rsd_logged_total{outcome="size"}']
    assert dropped >= 3 and len(rows(tmp_path / "b", "SELECT * FROM served")) == 6 - dropped


def test_tool_calls_and_fetched_links_are_no_queries(pair: tuple[FakeTier, FakeTier], tmp_path: Path) -> None:
    tools = [{"type": "function", "function": {"name": "f", "parameters": {}}}]
    link = {"type": "image_url", "image_url": {"url": "https://example.org/x.png"}}
    with serving(*pair, log=str(tmp_path), shadow=1.0) as server:
        ask(server, "easy", tools=tools)
        ask(server, "", messages=[{"role": "user", "content": [link, {"type": "text", "text": "easy"}]}])
    assert rows(tmp_path, "SELECT alone FROM served") == [(0,), (0,)]
    assert file_served(tmp_path)["served: queries"] == 0 and not (tmp_path / "sources").exists()


def test_a_store_without_a_journal(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"has no served.sqlite -> run `rsd-bench serve --log STORE` first"):
        file_served(tmp_path)
    assert list(tmp_path.iterdir()) == []


KILLED = """
import sys
sys.path[:0] = [{tests!r}, {support!r}]
from serving import FakeTier, Fixed, serving
import types, threading
edge, cloud = (types.SimpleNamespace(flag=f"{{m}}@{{u}}") for m, u in (("small", {edge!r}), ("large", {cloud!r})))
with serving(edge, cloud, Fixed(), log={store!r}) as server:
    print(server.port, flush=True)
    threading.Event().wait(60)
"""


def test_kill_9_loses_nothing_that_was_acknowledged(pair: tuple[FakeTier, FakeTier], tmp_path: Path) -> None:
    acknowledged: list[str] = []
    places = {"tests": str(ROOT / "tests"), "support": str(ROOT / "tests" / "support"), "store": str(tmp_path)}
    urls = {"edge": pair[0].flag.split("@", 1)[1], "cloud": pair[1].flag.split("@", 1)[1]}
    for turn in range(2):
        command = [sys.executable, "-c", KILLED.format(**places, **urls)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
            server = Server(int(process.stdout.readline()), None)
            for n in range(6):
                text = f"easy {turn}.{n}"
                ask(server, text, stream=bool(n % 2))
                acknowledged.append(text)
            os.kill(process.pid, signal.SIGKILL)
    kept = {text for (text,) in rows(tmp_path, "SELECT question FROM served JOIN answers USING (id)")}
    assert kept == set(acknowledged)
    assert file_served(tmp_path) and len(responses(tmp_path)) == len(acknowledged)


def test_a_stream_that_broke_off_is_no_answer(pair: tuple[FakeTier, FakeTier], tmp_path: Path) -> None:
    """Half an answer would be judged, and teach the next router that its model is bad."""
    from openai import APIError

    try:
        with serving(*pair, log=str(tmp_path), shadow=1.0) as server:
            for do in ("cut", "malformed", "error-event"):
                pair[0].behaviour = do
                with pytest.raises(APIError):
                    ask(server, f"easy {do}", stream=True)
            pair[0].behaviour = "ok"
            ask(server, "easy and whole", stream=True)
            wait_for(tmp_path, "SELECT * FROM answers WHERE shadow = 1", 1)
    finally:
        pair[0].behaviour = "ok"
    kept = rows(tmp_path, "SELECT question, status, text FROM served JOIN answers USING (id) WHERE shadow = 0")
    assert sorted(kept) == [
        ("easy and whole", "ok", "small says: easy and whole"),
        ("easy cut", "error", None),
        ("easy error-event", "error", None),
        ("easy malformed", "error", None),
    ]
    file_served(tmp_path)
    table = responses(tmp_path)
    assert sorted(table[table.model == "small"].status) == ["error"] * 3 + ["unscored"]


def test_a_record_that_sqlite_does_not_take_stops_nothing(tmp_path: Path) -> None:
    """Half a character of a redaction, a number beyond 64 bits: that one is dropped, those beside it are kept."""
    import asyncio

    from rsd_bench.endpoints.calls import Answer
    from rsd_bench.serve.journal import Journal, Kept, Record

    dropped: list[str] = []

    def record(name: str) -> Record:
        return Record(name, 1.0, name, (), True, "s", "edge", "", None, None, None, None, "")

    def redact(text: str) -> str:
        if text == "exit":
            sys.exit(3)
        return "\ud800" if text == "half" else text

    async def keep_all() -> list[bool]:
        journal = Journal(tmp_path, 1.0, redact, dropped.append)
        many = {"a": 1, "half": 1, "many": 2**63, "exit": 1, "z": 1}
        answers = {name: Kept("edge", False, Answer(name, "m", "ok", "x", input_tokens=n)) for name, n in many.items()}
        together = await asyncio.gather(*(journal.keep(record(name), [kept]) for name, kept in answers.items()))
        later = await journal.keep(record("later"), [])
        journal.close()
        return [*together, later]

    start = time.monotonic()
    assert asyncio.run(keep_all()) == [True, False, False, False, True, True]
    assert sorted(dropped) == ["record", "record", "redaction"] and time.monotonic() - start < 1.5
    assert sorted(rows(tmp_path, "SELECT id FROM served")) == [("a",), ("later",), ("z",)]
    assert sorted(rows(tmp_path, "SELECT id FROM answers")) == [("a",), ("z",)]


def test_a_count_of_tokens_that_no_call_has_is_none() -> None:
    from rsd_bench.serve.upstream import Usage

    assert Usage.of({"prompt_tokens": 2**63, "completion_tokens": 7}) == Usage(None, 7)
