"""One call of an OpenAI-compatible chat endpoint: a Reply with its times, or CallFailed.

The openai SDK settles where a call goes and what it says of itself: base URL, key, organization and other headers. The
call itself goes over aiohttp, the fastest transport that the SDK knows, with the very bytes that were hashed: the SDK's
own request method makes options, URL and headers anew each time and parses each streamed chunk into objects, more CPU
than all the rest of a call. The clock (monotonic) starts when the request is handed to the transport: waiting and
preparing on our side are not in it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from rsd_bench.endpoints.calls import Endpoint
from rsd_bench.endpoints.parse import EventReader, bounded, parse_body, parse_refusal
from rsd_bench.endpoints.reply import CallFailed, Reply
from rsd_bench.types import InputError

if TYPE_CHECKING:
    import ssl

    import aiohttp
    import yarl

_CONNECT_S = 30.0  # for a connection; a whole try is bounded by who calls
_DRAIN_S = 1.0


@dataclass(frozen=True)
class ChatClient:
    """Where to ask, and the session (pool, headers, proxy) to ask with. `api_key` is for keeping it off the disk."""

    session: aiohttp.ClientSession
    url: yarl.URL
    api_key: str


@cache
def load_sdk() -> ssl.SSLContext:
    """Import what calls need and read the certificates, once: that takes a second. InputError where it is missing."""
    try:
        import aiohttp  # noqa: F401
        import httpx2
        import openai  # noqa: F401
    except ImportError as error:
        raise InputError.at(error.name or "openai", "is not installed", "pip install 'rsd-bench[judge]'") from None
    return httpx2.create_ssl_context()


def open_client(endpoint: Endpoint, concurrency: int) -> ChatClient:
    """A client with a connection for each of `concurrency` calls; inside a running event loop, to be closed there.

    What the environment holds for OpenAI (organization, project, own headers) goes to OpenAI only, as its key does.
    InputError where the SDK is missing, or a proxy of the environment is of no kind that can be used.
    """
    certificates = load_sdk()
    import aiohttp
    import httpx2
    import yarl
    from openai import AsyncOpenAI, Omit

    unused = httpx2.AsyncClient(verify=certificates, trust_env=False)  # or the SDK would open one of its own
    sdk = AsyncOpenAI(api_key=endpoint.api_key, base_url=endpoint.base_url, max_retries=0, http_client=unused)
    own = sdk.default_headers if endpoint.is_openai else {"User-Agent": sdk.user_agent}
    stated = {name: value for name, value in own.items() if not isinstance(value, Omit)}
    session = aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=concurrency, ssl=certificates),
        headers={**stated, **sdk.auth_headers, "Accept": "application/json", "Content-Type": "application/json"},
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_S),
        proxy=_proxy_for(endpoint.base_url),
    )
    return ChatClient(session, yarl.URL(str(sdk.base_url.join("chat/completions")), encoded=True), sdk.api_key)


def _proxy_for(url: str) -> str | None:
    """The proxy that the environment names for a URL: HTTP_PROXY, HTTPS_PROXY or ALL_PROXY, and not NO_PROXY."""
    parts, proxies = urlsplit(url), getproxies()
    proxy = proxies.get(parts.scheme) or proxies.get("all")
    if not proxy or proxy_bypass(parts.netloc):
        return None
    proxy = proxy if "://" in proxy else f"http://{proxy}"
    if not proxy.startswith(("http://", "https://")):
        kind = proxy.partition("://")[0]
        raise InputError.at("the environment", f"names a {kind} proxy for {parts.netloc}", "name an HTTP proxy")
    return proxy


@asynccontextmanager
async def opened(endpoint: Endpoint, concurrency: int) -> AsyncIterator[ChatClient]:
    """`open_client`, closed at the end."""
    client = open_client(endpoint, concurrency)
    async with client.session:
        yield client


async def call(client: ChatClient, body: bytes, stream: bool) -> Reply:
    """Send one chat completion and read it to the end. Raises CallFailed; times out only when the caller does.

    No redirect is followed: it would send pictures and question to a place that nobody named, or turn POST into GET.
    """
    import aiohttp

    start = time.perf_counter()
    sent = False
    try:
        async with client.session.post(client.url, data=body, allow_redirects=False) as response:
            sent = True
            if not 200 <= response.status < 300:
                raise parse_refusal(response.status, response.headers, await _body(response.content))
            if stream and response.content_type == "text/event-stream":
                return await _read_events(response.content, start)
            return await _read_whole(response.content, start)
    except (aiohttp.ClientError, OSError) as error:
        if sent:
            raise CallFailed("transient", f"connection lost: {type(error).__name__}", billable=True) from None
        raise CallFailed("transient", f"no connection: {_said(error)}") from None


def _said(error: Exception) -> str:
    """What an error of the transport says. That of a proxy which refuses us would show the URL with our password."""
    import aiohttp

    if isinstance(error, aiohttp.ClientResponseError):
        return f"HTTP {error.status}: {error.message}"
    return str(error) or type(error).__name__


async def _body(content: aiohttp.StreamReader) -> bytes:
    parts, size = [], 0
    async for part in content.iter_any():
        parts.append(part)
        size += len(part)
        bounded(size)
    return b"".join(parts)


async def _read_whole(content: aiohttp.StreamReader, start: float) -> Reply:
    body = await _body(content)
    latency = time.perf_counter() - start
    reply = parse_body(body)
    reply.latency_s = latency
    return reply


async def _read_events(content: aiohttp.StreamReader, start: float) -> Reply:
    """Server-sent events up to [DONE], or to the end of the body."""
    events, first = EventReader(), None
    async for part in content.iter_any():
        events.feed(part)
        if first is None and events.has_text:
            first = time.perf_counter() - start
        if events.done:
            break
    latency = time.perf_counter() - start
    if not content.at_eof():
        await _drain(content)
    reply = events.reply()
    reply.first_token_s, reply.latency_s = first, latency
    return reply


async def _drain(content: aiohttp.StreamReader) -> None:
    """Read what follows [DONE], normally the end of the body: a connection is used again only when it was read out."""
    import aiohttp

    try:
        async with asyncio.timeout(_DRAIN_S):
            async for _ in content.iter_any():
                pass
    except (aiohttp.ClientError, OSError):
        return  # the answer is whole; only the connection is lost
