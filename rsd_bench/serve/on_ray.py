"""The same server on a Ray cluster: Ray Serve starts replicas, balances requests and replaces what dies.

A replica is the whole app of `app`, made on its own node: routers, price file and, with --log, STORE are paths of that
node, and keys are variables of its environment. No secret travels. Ray's proxy listens on the head node; a request in
flight on a node that dies ends in a 500, which clients of OpenAI's API ask again.
"""

from __future__ import annotations

import logging
import re
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from rsd_bench.serve.settings import Settings
from rsd_bench.types import InputError

_NAME = "rsd-bench"


@contextmanager
def deployed(settings: Settings, make: Callable[[Settings], Any], address: str | None) -> Iterator[None]:
    """The app of `make` on the cluster at `address` (None: the one of RAY_ADDRESS, else a new one on this machine),
    for the block. InputError where Ray or an option of [ray] is not to be had, or the replicas do not start."""
    try:
        import ray
        from ray import serve
        from ray.serve.config import HTTPOptions
    except ImportError as error:
        raise InputError.at("--engine ray", f"cannot be used: {error}", "pip install 'rsd-bench[ray]'") from None
    options = {"max_ongoing_requests": settings.concurrency, "max_queued_requests": settings.queue, **settings.ray}
    replica = replace(settings, ray={})

    def app() -> Any:
        return make(replica)

    try:
        deployment = serve.deployment(name=_NAME, **options)(serve.ingress(app)())
    except (TypeError, ValueError) as error:
        reason = " ".join(str(error).split())[:300]
        raise InputError.at("[ray]", reason, "use options of ray.serve.deployment, see docs/serving.md") from None
    logging.getLogger("ray.serve").setLevel(logging.WARNING)
    started = not ray.is_initialized()
    if started:
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
    try:
        serve.start(proxy_location="HeadOnly", http_options=HTTPOptions(host=settings.host, port=settings.port))
        try:
            serve.run(deployment.bind(), name=_NAME, route_prefix="/")
        except RuntimeError:
            told = serve.status().applications[_NAME].deployments.values()
            what = f"no replica starts: {_last_line(one.message for one in told)}"
            raise InputError.at("--engine ray", what, "mend that on every node") from None
        yield
    finally:
        serve.shutdown()  # type: ignore[no-untyped-call]  # Ray's
        if started:
            ray.shutdown()


def _last_line(messages: Iterable[str]) -> str:
    """What failed, without the traceback before it."""
    lines = [line.strip() for message in messages for line in message.splitlines() if line.strip()]
    faults = [line for line in lines if re.match(r"[\w.]+(Error|Exception|Refused): ", line)]
    return (faults or lines or ["Ray does not say why"])[-1][:300]


def wait_for_the_end() -> None:
    """Until SIGINT or SIGTERM."""
    told = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: told.set())
    told.wait()
