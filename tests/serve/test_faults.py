"""Never worse than one model: whatever one tier does, a request ends in an answer of the other, or in one clear error.

Guards against a router that turns one dead model into lost requests, answers twice, asks again after the first byte,
or leaves a paid call running for a client that is gone.
"""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Callable, Iterator

import pytest

pytest.importorskip("starlette")

import aiohttp
from openai import APIError, APIStatusError, OpenAI
from serving import FakeTier, Fixed, Server, endings, figures, serving

from rsd_bench.serve import tiers as tiers_module

BEFORE_THE_FIRST_BYTE = {
    "hang": "timeout",
    "slow-first": "timeout",
    "reset": "unreachable",
    "401": "http-401",
    "429": "http-429",
    "500": "http-500",
    "400-vision": "no-vision",
    "400-long": "too-long",
    "301": "http-301",
    "html": "broken",
    "error200": "broken",
    "empty": "cut",
}


@pytest.fixture(autouse=True)
def _a_rest_that_ends_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tiers_module, "_REST_S", 0.5)


@pytest.fixture(scope="module")
def pair() -> Iterator[tuple[FakeTier, FakeTier]]:
    with FakeTier("small") as edge, FakeTier("large") as cloud:
        yield edge, cloud


@pytest.fixture
def server(pair: tuple[FakeTier, FakeTier]) -> Iterator[Server]:
    for tier in pair:
        tier.behaviour, tier.delay = "ok", 0.0
    with serving(*pair, edge_timeout=0.3, timeout=0.8) as one:
        yield one
    for tier in pair:
        tier.behaviour = "ok"


def client(server: Server) -> OpenAI:
    return OpenAI(api_key="none", base_url=f"{server.url}/v1", max_retries=0, timeout=20)


def ask(server: Server, text: str, stream: bool) -> tuple[str, dict[str, str]]:
    """The whole text of an answer, and its headers."""
    create = client(server).chat.completions.with_raw_response.create
    raw = create(model="rsd", messages=[{"role": "user", "content": text}], stream=stream)
    if not stream:
        return raw.parse().choices[0].message.content, raw.headers
    return "".join(c.choices[0].delta.content or "" for c in raw.parse() if c.choices), raw.headers


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("broken", ["edge", "cloud"])
def test_the_other_tier_answers(pair: tuple[FakeTier, FakeTier], server: Server, broken: str, stream: bool) -> None:
    tier = pair[broken == "cloud"]
    question = "easy" if broken == "edge" else "hard"
    other, name = ("large", "cloud") if broken == "edge" else ("small", "edge")
    whole = {"cut": "unreachable", "malformed": "unreachable"}
    for do, reason in (BEFORE_THE_FIRST_BYTE if stream else BEFORE_THE_FIRST_BYTE | whole).items():
        if do == "empty" and not stream:
            continue
        tier.behaviour = do
        text, headers = ask(server, question, stream)
        assert (text, headers["x-rsd-tier"]) == (f"{other} says: {question}", name), do
        if headers["x-rsd-fallback"] != f"{broken}; down":
            assert headers["x-rsd-fallback"] == f"{broken}; {reason}"
        server.service.tiers[broken]._failures = 0
    counted = endings(server)
    assert set(counted) == {"answered"}
    assert figures(server)[f'rsd_requests_total{{outcome="answered",tier="{name}"}}'] == counted["answered"]


@pytest.mark.parametrize("do", ["cut", "malformed", "error-event"])
def test_a_stream_that_had_begun_ends_in_one_error_and_is_not_asked_again(
    pair: tuple[FakeTier, FakeTier], server: Server, do: str
) -> None:
    pair[0].behaviour, asked = do, len(pair[1].seen)
    raw = client(server).chat.completions.create(
        model="rsd", messages=[{"role": "user", "content": "easy"}], stream=True
    )
    got = []
    with pytest.raises(APIError):
        got.extend(chunk.choices[0].delta.content for chunk in raw)
    assert "".join(filter(None, got)) == "small " and len(pair[1].seen) == asked
    assert endings(server) == {"broken_off": 1}


