"""Requests of one model and a run that asks them: what the tests of the request layer share."""

from __future__ import annotations

from pathlib import Path

from conftest import png

from rsd_bench.endpoints.answer_store import open_answers
from rsd_bench.endpoints.calls import Endpoint, Request, image_part, make_request, text_part
from rsd_bench.endpoints.engine import Lane
from rsd_bench.endpoints.prices import Budget, Price, Prices
from rsd_bench.endpoints.retry import Asking, RetryPolicy
from rsd_bench.endpoints.run_calls import Run, run_requests

IMAGE = png(1)
PRICES = Prices("2026-11-24", {"m": Price(1.0, 10.0, batch=0.5)})
QUICK = RetryPolicy(attempts=4, timeout_s=1.5, total_s=8, backoff_s=0.01)


def question(text: str, **changes: object) -> Request:
    parts = {"model": "m", "params": {"temperature": 0}, "prompt_version": "v1", "sample": 0} | changes
    image = parts.pop("image", "a" * 64)
    return make_request(messages=[{"role": "user", "content": [image_part(image), text_part(text)]}], **parts)


def run(folder: Path, url: str, requests: list[Request], concurrency: int = 8, **run_with):
    """Ask requests; return the tally, the answers by key, and the budget."""
    budget = run_with.pop("budget", Budget(PRICES))
    asking = run_with.pop("asking", Asking(lambda sha256: IMAGE, QUICK, stream=True))
    endpoint = run_with.pop("endpoint", Endpoint("m", url))
    with open_answers(folder) as store:
        tally = run_requests(
            [Lane(endpoint, lambda: requests, concurrency)], store, Run(asking=asking, budget=budget, output_tokens=100)
        )
        return tally, {r.key: store.get(r.key) for r in requests}, budget
