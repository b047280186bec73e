"""A sample id of inspect-ai is a row number unless the dataset names its rows: two logs in which it stands for other
questions pair each answer with another's score. Samples that a filter, a limit or an error ended left the denominator
(inspect_ai#4286), and a scale that nobody stated made 3 of 5 a full mark.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from conftest import png
from inspect_logs import log, sample, shown, uri, write_eval, write_json

from rsd_bench.sources.inspect_ai.open_inspect import open_inspect
from rsd_bench.sources.source import Query, Response, SourceInfo, SourceProblem
from rsd_bench.types import InputError, Problem


class Logs:
    """A folder of logs, and what comes of opening it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.problems = folder / "logs", list[Problem]()
        self.infos: list[SourceInfo] = []
        self.queries: list[Query] = []
        self.responses: list[Response] = []

    def add(self, samples: list[dict[str, Any]], model: str = "org/small", **header: Any) -> Path:
        number = len(list(self.folder.glob("*"))) if self.folder.is_dir() else 0
        return write_json(self.folder / f"{number}.json", log(samples, model, **header))

    def open(self, *paths: Path, **options: Any) -> Logs:
        self.problems, self.infos, self.queries, self.responses = [], [], [], []
        for source in open_inspect(paths or [self.folder], self.problems.append, **options):
            self.infos.append(source.info)
            self.queries += source.queries
            self.responses += source.responses
        return self

    def one(self, **fields: Any) -> Response:
        """The outcome of a single sample with these fields."""
        for path in self.folder.glob("*"):
            path.unlink()
        self.add([sample(1, **fields)])
        return self.open().responses[0]

    def refused(self, **options: Any) -> str:
        """What is wrong with the source as a whole."""
        return "\n".join(str(p) for p in self.open(**options).problems if isinstance(p, SourceProblem))


@pytest.fixture
def logs(tmp_path: Path) -> Logs:
    return Logs(tmp_path)


def test_logs_of_two_models_become_one_source(logs: Logs) -> None:
    logs.add([sample(1), sample(2, "I")])
    logs.add([sample(2, "P"), sample(1, "N")], "org/large")
    logs.open()
    (info,) = logs.infos
    assert (info.source, info.repository) == ("pets", "org/pets")
    assert info.score_rule == "inspect-ai match: C = 10, P = 5, I = 0, N (no answer) = 0"
    assert {(r.model, r.query_id): (r.status, r.score) for r in logs.responses} == {
        ("org/small", "pets/1"): ("ok", 10),
        ("org/small", "pets/2"): ("ok", 0),
        ("org/large", "pets/1"): ("ok", 0),  # N is a verdict: inspect-ai's accuracy counts it 0
        ("org/large", "pets/2"): ("ok", 5),
    }
    first = logs.queries[0]
    assert (first.query_id, first.question, first.reference_answer) == ("pets/1", "Question 1?", "target 1")
    assert (first.modality, first.media, first.domain, first.group) == ("text", (), "pets", "pets/1")
    assert logs.responses[0].judge == "inspect-ai:match"
    assert logs.responses[0].response == "answer 1"
    assert not logs.problems


@pytest.mark.parametrize("what", ["input", "target", "choices", "media"])
def test_two_questions_swapped_in_one_log_are_refused(logs: Logs, what: str) -> None:
    def asked(number: int) -> dict[str, Any]:
        fields = {"input": "Which?", "target": "A", "choices": ["cat", "dog"]}
        own = {"input": f"Which of {number}?", "target": "AB"[number - 1], "choices": [f"cat {number}", "dog"]}
        own["media"] = fields["input"]
        picture = shown("Which?", ("image", uri(number)))
        return fields | ({"input": picture} if what == "media" else {what: own[what]})

    logs.add([sample(1, **asked(1)), sample(2, **asked(2))])
    logs.add([sample(1, **asked(1)), sample(2, **asked(2))], "org/large")
    assert not logs.refused()
    logs.add([sample(1, **asked(2)), sample(2, **asked(1))], "org/third")
    told = logs.refused()
    assert "sample '1' is not the query it is at" in told
    assert ("its media differs" if what == "media" else "its question or target differs") in told


