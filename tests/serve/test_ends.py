"""How calls and answers end: once, in time, in one form, and counted once - whatever an endpoint or a client does.

Guards against a slot or memory that a client holds by not reading, a paid answer lost to an id that repeats, one
request that blinds a tier, and a stop that cuts answers off without a word.
"""

from __future__ import annotations

import asyncio
import importlib.util
import json
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest
from conftest import ROOT, png

pytest.importorskip("starlette")

from serving import FAST, FakeTier, Server, _http, endings, figures, serving
from test_hostile import post, uri

from rsd_bench.serve import sending
from rsd_bench.serve import tiers as tiers_module
from rsd_bench.serve.journal import connect
from rsd_bench.types import InputError

SSE = b"HTTP/1.1 200 X\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n"


@pytest.fixture
def pair() -> Iterator[tuple[FakeTier, FakeTier]]:
    with FakeTier("small") as edge, FakeTier("large") as cloud:
        yield edge, cloud


def asking(text: str, *, stream: bool = False, model: str = "rsd") -> dict[str, Any]:
    return {"model": model, "messages": [{"role": "user", "content": text}], "stream": stream}


def whole(text: str, name: str) -> bytes:
    message = {"role": "assistant", "content": text}
    choices = [{"index": 0, "message": message, "finish_reason": "stop"}]
    return _http(200, json.dumps({"id": name, "object": "chat.completion", "choices": choices}).encode())


def event(text: str, finish: str | None = None) -> bytes:
    choices = [{"index": 0, "delta": {"content": text}, "finish_reason": finish}]
    return b"data: " + json.dumps({"id": f"c{time.monotonic()}", "choices": choices}).encode() + b"\n\n"


def streamed(server: Server, text: str, model: str = "rsd") -> str:
    body = json.dumps(asking(text, stream=True, model=model)).encode()
    with urlopen(f"{server.url}/v1/chat/completions", body, timeout=20) as reply:
        return reply.read().decode()


def calls(server: Server) -> dict[str, float]:
    name = "rsd_upstream_calls_total"
    return {key[len(name) :]: value for key, value in figures(server).items() if key.startswith(name)}


def test_a_done_without_finish_reason_is_an_end_and_a_stream_has_one(pair: tuple[FakeTier, FakeTier]) -> None:
    for after in (b"", b'data: {"error": {"message": "late"}}\n\n', b"data: [DONE]\n\n"):

        async def say(body: Any, writer: asyncio.StreamWriter, after: bytes = after) -> None:
            writer.write(SSE + event("hello") + b"data: [DONE]\n\n" + after)
            await writer.drain()
            writer.close()

        pair[0].say = say
        with serving(*pair) as server:
            text = streamed(server, "easy")
            assert text.count("[DONE]") == 1 and text.rstrip().endswith("[DONE]") and "error" not in text
            assert endings(server) == {"answered": 1}


