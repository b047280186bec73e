"""lmms-eval logs a request that failed as "[LMMS_EVAL_REQUEST_FAILED ..." or as an empty answer, and scores it 0; it
logs each sample once a filter (lm-evaluation-harness#1687: 2,638 rows for 1,319 samples), and leaves images out
(lmms-eval#712). A loader that trusts it counts network faults as wrong answers, and queries twice.
"""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from PIL import Image

from rsd_bench.sources.lmms_eval.open_lmms_eval import open_lmms_eval
from rsd_bench.sources.store.import_sources import Policy, import_source
from rsd_bench.sources.store.store_media import image_path
from rsd_bench.types import InputError, Problem


def png(shade: int) -> bytes:
    data = io.BytesIO()
    Image.new("RGB", (9, 7), (shade, 40, 90)).save(data, "PNG")
    return data.getvalue()


def sample(doc_id: int, answer: object = "cat", **fields: Any) -> dict[str, Any]:
    return {
        "doc_id": doc_id,
        "target": "cat",
        "filtered_resps": [answer],
        "doc_hash": f"hash-{doc_id}",
        "input": f"What is in picture {doc_id}?\nAnswer with one word.",
    } | fields


class Logs:
    """A log folder of lmms-eval and a folder of images."""

    def __init__(self, folder: Path) -> None:
        self.logdir, self.images, self.store = folder / "logs", folder / "images", folder / "store"
        self.images.mkdir()
        for shade in range(3):
            (self.images / f"{shade}.png").write_bytes(png(shade))
        self.problems: list[Problem] = []

    def add(
        self,
        rows: list[dict[str, Any]],
        model: str = "org/small",
        task: str = "pets_val",
        run: str = "20261101_120000",
        **results: Any,
    ) -> Path:
        folder = self.logdir / model.replace("/", "__")
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{run}_samples_{task}.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
        (folder / f"{run}_results.json").write_text(json.dumps({"model_name": model} | results), "utf-8")
        return path

    def read(self, table: str = "responses", **options: Any) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = []
        for source in open_lmms_eval(self.logdir, self.problems.append, **({"images": self.images} | options)):
            info = import_source(source, self.store, {}, self.problems, Policy(replace=True))
            rows += pq.read_table(self.store / "sources" / info["source"] / f"{table}.parquet").to_pylist()
        return rows

    def refused(self, **options: Any) -> str:
        with pytest.raises(InputError):
            self.read(**options)
        return "\n".join(map(str, self.problems))


@pytest.fixture
def logs(tmp_path: Path) -> Logs:
    return Logs(tmp_path)


def test_logs_of_two_models_become_one_source(logs: Logs) -> None:
    logs.add(
        [sample(0, exact_match=1.0), sample(1, "dog", exact_match=0.0)], configs={"pets_val": {"dataset_path": "o/p"}}
    )
    logs.add([sample(0, exact_match=1), sample(1, exact_match=True)], model="org/large")
    (source,) = open_lmms_eval(logs.logdir, logs.problems.append, images=logs.images)
    assert source.info.repository == "o/p"
    assert source.info.score_rule == "lmms-eval exact_match (0-1) x 10"
    scores = {(row["model"], row["query_id"]): row["score"] for row in logs.read()}
    assert scores == {
        ("org/small", "pets_val/0"): 10.0,
        ("org/small", "pets_val/1"): 0.0,
        ("org/large", "pets_val/0"): 10.0,
        ("org/large", "pets_val/1"): 10.0,
    }
    first, second = logs.read("queries")
    assert first["question"] == "What is in picture 0?\nAnswer with one word."
    assert (first["domain"], first["reference_answer"], first["group"]) == ("pets_val", "cat", "pets_val/0")
    assert image_path(logs.store, second["image_sha256"]).read_bytes() == png(1)


@pytest.mark.parametrize("answer", ["", "  ", "[LMMS_EVAL_REQUEST_FAILED after 5 retries] 429"])
def test_a_failed_request_is_an_error_and_not_a_wrong_answer(logs: Logs, answer: str) -> None:
    logs.add([sample(0, answer, acc=0.0), sample(1, "no idea", acc=0.0)])
    assert [(r["status"], r["response"], r["score"]) for r in logs.read()] == [
        ("error", None, None),
        ("ok", "no idea", 0.0),
    ]


