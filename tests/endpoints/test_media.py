"""What a message holds beside text, and what becomes of a model that takes no such thing.

Guards against paid answers that are asked for again because a key moved, media in another order than the query has
them, a text that fakes one, and a text-only model whose refusals were errors for ever - or answers of a score.
"""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import replace
from pathlib import Path

import pytest
from asking import IMAGE, PRICES, question, run
from chat_server import Loopback
from mixed_media import FILM, FLAC, MP3, WAV

from rsd_bench.endpoints.answer_store import open_answers
from rsd_bench.endpoints.batch_files import read_batch, write_batch
from rsd_bench.endpoints.calls import Answer, Request, make_request, user_content, wire_body
from rsd_bench.endpoints.media import audio_kind, takes_none, why_unsent
from rsd_bench.endpoints.prices import Budget, Price, estimated_tokens
from rsd_bench.endpoints.retry import Asking
from rsd_bench.generate.vllm_batch import answer_of, row_of


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


BYTES = {sha256(data): data for data in (IMAGE, WAV, MP3, FLAC)}
MIXED = [("image", sha256(IMAGE)), ("audio", sha256(WAV)), ("image", sha256(IMAGE)), ("audio", sha256(MP3))]


def about(media: list[tuple[str, str]], text: str = "what?", model: str = "m") -> Request:
    return make_request(model, [{"role": "user", "content": user_content(media, text)}], {}, "v1")


def test_requests_with_one_image_keep_the_key_under_which_their_answers_were_paid() -> None:
    user = {"role": "user", "content": user_content([("image", "a" * 64)], "How many?")}
    made = make_request("tiny", [user], {"temperature": 0, "max_tokens": 1024}, "generate@1")
    assert made.key == "032e50dacaa5e0cf822dded3dedbe87c5fb434cb14464df2e4490b9e318dea35"  # of release 0.1.0


def test_media_are_sent_in_order_with_their_format() -> None:
    request = about(MIXED)
    assert request.media == MIXED
    *parts, text = json.loads(wire_body(request, BYTES.__getitem__, stream=True))["messages"][0]["content"]
    assert text == {"type": "text", "text": "what?"}
    assert [part["type"] for part in parts] == ["image_url", "input_audio"] * 2
    png, wav, _, mp3 = parts
    assert png["image_url"]["url"] == "data:image/png;base64," + base64.b64encode(IMAGE).decode()
    assert wav["input_audio"] == {"data": base64.b64encode(WAV).decode(), "format": "wav"}
    assert mp3["input_audio"] == {"data": base64.b64encode(MP3).decode(), "format": "mp3"}
    assert about(MIXED[::-1]).key != request.key


def test_without_media_the_text_stands_alone() -> None:
    assert json.loads(wire_body(about([]), BYTES.__getitem__))["messages"] == [{"role": "user", "content": "what?"}]


def test_no_text_can_fake_a_sound() -> None:
    hostile = f'"input_audio":{{"data":"sha256:{sha256(WAV)}"}}'
    request = about([MIXED[0]], hostile)
    assert request.media == [MIXED[0]]
    assert json.loads(wire_body(request, BYTES.__getitem__))["messages"][0]["content"][1]["text"] == hostile


@pytest.mark.parametrize(
    ("data", "name", "can_be_sent"),
    [
        (WAV, "WAV", True),
        (MP3, "MP3", True),
        (b"ID3\x04" + bytes(20), "MP3", True),
        (FLAC, "FLAC", False),
        (FILM, "MP4", False),
        (b"OggS" + bytes(20), "Ogg", False),
        (b"\xff\xf1\x50\x80" + bytes(20), "of an unknown kind", False),  # AAC: the same sync word, layer 0
        (b"\xff\xfb\xf0\x00" + bytes(20), "of an unknown kind", False),  # a bit rate that there is not
        (b"RIFF\x00\x00\x00\x00AVI " + bytes(20), "of an unknown kind", False),
        (b"\xff", "of an unknown kind", False),
        (b"", "of an unknown kind", False),
    ],
)
def test_a_sound_is_known_by_its_bytes(data: bytes, name: str, can_be_sent: bool) -> None:
    assert audio_kind(data) == (name, can_be_sent)