@pytest.mark.parametrize(
    ("edge", "cloud", "status"),
    [("500", "reset", 502), ("hang", "hang", 504), ("400", "500", 400), ("429", "429", 429)],
)
@pytest.mark.parametrize("stream", [False, True])
def test_both_dead_is_one_clear_error(
    pair: tuple[FakeTier, FakeTier], server: Server, edge: str, cloud: str, status: int, stream: bool
) -> None:
    pair[0].behaviour, pair[1].behaviour = edge, cloud
    start = time.monotonic()
    with pytest.raises(APIStatusError) as caught:
        ask(server, "easy", stream)
    assert caught.value.status_code == status and time.monotonic() - start < 3
    assert caught.value.body["message"] and len(caught.value.body["message"]) < 300
    assert endings(server) == {"busy" if status == 429 else "failed": 1}
    if status == 429:
        assert caught.value.response.headers["retry-after"] == "7"


def test_one_tier_dead_loses_nothing(pair: tuple[FakeTier, FakeTier], server: Server) -> None:
    """100 requests a second for two seconds, the edge hanging: the first few wait for it, the others do not."""
    pair[0].behaviour = "hang"
    body = {"model": "rsd", "messages": [{"role": "user", "content": "easy"}]}

    async def run() -> list[float]:
        async with aiohttp.ClientSession() as session:

            async def one(n: int) -> float:
                await asyncio.sleep(n / 100)
                start = time.perf_counter()
                async with session.post(f"{server.url}/v1/chat/completions", json=body) as reply:
                    assert reply.status == 200 and (await reply.json())["choices"]
                return time.perf_counter() - start

            return await asyncio.gather(*map(one, range(200)))

    took = asyncio.run(run())
    assert endings(server) == {"answered": 200}
    assert sum(seconds > 0.25 for seconds in took) < 150  # those that came before it was known, and the tries after


def test_a_tier_that_is_well_again_is_asked_again(pair: tuple[FakeTier, FakeTier], server: Server) -> None:
    pair[0].behaviour = "500"
    told = [ask(server, "easy", False)[1]["x-rsd-fallback"] for _ in range(8)]
    assert "edge; down" in told  # its rest may end in between
    pair[0].behaviour = "ok"
    end = time.monotonic() + 5
    while ask(server, "easy", False)[1]["x-rsd-tier"] != "edge" and time.monotonic() < end:
        time.sleep(0.05)
    assert ask(server, "easy", True)[1]["x-rsd-tier"] == "edge"


def test_images_go_to_a_tier_that_sees(pair: tuple[FakeTier, FakeTier], server: Server) -> None:
    pair[0].behaviour = "400-vision"
    url = "data:image/png;base64,iVBORw0KGgo="
    messages = [
        {
            "role": "user",
            "content": [{"type": "image_url", "image_url": {"url": url}}, {"type": "text", "text": "easy"}],
        }
    ]
    create = client(server).chat.completions.with_raw_response.create
    assert create(model="rsd", messages=messages).headers["x-rsd-fallback"] == "edge; no-vision"
    asked = len(pair[0].seen)
    assert create(model="rsd", messages=messages).headers["x-rsd-fallback"] == "edge; no-vision"
    assert len(pair[0].seen) == asked, "it was asked again"
    pair[0].behaviour = "ok"
    assert ask(server, "easy", False)[1]["x-rsd-tier"] == "edge"


def fail() -> None:
    raise RuntimeError("no")


def wait() -> None:
    time.sleep(1)


