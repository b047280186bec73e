"""Two models on 127.0.0.1 that do what a test tells them, and a server of this package in front of them.

    with FakeTier("small") as edge, FakeTier("large") as cloud, serving(edge, cloud, router) as server: ...

A FakeTier answers "NAME says: QUESTION", streamed word by word where it was asked so. `tier.behaviour` names another
way: hang, reset, 401, 429, 500, 400-vision, 400-long, 301, cut, malformed, error-event, slow-first, html, error200,
empty, paused (a first token, then silence), slow (an answer after `delay`).
"""

from __future__ import annotations

import asyncio
import itertools
import json
import re
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import uvicorn
from loop_server import LoopServer

from rsd_bench.serve.app import make_app
from rsd_bench.serve.deciding import Router, loaded
from rsd_bench.serve.listening import BoundedProtocol, listen
from rsd_bench.serve.settings import read_settings
from rsd_bench.types import Scenario

FAST = Scenario(name="fast_response", mes=6, alpha=0.4, beta=0.2, gamma=0.4)
_ids = itertools.count()


class Fixed:
    """A router that sends a question to the edge where it holds "easy", and notes what it was asked."""

    def __init__(self, scenario: Scenario | None = FAST) -> None:
        self.scenario, self.asked = scenario, []
        self.fail: Callable[[], None] = lambda: None

    def route(self, image: Any, question: str) -> Any:
        self.asked.append((image, question))
        self.fail()
        p = 0.9 if "easy" in question else 0.1
        return SimpleNamespace(model="edge" if p > 0.5 else "cloud", p_edge=p, tau=0.5, expected_gain=p - 0.5)


Say = Callable[[dict[str, Any], asyncio.StreamWriter], Any]