def test_the_answer_is_what_the_model_said_in_each_layout(logs: Logs) -> None:
    raw = "<think>furry</think>\ncat"
    logs.add(
        [
            sample(0, resps=[[raw]], acc=1, token_counts=[{"input_tokens": 40, "output_tokens": 7}]),
            sample(1, filtered_resps="cat", acc=1),  # flattened
            sample(2, filtered_resps=[["-1.5", "True"], ["-2.5", "False"]], acc=1),  # likelihoods of choices: no text
        ]
    )
    rows = logs.read()
    assert [row["response"] for row in rows] == [raw, "cat", None]
    assert (rows[0]["input_tokens"], rows[0]["output_tokens"], rows[1]["output_tokens"]) == (40, 7, None)


def test_older_layouts_are_read(logs: Logs) -> None:
    folder = logs.logdir / "llava-7b"
    folder.mkdir(parents=True)
    old = {
        "doc_id": 0,
        "doc": {"question": "q", "category": "Cats & dogs", "image_path": "sub/a.png"},
        "arguments": [["What is it?", {"until": []}]],
        "target": 4,
        "filtered_resps": ["4"],
        "acc": 1,
    }
    (folder / "samples_pets_2026-11-01T12-00-00.123.jsonl").write_text(json.dumps(old))
    (logs.images / "sub").mkdir()
    (logs.images / "sub" / "a.png").write_bytes(png(7))
    (query,) = logs.read("queries")
    assert (query["question"], query["reference_answer"], query["domain"]) == ("What is it?", "4", "Cats-dogs")
    assert image_path(logs.store, query["image_sha256"]).read_bytes() == png(7)
    assert [row["model"] for row in logs.read()] == ["llava-7b"]


def test_metrics_that_are_objects_and_differ_from_row_to_row(logs: Logs) -> None:
    logs.add(
        [
            sample(0, mme_percetion_score={"question_id": "a", "category": "count", "score": 1.0}),
            sample(1, mme_cognition_score={"question_id": "b", "category": "OCR", "score": 0.0}),
            sample(2, submission={"id": 2, "answer": "B"}),
        ]
    )
    rows = logs.read()
    assert [(row["status"], row["score"]) for row in rows] == [("ok", 10.0), ("ok", 0.0), ("unscored", None)]
    assert [row["judge"] for row in rows] == ["lmms-eval:mme_percetion_score", "lmms-eval:mme_cognition_score", None]
    assert [row["domain"] for row in logs.read("queries")] == ["count", "OCR", "pets_val"]


def test_the_choice_among_metrics_is_the_users(logs: Logs) -> None:
    logs.add([sample(0, acc=1.0, gpt_eval=3.5), sample(1, acc=0.0, gpt_eval=5)])
    assert "samples have several metrics: acc, gpt_eval" in logs.refused()
    logs.problems.clear()
    assert [row["score"] for row in logs.read(metric="acc")] == [10.0, 0.0]
    assert [row["score"] for row in logs.read(metric="gpt_eval/5")] == [7.0, 10.0]
    assert "gpt_eval is 3.5, outside 0-1 (so are 2 samples)" in logs.refused(metric="gpt_eval")
    logs.problems.clear()
    assert "no sample has a metric 'f1'; they have acc, gpt_eval" in logs.refused(metric="f1")


def test_an_error_rate_is_no_score(logs: Logs) -> None:
    logs.add([sample(0, wer=1.0)], higher_is_better={"pets_val": {"wer": False}})
    assert "wer is better when lower" in logs.refused()


def test_prompts_may_be_worded_per_model_but_the_query_must_be_the_same(logs: Logs) -> None:
    logs.add([sample(0, acc=1)], model="a")
    logs.add([sample(0, acc=1, input="What is in picture 0? One word!")], model="b")
    (source,) = open_lmms_eval(logs.logdir, logs.problems.append, images=logs.images)
    assert "1 prompts were worded otherwise" in source.info.notes
    assert len(logs.read()) == 2
    logs.add([sample(0, acc=1, target="dog")], model="b")
    assert "doc_id 0 is not the query it is at" in logs.refused()
    logs.problems.clear()
    logs.add([sample(0, acc=1, input="And now?", doc_hash="other")], model="b")
    assert "doc_id 0 is not the query it is at" in logs.refused()


def test_a_sample_logged_twice_is_told(logs: Logs) -> None:
    path = logs.add([sample(0, acc=1), sample(0, acc=0)])
    assert f"{path}:2: outcome of 'org/small' on 'pets_val/0' stands at {path}:1 too" in logs.refused()


