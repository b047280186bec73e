"""A cascade: the edge answers, the router looks at that answer, and only then anything goes out.

Guards against half an answer of the edge before the cloud's, an edge that is paid and not counted, and a cloud that is
down when the edge has answered already.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

pytest.importorskip("starlette")

from answered import DOUBTS, KNOWS, answered  # noqa: F401 (fixture)
from conftest import call_cli
from openai import OpenAI
from serving import FAST, FakeTier, Server, endings, figures, serving

import rsd_bench as rsd


class Cascade:
    """Keeps an answer that says "sure"."""

    scenario = FAST

    def __init__(self) -> None:
        self.asked: list[tuple[object, str, str]] = []

    def route(self, image: object, question: str, answer: str) -> object:
        self.asked.append((image, question, answer))
        if "break" in question:
            raise RuntimeError
        p = 0.9 if "sure" in answer else 0.2
        return SimpleNamespace(model="edge" if p > 0.5 else "cloud", p_edge=p, tau=0.5)


@pytest.fixture
def parts(tmp_path: Path) -> Iterator[tuple[FakeTier, FakeTier, Cascade, Server]]:
    (tmp_path / "prices.toml").write_text(
        'date = "2026-11-24"\n[models.small]\ninput = 1\noutput = 1\n[models.large]\ninput = 10\noutput = 10\n'
    )
    given = {"prices": str(tmp_path / "prices.toml"), "log": str(tmp_path / "store"), "edge_timeout": 0.4}
    with FakeTier("small") as edge, FakeTier("large") as cloud:
        router = Cascade()
        with serving(edge, cloud, router, shadow=1.0, **given) as server:
            yield edge, cloud, router, server


def ask(server: Server, text: str, stream: bool) -> tuple[str, dict[str, str]]:
    client = OpenAI(api_key="none", base_url=f"{server.url}/v1", max_retries=0, timeout=20)
    create = client.chat.completions.with_raw_response.create
    raw = create(model="rsd", messages=[{"role": "user", "content": text}], stream=stream)
    if not stream:
        return raw.parse().choices[0].message.content, raw.headers
    return "".join(c.choices[0].delta.content or "" for c in raw.parse() if c.choices), raw.headers


@pytest.mark.parametrize("stream", [False, True])
def test_kept_or_given_to_the_cloud(parts: tuple[FakeTier, FakeTier, Cascade, Server], stream: bool) -> None:
    edge, _, router, server = parts
    text, headers = ask(server, "sure?", stream)
    assert text == "small says: sure?" and headers["x-rsd-cascade"] == "accepted" and headers["x-rsd-tier"] == "edge"
    text, headers = ask(server, "who knows", stream)
    assert text == "large says: who knows" and headers["x-rsd-cascade"] == "escalated"
    assert headers["x-rsd-tier"] == "cloud" and float(headers["x-rsd-cascade-ms"]) >= 0
    assert headers["x-rsd-cascade-usd"] == "0.00011000" and headers["x-rsd-p-edge"] == "0.2000"
    assert router.asked == [(None, "sure?", "small says: sure?"), (None, "who knows", "small says: who knows")]
    counted = figures(server)
    assert counted['rsd_cost_usd_total{tier="edge"}'] == pytest.approx(220e-6)
    assert counted["rsd_saved_usd"] == pytest.approx(110 * 9e-6 - 110e-6)
    assert counted['rsd_escalations_total{reason="cascade",source="edge",to="cloud"}'] == 1
    assert endings(server) == {"answered": 2}
    assert counted['rsd_logged_total{outcome="kept"}'] == 2 and len(edge.seen) == 2, "both are known: no shadow"


@pytest.mark.parametrize("stream", [False, True])
def test_never_worse_than_one_model(parts: tuple[FakeTier, FakeTier, Cascade, Server], stream: bool) -> None:
    edge, cloud, _, server = parts
    edge.behaviour = "hang"
    text, headers = ask(server, "sure?", stream)
    assert text == "large says: sure?" and headers["x-rsd-fallback"] == "edge; timeout"
    edge.behaviour = "cut"
    assert ask(server, "sure?", stream)[0] == "large says: sure?", "half of an answer is none"
    edge.behaviour, cloud.behaviour = "ok", "500"
    text, headers = ask(server, "who knows", stream)
    assert text == "small says: who knows" and headers["x-rsd-fallback"] == "cloud; http-500"
    cloud.behaviour = "ok"
    text, headers = ask(server, "break it", stream)
    assert text == "large says: break it" and headers["x-rsd-router"] == "failed"
    assert endings(server) == {"answered": 4}


def test_a_trained_cascade_is_asked_with_the_answer(answered: tuple[Path, Path], tmp_path: Path) -> None:
    data, features = answered
    options = ("--scenario", FAST.name, "--data", data, "--features", features, "--out", tmp_path / "cascade")
    done = call_cli("router", "train", "ngram-cascade", *options)
    assert done.returncode == 0, done.stderr
    router = rsd.load_router(tmp_path / "cascade")
    with FakeTier("small") as edge, FakeTier("large") as cloud, serving(edge, cloud, router) as server:
        for words, kept in ((KNOWS, True), (DOUBTS, False)):
            text, headers = ask(server, words, False)  # which the fake tiers repeat
            assert headers["x-rsd-cascade"] == ("accepted" if kept else "escalated")
            assert text == f"{'small' if kept else 'large'} says: {words}" and "x-rsd-router" not in headers
