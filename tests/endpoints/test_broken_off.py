"""What a connection that breaks costs, and what it must not take away.

Guards against tries that were billed and not charged (a server that took whole requests and closed before any header:
27 tries, $0, whatever --max-cost said), and against whole answers that were thrown away and paid for again because the
connection broke after them.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from asking import IMAGE, PRICES, QUICK, question, run
from unruly_server import Connection, Unruly, chunked, completion, http

from rsd_bench.endpoints.prices import Budget
from rsd_bench.endpoints.retry import Asking, RetryPolicy


def event(text: str | None, finish: str | None = None, **more: object) -> bytes:
    chunk = {"id": "one", "model": "m", "choices": [{"index": 0, "delta": {"content": text}, "finish_reason": finish}]}
    return b"data: " + json.dumps(chunk | more).encode() + b"\n\n"


USAGE = b'data: {"choices":[],"usage":{"prompt_tokens":100,"completion_tokens":10}}\n\n'
PATIENT = RetryPolicy(timeout_s=4, backoff_s=0.01)  # on a machine that is busy
TOLD = {"usage": {"prompt_tokens": 100, "completion_tokens": 10}}


@pytest.mark.parametrize("how", ["close", "reset", "hang"])
@pytest.mark.parametrize("part", [b"", b"HTTP/1.1 200 OK\r\nconte"], ids=["no byte", "half a head"])
def test_a_try_is_charged_from_the_first_byte_of_its_body(tmp_path: Path, how: str, part: bytes) -> None:
    async def take_and_leave(connection: Connection, text: str) -> None:
        connection.send(part)
        await getattr(connection, how)()

    with Unruly(take_and_leave) as server:
        requests = [question(f"q{i}") for i in range(3)]
        _, answers, budget = run(tmp_path / "free", server.url, requests, 3)
        tries = sum(answer.attempts for answer in answers.values())
        assert server.requests == budget.estimated == tries == 3 * QUICK.attempts
        assert budget.spent_usd == pytest.approx(sum(answer.cost_usd for answer in answers.values()))
        assert budget.spent_usd > tries * 1_000e-6  # a picture and a question
        capped = Budget(PRICES, 1e-9)
        tally, _, _ = run(tmp_path / "capped", server.url, requests, 1, budget=capped)
        assert server.requests - tries == capped.estimated == 1
        assert "--max-cost" in tally.stopped


def test_a_try_that_never_began_is_free(tmp_path: Path) -> None:
    _, answers, budget = run(tmp_path, "http://127.0.0.1:9/v1", [question("q")])
    (answer,) = answers.values()
    assert answer.detail.startswith("no connection: ")
    assert (budget.spent_usd, budget.estimated, answer.cost_usd) == (0.0, 0, None)


WHOLE = {
    "finish reason, then usage": chunked(event("Hel"), event("lo", "stop"), USAGE),
    "both in one event": chunked(event("Hel"), event("lo", "stop", **TOLD)),
    "usage in every event": chunked(event("Hel", **TOLD), event("lo", "stop", **TOLD)),
    "half of [DONE]": chunked(event("Hello", "stop", **TOLD), b"data: [DO"),
    "half of another event": chunked(event("Hello", "stop", **TOLD), b'data: {"choi'),
    "[DONE] and no end": chunked(event("Hello", "stop", **TOLD), b"data: [DONE]\n\n"),
    "an object called a stream": http(completion("Hello"), "text/event-stream"),
    "an object called a stream, without end": chunked(b"\r\n ", completion("Hello")),
    "an object without end": chunked(completion("Hello"), kind="application/json"),
    "an object said to be longer": http(completion("Hello"), length=900),
    "a stream called an object": chunked(event("Hello", "stop", **TOLD), kind="application/json"),
}


@pytest.mark.parametrize("how", ["close", "reset", "hang"])
@pytest.mark.parametrize("name", WHOLE)
def test_a_whole_answer_is_one_however_the_connection_ends(tmp_path: Path, name: str, how: str) -> None:
    async def answer_and_leave(connection: Connection, text: str) -> None:
        connection.send(WHOLE[name])
        await getattr(connection, how)()

    with Unruly(answer_and_leave) as server:
        asking = Asking(lambda sha256: IMAGE, PATIENT, stream=True)
        _, answers, budget = run(tmp_path, server.url, [question("q")], asking=asking)
    (answer,) = answers.values()
    assert (answer.status, answer.text, answer.attempts, server.requests) == ("ok", "Hello", 1, 1)
    assert (answer.input_tokens, answer.output_tokens, budget.estimated) == (100, 10, 0)
    assert answer.latency_s < PATIENT.timeout_s / 2  # until it was whole, not until we gave up waiting


def test_without_usage_the_text_is_whole_and_its_tokens_are_unknown(tmp_path: Path) -> None:
    async def answer_and_leave(connection: Connection, text: str) -> None:
        connection.send(chunked(event("Hello", "stop")))
        await connection.reset()

    with Unruly(answer_and_leave) as server:
        _, answers, budget = run(tmp_path, server.url, [question("q")])
    (answer,) = answers.values()
    assert (answer.text, answer.attempts, answer.output_tokens, budget.estimated) == ("Hello", 1, None, 1)


@pytest.mark.parametrize(
    "half",
    [
        chunked(event("Hel", **TOLD)),  # usage alone ends nothing
        chunked(event("Hel"), b"data: [DONE]\n\n"),
        chunked(completion("Hello")[:-1]),
        http(completion("Hello")[:40], length=900),
        chunked(event("Hel"), event("lo", "stop", **TOLD), b'data: {"error":{}}\n\n'),
    ],
)
@pytest.mark.parametrize("how", ["close", "reset"])
def test_half_an_answer_is_none(tmp_path: Path, half: bytes, how: str) -> None:
    async def answer_and_leave(connection: Connection, text: str) -> None:
        connection.send(half)
        await getattr(connection, how)()

    with Unruly(answer_and_leave) as server:
        _, answers, _ = run(tmp_path, server.url, [question("q")])
    (answer,) = answers.values()
    assert (answer.status, answer.text) == ("error", None)