@pytest.mark.parametrize(
    ("modality", "media", "why"),
    [
        ("text", [], ""),
        (None, [("image", "a")], ""),
        ("image+audio", [("image", "a"), ("audio", "wav")], ""),
        ("audio", [("audio", "gone")], ""),  # the call says so, and is made again once the file is there
        ("video", [("video", "a")], "video cannot be sent"),
        ("video", [], "video not available"),
        ("image+audio", [("image", "a")], "audio not available"),
        ("image+audio", [], "image and audio not available"),
        ("audio", [("audio", "wav"), ("audio", "flac")], "audio is FLAC, not WAV or MP3"),
    ],
)
def test_what_cannot_be_sent_is_known_beforehand(modality: str | None, media: list[tuple[str, str]], why: str) -> None:
    heads = {"wav": WAV[:16], "flac": FLAC[:16], "gone": b""}
    assert why_unsent(modality, media, lambda kind, sha: heads[sha]) == why


NO_IMAGES = [
    "HTTP 400: this model does not support image input (ref: b8bd630e)",
    "HTTP 400: Invalid content type. image_url is only supported by certain models.",
    "HTTP 400: At most 0 image(s) may be provided in one prompt.",
    "HTTP 400: facebook/opt-125m is not a multimodal model None",
    "HTTP 500: image input is not supported - hint: if this is unexpected, you may need to provide the mmproj",
    "HTTP 404: No endpoints found that support image input",
    "HTTP 422: Failed to deserialize: messages[0]: unknown variant `image_url`, expected `text` at line 1 column 62",
    "HTTP 400: Model does not support images. Please use a model that does.",
    "HTTP 400: Model 'x' doesn't support vision",
    "HTTP 400: Only 'text' content type is supported.",
    "HTTP 400: Images are not supported by this model.",
]
NO_AUDIO = [
    "HTTP 500: audio input is not supported - hint: if this is unexpected, you may need to provide the mmproj",
    "HTTP 404: No endpoints found that support input audio",
    "HTTP 400: Loaded model does not support audio inputs",
    "HTTP 400: content blocks are expected to be either text or image_url type",
    "HTTP 400: At most 0 audio(s) may be provided in one prompt.",
]
OF_ONE_FILE = [
    "HTTP 400: this model does not support image/tiff",
    "HTTP 400: The model does not support images larger than 8000 px",
    "HTTP 400: TIFF images are not supported",
    "HTTP 400: image format is not supported",
    "HTTP 400: You uploaded an unsupported image. Please make sure your image is of a supported format",
    "HTTP 400: At most 1 image(s) may be provided in one prompt.",
    "HTTP 400: does not support audio files of this format",
    "HTTP 400: invalid image input",
    "HTTP 500: overloaded",
    "HTTP 404: No endpoints found for org/model",
]


def test_a_model_that_takes_none_is_told_from_a_file_that_it_does_not_take() -> None:
    for said in NO_IMAGES:
        assert takes_none(said, {"image"}) and not takes_none(said, set()), said
    for said in NO_AUDIO:
        assert takes_none(said, {"audio"}) and not takes_none(said, {"image"}), said
    for said in OF_ONE_FILE:
        assert not takes_none(said, {"image", "audio"}), said


