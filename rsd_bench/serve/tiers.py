"""The tiers of a server: how many calls each may have, and whether it is worth asking at all.

A tier has `concurrency` calls in flight and `queue` waiting; beyond that it is Busy, which the client hears as 429 with
Retry-After where no other tier can take the query. After `_FAILURES` failures in a row a tier is down until a call
succeeds: for `_REST_S` seconds nobody waits for it, then one request tries it again, or who asks whether the server is
ready has it looked at. A model that said of images that
it takes none is not shown any for `_BLIND_S` seconds: what it says may be an echo of what a client sent.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from rsd_bench.endpoints.calls import Endpoint
from rsd_bench.serve.asked import Asked
from rsd_bench.serve.failures import UpstreamFailed
from rsd_bench.serve.upstream import Reply, Upstream

_FAILURES = 5
_REST_S = 5.0
_BLIND_S = 600.0
RETRY_AFTER_S = 2


class Tier:
    """A model and its state. first_s: how long its first token may take."""

    def __init__(self, name: str, endpoint: Endpoint, upstream: Upstream, *, first_s: float, slots: int, queue: int):
        self.name, self.model, self.endpoint, self.first_s = name, endpoint.model, endpoint, first_s
        self.upstream = upstream
        self._blind_until = 0.0
        self.waiting = self.in_flight = 0
        self._slots, self._queue = asyncio.Semaphore(slots), queue
        self._failures, self._down_until = 0, 0.0

    @property
    def down(self) -> bool:
        """Whether it failed so often, and has answered nothing since."""
        return self._failures >= _FAILURES

    @property
    def takes_images(self) -> bool:
        return time.monotonic() >= self._blind_until

    def worth_asking(self) -> bool:
        """Whether to ask it where there is another. Once its rest is over, the first to look may try it."""
        if self.down and time.monotonic() < self._down_until:
            return False
        if self.down:
            self._down_until = time.monotonic() + _REST_S
        return True

    async def look(self) -> bool:
        """Whether it is up. One that is down, its rest over, is asked for its models.

        Where it answers, the next request tries it, and one more failure has it down again.
        """
        if self.down and self.worth_asking() and await self.upstream.lives():
            self._failures = _FAILURES - 1
        return not self.down

    @asynccontextmanager
    async def ask(self, asked: Asked, seconds: float) -> AsyncIterator[Reply]:
        """A reply that has begun within `seconds`, waiting for a free slot included. Raises UpstreamFailed."""
        body = asked.body(self.model)
        start = time.monotonic()
        await self._enter(seconds)
        self.in_flight += 1
        try:
            left = max(seconds - (time.monotonic() - start), 0.001)
            began = False
            try:
                async with self.upstream.ask(body, asked.stream, asked.usage_wanted, left) as reply:
                    self._failures, began = 0, True
                    yield reply
            except UpstreamFailed as failed:
                if not began:
                    self._note(failed, asked)
                raise
        finally:
            self.in_flight -= 1
            self._slots.release()

    async def _enter(self, seconds: float) -> None:
        if not self._slots.locked():
            await self._slots.acquire()
            return
        if self.waiting >= self._queue:
            raise UpstreamFailed(
                "busy", f"too many requests wait for {self.name}", status=429, retry_after=RETRY_AFTER_S
            )
        self.waiting += 1
        try:
            async with asyncio.timeout(seconds):
                await self._slots.acquire()
        except TimeoutError:
            what = f"no free call of {self.name} within {seconds:.3g} s"
            raise UpstreamFailed("busy", what, status=429, retry_after=RETRY_AFTER_S) from None
        finally:
            self.waiting -= 1

    def _note(self, failed: UpstreamFailed, asked: Asked) -> None:
        if failed.reason == "no-vision" and asked.has_images and not asked.other_media:
            self._blind_until = time.monotonic() + _BLIND_S
        if failed.of_request:
            self._failures = 0
            return
        self._failures += 1
        if self._failures >= _FAILURES:
            self._down_until = time.monotonic() + _REST_S
