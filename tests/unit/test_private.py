"""Private outcomes: figures for everybody, answers for nobody.

Guards against copies of the truth that passed automatic checks: an author who may score without end, and subtract one
result from another, reads the answers off the board one query at a time.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import run_cli
from test_submission import make, probabilities

from rsd_bench.config import MIN_CELL, SCENARIOS, SCORING_BUDGET
from rsd_bench.dataset.benchmark import Benchmark, open_benchmark
from rsd_bench.dataset.private import open_private_benchmark
from rsd_bench.evaluation import evaluate
from rsd_bench.private import score_private
from rsd_bench.submission.check import open_submission
from rsd_bench.types import InputError

BOOT = 100


@pytest.fixture(scope="module")
def split(toy_dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """(public dataset without test scores, folder of private test outcomes)."""
    root = tmp_path_factory.mktemp("private")
    public, private = root / "public", root / "hidden"
    shutil.copytree(toy_dataset, public)
    (private / "outcomes").mkdir(parents=True)
    for file in (public / "outcomes").glob("test-*.parquet"):
        file.rename(private / "outcomes" / file.name)
    for file in (public / "pairs").glob("test-*.parquet"):
        table = pq.read_table(file)
        for name in ("small_score", "large_score"):
            table = table.set_column(table.schema.get_field_index(name), name, pa.nulls(len(table), pa.float64()))
        pq.write_table(table, file)
    return public, private


@pytest.fixture(scope="module")
def hidden(split: tuple[Path, Path]) -> Benchmark:
    return open_private_benchmark(*split)


def routed(benchmark: Benchmark, flips: int = 0, seed: int = 0) -> pd.DataFrame:
    """Probabilities of 0 and 1, half each, the first `flips` of them turned."""
    frame = probabilities(benchmark)
    p = (np.random.default_rng(seed).permutation(len(frame)) < len(frame) / 2).astype(float)
    p[:flips] = 1 - p[:flips]
    return frame.assign(p_edge=p)


def ask(root: Path, name: str, benchmark: Benchmark, frame: pd.DataFrame, author: str = "Ada", **more: object) -> dict:
    folder = make(root / name, benchmark, frame, authors=[author])
    return score_private(open_submission(folder, benchmark), benchmark, root / "ledger.jsonl", n_boot=BOOT, **more)


def test_figures_are_those_of_open_scoring_rounded(
    tmp_path: Path, toy_dataset: Path, split: tuple, hidden: Benchmark
) -> None:
    with pytest.raises(InputError, match="--private-outcomes"):
        open_benchmark(split[0])
    found = ask(tmp_path, "mine", hidden, routed(hidden))
    plain = open_benchmark(toy_dataset)
    again = evaluate(make(tmp_path / "open" / "mine", plain, routed(plain)), toy_dataset, n_boot=BOOT).to_dict()
    for ours, theirs in zip(found["scores"], again["scores"], strict=True):
        for metric in ("apsp", "ca", "ail", "rcs", "gain"):
            for bound in ("value", "low", "high"):
                assert ours[metric][bound] == pytest.approx(theirs[metric][bound], abs=5.1e-4)
                assert ours[metric][bound] == round(ours[metric][bound], 3)


def test_nothing_that_depends_on_one_query_is_given(tmp_path: Path, hidden: Benchmark) -> None:
    found = ask(tmp_path, "mine", hidden, routed(hidden))
    assert set(found["scores"][0]) == {
        "scenario",
        "n",
        "tau",
        "apsp",
        "mean_score",
        "ca",
        "ail",
        "rcs",
        "best_fixed",
        "gain",
    }
    text = json.dumps(found) + (tmp_path / "ledger.jsonl").read_text()
    ids = hidden.part("in-domain", "test").query_ids
    assert not any(str(i) in text for i in ids)
    # probabilities that encode the labels in their digits change nothing as long as the decisions stay
    coded = routed(hidden)
    coded["p_edge"] = np.where(
        coded["p_edge"] > 0.5, 0.5 + 0.4 * np.random.default_rng(1).random(len(coded)), coded["p_edge"]
    )
    assert ask(tmp_path, "coded", hidden, coded)["scores"] == found["scores"]


@pytest.mark.parametrize("flips", [1, 2, MIN_CELL - 1])
def test_results_cannot_be_subtracted(tmp_path: Path, hidden: Benchmark, flips: int) -> None:
    ask(tmp_path, "mine", hidden, routed(hidden))
    for author in ("Ada", "Somebody Else"):
        with pytest.raises(InputError, match=f"differ from an earlier submission .* on {flips} test queries"):
            ask(tmp_path, f"near-{author[0].lower()}", hidden, routed(hidden, flips), author)
    assert len((tmp_path / "ledger.jsonl").read_text().splitlines()) == 1


@pytest.mark.parametrize("constant", [0.0, 1.0])
def test_nor_from_a_fixed_policy(tmp_path: Path, hidden: Benchmark, constant: float) -> None:
    p = np.full(len(routed(hidden)), constant)
    p[0] = 1 - constant
    with pytest.raises(InputError, match="differ from all-"):
        ask(tmp_path, "one-off", hidden, routed(hidden).assign(p_edge=p))


def test_nor_between_scenarios_of_one_submission(tmp_path: Path, hidden: Benchmark) -> None:
    frame = pd.concat(routed(hidden, flips=k).assign(scenario=s) for k, s in enumerate(SCENARIOS))
    with pytest.raises(InputError, match="differ from its own in fast_response on 1 test queries"):
        ask(tmp_path, "stairs", hidden, frame)


def test_the_ledger_counts_and_refuses(tmp_path: Path, hidden: Benchmark) -> None:
    for k in range(3):
        assert ask(tmp_path, f"try-{k}", hidden, routed(hidden, seed=k), budget=3)["private"]["used"] == k + 1
    assert (
        ask(tmp_path, "try-0b", hidden, routed(hidden, seed=0), budget=3)["private"]["used"] == 3
    )  # the same again is free
    for name in ("Ada", "ADA", " ada ", "Ａｄａ"):
        with pytest.raises(InputError, match="has used 3 of 3 scorings"):
            ask(tmp_path, "try-4", hidden, routed(hidden, seed=4), name, budget=3)
    assert ask(tmp_path, "try-5", hidden, routed(hidden, seed=5), "Grace", budget=3)["private"]["used"] == 1


def test_a_damaged_ledger_scores_nothing(tmp_path: Path, hidden: Benchmark) -> None:
    (tmp_path / "ledger.jsonl").write_text("{")
    with pytest.raises(InputError, match="is damaged"):
        ask(tmp_path, "mine", hidden, routed(hidden))


def test_command(tmp_path: Path, split: tuple[Path, Path], hidden: Benchmark) -> None:
    make(tmp_path / "mine", hidden, routed(hidden))
    common = ("eval", tmp_path / "mine", "--data", split[0], "--private-outcomes", split[1], "--n-boot", BOOT)
    run = run_cli(*common, "--author", "octocat", cwd=tmp_path)
    assert run.returncode == 0, run.stderr
    assert f"1 of {SCORING_BUDGET} scorings used" in run.stdout
    assert json.loads((tmp_path / "ledger.jsonl").read_text())["authors"] == ["octocat"]
    open_run = run_cli("eval", tmp_path / "mine", "--data", split[0])
    assert open_run.returncode == 1 and "--private-outcomes" in open_run.stderr
    none = run_cli("eval", tmp_path / "mine", "--data", split[0], "--private-outcomes", tmp_path)
    assert none.returncode == 1 and "has no outcomes/test" in none.stderr


def test_missing_and_doubled_outcomes_are_refused_without_naming_them(tmp_path: Path, split: tuple[Path, Path]) -> None:
    (tmp_path / "outcomes").mkdir()
    file = next((split[1] / "outcomes").glob("*.parquet"))
    table = pq.read_table(file)
    for name, broken in {
        "lacks a score": table.slice(2),
        "two outcomes": pa.concat_tables([table, table.slice(0, 1)]),
    }.items():
        pq.write_table(broken, tmp_path / "outcomes" / "test-0.parquet")
        with pytest.raises(InputError, match=name) as caught:
            open_private_benchmark(split[0], tmp_path)
        assert "toy/" not in str(caught.value)
