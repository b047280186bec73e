"""What the bootstrap is told: groups of any hashable kind, none of them missing; whole numbers of resamples and seed.

A group that is missing, or an id read as another, gives an interval of the wrong width with no sign of it.
"""

import datasets
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from calls import DATA, ROUTE, refused

import rsd_bench as rsd


@pytest.mark.parametrize(
    "groups",
    [
        "abc",
        5,
        ["a", "b"],
        ["a", "b", "c", "d"],
        ["a", None, "b"],
        [1.0, np.nan, 2.0],
        pd.Series(["a", pd.NA, "b"]),
        np.array(["2024", "NaT", "2026"], "M8[D]"),
        [["a"], ["b"], ["c"]],
        [{1}, {2}, {3}],
        np.zeros((3, 1)),
        pd.DataFrame({"g": [1, 2, 3]}),
        {"a": 1, "b": 2, "c": 3},
        np.ma.array([1, 2, 3], mask=[0, 1, 0]),
        [],
    ],
    ids=repr,
)
def test_groups_that_are_none_are_refused(groups):
    refused("groups", groups)


@pytest.mark.parametrize(
    "groups",
    [
        ["a", "b", "a"],
        ("a", "b", "a"),
        np.array(["a", "b", "a"]),
        pd.Series(["a", "b", "a"], index=[9, 8, 7]),
        pd.Categorical(["a", "b", "a"]),
        pd.Index([5, 6, 5]),
        [7, 8, 7],
        [("img", 1), ("img", 2), ("img", 1)],
        [("a",), ("b", "c"), ("a",)],
        [1, "1", 1],
        np.array([0.5, 1.5, 0.5]),
    ],
    ids=repr,
)
def test_groups_may_be_ids_of_any_hashable_kind(groups):
    result = rsd.compare(ROUTE, [0, 0, 1], **DATA, groups=groups, n_boot=20)
    assert result.n_groups == 2
    assert result == rsd.compare(ROUTE, [0, 0, 1], **DATA, groups=[0, 1, 0], n_boot=20)


@pytest.mark.parametrize("value", [0, -1, 1.5, 10.0, True, None, "5", [5], float("nan"), pd.NA])
def test_n_boot_is_a_whole_number_of_at_least_1(value):
    refused("n_boot", value)


@pytest.mark.parametrize("value", [-1, 1.5, True, None, "5", [1, 2], float("nan"), pd.NA])
def test_seed_is_a_whole_number_so_that_it_can_be_written_down(value):
    refused("seed", value)


def test_numpy_integers_will_do_and_come_out_plain():
    result = rsd.compare(ROUTE, [0, 0, 1], **DATA, n_boot=np.int64(20), seed=np.uint8(3))
    assert result == rsd.compare(ROUTE, [0, 0, 1], **DATA, n_boot=20, seed=3)
    assert type(result.n_boot) is int and type(result.seed) is int


def test_groups_may_come_as_a_dataset_gives_them() -> None:
    # they were refused as unhashable, while scores of the same dataset were taken
    torch = pytest.importorskip("torch")
    column = datasets.Dataset.from_dict({"group_id": ["a", "a", "b"]})["group_id"]
    for groups in (column, pa.array(["a", "a", "b"]), pa.chunked_array([["a"], ["a", "b"]]), torch.tensor([1, 1, 2])):
        assert rsd.compare(ROUTE, [0, 0, 1], **DATA, groups=groups, n_boot=20).n_groups == 2
    assert rsd.compare(ROUTE, [0, 0, 1], **DATA, groups=range(3), n_boot=20).n_groups == 3
