"""The server as an ASGI app: routes, keys, bounds, and one count for every request.

    POST /v1/chat/completions     the answer of whoever the router chose
    GET  /v1/models               scenarios (rsd/NAME) and the tiers themselves
    GET  /healthz, /readyz        alive; some tier can be asked
    GET  /metrics                 Prometheus

A body is read for `_BODY_S` seconds and MAX_SERVED_BODY bytes at most. A client that goes away cancels its call. A page
of some web site that a browser shows on this machine may not spend the user's money: without a key of clients,
requests that come from a page are refused.
"""

from __future__ import annotations

import asyncio
import gc
import hmac
import logging
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, MutableMapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
from prometheus_client import generate_latest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from rsd_bench.config import MAX_SERVED_BODY, SCENARIOS
from rsd_bench.endpoints.prices import load_prices
from rsd_bench.serve.answering import Ending, Service
from rsd_bench.serve.asked import read_asked
from rsd_bench.serve.counts import Counts
from rsd_bench.serve.deciding import Decider, Loaded, Routers
from rsd_bench.serve.failures import Refused, UpstreamFailed, error_body, error_event
from rsd_bench.serve.journal import Journal, connect, load_redaction
from rsd_bench.serve.keeping import Keeper
from rsd_bench.serve.places import Fetcher
from rsd_bench.serve.sending import EVENTS, ClientStalled, Send, send_part, send_refusal
from rsd_bench.serve.settings import Settings
from rsd_bench.serve.tiers import Tier
from rsd_bench.serve.upstream import Upstream
from rsd_bench.types import InputError

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Scope = MutableMapping[str, Any]

_BODY_S = 30.0
_LAST_WORDS_S = 1.0  # for a client to hear that the server stops
_READ_AT_ONCE = 256 << 10  # bytes of a body; to read a longer one would hold up everybody
_STOPPED = "graceful shutdown"  # in what uvicorn cancels with, once answers under way have had their time
_CANCELLED = "the client went away"
_log = logging.getLogger("rsd_bench.serve")


def make_app(settings: Settings, routers: Sequence[Loaded]) -> Starlette:
    """The app of a server. InputError where its settings or routers fit no server."""
    opening = Opening(settings, Routers(routers, SCENARIOS, settings.scenario))
    guard = Guard(settings.api_key)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with opening.opened() as service:
            app.state.service = service
            gc.freeze()  # what is loaded by now stays: a pass over it holds up every answer under way for 0.1 s
            try:
                yield
            finally:
                gc.unfreeze()

    return Starlette(
        routes=[
            Route("/v1/chat/completions", Completions(guard), methods=["POST"]),
            Route("/v1/models", guard.only(_models)),
            Route("/metrics", guard.only(_metrics)),
            Route("/healthz", _healthz),
            Route("/readyz", _readyz),
        ],
        exception_handlers={404: _no_such_place, 405: _no_such_place},
        lifespan=lifespan,
    )


class Opening:
    """What a server is made of before it runs: the faults of its settings show here."""

    def __init__(self, settings: Settings, routers: Routers) -> None:
        self._settings, self._routers = settings, routers
        self._endpoints = settings.endpoints()
        for tiers in routers.tiers - {2, len(self._endpoints)}:
            what = f"decides between {tiers} models, and {len(self._endpoints)} are here"
            raise InputError.at("--router", what, "name the models between edge and cloud with --tier, cheapest first")
        self._redact = load_redaction(settings.redact) if settings.redact else None
        if settings.log:
            connect(Path(settings.log)).close()
        self._counts = Counts(load_prices(Path(settings.prices) if settings.prices else None).models)

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[Service]:
        """The service, inside a running event loop."""
        settings, certificates = self._settings, ssl.create_default_context()
        async with AsyncExitStack() as stack:
            tiers: dict[str, Tier] = {}
            for name, endpoint in self._endpoints.items():
                upstream = Upstream(endpoint, certificates)
                stack.push_async_callback(upstream.close)
                first_s = settings.edge_timeout if name == "edge" else settings.timeout
                slots, queue = settings.concurrency, settings.queue
                tiers[name] = Tier(name, endpoint, upstream, first_s=first_s, slots=slots, queue=queue)
            decider = Decider({tier.model: tier.name for tier in tiers.values()}, settings.default_tier)
            stack.callback(decider.close)
            fetcher = Fetcher(settings.fetch_images) if settings.fetch_images else None
            if fetcher:
                stack.push_async_callback(fetcher.close)
            service = Service(tiers, self._routers, decider, self._counts, fetcher, settings.timeout)
            if settings.log:
                keeper = Keeper(self._journal(), self._counts, settings.log_share, settings.shadow)
                stack.push_async_callback(keeper.close)
                service = keeper.service = replace(service, keep=keeper.keep)
            yield service

    def _journal(self) -> Journal:
        dropped, settings = self._counts.logged, self._settings
        return Journal(Path(settings.log), settings.log_max_gb, self._redact, lambda why: dropped.labels(why).inc())


class Guard:
    """Who may ask. key: what clients must present; "" where this server asks for none."""

    def __init__(self, key: str) -> None:
        self._key = key.encode()

    def check(self, headers: Mapping[bytes, bytes]) -> None:
        """Raises Refused."""
        if self._key:
            given = headers.get(b"authorization", b"")
            if not hmac.compare_digest(given, b"Bearer " + self._key):
                raise Refused(401, "the key is missing or not the one of this server", "invalid_api_key")
        elif b"origin" in headers:
            raise Refused(403, "a page of a web site may ask this server with a key only", "origin")

    def only(self, endpoint: Callable[[Request], Response]) -> Callable[[Request], Response]:
        """The endpoint for those that may ask."""

        def guarded(request: Request) -> Response:
            try:
                self.check(dict(request.scope["headers"]))
            except Refused as refused:
                return _refusal(refused)
            return endpoint(request)

        return guarded


