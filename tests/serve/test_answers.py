"""What clients get: the OpenAI SDK (sync, async, streams) and curl speak to the server as to any endpoint.

Guards against a proxy that swallows fields, changes streams, sends the client's headers or key upstream, or routes by
anything but the last user turn.
"""

from __future__ import annotations

import asyncio
import base64
import json
import shutil
import subprocess
from collections.abc import Iterator
from types import SimpleNamespace
from urllib.request import urlopen

import pytest
from conftest import png

pytest.importorskip("starlette")

from openai import AsyncOpenAI, NotFoundError, OpenAI
from serving import FAST, FakeTier, Fixed, Server, endings, figures, serving

from rsd_bench.types import InputError, Scenario

CAREFUL = Scenario(name="careful", mes=8, alpha=0.6, beta=0.2, gamma=0.2)


class Parts:
    def __init__(self, edge: FakeTier, cloud: FakeTier, router: Fixed, server: Server) -> None:
        self.edge, self.cloud, self.router, self.server = edge, cloud, router, server
        self.client = OpenAI(api_key="client-secret", base_url=f"{server.url}/v1", max_retries=0)

    def ask(self, content: object, **more: object) -> object:
        messages = more.pop("messages", [{"role": "user", "content": content}])
        model = more.pop("model", "rsd/fast_response")
        return self.client.chat.completions.with_raw_response.create(model=model, messages=messages, **more)


@pytest.fixture(scope="module")
def parts() -> Iterator[Parts]:
    router = Fixed()
    with (
        FakeTier("small") as edge,
        FakeTier("large") as cloud,
        serving(edge, cloud, router, Fixed(CAREFUL)) as server,
    ):
        yield Parts(edge, cloud, router, server)


def text_of(raw: object) -> str:
    return raw.parse().choices[0].message.content


def test_the_router_chooses_and_headers_say_what(parts: Parts) -> None:
    easy, hard = parts.ask("an easy one"), parts.ask("a hard one")
    assert text_of(easy) == "small says: an easy one" and text_of(hard) == "large says: a hard one"
    assert (easy.headers["x-rsd-tier"], easy.headers["x-rsd-model"]) == ("edge", "small")
    assert (hard.headers["x-rsd-tier"], hard.headers["x-rsd-model"]) == ("cloud", "large")
    assert easy.headers["x-rsd-scenario"] == "fast_response" and easy.headers["x-rsd-p-edge"] == "0.9000"
    assert easy.headers["x-rsd-expected-gain"] == "0.4000" and 0 <= float(easy.headers["x-rsd-decision-ms"]) < 5000
    assert "x-rsd-fallback" not in easy.headers and "x-rsd-router" not in easy.headers


