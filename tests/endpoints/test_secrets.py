"""Keys, proxies and redirects: what goes where, and what of it reaches a file or a log.

Guards against keys of endpoints on disk, ids of OpenAI's customers sent to every endpoint, passwords of proxies in
error messages, and calls that go where nobody sent them.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from pathlib import Path
from urllib.parse import quote

import pytest
from asking import QUICK, question, run
from chat_server import Loopback

from rsd_bench.endpoints.calls import parse_endpoint
from rsd_bench.endpoints.chat import opened
from rsd_bench.endpoints.retry import _USERINFO, without_key
from rsd_bench.types import InputError


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
        assert without_key(f"not {form}!", key) == "not [key]!"
    assert (
        _USERINFO.sub("", "url='http://bob:p@ss@host:1/' or https://host/") == "url='http://host:1/' or https://host/"
    )


def test_a_proxy_that_cannot_be_used_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", "socks5://127.0.0.1:9")
    with pytest.raises(InputError, match=r"names a socks5 proxy for nowhere\.invalid"):
        run(tmp_path, "http://nowhere.invalid/v1", [question("q")])
