"""A score of 6.999999999999999, which is 10 times a sum of tenths, failed MES 7: a good enough answer was none.

Scores are rounded to 6 decimals where they enter: records, VLMEvalKit, lmms-eval, judges, people, private outcomes.
"""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import Records, call_cli
from hypothesis import given
from hypothesis import strategies as st
from toy_builds import imported, responses, rewrite

from rsd_bench.dataset.manifest import file_sha256, manifest_sha256
from rsd_bench.dataset.private_outcomes import open_private_benchmark
from rsd_bench.judge.human import read_human_scores
from rsd_bench.judge.score_answers import Scored, _judged
from rsd_bench.judge.verdict import Verdict, read_verdict
from rsd_bench.metrics.arrays import entered
from rsd_bench.metrics.label import label
from rsd_bench.sources.lmms_eval.lmms_eval_metric import MetricChoice
from rsd_bench.sources.source import Judgment, Response
from rsd_bench.sources.vlmevalkit.vlmevalkit_judge import read_judge_file
from rsd_bench.types import InputError

SEVEN = 6.999999999999999
EIGHT_TENTHS = sum([0.1] * 8)  # of which ten are 7.999999999999999


@pytest.mark.parametrize("score", [0.7 * 10, SEVEN, 7.000000000000001, 7])
def test_seven_meets_seven(score: float) -> None:
    assert EIGHT_TENTHS * 10 < 8
    assert entered(score) == 7
    assert label([entered(score)], [10], 7).tolist() == [1]


@given(st.integers(0, 10_000_000))
def test_six_decimals_are_kept_to_the_bit(millionths: int) -> None:
    score = millionths / 1_000_000
    assert entered(score) == score == float(f"{score:.6f}")


@given(st.floats(0, 10))
def test_a_score_is_moved_once_and_hardly(score: float) -> None:
    assert abs(entered(score) - score) <= 5.1e-7
    assert entered(entered(score)) == entered(score)


def test_from_records_to_the_label(tmp_path: Path, toy_records: Records) -> None:
    for response, score in zip(toy_records.responses, [SEVEN, 0.7 * 10] * 60, strict=True):
        response["score"] = score if response["model"] == "tiny" else 10
    assert imported(toy_records.write(), tmp_path / "store").returncode == 0
    assert set(responses(tmp_path / "store")["score"]) == {7.0, 10.0}
    (tmp_path / "recipe.toml").write_text('name = "toy-rsd"\npair = { small = "tiny", large = "huge" }\n')
    out = tmp_path / "dataset"
    run = call_cli("data", "build", tmp_path / "recipe.toml", "--store", tmp_path / "store", "--out", out)
    assert run.returncode == 0, run.stderr
    built = pd.concat(map(pd.read_parquet, (out / "pairs").glob("*.parquet")))
    assert built["label_mes_7"].eq(1).all() and built["label_mes_8"].eq(0).all()


def test_from_a_judge_file_of_vlmevalkit(tmp_path: Path) -> None:
    path = tmp_path / "small_Bench_gpt-4o_result.csv"
    with path.open("w", newline="") as stream:
        csv.writer(stream).writerows([["index", "hit"], ["0", repr(EIGHT_TENTHS)]])
    (verdict,) = read_judge_file(path, "gpt-4o", "Bench", frozenset(), pytest.fail).verdicts.values()
    assert Response("", "q", "m", verdict.status, score=verdict.score).score == 8.0


def test_from_a_log_of_lmms_eval() -> None:
    choice = MetricChoice(None)
    choice.note("here", {"acc": EIGHT_TENTHS})
    choice.settle("here", {}, pytest.fail)
    found = choice.score({"acc": EIGHT_TENTHS})
    assert found and Response("", "q", "m", "ok", score=found[1]).score == 8.0


def test_from_a_judge_and_the_mean_of_its_repeats() -> None:
    """Three verdicts that sum to 21.6 have a mean of 7.199999999999999."""
    schema = {"properties": {"score": {"type": "number", "maximum": 10}}}
    assert read_verdict(json.dumps({"score": SEVEN, "rationale": "r"}), schema).score == 7.0
    assert Judgment(SEVEN, "r", "repeat-1").score == 7.0
    given = [8.2, 8.2, 5.2]
    assert sum(given) / 3 < 7.2
    verdicts = [(f"repeat-{i}", Verdict(score, "r")) for i, score in enumerate(given)]
    outcome, calls = _judged({"query_id": "q", "model": "m"}, "j", Scored("ok", verdicts))
    assert outcome["score"] == 7.2 and [call["score"] for call in calls] == given


def test_from_people(tmp_path: Path) -> None:
    (tmp_path / "human.csv").write_text(f"query_id,model,score\nq,m,{SEVEN}\n")
    (found,) = read_human_scores(tmp_path / "human.csv", {("q", "m")})
    assert found.score == 7.0


def test_from_private_outcomes(tmp_path: Path, toy_dataset: Path) -> None:
    public, private = tmp_path / "public", tmp_path / "hidden"
    shutil.copytree(toy_dataset, public)
    (private / "outcomes").mkdir(parents=True)
    for path in (public / "outcomes").glob("test-*.parquet"):
        table = pd.read_parquet(path)
        table.assign(score=np.where(table["model"] == "tiny", SEVEN, table["score"])).to_parquet(
            private / "outcomes" / path.name
        )
    rewrite(public, "pairs", lambda rows: [row.update(small_score=None, large_score=None) for row in rows])
    files = {f"outcomes/{path.name}": {"sha256": file_sha256(path)} for path in (private / "outcomes").iterdir()}
    (private / "manifest.json").write_text(json.dumps({"of_manifest": manifest_sha256(public), "files": files}))
    (private / "noise.key").write_text("0" * 64)
    hidden = open_private_benchmark(public, private).part("in-domain", "test")
    assert len(hidden) and set(hidden.outcomes.small) == {7.0}


@pytest.mark.parametrize("score", [11.0, -1.0, float("nan"), float("inf"), 10.001])
def test_no_importer_hands_on_what_is_no_score(score: float) -> None:
    with pytest.raises(InputError, match=r"^here: score .* is not in \[0, 10\]"):
        Response("here", "q", "m", "ok", score=score)