def test_two_runs_of_a_model_are_told_and_none_is_picked(logs: Logs) -> None:
    logs.add([sample(0, acc=0)])
    later = logs.add([sample(0, acc=1)], run="20261102_120000")
    assert f"{later}: is another run of 'org/small'" in logs.refused()


def test_images_of_one_task_are_not_taken_for_those_of_another(logs: Logs) -> None:
    logs.add([sample(0, acc=1)])
    logs.add([sample(0, acc=1)], task="birds")
    assert f"{logs.images / 'birds'}: is no folder" in logs.refused()
    for task, shade in (("birds", 8), ("pets_val", 9)):
        (logs.images / task).mkdir()
        (logs.images / task / "0.jpg").write_bytes(png(shade))
    logs.problems.clear()
    shown = {q["query_id"]: image_path(logs.store, q["image_sha256"]).read_bytes() for q in logs.read("queries")}
    assert shown == {"birds/0": png(8), "pets_val/0": png(9)}


def test_missing_images_are_told_by_query(logs: Logs) -> None:
    path = logs.add([sample(0, acc=1), sample(5, acc=1)])
    logs.add([sample(5, acc=1)], model="other")
    told = logs.refused()
    assert f"{path}:2: query pets_val/5: no image in {logs.images} -> put one image there, named 5.jpg" in told
    assert len(logs.problems) == 1  # and not once more for every answer
    logs.problems.clear()
    (logs.images / "5.png").write_bytes(png(5))
    (logs.images / "5.jpg").write_bytes(png(6))
    assert "several images: 5.jpg, 5.png" in logs.refused()
    logs.problems.clear()
    assert "lmms-eval logs hold no images" in logs.refused(images=None)


def test_an_image_path_does_not_lead_out_of_the_folder(logs: Logs) -> None:
    (logs.images.parent / "secret.png").write_bytes(png(3))
    logs.add([sample(9, acc=1, doc={"image_path": "../secret.png"})])
    assert "query pets_val/9: no image" in logs.refused()


def test_an_image_that_is_none_is_named(logs: Logs) -> None:
    """The line named the query, and the user looked through a folder of a thousand files for its image."""
    logs.add([sample(0, acc=1)])
    next(logs.images.rglob("0.*")).write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n")
    found = next(logs.images.rglob("0.*")).name
    assert f"query 'pets_val/0': image '{found}' is not an image that can be read: it is EPS" in logs.refused()


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (b'{"doc_id": 1, "target": "", "filtered_resps": "x", "input": "q", "acc": NaN}', ":2: NaN is not JSON"),
        (b'{"doc_id": 1, "input": "q", "filtered_resps": ["x"]}', ":2: 'target' is a required property"),
        (b'{"doc_id": 1, "target": "x", "filtered_resps": ["x"], "input": {"until": []}}', ":2: has no prompt"),
        (b'{"doc_id": 1.5, "target": "x", "filtered_resps": ["x"], "input": "q"}', ":2: doc_id: 1.5 is not of type"),
        (b"[1]", "is not of type 'object'"),
        (b"\xff", ":2: not UTF-8"),
        (b'{"doc_id"', ":2: not JSON"),
    ],
)
def test_faulty_lines_are_told(logs: Logs, line: bytes, told: str) -> None:
    path = logs.add([sample(0, acc=1)])
    path.write_bytes(path.read_bytes() + line + b"\r\n")
    assert told in logs.refused()
    assert len(logs.problems) == 1


def test_windows_files_are_read(logs: Logs) -> None:
    path = logs.add([sample(0, acc=1), sample(1, acc=0)])
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    assert [row["score"] for row in logs.read()] == [10.0, 0.0]


def test_a_folder_without_logs_and_a_broken_results_file(logs: Logs) -> None:
    with pytest.raises(InputError, match="holds no"):
        open_lmms_eval(logs.logdir, logs.problems.append)
    path = logs.add([sample(0, acc=1)])
    path.with_name("20261101_120000_results.json").write_text("{")
    assert "_results.json: cannot be read" in logs.refused()


def test_one_query_is_not_scored_by_two_metrics(logs: Logs) -> None:
    """A log with exact_match alone and one with f1 alone went in as scores of one kind."""
    logs.add([sample(0, exact_match=1.0)], model="a")
    logs.add([sample(0, f1=0.5)], model="b")
    assert "is scored by f1, the same query at" in logs.refused()
    logs.problems.clear()
    assert [row["score"] for row in logs.read(metric="f1")] == [None, 5.0]
