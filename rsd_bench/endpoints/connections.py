"""Connections on which an answer belongs to the question before it.

HTTP/1.1 pairs answers with questions by their order alone. An endpoint that sends an answer which nobody asked for
shifts all that follow on its connection by one: each question gets the answer of the one before, in silence.

Contract: a connection carries the next question only where its last answer was taken whole and nothing is unread on it.
An answer whose id was seen before is none, unless the endpoint repeats ids by itself; nor is one that begins before the
question was sent whole. An endpoint that was seen to speak unasked gets a new connection for each question after that;
so that it is seen in time, connections rest a moment before they are used again, until it kept silent often.
What no client of HTTP/1.1 can tell: an answer nobody asked for, with an id of its own, that comes while the next
question waits for its answer.
"""

from __future__ import annotations

import asyncio
import selectors
from typing import Any
from weakref import WeakKeyDictionary, WeakSet

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.client_reqrep import ClientRequest
from aiohttp.connector import Connection
from aiohttp.tracing import Trace

_IDS_KEPT = 10_000  # an answer that comes again comes soon
_REST_S = 0.1
_RESTS = 20  # after which an endpoint that kept silent is trusted to


class Question(aiohttp.BytesPayload):
    """The body of a request. `sent`: whether any of it may have left this machine."""

    sent = False

    async def write_with_length(self, writer: Any, content_length: int | None) -> None:
        self.sent = True
        await super().write_with_length(writer, content_length)


class CarriedResponse(aiohttp.ClientResponse):
    """A response that knows its connection. `early`: it began before the question was sent whole."""

    carrier: ResponseHandler
    early = False

    async def start(self, connection: Connection) -> CarriedResponse:
        transport = connection.transport
        if connection.protocol is not None:
            self.carrier = connection.protocol
        await super().start(connection)
        self.early = transport is not None and transport.get_write_buffer_size() > 0
        return self


class SoundConnector(aiohttp.TCPConnector):
    """The connections to one endpoint. `accept` says of each answer whether it is one; `connect` trusts no other."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self._asked: WeakKeyDictionary[ResponseHandler, int] = WeakKeyDictionary()  # questions carried so far
        self._sound: WeakSet[ResponseHandler] = WeakSet()  # the last answer was accepted
        self._ids: dict[str, None] = {}  # of answers, the latest last
        self._spoke_unasked = False
        self._id_came_again = False
        self._repeats_ids = False
        self._kept_silent = 0

    async def rest(self) -> None:
        """To be awaited before the clock of a call starts: time in which an endpoint may be seen to speak unasked."""
        if self._sound and self._may_reuse and self._kept_silent < _RESTS:
            await asyncio.sleep(_REST_S)

    async def connect(self, req: ClientRequest, traces: list[Trace], timeout: aiohttp.ClientTimeout) -> Connection:
        """A connection on which nothing waits to be read."""
        while True:
            connection = await super().connect(req, traces, timeout)
            protocol = connection.protocol
            if protocol is None:
                return connection
            new = protocol not in self._asked
            if protocol.should_close:  # it holds bytes that nobody asked for
                self._spoke_unasked = True
            elif new or (protocol in self._sound and self._may_reuse and not _is_readable(protocol)):
                self._kept_silent += not new
                self._asked[protocol] = self._asked.get(protocol, 0) + 1
                self._sound.discard(protocol)
                return connection
            connection.close()
            if new:
                raise aiohttp.ClientConnectionError("the endpoint spoke before it was asked")

    @property
    def _may_reuse(self) -> bool:
        return not self._spoke_unasked and (self._repeats_ids or not self._id_came_again)

    def accept(self, carrier: ResponseHandler, answer_id: str | None) -> bool:
        """Whether a whole answer is one to the question that `carrier` took, which then may take the next one."""
        if answer_id and answer_id in self._ids:
            if self._asked[carrier] == 1:  # nothing can be left over here: the endpoint gives one id to many
                self._repeats_ids = True
            elif not self._repeats_ids:
                self._id_came_again = True
                return False
        elif answer_id:
            self._ids[answer_id] = None
            if len(self._ids) > _IDS_KEPT:
                del self._ids[next(iter(self._ids))]
        self._sound.add(carrier)
        return True


def _is_readable(protocol: ResponseHandler) -> bool:
    """Whether the kernel holds bytes, or the end, of a connection that the event loop has not read yet."""
    transport = protocol.transport
    socket = transport.get_extra_info("socket") if transport else None
    if socket is None:
        return False
    with selectors.DefaultSelector() as selector:
        selector.register(socket, selectors.EVENT_READ)
        return bool(selector.select(0))
