"""Ask many requests of several endpoints at once on this machine, and store every answer as it comes.

Requests are pulled from an iterator by as many workers as may have a call in flight, so memory holds the calls in
flight and nothing else. A run stops early, cleanly, on Ctrl-C (calls in flight are finished and stored; a second Ctrl-C
drops them) and at the cost cap; an endpoint that is down is given up, the others go on. Running again asks only what is
missing.
"""

from __future__ import annotations

import asyncio
import gc
import signal
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from tqdm import tqdm

from rsd_bench.endpoints.answer_store import AnswerStore
from rsd_bench.endpoints.calls import Answer, Endpoint, Request
from rsd_bench.endpoints.chat import opened
from rsd_bench.endpoints.prices import Budget
from rsd_bench.endpoints.retry import Asking, ask

_KEY_DIGITS = 15  # of a key, to tell requests apart in a set of plain integers
_HOPELESS = 10  # requests that an endpoint failed, before any sign of life: it is down or refuses us
INTERRUPTED = "interrupted"

Requests = Callable[[], Iterable[Request]]  # each call gives the same requests again


@dataclass(frozen=True)
class Lane:
    """What goes to one endpoint, and how many calls may be in flight there."""

    endpoint: Endpoint
    requests: Requests
    concurrency: int = 8


@dataclass
class Tally:
    """What became of a run. `asked` counts endings of this run by (model, status); `cached` what the store had.

    ended: why the whole run ended early. given_up: why an endpoint is asked no more, by model.
    """

    asked: Counter[tuple[str, str]] = field(default_factory=Counter)
    cached: Counter[str] = field(default_factory=Counter)
    pending: int = 0
    estimate_usd: float = 0.0
    ended: str | None = None
    given_up: dict[str, str] = field(default_factory=dict)
    last_error: dict[str, str] = field(default_factory=dict)  # by model
    _failed: Counter[str] = field(default_factory=Counter)  # requests by model, until it shows a sign of life
    _alive: set[str] = field(default_factory=set)

    @property
    def stopped(self) -> str | None:
        """Why something was not asked; None where nothing stood in the way."""
        return "; ".join(filter(None, [self.ended, *self.given_up.values()])) or None

    def over(self, model: str) -> bool:
        """Whether nothing more is to be asked of a model."""
        return self.ended is not None or model in self.given_up

    def count(self, answer: Answer, of_request: bool = False) -> None:
        """Count an ending, and give up an endpoint that has done nothing but fail.

        of_request: the error is of this request alone. However many requests are refused so, those after them may pass.
        """
        model = answer.model
        self.asked[model, answer.status] += 1
        if answer.status in ("error", "unsupported"):
            self.last_error[model] = answer.detail or ""
        if answer.status != "error" or (of_request and answer.attempts):
            self._alive.add(model)
        elif not of_request and model not in self._alive and not self.cached[model]:
            self._failed[model] += 1
            if self._failed[model] >= _HOPELESS:
                self.given_up[model] = f"{model}: {_HOPELESS} requests, {_HOPELESS} errors; the last: {answer.detail}"

    @property
    def failures(self) -> int:
        return sum(n for (_, status), n in self.asked.items() if status != "ok")


@dataclass(frozen=True)
class Job:
    """A run while it asks: who takes the answers, how to ask, what it may spend, and what became of it so far."""

    store: AnswerStore
    asking: Asking
    budget: Budget
    tally: Tally


def count_pending(lanes: list[Lane], store: AnswerStore, budget: Budget, output_tokens: int) -> Tally:
    """A Tally with what the store has, what is to be asked, and its estimated cost."""
    tally = Tally()
    seen: set[int] = set()
    for lane in lanes:
        for request in lane.requests():
            number = int(request.key[:_KEY_DIGITS], 16)
            if number in seen:
                continue  # the same content twice: one call answers both
            seen.add(number)
            if store.has_final(request.key):
                tally.cached[lane.endpoint.model] += 1
            else:
                tally.pending += 1
                tally.estimate_usd += budget.estimate(request, output_tokens)
    return tally


@contextmanager
def progress_bar(tally: Tally, budget: Budget) -> Iterator[Callable[[], None]]:
    """A bar with rate, ETA, cost where there are prices, and failures; it shows where `tally` stands when called."""
    with tqdm(total=tally.pending, desc="asking", unit="call", disable=None) as bar:

        def show() -> None:
            if not bar.disable:
                spent = f"${budget.spent_usd:.4f}, " if tally.estimate_usd else ""
                bar.set_postfix_str(f"{spent}{tally.failures} not ok", refresh=False)
                bar.update(sum(tally.asked.values()) - bar.n)

        yield show


def run_local(lanes: list[Lane], job: Job) -> None:
    """Ask everything that the store lacks, with the workers of every lane in one event loop. Fills the tally."""
    with progress_bar(job.tally, job.budget) as show, _short_pauses():
        try:
            asyncio.run(_run(lanes, job, show))
        except asyncio.CancelledError:
            pass  # the second Ctrl-C; `tally.ended` says so
        except BaseExceptionGroup as group:
            raise _first(group) from None


@contextmanager
def _short_pauses() -> Iterator[None]:
    """Leave what is alive already out of garbage collection: a pass over it takes 0.1 s, inside measured latencies."""
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def _first(error: BaseException) -> BaseException:
    """What went wrong first inside nested task groups."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


async def _run(lanes: list[Lane], job: Job, show: Callable[[], None]) -> None:
    with _stoppable(job.tally):
        async with asyncio.TaskGroup() as group:
            for lane in lanes:
                group.create_task(_drain(lane, job, show))


@contextmanager
def _stoppable(tally: Tally) -> Iterator[None]:
    """The first Ctrl-C lets calls in flight finish, the second cancels them."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()

    def interrupt() -> None:
        if tally.ended == INTERRUPTED and task:
            task.cancel()
        tally.ended = INTERRUPTED

    if threading.current_thread() is not threading.main_thread():  # signals go to the main thread only
        yield
        return
    try:
        loop.add_signal_handler(signal.SIGINT, interrupt)
    except NotImplementedError:  # Windows: the first Ctrl-C drops the calls in flight
        yield
        return
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGINT)


async def _drain(lane: Lane, job: Job, show: Callable[[], None]) -> None:
    store, budget, tally = job.store, job.budget, job.tally
    in_flight: set[str] = set()
    model, requests = lane.endpoint.model, iter(lane.requests())
    async with opened(lane.endpoint, lane.concurrency) as client:

        def stopping() -> bool:
            if budget.exhausted and not tally.ended:
                tally.ended = f"reached --max-cost {budget.max_usd:g}"
            return tally.over(model)

        async def work() -> None:
            for request in requests:
                if stopping():
                    return
                if request.key in in_flight or store.has_final(request.key):
                    continue
                in_flight.add(request.key)
                try:
                    answer, of_request = await ask(client, request, job.asking, budget, stopping)
                    store.put(answer)
                finally:
                    in_flight.discard(request.key)
                tally.count(answer, of_request)
                show()

        async with asyncio.TaskGroup() as group:
            for _ in range(lane.concurrency):
                group.create_task(work())
