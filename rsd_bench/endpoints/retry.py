"""The one retry policy: from a request to exactly one Answer, within bounded tries and bounded time.

Transient failures (429, 5xx, timeouts, cut connections) are tried again with exponential backoff and full jitter, never
sooner than Retry-After asks. The same deterministic failure three times gives up; one that says that the model takes no
such medium at all is `unsupported`, at once. Failures never become text.
"""

from __future__ import annotations

import asyncio
import random
import re
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Protocol

from rsd_bench.endpoints.calls import Answer, Request, wire_body
from rsd_bench.endpoints.chat import ChatClient, call
from rsd_bench.endpoints.media import takes_none
from rsd_bench.endpoints.prices import Budget
from rsd_bench.endpoints.reply import CallFailed, Reply

_SAME_FAILURE = 3
_NAP_S = 0.5
_KEY_SHOWN = "[key]"
_USERINFO = re.compile(r"(?<=://)[^\s\"<>]*@")  # user and password of a URL
_KEY_LENGTH = 16  # characters of the shortest key that cannot be a word of an answer
_NO_KEYS = {"none", "empty", "null", "dummy", "ollama", "vllm", "lm-studio", "not-needed", "sk-no-key-required"}


@dataclass(frozen=True)
class RetryPolicy:
    """attempts: tries at most. timeout_s: for one try. total_s: for one request, waiting included."""

    attempts: int = 6
    timeout_s: float = 300.0
    total_s: float = 900.0
    backoff_s: float = 0.5
    backoff_cap_s: float = 30.0


class EnergyMeter(Protocol):
    """Joules of this machine between `start` and `stop`; `basis` names the instrument."""

    basis: str

    def start(self) -> None: ...

    def stop(self) -> float: ...


@dataclass(frozen=True)
class Asking:
    """How to ask: `media` reads the original bytes of a medium by sha256; `stream` measures first-token time.

    meter: only where one call is in flight at a time, on the machine that answers.
    """

    media: Callable[[str], bytes]
    policy: RetryPolicy = field(default_factory=RetryPolicy)
    stream: bool = False
    meter: EnergyMeter | None = None


async def ask(
    client: ChatClient, request: Request, asking: Asking, budget: Budget, stopping: Callable[[], bool]
) -> tuple[Answer, bool]:
    """Ask until there is a reply or the policy gives up; every ending is an Answer. Cancellation passes through.

    stopping: when it holds, a call in flight is finished and none is tried again. Also returned: whether an error is of
    this request alone, and no sign that the endpoint is down.
    """
    policy, meter = asking.policy, asking.meter
    try:
        body = wire_body(request, asking.media, asking.stream)
    except OSError as error:
        return Answer(request.key, request.model, "error", detail=f"media: {error.strerror or error}", attempts=0), True
    kinds = {kind for kind, _ in request.media}
    deadline = time.monotonic() + policy.total_s
    seen: Counter[str] = Counter()
    costs: list[float | None] = []
    attempt = 0
    while True:
        attempt += 1
        try:
            seconds = min(policy.timeout_s, max(deadline - time.monotonic(), 0.001))
            reply, joules = await _metered(client, body, asking, seconds)
            costs.append(budget.cost(request, reply.input_tokens, reply.output_tokens, reply.text))
            answer = _answer(request, reply, attempt, costs, client.api_key)
            return (replace(answer, energy_j=joules, energy_basis=meter.basis) if meter else answer), False
        except CallFailed as error:
            failed = error
        if failed.reply or failed.billable:
            spent = failed.reply
            tokens = (spent.input_tokens, spent.output_tokens) if spent else (None, None)
            costs.append(budget.cost(request, *tokens, spent.text if spent else ""))
        seen[failed.what] += 1
        wait = _wait(failed, attempt, policy)
        unsupported = failed.reply is None and takes_none(failed.what, kinds)
        last_word = unsupported or failed.kind == "filtered"
        hopeless = failed.kind == "deterministic" and seen[failed.what] >= _SAME_FAILURE
        late = attempt >= policy.attempts or time.monotonic() + wait >= deadline
        if last_word or hopeless or late or not await _slept(wait, stopping):
            status = "unsupported" if unsupported else "filtered" if failed.kind == "filtered" else "error"
            detail = without_key(_USERINFO.sub("", failed.what), client.api_key)
            answer = Answer(request.key, request.model, status, detail=detail, attempts=attempt, cost_usd=_total(costs))
            return (replace(answer, latency_s=failed.latency_s) if unsupported else answer), failed.of_request


async def _metered(client: ChatClient, body: bytes, asking: Asking, seconds: float) -> tuple[Reply, float | None]:
    """One call, and the joules it took where there is a meter."""
    if asking.meter is None:
        return await call(client, body, asking.stream, seconds), None
    asking.meter.start()
    try:
        reply = await call(client, body, asking.stream, seconds)
    finally:
        joules = asking.meter.stop()
    return reply, joules


async def _slept(seconds: float, stopping: Callable[[], bool]) -> bool:
    """Wait; False, at once, where the run is stopping."""
    end = time.monotonic() + seconds
    while not stopping() and (left := end - time.monotonic()) > 0:
        await asyncio.sleep(min(left, _NAP_S))
    return not stopping()


def _wait(failed: CallFailed, attempt: int, policy: RetryPolicy) -> float:
    """Seconds to wait: full jitter over an exponential, and at least what the endpoint asked for."""
    backoff = random.uniform(0, min(policy.backoff_cap_s, policy.backoff_s * 2 ** (attempt - 1)))
    return failed.retry_after + backoff if failed.retry_after is not None else backoff


def _answer(request: Request, reply: Reply, attempts: int, costs: list[float | None], key: str) -> Answer:
    status, text, detail = reply.outcome
    return Answer(
        key=request.key,
        model=request.model,
        status=status,
        text=without_key(text, key, _KEY_LENGTH),
        detail=without_key(detail, key),
        served_model=without_key(reply.served_model, key),
        input_tokens=reply.input_tokens,
        output_tokens=reply.output_tokens,
        first_token_s=reply.first_token_s,
        latency_s=reply.latency_s,
        attempts=attempts,
        cost_usd=_total(costs),
    )


def _total(costs: list[float | None]) -> float | None:
    known = [cost for cost in costs if cost is not None]
    return sum(known) if known else None


def without_key(text: str | None, key: str, shortest: int = 1) -> str | None:
    """An endpoint may echo the key that it was sent, in any string; it must not reach the disk.

    shortest: a key of fewer characters may be a word of what a model says, and stays. A placeholder is no secret.
    """
    if not text or len(key) < shortest or key.lower() in _NO_KEYS:
        return text
    return _forms(key).sub(_KEY_SHOWN, text)


@cache
def _forms(key: str) -> re.Pattern[str]:
    """A key as it is, or escaped as in JSON or a URL: a body that is no JSON is stored as it came, `\\/` and all."""
    parts = []
    for character in key:
        quoted = "".join(f"%{byte:02x}" for byte in character.encode())
        parts.append(rf"(?:\\*{re.escape(character)}|(?i:\\+u{ord(character):04x}|{quoted}))")
    return re.compile("".join(parts))