class FakeTier(LoopServer):
    """An OpenAI-compatible endpoint of one model. `seen`: bodies and headers; `cancelled`: callers that went away."""

    _backlog = 2048

    say: Say | None = None  # what a test writes instead of an answer

    def __init__(self, model: str, behaviour: str = "ok", delay: float = 0.0) -> None:
        self.model, self.behaviour, self.delay = model, behaviour, delay
        self.seen: list[tuple[dict[str, Any], str]] = []
        self.cancelled = self.open = self.most_open = 0

    @property
    def flag(self) -> str:
        return f"{self.model}@http://127.0.0.1:{self.port}/v1"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := (await reader.readuntil(b"\r\n\r\n")).decode("latin-1"):
                if head.startswith("GET "):  # its models
                    status = "500 X" if self.behaviour != "ok" else "200 OK"
                    writer.write(f"HTTP/1.1 {status}\r\ncontent-length: 2\r\n\r\n{{}}".encode())
                    continue
                size = int(re.search(r"(?i)content-length: *(\d+)", head)[1])
                body = json.loads(await reader.readexactly(size))
                self.seen.append((body, head))
                self.open += 1
                self.most_open = max(self.most_open, self.open)
                gone = asyncio.ensure_future(reader.read(1))
                work = asyncio.ensure_future(self._respond(body, writer))
                await asyncio.wait((gone, work), return_when=asyncio.FIRST_COMPLETED)
                self.open -= 1
                if not work.done():
                    self.cancelled += 1
                    work.cancel()
                    return
                gone.cancel()
                await asyncio.wait((gone,))
                if work.result() is False:
                    return
        except (asyncio.IncompleteReadError, OSError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    async def _respond(self, body: dict[str, Any], writer: asyncio.StreamWriter) -> bool | None:
        do, stream = self.behaviour, bool(body.get("stream"))
        if self.say is not None:
            await self.say(body, writer)
            await writer.drain()
            return None
        content = body["messages"][-1]["content"]
        text = content if isinstance(content, str) else " ".join(p["text"] for p in content if "text" in p)
        words = [f"{self.model} ", "says: ", text]
        if self.delay:
            await asyncio.sleep(self.delay)
        if do in ("hang",) or (do == "slow-first" and not stream):
            await asyncio.sleep(600)
        if do == "reset":
            sock = writer.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()
            return False
        if refusal := _refusal(do, self.key_of()):
            writer.write(refusal)
            await writer.drain()
            return None
        base = {"id": f"chatcmpl-{self.model}-{next(_ids)}", "object": "chat.completion", "created": 1}
        base["model"] = f"{self.model}-2026"
        usage = {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110}
        if not stream:
            message = {"role": "assistant", "content": "".join(words)}
            choices = [{"index": 0, "message": message, "finish_reason": "stop"}]
            whole = json.dumps({**base, "choices": choices, "usage": usage}).encode()
            if do in ("cut", "malformed", "paused", "error-event"):
                writer.write(
                    b"HTTP/1.1 200 X\r\ncontent-type: application/json\r\ncontent-length: 900\r\n\r\n" + whole[:40]
                )
                await writer.drain()
                return False
            writer.write(_http(200, whole))
            await writer.drain()
            return None
        return await self._stream(do, body, {**base, "object": "chat.completion.chunk"}, words, usage, writer)

    def key_of(self) -> str:
        found = re.search(r"(?i)\r\nauthorization: *([^\r]*)", self.seen[-1][1])
        return found[1] if found else "no key"

    async def _stream(self, do: str, body: Any, base: Any, words: Any, usage: Any, writer: Any) -> bool | None:
        head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
        writer.write(head)

        async def event(data: bytes) -> None:
            writer.write(b"%x\r\n%s\r\n" % (len(data) + 8, b"data: " + data + b"\n\n"))
            await writer.drain()

        async def chunk(choices: Any, **more: Any) -> None:
            await event(json.dumps({**base, "choices": choices, **more}).encode())

        await chunk([{"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": None}])
        if do == "slow-first":
            await asyncio.sleep(600)
        if do == "empty":
            writer.write(b"0\r\n\r\n")
            return None
        for n, word in enumerate(words):
            if n == 1 and do in ("cut", "malformed", "error-event"):
                await asyncio.sleep(0.1)  # so that what comes next does not come with the first token
            if n == 1 and do == "cut":
                writer.close()
                return False
            if n == 1 and do == "paused":
                await asyncio.sleep(600)
            if n == 1 and do == "malformed":
                await event(b'{"choices": [{"del')
            if n == 1 and do == "error-event":
                await event(b'{"error": {"message": "overloaded"}}')
            await chunk([{"index": 0, "delta": {"content": word}, "finish_reason": None}])
        await chunk([{"index": 0, "delta": {}, "finish_reason": "stop"}])
        if (body.get("stream_options") or {}).get("include_usage"):
            await chunk([], usage=usage)
        await event(b"[DONE]")
        writer.write(b"0\r\n\r\n")
        await writer.drain()
        return None


def _http(status: int, body: bytes, kind: str = "application/json", *more: str) -> bytes:
    lines = [f"HTTP/1.1 {status} X", f"content-type: {kind}", f"content-length: {len(body)}", *more, "", ""]
    return "\r\n".join(lines).encode() + body


def _refusal(do: str, key: str) -> bytes | None:
    if do == "301":
        return _http(301, b"", "text/plain", "location: http://127.0.0.1:9/elsewhere")
    if do == "400-vision":
        return _http(400, b'{"error": {"message": "this model does not support image input"}}')
    if do == "400-long":
        return _http(400, b'{"error": {"message": "This model\'s maximum context length is 100 tokens"}}')
    if do == "429":
        return _http(429, b'{"error": {"message": "slow down"}}', "application/json", "retry-after: 7")
    if do.isdigit():
        return _http(int(do), json.dumps({"error": {"message": f"refused {key}"}}).encode())
    if do == "html":
        return _http(200, b"<html>502 Bad Gateway</html>", "text/html")
    if do == "error200":
        return _http(200, b'{"error": {"message": "overloaded"}}')
    return None


@dataclass
class Server:
    """A running server."""

    port: int
    app: Any

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def service(self) -> Any:
        return self.app.state.service


@contextmanager
def serving(
    edge: FakeTier, cloud: FakeTier, *routers: Router, config: Any = None, grace_s: float | None = None, **given: Any
) -> Iterator[Server]:
    """A server on a port that is free, on a thread of this process. grace_s: for what is under way at its end."""
    held = {"edge": edge.flag, "cloud": cloud.flag, "port": 0, "router": ("stub",)} | given
    settings = read_settings(config, held)
    app = make_app(settings, [loaded(router) for router in routers or (Fixed(),)])
    with listen(settings) as on:
        server = uvicorn.Server(
            uvicorn.Config(
                app,
                http=BoundedProtocol,
                ws="none",
                lifespan="on",
                log_config=None,
                access_log=False,
                timeout_graceful_shutdown=grace_s,
            )
        )
        server.install_signal_handlers = lambda: None
        thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[on])), daemon=True)
        thread.start()
        end = time.monotonic() + 20
        while not server.started and thread.is_alive() and time.monotonic() < end:
            time.sleep(0.01)
        assert server.started
        try:
            yield Server(on.getsockname()[1], app)
        finally:
            server.should_exit = True
            thread.join(20)
            assert not thread.is_alive()


def figures(server: Server) -> dict[str, float]:
    """What /metrics says, by name and labels."""
    from urllib.request import urlopen

    with urlopen(f"{server.url}/metrics", timeout=10) as reply:
        lines = reply.read().decode().splitlines()
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines if line[:1] != "#")}


def endings(server: Server) -> dict[str, int]:
    """Requests by ending, of all tiers."""
    found: dict[str, int] = {}
    for name, value in figures(server).items():
        if match := re.match(r'rsd_requests_total\{outcome="(\w+)"', name):
            found[match[1]] = found.get(match[1], 0) + int(value)
    return found
