"""Scenarios: numbers in range, weights that sum to 1, and none in which all-small must win.

Guards against a weight that was left out or mistyped and ranked routers for something that nobody asked.
"""

import numpy as np
import pandas as pd
import pytest
from calls import DATA, ROUTE, P

import rsd_bench as rsd
from rsd_bench.config import SCENARIOS, load_scenarios

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
