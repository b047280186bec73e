"""Anybody's scenarios: a TOML file, checked whole, whose names can stand on a page, in a table and in a task's id.

Guards against a mistyped weight that ranks routers for what nobody asked, and names that mean something elsewhere.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from conftest import call_cli

import rsd_bench as rsd
from rsd_bench.config import MAX_SCENARIOS, SCENARIOS, as_scenarios, load_scenarios, scenario_named
from rsd_bench.types import InputError, Problem, Scenario

GOOD = "mes = 6\nalpha = 0.8\nbeta = 0.1\ngamma = 0.1\n"


def written(folder: Path, text: str) -> Path:
    (folder / "own.toml").write_text(text, "utf-8")
    return folder / "own.toml"


def problems(path: Path) -> list[Problem]:
    with pytest.raises(InputError) as error:
        load_scenarios(path)
    assert all(problem.where == str(path) for problem in error.value.problems)
    assert all(len(str(problem).splitlines()) == 1 and problem.fix for problem in error.value.problems)
    return error.value.problems


def test_a_scenario_of_several_faults_tells_all_of_them(tmp_path: Path) -> None:
    # the first bad figure hid the others, of which the page says that they are told at once
    text = "[a]\nmes = 11\nalpha = nan\nbeta = 'x'\ngamma = 0.1\n[b]\nmes = nan\nalpha = 0.9\nbeta = 0.9\ngamma = -1\n"
    a, b, c = (str(problem) for problem in problems(written(tmp_path, text + "[c]\nmes = 5\nmse = 1\nalhpa = 1\n")))
    assert all(of in a for of in ("mes must lie in [0, 10], not 11", "alpha must be a finite", "beta must be a finite"))
    assert "mes must be a finite number" in b and "sum to 1, not (0.9, 0.9, -1)" in b
    assert all(of in c for of in ("lacks alpha, beta, gamma", "key 'mse' is unknown", "key 'alhpa' is unknown"))
    assert len(c) < 400


@pytest.mark.parametrize("name", ["kiosk", "mes-6.5", "Night_shift", "7", "a" * 63, "prototype_2"])
def test_plain_names_are_taken(tmp_path: Path, name: str) -> None:
    found = load_scenarios(written(tmp_path, f'["{name}"]\n{GOOD}'))
    assert found == {name: Scenario(name=name, mes=6, alpha=0.8, beta=0.1, gamma=0.1)}


@pytest.mark.parametrize(
    "name",
    [
        *(
            "__proto__",
            "constructor",
            "Constructor",
            "toString",
            "hasOwnProperty",
            "valueOf",
            "*",
            "",
            " ",
            "a b",
            "a/b",
        ),
        *(
            "..",
            "-x",
            "_x",
            "a\\u0007",
            "a\\n",
            "\\u202eabc",
            "Ä",
            "a" * 64,
            "a,b",
            "a=b",
            "<b>",
            "a\\\\b",
            "a'b",
            "a`b",
        ),
    ],
)
def test_names_that_mean_something_elsewhere_are_refused(tmp_path: Path, name: str) -> None:
    (problem,) = problems(written(tmp_path, f'["{name}"]\n{GOOD}'))
    assert "scenario '" in problem.what or 'scenario "' in problem.what
    assert "may not be called so" in problem.what


@pytest.mark.parametrize("pair", [("kiosk", "Kiosk"), ("a-b", "a_b"), ("x-y_z", "X_y-z")])
def test_names_that_look_alike_are_refused(tmp_path: Path, pair: tuple[str, str]) -> None:
    """`a-b` and `a_b` would be one task of eval.yaml, and one button of the page."""
    (problem,) = problems(written(tmp_path, "".join(f"[{name}]\n{GOOD}" for name in pair)))
    assert problem.what == f"scenario {pair[1]!r} is called like {pair[0]!r}"


def test_equal_names_are_refused(tmp_path: Path) -> None:
    (problem,) = problems(written(tmp_path, f"[kiosk]\n{GOOD}[kiosk]\n{GOOD}"))
    assert "kiosk" in problem.what and "twice" in problem.what
    twice = [Scenario(name="kiosk", mes=mes, alpha=1, beta=0, gamma=0) for mes in (5, 6)]
    with pytest.raises(ValueError, match=r"^scenarios: scenario 'kiosk' is called like 'kiosk'"):
        as_scenarios(twice)


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ("mes = 11\nalpha = 1\nbeta = 0\ngamma = 0", "mes must lie in [0, 10], not 11"),
        ("mes = -0.1\nalpha = 1\nbeta = 0\ngamma = 0", "mes must lie in [0, 10], not -0.1"),
        ("mes = nan\nalpha = 1\nbeta = 0\ngamma = 0", "mes must be a finite number, not nan"),
        ("mes = 6\nalpha = nan\nbeta = 0\ngamma = 0", "alpha must be a finite number, not nan"),
        ("mes = 6\nalpha = inf\nbeta = 0\ngamma = 0", "alpha must be a finite number, not inf"),
        ("mes = 6\nalpha = true\nbeta = 0\ngamma = 0", "alpha must be a finite number, not True"),
        ('mes = "6"\nalpha = 1\nbeta = 0\ngamma = 0', "mes must be a finite number, not 6"),
        ("mes = 6\nalpha = 0.5\nbeta = 0.1\ngamma = 0.1", "must be >= 0 and sum to 1"),
        ("mes = 6\nalpha = 0.5\nbeta = 0.5", "lacks gamma"),
        ("mes = 6\nalpha = 1\nbeta = 0\ngamma = 0\ndelta = 0", "key 'delta' is unknown"),
        ('name = "x"\nmes = 6\nalpha = 1\nbeta = 0\ngamma = 0', "key 'name' is unknown"),
        ("", "lacks mes"),
    ],
)
def test_what_is_wrong_with_a_scenario_is_said_with_its_name(tmp_path: Path, fields: str, says: str) -> None:
    (problem,) = problems(written(tmp_path, f"[fine]\n{GOOD}[kiosk]\n{fields}\n"))
    assert "scenario 'kiosk'" in problem.what and says in problem.what


def test_every_fault_of_a_file_is_told(tmp_path: Path) -> None:
    text = f'loose = 1\n[a]\nmes = 11\nalpha = 1\nbeta = 0\ngamma = 0\n["b/c"]\n{GOOD}[d]\nmes = 1\n'
    assert [problem.what for problem in problems(written(tmp_path, text))] == [
        "scenario 'loose' is no table",
        "scenario 'a': mes must lie in [0, 10], not 11",
        "scenario 'b/c' may not be called so",
        "scenario 'd' lacks alpha, beta, gamma",
    ]


@pytest.mark.parametrize("text", ["", "# nothing\n"])
def test_a_file_without_a_scenario_is_refused(tmp_path: Path, text: str) -> None:
    (problem,) = problems(written(tmp_path, text))
    assert problem.what == "holds no scenario"


def test_as_many_as_a_dataset_can_have(tmp_path: Path) -> None:
    tables = [f"[s{i}]\n{GOOD}" for i in range(MAX_SCENARIOS + 1)]
    assert len(load_scenarios(written(tmp_path, "".join(tables[:-1])))) == MAX_SCENARIOS == 50
    (problem,) = problems(written(tmp_path, "".join(tables)))
    assert (problem.what, problem.fix) == ("holds 51 scenarios", "give at most 50")


@pytest.mark.parametrize("given", [5, [1], ["kiosk"], None, SCENARIOS["low_energy"]])
def test_an_argument_that_is_no_scenarios_is_named(given: Any) -> None:
    with pytest.raises(ValueError, match=r"^scenarios: give a TOML file, Scenarios, or a mapping of names to them"):
        as_scenarios(given)


def test_scenarios_are_a_file_a_mapping_or_a_list(tmp_path: Path) -> None:
    kiosk = Scenario(name="kiosk", mes=6, alpha=0.8, beta=0.1, gamma=0.1)
    path = written(tmp_path, f"[kiosk]\n{GOOD}")
    nameless = Scenario(mes=6, alpha=0.8, beta=0.1, gamma=0.1)
    for given in (path, str(path), [kiosk], iter([kiosk]), {"kiosk": kiosk}, {"kiosk": nameless}):
        assert as_scenarios(given) == {"kiosk": kiosk}
    assert as_scenarios({"kiosk": kiosk.figures}) == {"kiosk": kiosk}
    assert as_scenarios(SCENARIOS) == SCENARIOS == rsd.SCENARIOS


def test_an_unknown_name_lists_those_there_are(tmp_path: Path) -> None:
    own = load_scenarios(written(tmp_path, f"[kiosk]\n{GOOD}[ward]\n{GOOD}"))
    with pytest.raises(ValueError, match=r"^scenario: no 'fast_response' here; choose kiosk, ward or pass a Scenario"):
        scenario_named("fast_response", own)


@pytest.mark.parametrize(
    "command",
    [
        ("eval", "submissions/knn"),
        ("compare", "submissions/knn", "submissions/mlp"),
        ("board", "build"),
        ("submit", "check", "submissions/knn"),
        ("submit", "new", "mine", "--from", "p.csv"),
        ("submit", "pack", "submissions/knn"),
        ("router", "train"),
        ("router", "submit", "knn", "--out", "submissions/mine"),
        ("router", "predict", "checkpoint", "--out", "submissions/mine"),
    ],
)
def test_every_command_refuses_a_faulty_file_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "submissions").mkdir()
    path = written(tmp_path, "[kiosk]\nmes = 6\nalpha = nan\nbeta = 0\ngamma = 0\n")
    run = call_cli(*command, "--scenarios", path)
    assert run.returncode == 1
    assert run.stderr.startswith(f"error: {path}: scenario 'kiosk': alpha must be a finite number, not nan -> ")
    assert len(run.stderr.splitlines()) == 1
    assert not list((tmp_path / "submissions").iterdir())
