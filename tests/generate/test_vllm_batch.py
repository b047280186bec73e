"""Batch mode without a GPU: what goes into the engine and what is made of what comes out.

Guards against an engine failure that becomes an answer.
"""

from __future__ import annotations

import hashlib

import pytest
from conftest import png, run_cli

from rsd_bench.endpoints.calls import image_part, make_request, text_part
from rsd_bench.generate.vllm_batch import answer_of, row_of

IMAGE = png(3)


def test_rows_hold_messages_with_images_and_sampling_parameters() -> None:
    sha256 = hashlib.sha256(IMAGE).hexdigest()
    messages = [{"role": "user", "content": [image_part(sha256), text_part("what?")]}]
    request = make_request("org/m", messages, {"temperature": 0, "max_tokens": 7, "seed": 1}, "v1")
    row = row_of({"key": request.key, "model": "org/m", "body": request.body}, {sha256: IMAGE}.__getitem__)
    assert row["sampling_params"] == {"temperature": 0, "max_tokens": 7, "seed": 1}
    assert row["messages"][0]["content"][0]["image_url"]["url"].startswith("data:image/png;base64,")
    assert (row["key"], row["model"]) == (request.key, "org/m")


@pytest.mark.parametrize(
    ("out", "status", "text"),
    [
        ({"generated_text": "four", "num_generated_tokens": 3}, "ok", "four"),
        ({"generated_text": "four and", "num_generated_tokens": 7}, "truncated", "four and"),
        ({"generated_text": " ", "num_generated_tokens": 1}, "error", None),
        ({"generated_text": "", "num_generated_tokens": 0, "__inference_error__": "ValueError: long"}, "error", None),
    ],
)
def test_answers_have_one_status_and_failures_no_text(out: dict, status: str, text: str | None) -> None:
    row = {"key": "k", "model": "m", "num_input_tokens": 5, "sampling_params": {"max_tokens": 7}, **out}
    answer = answer_of(row)
    assert (answer.status, answer.text, answer.latency_s) == (status, text, None)


def test_vllm_needs_the_ray_engine(tmp_path) -> None:
    run = run_cli("generate", tmp_path, "--vllm", "org/m", "--out", tmp_path / "s")
    assert run.returncode == 2
    assert "--engine ray" in run.stderr
