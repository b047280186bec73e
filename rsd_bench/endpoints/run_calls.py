"""Run requests to their end: count and estimate first, then ask on this machine or on a Ray cluster."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from rsd_bench.endpoints.answer_store import AnswerStore
from rsd_bench.endpoints.chat import load_sdk
from rsd_bench.endpoints.engine import Job, Lane, Tally, count_pending, run_local
from rsd_bench.endpoints.prices import Budget
from rsd_bench.endpoints.ray_calls import Cluster, run_on_ray
from rsd_bench.endpoints.retry import Asking


@dataclass(frozen=True, kw_only=True)
class Run:
    """One way of running requests. output_tokens: what the estimate takes an answer to be, at most.

    cluster: where to ask, None for this machine. on_cluster: what asks there, the endpoints or a batch engine.
    """

    asking: Asking
    budget: Budget
    output_tokens: int
    cluster: Cluster | None = None
    on_cluster: Callable[[list[Lane], Job, Cluster], None] = field(default=run_on_ray)
    announce: Callable[[Tally], None] = field(default=lambda tally: None)


def run_requests(lanes: list[Lane], store: AnswerStore, run: Run) -> Tally:
    """Ask what the store lacks; return what became of it. InputError where a dependency is missing."""
    run.budget.require([lane.endpoint.model for lane in lanes])
    tally = count_pending(lanes, store, run.budget, run.output_tokens)
    run.announce(tally)
    if not tally.pending:
        return tally
    job = Job(store, run.asking, run.budget, tally)
    if run.cluster:
        run.on_cluster(lanes, job, run.cluster)
        return tally
    load_sdk()  # before the bar starts its clock
    run_local(lanes, job)
    return tally
