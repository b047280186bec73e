"""What strangers send: refused in one clear error, and the server lives.

Guards against a proxy that fetches what it is told to (SSRF), lets a header or a body grow without bound, waits for
ever for the rest of a line, tells a key, or lets any web page spend the user's money.
"""

from __future__ import annotations

import base64
import io
import json
import logging
import socket
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

pytest.importorskip("starlette")

from PIL import Image
from serving import FakeTier, Server, endings, serving

from rsd_bench.config import MAX_SERVED_BODY
from rsd_bench.serve import app as app_module
from rsd_bench.serve import listening
from rsd_bench.serve.failures import Refused
from rsd_bench.serve.places import is_public, require_public
from rsd_bench.serve.settings import read_settings
from rsd_bench.types import InputError

EASY = {"model": "rsd", "messages": [{"role": "user", "content": "easy"}]}


@pytest.fixture(scope="module")
def pair() -> Iterator[tuple[FakeTier, FakeTier]]:
    with FakeTier("small") as edge, FakeTier("large") as cloud:
        yield edge, cloud


@pytest.fixture(scope="module")
def server(pair: tuple[FakeTier, FakeTier]) -> Iterator[Server]:
    with serving(*pair) as one:
        yield one


def post(server: Server, body: Any, **headers: str) -> tuple[int, dict[str, Any], Any]:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    request = Request(f"{server.url}/v1/chat/completions", data, {"content-type": "application/json", **named})
    try:
        with urlopen(request, timeout=20) as reply:
            return reply.status, json.load(reply), reply.headers
    except HTTPError as error:
        return error.code, json.load(error), error.headers


def image_message(*urls: Any) -> dict[str, Any]:
    return {"model": "rsd", "messages": [{"role": "user", "content": [
        {"type": "image_url", "image_url": {"url": url}} for url in urls
    ]}]}  # fmt: skip


def uri(data: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(data).decode()}"


def bomb() -> bytes:
    """A PNG of 60 megapixels in a few bytes."""
    size = (10_000).to_bytes(4, "big") + (6_000).to_bytes(4, "big")

    def chunk(kind: bytes, data: bytes) -> bytes:
        return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")

    head = chunk(b"IHDR", size + b"\x08\x00\x00\x00\x00")
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(b"\0" * 1000)) + chunk(b"IEND", b"")


