"""What endpoints send, read as the standards have it, and nothing broken off taken for an answer.

Guards against half a text stored as `ok` (finish reasons abort, error, insufficient_system_resource; `event: error`;
[DONE] without a finish reason), against first words lost to a byte order mark or spliced in from another choice, and
against streams refused for line ends or a content type that the standard allows.
"""

from __future__ import annotations

import json

import pytest

from rsd_bench.endpoints.calls import Answer
from rsd_bench.endpoints.parse import EventReader, parse_body, parse_refusal
from rsd_bench.endpoints.reply import CallFailed, Reply


def whole(content: object = "Hello", finish: object = "stop", **choice: object) -> bytes:
    choices = [{"index": 0, "message": {"content": content}, "finish_reason": finish} | choice]
    return json.dumps({"model": "m", "choices": choices}).encode()


def event(text: str | None, finish: str | None = None, index: int = 0) -> bytes:
    choice = {"index": index, "delta": {"content": text}, "finish_reason": finish}
    return b"data: " + json.dumps({"choices": [choice]}).encode() + b"\n\n"


DONE = b"data: [DONE]\n\n"
FINISH = event("", "stop") + DONE
HELLO = event("Hel") + event("lo", "stop") + DONE


def read(stream: bytes, size: int) -> Reply:
    """The reply of a stream that comes in pieces of `size` bytes."""
    events = EventReader()
    for start in range(0, len(stream), size):
        events.feed(stream[start : start + size])
    return events.reply()


@pytest.mark.parametrize(
    ("finish", "status"),
    [
        *((reason, "ok") for reason in ("stop", "STOP", "eos", "eos_token", "end_turn", "stop_sequence", None, "")),
        *((reason, "truncated") for reason in ("length", "max_tokens", "MAX_TOKENS", "model_length")),
        *((reason, "filtered") for reason in ("content_filter", "SAFETY", "safety", "content_filter: RECITATION")),
        *((reason, "error") for reason in ("abort", "error", "insufficient_system_resource", "load", "cancelled")),
        *((reason, "error") for reason in ("tool_calls", "never heard of", {"type": "stop"}, True, 3)),
    ],
)
def test_only_known_finish_reasons_end_an_answer(finish: object, status: str) -> None:
    if status != "error":
        found, text, detail = parse_body(whole("Half", finish)).outcome
        assert (found, text) == (status, None if status == "filtered" else "Half")
        assert (detail is None) == (status == "ok")
        return
    with pytest.raises(CallFailed) as failed:
        parse_body(whole("Half", finish))
    assert str(finish) in failed.value.what or "tool" in failed.value.what
    assert failed.value.reply.text == "Half"  # it was paid for


STREAMS = {
    "as it should be": HELLO,
    "CRLF, comments, ids": b": hi\r\n\r\nid: 1\r\nretry: 5\r\nevent: message\r\n" + HELLO.replace(b"\n", b"\r\n"),
    "CR": HELLO.replace(b"\n", b"\r"),
    "byte order mark": b"\xef\xbb\xbf" + HELLO,
    "empty data": b"data:\n\ndata\n\n" + HELLO,
    "no space after the colon": HELLO.replace(b"data: ", b"data:"),
    "an event over two lines": HELLO.replace(b'{"index"', b'\ndata: {"index"'),
    "no end": event("Hel") + event("lo", "stop"),
    "no last line end": HELLO.rstrip(),
    "another choice": event("WRONG", index=1) + HELLO,
    "both choices": b'data: {"choices":[{"index":1,"delta":{"content":"WRONG"}}]}\n\n' + HELLO,
    "usage after the end": event("Hello") + event(None, "stop") + b'data: {"choices":[],"usage":null}\n\n' + DONE,
    "error: false": HELLO.replace(b'{"choices"', b'{"error":false,"choices"'),
    "error: null": HELLO.replace(b'{"choices"', b'{"error":null,"choices"'),
    "after the end": HELLO + b"event: error\ndata: too late\n\n",
    "a ping": b'event: ping\ndata: {"type":"ping"}\n\n' + HELLO,
}


@pytest.mark.parametrize("name", STREAMS)
@pytest.mark.parametrize("size", [1, 2, 3, 7, 10_000])
def test_streams_of_every_legal_form_say_hello(name: str, size: int) -> None:
    assert read(STREAMS[name], size).outcome == ("ok", "Hello", None)
    assert parse_body(STREAMS[name]).text == "Hello"  # under a content type that does not say what it is


