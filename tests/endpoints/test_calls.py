"""Keys, statuses, retries and costs of the request layer.

Guards against cache keys that miss a parameter or the prompt (lm-eval#3881, lighteval#1364), retries without end
(METR/hawk#945), failed calls that become answers (VLMEvalKit, simple-evals), and keys of endpoints that reach a log.
"""

from __future__ import annotations

import asyncio
import io
import json
import socket
import sqlite3
import threading
import time
from collections import Counter
from dataclasses import replace
from functools import partial
from pathlib import Path
from urllib.parse import quote

import pytest
from chat_server import Loopback
from conftest import png

from rsd_bench.endpoints.answer_store import open_answers
from rsd_bench.endpoints.batch_files import read_batch, write_batch
from rsd_bench.endpoints.calls import (
    Answer,
    Endpoint,
    Request,
    image_part,
    make_request,
    parse_endpoint,
    text_part,
    wire_body,
)
from rsd_bench.endpoints.chat import opened
from rsd_bench.endpoints.engine import Lane, Tally, progress_bar
from rsd_bench.endpoints.prices import Budget, Price, Prices, load_prices
from rsd_bench.endpoints.ray_calls import Desk
from rsd_bench.endpoints.retry import _USERINFO, Asking, RetryPolicy, _without_key
from rsd_bench.endpoints.run_calls import Run, run_requests
from rsd_bench.types import InputError

IMAGE = png(1)
PRICES = Prices("2026-11-24", {"m": Price(1.0, 10.0, batch=0.5)})
QUICK = RetryPolicy(attempts=4, timeout_s=1.5, total_s=8, backoff_s=0.01)


def question(text: str, **changes: object) -> Request:
    parts = {"model": "m", "params": {"temperature": 0}, "prompt_version": "v1", "sample": 0} | changes
    image = parts.pop("image", "a" * 64)
    return make_request(messages=[{"role": "user", "content": [image_part(image), text_part(text)]}], **parts)


def run(folder: Path, url: str, requests: list[Request], concurrency: int = 8, **run_with):
    """Ask requests; return the tally, the answers by key, and the budget."""
    budget = run_with.pop("budget", Budget(PRICES))
    asking = run_with.pop("asking", Asking(lambda sha256: IMAGE, QUICK, stream=True))
    endpoint = run_with.pop("endpoint", Endpoint("m", url))
    with open_answers(folder) as store:
        tally = run_requests(
            [Lane(endpoint, lambda: requests, concurrency)], store, Run(asking=asking, budget=budget, output_tokens=100)
        )
        return tally, {r.key: store.get(r.key) for r in requests}, budget


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
    import base64
    import hashlib

    sha256 = hashlib.sha256(IMAGE).hexdigest()
    hostile = f'"url":"sha256:{sha256}" {{"url":"sha256:{sha256}"}}'
    request = question(hostile, image=sha256)
    assert request.images == [sha256]
    sent = json.loads(wire_body(request, lambda s: {sha256: IMAGE}[s], stream=True))
    image, text = sent["messages"][0]["content"]
    assert image["image_url"]["url"] == "data:image/png;base64," + base64.b64encode(IMAGE).decode()
    assert text["text"] == hostile
    assert sent["stream_options"] == {"include_usage": True}


def test_a_run_stores_answers_tokens_times_and_costs_and_asks_once(tmp_path: Path) -> None:
    requests = [question(f"q{i}") for i in range(30)] + [question("q0")]
    with Loopback(latency=0.1) as server:
        tally, answers, budget = run(tmp_path, server.url, requests)
        again, same, _ = run(tmp_path, server.url, requests)
        assert server.stats()["requests"] == 30
    assert (tally.asked, again.asked) == (Counter({("m", "ok"): 30}), Counter())
    assert answers == same
    for request in requests:
        answer = answers[request.key]
        assert answer.text == f"An answer to: q{json.loads(request.body)['messages'][0]['content'][1]['text'][1:]}"
        assert (answer.input_tokens, answer.output_tokens, answer.served_model) == (100, 10, "m-2026-11-01")
        assert 0.1 <= answer.first_token_s <= answer.latency_s < 1
        assert answer.cost_usd == pytest.approx(200e-6)
    assert budget.spent_usd == pytest.approx(30 * 200e-6)


