"""Hostile arguments: the array functions compute the right number or raise a ValueError that names the argument.

A NaN, a missing value or a text that slips into a mean yields a plausible wrong score. Nothing may be dropped, coerced
or broadcast in silence, and no exception of numpy or pandas may reach the caller in place of the argument's name.
"""

import datetime
from decimal import Decimal
from fractions import Fraction

import datasets
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from conftest import ROOT

import rsd_bench as rsd
from rsd_bench.config import SCENARIOS, load_scenarios

SMALL, LARGE, ROUTE, P = [8.0, 2.0, 5.0], [9.0, 9.0, 5.0], [1, 0, 1], [0.9, 0.2, 0.6]
DATA = {"small": SMALL, "large": LARGE, "scenario": "fast_response"}

#: Calls by the name of the argument they put a value into.
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


def refused(name, value):
    with pytest.raises(ValueError, match=rf"^{name}\b") as error:
        CALLS[name](value)
    assert len(str(error.value)) < 200 and "\n" not in str(error.value)
    return str(error.value)


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


# --- what is accepted gives equal results --------------------------------------------------------------------------

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


# --- groups, n_boot, seed ------------------------------------------------------------------------------------------


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


# --- scenarios -----------------------------------------------------------------------------------------------------

BEYOND_FLOAT = pytest.param(10**400, id="10**400")
GOOD = {"mes": 6, "alpha": 0.75, "beta": 0.05, "gamma": 0.2}


@pytest.mark.parametrize("field", GOOD)
@pytest.mark.parametrize(
    "value", [None, "6", float("nan"), float("inf"), True, [6], 1j, pd.NA, -0.01, 10.01, BEYOND_FLOAT]
)
def test_a_scenario_checks_its_numbers(field, value):
    with pytest.raises(ValueError, match=r"^scenario 'mine': ") as error:
        rsd.Scenario(name="mine", **{**GOOD, field: value})
    assert field in str(error.value)


@pytest.mark.parametrize("weights", [(0.75, 0.05, 0.21), (0.5, 0.2, 0.2), (0, 0, 0), (1.2, -0.1, -0.1)])
def test_weights_sum_to_1_and_none_is_negative(weights):
    with pytest.raises(ValueError, match="must be >= 0 and sum to 1"):
        rsd.Scenario(mes=6, alpha=weights[0], beta=weights[1], gamma=weights[2])


def test_weights_may_miss_1_by_rounding_only():
    assert rsd.Scenario(mes=6, alpha=0.7, beta=0.1, gamma=0.2).alpha == 0.7  # 0.7 + 0.1 + 0.2 < 1 in floats
    with pytest.raises(ValueError, match="sum to 1"):
        rsd.Scenario(mes=6, alpha=0.7, beta=0.1, gamma=0.2001)


def test_a_scenario_takes_numpy_numbers_and_keeps_plain_ones():
    scenario = rsd.Scenario(mes=np.int64(6), alpha=np.float32(0.5), beta=np.float64(0.25), gamma=0.25)
    assert scenario == rsd.Scenario(mes=6, alpha=0.5, beta=0.25, gamma=0.25)
    assert all(isinstance(getattr(scenario, field), (int, float)) for field in GOOD)


@pytest.mark.parametrize("call", [rsd.score_routing, rsd.sweep])
@pytest.mark.parametrize("name", ["fastest", "", None, 6, ["fast_response"], {}, "Fast_Response"])
def test_an_unknown_scenario_lists_the_presets(call, name):
    with pytest.raises(ValueError, match=r"^scenario: no preset") as error:
        call(ROUTE, **{**DATA, "scenario": name})
    assert all(preset in str(error.value) for preset in ("fast_response", "high_quality", "low_energy"))


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_preset_by_name_is_the_preset_itself(name):
    given = [rsd.score_routing(ROUTE, **{**DATA, "scenario": s}) for s in (name, SCENARIOS[name])]
    assert given[0] == given[1]


def test_presets_cannot_be_changed_by_accident():
    with pytest.raises(TypeError):
        rsd.SCENARIOS["mine"] = SCENARIOS["low_energy"]
    with pytest.raises(AttributeError):
        SCENARIOS["low_energy"].alpha = 1.0


def test_a_scenario_in_which_all_small_must_win_is_refused_with_the_reason():
    # paper-bounds saves 87.5 %: alpha 0.45 <= 0.1 + 0.45 * 0.875 = 0.49375
    scenario = rsd.Scenario(name="hasty", mes=6, alpha=0.45, beta=0.1, gamma=0.45)
    data = {**DATA, "scenario": scenario}
    calls = [
        lambda: rsd.score_routing(ROUTE, **data),
        lambda: rsd.sweep(P, **data),
        lambda: rsd.compare(ROUTE, ROUTE, **data, n_boot=5),
    ]
    for call in calls:
        with pytest.raises(ValueError, match=r"'hasty': alpha 0\.45 <= beta \+ gamma .* = 0\.4938.*raise alpha"):
            call()
    # the rule looks at the latency of these queries: where the small model saves less, alpha is large enough
    assert rsd.score_routing(ROUTE, **data, small_latency=5, large_latency=6.4).n == 3


def test_the_refusal_holds_at_equality():
    edge = rsd.Scenario(mes=6, alpha=0.5, beta=0.5, gamma=0.0)
    with pytest.raises(ValueError, match="alpha"):
        rsd.score_routing(ROUTE, **{**DATA, "scenario": edge})


def test_a_scenario_file_names_the_file_and_the_scenario(tmp_path):
    path = tmp_path / "scenarios.toml"
    path.write_text("[mine]\nmes = 6\nalpha = 0.7\nbeta = 0.1\ngamma = 0.1\n")
    with pytest.raises(rsd.InputError, match=r"scenarios\.toml: scenario 'mine'.*sum to 1"):
        load_scenarios(path)
    path.write_text("[mine]\nmes = 6\nalpha = 1.0\nbeta = 0.0\ngamma = 0.0\n")
    assert load_scenarios(path)["mine"] == rsd.Scenario(name="mine", mes=6, alpha=1.0, beta=0.0, gamma=0.0)


@pytest.mark.parametrize(
    ("name", "value"),
    [("submission_dir", None), ("data", 5), ("n_boot", "x"), ("n_boot", 1.5), ("n_boot", -1), ("seed", -1)],
)
def test_evaluate_names_the_argument(name: str, value: object) -> None:
    """A TypeError of pathlib or numpy said nothing about the call."""
    with pytest.raises(ValueError, match=rf"^{name}: "):
        rsd.evaluate(**({"submission_dir": ROOT / "submissions" / "knn"} | {name: value}))


def test_groups_may_come_as_a_dataset_gives_them() -> None:
    # they were refused as unhashable, while scores of the same dataset were taken
    torch = pytest.importorskip("torch")
    column = datasets.Dataset.from_dict({"group_id": ["a", "a", "b"]})["group_id"]
    for groups in (column, pa.array(["a", "a", "b"]), pa.chunked_array([["a"], ["a", "b"]]), torch.tensor([1, 1, 2])):
        assert rsd.compare(ROUTE, [0, 0, 1], **DATA, groups=groups, n_boot=20).n_groups == 2
    assert rsd.compare(ROUTE, [0, 0, 1], **DATA, groups=range(3), n_boot=20).n_groups == 3
