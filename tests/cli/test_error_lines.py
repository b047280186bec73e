"""How the command ends: a fault of the input is a line, a fault of the package is called one.

Guards against an error of numpy that was printed as if it were about the user's files, with no way to see where it was.
"""

from __future__ import annotations

import numpy as np
import pytest

from rsd_bench.cli import main
from rsd_bench.config import scenario_named
from rsd_bench.metrics.arrays import probabilities
from rsd_bench.types import InputError, Scenario


def ended(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: object) -> str:
    monkeypatch.setattr(main, "app", command)
    with pytest.raises(SystemExit) as end:
        main.main()
    assert end.value.code == 1
    return capsys.readouterr().err


def broadcast() -> None:
    np.zeros(2) + np.zeros(3)


def parse() -> None:
    int("half")


def decode() -> None:
    b"\xff".decode()


def refuse() -> None:
    raise InputError.at("file:3", "is wrong")


@pytest.mark.parametrize("bug", [broadcast, parse, decode])
def test_a_bug_is_called_one(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], bug: object) -> None:
    monkeypatch.delenv("RSD_BENCH_TRACEBACK", raising=False)
    said = ended(monkeypatch, capsys, bug)
    assert len(said.splitlines()) == 1
    assert "a bug in rsd-bench" in said and "RSD_BENCH_TRACEBACK=1" in said
    monkeypatch.setenv("RSD_BENCH_TRACEBACK", "1")
    with pytest.raises(ValueError):
        main.main()


@pytest.mark.parametrize(
    "fault",
    [
        lambda: probabilities([0.5, 2], "p_edge"),
        lambda: scenario_named("moon"),
        lambda: Scenario(name="a b", mes=11, alpha=1, beta=0, gamma=0),
        refuse,
    ],
)
def test_a_fault_of_the_input_is_none(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], fault: object
) -> None:
    said = ended(monkeypatch, capsys, fault)
    assert said.startswith("error: ") and len(said.splitlines()) == 1
    assert "bug" not in said
