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
    assert request.media == [("image", sha256)]
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


KEY = "pass0w1rd2with3digits4"


@pytest.mark.parametrize(
    "place",
    [
        "host/sk-pass-word/v1",
        "host/v1/sk%2Dpass-word",
        "host/v1/sk%252Dpass-word/chat",
        "host/hf_passpasspass/v1",
        f"host/{KEY}/v1",
        f"host/v1/bot7:{KEY}",
        "host/pAsSw0Rd-9xYzAbC-d1E2f3G4_h5I6/v1",
        "host/v1/token/pass-word",
        "host/v1;api_key=pass-word",
        "host/v1/key:passw0rd",
        "host/" + "0f1e2d3c" * 5 + "/v1",
        f"user:{KEY}@host/v1",
        f"{KEY}@host/v1",
        f"host/v1?key={KEY}",
        f"host/v1#{KEY}",
    ],
)
def test_a_key_anywhere_in_a_url_is_refused(place: str) -> None:
    """One in the path was stored with the endpoint, in the database and in source.json."""
    with pytest.raises(InputError, match="--key-env ID=VARIABLE") as error:
        parse_endpoint(f"m@https://{place}", {})
    assert "pass" not in str(error.value).lower()


def test_the_key_that_is_sent_is_refused_in_a_url_whatever_it_looks_like(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_KEY", "plain/words")
    for url in ("http://host/plain/words/v1", "http://host/plain%2Fwords/v1"):
        with pytest.raises(InputError, match="holds the key of SOME_KEY") as error:
            parse_endpoint(f"m@{url}", {"m": "SOME_KEY"})
        assert "plain" not in str(error.value)


@pytest.mark.parametrize(
    "place",
    [
        "api.openai.com/v1",
        "gateway.ai.cloudflare.com/v1/0123456789abcdef0123456789abcdef/my-gateway/openai",
        "api.cloudflare.com/client/v4/accounts/0123456789abcdef0123456789abcdef/ai/v1",
        "api.nvcf.nvidia.com/v2/functions/550e8400-e29b-41d4-a716-446655440000/v1",
        "us-central1-aiplatform.googleapis.com/v1/projects/my-project-123456/locations/us-central1/endpoints/openapi",
        "us.googleapis.com/v1/projects/p/locations/l/endpoints/1234567890123456789",
        "x.openai.azure.com/openai/deployments/gpt-4o-2024-08-06",
        "router.huggingface.co/hf-inference/models/Qwen/Qwen3-VL-30B-A3B-Instruct-GPTQ-Int4-W8A16/v1",
        "router.huggingface.co/models/OpenGVLab/InternVL3_5-GPT-OSS-20B-A4B-Preview-HF/v1",
        "api.runpod.ai/v2/vllm-abc123xyz456de/openai/v1",
        "abcdefghij1234567890abcdefghij12.lambda-url.us-east-1.on.aws/v1",
        "localhost:8000/key/v1",
        "generativelanguage.googleapis.com/v1beta/openai",
    ],
)
def test_places_are_not_taken_for_keys(monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    """Accounts, functions, deployments and models stand in paths, and are no secrets."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    assert parse_endpoint(f"m@https://{place}", {}).base_url == f"https://{place}"


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