REFUSED = {
    "no JSON": (b"{", 400, "invalid_json"),
    "a list": (b"[]", 400, "invalid_json"),
    "deep": (b'{"model": "rsd", "messages": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", 400, "invalid_json"),
    "deep enough to read": (
        b'{"model":"rsd","messages":[{"role":"user","content":"x"}],"x":' + b"[" * 400 + b"]" * 400 + b"}",
        400,
        "invalid_json",
    ),
    "half a character": (b'{"model": "rsd\\ud800"}', 400, "invalid_json"),
    "no model": ({"messages": EASY["messages"]}, 400, "invalid_model"),
    "no messages": ({"model": "rsd", "messages": []}, 400, "invalid_messages"),
    "messages no objects": ({"model": "rsd", "messages": ["x"]}, 400, "invalid_messages"),
    "a part no object": ({"model": "rsd", "messages": [{"role": "user", "content": ["x"]}]}, 400, "invalid_messages"),
    "content a number": ({"model": "rsd", "messages": [{"role": "user", "content": 7}]}, 400, "invalid_messages"),
    "stream a text": ({**EASY, "stream": "yes"}, 400, "invalid_stream"),
    "options a list": ({**EASY, "stream_options": [1]}, 400, "invalid_stream_options"),
    "10,000 images": (image_message(*["data:,x"] * 10_000), 400, "too_many_images"),
    "an image no text": (image_message({"x": 1}), 400, "invalid_image"),
    "an image no base64": (image_message("data:image/png;base64,%%%"), 400, "invalid_image"),
    "too many pixels": (image_message(uri(bomb())), 413, "image_too_large"),
    "a file": (image_message("file:///etc/passwd"), 400, "invalid_image"),
    "an address within": (image_message("http://169.254.169.254/latest/meta-data"), 400, "private_address"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused_before_anybody_is_asked(pair: tuple[FakeTier, FakeTier], server: Server, name: str) -> None:
    body, status, code = REFUSED[name]
    asked = len(pair[0].seen) + len(pair[1].seen)
    got, error, _ = post(server, body)
    assert (got, error["error"]["code"]) == (status, code) and len(error["error"]["message"]) < 200
    assert len(pair[0].seen) + len(pair[1].seen) == asked
    assert post(server, EASY)[0] == 200


def test_an_oversized_body_is_not_read(server: Server) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as stated:
        stated.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n" % (1 << 40))
        assert b" 413 " in stated.recv(4096)
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as unstated:
        unstated.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n")
        part, sent = b"10000\r\n" + b"x" * 65536 + b"\r\n", 0
        try:
            while sent < 2 * MAX_SERVED_BODY:
                unstated.sendall(part)
                sent += 65536
        except OSError:
            pass
        assert sent < 1.5 * MAX_SERVED_BODY
    assert post(server, EASY)[0] == 200


def test_bytes_that_are_no_image_cost_no_answer(pair: tuple[FakeTier, FakeTier]) -> None:
    """The router cannot read it; perhaps a model can."""

    class Reads:
        scenario = None

        def route(self, image: Any, question: str, scenario: Any = None) -> Any:
            Image.open(io.BytesIO(image[0]))

    with serving(*pair, Reads()) as server:
        status, _, headers = post(server, image_message(uri(b"no image")))
        assert status == 200 and headers["x-rsd-router"] == "failed" and headers["x-rsd-tier"] == "cloud"


INSIDE = [
    "http://127.0.0.1/",
    "http://localhost/",
    "http://LOCALHOST./",
    "http://a.localhost/",
    "http://10.0.0.1/",
    "http://[::1]/",
    "http://192.168.1.1/",
    "http://172.16.0.1/",
    "http://169.254.169.254/",
    "http://0.0.0.0/",
    "http://127.1/",
    "http://2130706433/",
    "http://0x7f000001/",
    "http://0177.0.0.1/",
    "http://[::ffff:127.0.0.1]/",
    "http://[64:ff9b::7f00:1]/",
    "http://[fe80::1%25eth0]/",
    "http://[fd00::1]/",
    "http://100.64.0.1/",
    "http://user:pw@127.0.0.1/",
    "http://metadata.google.internal/",
    "http://[::]/",
    "http://224.0.0.1/",
    "http://[2002:7f00:1::]/",
    "http://255.255.255.255/",
]


@pytest.mark.parametrize("url", INSIDE)
def test_addresses_within_are_refused(url: str) -> None:
    with pytest.raises(Refused, match="private address"):
        require_public(url)


@pytest.mark.parametrize("url", ["ftp://example.org/x", "gopher://x", "//x/y", "http://", "http://x:99999/", "x"])
def test_what_is_no_url_of_an_image(url: str) -> None:
    with pytest.raises(Refused, match="neither"):
        require_public(url)


def test_public_places_pass() -> None:
    for url in ("https://example.org/a.png", "http://93.184.216.34:8080/", "https://[2606:2800:220:1::1]/x"):
        require_public(url)
    assert is_public("8.8.8.8") and not is_public("::ffff:10.0.0.1")


def test_nothing_is_fetched_that_was_not_allowed_or_lies_within(pair: tuple[FakeTier, FakeTier]) -> None:
    """A link is passed on as it is. A host that is allowed and leads here is not connected to."""
    with socket.create_server(("127.0.0.1", 0)) as trap:
        trap.settimeout(0.3)
        port = trap.getsockname()[1]
        here = socket.gethostname()
        for allowed in ((), (here, "localhost", "inside.test")):
            with serving(*pair, fetch_images=allowed) as server, pytest.MonkeyPatch.context() as patch:
                import asyncio

                async def lookup(self: Any, host: str, *_: Any, **__: Any) -> Any:
                    return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]

                patch.setattr(asyncio.BaseEventLoop, "getaddrinfo", lookup)
                link = f"http://inside.test:{port}/x.png"
                status, _, _ = post(server, image_message(link))
                sent = pair[1].seen[-1][0]["messages"][0]["content"][0]["image_url"]["url"]
                assert status == 200 and sent == link
        with pytest.raises(TimeoutError):
            trap.accept()


def test_an_image_of_an_allowed_host_reaches_the_router_and_no_redirect_is_followed(
    pair: tuple[FakeTier, FakeTier], monkeypatch: pytest.MonkeyPatch
) -> None:
    from serving import Fixed

    router, asked = Fixed(), []
    monkeypatch.setattr("rsd_bench.serve.places.is_public", lambda address: True)
    reply = b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\nconnection: close\r\n\r\nabc"
    away = b"HTTP/1.1 302 X\r\nlocation: /elsewhere.png\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"

    import threading

    with socket.create_server(("127.0.0.1", 0)) as host:

        def run() -> None:
            host.settimeout(3)
            for answer in (reply, away, reply):
                try:
                    one, _ = host.accept()
                except TimeoutError:
                    return
                asked.append(one.recv(4096))
                one.sendall(answer)
                one.close()

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        with serving(*pair, router, fetch_images=("images.test",)) as server:
            import asyncio

            async def lookup(self: Any, name: str, *_: Any, **__: Any) -> Any:
                return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 0))]

            monkeypatch.setattr(asyncio.BaseEventLoop, "getaddrinfo", lookup)
            for _ in range(2):
                assert post(server, image_message(f"http://images.test:{host.getsockname()[1]}/a.png"))[0] == 200
        thread.join(5)  # the third would be where the second one redirected to
    assert [image for image, _ in router.asked] == [[b"abc"], None] and len(asked) == 2


