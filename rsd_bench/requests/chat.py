"""One call of an OpenAI-compatible chat endpoint, through the openai SDK: a Reply, or CallFailed saying what kind.

The SDK does transport, authentication, pools and errors; the body goes out as the bytes that were hashed, and the reply
is read here, because parsing every streamed chunk into SDK objects costs 2 ms a call. The clock (monotonic) starts when
the SDK hands the finished request to its transport: waiting and preparing on our side are not in it.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Literal

from rsd_bench.requests.model import Endpoint

if TYPE_CHECKING:
    import httpx2
    from openai import AsyncOpenAI

_MAX_BYTES = 32 << 20  # of one reply: an endpoint that never stops must not fill the memory
_MAX_DETAIL = 500
_TRANSIENT = {408, 409, 425, 429}
_FILTER_CODES = {"content_filter", "content_policy_violation"}
_HEADERS = {"Content-Type": "application/json"}
_CONNECT_S = 30.0
_DRAIN_S = 1.0
_STARTED = "rsd_bench.started"


@dataclass(slots=True)
class Reply:
    """What an endpoint said, and when. `refusal` is the structured refusal of the API, not a reading of the text."""

    text: str
    finish_reason: str | None
    refusal: str
    served_model: str | None
    input_tokens: int | None
    output_tokens: int | None
    first_token_s: float | None
    latency_s: float


class CallFailed(Exception):  # noqa: N818 - an outcome, not a bug
    """A call without a usable reply.

    kind: `transient` may pass by itself, `deterministic` may well come again, `filtered` is the endpoint's last word.
    retry_after: seconds the endpoint asked to wait. reply: set where tokens were spent on it. billable: the request may
    have been paid for although no usage came back.
    """

    def __init__(
        self,
        kind: Literal["transient", "deterministic", "filtered"],
        what: str,
        *,
        retry_after: float | None = None,
        reply: Reply | None = None,
        billable: bool = False,
    ) -> None:
        super().__init__(what)
        self.kind, self.what, self.retry_after = kind, what[:_MAX_DETAIL], retry_after
        self.reply, self.billable = reply, billable


def open_client(endpoint: Endpoint, concurrency: int) -> AsyncOpenAI:
    """A client whose pool has a connection for each of `concurrency` calls and that never retries by itself."""
    import httpx2
    from openai import AsyncOpenAI, DefaultAsyncHttpxClient

    limits = httpx2.Limits(max_connections=concurrency, max_keepalive_connections=concurrency)
    timeout = httpx2.Timeout(None, connect=_CONNECT_S)
    client = DefaultAsyncHttpxClient(limits=limits, timeout=timeout, event_hooks={"request": [_start_clock]})
    return AsyncOpenAI(
        api_key=endpoint.api_key, base_url=endpoint.base_url, max_retries=0, timeout=timeout, http_client=client
    )


async def _start_clock(request: httpx2.Request) -> None:
    request.extensions[_STARTED] = time.perf_counter()


async def call(client: AsyncOpenAI, body: bytes, stream: bool) -> Reply:
    """Send one chat completion and read it to the end. Raises CallFailed; times out only when the caller does."""
    import httpx2
    import openai

    try:
        response: Any = await client.post(
            "/chat/completions",
            cast_to=httpx2.Response,
            content=body,
            options={"headers": _HEADERS},
            stream=True,
            stream_cls=openai.AsyncStream[object],
        )
    except openai.APIStatusError as error:
        raise _refused(error) from None
    except openai.APIConnectionError as error:
        raise CallFailed("transient", f"no connection: {error.__cause__ or error}") from None
    start = response.request.extensions[_STARTED]
    try:
        if stream and response.headers.get("content-type", "").startswith("text/event-stream"):
            reply = await _read_events(response, start)
        else:
            reply = await _read_whole(response, start)
    except httpx2.HTTPError as error:
        raise CallFailed("transient", f"connection lost: {type(error).__name__}", billable=True) from None
    finally:
        await response.aclose()
    return reply


def _usable(reply: Reply) -> Reply:
    """The reply, unless it holds nothing that a model said."""
    if reply.finish_reason == "tool_calls":
        raise CallFailed("deterministic", "the model called a tool instead of answering", reply=reply)
    ended_badly = reply.refusal or reply.finish_reason in ("length", "content_filter")
    if not reply.text.strip() and not ended_badly:
        raise CallFailed("deterministic", "empty answer", reply=reply)
    return reply


def _refused(error: Any) -> CallFailed:
    """An HTTP error status as a CallFailed."""
    body = error.body if isinstance(error.body, dict) else {}
    said = body.get("message") or body.get("detail") or error.response.text.strip() or error.message
    what = f"HTTP {error.status_code}: {said}"
    if error.status_code == 400 and body.get("code") in _FILTER_CODES:
        return CallFailed("filtered", what)
    if body.get("code") == "insufficient_quota":  # a 429 that no waiting mends
        return CallFailed("deterministic", what)
    transient = error.status_code >= 500 or error.status_code in _TRANSIENT
    return CallFailed(
        "transient" if transient else "deterministic", what, retry_after=_retry_after(error.response.headers)
    )


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds of a Retry-After header (seconds or an HTTP date, RFC 9110 10.2.3); None where absent or unreadable."""
    value = headers.get("retry-after", "").strip()
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds()
        except (ValueError, TypeError):
            return None
    return max(seconds, 0.0) if seconds == seconds else None


