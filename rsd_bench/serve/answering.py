"""A request from its body to its end: the router decides, a tier answers, another one stands in once where it does not.

Nothing goes out before a tier has begun to answer, so a tier that is down, slow or refuses costs time and no answer.
From the first byte on nothing is asked again: a stream that breaks ends in one error event. Headers say what happened:

    x-rsd-tier, x-rsd-model     who answered
    x-rsd-scenario              what the router decided for
    x-rsd-decision-ms, x-rsd-p-edge, x-rsd-expected-gain
    x-rsd-fallback              TIER; REASON: who was to answer and did not
    x-rsd-router                why no router decided, and the default tier was asked
    x-rsd-cascade               accepted or escalated: what a cascade made of the edge's answer, which took -ms and -usd
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Mapping
from contextlib import aclosing, contextmanager
from dataclasses import dataclass, field

from rsd_bench.serve.asked import Asked, images_of, require_bounded
from rsd_bench.serve.counts import Counts
from rsd_bench.serve.deciding import Decider, Decision, Routers
from rsd_bench.serve.failures import Refused, UpstreamFailed, error_event
from rsd_bench.serve.places import Fetcher
from rsd_bench.serve.sending import (
    EVENTS,
    JSON,
    Headers,
    Send,
    answer_headers,
    decision_headers,
    draft_headers,
    send_part,
    send_whole,
)
from rsd_bench.serve.tiers import Tier
from rsd_bench.serve.upstream import Reply

_SOON_S = 0.001  # for a tier that is asked when no time is left
_FIRST_SHARE = 0.5  # of the time for an answer to begin, where another tier is left to ask


@dataclass
class Ending:
    """What became of a request; filled in on the way. `reply` and `tier`: who answered, where somebody did."""

    outcome: str = "failed"
    tier: Tier | None = None
    reply: Reply | None = None
    decision: Decision | None = None
    images: list[bytes] = field(default_factory=list)
    failures: list[tuple[Tier, UpstreamFailed]] = field(default_factory=list)
    draft: Reply | None = None  # of the edge, where a cascade went on
    broken: UpstreamFailed | None = None  # what broke the answer off after it had begun


Decide = Callable[[str | None], Awaitable[Decision]]
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
        if ending.draft:
            self.counts.drafted("edge", self.tiers["edge"].model, ending.draft)

    def observe(self) -> None:
        """Set the figures that are of this moment."""
        for name, tier in self.tiers.items():
            self.counts.in_flight.labels(name).set(tier.in_flight)
            self.counts.waiting.labels(name).set(tier.waiting)

    async def answer(self, asked: Asked, send: Send, ending: Ending) -> None:
        """Answer a request. Raises Refused and UpstreamFailed where nothing has gone out yet."""
        named = next((tier for tier in self.tiers.values() if tier.model == asked.model), None)
        if named and asked.scenario is None:
            if asked.pictures:
                await asyncio.to_thread(images_of, asked)
            await self._try(asked, [named], Headers(), send, ending, time.monotonic() + self.timeout_s)
            return
        if not named and asked.scenario is None and asked.model != "rsd":
            raise Refused(404, f"no such model here; use {', '.join(self.models)}", "model_not_found")
        chosen, deadline = self.routers.choose(asked.scenario), time.monotonic() + self.timeout_s
        if asked.pictures:  # what is refused is refused before anybody is paid
            ending.images = await asyncio.to_thread(images_of, asked)
        for image in (fetched := await self._fetched(asked)):
            await asyncio.to_thread(require_bounded, image)
        ending.images += fetched

        async def decide(answer: str | None = None) -> Decision:
            ending.decision = await self.decider.decide(chosen, asked.question, ending.images, answer)
            self.counts.decided(ending.decision)
            return ending.decision

        if chosen[0].cascade:
            await self._cascade(asked, decide, send, ending, deadline)
            return
        decision = await decide()
        other = "edge" if decision.tier == "cloud" else "cloud"
        order = [self.tiers[decision.tier], self.tiers[other]]
        await self._try(asked, order, decision_headers(decision), send, ending, deadline)

    async def _cascade(self, asked: Asked, decide: Decide, send: Send, ending: Ending, deadline: float) -> None:
        """The edge answers; the router looks at that, and keeps it or goes on to the cloud.

        Nothing of the edge's answer goes out before. Where the cloud fails after it, it goes out after all.
        """
        edge, cloud = self.tiers["edge"], self.tiers["cloud"]
        draft = await self._drafted(asked, edge, ending, deadline)
        if draft is None:
            await self._try(asked, [cloud], Headers(), send, ending, deadline)
            return
        decision = await decide(draft.text)
        headers = decision_headers(decision) + draft_headers(decision, draft, self.counts.usd(edge.model, draft))
        if decision.tier != "edge":
            ending.draft = draft
            self.counts.escalations.labels("edge", "cloud", "cascade").inc()
            try:
                if not cloud.worth_asking():
                    raise UpstreamFailed("down", "cloud is down")
                await self._try(asked, [cloud], headers, send, ending, deadline)
                return
            except UpstreamFailed as failed:
                ending.failures = ending.failures or [(cloud, failed)]
        ending.tier, ending.reply, ending.draft = edge, draft, None
        await self._finish(asked, answer_headers(edge, ending.failures) + headers, b"", send, ending)

    async def _drafted(self, asked: Asked, edge: Tier, ending: Ending, deadline: float) -> Reply | None:
        """The whole answer of the edge, held back; None where it has none in time, to its end."""
        if why := _unfit(edge, asked):
            ending.failures.append((edge, why))
            return None
        start = time.monotonic()
        seconds = min(edge.first_s, max((deadline - start) * _FIRST_SHARE, _SOON_S))
        try:
            with self._one_call(edge, ending):
                async with edge.ask(asked, seconds) as reply:
                    if reply.rest is not None:
                        reply.body = await _whole(reply, start + seconds)
                        reply.rest = None
        except UpstreamFailed as failed:
            ending.failures.append((edge, failed))
            return None
        return reply

    @contextmanager
    def _one_call(self, tier: Tier, ending: Ending) -> Iterator[None]:
        """A call of a tier, counted once, as it ends."""
        outcome = "cancelled"
        try:
            yield
            outcome = ending.broken.reason if ending.broken else "answered"
        except UpstreamFailed as failed:
            outcome = failed.reason
            raise
        finally:
            self.counts.calls.labels(tier.name, outcome).inc()

    async def _fetched(self, asked: Asked) -> list[bytes]:
        if self.fetcher is None:
            return []
        links = [url for url in asked.links if self.fetcher.allows(url)]
        return await self.fetcher.fetch_all(links, self.timeout_s * _FIRST_SHARE) if links else []

    async def _try(
        self, asked: Asked, order: list[Tier], headers: Headers, send: Send, ending: Ending, deadline: float
    ) -> None:
        failures = ending.failures
        for position, tier in enumerate(order):
            last = position == len(order) - 1
            if not last and (why := _unfit(tier, asked)):
                failures.append((tier, why))
                continue
            left = (deadline - time.monotonic()) * (1 if last else _FIRST_SHARE)
            seconds = min(tier.first_s, max(left, _SOON_S))
            end = b""
            try:
                with self._one_call(tier, ending):
                    async with tier.ask(asked, seconds) as reply:
                        for passed_over, failed in failures:
                            self.counts.escalations.labels(passed_over.name, tier.name, failed.reason).inc()
                        ending.tier, ending.reply = tier, reply
                        said = answer_headers(tier, failures) + headers
                        if reply.rest is not None:
                            end = await self._pass_on(reply, reply.rest, said, send, ending)
            except UpstreamFailed as failed:
                failures.append((tier, failed))
                continue
            await self._finish(asked, said, end, send, ending)
            return
        raise _worst(failures)

    async def _pass_on(
        self, reply: Reply, rest: AsyncGenerator[bytes], headers: Headers, send: Send, ending: Ending
    ) -> bytes:
        """Pass on a stream that has begun; its end, to go out once it is kept. What breaks it is not tried again."""
        ending.outcome = "broken_off"
        start = [(b"content-type", EVENTS), (b"cache-control", b"no-cache"), *headers]
        await send({"type": "http.response.start", "status": 200, "headers": start})
        last = b"".join(reply.head)
        try:
            async with aclosing(rest):
                if not reply.done:
                    await send_part(send, last)
                    last = b""
                async for part in rest:
                    if reply.done:
                        last += part
                    else:
                        await send_part(send, part)
        except UpstreamFailed as failed:
            assert ending.tier
            ending.broken = failed
            last += error_event(ending.tier.upstream.without_key(failed.what), failed.reason)
        return last

    async def _finish(self, asked: Asked, headers: Headers, last: bytes, send: Send, ending: Ending) -> None:
        """Send a whole answer, or the end of a stream. The call is over: a client that does not read holds no slot."""
        assert ending.reply
        await self.keep(asked, ending)
        ending.outcome = "broken_off" if ending.broken else "answered"
        if ending.reply.rest is None:
            await send_whole(send, 200, ending.reply.body, headers, EVENTS if asked.stream else JSON)
        else:
            await send_part(send, last, more=False)


async def _whole(reply: Reply, deadline: float) -> bytes:
    """A stream to its end. Raises UpstreamFailed, also where that does not come in time."""
    parts = [*reply.head]
    assert reply.rest
    try:
        async with asyncio.timeout(max(deadline - time.monotonic(), _SOON_S)) as patience, aclosing(reply.rest) as rest:
            async for part in rest:
                parts.append(part)
    except TimeoutError:
        if not patience.expired():
            raise
        raise UpstreamFailed("timeout", "an answer that did not end in time", status=504) from None
    return b"".join(parts)


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
