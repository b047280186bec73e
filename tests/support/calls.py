"""Calls of the public array functions, by the name of the argument that they put a value into."""

from __future__ import annotations

from typing import Any

import pytest

import rsd_bench as rsd

SMALL, LARGE, ROUTE, P = [8.0, 2.0, 5.0], [9.0, 9.0, 5.0], [1, 0, 1], [0.9, 0.2, 0.6]
DATA = {"small": SMALL, "large": LARGE, "scenario": "fast_response"}

CALLS = {
    "small_scores": lambda v: rsd.label(v, LARGE, 6),
    "large_scores": lambda v: rsd.label(SMALL, v, 6),
    "mes": lambda v: rsd.label(SMALL, LARGE, v),
    "route_small": lambda v: rsd.score_routing(v, **DATA),
    "small": lambda v: rsd.score_routing(ROUTE, **{**DATA, "small": v}),
    "large": lambda v: rsd.score_routing(ROUTE, **{**DATA, "large": v}),
    "small_latency": lambda v: rsd.score_routing(ROUTE, **DATA, small_latency=v, large_latency=9.0),
    "large_latency": lambda v: rsd.score_routing(ROUTE, **DATA, small_latency=0.5, large_latency=v),
    "router_latency_s": lambda v: rsd.score_routing(ROUTE, **DATA, router_latency_s=v),
    "p_edge": lambda v: rsd.sweep(v, **DATA),
    "taus": lambda v: rsd.sweep(P, **DATA, taus=v),
    "route_a": lambda v: rsd.compare(v, ROUTE, **DATA, n_boot=5),
    "route_b": lambda v: rsd.compare(ROUTE, v, **DATA, n_boot=5),
    "router_latency_a_s": lambda v: rsd.compare(ROUTE, ROUTE, **DATA, router_latency_a_s=v, n_boot=5),
    "router_latency_b_s": lambda v: rsd.compare(ROUTE, ROUTE, **DATA, router_latency_b_s=v, n_boot=5),
    "groups": lambda v: rsd.compare(ROUTE, ROUTE, **DATA, groups=v, n_boot=5),
    "n_boot": lambda v: rsd.compare(ROUTE, ROUTE, **DATA, n_boot=v),
    "seed": lambda v: rsd.compare(ROUTE, ROUTE, **DATA, n_boot=5, seed=v),
}
NUMBERS = [name for name in CALLS if name not in ("groups", "n_boot", "seed")]
OF_LENGTH_3 = [name for name in NUMBERS if name not in ("mes", "taus")]
SECONDS = [name for name in CALLS if "latency" in name]
ONE_NUMBER_WILL_DO = ["mes", "taus", *SECONDS]


def refused(name: str, value: Any) -> str:
    """The message with which the call refuses the value: a ValueError that names the argument, on one short line."""
    with pytest.raises(ValueError, match=rf"^{name}\b") as error:
        CALLS[name](value)
    assert len(str(error.value)) < 200 and "\n" not in str(error.value)
    return str(error.value)