async def _read_whole(response: httpx2.Response, start: float) -> Reply:
    parts, size = [], 0
    async for part in response.aiter_bytes():
        parts.append(part)
        size += len(part)
        _bounded(size)
    latency = time.perf_counter() - start
    reply = parse_completion(_object(b"".join(parts)))
    reply.latency_s = latency
    return reply


async def _read_events(response: httpx2.Response, start: float) -> Reply:
    """Server-sent events up to [DONE]; a stream that ends before a finish reason was cut."""
    texts: list[str] = []
    refusals: list[str] = []
    finish: str | None = None
    head: dict[str, Any] = {}
    usage: Any = None
    first: float | None = None
    done = False
    parts = response.aiter_bytes()
    async for line in _lines(parts):
        if not line.startswith(b"data:"):
            continue
        payload = line[5:].strip()
        if payload == b"[DONE]":
            done = True
            break
        event = _object(payload)
        head = head or event
        usage = event.get("usage") or usage
        if not event.get("choices") and "error" not in event:
            continue
        choice = _first_choice(event)
        delta = choice.get("delta")
        delta = delta if isinstance(delta, dict) else {}
        if text := _text(delta.get("content")):
            if first is None:
                first = time.perf_counter() - start
            texts.append(text)
        refusals.append(_text(delta.get("refusal")))
        finish = choice.get("finish_reason") or finish
    latency = time.perf_counter() - start
    if done:
        await _drain(parts)
    if not (done or finish):
        raise CallFailed("transient", "the stream was cut", billable=True)
    reply = _reply(head | {"usage": usage}, "".join(texts), "".join(refusals), finish)
    reply.first_token_s, reply.latency_s = first, latency
    return _usable(reply)


async def _drain(parts: AsyncIterator[bytes]) -> None:
    """Read what follows [DONE], normally the end of the body: a connection is used again only when it was read out."""
    import httpx2

    try:
        async with asyncio.timeout(_DRAIN_S):
            async for _ in parts:
                pass
    except (TimeoutError, httpx2.HTTPError):
        return  # the answer is whole; only the connection is lost


async def _lines(parts: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    rest, size = b"", 0
    async for part in parts:
        size += len(part)
        _bounded(size)
        *lines, rest = (rest + part).split(b"\n")
        for line in lines:
            yield line
    if rest:
        yield rest


def _bounded(size: int) -> None:
    if size > _MAX_BYTES:
        raise CallFailed("deterministic", f"reply longer than {_MAX_BYTES >> 20} MiB", billable=True)


def _object(data: bytes) -> dict[str, Any]:
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        raise CallFailed("deterministic", "malformed JSON in the reply", billable=True) from None
    if not isinstance(value, dict):
        raise CallFailed("deterministic", "the reply is no JSON object", billable=True)
    return value


def _first_choice(data: dict[str, Any]) -> dict[str, Any]:
    """The first choice of a reply or chunk; an error inside a 200 is a failure like any other."""
    if error := data.get("error"):
        said = error.get("message") if isinstance(error, dict) else error
        raise CallFailed("transient", f"error in the reply: {said}", billable=True)
    choices = data.get("choices")
    if not (isinstance(choices, list) and choices and isinstance(choices[0], dict)):
        raise CallFailed("deterministic", "reply without choices", billable=True)
    return choices[0]


def _text(value: Any) -> str:
    """A text field; null is empty, anything but text is malformed."""
    if value is None:
        return ""
    if not isinstance(value, str):
        raise CallFailed("deterministic", f"content is a {type(value).__name__}, not text", billable=True)
    return value


def _reply(data: Mapping[str, Any], text: str, refusal: str, finish: Any) -> Reply:
    usage = data.get("usage")
    usage = usage if isinstance(usage, dict) else {}
    served = data.get("model")
    return Reply(
        text=text,
        finish_reason=finish if isinstance(finish, str) else None,
        refusal=refusal,
        served_model=served if isinstance(served, str) else None,
        input_tokens=_count(usage.get("prompt_tokens")),
        output_tokens=_count(usage.get("completion_tokens")),
        first_token_s=None,
        latency_s=0.0,
    )


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**53 else None


def parse_completion(data: Any) -> Reply:
    """The Reply of a whole chat completion object, from HTTP or a Batch file. Raises CallFailed."""
    choice = _first_choice(data if isinstance(data, dict) else {})
    message = choice.get("message")
    if not isinstance(message, dict):
        raise CallFailed("deterministic", "reply without a message", billable=True)
    texts = _text(message.get("content")), _text(message.get("refusal"))
    return _usable(_reply(data, *texts, choice.get("finish_reason")))
