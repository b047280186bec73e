"""The same requests on a Ray cluster: Ray Data over shards, many workers, one writer of the store.

    driver            cuts what the store lacks into shards (Arrow blocks), follows the progress
    desk (one actor)  on the driver's node: the only writer of the database; hands out media, holds the cost cap
    workers           one asyncio loop each; every answer goes to the desk at once and is committed before it counts

A worker or node that is lost loses the calls it had in flight and no stored answer: Ray Data gives its shard to another
worker, which asks the desk what is still missing. Endpoint keys do not travel: each node has them in its environment.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rsd_bench.endpoints.answer_store import join_answers
from rsd_bench.endpoints.calls import Answer, Endpoint, Request
from rsd_bench.endpoints.chat import ChatClient, open_client
from rsd_bench.endpoints.engine import INTERRUPTED, Job, Lane, Tally, progress_bar
from rsd_bench.endpoints.prices import Budget, Prices
from rsd_bench.endpoints.retry import Asking, RetryPolicy, ask
from rsd_bench.types import InputError

if TYPE_CHECKING:
    import pyarrow as pa

_SHARDS_PER_WORKER = 8  # at least, so that a lost or slow worker leaves little to the others
_SHARD = 256  # requests, at most
_POLL_S = 0.5
_CPUS = 0.5  # of a worker, which mostly waits


@dataclass(frozen=True)
class Cluster:
    """Where `--engine ray` runs: `address` None starts Ray on this machine, "auto" joins the cluster it belongs to."""

    workers: int = 2
    address: str | None = None


class Desk:
    """The one writer. Lives as an actor on the driver's node; its calls are served one after another."""

    def __init__(self, path: Path, media: Any, budget: Budget, tally: Tally) -> None:
        self._store, self._media, self._budget, self._tally = join_answers(path), media, budget, tally

    def missing(self, model: str, keys: list[str]) -> set[str]:
        """The keys of a model that still need an answer; none where nothing more is asked of it."""
        return {key for key in keys if not self._store.has_final(key)} if self._may_go_on(model) else set()

    def media(self, sha256: str) -> bytes | None:
        """Original bytes of an image or a sound; None where it cannot be read."""
        try:
            return bytes(self._media(sha256))
        except OSError:
            return None

    def put(self, answer: Answer, estimated: int, of_request: bool = False) -> bool:
        """Commit an answer; return whether to go on with its model."""
        self._store.put(answer)
        self._tally.count(answer, of_request)
        self._budget.spent_usd += answer.cost_usd or 0.0
        self._budget.estimated += estimated
        return self._may_go_on(answer.model)

    def _may_go_on(self, model: str) -> bool:
        if self._budget.exhausted:
            self.stop(f"reached --max-cost {self._budget.max_usd:g}")
        return not self._tally.over(model)

    def stop(self, why: str) -> None:
        self._tally.ended = self._tally.ended or why

    def state(self) -> tuple[Tally, Budget]:
        return self._tally, self._budget


class Worker:
    """Asks one shard after another. `desk`: the actor handle of the Desk."""

    def __init__(
        self, desk: Any, endpoints: dict[str, tuple[Endpoint, int]], policy: RetryPolicy, stream: bool, prices: Prices
    ) -> None:
        self._desk, self._endpoints, self._prices = desk, endpoints, prices
        self._asking = Asking(_not_fetched, policy, stream)
        self._loop = asyncio.new_event_loop()
        self._clients: dict[str, ChatClient] = {}
        self._over: set[str] = set()  # models of which nothing more is asked

    def __call__(self, shard: pa.Table) -> pa.Table:
        """Ask what is missing of a shard (columns key, model, body); return it as (model, asked)."""
        import pyarrow as pa

        requests = [Request(**row) for row in shard.to_pylist()]
        asked = self._loop.run_until_complete(self._shard(requests))
        return pa.table({"asked": [asked]})

    async def _shard(self, requests: list[Request]) -> int:
        model = requests[0].model
        missing = await self._desk.missing.remote(model, [request.key for request in requests])
        todo = iter([request for request in requests if request.key in missing])
        async with asyncio.TaskGroup() as group:
            for _ in range(self._endpoints[model][1]):
                group.create_task(self._work(todo))
        return len(missing)

    async def _work(self, requests: Iterator[Request]) -> None:
        for request in requests:
            if request.model in self._over:
                return
            if not await self._desk.put.remote(*await self._ask(request)):
                self._over.add(request.model)

    async def _ask(self, request: Request) -> tuple[Answer, int, bool]:
        """What `Desk.put` takes."""
        media = {sha256: await self._desk.media.remote(sha256) for _, sha256 in request.media}
        if None in media.values():
            return Answer(request.key, request.model, "error", detail="media: cannot be read", attempts=0), 0, True
        endpoint, concurrency = self._endpoints[request.model]
        if request.model not in self._clients:
            try:
                self._clients[request.model] = open_client(endpoint, concurrency)
            except KeyError:
                detail = f"environment variable {endpoint.key_variable} is not set on this node"
                return Answer(request.key, request.model, "error", detail=detail, attempts=0), 0, False
        budget = Budget(self._prices)
        asking = replace(self._asking, media=media.__getitem__)
        client = self._clients[request.model]
        answer, of_request = await ask(client, request, asking, budget, lambda: request.model in self._over)
        return answer, budget.estimated, of_request