FAULTS = {
    "429-once": "ok",
    "500-once": "ok",
    "hang-once": "ok",
    "cut-once": "ok",
    "stop-once": "ok",
    "drop-once": "ok",
    "noise-once": "ok",
    "json-once": "ok",
    "html-once": "ok",
    "empty-once": "ok",
    "error200-once": "ok",
    "event-once": "ok",
    "abort-once": "ok",
    "429long": "error",
    "500": "error",
    "400": "error",
    "cut": "error",
    "stop": "error",
    "noise": "error",
    "json": "error",
    "html": "error",
    "empty": "error",
    "list": "error",
    "event": "error",
    "abort": "error",
    "301": "error",
    "refusal": "refused",
    "filter": "filtered",
    "filter400": "filtered",
    "SAFETY": "filtered",
    "length": "truncated",
    "max_tokens": "truncated",
}


@pytest.mark.parametrize("stream", [True, False])
def test_every_fault_ends_in_one_status_and_never_in_text(tmp_path: Path, stream: bool) -> None:
    requests = {f"{fault} {i}": question(f"fault={fault} {i}") for fault in FAULTS for i in range(3)}
    requests |= {f"fine {i}": question(f"fine {i}") for i in range(40)}
    started = time.monotonic()
    with Loopback() as server:
        asking = Asking(lambda sha256: IMAGE, QUICK, stream)
        tally, answers, _ = run(tmp_path, server.url, list(requests.values()), 32, asking=asking)
        stats = server.stats()
    assert time.monotonic() - started < 8 + 1.5 + 5  # total_s, one try, and room
    expected = Counter("ok" if name.startswith("fine") else FAULTS[name.split()[0]] for name in requests)
    assert Counter({status: n for (_, status), n in tally.asked.items()}) == expected
    assert tally.stopped is None
    for name, request in requests.items():
        answer, status = answers[request.key], "ok" if name.startswith("fine") else FAULTS[name.split()[0]]
        assert answer.status == status, name
        if status == "ok":
            assert answer.text == f"An answer to: {name if name.startswith('fine') else 'fault=' + name}"
        elif status == "truncated":
            assert answer.text == "It is a long st"
        else:
            assert answer.text is None
            assert answer.detail
    assert stats["fault json"] == 9 + 3  # the same deterministic failure three times, and each -once
    assert stats["fault 400"] == 9
    assert stats["fault 429long"] == 3  # a day of waiting is refused at once
    assert stats["fault 500"] == 3 * 4 + 3
    assert stats["requests"] == sum(a.attempts for a in answers.values())


def test_retry_after_is_honoured(tmp_path: Path) -> None:
    with Loopback() as server:
        started = time.monotonic()
        _, answers, _ = run(tmp_path, server.url, [question("fault=429-once")])
    (answer,) = answers.values()
    assert time.monotonic() - started > 1
    assert (answer.status, answer.attempts) == ("ok", 2)
    assert answer.latency_s < 0.9  # of the try that succeeded


def test_errors_are_asked_again_by_the_next_run_and_final_states_are_not(tmp_path: Path) -> None:
    requests = [question("fault=refusal"), question("fault=400"), *(question(f"q{i}") for i in range(3))]
    with Loopback() as server:
        run(tmp_path, server.url, requests)
        before = server.stats()["requests"]
        run(tmp_path, server.url, requests)
        assert server.stats()["requests"] - before == 3  # the 400, tried three times
    with open_answers(tmp_path) as store:
        store.put(Answer(requests[0].key, "m", "ok", text="something else"))
        assert store.get(requests[0].key).status == "refused"


