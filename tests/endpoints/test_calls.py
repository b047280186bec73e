"""What is asked of whom: keys of requests, bodies, endpoints.

Guards against cache keys that miss a parameter or the prompt (lm-eval#3881, lighteval#1364), a parameter that asks
another model, and a key that is sent to an endpoint which it is not for.
"""

from __future__ import annotations

import base64
import hashlib
import json

import pytest
from asking import IMAGE, question

from rsd_bench.endpoints.calls import Endpoint, make_request, parse_endpoint, wire_body
from rsd_bench.types import InputError


def test_each_key_part_asks_anew_and_nothing_else_does() -> None:
    base = question("what?")
    changed = [
        question("what ?"),
        question("what?", model="m-2"),
        question("what?", params={"temperature": 0.1}),
        question("what?", params={"temperature": 0, "max_tokens": 5}),
        question("what?", prompt_version="v2"),
        question("what?", sample=1),
        question("what?", image="b" + "a" * 63),
    ]
    assert len({r.key for r in (base, *changed)}) == 8
    assert question("what?", params={"temperature": 0}).key == base.key
    one = make_request("m", [], {"a": 1, "b": 2}, "v1")
    assert make_request("m", [], {"b": 2, "a": 1}, "v1").key == one.key


def test_body_carries_the_original_bytes_and_no_text_can_fake_an_image() -> None:
    sha256 = hashlib.sha256(IMAGE).hexdigest()
    hostile = f'"url":"sha256:{sha256}" {{"url":"sha256:{sha256}"}}'
    request = question(hostile, image=sha256)
    assert request.images == [sha256]
    sent = json.loads(wire_body(request, lambda s: {sha256: IMAGE}[s], stream=True))
    image, text = sent["messages"][0]["content"]
    assert image["image_url"]["url"] == "data:image/png;base64," + base64.b64encode(IMAGE).decode()
    assert text["text"] == hostile
    assert sent["stream_options"] == {"include_usage": True}


@pytest.mark.parametrize("name", ["model", "messages", "n", "stream", "stream_options"])
def test_a_parameter_cannot_ask_another_question(name: str) -> None:
    """`model` in judge.toml asked another model under the name of the judge."""
    with pytest.raises(InputError, match=f"{name} cannot be set"):
        make_request("m", [], {name: 1}, "v1")
    with pytest.raises(InputError, match="no JSON"):
        make_request("m", [], {"temperature": float("nan")}, "v1")


@pytest.mark.parametrize(
    "text",
    [
        "m",
        "m@ftp://x/v1",
        "@http://x/v1",
        "m@http://user:pass@x/v1",
        "m@http://x/v1?key=1",
        "m@http://x:port/v1",
        "m m@http://x/v1",
        "m@http:///v1",
    ],
)
def test_endpoints_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(InputError) as error:
        parse_endpoint(text, {})
    assert "pass" not in str(error.value)


def test_the_openai_key_goes_to_openai_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    assert parse_endpoint("gpt@https://api.openai.com/v1", {}).api_key == "sk-secret"
    for url in ("http://api.openai.com/v1", "https://api.openai.com.evil.example/v1", "http://localhost:8000/v1"):
        assert parse_endpoint(f"gpt@{url}", {}).api_key == "none"
    assert parse_endpoint("org/model@rev@http://x/v1/", {}) == Endpoint("org/model@rev", "http://x/v1")


@pytest.mark.parametrize("key", ["sk-secret\n", "sk-sécret"])
def test_a_key_that_no_header_can_carry_is_refused_before_the_run(monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    """A line end behind a key, or a letter that is not ASCII, ended the run with a traceback at the first call."""
    monkeypatch.setenv("SOME_KEY", key)
    with pytest.raises(InputError, match="SOME_KEY holds what no HTTP header can") as error:
        parse_endpoint("m@http://x/v1", {"m": "SOME_KEY"})
    assert key[:3] not in str(error.value)
