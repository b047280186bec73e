"""A request from its body to its end: the router decides, a tier answers, another one stands in once where it does not.

Nothing goes out before a tier has begun to answer, so a tier that is down, slow or refuses costs time and no answer.
From the first byte on nothing is asked again: a stream that breaks ends in one error event. Headers say what happened:

    x-rsd-tier, x-rsd-model     who answered
    x-rsd-scenario              what the router decided for
    x-rsd-decision-ms, x-rsd-p-edge, x-rsd-expected-gain
    x-rsd-fallback              TIER; REASON: who was to answer and did not
    x-rsd-router                why no router decided, and the default tier was asked
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from rsd_bench.serve.asked import Asked, image_of, require_bounded
from rsd_bench.serve.counts import Counts
from rsd_bench.serve.deciding import Decider, Decision, Routers
from rsd_bench.serve.failures import Refused, UpstreamFailed, error_body, error_event
from rsd_bench.serve.places import Fetcher
from rsd_bench.serve.tiers import RETRY_AFTER_S, Tier
from rsd_bench.serve.upstream import Reply

Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]
_FIRST_SHARE = 0.5  # of the time for an answer to begin, where another tier is left to ask
_UNREAD_S = 60.0  # that a client may leave a stream unread
_NAME = "/@:;,.+-_=~!()[]{} "  # of a model, as it stands in a header


class ClientStalled(Exception):  # noqa: N818 - an ending
    """The client does not read what it asked for."""


@dataclass
class Ending:
    """What became of a request; filled in on the way. `reply` and `tier`: who answered, where somebody did."""

    outcome: str = "failed"
    tier: Tier | None = None
    reply: Reply | None = None
    decision: Decision | None = None
    images: list[bytes] = field(default_factory=list)
    failures: list[tuple[Tier, UpstreamFailed]] = field(default_factory=list)


Keep = Callable[[Asked, Ending], Awaitable[None]]


async def keep_nothing(asked: Asked, ending: Ending) -> None:
    """A server without a log."""


@dataclass(frozen=True)
class Service:
    """All that a request needs. tiers: by name, the cheapest first. keep: stores an answer before its end goes out."""

    tiers: Mapping[str, Tier]
    routers: Routers
    decider: Decider
    counts: Counts
    fetcher: Fetcher | None
    timeout_s: float
    keep: Keep = keep_nothing

    @property
    def models(self) -> list[str]:
        return [*(f"rsd/{name}" for name in self.routers.names), *(tier.model for tier in self.tiers.values())]

    def count(self, ending: Ending) -> None:
        """Count a request at its end, whatever it was."""
        tier, reply = ending.tier, ending.reply
        self.counts.requests.labels(ending.outcome, tier.name if tier else "none").inc()
        if tier and reply and ending.outcome == "answered":
            self.counts.answered(tier.name, tier.model, self.tiers["cloud"].model, reply)

    def observe(self) -> None:
        """Set the figures that are of this moment."""
        for name, tier in self.tiers.items():
            self.counts.in_flight.labels(name).set(tier.in_flight)
            self.counts.waiting.labels(name).set(tier.waiting)

    async def answer(self, asked: Asked, send: Send, ending: Ending) -> None:
        """Answer a request. Raises Refused and UpstreamFailed where nothing has gone out yet."""
        named = next((tier for tier in self.tiers.values() if tier.model == asked.model), None)
        if named and asked.scenario is None:
            order, headers = [named], Headers()
        elif named or asked.scenario is not None or asked.model == "rsd":
            order, headers = await self._routed(asked, ending)
        else:
            raise Refused(404, f"no such model here; use {', '.join(self.models)}", "model_not_found")
        await self._try(asked, order, headers, send, ending)

    async def _routed(self, asked: Asked, ending: Ending) -> tuple[list[Tier], Headers]:
        """The tiers to ask, in order, and what to say of the decision."""
        chosen = self.routers.choose(asked.scenario)
        fetched = await self._fetched(asked)

        def images() -> list[bytes]:
            for image in fetched:
                require_bounded(image)
            return [image_of(uri) for uri in asked.images] + fetched

        decision, ending.images = await self.decider.decide(chosen, asked.question, images)
        ending.decision = decision
        self.counts.decided(decision)
        headers = _decision_headers(decision)
        first = self.tiers[decision.tier]
        other = self.tiers["edge" if decision.tier == "cloud" else "cloud"]
        return [first, other], headers

    async def _fetched(self, asked: Asked) -> list[bytes]:
        if self.fetcher is None:
            return []
        found = [await self.fetcher.fetch(url) for url in asked.links if self.fetcher.allows(url)]
        return [data for data in found if data is not None]

    async def _try(self, asked: Asked, order: list[Tier], headers: Headers, send: Send, ending: Ending) -> None:
        deadline = time.monotonic() + self.timeout_s
        failures = ending.failures
        for position, tier in enumerate(order):
            last = position == len(order) - 1
            if not last and (why := _unfit(tier, asked)):
                failures.append((tier, why))
                continue
            left = (deadline - time.monotonic()) * (1 if last else _FIRST_SHARE)
            seconds = min(tier.first_s, max(left, 0.001))
            try:
                async with tier.ask(asked.body(tier.model), asked.stream, asked.usage_wanted, seconds) as reply:
                    self.counts.calls.labels(tier.name, "answered").inc()
                    for passed_over, failed in failures:
                        self.counts.escalations.labels(passed_over.name, tier.name, failed.reason).inc()
                    ending.tier, ending.reply = tier, reply
                    await self._deliver(asked, _answer_headers(tier, failures) + headers, send, ending)
                    return
            except UpstreamFailed as failed:
                self.counts.calls.labels(tier.name, failed.reason).inc()
                failures.append((tier, failed))
        raise _worst(failures)

    async def _deliver(self, asked: Asked, headers: Headers, send: Send, ending: Ending) -> None:
        """Send an answer that has begun; what breaks here breaks it, and is not tried again."""
        reply = ending.reply
        assert reply and ending.tier
        if reply.rest is None:
            await self.keep(asked, ending)
            ending.outcome = "answered"
            await send_whole(send, 200, reply.body, headers)
            return
        ending.outcome = "broken_off"
        start = [(b"content-type", b"text/event-stream; charset=utf-8"), (b"cache-control", b"no-cache"), *headers]
        await send({"type": "http.response.start", "status": 200, "headers": start})
        last = b"".join(reply.head)
        try:
            async with aclosing(reply.rest) as rest:
                if not reply.done:
                    await _send_part(send, last)
                    last = b""
                async for part in rest:
                    if reply.done:  # the end goes out once it is kept
                        last += part
                    else:
                        await _send_part(send, part)
        except UpstreamFailed as failed:
            self.counts.calls.labels(ending.tier.name, failed.reason).inc()
            last += error_event(ending.tier.upstream.without_key(failed.what), failed.reason)
        else:
            ending.outcome = "answered"
        await self.keep(asked, ending)
        await send({"type": "http.response.body", "body": last, "more_body": False})


async def _send_part(send: Send, part: bytes) -> None:
    """Send a part of a stream. Raises ClientStalled where the client does not take it."""
    try:
        async with asyncio.timeout(_UNREAD_S):
            await send({"type": "http.response.body", "body": part, "more_body": True})
    except TimeoutError:
        raise ClientStalled from None


def _unfit(tier: Tier, asked: Asked) -> UpstreamFailed | None:
    """Why not to ask a tier at all, where another one is left."""
    if asked.has_images and not tier.takes_images:
        return UpstreamFailed("no-vision", "takes no images", status=400, of_request=True)
    if not tier.worth_asking():
        return UpstreamFailed("down", f"{tier.name} is down")
    return None


def _worst(failures: list[tuple[Tier, UpstreamFailed]]) -> UpstreamFailed:
    """The failure that the client hears of: what a tier said of the request, else a full queue, else the last."""
    told = [failed for _, failed in failures]
    of_request = [failed for failed in told if failed.of_request]
    busy = [failed for failed in told if failed.status == 429]
    return (of_request or busy or told)[-1]


def _decision_headers(decision: Decision) -> Headers:
    said = {
        b"x-rsd-scenario": decision.scenario,
        b"x-rsd-decision-ms": f"{1e3 * decision.seconds:.2f}",
        b"x-rsd-p-edge": "" if decision.p_edge is None else f"{decision.p_edge:.4f}",
        b"x-rsd-expected-gain": "" if decision.expected_gain is None else f"{decision.expected_gain:.4f}",
        b"x-rsd-router": decision.problem,
    }
    return [(name, _header(value)) for name, value in said.items() if value]


def _answer_headers(tier: Tier, failures: list[tuple[Tier, UpstreamFailed]]) -> Headers:
    headers = [(b"x-rsd-tier", _header(tier.name)), (b"x-rsd-model", _header(tier.model))]
    return headers + [(b"x-rsd-fallback", _header(f"{one.name}; {failed.reason}")) for one, failed in failures]


def _header(value: str) -> bytes:
    """A value that ends no header and begins no other."""
    return quote(value, safe=_NAME).encode("ascii")


async def send_whole(send: Send, status: int, body: bytes, headers: Headers) -> None:
    """A JSON answer in one piece."""
    start = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode()), *headers]
    await send({"type": "http.response.start", "status": status, "headers": start})
    await send({"type": "http.response.body", "body": body, "more_body": False})


async def send_refusal(send: Send, error: Refused | UpstreamFailed) -> None:
    """The error that a request ends in."""
    if isinstance(error, Refused):
        message, code, wait = error.message, error.code, error.retry_after
    else:
        message, code = error.what, error.reason
        wait = max(1, round(error.retry_after or RETRY_AFTER_S)) if error.status == 429 else None
    headers = [(b"retry-after", str(wait).encode())] if wait else []
    await send_whole(send, error.status, error_body(message, code, error.status), headers)
