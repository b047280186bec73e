"""Every answer is that to its own question, whatever an endpoint sends unasked.

Guards against an endpoint that sent a second response on a keep-alive connection: its answer was filed under the next
question, 19 times of 20.
"""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from asking import question, run
from unruly_server import Connection, Unruly, completion, http, read_question

from rsd_bench.endpoints.calls import Request
from rsd_bench.endpoints.retry import Asking, RetryPolicy

QUESTIONS = [f"q{i}" for i in range(20)]


def text_of(request: Request) -> str:
    return json.loads(request.body)["messages"][0]["content"][1]["text"]


def require_own_answers(folder: Path, server: Unruly, concurrency: int = 1) -> None:
    """Ask all questions; each must have the answer that speaks of it."""
    requests = [question(text) for text in QUESTIONS]
    _, answers, _ = run(folder, server.url, requests, concurrency)
    assert {text_of(r): answers[r.key].text for r in requests} == {text: f"to {text}" for text in QUESTIONS}


@pytest.mark.parametrize("concurrency", [1, 4])
@pytest.mark.parametrize(
    ("same_write", "delay", "think"),
    [(True, 0.0, 0.0), (False, 0.0, 0.0), (False, 0.002, 0.0), (False, 0.01, 0.03)],
    ids=["in one write", "in a second write", "a moment later", "while the next question waits"],
)
def test_a_second_response_is_no_answer_to_the_next_question(
    tmp_path: Path, same_write: bool, delay: float, think: float, concurrency: int
) -> None:
    """The pool handed out connections with an unread response in them."""

    async def twice(connection: Connection, text: str) -> None:
        await asyncio.sleep(think)
        answer = http(completion(f"to {text}"))
        connection.send(answer * 2 if same_write else answer)
        if not same_write:
            asyncio.get_running_loop().call_later(delay, connection.send, answer)

    with Unruly(twice) as server:
        require_own_answers(tmp_path, server, concurrency)
        assert server.requests <= len(QUESTIONS) + 2 * concurrency  # seen once, such an endpoint is not trusted again


def test_an_unasked_response_with_an_id_of_its_own_is_found_before_the_next_question(tmp_path: Path) -> None:
    async def another(connection: Connection, text: str) -> None:
        connection.send(http(completion(f"to {text}")))
        connection.send(http(completion("to something else")))

    with Unruly(another) as server:
        require_own_answers(tmp_path, server)
        assert server.requests == len(QUESTIONS)


def test_an_unasked_refusal_shifts_nothing(tmp_path: Path) -> None:
    """A failed try was made again on the same connection, where the answer to the first was still to come."""

    async def refuse_first(connection: Connection, text: str) -> None:
        await asyncio.sleep(0.005)
        connection.send(http(completion(f"to {text}")))
        late = http(b'{"error":{"message":"slow down"}}', status=429)
        asyncio.get_running_loop().call_later(0.002, connection.send, late)

    with Unruly(refuse_first) as server:
        require_own_answers(tmp_path, server)


@pytest.mark.parametrize("concurrency", [1, 8])
@pytest.mark.parametrize("name", ["x", ""])
def test_an_endpoint_that_repeats_ids_by_itself_is_believed(tmp_path: Path, name: str, concurrency: int) -> None:
    """Ollama draws ids from 1,000 numbers, others have one for all: no sign of a response that nobody asked for."""

    async def one_id(connection: Connection, text: str) -> None:
        connection.send(http(completion(f"to {text}", id=name)))

    with Unruly(one_id) as server:
        require_own_answers(tmp_path, server, concurrency)
        assert server.requests <= len(QUESTIONS) + 1
        assert server.connections <= 1 + concurrency  # they are used again


def test_connections_of_a_sound_endpoint_are_used_again(tmp_path: Path) -> None:
    async def sound(connection: Connection, text: str) -> None:
        connection.send(http(completion(f"to {text}")))

    with Unruly(sound) as server:
        require_own_answers(tmp_path, server, 4)
        assert (server.requests, server.connections <= 4) == (len(QUESTIONS), True)


def test_an_answer_that_begins_before_the_question_was_sent_is_none(tmp_path: Path) -> None:
    """With a large picture on its way, a response that nobody asked for was taken for the answer to it."""
    picture = b"\x89PNG" + bytes(12 << 20)  # more than the buffers of a loopback connection hold
    early: list[Connection] = []

    async def hasty(connection: Connection, size: str) -> None:
        if not early:
            early.append(connection)
            connection.send(http(completion("to something else")))
            await connection.writer.drain()
            await asyncio.sleep(0.3)
        text = await read_question(connection.reader, int(size))
        connection.send(http(completion(f"to {text}")))

    with Unruly(hasty, whole=False) as server:
        asking = Asking(lambda sha256: picture, RetryPolicy(timeout_s=60, backoff_s=0.01))
        _, answers, _ = run(tmp_path, server.url, [request := question("q")], 1, asking=asking)
    answer = answers[request.key]
    assert (answer.text, answer.attempts) == ("to q", 2)


def test_an_endpoint_that_speaks_first_is_no_endpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was there before the first question was taken for its answer."""

    class Greeting(Unruly):
        async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(http(completion("to something else")))
            await super()._serve(reader, writer)

    async def never(connection: Connection, text: str) -> None:
        raise AssertionError(text)

    connect = aiohttp.TCPConnector.connect

    async def slow(*arguments: Any, **named: Any) -> Any:
        connection = await connect(*arguments, **named)
        await asyncio.sleep(0.05)
        return connection

    monkeypatch.setattr(aiohttp.TCPConnector, "connect", slow)
    with Greeting(never) as server:
        _, answers, _ = run(tmp_path, server.url, [question("q")], 1)
    (answer,) = answers.values()
    assert (answer.status, answer.detail) == ("error", "no connection: the endpoint spoke before it was asked")
