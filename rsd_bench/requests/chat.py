"""One call of an OpenAI-compatible chat endpoint: a Reply with its times, or CallFailed.

The openai SDK makes the client: base URL, authentication and other headers, proxies, certificates, pool. A call goes
over that client's HTTP transport with the very bytes that were hashed: the SDK's own request method would make options,
URL and headers anew each time and parse each streamed chunk into objects, more CPU than all the rest of a call. The
clock (monotonic) starts when the request is handed to the transport: waiting and preparing on our side are not in it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from rsd_bench.requests.model import Endpoint
from rsd_bench.requests.reply import CallFailed, EventReader, Reply, bounded, parse_body, parse_refusal
from rsd_bench.types import InputError

if TYPE_CHECKING:
    import ssl

    import httpx2

_TIMEOUTS = {"connect": 30.0, "read": None, "write": None, "pool": None}  # a whole try is bounded by who calls
_DRAIN_S = 1.0


@dataclass(frozen=True)
class ChatClient:
    """Where and with what headers to ask, and the HTTP client to ask with. `api_key` is for keeping it off the disk."""

    http: httpx2.AsyncClient
    url: httpx2.URL
    headers: httpx2.Headers
    api_key: str


@cache
def load_sdk() -> ssl.SSLContext:
    """Import what calls need and read the certificates, once: that takes a second. InputError where it is missing."""
    try:
        import aiohttp  # noqa: F401 - the transport that the SDK takes from its extra of this name
        import httpx2
        import openai  # noqa: F401
    except ImportError as error:
        raise InputError.at(error.name or "openai", "is not installed", "pip install 'rsd-bench[judge]'") from None
    return httpx2.create_ssl_context()


def open_client(endpoint: Endpoint, concurrency: int) -> ChatClient:
    """A client whose pool has a connection for each of `concurrency` calls. InputError where the SDK is missing.

    No redirect is followed: it would send pictures and question to a place that nobody named, or turn POST into GET.
    What the environment holds for OpenAI (organization, project, own headers) goes to OpenAI only, as its key does.
    """
    certificates = load_sdk()
    import httpx2
    from openai import AsyncOpenAI, DefaultAioHttpClient, Omit

    limits = httpx2.Limits(max_connections=concurrency)
    http = DefaultAioHttpClient(limits=limits, verify=certificates, follow_redirects=False)
    sdk = AsyncOpenAI(api_key=endpoint.api_key, base_url=endpoint.base_url, max_retries=0, http_client=http)
    own = sdk.default_headers if endpoint.is_openai else {"User-Agent": sdk.user_agent}
    stated = {name: value for name, value in own.items() if not isinstance(value, Omit)}
    headers = httpx2.Headers(http.headers)
    headers.update({**stated, **sdk.auth_headers, "Accept": "application/json", "Content-Type": "application/json"})
    return ChatClient(http, sdk.base_url.join("chat/completions"), headers, sdk.api_key)


@asynccontextmanager
async def opened(endpoint: Endpoint, concurrency: int) -> AsyncIterator[ChatClient]:
    """`open_client`, closed at the end."""
    client = open_client(endpoint, concurrency)
    async with client.http:
        yield client


async def call(client: ChatClient, body: bytes, stream: bool) -> Reply:
    """Send one chat completion and read it to the end. Raises CallFailed; times out only when the caller does."""
    import aiohttp
    import httpx2

    broken = (httpx2.HTTPError, aiohttp.ClientError, OSError)
    request = httpx2.Request(
        "POST", client.url, headers=client.headers, content=body, extensions={"timeout": _TIMEOUTS}
    )
    start = time.perf_counter()
    try:
        response = await client.http.send(request, stream=True)
    except broken as error:
        raise CallFailed("transient", f"no connection: {error or type(error).__name__}") from None
    try:
        if not response.is_success:
            raise parse_refusal(response.status_code, response.headers, await _body(response))
        if stream and response.headers.get("content-type", "").lower().startswith("text/event-stream"):
            return await _read_events(response, start)
        return await _read_whole(response, start)
    except broken as error:
        raise CallFailed("transient", f"connection lost: {type(error).__name__}", billable=True) from None
    finally:
        await response.aclose()


async def _body(response: httpx2.Response) -> bytes:
    parts, size = [], 0
    async for part in response.aiter_bytes():
        parts.append(part)
        size += len(part)
        bounded(size)
    return b"".join(parts)


async def _read_whole(response: httpx2.Response, start: float) -> Reply:
    body = await _body(response)
    latency = time.perf_counter() - start
    reply = parse_body(body)
    reply.latency_s = latency
    return reply


async def _read_events(response: httpx2.Response, start: float) -> Reply:
    """Server-sent events up to [DONE], or to the end of the body."""
    events, first = EventReader(), None
    parts = response.aiter_bytes()
    async for part in parts:
        events.feed(part)
        if first is None and events.has_text:
            first = time.perf_counter() - start
        if events.done:
            break
    latency = time.perf_counter() - start
    if events.done:
        await _drain(parts)
    reply = events.reply()
    reply.first_token_s, reply.latency_s = first, latency
    return reply


async def _drain(parts: AsyncIterator[bytes]) -> None:
    """Read what follows [DONE], normally the end of the body: a connection is used again only when it was read out."""
    import aiohttp
    import httpx2

    try:
        async with asyncio.timeout(_DRAIN_S):
            async for _ in parts:
                pass
    except (TimeoutError, httpx2.HTTPError, aiohttp.ClientError, OSError):
        return  # the answer is whole; only the connection is lost