def test_epochs_are_repeats(logs: Logs) -> None:
    seconds = [{"total_time": t + 1, "working_time": t} for t in (1.0, 2.0, 6.0)]
    logs.add([sample(1, v, epoch=e + 1, **seconds[e]) for e, v in enumerate("CIP")] + [sample(2, "C")])
    first, second = logs.open().responses
    assert (first.score, first.latency_s, first.response) == (5.0, 3.0, "answer 1")
    assert [(j.score, j.verdict, j.repeat) for j in first.judgments] == [
        (10.0, "C", "epoch 1"),
        (0.0, "I", "epoch 2"),
        (5.0, "P", "epoch 3"),
    ]
    assert (second.score, second.judgments) == (10.0, ())
    assert "mean over 1 to 3 epochs" in logs.infos[0].score_rule
    assert len(logs.queries) == 2


def test_an_epoch_that_failed_does_not_leave_the_mean(logs: Logs) -> None:
    logs.add([sample(1, "C"), sample(1, "C", epoch=2, error={"message": "no connection"}, scores={})])
    (outcome,) = logs.open().responses
    assert (outcome.status, outcome.score, outcome.response) == ("error", None, None)
    assert "1 samples: error" in logs.infos[0].notes


def _ended(reason: str) -> dict[str, Any]:
    ended = sample(1)["output"]
    ended["choices"][0]["stop_reason"] = reason
    return {"output": ended}


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"error": {"message": "RuntimeError", "traceback": ""}}, "error"),
        ({"limit": {"type": "operator", "limit": 1}}, "error"),
        ({"output": {"model": "", "choices": [], "completion": "", "stop_reason": None}, "scores": {}}, "error"),
        (_ended("content_filter"), "filtered"),
        (_ended("max_tokens"), "truncated"),
        (_ended("model_length"), "truncated"),
        ({"limit": {"type": "token", "limit": 100}}, "truncated"),
        ({"scores": {}}, "unscored"),
        ({"scores": None}, "unscored"),
        ({"value": float("nan")}, "unscored"),
        ({"value": None}, "unscored"),
        ({"invalidation": {"author": "x"}}, "unscored"),
    ],
)
def test_only_ok_has_a_score(logs: Logs, fields: dict[str, Any], status: str) -> None:
    found = logs.one(**fields)
    assert (found.status, found.score, found.judge) == (status, None, None)
    assert not logs.problems


@pytest.mark.parametrize(
    ("value", "score"),
    [("C", 10), ("P", 5), ("I", 0), ("N", 0), (True, 10), (False, 0), ("yes", 10), ("No", 0), ("0.4", 4), (0.25, 2.5)],
)
def test_values_are_read_as_inspect_reads_them(logs: Logs, value: Any, score: float) -> None:
    assert logs.one(value=value).score == score


def test_numbers_need_their_scale(logs: Logs) -> None:
    logs.add([sample(1, 1), sample(2, 3), sample(3, 5)])
    told = logs.refused()
    assert "samples[1]: match gives 3, outside 0-1 (so do 2 samples) -> state its full marks with --scale" in told
    assert [r.score for r in logs.open(scale=5).responses] == [2, 6, 10]
    assert not logs.problems
    assert logs.infos[0].score_rule == "inspect-ai match: numbers (0-5) x 2"
    logs.add([sample(1, -1)], "org/large")
    assert "match gives -1, outside 0-5" in logs.refused(scale=5)
    for none in (0, -1, float("nan"), float("inf")):
        with pytest.raises(InputError, match="is no full marks"):
            logs.open(scale=none)


def test_a_scale_of_the_tasks_own_is_refused(logs: Logs) -> None:
    logs.add([sample(1, "C"), sample(2, "A"), sample(3, "B")])  # school marks, of which C is no full mark
    assert "samples[1]: match gives 'A' and 1 other values, which inspect-ai does not read as a score" in logs.refused()