def test_a_dead_endpoint_stops_the_run(tmp_path: Path) -> None:
    with Loopback() as server:
        tally, _, _ = run(tmp_path, server.url, [question(f"fault=401 {i}") for i in range(500)], 4)
        assert server.stats()["requests"] < 100
    assert "401" in tally.stopped
    policy = RetryPolicy(attempts=2, timeout_s=1, total_s=2, backoff_s=0.01)
    closed = Asking(lambda sha256: IMAGE, policy)
    tally, _, _ = run(tmp_path, "http://127.0.0.1:9/v1", [question(f"x{i}") for i in range(99)], 4, asking=closed)
    assert "no connection" in tally.stopped


def test_refused_requests_block_nothing_behind_them(tmp_path: Path) -> None:
    """25 pictures too large at the head of a store ended each run after ten errors, at the same place."""
    requests = [question(f"fault=400 {i}") for i in range(25)] + [question(f"q{i}") for i in range(15)]
    with Loopback() as server:
        tally, _, _ = run(tmp_path, server.url, requests)
    assert tally.stopped is None
    assert tally.asked == {("m", "error"): 25, ("m", "ok"): 15}


def test_a_dead_endpoint_does_not_stop_the_others(tmp_path: Path) -> None:
    """One model that was down ended the run of all."""
    asked = {
        "dead": [question(f"fault=403 {i}", model="dead") for i in range(200)],
        "m": [question(f"q{i}") for i in range(200)],
    }
    with Loopback(latency=0.02) as server, open_answers(tmp_path) as store:
        lanes = [Lane(Endpoint(model, server.url), partial(asked.get, model), 4) for model in asked]
        asking = Asking(lambda sha256: IMAGE, QUICK, stream=True)
        tally = run_requests(lanes, store, Run(asking=asking, budget=Budget(PRICES), output_tokens=10))
    assert tally.asked["m", "ok"] == 200
    assert tally.asked["dead", "error"] < 20
    assert tally.stopped.startswith("dead: 10 requests, 10 errors; the last: HTTP 403")


def test_the_desk_of_a_ray_run_gives_up_one_model_only(tmp_path: Path) -> None:
    with open_answers(tmp_path) as store:
        desk = Desk(store.path, None, Budget(PRICES), Tally())
        refused = [desk.put(Answer(f"r{i}", "m", "error"), 0, True) for i in range(20)]
        failed = [desk.put(Answer(f"f{i}", "dead", "error"), 0) for i in range(10)]
        assert refused == [True] * 20
        assert failed == [True] * 9 + [False]
        assert desk.missing("dead", ["new"]) == set()
        assert desk.missing("m", ["new"]) == {"new"}
        desk.stop("reached --max-cost 1")
        assert desk.missing("m", ["new"]) == set()


def test_the_bar_shows_dollars_only_where_there_is_a_price(monkeypatch: pytest.MonkeyPatch) -> None:
    """A model without a price was shown to cost $0.0000."""
    screen = io.StringIO()
    monkeypatch.setattr(screen, "isatty", lambda: True)
    monkeypatch.setattr("sys.stderr", screen)
    for estimate in (0.0, 0.5):
        tally = Tally(Counter({("m", "ok"): 2}), pending=2, estimate_usd=estimate)
        with progress_bar(tally, Budget(PRICES)) as show:
            show()
        assert ("$0.0000" in screen.getvalue()) == (estimate > 0)


def test_cap_is_passed_by_no_more_than_the_calls_in_flight(tmp_path: Path) -> None:
    requests = [question(f"q{i}") for i in range(300)]
    with Loopback(latency=0.02) as server:
        tally, answers, budget = run(tmp_path, server.url, requests, 8, budget=Budget(PRICES, 0.01))
        delivered = server.stats()["delivered"]
    per_call = 200e-6
    assert 0.01 <= budget.spent_usd <= 0.01 + 8 * per_call + 1e-12
    assert delivered == sum(a is not None for a in answers.values()) == round(budget.spent_usd / per_call)
    assert "--max-cost" in tally.stopped
    with pytest.raises(InputError, match="'m' has no price"):
        Budget(Prices("2026-11-24", {}), 1.0).require(["m"])