def test_headers_cannot_be_injected(server: Server) -> None:
    bad = "x\r\nx-evil: 1"
    for body in ({**EASY, "model": bad}, {**EASY, "model": f"rsd/{bad}"}, {**EASY, "metadata": {"mes": bad}}):
        _, _, headers = post(server, body)
        assert "x-evil" not in headers
    from rsd_bench.serve.sending import _header

    assert _header("a\r\nb: ü\x00") == b"a%0D%0Ab: %C3%BC%00"


def test_slow_heads_and_bodies_end(pair: tuple[FakeTier, FakeTier], monkeypatch: pytest.MonkeyPatch) -> None:
    """Slowloris: a byte now and then, on a new connection, on one that was used, and in a body."""
    monkeypatch.setattr(listening, "_HEAD_S", 0.6)
    monkeypatch.setattr(app_module, "_BODY_S", 0.6)
    whole = json.dumps(EASY).encode()
    good = b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n%s" % (len(whole), whole)
    with serving(*pair) as server:
        for before, slow in (
            (b"", b"POST /v1/chat/completions HTTP/1.1\r\nx: "),
            (good, b"POST /v1/chat/completions HTTP/1.1\r\nx: "),
            (b"", b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: 900\r\n\r\n{"),
        ):
            with socket.create_connection(("127.0.0.1", server.port), timeout=10) as one:
                if before:
                    one.sendall(before)
                    assert b" 200 " in one.recv(65536)
                one.sendall(slow)
                start, ended = time.monotonic(), False
                while not ended and time.monotonic() - start < 5:
                    time.sleep(0.1)
                    try:
                        one.sendall(b"a")
                        one.settimeout(0.01)
                        ended = one.recv(4096) == b"" or b"{" in slow
                    except TimeoutError:
                        continue
                    except OSError:
                        ended = True
                assert ended and time.monotonic() - start < 3
        with socket.create_connection(("127.0.0.1", server.port), timeout=10) as wide, pytest.raises(OSError):
            for _ in range(200):
                wide.sendall(b"GET / HTTP/1.1\r\n" if _ == 0 else b"x-%d: " % _ + b"y" * 4000 + b"\r\n")
                time.sleep(0.001)
        assert post(server, EASY)[0] == 200


def test_a_key_of_clients(pair: tuple[FakeTier, FakeTier], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_KEY", "client-key")
    with serving(*pair, api_key_env="MY_KEY") as server:
        assert post(server, EASY)[0] == 401
        assert post(server, EASY, authorization="Bearer client-kez")[0] == 401
        assert post(server, EASY, authorization="Bearer client-key")[0] == 200
        for path, status in (("/v1/models", 401), ("/metrics", 401), ("/healthz", 200), ("/readyz", 200)):
            try:
                assert urlopen(f"{server.url}{path}", timeout=5).status == status
            except HTTPError as error:
                assert error.code == status, path
    assert "client-key" not in str(pair[0].seen) + str(pair[1].seen)


def test_a_page_of_a_web_site_cannot_ask(server: Server) -> None:
    status, error, headers = post(server, EASY, origin="https://evil.example")
    assert status == 403 and error["error"]["code"] == "origin" and "access-control-allow-origin" not in headers


def test_others_on_the_network_need_a_key() -> None:
    given = {"edge": "a@http://x/v1", "cloud": "b@http://y/v1", "router": ("r",)}
    with pytest.raises(InputError, match="--api-key-env"):
        read_settings(None, given | {"host": "0.0.0.0"})
    assert read_settings(None, given).host == "127.0.0.1"
    assert read_settings(None, given | {"host": "::1"}).host == "::1"


def test_nothing_of_a_request_is_logged(
    pair: tuple[FakeTier, FakeTier], caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    with serving(*pair) as server:
        post(server, {"model": "rsd", "messages": [{"role": "user", "content": "easy marzipan"}]})
        post(server, b'{"marzipan')
        post(server, EASY, authorization="Bearer marzipan")
        assert endings(server) == {"answered": 2, "refused": 1}
    assert "marzipan" not in caplog.text + "".join(capfd.readouterr())


def test_a_config_file_says_what_is_wrong(tmp_path: Path) -> None:
    config = tmp_path / "serve.toml"
    config.write_text('edge = 7\nport = "x"\nedg = "y"\ntimeout = -1\n')
    with pytest.raises(InputError) as caught:
        read_settings(config, {})
    said = str(caught.value)
    for what in ("edge is '7' -> give a text", "port is 'x' -> give a whole number", "key 'edg' is unknown"):
        assert what in said
    config.write_text('edge = "a@http://x/v1"\ncloud = "b@http://y/v1"\nrouter = ["r"]\nport = 9000\ntimeout = 5\n')
    settings = read_settings(config, {"port": 9001, "edge": None})
    assert (settings.port, settings.timeout, settings.edge) == (9001, 5.0, "a@http://x/v1")
