"""Logs that other people's inspect-ai and lm-eval wrote. Logs that a test makes hold what its author knew of a format:
none had an image as an attachment, a sample without an answer, or 1,000 results and no sample.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT, run_cli
from inspect_logs import log, sample, shown, uri, write_eval, write_json
from json_mutations import as_json, as_lines, mutations

from rsd_bench.sources.inspect_ai.open_inspect import open_inspect
from rsd_bench.sources.lm_eval.open_lm_eval import open_lm_eval
from rsd_bench.sources.source import Source
from rsd_bench.sources.store.import_sources import import_source
from rsd_bench.types import InputError, Problem

SAMPLES = "samples_math_perturbed_full_2026-01-21T03-44-18.458309.jsonl"


@pytest.fixture(scope="module")
def files() -> Path:
    folder = Path(os.environ.get("RSD_SHARED", ROOT.parent / "shared")) / "files"
    if not (folder / "inspect").is_dir():
        pytest.skip(f"files of other tools are not at {folder} (set RSD_SHARED)")
    return folder


def opened(open_logs: Callable[..., list[Source]], path: Path) -> tuple[Source, list[Problem]]:
    problems: list[Problem] = []
    (source,) = open_logs([path], problems.append)
    return source, problems


def test_a_log_with_images(files: Path, tmp_path: Path) -> None:
    path = files / "inspect" / "log_images.json"
    source, problems = opened(open_inspect, path)
    (query,), (outcome,) = source.queries, source.responses
    (image,) = query.media
    assert hashlib.sha256(image.read()).hexdigest()[:16] == "9f68c36d93fabe6f"
    assert (query.query_id, query.modality, query.domain) == ("images/1", "image", "images")
    assert len(json.loads(query.reference_answer or "")) == 2  # two answers count as right
    assert (outcome.model, outcome.status, outcome.score) == ("openai/gpt-4o", "ok", 0)
    assert outcome.judge == "inspect-ai:match"
    assert (outcome.input_tokens, outcome.output_tokens, outcome.latency_s) == (323, 3, None)
    assert "gpt-4o-2024-08-06 answered for openai/gpt-4o in 1 samples" in source.info.notes
    assert not problems
    info = import_source(opened(open_inspect, path)[0], tmp_path / "store", {}, problems)
    assert info["models"] == {"openai/gpt-4o": 1}
    found = json.loads(run_cli("data", "import", "inspect", path, "--out", tmp_path / "other", "--json").stdout)
    assert found["sources"][0]["queries"] == 1


def test_a_sample_that_failed(files: Path) -> None:
    source, problems = opened(open_inspect, files / "inspect" / "data_cvebench_empty_choices.json")
    (query,), (outcome,) = source.queries, source.responses
    assert (query.modality, query.reference_answer) == ("text", None)
    assert (outcome.status, outcome.response, outcome.score) == ("error", None, None)
    assert "data_cvebench_empty_choices.json holds 1 of 80 samples" in source.info.notes
    assert (source.info.score_rule, problems) == ("unscored", [])


def test_a_log_with_graded_results_and_no_sample(files: Path, tmp_path: Path) -> None:
    path = files / "inspect" / "data_with_llm_scoring.json"
    with pytest.raises(InputError, match="holds no samples, of 1,000 that were run -> log the run with its samples"):
        open_inspect([path], print)
    problems: list[Problem] = []
    sources = open_inspect([files / "inspect"], problems.append)
    assert sorted(source.info.source for source in sources) == ["cvebench", "images"]
    assert [Path(problem.where.partition(":")[0]).name for problem in problems] == [path.name]
    failed = run_cli("data", "import", "inspect", path, "--out", tmp_path / "store")
    assert failed.returncode == 1 and "holds no samples" in failed.stderr and "Traceback" not in failed.stderr


def test_lm_eval_samples(files: Path) -> None:
    rows = [json.loads(line) for line in (files / "lm-eval" / SAMPLES).read_text("utf-8").splitlines()]
    source, problems = opened(open_lm_eval, files / "lm-eval")
    queries, responses = list(source.queries), list(source.responses)
    assert not problems and len(queries) == len(responses) == len(rows) == 10
    (results,) = (json.loads(path.read_bytes()) for path in (files / "lm-eval").glob("results_*.json"))
    assert {r.model for r in responses} == {results["model_name"]}
    for row, query, outcome in zip(rows, queries, responses, strict=True):
        assert query.query_id == outcome.query_id == f"math_perturbed_full/{row['doc_id']}"
        assert query.question == row["arguments"]["gen_args_0"]["arg_0"] and row["doc"]["problem"] in query.question
        assert query.reference_answer == row["target"] == row["doc"]["answer"]
        assert (outcome.response, outcome.score) == (row["resps"][0][0], 10 * row["exact_match"])
    assert source.info.repository == results["configs"]["math_perturbed_full"]["dataset_path"]
    assert "holds 10 of 5000 samples" in source.info.notes
    by_type = open_lm_eval([files / "lm-eval"], print, domain_column="type")
    assert {q.domain for q in by_type[0].queries} == {row["doc"]["type"].replace(" ", "-") for row in rows}


def test_two_questions_of_a_real_log_swapped(files: Path, tmp_path: Path) -> None:
    rows = [json.loads(line) for line in (files / "lm-eval" / SAMPLES).read_text("utf-8").splitlines()]
    for model in ("small", "large"):
        (tmp_path / model).mkdir()
        (tmp_path / model / SAMPLES).write_text(as_lines(rows), "utf-8")
        rows[3]["doc_id"], rows[7]["doc_id"] = rows[7]["doc_id"], rows[3]["doc_id"]
    _, problems = opened(open_lm_eval, tmp_path)
    assert sorted(p.what.partition(" is")[0] for p in problems) == ["doc_id 3", "doc_id 7"]


@pytest.mark.parametrize(
    ("name", "open_logs"),
    [
        ("inspect/log_images.json", open_inspect),
        ("inspect/data_cvebench_empty_choices.json", open_inspect),
        (f"lm-eval/{SAMPLES}", open_lm_eval),
    ],
)
def test_faults_of_real_logs_are_told(files: Path, tmp_path: Path, name: str, open_logs: Any) -> None:
    text, path, told = (files / name).read_text("utf-8"), tmp_path / Path(name).name, 0
    lines = name.endswith(".jsonl")
    tree = [json.loads(line) for line in text.splitlines()] if lines else json.loads(text)
    for mutation in mutations(tree, seed=15, n=300, text_of=as_lines if lines else as_json, ids=("id", "doc_id")):
        path.write_text(mutation.text, "utf-8")
        problems: list[Problem] = []
        try:
            for source in open_logs([path], problems.append):
                asked = {query.query_id for query in source.queries}
                assert all(outcome.query_id in asked for outcome in source.responses) or problems, mutation.name
        except InputError as error:
            problems += error.problems
        assert all(p.what and p.fix and "\n" not in str(p) for p in problems), mutation.name
        told += bool(problems)
    assert told >= 40


@pytest.mark.parametrize("kind", ["json", "eval", "lm-eval"])
def test_5000_rows_within_10_seconds(tmp_path: Path, kind: str) -> None:
    n, talk = 5000, [{"event": "model", "input": [{"role": "user", "content": "x" * 180}]}] * 30
    if kind == "lm-eval":
        asked = {"gen_args_0": {"arg_0": "Q" * 900, "arg_1": {}}}
        said = {"target": "1", "resps": [["x" * 900]], "filtered_resps": ["x" * 900], "metrics": ["acc"], "acc": 1.0}
        (tmp_path / SAMPLES).write_text(as_lines({"doc_id": i, "arguments": asked, **said} for i in range(n)))
    else:
        asked = {"attachments": {"a": uri(1)}, "events": talk, "scores": {"match": {"value": "C"}}}
        made = (sample(i, input=shown(f"Q {i}?", ("image", "attachment://a")), **asked) for i in range(1, n + 1))
        (write_json if kind == "json" else write_eval)(tmp_path / f"log.{kind}", log(list(made)))
    start = time.process_time()
    source, problems = opened(open_lm_eval if kind == "lm-eval" else open_inspect, tmp_path)
    assert sum(1 for _ in source.queries) == sum(1 for _ in source.responses) == n
    assert time.process_time() - start < 10
    assert not problems
