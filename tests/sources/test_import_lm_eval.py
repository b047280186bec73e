"""lm-eval logs a sample once a filter (lm-evaluation-harness#1687: 2,638 rows for 1,319 samples), asks a question of
several options once for each, and writes the number of an option as the target. `doc_hash` is the hash of nothing in
every row of some logs, so that an equal one let two questions change places.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from rsd_bench.sources.lm_eval.open_lm_eval import open_lm_eval
from rsd_bench.sources.source import Query, Response, SourceInfo, SourceProblem
from rsd_bench.types import InputError, Problem

TIME = "2026-01-21T03-44-18.458309"


def row(number: int, answer: str = "cat", score: Any = 1.0, **fields: Any) -> dict[str, Any]:
    """A question that a model answered freely, in today's layout."""
    return {
        "doc_id": number,
        "doc": {"idx": number, "question": f"question {number}"},
        "target": f"target {number}",
        "arguments": {"gen_args_0": {"arg_0": f"Q: question {number}\nA:", "arg_1": {"until": ["Q:"]}}},
        "resps": [[answer]],
        "filtered_resps": [answer],
        "filter": "none",
        "metrics": ["exact_match"],
        "doc_hash": "74234e98afe7498fb5daf1f36ac2d78acc339464f950703b8c019892f982b90b",
        "exact_match": score,
    } | fields


def choice(number: int, likely: int, target: Any, options: tuple[str, ...] = ("red", "green")) -> dict[str, Any]:
    """A question with options, each asked for how likely it is."""
    asked = {f"gen_args_{n}": {"arg_0": f"Q: {number}\nA:", "arg_1": f" {option}"} for n, option in enumerate(options)}
    likelihoods = [[str(-1.0 if n == likely else -2.0 - n), "False"] for n in range(len(options))]
    fields = {"metrics": ["acc"], "acc": float(str(likely) == str(target)), "target": target, "arguments": asked}
    return row(number, resps=[[found] for found in likelihoods], filtered_resps=likelihoods, **fields)


