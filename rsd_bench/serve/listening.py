"""The socket side: uvicorn with bounds that it lacks, so that nobody holds connections by saying nothing.

The head of a request must be whole within `_HEAD_S` seconds and `_HEAD_BYTES` bytes, also the next one on a connection
that is kept alive; uvicorn itself waits for ever for the rest of a line (slowloris). Bodies are bounded by the app. A
client that leaves what it asked for unread for `UNREAD_S` seconds is cut off: until then its answers take memory.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from typing import Any, cast

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from rsd_bench.serve import sending
from rsd_bench.serve.settings import Settings
from rsd_bench.types import InputError

_HEAD_S = 10.0
_HEAD_BYTES = 64 << 10
_READ_BYTES = 1 << 20  # that a client must take of a long answer each UNREAD_S
_KEEP_ALIVE_S = 75
_MAX_CONNECTIONS = 16_384
_GRACE_S = 30  # for answers under way when the server is told to stop


class BoundedProtocol(HttpToolsProtocol):
    """A connection whose heads come in time or not at all."""

    _late: asyncio.TimerHandle | None = None
    _unread: asyncio.TimerHandle | None = None
    _head = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(cast("asyncio.Transport", transport))
        if len(self.connections) > _MAX_CONNECTIONS:
            self.transport.abort()
            return
        self._wait_for_head()

    def data_received(self, data: bytes) -> None:
        if self._late is None and (self.cycle is None or self.cycle.response_complete):
            self._wait_for_head()
        if self._late is not None:
            self._head += len(data)
        super().data_received(data)
        if self._late is not None and self._head > _HEAD_BYTES:
            self._end()

    def on_headers_complete(self) -> None:
        self._head_came()
        super().on_headers_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        self._head_came()
        self._reads()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._reads()
        self._wait_for_reading()

    def resume_writing(self) -> None:
        self._reads()
        super().resume_writing()

    def timeout_keep_alive_handler(self) -> None:
        if self.transport.get_write_buffer_size():
            self.transport.abort()  # to close it would be to wait until its answer is read
        super().timeout_keep_alive_handler()

    def _wait_for_reading(self) -> None:
        held = self.transport.get_write_buffer_size()
        self._unread = self.loop.call_later(sending.UNREAD_S, self._look_at_unread, held)

    def _look_at_unread(self, before: int) -> None:
        if self.transport.get_write_buffer_size() > before - _READ_BYTES:
            self.transport.abort()
        else:
            self._wait_for_reading()

    def _reads(self) -> None:
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None

    def _wait_for_head(self) -> None:
        self._head = 0
        self._late = self.loop.call_later(_HEAD_S, self._end)

    def _head_came(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None

    def _end(self) -> None:
        if not self.transport.is_closing():
            self.transport.abort()


def listen(settings: Settings) -> socket.socket:
    """The bound socket of a server; port 0 is one that is free. InputError where it cannot be had."""
    kind = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    found = socket.socket(kind, socket.SOCK_STREAM)
    try:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind((settings.host, settings.port))
        found.listen(4096)
    except OSError as error:
        found.close()
        where, fix = f"--host {settings.host} --port {settings.port}", "name another port"
        raise InputError.at(where, error.strerror or str(error), fix) from None
    return found


def run(app: Any, on: socket.socket) -> None:
    """Serve until told to stop; answers under way are finished, for `_GRACE_S` seconds at most."""
    logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)  # the app tells of its own failures
    config = uvicorn.Config(
        app,
        http=BoundedProtocol,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=True,
        proxy_headers=False,
        timeout_keep_alive=_KEEP_ALIVE_S,
        timeout_graceful_shutdown=_GRACE_S,
    )
    uvicorn.Server(config).run(sockets=[on])
