"""Many machines: a node that dies midway takes no stored answer with it, and the cap holds across workers.

A real two-node Ray cluster on this machine; one node is killed while it works.
"""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from chat_server import Loopback
from conftest import png
from mixed_media import WAV

from rsd_bench.endpoints.answer_store import join_answers, open_answers
from rsd_bench.endpoints.calls import Endpoint, Request, make_request, user_content
from rsd_bench.endpoints.engine import Lane
from rsd_bench.endpoints.prices import Budget, Price, Prices
from rsd_bench.endpoints.ray_calls import Cluster
from rsd_bench.endpoints.retry import Asking, RetryPolicy
from rsd_bench.endpoints.run_calls import Run, run_requests

ray = pytest.importorskip("ray")
IMAGE = png(5)
SHA256, SOUND = (hashlib.sha256(data).hexdigest() for data in (IMAGE, WAV))
PRICES = Prices("2026-11-24", {"m": Price(1.0, 10.0)})


@pytest.fixture(scope="module")
def nodes() -> Iterator[Any]:
    """A cluster of two nodes; the second is there to be killed."""
    from ray.cluster_utils import Cluster as LocalCluster

    quick = {"health_check_period_ms": 500, "health_check_timeout_ms": 500, "health_check_failure_threshold": 2}
    head = {"num_cpus": 1, "include_dashboard": False, "_system_config": quick}
    cluster = LocalCluster(initialize_head=True, head_node_args=head)
    second = cluster.add_node(num_cpus=1)
    ray.init(address=cluster.address, log_to_driver=False)
    yield cluster, second
    ray.shutdown()
    cluster.shutdown()


def questions(n: int, name: str) -> list[Request]:
    """Each about a picture and a sound."""
    content = [user_content([("image", SHA256), ("audio", SOUND)], f"{name} {i} fault=500-once") for i in range(n)]
    return [make_request("m", [{"role": "user", "content": parts}], {}, "v1") for parts in content]


ASKING = Asking({SHA256: IMAGE, SOUND: WAV}.__getitem__, RetryPolicy(backoff_s=0.01), stream=True)


@pytest.mark.heavy
def test_cap_holds_across_workers(tmp_path: Path, nodes: Any) -> None:
    requests, budget = questions(200, "cap"), Budget(PRICES, 0.005)
    with Loopback(latency=0.02) as server, open_answers(tmp_path) as store:
        run = Run(asking=ASKING, budget=budget, output_tokens=10, cluster=Cluster(workers=2))
        tally = run_requests([Lane(Endpoint("m", server.url), lambda: requests, 4)], store, run)
        answered = sum(store.has_final(r.key) for r in requests)
    assert "--max-cost" in tally.stopped
    assert 0.005 <= budget.spent_usd <= 0.005 + 2 * 4 * 200e-6 + 1e-12
    assert answered == round(budget.spent_usd / 200e-6) == tally.asked["m", "ok"]


def test_a_killed_node_loses_no_answer_and_repeats_none_that_was_stored(tmp_path: Path, nodes: Any) -> None:
    cluster, second = nodes
    requests, log = questions(240, "kill"), tmp_path / "delivered.log"
    at_kill: list[set[str]] = []
    with Loopback(latency=0.1, log=log) as server, open_answers(tmp_path) as store:

        def kill_midway() -> None:
            reader = join_answers(store.path)
            while len(log.read_text().splitlines()) < 80:
                time.sleep(0.02)
            at_kill.append({r.key for r in requests if reader.has_final(r.key)})
            cluster.remove_node(second, allow_graceful=False)

        run = Run(asking=ASKING, budget=Budget(PRICES), output_tokens=10, cluster=Cluster(workers=2))
        thread = threading.Thread(target=kill_midway)
        thread.start()
        tally = run_requests([Lane(Endpoint("m", server.url), lambda: requests, 4)], store, run)
        thread.join(60)
        sent = server.sent()
        answers = [store.get(r.key) for r in requests]
    assert tally.stopped is None
    assert Counter(a.status for a in answers) == {"ok": 240}
    assert 40 < len(at_kill[0]) < 240
    text_of = {r.key: json.loads(r.body)["messages"][0]["content"][-1]["text"] for r in requests}
    times = Counter(text for _, text in map(json.loads, log.read_text().splitlines()))
    assert all(times[text_of[key]] == 1 for key in at_kill[0])
    assert sum(times.values()) <= 240 + 4  # at most what the dead worker had in flight is asked again
    assert {a.text for a in answers} == {f"An answer to: {text}" for text in text_of.values()}
    assert all([part["type"] for part in parts] == ["image_url", "input_audio", "text"] for _, parts in sent)
