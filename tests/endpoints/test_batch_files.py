"""Files of the Batch API, out and in.

Guards against lines that are paid for twice, answers of another model, and a file that is read in part.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from asking import IMAGE, PRICES, question

from rsd_bench.endpoints.answer_store import open_answers
from rsd_bench.endpoints.batch_files import read_batch, write_batch
from rsd_bench.endpoints.calls import Answer
from rsd_bench.endpoints.prices import Budget
from rsd_bench.types import InputError


def batch_line(key: str, body: object, status: int = 200, error: object = None) -> str:
    response = None if error else {"status_code": status, "body": body}
    return json.dumps({"id": "x", "custom_id": key, "response": response, "error": error})


def completion(text: str, finish: str = "stop") -> dict:
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": finish}
    usage = {"prompt_tokens": 100, "completion_tokens": 10}
    return {"model": "m-2026-11-01", "choices": [choice], "usage": usage}


def test_batch_files_go_out_and_come_in_under_the_same_keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rsd_bench.endpoints.batch_files.MAX_REQUESTS", 4)
    requests = [question(f"q{i}") for i in range(9)]
    budget = Budget(PRICES)
    with open_answers(tmp_path) as store:
        store.put(Answer(requests[0].key, "m", "ok", text="known"))
        files = write_batch([*requests, requests[1]], store, lambda sha256: IMAGE, tmp_path / "b.jsonl")
        assert [(p.name, n) for p, n in files] == [("b.jsonl", 4), ("b-2.jsonl", 4)]
        lines = [json.loads(line) for path, _ in files for line in path.open()]
        assert [line["custom_id"] for line in lines] == [r.key for r in requests[1:]]
        assert all(line["url"] == "/v1/chat/completions" and "stream" not in line["body"] for line in lines)
        assert all(line["body"]["messages"][0]["content"][0]["image_url"]["url"].startswith("data:") for line in lines)
        out = tmp_path / "out.jsonl"
        keys = [r.key for r in requests]
        out.write_text(
            "\n".join(
                [
                    batch_line(keys[1], completion("one")),
                    batch_line(keys[2], completion("cut off", "length")),
                    batch_line(keys[3], {"error": {"message": "boom"}}, status=500),
                    batch_line(keys[4], None, error={"code": "expired", "message": "too late"}),
                    batch_line(keys[5], completion("")),
                    batch_line("f" * 64, completion("of another run")),
                ]
            )
        )
        counts = read_batch([out], requests, store, budget)
        assert counts == {"ok": 1, "truncated": 1, "error": 3, "unknown": 1}
        assert store.get(keys[1]) == replace(
            Answer(keys[1], "m", "ok", "one", None, "m-2026-11-01", 100, 10), cost_usd=pytest.approx(100e-6)
        )
        assert store.get(keys[3]).text is None
        out.write_text(batch_line(keys[6], completion("six")) + '\n{"custom_id": 3}\nnonsense\n')
        with pytest.raises(InputError) as error:
            read_batch([out], requests, store, budget)
        assert [p.where for p in error.value.problems] == [f"{out}:2", f"{out}:3"]
        assert store.get(keys[6]) is None


def test_a_batch_file_is_counted_once(tmp_path: Path) -> None:
    """Reading a file again, or a line that stands twice, was reported and paid for again."""
    requests, budget = [question(f"q{i}") for i in range(4)], Budget(PRICES)
    keys, out = [r.key for r in requests], tmp_path / "out.jsonl"
    with open_answers(tmp_path) as store:
        lines = [batch_line(keys[0], completion("one")), batch_line(keys[1], completion("half \ud800"))]
        lines += [batch_line(keys[0], completion("one")), batch_line(keys[2], {}, status=500)]
        out.write_text("\n".join(lines))
        assert read_batch([out, out], requests, store, budget) == {"ok": 2, "error": 1}
        assert read_batch([out], requests, store, budget) == {}
        assert [store.get(key).text for key in keys[:2]] == ["one", "half \ufffd"]
        assert budget.spent_usd == store.spent_usd() == pytest.approx(2 * 100e-6)
        out.write_text(batch_line(keys[2], completion("")))  # billed, although it says nothing
        for _ in range(2):
            read_batch([out], requests, store, budget)
            assert budget.spent_usd == store.spent_usd() == pytest.approx(3 * 100e-6)
        other = completion("of another model") | {"model": "other"}
        out.write_text(batch_line(keys[3], other))
        assert read_batch([out], requests, store, budget) == {"error": 1}
        assert store.get(keys[3]).detail == "batch: answered by other"


def test_two_answers_to_one_request_are_a_problem(tmp_path: Path) -> None:
    """Of two lines of one id that differ the first was stored, in silence."""
    requests, budget = [question(f"q{i}") for i in range(3)], Budget(PRICES)
    keys = [r.key for r in requests]
    one, two = tmp_path / "one.jsonl", tmp_path / "two.jsonl"
    failed = batch_line(keys[1], {"error": {"message": "boom"}}, status=500)
    one.write_text("\n".join([batch_line(keys[0], completion("one")), failed, "nonsense"]))
    two.write_text("\n".join([batch_line(keys[1], completion("two")), batch_line(keys[0], completion("another"))]))
    with open_answers(tmp_path) as store:
        with pytest.raises(InputError) as error:
            read_batch([one, two], requests, store, budget)
        assert [(p.where, p.what) for p in error.value.problems[1:]] == [
            (f"{two}:2", f"answers {keys[0][:12]} otherwise than {one}:1")
        ]
        assert error.value.problems[0].where == f"{one}:3"
        assert store.get(keys[0]) is store.get(keys[1]) is None
        one.write_text("\n".join([batch_line(keys[0], completion("one")), failed]))
        two.write_text(batch_line(keys[1], completion("two")))  # an answer after a failure is none
        for order in ([one, two], [two, one]):
            read_batch(order, requests, store, budget)
            assert [store.get(key).text for key in keys[:2]] == ["one", "two"]
        two.write_text(batch_line(keys[0], completion("another")))
        assert read_batch([two], requests, store, budget) == {"differs": 1}
        assert store.get(keys[0]).text == "one"


@pytest.mark.parametrize(
    ("asked", "served", "same"),
    [
        ("gpt-4o", "gpt-4o-2024-08-06", True),
        ("gpt-4o", "openai/GPT-4o", True),
        ("gpt-4", "gpt-4-0613", True),
        ("gpt-4-turbo", "gpt-4-turbo-2024-04-09", True),
        ("claude-3-5-sonnet", "claude-3-5-sonnet@20240620", True),
        ("claude-3-5-sonnet-latest", "claude-3-5-sonnet-20241022", True),
        ("gemini-1.5-pro", "models/gemini-1.5-pro-002", True),
        ("mistral-large", "mistral-large-2411", True),
        ("llava", "llava:latest", True),
        ("gpt-4o", "gpt-4o-mini", False),
        ("gpt-4o", "gpt-4o-mini-2024-07-18", False),
        ("gpt-4o", "gpt-4o-audio-preview", False),
        ("gpt-4o-2024-08-06", "gpt-4o-2024-11-20", False),
        ("gpt-4o-2024-08-06", "gpt-4o", False),
        ("gpt-4", "gpt-4o", False),
        ("gpt-4", "gpt-4.1", False),
        ("gpt-4", "gpt-4-32k", False),
        ("claude-opus-4", "claude-opus-4-1", False),
        ("llava", "llava:13b", False),
        ("m", "m-9999", False),
        ("m", "m-2024-13-01", False),
    ],
)
def test_only_a_release_of_the_asked_model_is_the_asked_model(
    tmp_path: Path, asked: str, served: str, same: bool
) -> None:
    """`gpt-4o-mini` passed for `gpt-4o`: a name that began alike was taken for a version."""
    request, out = question("q", model=asked), tmp_path / "out.jsonl"
    out.write_text(batch_line(request.key, completion("yes") | {"model": served}))
    with open_answers(tmp_path) as store:
        read_batch([out], [request], store, Budget(PRICES))
        answer = store.get(request.key)
    assert (answer.text, answer.detail) == (("yes", None) if same else (None, f"batch: answered by {served}"))
