"""`--choose-tau`: thresholds from labelled rows, never from rows that they decide.

Guards against a threshold that was tuned on the very queries it is scored on: it gained two points that no router had.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import run_cli
from folded import folded, folded_dataset, rows_of  # noqa: F401 (fixtures)
from sound_submissions import declaration, probabilities

from rsd_bench.config import FOLDS, SCENARIOS, TAU_GRID
from rsd_bench.dataset.benchmark import Benchmark
from rsd_bench.metrics.threshold_curve import choose_tau
from rsd_bench.metrics.tiers import score_tiers
from rsd_bench.submission.choose_thresholds import choose_thresholds
from rsd_bench.types import InputError

SOURCE = Path("labelled.csv")


def test_of_a_fixed_test_it_is_choose_tau_on_the_rows_given(toy_benchmark: Benchmark) -> None:
    part = toy_benchmark.part("in-domain", "validation")
    p = np.random.default_rng(1).random(len(part))
    table = pd.DataFrame({"track": "in-domain", "query_id": part.query_ids, "scenario": "*", "p_edge": p})
    tau = choose_thresholds(
        table.sample(frac=1, random_state=0), probabilities(toy_benchmark), toy_benchmark, declaration(), SOURCE
    )
    for name, scenario in toy_benchmark.scenarios.items():
        assert tau[name] == {"in-domain": choose_tau(p, part.outcomes, scenario)}


@pytest.mark.parametrize("with_folds", [False, True])
def test_of_a_cross_fitted_track_each_fold_has_its_own_of_the_other_folds(
    folded: Benchmark,  # noqa: F811
    with_folds: bool,
) -> None:
    frame = rows_of(folded, {"in-domain": (0, 2)}, seed=3)
    labelled = frame
    if with_folds:  # what the router of a fold says of its validation rows
        rng, tables = np.random.default_rng(5), []
        for lesson in folded.lessons("in-domain", (0, 2)):
            ids = folded.queries["query_id"].to_numpy(object)[lesson.validation]
            told = {"track": "in-domain", "query_id": ids, "scenario": "*", "repeat": lesson.repeat}
            tables.append(pd.DataFrame(told | {"fold": lesson.fold, "p_edge": rng.random(len(ids))}))
        labelled = pd.concat(tables, ignore_index=True)
    tau = choose_thresholds(labelled, frame, folded, declaration(), SOURCE)
    for name, scenario in folded.scenarios.items():
        for at, repeat in enumerate((0, 2)):
            of = labelled[labelled["repeat"] == repeat].set_index("query_id")
            rows, fold = folded.rows("in-domain", "test"), folded.folds("in-domain", repeat)
            for k in range(FOLDS):
                here = rows[fold == (k + 1) % FOLDS] if with_folds else rows[fold != k]
                part = folded.at("in-domain", here)
                chosen = of[of["fold"] == k] if with_folds else of
                p = chosen.loc[part.query_ids, "p_edge"].to_numpy()
                value = tau[name]["in-domain"]
                value = value[at] if isinstance(value, list) else value
                value = value[k] if isinstance(value, list) else value
                assert value == choose_tau(p, part.outcomes, scenario)


def test_of_tiers_it_is_the_best_of_the_grid(folded: Benchmark) -> None:  # noqa: F811
    frame = rows_of(folded, {"three-tiers": (1,)}, seed=4)
    for kind in ("query", "cascade"):
        tau = choose_thresholds(frame, frame, folded, declaration(kind=kind), SOURCE)
        value = tau["low_energy"]["three-tiers"]
        value = value[0][2] if isinstance(value, list) and isinstance(value[0], list) else np.ravel(value)[0]
        part = folded.at("three-tiers", folded.rows("three-tiers", "test")[folded.folds("three-tiers", 1) != 2])
        p = frame.set_index("query_id").loc[part.query_ids, ["p_1", "p_2"]].to_numpy()

        def rcs(tau: float, p: np.ndarray = p, part: object = part, kind: str = kind) -> float:
            hit = p >= tau
            choice = np.where(hit.any(1), hit.argmax(1), 2)
            figures = {"scores": part.tiers.scores, "latencies": part.tiers.latencies}
            how = {"cascade": kind == "cascade", "router_latency_s": 0.016}
            return score_tiers(choice, **figures, scenario="low_energy", **how).rcs

        assert rcs(value) == pytest.approx(max(map(rcs, TAU_GRID)))


def refused(table: pd.DataFrame, frame: pd.DataFrame, benchmark: Benchmark) -> str:
    with pytest.raises(InputError) as error:
        choose_thresholds(table, frame, benchmark, declaration(), SOURCE)
    return str(error.value)


def test_rows_that_a_threshold_would_decide_are_refused(toy_benchmark: Benchmark, folded: Benchmark) -> None:  # noqa: F811
    frame = probabilities(toy_benchmark)
    assert "labelled.csv: row 0: query 'toy/" in (said := refused(frame, frame, toy_benchmark))
    assert "is a test query -> choose on train and validation" in said
    frame = rows_of(folded, {"in-domain": (0, 1)})
    own = {
        r: dict(zip(folded.part("in-domain", "test").query_ids, folded.folds("in-domain", r), strict=True))
        for r in (0, 1)
    }
    inside = frame.assign(fold=[own[r][q] for r, q in zip(frame["repeat"], frame["query_id"], strict=True)])
    assert "is decided in the fold that it is for, in repeat 0" in refused(inside, frame, folded)
    apart = inside.assign(fold=(inside["fold"] + 1) % FOLDS)
    choose_thresholds(apart, frame, folded, declaration(), SOURCE)
    assert "names a fold, but not of which repeat" in refused(apart.drop(columns="repeat"), frame, folded)
    assert "names fold 5 or more" in refused(apart.assign(fold=7), frame, folded)


def test_what_is_lacking_is_told(folded: Benchmark) -> None:  # noqa: F811
    frame = rows_of(folded, {"in-domain": (0, 1)})
    only = frame[frame["repeat"] == 0]
    assert "repeat 1, fold 0: has no row to choose on" in refused(only, frame, folded)
    assert "name a query twice" in refused(pd.concat([frame, frame]), frame, folded)
    assert "query 'x' is unknown" in refused(pd.concat([frame, frame.iloc[:1].assign(query_id="x")]), frame, folded)
    assert "for no scenario" in refused(frame.assign(scenario="fastest"), frame, folded)
    tiers = rows_of(folded, {"three-tiers": (0,)})
    assert "lacks a probability of track 'three-tiers'" in refused(tiers.drop(columns="p_2"), tiers, folded)


def test_on_the_command_line(tmp_path: Path, toy_dataset: Path, toy_benchmark: Benchmark) -> None:
    probabilities(toy_benchmark)[["query_id", "p_edge"]].to_csv(tmp_path / "mine.csv", index=False)
    part = toy_benchmark.part("in-domain", "validation")
    p = np.random.default_rng(1).random(len(part))
    pd.DataFrame({"query_id": part.query_ids, "p_edge": p}).to_csv(tmp_path / "labelled.csv", index=False)
    options = ("--from", "mine.csv", "--data", toy_dataset, "--choose-tau", "labelled.csv")
    run = run_cli("submit", "new", "mine", *options, "--kind", "cascade", cwd=tmp_path)
    assert run.returncode == 0, run.stderr
    meta = json.loads((tmp_path / "submissions" / "mine" / "submission.json").read_text())
    assert meta["kind"] == "cascade" and set(meta["tau"]) == set(SCENARIOS)
    assert meta["tau"]["fast_response"]["in-domain"] in TAU_GRID
    (tmp_path / "labelled.csv").write_text("query_id,p_edge\n" + f"{part.query_ids[0]},high\n")
    again = run_cli("submit", "new", "other", *options, cwd=tmp_path)
    assert again.returncode == 1 and "labelled.csv:2: p_edge 'high' is no number" in again.stderr
    both = run_cli("submit", "new", "other", *options, "--tau", "0.5", cwd=tmp_path)
    assert both.returncode == 2 and "not both" in both.stderr
