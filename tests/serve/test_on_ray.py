"""The server as replicas on a Ray cluster: a node that dies under load takes no request with it that is asked again."""

from __future__ import annotations

import json
import os
import sys
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from serving import FakeTier, Fixed

from rsd_bench.serve.app import make_app
from rsd_bench.serve.deciding import loaded
from rsd_bench.serve.on_ray import deployed
from rsd_bench.serve.settings import Settings, read_settings
from rsd_bench.types import InputError

pytest.importorskip("ray.serve")
TIERS = {"router": ("fixed",), "edge": "small@http://127.0.0.1:1/v1", "cloud": "large@http://127.0.0.1:2/v1"}


def app_of(settings: Settings) -> Any:
    return make_app(settings, [loaded(Fixed())])


def app_that_fails(settings: Settings) -> Any:
    raise InputError.at("--router", "is gone", "name another")


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"num_replicas": "many"}, "num_replicas"),
        ({"no_such_option": 1}, "no_such_option"),
        ({"autoscaling_config": {"min_replicas": 3, "max_replicas": 1}}, "max_replicas"),
    ],
)
def test_an_option_that_ray_serve_does_not_take_is_named_before_anything_starts(
    options: dict[str, Any], told: str
) -> None:
    import ray

    with (
        pytest.raises(InputError, match=rf"^\[ray\]: .*{told}"),
        deployed(read_settings(None, TIERS | {"ray": options}), app_of, None),
    ):
        pass
    assert not ray.is_initialized()


def test_the_table_ray_of_the_file_is_passed_on(tmp_path: Path) -> None:
    (tmp_path / "serve.toml").write_text("[ray]\nnum_replicas = 4\n[ray.ray_actor_options]\nnum_cpus = 0.5\n")
    given = read_settings(tmp_path / "serve.toml", TIERS)
    assert given.ray == {"num_replicas": 4, "ray_actor_options": {"num_cpus": 0.5}}
    (tmp_path / "serve.toml").write_text("ray = 4\n")
    with pytest.raises(InputError, match=r"ray is '4' -> give a table"):
        read_settings(tmp_path / "serve.toml", TIERS)


@pytest.mark.heavy
def test_a_node_killed_under_load_loses_no_request(monkeypatch: pytest.MonkeyPatch) -> None:
    """pytest -m heavy tests/serve/test_on_ray.py"""
    import ray
    from ray.cluster_utils import Cluster as LocalCluster

    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [str(Path(__file__).parent), *sys.path])))
    quick = {"health_check_period_ms": 500, "health_check_timeout_ms": 500, "health_check_failure_threshold": 2}
    head = {"num_cpus": 2, "include_dashboard": False, "_system_config": quick}
    cluster = LocalCluster(initialize_head=True, head_node_args=head)
    second = cluster.add_node(num_cpus=2)
    ray.init(address=cluster.address, log_to_driver=False)
    options = {"num_replicas": 2, "max_replicas_per_node": 1, "ray_actor_options": {"num_cpus": 0.5}}
    killed = threading.Event()
    seen: Counter[str] = Counter()

    def ask(number: int) -> str:
        """As the clients of OpenAI's API do: a 500 or a broken connection is asked again, five times at most."""
        say = "easy" if number % 2 else "hard"
        body = {"model": "rsd/fast_response", "messages": [{"role": "user", "content": f"{say} {number}"}]}
        request = urllib.request.Request(url, json.dumps(body).encode(), {"content-type": "application/json"})
        for wait in (0.2, 0.5, 1, 2, 4):
            try:
                with urllib.request.urlopen(request, timeout=30) as answer:
                    seen["after the kill" if killed.is_set() else "before"] += 1
                    return str(json.load(answer)["choices"][0]["message"]["content"])
            except (urllib.error.HTTPError, OSError):
                seen["asked again"] += 1
                time.sleep(wait)
        raise AssertionError(f"request {number} is lost: {seen}")

    try:
        with (
            pytest.raises(InputError, match=r"no replica starts: .*InputError: --router: .*gone"),
            deployed(read_settings(None, TIERS), app_that_fails, None),
        ):
            pass
        with FakeTier("small", delay=0.05) as edge, FakeTier("large", delay=0.05) as cloud:
            told = TIERS | {"edge": edge.flag, "cloud": cloud.flag, "port": 18_432, "ray": options}
            url = f"http://127.0.0.1:{told['port']}/v1/chat/completions"
            with deployed(read_settings(None, told), app_of, None), ThreadPoolExecutor(8) as pool:
                asked = [pool.submit(ask, i) for i in range(400)]
                while seen["before"] < 100:
                    time.sleep(0.02)
                cluster.remove_node(second, allow_graceful=False)
                killed.set()
                answers = [one.result(timeout=120) for one in asked]
    finally:
        ray.shutdown()
        cluster.shutdown()
    assert answers == [f"{'small' if i % 2 else 'large'} says: {'easy' if i % 2 else 'hard'} {i}" for i in range(400)]
    assert seen["after the kill"] >= 100 and seen["asked again"] <= 40