def _not_fetched(sha256: str) -> bytes:
    raise OSError(0, f"{sha256} was not fetched")


def run_on_ray(lanes: list[Lane], job: Job, cluster: Cluster) -> None:
    """Ask everything that the store lacks on a Ray cluster. Fills tally and budget."""
    if job.asking.meter:
        raise InputError.at("--energy", "needs the local engine", "leave out --engine ray")
    with on_ray(cluster):
        import ray.data

        desk = open_desk(job)
        tables = [table for lane in lanes for table in shards_of(lane, job, cluster.workers)]
        if not tables:
            return
        endpoints = {lane.endpoint.model: (lane.endpoint, lane.concurrency) for lane in lanes}
        work = ray.data.from_arrow(tables).map_batches(
            Worker,
            batch_size=None,
            batch_format="pyarrow",
            compute=ray.data.ActorPoolStrategy(size=cluster.workers),
            fn_constructor_args=(desk, endpoints, job.asking.policy, job.asking.stream, job.budget.prices),
            num_cpus=_CPUS,
        )
        follow(work, desk, job)


@contextmanager
def on_ray(cluster: Cluster) -> Iterator[None]:
    """Ray, joined or started, and left again where it was not running before. Failures of Ray are InputErrors."""
    try:
        import ray
        import ray.data
    except ImportError:
        raise InputError.at("--engine ray", "Ray is not installed", "pip install 'rsd-bench[judge,ray]'") from None
    ours = not ray.is_initialized()
    if ours:
        _join(cluster)
    try:
        _be_quiet()
        yield
    except ray.exceptions.RayError as error:
        raise InputError.at("--engine ray", f"the run failed: {_last_line(error)}", "run again to go on") from None
    finally:
        if ours:
            ray.shutdown()


def open_desk(job: Job) -> Any:
    """The handle of a Desk on this node."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    actor = ray.remote(Desk).options(num_cpus=0, scheduling_strategy=here)
    return actor.remote(job.store.path, job.asking.media, job.budget, job.tally)


def _join(cluster: Cluster) -> None:
    import ray

    try:
        if cluster.address is None:  # "local": not the cluster of somebody else who works on this machine
            ray.init(address="local", include_dashboard=False, log_to_driver=False)
        else:
            ray.init(address=cluster.address, log_to_driver=False)
    except (ConnectionError, ValueError, RuntimeError) as error:
        reason = str(error).strip().splitlines()[0]
        raise InputError.at("--ray-address", f"no cluster: {reason}", "start one, or leave the option out") from None


def _be_quiet() -> None:
    """One bar, ours: Ray Data would log and show its own."""
    import ray

    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    logging.getLogger("ray.data").setLevel(logging.WARNING)


def shards_of(lane: Lane, job: Job, workers: int) -> Iterator[pa.Table]:
    """What the store lacks of a lane, as tables of requests, each key once."""
    import pyarrow as pa

    size = max(1, min(_SHARD, job.tally.pending // (workers * _SHARDS_PER_WORKER)))
    seen: set[str] = set()

    def lacking() -> Iterator[Request]:
        for request in lane.requests():
            if request.key not in seen and not job.store.has_final(request.key):
                seen.add(request.key)
                yield request

    requests = lacking()
    while shard := list(islice(requests, size)):
        yield pa.table({name: [getattr(request, name) for request in shard] for name in ("key", "model", "body")})


def follow(work: Any, desk: Any, job: Job) -> None:
    """Run the work to its end in a thread and keep tally, budget and the bar up to date meanwhile."""
    import ray

    failures: list[BaseException] = []

    def run() -> None:
        try:
            for _ in work.iter_batches(batch_size=None):
                pass
        except Exception as error:  # handed to the caller below
            failures.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    with progress_bar(job.tally, job.budget) as show:
        while True:
            try:
                thread.join(_POLL_S)
                theirs, spent = ray.get(desk.state.remote())
                _take(theirs, spent, job)
                show()
                if not thread.is_alive():
                    break
            except KeyboardInterrupt:
                if job.tally.ended == INTERRUPTED:
                    raise
                ray.get(desk.stop.remote(INTERRUPTED))
    if failures:
        what = f"the work failed: {_last_line(failures[0])}"
        raise InputError.at("--engine ray", what, "run again to go on") from None


def _last_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[-1]


def _take(theirs: Tally, spent: Budget, job: Job) -> None:
    tally, budget = job.tally, job.budget
    tally.asked, tally.last_error = theirs.asked, theirs.last_error
    tally.ended, tally.given_up = theirs.ended, theirs.given_up
    budget.spent_usd, budget.estimated = spent.spent_usd, spent.estimated