def test_the_choice_among_scorers_is_the_users(logs: Logs) -> None:
    both = {"match": {"value": "C"}, "graded": {"value": {"style": 2, "truth": None, "depth": 4}}}
    logs.add([sample(1, scores=both), sample(2)])
    told = logs.refused()
    assert "samples have several scores: graded.depth (1), graded.style (1), match (2) -> choose one with" in told
    assert [r.score for r in logs.responses] == [None, None]
    assert [r.score for r in logs.open(scorer="match").responses] == [10, 10]
    assert [(r.status, r.score) for r in logs.open(scorer="graded.depth", scale=5).responses] == [
        ("ok", 8),
        ("unscored", None),
    ]
    assert "no sample is scored by 'f1'; they have graded.depth (1)" in logs.refused(scorer="f1")


def test_latency_is_that_of_the_answer(logs: Logs) -> None:
    output = {**sample(1)["output"], "time": 0.8}
    times = {"total_time": 9.5, "working_time": 2.5}
    assert logs.one().latency_s is None
    assert logs.one(total_time=9.5).latency_s == 9.5
    assert logs.one(**times).latency_s == 2.5
    assert logs.one(**times, output=output).latency_s == 0.8
    assert "1 samples: latency is output.time" in logs.infos[0].notes
    talk = [
        {"role": "assistant", "content": "let me look"},
        {"role": "tool"},
        {"role": "assistant", "content": "a cat"},
    ]
    assert logs.one(**times, output=output, messages=talk).latency_s == 2.5  # output.time is that of the last call only
    assert logs.one(total_time=9.5, working_time=-0.1).latency_s == 9.5
    assert logs.one(total_time="9.5").latency_s is None


def test_tokens_and_cost_are_those_of_the_model(logs: Logs) -> None:
    used = {
        "input_tokens": 7,
        "input_tokens_cache_write": 10,
        "input_tokens_cache_read": 100,
        "output_tokens": 3,
        "total_cost": 0.002,
    }
    graded = {"org/small": {"input_tokens": 900, "output_tokens": 90}, "org/judge": {"input_tokens": 5}}
    found = logs.one(output={**sample(1)["output"], "usage": used}, model_usage=graded)
    assert (found.input_tokens, found.output_tokens, found.cost_usd) == (117, 3, 0.002)
    found = logs.one(messages=[{"role": "assistant"}] * 2, model_usage=graded)
    assert (found.input_tokens, found.output_tokens) == (900, 90)
    found = logs.one(output={**sample(1)["output"], "usage": None}, model_usage={})
    assert (found.input_tokens, found.output_tokens, found.cost_usd) == (None, None, None)


def test_questions_of_messages_with_choices_and_media_in_order(logs: Logs) -> None:
    content = [
        {"type": "image", "image": "attachment://one"},
        {"type": "text", "text": "Which is louder?"},
        {"type": "audio", "audio": "data:audio/wav;base64,UklGRg==", "format": "wav"},
        {"type": "image", "image": uri(2)},
        {"type": "reasoning", "reasoning": "hm"},
    ]
    asked = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": content}]
    fields = {"input": asked, "choices": ["the first", "the second"], "target": ["A"], "attachments": {"one": uri(1)}}
    logs.one(**fields)
    (query,) = logs.queries
    assert query.question == "system: Be brief.\n\nuser: Which is louder?\nA) the first\nB) the second"
    assert query.reference_answer == "A"
    assert query.modality == "image+audio"
    assert [(m.kind, m.read()) for m in query.media] == [
        ("image", png(1)),
        ("audio", b"RIFF"),
        ("image", png(2)),
    ]
    logs.one(target=["bike", "bicycle"])
    assert logs.queries[0].reference_answer == '["bike", "bicycle"]'
    logs.one(target="")
    assert logs.queries[0].reference_answer is None


