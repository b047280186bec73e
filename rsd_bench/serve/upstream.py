"""One call of a tier: the answer whole, or its events as they come; or UpstreamFailed with a word that says why.

An answer belongs to the question before it (`endpoints.connections`); one whose id came before is asked again, once, on
a new connection, where it can be no other's. No redirect is followed, no cookie kept, and no header of the client goes
upstream: each tier gets its own key and the body, nothing else. What an endpoint says of a failure reaches the client
without the key that was sent to it, and without the place that it redirects to.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import orjson
import yarl

from rsd_bench.endpoints.calls import Endpoint
from rsd_bench.endpoints.chat import proxy_for
from rsd_bench.endpoints.connections import CarriedResponse, Question, SoundConnector
from rsd_bench.endpoints.media import takes_none
from rsd_bench.endpoints.parse import parse_refusal
from rsd_bench.endpoints.retry import without_key
from rsd_bench.serve.events import Passing
from rsd_bench.serve.failures import UpstreamFailed
from rsd_bench.version import __version__

_CONNECT_S = 10.0
_LIVES_S = 2.0
_STALL_S = 60.0  # between two events of a stream that has begun
_TAIL_S = 1.0  # for the end of a stream from which nothing is missing
_MAX_REPLY = 32 << 20  # bytes of a whole answer
_MAX_REFUSAL = 64 << 10
_SHOWN = 300  # characters of what an endpoint says of a failure
_MOST_WAIT_S = 3600.0  # of a Retry-After that a client is told
_MOST_TOKENS = 1 << 31  # of one call; a counter that took more would say nothing ever after
_TOO_LONG = ("context length", "context_length", "maximum context", "too many tokens", "max_model_len", "too long")


@dataclass(frozen=True)
class Usage:
    """Tokens as the endpoint counts them; None where it does not say."""

    input: int | None = None
    output: int | None = None

    @classmethod
    def of(cls, usage: Any) -> Usage:
        held = usage if isinstance(usage, dict) else {}
        counts = [held.get(name) for name in ("prompt_tokens", "completion_tokens")]
        return cls(*(count if type(count) is int and 0 <= count < _MOST_TOKENS else None for count in counts))


@dataclass
class Reply:
    """An answer: `body` where it is whole; else `head`, the events up to its first token, and `rest`, those after.

    `done`: what came last holds the end. What is known at the end: text, usage, finish reason, seconds.
    """

    body: bytes = b""
    head: list[bytes] = field(default_factory=list)
    rest: AsyncGenerator[bytes] | None = None
    done: bool = False
    text: str = ""
    refusal: str = ""
    finish: str | None = None
    usage: Usage = Usage()
    served: str | None = None
    first_token_s: float | None = None
    latency_s: float = 0.0


class Upstream:
    """The connections to one endpoint; made inside a running event loop, closed there."""

    def __init__(self, endpoint: Endpoint, certificates: ssl.SSLContext) -> None:
        self._key = endpoint.api_key
        self.connections = SoundConnector(limit=0, ssl=certificates)
        headers = {"Content-Type": "application/json", "User-Agent": f"rsd-bench/{__version__}"}
        if endpoint.key_variable:
            headers["Authorization"] = f"Bearer {self._key}"
        self._session = aiohttp.ClientSession(
            connector=self.connections,
            response_class=CarriedResponse,
            headers=headers,
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_S),
            proxy=proxy_for(endpoint.base_url),
            read_bufsize=1 << 16,
        )
        self._url = yarl.URL(f"{endpoint.base_url}/chat/completions", encoded=True)
        self._models = yarl.URL(f"{endpoint.base_url}/models", encoded=True)

    async def close(self) -> None:
        await self._session.close()

    async def lives(self) -> bool:
        """Whether the endpoint answers at all, asked for its list of models: no failure of its own, in `_LIVES_S`."""
        try:
            limit = aiohttp.ClientTimeout(total=_LIVES_S)
            async with self._session.get(self._models, timeout=limit, allow_redirects=False) as response:
                return response.status < 500
        except (TimeoutError, aiohttp.ClientError, OSError):
            return False

    def without_key(self, text: str) -> str:
        """Text of the endpoint, without the key that it was sent."""
        return without_key(text, self._key) or ""

    @asynccontextmanager
    async def ask(self, body: bytes, stream: bool, usage_wanted: bool, first_s: float) -> AsyncIterator[Reply]:
        """A reply that has begun within `first_s` seconds: whole, or at its first token. Raises UpstreamFailed.

        Leaving the block before the end cancels the call.
        """
        await self.connections.rest()
        start = time.perf_counter()
        asked: list[aiohttp.ClientResponse] = []

        async def once() -> Reply:
            response = await self._session.post(self._url, data=Question(body), allow_redirects=False)
            asked.append(response)
            assert isinstance(response, CarriedResponse)
            if response.status != 200:
                raise await self._refusal(response)
            if response.early:
                raise UpstreamFailed("broken", "answered before the question was sent whole")
            return await (self._begin(response, usage_wanted, start) if stream else self._whole(response, start))

        try:
            try:
                async with asyncio.timeout(first_s) as patience:
                    try:
                        reply = await once()
                    except _CameBefore:
                        asked.pop().close()
                        reply = await once()
            except TimeoutError as error:
                if patience.expired():
                    raise UpstreamFailed("timeout", f"no answer within {first_s:.3g} s", status=504) from None
                raise UpstreamFailed("unreachable", str(error) or "no connection") from None
            except (aiohttp.ClientError, OSError) as error:
                raise UpstreamFailed("unreachable", f"connection failed: {type(error).__name__}") from None
            yield reply
        finally:
            for response in asked:
                response.close()  # ends the call, unless it was read out and its connection given back

    async def _refusal(self, response: aiohttp.ClientResponse) -> UpstreamFailed:
        said = await response.content.read(_MAX_REFUSAL)
        failed = parse_refusal(response.status, response.headers, said)
        what = self.without_key(failed.what)[:_SHOWN]
        if 300 <= response.status < 400:  # the place is the operator's business
            what = f"HTTP {response.status}: a redirect, which is not followed"
        wait = None if failed.retry_after is None else min(failed.retry_after, _MOST_WAIT_S)
        reason = f"http-{response.status}"
        if failed.of_request or failed.kind == "filtered":
            if media := _refused_media(failed.what):
                reason = media
            elif any(word in failed.what.lower() for word in _TOO_LONG):
                reason = "too-long"
            return UpstreamFailed(reason, what, status=response.status, of_request=True)
        if media := _refused_media(failed.what):  # llama.cpp refuses sounds with 500
            return UpstreamFailed(media, what, status=400, of_request=True)
        return UpstreamFailed(reason, what, status=429 if response.status == 429 else 502, retry_after=wait)

    async def _whole(self, response: CarriedResponse, start: float) -> Reply:
        parts, size = [], 0
        async for part in response.content.iter_any():
            parts.append(part)
            if (size := size + len(part)) > _MAX_REPLY:
                raise UpstreamFailed("broken", f"an answer of more than {_MAX_REPLY >> 20} MiB")
        body = b"".join(parts)
        seconds = time.perf_counter() - start
        try:
            data = orjson.loads(body)
        except orjson.JSONDecodeError:
            raise UpstreamFailed("broken", "an answer that is no JSON") from None
        data = data if isinstance(data, dict) else {}
        choices = data.get("choices")
        choice = choices[0] if isinstance(choices, list) and choices and not data.get("error") else None
        choice = choice if isinstance(choice, dict) else {}
        message = choice.get("message")
        if not isinstance(message, dict):
            raise UpstreamFailed("broken", "an answer without choices or message")
        self._accept(response, data.get("id"))
        text, finish, served = message.get("content"), choice.get("finish_reason"), data.get("model")
        return Reply(
            body=body,
            text=text if isinstance(text, str) else "",
            refusal=refusal if isinstance(refusal := message.get("refusal"), str) else "",
            finish=str(finish) if finish else None,
            usage=Usage.of(data.get("usage")),
            served=served if isinstance(served, str) else None,
            latency_s=seconds,
        )

    def _accept(self, response: CarriedResponse, answer_id: Any) -> None:
        name = answer_id if isinstance(answer_id, str) and answer_id else None
        if not self.connections.accept(response.carrier, name):
            raise _CameBefore("broken", "an answer that came before")

    async def _begin(self, response: CarriedResponse, usage_wanted: bool, start: float) -> Reply:
        if response.content_type != "text/event-stream":
            raise UpstreamFailed("broken", f"a stream of type {response.content_type[:80]}")
        passing, head = Passing(usage_wanted), list[bytes]()
        while not passing.begun:
            if not (part := await response.content.readany()):
                passing.end()
                break
            head += passing.feed(part)
        self._accept(response, passing.id)
        first_s = time.perf_counter() - start
        reply = Reply(head=head, served=passing.served, first_token_s=first_s, latency_s=first_s)
        reply.done = passing.done
        reply.rest = _rest(response, passing, reply, start)
        return reply


class _CameBefore(UpstreamFailed):
    """An answer whose id came before: perhaps one to an earlier question, perhaps of an endpoint that repeats ids."""


def _refused_media(said: str) -> str | None:
    """The reason of a failure that says that the model takes no images, or no sounds."""
    return "no-vision" if takes_none(said, ("image",)) else "no-audio" if takes_none(said, ("audio",)) else None


async def _rest(response: CarriedResponse, passing: Passing, reply: Reply, start: float) -> AsyncGenerator[bytes]:
    """The events after the first token, each read's in one piece. Raises UpstreamFailed; `reply` is filled in."""
    try:
        while True:
            settled = passing.done or (passing.finish and passing.usage)
            reply.latency_s = reply.latency_s if settled else time.perf_counter() - start
            try:
                async with asyncio.timeout(_TAIL_S if settled else _STALL_S):
                    part = await response.content.readany()
            except TimeoutError:
                if not settled:
                    raise UpstreamFailed("stalled", f"no more of the answer for {_STALL_S:g} s", status=504) from None
                break
            except (aiohttp.ClientError, OSError) as error:
                if not settled:
                    raise UpstreamFailed("cut", f"connection lost: {type(error).__name__}") from None
                break
            if not part:
                break
            events = passing.feed(part)
            reply.done = passing.done
            if events:
                yield b"".join(events)
        passing.end()
        if not passing.done:
            reply.done = True
            yield b"data: [DONE]\n\n"
    finally:
        reply.text, reply.refusal = "".join(passing.texts), "".join(passing.refusals)
        reply.finish, reply.usage = passing.finish, Usage.of(passing.usage)