def test_the_last_user_turn_is_the_query(parts: Parts) -> None:
    one, two = png(1), png(2)

    def image(data: bytes) -> dict[str, object]:
        return {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{base64.b64encode(data).decode()}"}}

    messages = [
        {"role": "system", "content": "easy"},
        {"role": "user", "content": [image(one), {"type": "text", "text": "easy"}]},
        {"role": "assistant", "content": "easy"},
        {"role": "user", "content": [{"type": "text", "text": "hard,"}, image(two), {"type": "text", "text": "this"}]},
    ]
    assert parts.ask("", messages=messages).headers["x-rsd-tier"] == "cloud"
    assert parts.router.asked[-1] == ([two], "hard,\nthis")
    assert parts.cloud.seen[-1][0]["messages"] == messages


def test_other_fields_pass_and_headers_of_the_client_do_not(parts: Parts) -> None:
    tools = [{"type": "function", "function": {"name": "look", "parameters": {"type": "object", "properties": {}}}}]
    extra = {"tools": tools, "temperature": 0.25, "seed": 7, "extra_body": {"top_k": 3}, "metadata": {"who": "me"}}
    parts.ask("hard", **extra, extra_headers={"x-secret": "client-secret"})
    body, head = parts.cloud.seen[-1]
    assert body.pop("messages") and body == {
        "model": "large", "tools": tools, "temperature": 0.25, "seed": 7, "top_k": 3, "metadata": {"who": "me"},
    }  # fmt: skip
    assert "secret" not in head and "uthorization" not in head


@pytest.mark.parametrize("usage", [False, True])
def test_streams_come_through(parts: Parts, usage: bool) -> None:
    options = {"stream_options": {"include_usage": True}} if usage else {}
    stream = parts.client.chat.completions.create(
        model="rsd/fast_response", messages=[{"role": "user", "content": "easy does it"}], stream=True, **options
    )
    chunks = list(stream)
    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == "small says: easy does it"
    assert [c.usage.completion_tokens for c in chunks if c.usage] == ([10] if usage else [])
    assert all(c.choices for c in chunks) is not usage
    assert parts.edge.seen[-1][0]["stream_options"] == {"include_usage": True}


def test_async_client_asks_many_at_once(parts: Parts) -> None:
    async def run() -> list[str]:
        async with AsyncOpenAI(api_key="none", base_url=f"{parts.server.url}/v1", max_retries=0) as client:

            async def one(n: int) -> str:
                messages = [{"role": "user", "content": f"{('easy', 'hard')[n % 2]} {n}"}]
                if n % 3:
                    done = await client.chat.completions.create(model="rsd/careful", messages=messages)
                    return done.choices[0].message.content
                stream = await client.chat.completions.create(model="rsd", messages=messages, stream=True)
                return "".join([c.choices[0].delta.content or "" async for c in stream if c.choices])

            return await asyncio.gather(*map(one, range(40)))

    assert asyncio.run(run()) == [f"{('small says: easy', 'large says: hard')[n % 2]} {n}" for n in range(40)]


def test_curl(parts: Parts) -> None:
    if not shutil.which("curl"):
        pytest.skip("no curl")
    body = json.dumps({"model": "rsd/fast_response", "messages": [{"role": "user", "content": "easy"}]})
    command = ["curl", "-sS", "-i", f"{parts.server.url}/v1/chat/completions", "-H", "Content-Type: application/json"]
    run = subprocess.run([*command, "-d", body], capture_output=True, text=True, timeout=20, check=True)
    assert "x-rsd-tier: edge" in run.stdout and "small says: easy" in run.stdout
    stream = json.dumps(json.loads(body) | {"stream": True})
    run = subprocess.run([*command, "-N", "-d", stream], capture_output=True, text=True, timeout=20, check=True)
    assert run.stdout.rstrip().endswith("data: [DONE]") and "text/event-stream" in run.stdout


def test_langchain(parts: Parts) -> None:
    """Another client, which asks in its own way: a message, parts, a stream, a batch."""
    langchain = pytest.importorskip("langchain_openai")
    address = f"{parts.server.url}/v1"
    chat = langchain.ChatOpenAI(model="rsd/fast_response", base_url=address, api_key="none", max_retries=0)
    picture = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{base64.b64encode(png(3)).decode()}"}}
    one = chat.invoke([("user", [{"type": "text", "text": "easy one"}, picture])])
    assert one.content == "small says: easy one" and one.usage_metadata["total_tokens"] == 110
    assert "".join(part.content for part in chat.stream("hard one")) == "large says: hard one"
    assert [told.content for told in chat.batch(["easy 1", "hard 2"])] == ["small says: easy 1", "large says: hard 2"]
    assert asyncio.run(chat.ainvoke("easy again")).content == "small says: easy again"


def test_models_are_the_scenarios_and_the_tiers(parts: Parts) -> None:
    assert [m.id for m in parts.client.models.list()] == ["rsd/fast_response", "rsd/careful", "small", "large"]
    raw = parts.ask("easy", model="large")
    assert text_of(raw) == "large says: easy" and raw.headers["x-rsd-tier"] == "cloud"
    assert "x-rsd-p-edge" not in raw.headers
    with pytest.raises(NotFoundError, match="no such model here; use rsd/fast_response, rsd/careful, small, large"):
        parts.ask("easy", model="gpt-9")


def test_the_scenario_by_name_header_or_figures(parts: Parts) -> None:
    assert parts.ask("easy", model="rsd/careful").headers["x-rsd-scenario"] == "careful"
    header = {"extra_headers": {"x-rsd-scenario": "careful"}}
    assert parts.ask("easy", model="gpt-4o", **header).headers["x-rsd-scenario"] == "careful"
    figures = {"mes": "8", "alpha": "0.6", "beta": "0.2", "gamma": "0.2"}
    assert parts.ask("easy", metadata={**figures, "who": "me"}).headers["x-rsd-scenario"] == "careful"
    assert parts.edge.seen[-1][0]["metadata"] == {"who": "me"}
    for metadata, what in (
        (
            {**figures, "mes": "7"},
            "no router takes a scenario of your own; these are for fast_response .MES 6, .*careful",
        ),
        ({**figures, "mes": "eight"}, "metadata: could not convert"),
        ({"mes": 8}, "metadata: lacks alpha"),
        ({**figures, "alpha": "0.9"}, "must be >= 0 and sum to 1"),
    ):
        with pytest.raises(Exception, match=what):
            parts.ask("easy", metadata=metadata)
    with pytest.raises(NotFoundError, match="no router is for this scenario; use fast_response"):
        parts.ask("easy", model="rsd/nope")


class Whole(Fixed):
    """A router for every scenario."""

    def route(self, image: object, question: str, tau: float | None = None, scenario: Scenario | None = None) -> object:
        self.asked.append(scenario)
        return super().route(image, question)


def test_a_router_for_every_scenario_gets_the_figures() -> None:
    router = Whole(None)
    with FakeTier("small") as edge, FakeTier("large") as cloud, serving(edge, cloud, router) as server:
        client = OpenAI(api_key="none", base_url=f"{server.url}/v1", max_retries=0)
        assert "rsd/fast_response" in [m.id for m in client.models.list()]
        own = {"mes": 7, "alpha": 0.5, "beta": 0.25, "gamma": 0.25}
        client.chat.completions.create(model="rsd", messages=[{"role": "user", "content": "x"}], metadata=own)
        assert router.asked[0] == Scenario(name="custom", **own)


def test_metrics_add_up(parts: Parts) -> None:
    before, counted = figures(parts.server), endings(parts.server)
    for content in ("easy", "hard", "hard"):
        parts.ask(content)
    with pytest.raises(NotFoundError):
        parts.ask("easy", model="gpt-9")
    after, now = figures(parts.server), endings(parts.server)
    assert now["answered"] - counted["answered"] == 3 and now["refused"] - counted.get("refused", 0) == 1
    tokens = 'rsd_tokens_total{kind="output",tier="cloud"}'
    assert after[tokens] - before[tokens] == 20
    assert after["rsd_p_edge_count"] - before["rsd_p_edge_count"] == 3


def test_alive_and_ready(parts: Parts) -> None:
    with urlopen(f"{parts.server.url}/healthz", timeout=5) as reply:
        assert json.load(reply) == {"status": "ok"}
    with urlopen(f"{parts.server.url}/readyz", timeout=5) as reply:
        assert json.load(reply) == {"status": "ready", "tiers": {"edge": "up", "cloud": "up"}}


class Checkpoint:
    """A router as a checkpoint of several scenarios loads: it is told the name of one, and decides between three."""

    def __init__(self) -> None:
        router = SimpleNamespace(tiers=3)
        kept = {one.name: one for one in (FAST, CAREFUL)}
        self.deciders = {name: SimpleNamespace(router=router, scenario=one) for name, one in kept.items()}
        self.asked: list[str | None] = []

    def route(self, image: object, question: str, tau: float | None = None, scenario: str | None = None) -> object:
        self.asked.append(scenario)
        tier = int(question)
        return SimpleNamespace(model="edge" if not tier else "cloud", p_edge=0.5, tau=0.5, tier=tier)


def test_a_checkpoint_of_several_scenarios_and_three_models() -> None:
    router = Checkpoint()
    with FakeTier("small") as edge, FakeTier("middle") as tier, FakeTier("large") as cloud:
        with serving(edge, cloud, router, tier=(tier.flag,)) as server:
            client = OpenAI(api_key="none", base_url=f"{server.url}/v1", max_retries=0)
            named = ["rsd/fast_response", "rsd/careful", "small", "middle", "large"]
            assert [one.id for one in client.models.list()] == named
            for number, name in enumerate(("small", "middle", "large")):
                messages = [{"role": "user", "content": str(number)}]
                figures = {"mes": "8", "alpha": "0.6", "beta": "0.2", "gamma": "0.2"}
                given = ({"model": "rsd/careful"}, {"model": "rsd"}, {"model": "rsd", "metadata": figures})[number]
                done = client.chat.completions.create(messages=messages, **given)
                assert done.choices[0].message.content == f"{name} says: {number}"
        assert router.asked == ["careful", "fast_response", "careful"]
        with pytest.raises(InputError, match="decides between 3 models, and 2 are here"), serving(edge, cloud, router):
            pass