@pytest.mark.parametrize("gone", ["https://example.org/1.png", "<base64-data-removed>", "/home/x/1.png"])
def test_media_that_are_not_to_be_had_are_said_to_be(logs: Logs, gone: str) -> None:
    found = logs.one(input=shown("What is it?", ("image", gone)))
    assert found.score == 10
    (query,) = logs.queries
    assert (query.media, query.modality, query.media_available) == ((), "image", False)
    assert "media of 1 queries are not in the logs" in logs.infos[0].notes
    logs.add([sample(1, input=shown("What is it?", ("image", uri(5))))], "org/large")
    (query,) = logs.open().queries  # another log has them
    assert [m.read() for m in query.media] == [png(5)]
    assert len(logs.responses) == 2 and not logs.problems


def test_files_come_from_the_folder_that_the_user_names(logs: Logs, tmp_path: Path) -> None:
    images = tmp_path / "images"
    (images / "b").mkdir(parents=True)
    (images / "1.png").write_bytes(png(1))
    (images / "b" / "1.png").write_bytes(png(2))
    (images.parent / "secret.png").write_bytes(png(3))
    named = ["/home/x/a/1.png", "C:\\data\\b\\1.png", "../secret.png", "/home/y/" + "n" * 5000]
    logs.add([sample(n, input=shown("What?", ("image", name))) for n, name in enumerate(named, 1)])
    queries = {q.query_id: [m.read() for m in q.media] for q in logs.open(images=images).queries}
    assert queries == {"pets/1": [png(1)], "pets/2": [png(2)]}
    assert ["is not in" in p.what for p in logs.problems] == [True, True]
    assert {r.query_id for r in logs.responses} == queries.keys()
    logs.add([sample(n, input=shown("What?", ("image", f"/{n}/1.png"))) for n in (1, 2)], "org/large")
    assert "1.png would stand for '/1/1.png' and '/2/1.png'" in str(logs.open(images=images).problems[-1])
    with pytest.raises(InputError, match="is no folder"):
        logs.open(images=tmp_path / "none")


@pytest.mark.parametrize(
    ("value", "told"),
    [("data:image/png;base64,%%%", "damaged"), ("data:image/png;base64,", "empty"), ("data:,x", "not base64")],
)
def test_a_broken_data_uri_costs_its_image(logs: Logs, value: str, told: str) -> None:
    logs.one(input=shown("What?", ("image", value)))
    with pytest.raises(OSError, match=told):
        logs.queries[0].media[0].read()


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"id": {}}, "id '{}' is neither a whole number nor a text"),
        ({"id": "x" * 500}, "is longer than 400 characters"),
        ({"epoch": "1"}, "epoch '1' is no whole number"),
        ({"input": 7}, "input is no list"),
        ({"input": []}, "input holds no text"),
        ({"input": shown("x", ("document", "a.pdf"))}, "of type 'document', which no query can hold"),
        ({"input": shown("x", ("image", "attachment://y"))}, "attachment://y is not among its attachments"),
        ({"target": {"a": 1}}, "target is neither a text nor a list of texts"),
        ({"choices": [1]}, "choices are not all texts"),
        ({"output": {"choices": [{"message": None}]}}, "output.choices[0] is no answer"),
        ({"scores": {"match": "C"}}, "the score of 'match' is no object"),
        ({"scores": ["C"]}, "scores is no object"),
    ],
)
def test_a_sample_that_cannot_be_read_is_left_out_by_name(logs: Logs, fields: dict[str, Any], told: str) -> None:
    path = logs.add([sample(1), sample(2, **fields), sample(3)])
    assert [r.query_id for r in logs.open().responses] == ["pets/1", "pets/3"]
    assert [q.query_id for q in logs.queries] == ["pets/1", "pets/3"]
    (problem,) = logs.problems
    assert (problem.where, type(problem)) == (f"{path}: samples[1]", Problem)
    assert told in problem.what


def test_a_sample_that_stands_twice_is_not_picked(logs: Logs) -> None:
    logs.add([sample(1, "C"), sample(1, "C"), sample(2)])
    assert not logs.refused() and len(logs.responses) == 2
    logs.add([sample(1, "C"), sample(1, "I")], "org/large")
    assert "sample '1', epoch 1, stands at" in logs.refused()