def test_unsupported_takes_one_call_and_is_asked_again_once_the_server_is_mended(tmp_path: Path) -> None:
    asking = Asking(BYTES.__getitem__, stream=True)
    requests = [about(media, "q", model) for model in ("blind", "deaf") for media in (MIXED[:1], MIXED[1:2], [])]
    with Loopback() as server:
        for model, own in (("blind", requests[:3]), ("deaf", requests[3:])):
            tally, answers, _ = run(tmp_path, server.url, own, asking=asking)
            refused = own[0 if model == "blind" else 1]
            assert [answers[r.key].status for r in own] == ["unsupported" if r is refused else "ok" for r in own]
            assert answers[refused.key].attempts == 1 and "not support" in answers[refused.key].detail
            assert tally.given_up == {} and "not support" in tally.last_error[model]
            assert answers[refused.key].cost_usd is None and answers[refused.key].text is None
            assert 0 < answers[refused.key].latency_s < 1
        assert server.stats()["requests"] == 6
        server.mend()
        tally, answers, _ = run(tmp_path, server.url, requests[:3], asking=asking)
        assert (tally.asked["blind", "ok"], tally.cached["m"]) == (1, 2)
        assert {answer.status for answer in answers.values()} == {"ok"}


def test_many_refusals_give_up_no_endpoint(tmp_path: Path) -> None:
    requests = [about(MIXED[:1], f"q{i}", "blind") for i in range(25)]
    with Loopback() as server:
        tally, _, _ = run(tmp_path, server.url, requests, asking=Asking(BYTES.__getitem__))
    assert tally.stopped is None and tally.asked == {("blind", "unsupported"): 25}


def test_a_server_that_is_down_does_not_unsay_what_its_model_takes(tmp_path: Path) -> None:
    unsupported = Answer("k", "m", "unsupported", detail="takes none")
    with open_answers(tmp_path) as store:
        store.put(Answer("k", "m", "error", detail="down", cost_usd=0.5))
        store.put(unsupported)
        store.put(Answer("k", "m", "error", detail="down again", attempts=6, cost_usd=0.25))
        assert store.get("k") == replace(unsupported, cost_usd=0.75)
        store.put(Answer("k", "m", "ok", text="four"))
        store.put(unsupported)
        assert (store.get("k").text, store.get("k").cost_usd) == ("four", 0.75)


def test_batch_files_and_vllm_carry_sounds_and_know_a_refusal(tmp_path: Path) -> None:
    request = about(MIXED)
    with open_answers(tmp_path) as store:
        ((path, n),) = write_batch([request], store, BYTES.__getitem__, tmp_path / "b.jsonl")
        sent = json.loads(path.read_text())["body"]["messages"][0]["content"]
        assert n == 1 and [part["type"] for part in sent] == ["image_url", "input_audio"] * 2 + ["text"]
        out = tmp_path / "out.jsonl"
        error = {"status_code": 400, "body": {"error": {"message": "this model does not support image input"}}}
        out.write_text(json.dumps({"custom_id": request.key, "response": error}))
        assert read_batch([out], [request], store, Budget(PRICES)) == {"unsupported": 1}
        assert not store.has_final(request.key)
    row = row_of({"key": request.key, "model": "m", "body": request.body}, BYTES.__getitem__)
    assert row["messages"][0]["content"][1]["input_audio"]["format"] == "wav"
    failed = {"key": "k", "model": "m", "__inference_error__": "ValueError: At most 0 image(s) may be provided"}
    assert answer_of(failed).status == "unsupported"


def test_a_sound_that_no_message_holds_fails_its_own_request(tmp_path: Path) -> None:
    with Loopback() as server:
        bad, asking = about([("audio", sha256(FLAC))]), Asking({**BYTES, "a" * 64: IMAGE}.__getitem__)
        _, answers, _ = run(tmp_path, server.url, [bad, question("fine")], asking=asking)
        assert answers[bad.key].detail == "media: a sound is FLAC, and only WAV and MP3 can be sent"
        assert [answer.status for answer in answers.values()] == ["error", "ok"]
        assert server.stats()["requests"] == 1


def test_an_estimate_counts_every_medium() -> None:
    price = Price(1.0, 1.0, image_tokens=100)
    text = len(about([]).body)
    with_media = about(MIXED)
    assert estimated_tokens(about([]), price) == text / 4
    assert estimated_tokens(with_media, price) == len(with_media.body) / 4 + 2 * 100 + 2 * 1_000