def test_the_stand_ins_of_the_example_end_their_streams_and_name_their_answers() -> None:
    spec = importlib.util.spec_from_file_location("two_models", ROOT / "examples" / "serve" / "two_models.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    with ThreadingHTTPServer(("127.0.0.1", 0), module.Stands) as models:
        thread = threading.Thread(target=models.serve_forever)
        thread.start()
        flags = [SimpleNamespace(flag=f"{name}@http://127.0.0.1:{models.server_port}/v1") for name in ("s", "l")]
        try:
            with serving(*flags) as server:
                for n in range(4):
                    assert post(server, asking(f"easy {n}"))[2]["x-rsd-tier"] == "edge"
                    assert '"finish_reason":"stop"' in streamed(server, f"easy {n}").replace(" ", "")
                assert endings(server) == {"answered": 8}
                assert calls(server) == {'{outcome="answered",tier="edge"}': 8}
                ids = {post(server, asking("easy"))[1]["id"] for _ in range(3)}
                assert len(ids) == 3
        finally:
            models.shutdown()
            thread.join()


@pytest.mark.parametrize("stream", [False, True])
def test_ids_that_repeat_lose_no_answer(pair: tuple[FakeTier, FakeTier], stream: bool) -> None:
    async def say(body: Any, writer: asyncio.StreamWriter) -> None:
        text = body["messages"][0]["content"]
        if not body.get("stream"):
            writer.write(whole(text, "chatcmpl-1"))
            return
        sent = event(text, "stop").replace(b'"id": "c', b'"id": "x", "was": "c') + b"data: [DONE]\n\n"
        head = b"HTTP/1.1 200 X\r\ncontent-type: text/event-stream\r\ncontent-length: %d\r\n\r\n" % len(sent)
        writer.write(head + sent)

    pair[0].say = say
    with serving(*pair) as server:
        for n in range(5):
            text = f"easy {n}"
            assert text in (streamed(server, text) if stream else json.dumps(post(server, asking(text))[1]))
        assert calls(server) == {'{outcome="answered",tier="edge"}': 5} and len(pair[0].seen) == 6


def test_a_call_that_breaks_is_counted_once(pair: tuple[FakeTier, FakeTier]) -> None:
    pair[0].behaviour = "cut"
    with serving(*pair) as server:
        assert '"code":"cut"' in streamed(server, "easy")
        assert calls(server) == {'{outcome="cut",tier="edge"}': 1}


class Cascade:
    scenario = FAST

    def route(self, image: object, question: str, answer: str) -> object:
        return SimpleNamespace(model="cloud", p_edge=0.1, tau=0.5)


@pytest.mark.parametrize("end", ["drip", "stall", "hang"])
def test_a_cascade_keeps_to_the_time(pair: tuple[FakeTier, FakeTier], end: str) -> None:
    async def say(body: Any, writer: asyncio.StreamWriter) -> None:
        writer.write(SSE)
        for _ in range(100):
            writer.write(b"" if end == "hang" else event("a "))
            await writer.drain()
            await asyncio.sleep(60 if end == "stall" else 0.05)

    pair[0].say = say
    with serving(*pair, Cascade(), edge_timeout=0.5, timeout=2.0) as server:
        start = time.monotonic()
        assert "large " in streamed(server, "easy")
        assert time.monotonic() - start < 1.5
        assert calls(server) == {'{outcome="timeout",tier="edge"}': 1, '{outcome="answered",tier="cloud"}': 1}
        pair[1].behaviour = "hang"
        start = time.monotonic()
        with pytest.raises(HTTPError) as caught:
            streamed(server, "easy")
        assert caught.value.code == 504 and time.monotonic() - start < 3


def test_images_are_fetched_at_once_and_in_time(
    pair: tuple[FakeTier, FakeTier], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rsd_bench.serve.places.is_public", lambda address: True)
    with socket.create_server(("127.0.0.1", 0), backlog=8) as silent:
        links = [f"http://127.0.0.1:{silent.getsockname()[1]}/{n}" for n in range(4)]
        parts: list[Any] = [{"type": "image_url", "image_url": {"url": url}} for url in links]
        body = {"model": "rsd", "messages": [{"role": "user", "content": [*parts, {"type": "text", "text": "easy"}]}]}
        with serving(*pair, fetch_images=("127.0.0.1",), timeout=1.0) as server:
            start = time.monotonic()
            assert post(server, body)[0] == 200 and time.monotonic() - start < 1.5


def test_not_ready_until_a_tier_answers_again(pair: tuple[FakeTier, FakeTier], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tiers_module, "_REST_S", 0.1)

    def ready(server: Server) -> int:
        try:
            return int(urlopen(f"{server.url}/readyz", timeout=5).status)
        except HTTPError as error:
            return error.code

    pair[0].behaviour = pair[1].behaviour = "500"
    with serving(*pair) as server:
        assert ready(server) == 200
        for _ in range(6):
            post(server, asking("easy"))
            post(server, asking("hard"))
        for _ in range(4):
            assert ready(server) == 503
            time.sleep(0.1)
        pair[0].behaviour = "ok"  # who sends nothing to a server that is not ready hears so too
        time.sleep(0.15)
        assert ready(server) == 200 and post(server, asking("easy"))[0] == 200


def test_a_stop_says_so(pair: tuple[FakeTier, FakeTier]) -> None:
    """What is under way when the grace is over ends as clients of OpenAI's API read it."""
    pair[0].behaviour, pair[1].behaviour = "hang", "paused"
    with ThreadPoolExecutor(2) as pool:
        with serving(*pair, grace_s=0.3) as server:
            told = pool.submit(post, server, asking("easy"))
            stream = pool.submit(streamed, server, "hard")
            end = time.monotonic() + 5
            while not (pair[0].open and pair[1].open) and time.monotonic() < end:
                time.sleep(0.02)
            time.sleep(0.2)
        status, error, headers = told.result(10)
        assert (status, error["error"]["code"], headers["retry-after"]) == (503, "stopping", "2")
        assert "large " in stream.result(10) and '"code":"stopping"' in stream.result()


@pytest.mark.parametrize("said", ["inf", "1e300", "99999999999", "nan", "Wed, 21 Oct 2099 07:28:00 GMT"])
def test_a_wait_that_is_told_is_bounded(pair: tuple[FakeTier, FakeTier], said: str) -> None:
    async def say(body: Any, writer: asyncio.StreamWriter) -> None:
        writer.write(_http(429, b"{}", "application/json", f"retry-after: {said}"))

    pair[0].say = pair[1].say = say
    with serving(*pair) as server:
        status, _, headers = post(server, asking("easy"))
        assert status == 429 and headers["retry-after"] == ("2" if said == "nan" else "3600")


def test_a_tier_is_blind_by_its_word_on_images_alone_and_for_a_time(
    pair: tuple[FakeTier, FakeTier], monkeypatch: pytest.MonkeyPatch
) -> None:
    image = {"type": "image_url", "image_url": {"url": uri(png(1))}}
    blind = "weird: this model does not support image input"
    refused = {"input_audio": "This model does not support audio input", "weird": blind, "plain": blind}

    async def say(body: Any, writer: asyncio.StreamWriter) -> None:
        text = json.dumps(body["messages"])
        what = next((said for name, said in refused.items() if name in text), None)
        error = json.dumps({"error": {"message": what}}).encode()
        writer.write(_http(400, error) if what else whole("seen", f"c{time.monotonic()}"))

    def ask(*parts: Any) -> Any:
        content = [*parts, {"type": "text", "text": "easy"}]
        return post(server, {"model": "rsd", "messages": [{"role": "user", "content": content}]})[2]

    pair[0].say = say
    monkeypatch.setattr(tiers_module, "_BLIND_S", 0.5)
    sound = {"type": "input_audio", "input_audio": {"data": "AA==", "format": "wav"}}
    with serving(*pair) as server:
        for parts in ((sound,), (sound, image), ({"type": "weird"}, image), ({"type": "text", "text": "plain"},)):
            ask(*parts)
            assert ask(image)["x-rsd-tier"] == "edge", parts
        ask({"type": "text", "text": "plain"}, image)
        assert ask(image)["x-rsd-fallback"] == "edge; no-vision"
        time.sleep(0.6)
        assert ask(image)["x-rsd-tier"] == "edge"


def unread(server: Server, body: dict[str, Any], times: int = 1) -> socket.socket:
    """A client that asks, and reads nothing."""
    one = socket.socket()
    one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    one.connect(("127.0.0.1", server.port))
    data = json.dumps(body).encode()
    head = b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n" % len(data)
    one.sendall((head + data) * times)
    return one


@pytest.mark.parametrize(("stream", "times"), [(False, 1), (False, 2), (True, 1)])
def test_a_client_that_does_not_read_holds_neither_slot_nor_memory(
    pair: tuple[FakeTier, FakeTier], monkeypatch: pytest.MonkeyPatch, stream: bool, times: int
) -> None:
    monkeypatch.setattr(sending, "UNREAD_S", 0.6)
    big = "z" * (12 << 20)

    async def say(body: Any, writer: asyncio.StreamWriter) -> None:
        text = body["messages"][0]["content"]
        if body.get("stream"):
            writer.write(SSE + event(big[: 6 << 20]))
            await writer.drain()
            await asyncio.sleep(0.2)
            writer.write(event("", "stop") + b"data: [DONE]\n\n")
            await writer.drain()
            writer.close()
        else:
            writer.write(whole(big if "big" in text else "small", f"c{time.monotonic()}"))

    pair[1].say = say
    with serving(*pair, concurrency=1, queue=0) as server:
        with unread(server, asking("big", stream=stream, model="large"), times) as one:
            end = time.monotonic() + 10
            while sum(endings(server).values()) < times and time.monotonic() < end:
                time.sleep(0.1)
            end = time.monotonic() + 5
            while post(server, asking("x", model="large"))[0] != 200 and time.monotonic() < end:
                time.sleep(0.1)
            assert post(server, asking("x", model="large"))[0] == 200, "the slot is held"
            time.sleep(1.5)
            one.settimeout(10)
            got = 0
            try:
                while part := one.recv(1 << 20):
                    got += len(part)
            except ConnectionError:
                pass
            assert got < 10 << 20, "it was kept for a client that does not read"
        if not stream:  # one that reads at its own speed gets all
            with unread(server, asking("big", model="large")) as slow:
                slow.settimeout(10)
                got = 0
                while got < len(big):
                    got += len(slow.recv(1 << 20))
                    time.sleep(0.001)


def test_clients_do_not_hear_where_a_tier_redirects_to(pair: tuple[FakeTier, FakeTier]) -> None:
    pair[0].behaviour = pair[1].behaviour = "301"
    with serving(*pair) as server:
        status, error, _ = post(server, asking("easy"))
    assert status == 502 and error["error"]["message"] == "HTTP 301: a redirect, which is not followed"


def test_a_log_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(InputError, match=r"file: is a file -> name a folder with --log"):
        connect(tmp_path / "file")