def test_runs_of_one_model(logs: Logs) -> None:
    same = {"eval": log([])["eval"]}
    failed = logs.add([sample(1, "I")], **same, status="error")
    logs.add([sample(1), sample(2)], **same)
    assert not logs.refused() and [r.score for r in logs.responses] == [10, 10]
    assert "1 unfinished runs of org/small left out: 1.json retried them" in logs.infos[0].notes
    logs.add([sample(1)], **same)
    told = logs.refused()
    assert f"is another run of 'org/small' on 'pets', beside {failed}" in told


def test_what_a_log_lacks_is_noted(logs: Logs) -> None:
    logs.add([sample(1, output={**sample(1)["output"], "model": "small-2026"})], results={"total_samples": 80})
    logs.add([], "org/crashed", status="error", results=None)
    logs.add([], "org/headers", results={"total_samples": 12})
    told = "2.json: holds no samples, of 12 that were run -> log the run with its samples (no --no-log-samples)"
    assert [str(p) for p in logs.open().problems] == [f"{logs.folder}/{told}"]  # with --skip-bad the others go in
    notes = logs.infos[0].notes
    assert "0.json holds 1 of 80 samples" in notes
    assert "small-2026 answered for org/small in 1 samples" in notes
    assert "1.json has status 'error'" in notes


def test_domains(logs: Logs) -> None:
    logs.add([sample(1, metadata={"subject": "Cats & dogs", "level": "easy"}), sample(2)])
    assert [q.domain for q in logs.open().queries] == ["Cats-dogs", "pets"]
    assert [q.domain for q in logs.open(domain_column="level").queries] == ["easy", "pets"]
    assert "no sample has a field 'skill'; they have level, subject" in logs.refused(domain_column="skill")
    logs.add([sample(1, metadata={"subject": "Cats & dogs", "category": "x"})], "org/large")
    assert [q.domain for q in logs.open().queries] == ["pets", "pets"]
    assert "samples have category and subject: the task is the domain" in logs.infos[0].notes


def test_files_that_are_no_logs(logs: Logs, tmp_path: Path) -> None:
    good = logs.add([sample(1)])
    (logs.folder / "logs.json").write_text('{"0.json": {}}')
    assert len(logs.open().responses) == 1  # lies beside logs
    with pytest.raises(InputError, match="is no log of inspect-ai"):
        logs.open(good, logs.folder / "logs.json")
    (logs.folder / "torn.json").write_text(good.read_text()[:-30])
    (logs.folder / "odd.json").write_text(json.dumps({"eval": {"task": "t", "model": 3}}))
    (logs.folder / "odd.eval").write_bytes(b"PK")
    with pytest.raises(InputError) as caught:
        logs.open()
    assert [problem.where.rpartition("/")[2] for problem in caught.value.problems] == [
        "odd.eval",
        "odd.json",
        "torn.json",
    ]
    (tmp_path / "empty").mkdir()
    for nothing in (tmp_path / "empty", tmp_path / "absent.eval"):
        with pytest.raises(InputError):
            logs.open(nothing)


def test_the_same_log_in_every_form(logs: Logs, tmp_path: Path) -> None:
    written = log([sample(n, "CI"[n % 2], input=shown(f"Q{n}", ("image", uri(n)))) for n in range(1, 5)])
    forms = [
        write_json(tmp_path / "log.json", written),
        write_eval(tmp_path / "log.eval", written),
        write_eval(tmp_path / "zstd.eval", written, zstd=True),
    ]
    seen = []
    for path in forms:
        logs.open(path)
        asked = [(q.query_id, q.question, q.reference_answer, [m.read() for m in q.media]) for q in logs.queries]
        seen.append((asked, [(r.query_id, r.model, r.score, r.response, r.latency_s) for r in logs.responses]))
    assert seen[0] == seen[1] == seen[2]
    assert len(seen[0][0]) == len(seen[0][1]) == 4
    assert len(logs.open(forms[1], forms[1].parent / "log.eval").responses) == 4  # named twice, read once
