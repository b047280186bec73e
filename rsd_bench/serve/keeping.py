"""Which requests are kept, and which of them the other tier is asked too, so that traffic becomes training data.

A share of the answered requests is kept (`--log-share`), and of these a share (`--shadow`) is asked of the other tier
of the pair as well, after the client has its answer, a few at a time. What does not stand for a query on its own - an
earlier turn, tools, other media - is kept with its decision, and never asked again.
"""

from __future__ import annotations

import asyncio
import random
import time
from dataclasses import replace

from rsd_bench.endpoints.calls import Answer
from rsd_bench.endpoints.reply import CallFailed, usable
from rsd_bench.endpoints.reply import Reply as Said
from rsd_bench.serve.answering import Ending, Service
from rsd_bench.serve.asked import Asked
from rsd_bench.serve.counts import Counts
from rsd_bench.serve.failures import Refused, UpstreamFailed
from rsd_bench.serve.journal import Journal, Kept, Record, new_id
from rsd_bench.serve.tiers import Tier
from rsd_bench.serve.upstream import Reply

_SHADOWS = 4  # asked at once
_SHADOWS_WAITING = 64


class Keeper:
    """Keeps what a service answers; `service` is set once there is one."""

    service: Service

    def __init__(self, journal: Journal, counts: Counts, share: float, shadow: float) -> None:
        self._journal, self._counts, self._share, self._shadow = journal, counts, share, shadow
        self._slots = asyncio.Semaphore(_SHADOWS)
        self._shadows: set[asyncio.Task[None]] = set()

    async def keep(self, asked: Asked, ending: Ending) -> None:
        """Keep an answer before its end goes out."""
        tier, reply = ending.tier, ending.reply
        if tier is None or reply is None or ending.decision is None or random.random() >= self._share:
            return
        record = _record(asked, ending)
        answer = self._broken(record.id, tier, ending.broken) if ending.broken else self._answer(record.id, tier, reply)
        edge = self.service.tiers["edge"]
        draft = self._answer(record.id, edge, ending.draft) if ending.draft else None
        given = [(tier, answer), (edge, draft)]
        kept = [Kept(who.name, False, said) for who, said in given if said]
        if not await self._journal.keep(record, kept):
            return
        self._counts.logged.labels("kept").inc()
        whole = answer and not ending.broken
        if whole and record.alone and not ending.failures and not draft and random.random() < self._shadow:
            self._start_shadow(asked, tier, record.id)

    def _broken(self, key: str, tier: Tier, failed: UpstreamFailed) -> Answer:
        """What is kept of an answer that broke off: no text, for half an answer is none that could be judged."""
        what = tier.upstream.without_key(failed.what)
        return Answer(key=key, model=tier.model, status="error", detail=f"broken off: {what}")

    def _answer(self, key: str, tier: Tier, reply: Reply) -> Answer | None:
        """An answer as the store has them; None for what is none of a query: a tool call, an empty text."""
        usage = reply.usage
        try:
            said = usable(Said(reply.text, reply.finish, reply.refusal, reply.served, usage.input, usage.output))
        except CallFailed:
            return None
        status, text, detail = said.outcome
        return Answer(
            key=key,
            model=tier.model,
            status=status,
            text=tier.upstream.without_key(text) if text else text,
            detail=tier.upstream.without_key(detail) if detail else detail,
            served_model=said.served_model,
            input_tokens=usage.input,
            output_tokens=usage.output,
            first_token_s=reply.first_token_s,
            latency_s=reply.latency_s,
            cost_usd=self._counts.usd(tier.model, reply),
        )

    def _start_shadow(self, asked: Asked, tier: Tier, key: str) -> None:
        if len(self._shadows) >= _SHADOWS_WAITING:
            self._counts.logged.labels("shadow_dropped").inc()
            return
        other = self.service.tiers["edge" if tier.name == "cloud" else "cloud"]
        task = asyncio.ensure_future(self._ask_shadow(asked, other, key))
        self._shadows.add(task)
        task.add_done_callback(self._shadows.discard)

    async def _ask_shadow(self, asked: Asked, tier: Tier, key: str) -> None:
        plain = {name: value for name, value in asked.passed.items() if name not in ("stream", "stream_options")}
        whole = replace(asked, stream=False, passed=plain)
        async with self._slots:
            try:
                async with tier.ask(whole, self.service.timeout_s) as reply:
                    answer = self._answer(key, tier, reply)
                    self._counts.shadowed(tier.name, tier.model, reply)
            except (UpstreamFailed, Refused) as failed:
                self._counts.shadow_calls.labels(tier.name, getattr(failed, "reason", "refused")).inc()
                said = failed.what if isinstance(failed, UpstreamFailed) else failed.message
                unsupported = isinstance(failed, UpstreamFailed) and failed.reason == "no-vision"
                answer = Answer(key, tier.model, "unsupported" if unsupported else "error", detail=said)
        if answer and await self._journal.keep(None, [Kept(tier.name, True, answer)]):
            self._counts.logged.labels("shadow").inc()

    async def close(self) -> None:
        """End what is asked for the log alone, and write what waits."""
        for task in list(self._shadows):
            task.cancel()
        await asyncio.gather(*self._shadows, return_exceptions=True)
        await asyncio.to_thread(self._journal.close)


def _record(asked: Asked, ending: Ending) -> Record:
    decision = ending.decision
    assert decision
    alone = asked.as_a_query and len(ending.images) == len(asked.images) + len(asked.links)
    return Record(
        id=new_id(),
        at=time.time(),
        question=asked.question,
        images=tuple(ending.images) if alone else (),
        alone=alone,
        scenario=decision.scenario,
        chosen=decision.tier,
        fallback="; ".join(f"{tier.name} {failed.reason}" for tier, failed in ending.failures),
        p_edge=decision.p_edge,
        tau=decision.tau,
        expected_gain=decision.expected_gain,
        decision_s=decision.seconds,
        problem=decision.problem,
    )