class Logs:
    """A folder of logs, and what comes of opening it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.problems = folder / "out", list[Problem]()
        self.infos: list[SourceInfo] = []
        self.queries: list[Query] = []
        self.responses: list[Response] = []

    def add(self, rows: list[dict[str, Any]], model: str = "org/small", task: str = "pets", **results: Any) -> Path:
        folder = self.folder / model.replace("/", "__")
        folder.mkdir(parents=True, exist_ok=True)
        told = {"model_name": model, "config": {"model": "hf"}} | results
        (folder / f"results_{TIME}.json").write_text(json.dumps(told))
        path = folder / f"samples_{task}_{TIME}.jsonl"
        path.write_text("".join(json.dumps(r) + "\n" for r in rows))
        return path

    def open(self, *paths: Path, **options: Any) -> Logs:
        self.problems, self.infos, self.queries, self.responses = [], [], [], []
        for source in open_lm_eval(paths or [self.folder], self.problems.append, **options):
            self.infos.append(source.info)
            self.queries += source.queries
            self.responses += source.responses
        return self

    def refused(self, **options: Any) -> str:
        return "\n".join(str(p) for p in self.open(**options).problems if isinstance(p, SourceProblem))


@pytest.fixture
def logs(tmp_path: Path) -> Logs:
    return Logs(tmp_path)


def test_logs_of_two_models_become_one_source(logs: Logs) -> None:
    told = {"configs": {"pets": {"dataset_path": "org/pets"}}, "n-samples": {"pets": {"effective": 3}}}
    logs.add([row(0), row(1, score=0)], **told)
    logs.add([row(1, "dog"), row(0, score=True)], "org/large")
    logs.open()
    (info,) = logs.infos
    assert (info.source, info.repository) == ("pets", "org/pets")
    assert info.score_rule == "lm-eval exact_match (0-1) x 10"
    assert f"samples_pets_{TIME}.jsonl holds 2 of 3 samples" in info.notes
    scores = {(r.model, r.query_id): (r.response, r.score) for r in logs.responses}
    assert scores == {
        ("org/large", "pets/1"): ("dog", 10),
        ("org/large", "pets/0"): ("cat", 10),
        ("org/small", "pets/0"): ("cat", 10),
        ("org/small", "pets/1"): ("cat", 0),
    }
    by_id = {q.query_id: (q.question, q.reference_answer, q.modality, q.domain) for q in logs.queries}
    assert by_id == {f"pets/{n}": (f"Q: question {n}\nA:", f"target {n}", "text", "pets") for n in (0, 1)}
    assert logs.responses[0].judge == "lm-eval:exact_match"
    assert not logs.problems


@pytest.mark.parametrize("with_doc", [True, False])
@pytest.mark.parametrize("same_target", [True, False])
def test_two_questions_swapped_in_one_log_are_refused(logs: Logs, with_doc: bool, same_target: bool) -> None:
    def asked(number: int, **fields: Any) -> dict[str, Any]:
        own = {} if with_doc else {"doc": None}
        return row(number, **fields, **own) | ({"target": "yes"} if same_target else {})

    logs.add([asked(n) for n in range(3)])
    logs.add([asked(n) for n in range(3)], "org/large")
    assert not logs.refused()
    swapped = [asked(0), asked(1) | {"doc_id": 2}, asked(2) | {"doc_id": 1}]
    logs.add(swapped, "org/third")
    assert "doc_id 2 is not the query it is at" in logs.refused()


def test_prompts_may_be_worded_per_model_where_the_doc_proves_the_query(logs: Logs) -> None:
    def worded(number: int, **fields: Any) -> dict[str, Any]:
        return row(number, arguments=[[f"<s>{number}</s>", {"until": []}]], **fields)

    logs.add([row(0), row(1)])
    logs.add([worded(0), worded(1)], "org/large")
    assert not logs.refused()
    assert "2 prompts were worded otherwise for another model" in logs.infos[0].notes
    assert logs.queries[0].question == "<s>0</s>"  # of the first log
    logs.add([worded(0, doc={}), worded(1)], "org/large")
    assert "doc_id 0 is not the query" in logs.refused()  # an equal doc_hash proves nothing
    logs.add([worded(0, doc={"q": 1}), worded(1, doc={"q": 1})], "org/large")
    logs.add([row(0, doc={"q": 1}), row(1, doc={"q": 1})])
    assert "doc_id 0 is not the query" in logs.refused()  # nor does a doc that all rows have
    logs.add([row(0), row(1)])
    logs.add([row(0), row(1, arguments=row(0)["arguments"])], "org/large")
    assert "doc_id 1 is not the query" in logs.refused()  # worded as another question is


def test_the_choice_among_filters_and_metrics_is_the_users(logs: Logs) -> None:
    def under(name: str, number: int, score: float) -> dict[str, Any]:
        return row(number, filter=name, metrics=["exact_match", "f1"], exact_match=score, f1=score / 2)

    scores = {"strict": (1, 0), "flexible": (1, 1)}
    logs.add([under(name, n, score) for name, two in scores.items() for n, score in enumerate(two)])
    told = logs.refused()
    assert "scored under several filters: flexible, strict -> choose one with --metric" in told
    assert [r.score for r in logs.open(metric="exact_match,strict").responses] == [10, 0]
    assert logs.infos[0].score_rule == "lm-eval exact_match (0-1) x 10, filter strict"
    assert [r.score for r in logs.open(metric="f1/0.5,flexible").responses] == [10, 10]
    assert len(logs.queries) == 2 and not logs.problems
    assert "no sample has a filter 'x'; they have flexible, strict" in logs.refused(metric="f1,x")
    assert "samples have several metrics: exact_match, f1" in logs.refused(metric=",strict")
    assert "no sample has a metric 'acc'" in logs.refused(metric="acc,strict")


def test_multiple_choice(logs: Logs) -> None:
    colours = ("a long word for red", "green")
    logs.add(
        [
            choice(0, 1, "1"),
            choice(1, 0, 1),
            choice(2, 1, "green"),
            choice(3, 0, "2", ("1", "2", "3")),  # the third option, or the option "2"
            choice(4, 0, "0", colours),
            choice(5, 0, "0", ("only",)) | {"resps": [[["-1.5", "True"]]]},
        ]
    )
    logs.open()
    assert [q.question for q in logs.queries][:2] == ["Q: 0\nA:", "Q: 1\nA:"]
    assert [q.reference_answer for q in logs.queries] == ["green", "green", "green", None, colours[0], "0"]
    assert [r.response for r in logs.responses] == ["green", "red", "green", "1", colours[0], None]
    assert [r.score for r in logs.responses] == [10, 0, 0, 0, 10, 10]
    normed = choice(0, 1, "1", ("a long word for red", "green")) | {"metrics": ["acc_norm"], "acc_norm": 0.0}
    logs.add([normed])
    assert logs.open().responses[0].response == "a long word for red"  # -2 over 19 letters, -1 over 5


def test_every_layout_of_arguments(logs: Logs) -> None:
    chat = [{"role": "user", "content": "What is it?"}]
    two = [{"role": "system", "content": "Be brief."}, *chat]
    shown = [{"role": "user", "content": [{"type": "image_url"}, {"type": "text", "text": "What is it?"}]}]
    wordings = [["Ann thanked Bo since Ann", " was kind"], ["Ann thanked Bo since Bo", " was kind"]]
    unconditional = [["Which?", " a"], ["Which?", " b"], ["", " a"], ["", " b"]]
    likely = [["-1", "False"], ["-2", "False"]]
    layouts: list[tuple[Any, str, str, Any]] = [
        ([["What is it?", {"until": []}]], "What is it?", "text", ["cat"]),
        ({"gen_args_0": {"arg_0": json.dumps(chat), "arg_1": {}}}, "What is it?", "text", ["cat"]),
        ({"gen_args_0": {"arg_0": [json.dumps(two)]}}, "system: Be brief.\n\nuser: What is it?", "text", ["cat"]),
        ([[shown, {}]], "What is it?", "image", ["cat"]),
        ([["<image> What is it?", {}, {"visual": ["x.png"]}]], "<image> What is it?", "image", ["cat"]),
        (wordings, "Ann thanked Bo since Ann\nAnn thanked Bo since Bo", "text", likely),
        (unconditional, "Which?", "text", likely * 2),
    ]
    logs.add([row(n, arguments=a, resps=r, filtered_resps=r) for n, (a, _, _, r) in enumerate(layouts)])
    logs.open()
    assert not logs.problems
    assert [(q.question, q.modality) for q in logs.queries] == [(text, kind) for _, text, kind, _ in layouts]
    assert all(q.media == () for q in logs.queries)
    assert [r.response for r in logs.responses] == ["cat"] * 5 + [None, "a"]


def test_requests_stand_in_the_order_of_their_numbers(logs: Logs) -> None:
    options = tuple(f"option {n}" for n in range(12))
    asked = choice(0, 11, 11, options)
    asked["arguments"] = dict(sorted(asked["arguments"].items()))  # gen_args_0, gen_args_1, gen_args_10 ...
    logs.add([asked])
    assert logs.open().responses[0].response == "option 11"


@pytest.mark.parametrize(
    ("backend", "status"), [("hf", "ok"), ("vllm", "ok"), ("local-chat-completions", "error"), (None, "error")]
)
def test_an_empty_answer_of_an_api_is_a_failed_request(logs: Logs, backend: str | None, status: str) -> None:
    logs.add([row(0, " ", score=0.0), row(1)], config={"model": backend})
    assert [r.status for r in logs.open().responses] == [status, "ok"]
    assert logs.responses[0].score == (0.0 if status == "ok" else None)


@pytest.mark.parametrize(
    ("results", "model"),
    [
        ({"model_name": "org/a"}, "org/a"),
        ({"model_name": None, "config": {"model_args": "dtype=auto,pretrained=org/b,x=1"}}, "org/b"),
        ({"model_name": "", "config": {"model_args": {"model": "gpt-4o"}}}, "gpt-4o"),
        ({"model_name": 3}, "org__small"),
    ],
)
def test_the_model(logs: Logs, results: dict[str, Any], model: str) -> None:
    logs.add([row(0)], **results)
    assert logs.open().responses[0].model == model


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"doc_id": 1.5}, "doc_id: 1.5 is not of type"),
        ({"arguments": {}}, "arguments hold no request"),
        ({"arguments": "x"}, "arguments are neither an object nor a list"),
        ({"arguments": {"gen_args_1": {"arg_0": "x"}}}, "arguments lack a request"),
        ({"arguments": {"gen_args_x": {"arg_0": "x"}}}, "arguments hold 'gen_args_x', which is no request"),
        ({"arguments": [[""]]}, "arguments hold no prompt"),
        ({"arguments": [[{"a": 1}]]}, "a prompt is neither a text nor messages"),
        ({"arguments": [[[{"role": "user", "content": 3}]]]}, "a message holds 'text', which is no text"),
        ({"arguments": [["Q", "a"], ["Q", "b"]], "resps": [["-1"], ["nan"]]}, "resps hold no likelihood of option 1"),
        ({"arguments": [["Q", "a"], ["Q", {}]]}, "arguments lack the continuation of a request"),
        ({"arguments": [["Q", "a"], ["R", "b"]]}, "arguments differ in the question and in how it goes on"),
        ({"exact_match": float("nan")}, "NaN is not JSON"),
    ],
)
def test_a_row_that_cannot_be_read_is_left_out_by_name(logs: Logs, fields: dict[str, Any], told: str) -> None:
    path = logs.add([row(0), row(1, **fields), row(2)])
    assert [r.query_id for r in logs.open().responses] == ["pets/0", "pets/2"]
    assert [q.query_id for q in logs.queries] == ["pets/0", "pets/2"]
    (problem,) = logs.problems
    assert (problem.where, type(problem)) == (f"{path}:2", Problem)
    assert told in problem.what


def test_a_row_that_stands_twice_is_not_picked(logs: Logs) -> None:
    logs.add([row(0), row(0), row(1)])
    assert not logs.refused() and len(logs.responses) == 2
    logs.add([row(0), row(0, score=0.0)])
    assert "doc_id 0 under filter 'none' stands at" in logs.refused()
    logs.add([row(0), row(0, filter="other", target="another")])
    assert "doc_id 0 is not the query it is at" in logs.refused(metric="exact_match,none")


def test_two_runs_of_a_model_are_told_and_none_is_picked(logs: Logs) -> None:
    path = logs.add([row(0)])
    later = path.with_name(path.name.replace("01-21", "01-22"))
    later.write_text(path.read_text())
    (path.parent / f"results_{TIME.replace('01-21', '01-22')}.json").write_text('{"model_name": "org/small"}')
    assert f"{later}: is another run of 'org/small' on 'pets', beside {path}" in logs.refused()
    assert not logs.open(path, path.parent / path.name).problems


def test_a_metric_that_is_no_score(logs: Logs) -> None:
    worse = {"higher_is_better": {"pets": {"wer": False}}}
    logs.add([row(0, metrics=["wer"], wer=0.5)], **worse)
    assert "wer is better when lower" in logs.refused()
    logs.add([row(0, metrics=["word_perplexity"], word_perplexity=[-3.5, 7])])
    assert [(r.status, r.score) for r in logs.open().responses] == [("unscored", None)]
    assert logs.infos[0].score_rule == "unscored"


def test_domains(logs: Logs) -> None:
    logs.add([row(0, doc={"subject": "law", "level": "3"}), row(1)])
    assert [q.domain for q in logs.open().queries] == ["law", "pets"]
    assert [q.domain for q in logs.open(domain_column="level").queries] == ["3", "pets"]


def test_files_that_are_no_logs(logs: Logs, tmp_path: Path) -> None:
    path = logs.add([row(0)])
    for nothing in (tmp_path / "absent", tmp_path / "samples_absent.jsonl", path.with_name("results.json")):
        with pytest.raises(InputError, match=r"is or holds no samples_<task>_<time>.jsonl"):
            logs.open(nothing)
    (path.parent / f"results_{TIME}.json").write_text("{")
    assert "cannot be read: not JSON" in logs.refused()
    lmms = {"doc_id": 0, "target": "x", "filtered_resps": ["x"], "input": "Q"}
    path.write_text(json.dumps(lmms))
    assert "'arguments' is a required property -> log the task again" in str(logs.open().problems[-1])
    assert "rsd-bench data import lmms-eval" in str(logs.problems[-1])