@pytest.mark.parametrize(("do", "problem"), [(fail, "failed"), (wait, "slow")])
def test_a_router_that_fails_costs_no_answer(
    pair: tuple[FakeTier, FakeTier], do: Callable[[], None], problem: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rsd_bench.serve.deciding._DECISION_S", 0.2)
    router = Fixed()
    router.fail = do
    with serving(*pair, router, default_tier="edge") as server:
        text, headers = ask(server, "a hard one", False)
    assert text == "small says: a hard one" and headers["x-rsd-router"] == problem
    assert figures_of_failures(server) == {problem: 1}


def test_a_router_that_becomes_slow_goes_back_to_its_thread(pair: tuple[FakeTier, FakeTier]) -> None:
    router = Fixed()
    names: list[str] = []
    router.fail = lambda: names.append(threading.current_thread().name)
    with serving(*pair, router) as server:
        for _ in range(60):
            ask(server, "easy", False)
        assert names[0].startswith("router") and not names[-1].startswith("router")
        router.fail = lambda: time.sleep(0.02) or names.append(threading.current_thread().name)
        for _ in range(4):
            ask(server, "easy", False)
    assert names[-1].startswith("router")


def figures_of_failures(server: Server) -> dict[str, float]:
    found = server.service.counts.router_failures.collect()[0].samples
    return {one.labels["reason"]: one.value for one in found if one.name.endswith("_total")}


def test_queues_are_bounded(pair: tuple[FakeTier, FakeTier]) -> None:
    """4 calls and 2 that wait a tier: of 30 at once 12 are answered, the others hear 429 at once."""
    for tier in pair:
        tier.behaviour, tier.delay, tier.most_open = "ok", 0.6, 0
    body = {"model": "rsd", "messages": [{"role": "user", "content": "easy"}]}
    with serving(*pair, concurrency=4, queue=2, timeout=10) as server:

        async def run() -> list[tuple[int, str | None]]:
            async with aiohttp.ClientSession() as session:

                async def one() -> tuple[int, str | None]:
                    async with session.post(f"{server.url}/v1/chat/completions", json=body) as reply:
                        await reply.read()
                        return reply.status, reply.headers.get("retry-after")

                return await asyncio.gather(*(one() for _ in range(30)))

        ended = asyncio.run(run())
        assert sorted(ended, key=lambda e: e[0]) == [(200, None)] * 12 + [(429, "2")] * 18
        assert endings(server) == {"answered": 12, "busy": 18}
        assert pair[0].most_open <= 4 and pair[1].most_open <= 4
    for tier in pair:
        tier.delay = 0.0


@pytest.mark.parametrize(("do", "stream"), [("hang", False), ("paused", True)])
def test_a_client_that_goes_away_cancels_its_call(pair: tuple[FakeTier, FakeTier], do: str, stream: bool) -> None:
    edge, cloud = pair
    edge.behaviour, edge.cancelled, asked = do, 0, len(cloud.seen)
    body = {"model": "rsd", "messages": [{"role": "user", "content": "easy"}], "stream": stream}
    with serving(*pair) as server:

        async def run() -> None:
            async with aiohttp.ClientSession() as session:
                with pytest.raises(asyncio.TimeoutError):
                    async with asyncio.timeout(0.5):
                        async with session.post(f"{server.url}/v1/chat/completions", json=body) as reply:
                            seen = await reply.content.readany()
                            assert b"small" in seen, "a first token that waits for the second"
                            await reply.content.read()

        asyncio.run(run())
        end = time.monotonic() + 5
        while not edge.cancelled and time.monotonic() < end:
            time.sleep(0.02)
        assert edge.cancelled == 1 and len(cloud.seen) == asked
        end = time.monotonic() + 5
        while not endings(server) and time.monotonic() < end:
            time.sleep(0.02)
        assert endings(server) == {"cancelled": 1}
    edge.behaviour = "ok"


def test_an_error_says_nothing_of_keys(pair: tuple[FakeTier, FakeTier], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGE_KEY", "sk-a-secret-of-the-edge")
    pair[0].behaviour = pair[1].behaviour = "401"
    with serving(*pair, key_env=("EDGE_KEY",)) as server:
        with pytest.raises(APIStatusError) as caught:
            ask(server, "easy", False)
        assert "sk-a-secret-of-the-edge" in pair[0].seen[-1][1], "the key goes to its tier"
        assert caught.value.status_code == 502, "not 401: it is no fault of the client's key"
        assert "secret" not in json.dumps(caught.value.body) + str(caught.value.response.headers)
    for tier in pair:
        tier.behaviour = "ok"
