"""A chat endpoint on 127.0.0.1 that a test scripts byte by byte: what it sends, when, and when it hangs up.

One thread, one event loop, ended with the `with` block. A request is answered by `script(connection, question)`, a
coroutine of the test; whatever it does not do, the server does not do either.
"""

from __future__ import annotations

import asyncio
import json
import re
import socket
import struct
from collections.abc import Awaitable, Callable
from itertools import count
from typing import Any

from loop_server import LoopServer

_ids = count()


def completion(text: str, name: str | None = None, **more: Any) -> bytes:
    """A whole chat completion with an id of its own, or the one given."""
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
    usage = {"prompt_tokens": 100, "completion_tokens": 10}
    body = {"id": name or f"own-{next(_ids)}", "model": "m", "choices": [choice], "usage": usage}
    return json.dumps(body | more).encode()


def http(body: bytes, kind: str = "application/json", length: int | None = None, status: int = 200) -> bytes:
    """A response as it goes over the wire. length: what it claims to have."""
    size = len(body) if length is None else length
    return f"HTTP/1.1 {status} X\r\ncontent-type: {kind}\r\ncontent-length: {size}\r\n\r\n".encode() + body


def chunked(*parts: bytes, end: bool = False, kind: str = "text/event-stream") -> bytes:
    """A response without a length, ended or not."""
    head = f"HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ntransfer-encoding: chunked\r\n\r\n".encode()
    return head + b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts) + (b"0\r\n\r\n" if end else b"")


class Connection:
    """One connection, and how many requests it has carried."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer, self.asked = reader, writer, 0

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    async def reset(self) -> None:
        """End it as a crash does, once what was sent has arrived."""
        await self.writer.drain()
        await asyncio.sleep(0.02)
        self.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    async def close(self) -> None:
        self.writer.close()

    async def hang(self) -> None:
        """Keep it open and say no more."""


Script = Callable[[Connection, str], Awaitable[None]]


class Unruly(LoopServer):
    """The server. whole: requests are read whole before the script runs; else only their head is."""

    def __init__(self, script: Script, whole: bool = True) -> None:
        self._script, self._whole = script, whole
        self.requests = self.connections = 0

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = Connection(reader, writer)
        self.connections += 1
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                size = int(re.search(rb"(?i)content-length: *(\d+)", head)[1])
                self.requests += 1
                connection.asked += 1
                question = await read_question(reader, size) if self._whole else str(size)
                await self._script(connection, question)
                await writer.drain()
        except (asyncio.IncompleteReadError, OSError):
            pass
        finally:
            writer.close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"


async def read_question(reader: asyncio.StreamReader, size: int) -> str:
    """The text of the question in a request body."""
    body = json.loads(await reader.readexactly(size))
    return body["messages"][-1]["content"][-1]["text"]