@pytest.mark.parametrize("concurrency", [1, 4])
def test_no_retry_starts_once_the_cap_is_reached(tmp_path: Path, concurrency: int) -> None:
    """Failing calls that are billed were tried again past the cap: 38 calls where 8 were in flight."""
    requests = [question(f"fault=cut {i}") for i in range(20)]
    with Loopback(latency=0.05) as server:
        tally, answers, budget = run(tmp_path, server.url, requests, concurrency, budget=Budget(PRICES, 1e-9))
        assert server.stats()["requests"] == budget.estimated == concurrency
        assert "--max-cost" in tally.stopped
        assert [a.status for a in answers.values() if a] == ["error"] * concurrency
        run(tmp_path, server.url, requests, 20)
        assert server.stats()["requests"] == concurrency + 20 * QUICK.attempts  # those cut by the cap too


def test_calls_without_usage_are_charged_by_estimate(tmp_path: Path) -> None:
    with Loopback() as server:
        _, answers, budget = run(tmp_path, server.url, [question(f"fault=cut {i}") for i in range(4)])
    assert budget.estimated == 4 * QUICK.attempts
    assert budget.spent_usd == pytest.approx(sum(a.cost_usd for a in answers.values()))
    assert budget.spent_usd > 0


def test_no_key_is_stored_even_where_the_endpoint_echoes_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = "sk-test-0123456789abcdef"
    monkeypatch.setenv("SOME_KEY", secret)
    with Loopback() as server:
        endpoint = parse_endpoint(f"m@{server.url}", {"m": "SOME_KEY"})
        _, answers, _ = run(tmp_path, server.url, [question("fault=400"), question("q")], endpoint=endpoint)
    details = [a.detail for a in answers.values() if a.detail]
    assert details == ["HTTP 400: bad request with Bearer [key]"]
    assert all(secret.encode() not in path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert secret not in repr(endpoint)


def test_an_echoed_key_is_found_in_every_string_before_any_is_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A proxy that names its caller as the model brought the key into the database and from there into source.json;
    a detail cut to length in the middle of a key kept the half that no longer matched."""
    secret = "sk-test-0123456789abcdef"
    monkeypatch.setenv("SOME_KEY", secret)
    requests = [question("fault=echo"), question("fault=echolong")]
    with Loopback() as server:
        endpoint = parse_endpoint(f"m@{server.url}", {"m": "SOME_KEY"})
        _, answers, _ = run(tmp_path, server.url, requests, endpoint=endpoint)
    echo, long = (answers[request.key] for request in requests)
    assert echo.text == "bad request with Bearer [key]"
    assert echo.served_model == "bad request with Bearer [key]-2026-11-01"
    assert long.detail.endswith("yyybad request with Bearer [key]")
    assert all(secret[:8].encode() not in path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())


@pytest.mark.parametrize("key", ["EMPTY", "boxes"])
def test_a_short_key_takes_no_word_out_of_an_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    """With the placeholder key EMPTY, as vLLM documents it, "The box is EMPTY" was stored as "The box is [key]"."""
    monkeypatch.setenv("SOME_KEY", key)
    request = question("Are the boxes EMPTY?")
    with Loopback() as server:
        endpoint = parse_endpoint(f"m@{server.url}", {"m": "SOME_KEY"})
        _, answers, _ = run(tmp_path, server.url, [request, question("fault=400")], endpoint=endpoint)
    assert answers.pop(request.key).text == "An answer to: Are the boxes EMPTY?"
    (refused,) = answers.values()
    assert refused.detail == f"HTTP 400: bad request with Bearer {'EMPTY' if key == 'EMPTY' else '[key]'}"


def test_what_the_environment_holds_for_openai_goes_nowhere_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Organization and project ids went to every endpoint with the default headers of the SDK."""
    monkeypatch.setenv("OPENAI_ORG_ID", "org-secret")
    monkeypatch.setenv("OPENAI_PROJECT_ID", "proj-secret")
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", "X-Own: secret")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    with Loopback() as server:
        run(tmp_path, server.url, [question("q")])
        assert server.stats()["headers for OpenAI"] == 0

    async def headers_for(url: str) -> dict[str, str]:
        async with opened(parse_endpoint(f"gpt@{url}", {}), 1) as client:
            return dict(client.session.headers)

    sent = asyncio.run(headers_for("https://api.openai.com/v1"))
    assert (sent["OpenAI-Organization"], sent["OpenAI-Project"]) == ("org-secret", "proj-secret")
    assert "secret" not in str(asyncio.run(headers_for("https://api.openai.com.example/v1")))


def test_a_redirect_is_a_failure_that_names_the_place(tmp_path: Path) -> None:
    """A 301 turned the POST into a GET, and loops ran for twenty hops."""
    with Loopback() as server:
        _, answers, _ = run(tmp_path, server.url, [question("fault=301")])
    (answer,) = answers.values()
    assert answer.detail == "HTTP 301: redirected to http://127.0.0.1:9/v2/chat, which is not followed"


def test_calls_go_through_the_proxy_of_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With NO_PROXY, the host is asked itself; a .netrc entry for it takes the place of no key, and stops no call."""
    (tmp_path / "netrc").write_text("default login someone password netrc-secret\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with Loopback() as server:
        for variable in ("HTTP_PROXY", "all_proxy"):
            monkeypatch.setenv(variable, server.url.removesuffix("/v1"))
            tally, _, _ = run(tmp_path / variable, "http://nowhere.invalid/v1", [question("q")])
            assert tally.asked == {("m", "ok"): 1}
            monkeypatch.setenv(variable, "http://127.0.0.1:9")
            tally, _, _ = run(tmp_path / f"no-{variable}", server.url, [question("q")])
            assert tally.asked == {("m", "ok"): 1}
            monkeypatch.delenv(variable)


def test_a_proxy_that_refuses_us_does_not_show_its_password(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A 407 to CONNECT was stored with the URL of the proxy, user and password in it."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def refuse() -> None:
            for _ in range(QUICK.attempts):
                connection, _ = listener.accept()
                with connection:
                    connection.recv(65536)
                    connection.sendall(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")

        threading.Thread(target=refuse, daemon=True).start()
        monkeypatch.setenv("HTTPS_PROXY", f"http://bob:pass@127.0.0.1:{listener.getsockname()[1]}")
        _, answers, _ = run(tmp_path, "https://nowhere.invalid/v1", [question("q")])
    assert [a.detail for a in answers.values()] == ["no connection: HTTP 407: Proxy Authentication Required"]


def test_an_error_shows_neither_userinfo_nor_an_escaped_key() -> None:
    """A body that is no JSON is stored as it came: with the key as JSON or a URL writes it."""
    key = "sk/test+0123456789=&abcdef"
    for form in (key, key.replace("/", "\\/"), quote(key, safe=""), quote(key).lower(), key.replace("&", "\\u0026")):
        assert _without_key(f"not {form}!", key) == "not [key]!"
    assert (
        _USERINFO.sub("", "url='http://bob:p@ss@host:1/' or https://host/") == "url='http://host:1/' or https://host/"
    )


def test_a_proxy_that_cannot_be_used_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", "socks5://127.0.0.1:9")
    with pytest.raises(InputError, match=r"names a socks5 proxy for nowhere\.invalid"):
        run(tmp_path, "http://nowhere.invalid/v1", [question("q")])


def test_nothing_that_an_endpoint_says_can_fail_to_be_stored(tmp_path: Path) -> None:
    """A lone surrogate in an answer ended the run with UnicodeEncodeError, this one and every one after it."""
    with Loopback() as server:
        tally, answers, _ = run(tmp_path, server.url, [question("fault=surrogate"), question("q")])
    assert tally.asked == {("m", "ok"): 2}
    odd = next(a for a in answers.values() if a.text.startswith("half"))
    assert (odd.text, odd.served_model) == ("half \ufffd of a pair, and \ufffd", "m\ufffd-2026-11-01")


def test_what_failures_cost_stays_in_the_total(tmp_path: Path) -> None:
    """The answer of a later run overwrote the row of an error, and with it what the error had cost."""
    with open_answers(tmp_path) as store:
        for cost in (0.25, None, 0.5):
            store.put(Answer("k", "m", "error", cost_usd=cost))
        store.put(Answer("k", "m", "ok", text="then", cost_usd=1.0))
        assert (store.spent_usd(), store.get("k").cost_usd) == (1.75, 1.75)
        store.put(Answer("free", "m", "error"))
        assert store.get("free").cost_usd is None


@pytest.mark.parametrize("name", ["model", "messages", "n", "stream", "stream_options"])
def test_a_parameter_cannot_ask_another_question(name: str) -> None:
    """`model` in judge.toml asked another model under the name of the judge."""
    with pytest.raises(InputError, match=f"{name} cannot be set"):
        make_request("m", [], {name: 1}, "v1")
    with pytest.raises(InputError, match="no JSON"):
        make_request("m", [], {"temperature": float("nan")}, "v1")


class Counter8Joules:
    """A meter that reads 8 joules a call and notices calls that overlap or were never stopped."""

    basis = "test"

    def __init__(self) -> None:
        self.running = False

    def start(self) -> None:
        assert not self.running
        self.running = True

    def stop(self) -> float:
        assert self.running
        self.running = False
        return 8.0


def test_energy_is_that_of_the_try_that_succeeded(tmp_path: Path) -> None:
    asking = Asking(lambda sha256: IMAGE, QUICK, stream=True, meter=Counter8Joules())
    with Loopback() as server:
        requests = [question("fault=500-once"), question("q"), question("fault=400")]
        _, answers, _ = run(tmp_path, server.url, requests, 1, asking=asking)
    assert [(answers[r.key].energy_j, answers[r.key].energy_basis) for r in requests] == [
        (8.0, "test"),
        (8.0, "test"),
        (None, None),
    ]


def test_nvml_reads_the_difference_of_millijoule_counters(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys
    from types import SimpleNamespace

    from rsd_bench.generate.energy import NvmlMeter

    counters = iter([1_000, 5_000, 2_000, 6_000, 2_500, 7_250])  # two GPUs, three readings
    nvml = SimpleNamespace(
        NVMLError=RuntimeError,
        nvmlInit=lambda: None,
        nvmlDeviceGetCount=lambda: 2,
        nvmlDeviceGetHandleByIndex=lambda i: i,
        nvmlDeviceGetTotalEnergyConsumption=lambda device: next(counters),
    )
    monkeypatch.setitem(sys.modules, "pynvml", nvml)
    meter = NvmlMeter()
    meter.start()
    assert meter.stop() == pytest.approx(1.75)


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


def test_price_file_faults_are_all_listed(tmp_path: Path) -> None:
    path = tmp_path / "prices.toml"
    path.write_text("[models.a]\ninput = -1\noutput = 2\n[models.b]\ninput = 1\n[models.c]\ninput = 1\noutput = true\n")
    with pytest.raises(InputError) as error:
        load_prices(path)
    assert len(error.value.problems) == 4
    assert load_prices().day == "2024-10-01"


def test_store_is_for_one_process_at_a_time_and_damage_is_named(tmp_path: Path) -> None:
    with open_answers(tmp_path), pytest.raises(InputError, match="in use"), open_answers(tmp_path):
        pass
    (tmp_path / "requests.sqlite").write_bytes(b"not a database, but long enough to look at" * 100)
    with pytest.raises(InputError, match=r"requests\.sqlite"), open_answers(tmp_path):
        pass


def test_database_is_wal_with_one_row_a_key(tmp_path: Path) -> None:
    with open_answers(tmp_path) as store:
        store.put(Answer("k", "m", "error", detail="first"))
        store.put(Answer("k", "m", "ok", text="then"))
        store.put(Answer("k", "m", "error", detail="late"))
    connection = sqlite3.connect(tmp_path / "requests.sqlite")
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert connection.execute("SELECT key, status, text FROM answers").fetchall() == [("k", "ok", "then")]
    connection.close()


def batch_line(key: str, body: object, status: int = 200, error: object = None) -> str:
    response = None if error else {"status_code": status, "body": body}
    return json.dumps({"id": "x", "custom_id": key, "response": response, "error": error})


def completion(text: str, finish: str = "stop") -> dict:
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": finish}
    usage = {"prompt_tokens": 100, "completion_tokens": 10}
    return {"model": "m-1", "choices": [choice], "usage": usage}


def test_batch_files_go_out_and_come_in_under_the_same_keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rsd_bench.endpoints.batch_files.MAX_REQUESTS", 4)
    requests = [question(f"q{i}") for i in range(9)]
    budget = Budget(PRICES)
    with open_answers(tmp_path) as store:
        store.put(Answer(requests[0].key, "m", "ok", text="known"))
        files = write_batch([*requests, requests[1]], store, lambda sha256: IMAGE, tmp_path / "b.jsonl")
        assert [(p.name, n) for p, n in files] == [("b.jsonl", 4), ("b-2.jsonl", 4)]
        lines = [json.loads(line) for path, _ in files for line in path.open()]
        assert [line["custom_id"] for line in lines] == [r.key for r in requests[1:]]
        assert all(line["url"] == "/v1/chat/completions" and "stream" not in line["body"] for line in lines)
        assert all(line["body"]["messages"][0]["content"][0]["image_url"]["url"].startswith("data:") for line in lines)
        out = tmp_path / "out.jsonl"
        keys = [r.key for r in requests]
        out.write_text(
            "\n".join(
                [
                    batch_line(keys[1], completion("one")),
                    batch_line(keys[2], completion("cut off", "length")),
                    batch_line(keys[3], {"error": {"message": "boom"}}, status=500),
                    batch_line(keys[4], None, error={"code": "expired", "message": "too late"}),
                    batch_line(keys[5], completion("")),
                    batch_line("f" * 64, completion("of another run")),
                ]
            )
        )
        counts = read_batch([out], requests, store, budget)
        assert counts == {"ok": 1, "truncated": 1, "error": 3, "unknown": 1}
        assert store.get(keys[1]) == replace(
            Answer(keys[1], "m", "ok", "one", None, "m-1", 100, 10), cost_usd=pytest.approx(100e-6)
        )
        assert store.get(keys[3]).text is None
        out.write_text(batch_line(keys[6], completion("six")) + '\n{"custom_id": 3}\nnonsense\n')
        with pytest.raises(InputError) as error:
            read_batch([out], requests, store, budget)
        assert [p.where for p in error.value.problems] == [f"{out}:2", f"{out}:3"]
        assert store.get(keys[6]) is None


def test_a_batch_file_is_counted_once(tmp_path: Path) -> None:
    """Reading a file again, or a line that stands twice, was reported and paid for again."""
    requests, budget = [question(f"q{i}") for i in range(4)], Budget(PRICES)
    keys, out = [r.key for r in requests], tmp_path / "out.jsonl"
    with open_answers(tmp_path) as store:
        lines = [batch_line(keys[0], completion("one")), batch_line(keys[1], completion("half \ud800"))]
        lines += [batch_line(keys[0], completion("another")), batch_line(keys[2], {}, status=500)]
        out.write_text("\n".join(lines))
        assert read_batch([out, out], requests, store, budget) == {"ok": 2, "error": 1}
        assert read_batch([out], requests, store, budget) == {}
        assert [store.get(key).text for key in keys[:2]] == ["one", "half \ufffd"]
        assert budget.spent_usd == store.spent_usd() == pytest.approx(2 * 100e-6)
        out.write_text(batch_line(keys[2], completion("")))  # billed, although it says nothing
        for _ in range(2):
            read_batch([out], requests, store, budget)
            assert budget.spent_usd == store.spent_usd() == pytest.approx(3 * 100e-6)
        other = completion("of another model") | {"model": "other"}
        out.write_text(batch_line(keys[3], other))
        assert read_batch([out], requests, store, budget) == {"error": 1}
        assert store.get(keys[3]).detail == "batch: answered by other"
