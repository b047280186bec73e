"""Scores of answers that were not there: rows whose `filtered_resps` was null, [] or [[[]]] came in as `ok`, without a
text and with the score that a metric gives to nothing; of ["a", "b"] and {"a": 1} the answer was dropped, unsaid. A
metric that was written as text left its row unscored, unsaid.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from lmms_logs import Read, sample, write_log

from rsd_bench.sources.lm_eval.open_lm_eval import open_lm_eval
from rsd_bench.sources.source import Response
from rsd_bench.types import Problem

NOTHING: list[Any] = [None, [], [[[]]], [[None]], [None, []], [["", " "]], ""]
UNREADABLE: list[Any] = [["a", "b"], {"a": 1}, [{"a": 1}], 7, [True], [["a", None]]]


def graded(doc_id: int, **fields: Any) -> dict[str, Any]:
    """A row of these metrics only."""
    row = sample(doc_id) | fields
    return row if "acc" in fields else {name: value for name, value in row.items() if name != "acc"}


def answered(tmp_path: Path, **fields: Any) -> Read:
    row = sample(0, acc=1.0)
    del row["filtered_resps"]
    write_log(tmp_path, [row | fields, sample(1, acc=0.0)])
    return Read(tmp_path)


@pytest.mark.parametrize("nothing", NOTHING, ids=json.dumps)
@pytest.mark.parametrize("name", ["resps", "filtered_resps"])
def test_no_answer_is_an_error_whatever_its_metric_says(tmp_path: Path, name: str, nothing: Any) -> None:
    read = answered(tmp_path, **{name: nothing})
    assert not read.problems
    assert [(r.status, r.response, r.score) for r in read.responses] == [("error", None, None), ("ok", "cat", 0.0)]


@pytest.mark.parametrize("answer", UNREADABLE, ids=json.dumps)
@pytest.mark.parametrize("name", ["resps", "filtered_resps"])
def test_an_answer_that_is_no_text_is_named(tmp_path: Path, name: str, answer: Any) -> None:
    read = answered(tmp_path, **{name: answer})
    (problem,) = read.problems
    assert problem.where.endswith(".jsonl:1") and problem.what.startswith(f"{name} holds ")
    assert [r.score for r in read.responses] == [0.0]


def test_one_text_of_the_two_fields_is_the_answer(tmp_path: Path) -> None:
    read = answered(tmp_path, resps=[["a", "b"]], filtered_resps=["b"])
    assert not read.problems and read.responses[0].response == "b"


def test_likelihoods_of_choices_are_no_text_and_no_fault(tmp_path: Path) -> None:
    for pairs in ([[-1.5, True], [-2.5, False]], [["-1.5", "True"]], [[[-1.5, False]], [[-2, True]]]):
        read = answered(tmp_path, filtered_resps=pairs)
        assert not read.problems
        assert (read.responses[0].status, read.responses[0].response, read.responses[0].score) == ("ok", None, 10.0)


@pytest.mark.parametrize("value", ["1.0", " 1 ", {"score": "1"}], ids=json.dumps)
def test_a_metric_written_as_text_is_named(tmp_path: Path, value: Any) -> None:
    write_log(tmp_path, [graded(0, exact_match=value), graded(1, exact_match=1.0)])
    read = Read(tmp_path)
    (problem,) = read.problems
    assert problem.where.endswith(".jsonl:1") and "exact_match is " in problem.what and "no number" in problem.what
    assert [(r.query_id, r.score) for r in read.responses] == [("pets/1", 10.0)]


@pytest.mark.parametrize("value", ["yes", [1.0], {"score": "good"}, {"score": [1]}], ids=json.dumps)
def test_what_is_no_number_in_a_row_of_the_chosen_metric_is_named(tmp_path: Path, value: Any) -> None:
    write_log(tmp_path, [graded(0, exact_match=value), graded(1, exact_match=1.0)])
    (problem,) = Read(tmp_path).problems
    assert problem.where.endswith(".jsonl:1") and "exact_match is " in problem.what


def test_a_metric_that_is_text_in_every_row_is_named_in_every_row(tmp_path: Path) -> None:
    write_log(tmp_path, [graded(i, exact_match="1.0") for i in range(3)])
    for options in ({}, {"metric": "exact_match"}):
        read = Read(tmp_path, **options)
        assert [p.where.rpartition(":")[2] for p in read.problems] == ["1", "2", "3"]
        assert not read.responses


def test_texts_that_are_no_metric_are_left_alone(tmp_path: Path) -> None:
    note = {"question_id": "12", "comment": "fine", "judged": {"answer": "x"}, "exact_match": None}
    write_log(tmp_path, [sample(0, acc=1.0, **note), sample(1, acc=None), sample(2, pets_submission="7", acc=0.0)])
    read = Read(tmp_path)
    assert not read.problems
    assert [(r.status, r.score) for r in read.responses] == [("ok", 10.0), ("unscored", None), ("ok", 0.0)]


def of_lm_eval(folder: Path, *rows: dict[str, Any], backend: str = "hf") -> tuple[list[Problem], list[Response]]:
    asked = {"target": "3", "doc": {}, "filter": "none", "metrics": ["acc"], "acc": 1.0}
    lines = [
        json.dumps(asked | {"doc_id": i, "arguments": [[f"How many in {i}?", {"until": []}]]} | row)
        for i, row in enumerate(rows)
    ]
    (folder / "samples_facts.jsonl").write_text("\n".join(lines), "utf-8")
    (folder / "results.json").write_text(json.dumps({"model_name": "m", "config": {"model": backend}}), "utf-8")
    problems: list[Problem] = []
    responses = [r for source in open_lm_eval([folder], problems.append) for r in source.responses]
    return problems, responses


@pytest.mark.parametrize("nothing", [None, [], [[]], [[None]]], ids=json.dumps)
def test_no_answer_in_a_log_of_lm_eval_is_an_error_too(tmp_path: Path, nothing: Any) -> None:
    """Also where the backend runs the model: an empty text is an answer of it, nothing is none."""
    empty = {"resps": [[""]], "filtered_resps": [""]}
    problems, responses = of_lm_eval(tmp_path, {"resps": nothing, "filtered_resps": nothing}, empty)
    assert not problems
    assert [(r.status, r.response, r.score) for r in responses] == [("error", None, None), ("ok", "", 10.0)]


def test_an_answer_or_a_metric_that_cannot_be_read_is_named_in_a_log_of_lm_eval(tmp_path: Path) -> None:
    good = {"resps": [["3"]], "filtered_resps": ["3"]}
    problems, responses = of_lm_eval(tmp_path, {"filtered_resps": [{"a": 1}]}, good | {"acc": "1.0"}, good)
    assert [p.where.rpartition(":")[2] for p in problems] == ["1", "2"]
    assert "filtered_resps holds" in problems[0].what and "acc is '1.0'" in problems[1].what
    assert [(r.query_id, r.score) for r in responses] == [("facts/2", 10.0)]
