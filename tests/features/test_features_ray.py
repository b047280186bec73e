"""Guards against a cluster that gives other vectors than one machine, or loses a batch with a worker."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import ray
from mixed_media import mixed_dataset

from rsd_bench.dataset.benchmark import open_benchmark
from rsd_bench.features.encode import EncoderChoice, encode_dataset
from rsd_bench.features.feature_table import read_features
from rsd_bench.features.ray_encode import ray_engine


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """Two nodes of one core each, on this machine."""
    from ray.cluster_utils import Cluster

    os.environ["RAY_DEDUP_LOGS"] = "0"
    nodes = Cluster(
        initialize_head=True,
        head_node_args={"num_cpus": 1, "object_store_memory": 100 << 20, "include_dashboard": False},
    )
    nodes.add_node(num_cpus=1, object_store_memory=100 << 20)
    ray.init(address=nodes.address, log_to_driver=False)
    yield nodes
    ray.shutdown()
    nodes.shutdown()


def test_two_nodes_give_the_vectors_of_one_machine(
    cluster: Any, tiny_encoders: dict[str, Path], tmp_path: Path
) -> None:
    data = mixed_dataset(tmp_path)  # no image of some queries, several of others
    choices = [EncoderChoice(kind, str(tiny_encoders[kind])) for kind in ("image", "text")]
    here = encode_dataset(data, tmp_path / "here", *choices)
    there = encode_dataset(data, tmp_path / "there", *choices, engine=ray_engine(cluster.address, 2))
    assert here == there
    benchmark = open_benchmark(data)
    one, two = (read_features(benchmark, tmp_path / where) for where in ("here", "there"))
    for block in ("image", "text"):
        np.testing.assert_array_equal(one.blocks[block], two.blocks[block])
    assert len({node["NodeID"] for node in ray.nodes() if node["Alive"]}) == 2