@pytest.mark.parametrize(
    ("stream", "says"),
    [
        (event("Half") + DONE, "cut"),
        (event("Half"), "cut"),
        (event("Half", index=1) + event(None, "stop", index=1) + DONE, "cut"),
        (event("Half") + b'event: error\ndata: {"message":"overloaded"}\n\n' + DONE, "overloaded"),
        (event("Half") + b"event: error\ndata: out of memory\n\n" + DONE, "out of memory"),
        (event("Half") + b'data: {"error":{"message":"overloaded"}}\n\n' + DONE, "overloaded"),
        (event("Half") + b'data: {"error":{"code":5}}\n\n' + DONE, "'code': 5"),
        (event("Half") + b'data: {"error":{}}\n\n' + event("", "stop") + DONE, "error in the reply: {}"),
        (event("Half") + b'data: {"object":"error","message":"out of memory"}\n\n' + FINISH, "out of memory"),
        (event("Half") + b'data: {"type":"error","message":"overloaded"}\n\n' + FINISH, "overloaded"),
        (event("Half") + b"event: error\ndata:\n\n" + FINISH, "error in the reply"),
        (event("Half") + FINISH.replace(b'"delta"', b'"error":{"code":502},"delta"'), "'code': 502"),
        (event("Half", "stop") + b'data: {"error":{}}\n\n' + DONE, "error in the reply"),
        (event("Half", "abort") + DONE, "abort"),
        (event("Half") + b"data: {nonsense\n\n", "malformed"),
        (event(" ", "stop") + DONE, "empty answer"),
        (b"<html>all is well</html>", "cut"),
        (b"", "cut"),
    ],
)
@pytest.mark.parametrize("size", [1, 10_000])
def test_a_stream_that_broke_is_no_answer(stream: bytes, says: str, size: int) -> None:
    """An empty error object was passed over, and half a text stored as ok."""
    with pytest.raises(CallFailed, match=says):
        read(stream, size)


def test_text_parts_are_a_text_and_nothing_else_is() -> None:
    parts = [{"type": "text", "text": "Hel"}, {"type": "text", "text": "lo"}]
    assert parse_body(whole(parts)).text == "Hello"
    for odd in (
        ["x"],
        [{"type": "image_url"}],
        [{"type": "text"}],
        [{"type": "text", "text": parts}],
        [[]],
        5,
        {},
        True,
    ):
        with pytest.raises(CallFailed, match="not text"):
            parse_body(whole(odd))
    with pytest.raises(CallFailed, match="empty"):
        parse_body(whole([]))


def test_a_whole_reply_is_choice_0() -> None:
    second = {"index": 1, "message": {"content": "WRONG"}, "finish_reason": "stop"}
    first = {"index": 0, "message": {"content": "Hello"}, "finish_reason": "stop"}
    assert parse_body(json.dumps({"choices": [second, first]}).encode()).text == "Hello"
    with pytest.raises(CallFailed):
        parse_body(json.dumps({"choices": [second]}).encode())


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("7", 7.0),
        ("-7", 0.0),
        ("Mon, 01 Jan 2024 00:00:00 GMT", 0.0),
        ("Mon, 01 Jan 2024 00:00:00 +9999999999999999999", None),  # ended the run with OverflowError
        ("Fri, 31 Dec 99999 23:59:59 GMT", None),
        ("nan", None),
        ("soon", None),
        ("", None),
    ],
)
def test_retry_after_may_be_anything(value: str, seconds: float | None) -> None:
    assert parse_refusal(429, {"retry-after": value}, b"").retry_after == seconds


@pytest.mark.parametrize(
    ("location", "place"),
    [
        ("https://user:pass@host:1/v1?key=pass#pass", "https://host:1/v1,"),
        ("/v1/elsewhere", "/v1/elsewhere,"),
        ("https://host/sk-pass-1234567/v1", "https://host/[key]/v1,"),
        ("", "nowhere,"),
        ("http://[half", "an unreadable place,"),
    ],
)
def test_a_redirect_names_its_place_without_credentials(location: str, place: str) -> None:
    what = parse_refusal(301, {"location": location}, b"").what
    assert f"redirected to {place}" in what
    assert "pass" not in what


def test_refusals_of_one_request_are_told_from_those_of_the_caller() -> None:
    assert all(parse_refusal(status, {}, b"").of_request for status in (400, 413, 422))
    assert not any(parse_refusal(status, {}, b"").of_request for status in (301, 401, 403, 404, 429, 500, 503))


def test_an_answer_can_be_stored_and_printed_whatever_it_says() -> None:
    """A lone surrogate made SQLite fail; an escape sequence in an error message moved the cursor of the reader."""
    said = "\ud83d" + "\ude00"  # a pair that two events brought
    odd = Answer("k", "m", "ok", said + " \ud800 \0", "\x1b[31mred\nfake line \udfff", "m\0" + "x" * 1000)
    assert (odd.text, odd.detail) == ("\U0001f600 \ufffd \ufffd", " [31mred fake line \ufffd")
    assert odd.served_model == "m\ufffd" + "x" * 498
