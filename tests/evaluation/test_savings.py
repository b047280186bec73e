"""What a routing saves in USD comes from tokens that are known and prices of a day, or is not given at all."""

from __future__ import annotations

import math

import numpy as np
import pytest

import rsd_bench as rsd
from rsd_bench.endpoints.prices import Price, Prices, load_prices
from rsd_bench.evaluation.savings import saved_by_tokens

PRICES = Prices("2026-11-24", {"tiny": Price(0.1, 0.4), "middle": Price(1, 4), "huge": Price(2.5, 10)})
MODELS = ("tiny", "middle", "huge")


def data(n: int = 90) -> dict[str, object]:
    rng = np.random.default_rng(0)
    return {
        "choice": rng.integers(0, 3, n),
        "input_tokens": rng.integers(200, 2_000, (n, 3)).astype(float),
        "output_tokens": rng.integers(1, 300, (n, 3)).astype(float),
        "groups": rng.integers(0, 30, n),
        "models": MODELS,
        "prices": PRICES,
    }


@pytest.mark.parametrize("cascade", [False, True])
def test_it_is_what_costs_of_each_query_give(cascade: bool) -> None:
    of = data()
    usd = [
        [(i * PRICES.models[m].input + o * PRICES.models[m].output) / 1e6 for i, o, m in zip(*row, MODELS, strict=True)]
        for row in zip(of["input_tokens"], of["output_tokens"], strict=True)
    ]
    found = saved_by_tokens(**of, cascade=cascade)
    assert found.usd.value == pytest.approx(rsd.saved_usd(of["choice"], costs=usd, cascade=cascade))
    scores = np.random.default_rng(1).integers(0, 11, (90, 3))
    whole = rsd.tier_intervals(
        of["choice"], scores=scores, costs=usd, cascade=cascade, groups=of["groups"], scenario="fast_response"
    )["saved_usd"]
    assert found.usd.to_dict() == pytest.approx(whole.to_dict())
    assert (found.n, found.day) == (90, "2026-11-24")


def test_a_query_counts_where_tokens_of_all_models_are_known() -> None:
    """Else a router that keeps a query off a model without tokens would choose what it is measured on."""
    of = data()
    of["input_tokens"][:40, 2], of["output_tokens"][80:, 0] = math.nan, math.nan
    found = saved_by_tokens(**of)
    part = {name: of[name][40:80] for name in ("choice", "input_tokens", "output_tokens", "groups")}
    assert found.n == 40 and found == saved_by_tokens(**of | part)


def test_repeats_are_averaged() -> None:
    of = data()
    other = np.random.default_rng(2).integers(0, 3, 90)
    both = saved_by_tokens(**of | {"choice": np.column_stack([of["choice"], other])})
    each = [saved_by_tokens(**of | {"choice": choice}).usd.value for choice in (of["choice"], other)]
    assert both.usd.value == pytest.approx(np.mean(each))


def test_nothing_is_said_of_what_is_unknown() -> None:
    assert saved_by_tokens(**data() | {"models": ("tiny", "unknown", "huge")}) is None
    assert saved_by_tokens(**data() | {"input_tokens": np.full((90, 3), math.nan)}) is None
    assert math.isnan(saved_by_tokens(**data(), n_boot=0).usd.low)


def test_the_shipped_prices_name_their_day() -> None:
    assert len(load_prices().day) == 10


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("choice", np.zeros(89, int)),
        ("choice", 0),
        ("choice", np.full(90, 3)),
        ("input_tokens", np.ones((90, 2))),
        ("input_tokens", np.full((90, 3), -1)),
        ("input_tokens", [["many"] * 3] * 90),
        ("output_tokens", np.ones((89, 3))),
        ("groups", [1, 2]),
        ("cascade", "yes"),
        ("n_boot", -1),
    ],
)
def test_a_wrong_value_is_refused_by_name(name: str, value: object) -> None:
    with pytest.raises(ValueError, match=rf"^{name}\b"):
        saved_by_tokens(**data() | {name: value})
