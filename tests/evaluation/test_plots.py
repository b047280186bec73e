"""`rsd.plot` draws what an object holds, and refuses what it cannot draw.

Guards against a picture whose marks are not the figures of the result, and one that changes matplotlib for everybody.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pytest
from sound_submissions import make, probabilities

import rsd_bench as rsd
from rsd_bench.config import MAX_SHOWN_ROWS
from rsd_bench.dataset.benchmark import Benchmark

NAN = float("nan")


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory, toy_dataset: Path, toy_benchmark: Benchmark) -> rsd.Result:
    frame = probabilities(toy_benchmark, toy_benchmark.tracks)
    folder = make(tmp_path_factory.mktemp("scored") / "mine", toy_benchmark, frame)
    return rsd.evaluate(folder, toy_dataset, n_boot=50)


@pytest.fixture(scope="module")
def answers() -> dict[str, Any]:
    rng = np.random.default_rng(0)
    small, large = rng.integers(0, 11, (2, 80))
    return {"small": small, "large": large, "scenario": "high_quality"}


def texts(figure: Any) -> list[str]:
    return [label.get_text() for axis in figure.axes for label in axis.get_yticklabels()]


def test_a_result_has_its_points_and_whiskers(result: rsd.Result) -> None:
    figure = rsd.plot(result)
    (axis,) = figure.axes
    points, fixed, oracle = axis.lines[0], axis.lines[-2], axis.lines[-1]
    assert list(points.get_xdata()) == [score.rcs.value for score in result.scores]
    assert list(fixed.get_xdata()) == [score.references[score.best_fixed].rcs for score in result.scores]
    assert list(oracle.get_xdata()) == [score.oracle_rcs for score in result.scores]
    (bars,) = axis.collections
    drawn = [(segment[0][0], segment[1][0]) for segment in bars.get_segments()]
    assert np.allclose(drawn, [(score.rcs.low, score.rcs.high) for score in result.scores], atol=1e-12)
    assert texts(figure) == [f"{score.track}, {score.scenario}" for score in result.scores]


def test_a_comparison_has_every_metric_and_zero(answers: dict[str, Any]) -> None:
    a = np.arange(80) % 2
    compared = rsd.compare(a, 1 - a, **answers, n_boot=50)
    figure = rsd.plot(compared)
    assert texts(figure) == ["RCS", "APSP", "CA", "mean score", "AIL"]
    left, right = figure.axes
    expected = [compared.rcs.value, compared.apsp.value, compared.ca.value, compared.mean_score.value]
    assert list(left.lines[0].get_xdata()) == expected
    assert list(right.lines[0].get_xdata()) == [compared.ail.value]


@pytest.mark.filterwarnings("error")
def test_intervals_that_are_not_known_are_left_out(answers: dict[str, Any], result: rsd.Result) -> None:
    compared = rsd.compare([1] * 80, [0] * 80, **answers, n_boot=50)
    unknown = replace(compared, rcs=rsd.Interval(compared.rcs.value, NAN, NAN))
    assert rsd.plot(unknown)._repr_svg_().startswith("<?xml")


def test_a_sweep_is_drawn_against_tau_as_a_decision_reads_it(answers: dict[str, Any]) -> None:
    p = np.linspace(0, 1, 80)
    swept = rsd.sweep(p, **answers)
    shuffled = swept.sample(frac=1, random_state=0)
    shares, seconds = rsd.plot(shuffled).axes
    for line, name in zip([*shares.lines, *seconds.lines], ("rcs", "apsp", "ca", "ail"), strict=True):
        assert list(line.get_xdata()) == list(swept["tau"]) and list(line.get_ydata()) == list(swept[name])
        assert line.get_drawstyle() == "steps-pre"
    assert rsd.plot(rsd.sweep_tiers(p, scores=np.c_[answers["small"], answers["large"]], scenario="high_quality"))


def test_long_results_show_their_first_rows(result: rsd.Result) -> None:
    long = replace(result, scores=result.scores * MAX_SHOWN_ROWS)
    assert len(texts(rsd.plot(long))) == MAX_SHOWN_ROWS
    assert rsd.plot(long).get_figheight() < 12


def test_names_are_no_formulas(result: rsd.Result) -> None:
    score = replace(result.scores[0], track="a$_b$", scenario="$x")
    named = replace(result, name=r"$\frac{$", scores=(score,))
    drawn = rsd.plot(named)._repr_svg_()
    assert r"$\frac{$" in drawn and "a$_b$, $x" in drawn


def test_state_of_matplotlib_is_left_alone_and_bytes_are_equal(result: rsd.Result) -> None:
    before = dict(matplotlib.rcParams)
    assert rsd.plot(result)._repr_svg_() == rsd.plot(result)._repr_svg_()
    assert dict(matplotlib.rcParams) == before


@pytest.mark.parametrize("what", [None, 3, "result.json", {"tau": [1]}])
def test_other_things_are_refused(what: Any) -> None:
    with pytest.raises(ValueError, match=r"^what: must be a Result, a Comparison or a DataFrame"):
        rsd.plot(what)


def test_empty_things_are_refused(answers: dict[str, Any], result: rsd.Result) -> None:
    swept = rsd.sweep([0.5] * 80, **answers)
    for frame in (swept.iloc[:0], swept.drop(columns="ca")):
        with pytest.raises(ValueError, match=r"^what: "):
            rsd.plot(frame)
    with pytest.raises(ValueError, match=r"^what: the Result holds no score"):
        rsd.plot(replace(result, scores=()))
