"""What goes out: headers that say what happened, errors, parts of a stream. No value ends a header or begins one."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from contextlib import suppress
from typing import Any
from urllib.parse import quote

from rsd_bench.serve.deciding import Decision
from rsd_bench.serve.failures import Refused, UpstreamFailed, error_body
from rsd_bench.serve.tiers import RETRY_AFTER_S, Tier
from rsd_bench.serve.upstream import Reply

Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]
EVENTS, JSON = b"text/event-stream; charset=utf-8", b"application/json"
UNREAD_S = 60.0  # that a client may leave an answer unread
_NAME = "/@:;,.+-_=~!()[]{} "  # of a model, as it stands in a header


class ClientStalled(Exception):  # noqa: N818 - an ending
    """The client does not read what it asked for."""


def decision_headers(decision: Decision) -> Headers:
    said = {
        b"x-rsd-scenario": decision.scenario,
        b"x-rsd-decision-ms": f"{1e3 * decision.seconds:.2f}",
        b"x-rsd-p-edge": "" if decision.p_edge is None else f"{decision.p_edge:.4f}",
        b"x-rsd-expected-gain": "" if decision.expected_gain is None else f"{decision.expected_gain:.4f}",
        b"x-rsd-router": decision.problem,
    }
    return [(name, _header(value)) for name, value in said.items() if value]


def draft_headers(decision: Decision, draft: Reply, usd: float | None) -> Headers:
    """What became of the edge's answer in a cascade, and what it cost."""
    said = {
        b"x-rsd-cascade": "accepted" if decision.tier == "edge" else "escalated",
        b"x-rsd-cascade-ms": f"{1e3 * draft.latency_s:.1f}",
        b"x-rsd-cascade-usd": "" if usd is None else f"{usd:.8f}",
    }
    return [(name, _header(value)) for name, value in said.items() if value]


def answer_headers(tier: Tier, failures: Sequence[tuple[Tier, UpstreamFailed]]) -> Headers:
    headers = [(b"x-rsd-tier", _header(tier.name)), (b"x-rsd-model", _header(tier.model))]
    return headers + [(b"x-rsd-fallback", _header(f"{one.name}; {failed.reason}")) for one, failed in failures]


def _header(value: str) -> bytes:
    """A value that ends no header and begins no other."""
    return quote(value, safe=_NAME).encode("ascii")


async def send_whole(send: Send, status: int, body: bytes, headers: Headers, kind: bytes = JSON) -> None:
    """An answer in one piece. Raises ClientStalled where the client does not take it."""
    start = [(b"content-type", kind), (b"content-length", str(len(body)).encode()), *headers]
    try:
        async with asyncio.timeout(UNREAD_S):
            await send({"type": "http.response.start", "status": status, "headers": start})
            await send({"type": "http.response.body", "body": body, "more_body": False})
    except TimeoutError:
        raise ClientStalled from None


async def send_refusal(send: Send, error: Refused | UpstreamFailed) -> None:
    """The error that a request ends in."""
    if isinstance(error, Refused):
        message, code, wait = error.message, error.code, error.retry_after
    else:
        message, code = error.what, error.reason
        wait = max(1, round(error.retry_after or RETRY_AFTER_S)) if error.status in (429, 503) else None
    headers = [(b"retry-after", str(wait).encode())] if wait else []
    with suppress(ClientStalled):
        await send_whole(send, error.status, error_body(message, code, error.status), headers)


async def send_part(send: Send, part: bytes, more: bool = True) -> None:
    """Send a part of a stream. Raises ClientStalled where the client does not take it."""
    try:
        async with asyncio.timeout(UNREAD_S):
            await send({"type": "http.response.body", "body": part, "more_body": more})
    except TimeoutError:
        raise ClientStalled from None
