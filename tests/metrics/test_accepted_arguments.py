"""Whatever form the numbers come in, the array functions give equal results and leave their arguments as they were.

Guards against a Series whose index turned the order, and categories or flags that were taken for their codes.
"""

from decimal import Decimal
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
from calls import CALLS, DATA, LARGE, ROUTE, SECONDS, SMALL, P

import rsd_bench as rsd

FORMS = {
    "list": list,
    "tuple": tuple,
    "array": np.array,
    "float32": lambda v: np.array(v, np.float32),
    "float16": lambda v: np.array(v, np.float16),
    "objects": lambda v: np.array(v, dtype=object),
    "decimals": lambda v: [Decimal(x) for x in v],
    "fractions": lambda v: [Fraction(x) for x in v],
    "numpy scalars": lambda v: [np.float64(x) for x in v],
    "series": pd.Series,
    "series with another index": lambda v: pd.Series(v, index=[7, 3, 5]),
    "nullable series": lambda v: pd.Series(v, dtype="Float64"),
    "arrow series": lambda v: pd.Series(v, dtype="float64[pyarrow]"),
    "index": pd.Index,
    "categories": pd.Categorical,
    "masked array with nothing masked": lambda v: np.ma.array(v),
    "read-only": lambda v: np.broadcast_to(np.array(v), 3),
    "not contiguous": lambda v: np.repeat(np.array(v), 2)[::2],
    "reversed view": lambda v: np.array(v[::-1])[::-1],
}
#: Values that float16 and Fraction hold exactly.
EXACT = {
    "small": [8, 2, 5],
    "large": [9, 9, 5],
    "route_small": ROUTE,
    "p_edge": [0.75, 0.25, 0.5],
    "seconds": [0.5, 2, 8],
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS.keys())
def test_every_accepted_form_gives_equal_results(form):
    of = {name: form(values) for name, values in EXACT.items()}
    data = {"small": of["small"], "large": of["large"], "scenario": "fast_response"}
    plain = {"small": EXACT["small"], "large": EXACT["large"], "scenario": "fast_response"}
    assert rsd.label(of["small"], of["large"], 6).tolist() == [1, 0, 1]
    latency = {"small_latency": of["seconds"], "router_latency_s": of["seconds"], "large_latency": 9}
    expected = {"small_latency": EXACT["seconds"], "router_latency_s": EXACT["seconds"], "large_latency": 9}
    assert rsd.score_routing(of["route_small"], **data, **latency) == rsd.score_routing(ROUTE, **plain, **expected)
    pd.testing.assert_frame_equal(rsd.sweep(of["p_edge"], **data), rsd.sweep(EXACT["p_edge"], **plain))
    thresholds = rsd.sweep(P, **plain, taus=EXACT["p_edge"])
    pd.testing.assert_frame_equal(rsd.sweep(P, **plain, taus=of["p_edge"]), thresholds)
    assert rsd.compare(of["route_small"], [0, 0, 0], **data, n_boot=20) == rsd.compare(
        ROUTE, [0] * 3, **plain, n_boot=20
    )


@pytest.mark.parametrize(
    "route",
    [
        [True, False, True],
        np.array([True, False, True]),
        pd.Series([True, False, True]),
        pd.Series([True, False, True], dtype="boolean"),
        np.array([1, 0, 1], np.uint8),
        np.array([True, False, True], dtype=object),
        [1.0, 0.0, 1.0],
        [np.True_, 0, 1.0],
    ],
)
def test_decisions_may_be_flags_or_0_and_1(route):
    assert rsd.score_routing(route, **DATA) == rsd.score_routing([1, 0, 1], **DATA)


@pytest.mark.parametrize("mes", [6, 6.0, np.int64(6), np.float32(6), np.array(6), Decimal(6)])
def test_mes_may_be_any_kind_of_number(mes):
    assert rsd.label([6, 5.9, 1], [9, 9, 1], mes).tolist() == [1, 0, 1]


@pytest.mark.parametrize("seconds", [2, 2.0, np.float64(2), np.array(2), [2, 2, 2]])
@pytest.mark.parametrize("name", SECONDS)
def test_one_latency_stands_for_every_query(name, seconds):
    assert CALLS[name](seconds) == CALLS[name](np.full(3, 2.0))


@pytest.mark.parametrize(
    "taus", [{0.5, 0.25}, (t for t in (0.25, 0.5)), np.array([0.5, 0.25, 0.25]), {0.5: 1, 0.25: 1}.keys()]
)
def test_taus_may_be_any_iterable(taus):
    assert rsd.sweep(P, **DATA, taus=taus)["tau"].tolist() == [0.0, 0.25, 0.5, 1.01]


def test_one_tau_will_do_and_one_beyond_1_is_all_large():
    assert rsd.sweep(P, **DATA, taus=0.5)["tau"].tolist() == [0.0, 0.5, 1.01]
    assert rsd.sweep(P, **DATA, taus=[5])["ca"].tolist() == [1, 0, 0]


def test_arguments_are_not_changed():
    arrays = [np.array(values, dtype=float) for values in (ROUTE, SMALL, LARGE, [0.5, 1, 2], [5, 6, 7])]
    before = [array.copy() for array in arrays]
    route, small, large, fast, slow = arrays
    data = {"small": small, "large": large, "small_latency": fast, "large_latency": slow, "scenario": "fast_response"}
    rsd.score_routing(route, **data)
    rsd.sweep(route, **data)
    rsd.compare(route, 1 - route, **data, n_boot=5)
    rsd.label(small, large, 6)
    assert all((a == b).all() for a, b in zip(arrays, before, strict=True))
