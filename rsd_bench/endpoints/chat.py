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
from rsd_bench.endpoints.parse import bounded, parse_refusal
from rsd_bench.endpoints.reply import CallFailed, Reply
from rsd_bench.endpoints.reply_reader import ReplyReader
from rsd_bench.types import InputError

if TYPE_CHECKING:
    import ssl

    import aiohttp
    import yarl
    from aiohttp.client_proto import ResponseHandler

    from rsd_bench.endpoints.connections import SoundConnector

_CONNECT_S = 30.0  # for a connection; a whole try is bounded by who calls
_PATIENCE_S = 1.0  # for the end of a reply from which nothing is missing


@dataclass(frozen=True)
class ChatClient:
    """Where to ask, and the session (headers, proxy) and its connections to ask with.

    `api_key` is for keeping it off the disk.
    """

    session: aiohttp.ClientSession
    connections: SoundConnector
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

    from rsd_bench.endpoints.connections import CarriedResponse, SoundConnector

    unused = httpx2.AsyncClient(verify=certificates, trust_env=False)  # or the SDK would open one of its own
    sdk = AsyncOpenAI(api_key=endpoint.api_key, base_url=endpoint.base_url, max_retries=0, http_client=unused)
    own = sdk.default_headers if endpoint.is_openai else {"User-Agent": sdk.user_agent}
    stated = {name: value for name, value in own.items() if not isinstance(value, Omit)}
    connections = SoundConnector(limit=concurrency, ssl=certificates)
    session = aiohttp.ClientSession(
        connector=connections,
        response_class=CarriedResponse,
        headers={**stated, **sdk.auth_headers, "Accept": "application/json", "Content-Type": "application/json"},
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_S),
        proxy=proxy_for(endpoint.base_url),
    )
    url = yarl.URL(str(sdk.base_url.join("chat/completions")), encoded=True)
    return ChatClient(session, connections, url, sdk.api_key)


def proxy_for(url: str) -> str | None:
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


async def call(client: ChatClient, body: bytes, stream: bool, seconds: float) -> Reply:
    """Send one chat completion and read it to the end, for `seconds` at most. Raises CallFailed.

    An answer that came whole is one, whatever the connection does after it. A try may have been billed from the first
    byte of its body on. No redirect is followed: it would send pictures and question to a place that nobody named, or
    turn POST into GET.
    """
    import aiohttp

    from rsd_bench.endpoints.connections import CarriedResponse, Question

    question = Question(body)
    incoming: _Incoming | None = None
    lost: CallFailed | None = None
    await client.connections.rest()
    start = time.perf_counter()
    try:
        async with (
            asyncio.timeout(seconds),
            client.session.post(client.url, data=question, allow_redirects=False) as response,
        ):
            assert isinstance(response, CarriedResponse)
            if not 200 <= response.status < 300:
                refusal = parse_refusal(response.status, response.headers, await _body(response.content))
                refusal.latency_s = time.perf_counter() - start
                raise refusal
            if response.early:
                raise CallFailed("transient", "answered before the question was sent whole", billable=True)
            events = stream and response.content_type == "text/event-stream"
            incoming = _Incoming(ReplyReader(events), response.carrier, start)
            await incoming.read(response.content)
    except (aiohttp.ClientError, OSError) as error:
        lost = CallFailed("transient", _loss(error, question.sent, incoming, seconds), billable=question.sent)
    if incoming is None:
        assert lost
        raise lost
    try:
        reply = incoming.reply()
    except CallFailed as failed:
        raise (lost if lost and not failed.reply else failed) from None
    if not client.connections.accept(incoming.carrier, reply.id):
        raise CallFailed("transient", f"an answer that came before, id {reply.id}", billable=True)
    return reply


@dataclass
class _Incoming:
    """What has come of a reply over a connection, and when: seconds since the question was handed to the transport."""

    reader: ReplyReader
    carrier: ResponseHandler
    start: float
    first_s: float | None = None
    last_s: float = 0.0

    async def read(self, content: aiohttp.StreamReader) -> None:
        """Read to the end of the body; where nothing is missing from the answer, for no longer than a moment more.

        A connection is used again only when it was read out, and [DONE] may be late or never come.
        """
        async with asyncio.timeout(None) as patience:
            while part := await content.readany():
                if not self.reader.done:
                    self.last_s = time.perf_counter() - self.start
                self.reader.feed(part)
                if self.first_s is None and self.reader.has_text:
                    self.first_s = self.last_s
                if self.reader.settled and patience.when() is None:
                    patience.reschedule(asyncio.get_running_loop().time() + _PATIENCE_S)

    def reply(self) -> Reply:
        """Raises CallFailed."""
        reply = self.reader.reply()
        reply.first_token_s, reply.latency_s = self.first_s, self.last_s
        return reply


def _loss(error: Exception, sent: bool, incoming: _Incoming | None, seconds: float) -> str:
    """Why a try ended without a whole answer."""
    import aiohttp

    if isinstance(error, TimeoutError) and not isinstance(error, aiohttp.ClientError):
        return f"no complete answer within {seconds:.3g} s"
    if incoming:
        return f"connection lost: {type(error).__name__}"
    return f"{'no reply' if sent else 'no connection'}: {_said(error)}"


def _said(error: Exception) -> str:
    """What an error of the transport says. That of a proxy which refuses us would show the URL with our password."""
    import aiohttp

    if isinstance(error, aiohttp.ClientResponseError):
        return f"HTTP {error.status}: {error.message}"
    return str(error) or type(error).__name__


async def _body(content: aiohttp.StreamReader) -> bytes:
    """The body of a refusal, as far as it comes."""
    parts, size = [], 0
    async for part in content.iter_any():
        parts.append(part)
        size += len(part)
        bounded(size)
    return b"".join(parts)
