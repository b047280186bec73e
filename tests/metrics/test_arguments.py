"""Hostile arguments: the array functions compute the right number or raise a ValueError that names the argument.

A NaN, a missing value or a text that slips into a mean yields a plausible wrong score. Nothing may be dropped, coerced
or broadcast in silence, and no exception of numpy or pandas may reach the caller in place of the argument's name.
"""

import datetime
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from calls import CALLS, DATA, NUMBERS, OF_LENGTH_3, ONE_NUMBER_WILL_DO, ROUTE, refused

import rsd_bench as rsd

NOT_NUMBERS = {
    "nan": [1, np.nan, 0],
    "inf": [1, np.inf, 0],
    "minus inf": [1, -np.inf, 0],
    "None inside": [1, None, 0],
    "pd.NA inside": [1, pd.NA, 0],
    "NaT inside": [1, pd.NaT, 0],
    "nullable integers": pd.Series([1, pd.NA, 0], dtype="Int64"),
    "nullable booleans": pd.Series([True, pd.NA, False], dtype="boolean"),
    "arrow integers": pd.Series([1, None, 0], dtype="int64[pyarrow]"),
    "text": ["a", "b", "c"],
    "numeric text": ["1", "0", "1"],
    "numeric text in pandas": pd.Series(["1", "0", "1"]),
    "categories of text": pd.Categorical(["1", "0", "1"]),
    "bytes": [b"1", b"0", b"1"],
    "numbers and text": np.array([1, "0", 1], dtype=object),
    "dates": [datetime.date(2026, 1, 1)] * 3,
    "datetime64": np.array(["2024", "2025", "2026"], "M8[D]"),
    "timedelta64": np.array([1, 0, 1], "m8[s]"),
    "timedelta64 objects": np.array([np.timedelta64(1, "s")] * 3, dtype=object),
    "timedeltas": [datetime.timedelta(seconds=1)] * 3,
    "complex": [1, 0, 1j],
    "complex with imaginary part 0": np.array([1, 0, 1], complex),
    "complex objects": np.array([1, 0, 1 + 0j], object),
    "Decimal NaN": [Decimal(1), Decimal("NaN"), Decimal(1)],
    "signalling NaN": [Decimal(1), Decimal("sNaN"), Decimal(1)],
    "integers beyond float": [1, 10**400, 0],
    "two-dimensional": [[1], [0], [1]],
    "a data frame": pd.DataFrame({"a": [1, 0, 1]}),
    "ragged": [[1], [0, 1], [1]],
    "arrays inside": np.array([np.array([1, 2]), np.array([1]), 3], dtype=object),
    "records": np.array([(1,), (0,), (1,)], dtype=[("a", int)]),
    "masked": np.ma.array([1, 0, 1], mask=[0, 1, 0]),
    "empty": [],
    "an empty array": np.array([]),
    "a dict": {0: 1, 1: 0, 2: 1},
    "an object": object(),
    "one text": "0.5",
    "one nan": float("nan"),
    "one pd.NA": pd.NA,
    "a negative number": [-0.001, 0, 1],
}


@pytest.mark.parametrize("value", NOT_NUMBERS.values(), ids=NOT_NUMBERS.keys())
@pytest.mark.parametrize("name", NUMBERS)
def test_what_is_not_a_number_is_refused_by_name(name, value):
    refused(name, value)


@pytest.mark.parametrize("name", [name for name in NUMBERS if name not in ("small_latency", "large_latency", "taus")])
def test_none_is_refused_where_it_has_no_meaning(name):
    refused(name, None)


@pytest.mark.parametrize("name", OF_LENGTH_3)
@pytest.mark.parametrize("value", [[1, 0], [1, 0, 1, 0], [1]])
def test_a_wrong_length_is_refused_and_nothing_is_broadcast(name, value):
    if name in ("small_scores", "small"):  # the first array sets the length, so it is the second that differs
        with pytest.raises(
            ValueError, match=rf"^{name.replace('small', 'large')}: has 3 values where {len(value)} are"
        ):
            CALLS[name](value)
    else:
        assert f"has {len(value)} values where 3 are needed" in refused(name, value)


@pytest.mark.parametrize("name", [name for name in OF_LENGTH_3 if name not in ONE_NUMBER_WILL_DO])
@pytest.mark.parametrize("value", [1, 0.0, True, np.float64(1), np.array(1.0)])
def test_one_number_does_not_stand_for_an_array(name, value):
    assert "must be an array" in refused(name, value)


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("small", [8, 11, 5], "small[1]: 11.0 is not in [0, 10]"),
        ("large", [9, 9, -1], "large[2]: -1.0 is not in [0, 10]"),
        ("small", [8, np.nan, 5], "small[1]: nan is not in [0, 10]"),
        ("p_edge", [0.5, 0.5, 1.0000001], "p_edge[2]: 1.0000001 is not in [0, 1]"),
        ("route_small", [1, 0, 0.5], "route_small[2]: 0.5 is not a decision"),
        ("route_small", [1, 2, 0], "route_small[1]: 2 is not a decision"),
        ("route_small", [-1, 1, 0], "route_small[0]: -1 is not a decision"),
        ("small_latency", -0.5, "small_latency: -0.5 is not"),
        ("small_latency", 1e308, "small_latency: 1e+308 is not"),
        ("taus", [0.5, -0.1], "taus[1]: -0.1 is not"),
        ("mes", 10.5, "mes: 10.5 is not in [0, 10]"),
        ("small", [8, None, 5], "small[1]: None is not a number"),
        ("small", ["8", 2, 5], "small"),
    ],
)
def test_the_message_says_where_and_what(name, value, text):
    assert refused(name, value).startswith(text)


@pytest.mark.parametrize("name", ["small_scores", "large_scores", "small", "large"])
@pytest.mark.parametrize("value", [[True, False, True], np.array([True, False, True]), pd.Series([True, False, True])])
def test_flags_are_no_judge_scores(name, value):
    # True would count as 1 of 10 and every "correct" answer as a failure
    refused(name, value)


@pytest.mark.parametrize("value", [True, [6], np.array([6.0]), (6,)])
def test_mes_is_one_number(value):
    refused("mes", value)


def test_latency_of_zero_everywhere_cannot_be_saved_against():
    refused("large_latency", [0, 0, 0])


def test_latency_left_out_means_the_default_profile():
    given = rsd.score_routing(ROUTE, **DATA, small_latency=0.8, large_latency=6.4)
    assert rsd.score_routing(ROUTE, **DATA) == given
    assert rsd.score_routing(ROUTE, **DATA, small_latency=None, large_latency=None) == given