class Sent:
    """What a client has been sent of an answer."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.begun = self._streams = self._ended = False

    async def send(self, message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            self.begun, self._streams = True, (b"content-type", EVENTS) in message["headers"]
        else:
            self._ended = not message["more_body"]
        await self._send(message)

    async def end(self, error: UpstreamFailed) -> None:
        """End what has not ended: in an error, or a last event that is one."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_LAST_WORDS_S):
                if not self.begun:
                    await send_refusal(self.send, error)
                elif self._streams and not self._ended:
                    await send_part(self.send, error_event(error.what, error.reason), more=False)


class Completions:
    """POST /v1/chat/completions."""

    def __init__(self, guard: Guard) -> None:
        self._guard = guard

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        service: Service = scope["app"].state.service
        ending, sent = Ending(outcome="cancelled"), Sent(send)
        send = sent.send
        try:
            await self._answer(service, scope, receive, send, ending)
        except Refused as refused:
            ending.outcome = "refused"
            await send_refusal(send, refused)
        except UpstreamFailed as failed:
            ending.outcome = "busy" if failed.status == 429 else "failed"
            await send_refusal(send, failed)
        except ClientStalled:
            ending.outcome = "broken_off"  # nothing can be said to it: the connection ends with this call
        except asyncio.CancelledError as cancelled:
            if _STOPPED in str(cancelled):
                ending.outcome = "broken_off" if sent.begun else "failed"
                await sent.end(UpstreamFailed("stopping", "this server is stopping; ask again", status=503))
            raise
        except Exception:
            _log.exception("a request failed for a reason that nobody foresaw")
            ending.outcome = "failed" if ending.reply is None else "broken_off"
            if ending.reply is None:
                await send_refusal(send, UpstreamFailed("internal", "this server failed", status=500))
        finally:
            service.count(ending)

    async def _answer(self, service: Service, scope: Scope, receive: Receive, send: Send, ending: Ending) -> None:
        headers = dict(scope["headers"])
        self._guard.check(headers)
        body = await _body(receive, headers)
        if body is None:
            return
        at_once = len(body) <= _READ_AT_ONCE
        asked = read_asked(body, headers) if at_once else await asyncio.to_thread(read_asked, body, headers)
        work = asyncio.ensure_future(service.answer(asked, send, ending))
        gone = asyncio.ensure_future(receive())  # after a body, the one message that can come is that the client left
        try:
            await asyncio.wait((work, gone), return_when=asyncio.FIRST_COMPLETED)
            if work.done():
                work.result()
        finally:
            gone.cancel()
            if not work.done():
                work.cancel(_CANCELLED)
                await asyncio.wait((work,))
                ending.outcome = "cancelled"


async def _body(receive: Receive, headers: Mapping[bytes, bytes]) -> bytes | None:
    """The body of a request; None where the client left. Raises Refused where it is too large or too slow."""
    too_large = Refused(413, f"the body has more than {MAX_SERVED_BODY >> 20} MiB", "too_large")
    if (length := headers.get(b"content-length", b"")).isdigit() and int(length[:20]) > MAX_SERVED_BODY:
        raise too_large
    parts, size = [], 0
    try:
        async with asyncio.timeout(_BODY_S):
            while True:
                message = await receive()
                if message["type"] != "http.request":
                    return None
                parts.append(part := message.get("body", b""))
                if (size := size + len(part)) > MAX_SERVED_BODY:
                    raise too_large
                if not message.get("more_body"):
                    return b"".join(parts)
    except TimeoutError:
        raise Refused(408, f"the body did not come within {_BODY_S:g} s", "too_slow") from None


def _models(request: Request) -> Response:
    service: Service = request.app.state.service
    models = [{"id": name, "object": "model", "created": 0, "owned_by": "rsd-bench"} for name in service.models]
    return _json({"object": "list", "data": models})


def _metrics(request: Request) -> Response:
    service: Service = request.app.state.service
    service.observe()
    return Response(generate_latest(service.counts.registry), media_type="text/plain; version=0.0.4; charset=utf-8")


def _healthz(request: Request) -> Response:
    return _json({"status": "ok"})


async def _readyz(request: Request) -> Response:
    service: Service = request.app.state.service
    up = await asyncio.gather(*(tier.look() for tier in service.tiers.values()))
    tiers = {name: "up" if is_up else "down" for name, is_up in zip(service.tiers, up, strict=True)}
    ready = "up" in tiers.values()
    return _json({"status": "ready" if ready else "not ready", "tiers": tiers}, 200 if ready else 503)


def _no_such_place(request: Request, error: Exception) -> Response:
    status = getattr(error, "status_code", 404)
    what = "POST /v1/chat/completions, GET /v1/models, /healthz, /readyz and /metrics are here"
    return _refusal(Refused(status, what, "not_found"))


def _refusal(refused: Refused) -> Response:
    body = error_body(refused.message, refused.code, refused.status)
    return Response(body, refused.status, media_type="application/json")


def _json(value: Any, status: int = 200) -> Response:
    return Response(orjson.dumps(value), status, media_type="application/json")
