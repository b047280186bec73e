"""What an endpoint sent, read strictly: a Reply, or CallFailed saying what kind of failure it is. Pure, no I/O.

A chat completion comes whole (over HTTP, in a Batch file) or as server-sent events; an HTTP error status has a body of
its own. Whatever is no answer of a model - malformed, empty, an error inside a 200 - is a failure, never a text.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Literal

_MAX_BYTES = 32 << 20  # of one reply: an endpoint that never stops must not fill the memory
_MAX_DETAIL = 500
_TRANSIENT = {408, 409, 425, 429}
_FILTER_CODES = {"content_filter", "content_policy_violation"}


@dataclass(slots=True)
class Reply:
    """What an endpoint said, and when. `refusal` is the structured refusal of the API, not a reading of the text."""

    text: str
    finish_reason: str | None
    refusal: str
    served_model: str | None
    input_tokens: int | None
    output_tokens: int | None
    first_token_s: float | None = None
    latency_s: float = 0.0


class CallFailed(Exception):  # noqa: N818 - an outcome, not a bug
    """A call without a usable reply.

    kind: `transient` may pass by itself, `deterministic` may well come again, `filtered` is the endpoint's last word.
    retry_after: seconds the endpoint asked to wait. reply: set where tokens were spent on it. billable: the request may
    have been paid for although no usage came back.
    """

    def __init__(
        self,
        kind: Literal["transient", "deterministic", "filtered"],
        what: str,
        *,
        retry_after: float | None = None,
        reply: Reply | None = None,
        billable: bool = False,
    ) -> None:
        super().__init__(what)
        self.kind, self.what, self.retry_after = kind, what[:_MAX_DETAIL], retry_after
        self.reply, self.billable = reply, billable


def bounded(size: int) -> None:
    """CallFailed where a reply has grown beyond what any answer needs. size: bytes."""
    if size > _MAX_BYTES:
        raise CallFailed("deterministic", f"reply longer than {_MAX_BYTES >> 20} MiB", billable=True)


def parse_refusal(status: int, headers: Mapping[str, str], body: bytes) -> CallFailed:
    """An HTTP error status as a CallFailed; `body` may be anything."""
    try:
        data = json.loads(body)
    except (ValueError, RecursionError):
        data = None
    error = data.get("error", data) if isinstance(data, dict) else {}
    error = error if isinstance(error, dict) else {"message": error}
    said = error.get("message") or error.get("detail") or body.decode("utf-8", "replace").strip() or "no reason given"
    what = f"HTTP {status}: {said}"
    code = error.get("code")
    if status == 400 and isinstance(code, str) and code in _FILTER_CODES:
        return CallFailed("filtered", what)
    if code == "insufficient_quota":  # a 429 that no waiting mends
        return CallFailed("deterministic", what)
    transient = status >= 500 or status in _TRANSIENT
    return CallFailed("transient" if transient else "deterministic", what, retry_after=_retry_after(headers))


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds of a Retry-After header (seconds or an HTTP date, RFC 9110 10.2.3); None where absent or unreadable."""
    value = headers.get("retry-after", "").strip()
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds()
        except (ValueError, TypeError):
            return None
    return max(seconds, 0.0) if seconds == seconds else None


def parse_object(data: bytes) -> dict[str, Any]:
    """The JSON object of a reply. Raises CallFailed."""
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        raise CallFailed("deterministic", "malformed JSON in the reply", billable=True) from None
    if not isinstance(value, dict):
        raise CallFailed("deterministic", "the reply is no JSON object", billable=True)
    return value


def parse_completion(data: Any) -> Reply:
    """The Reply of a whole chat completion object. Raises CallFailed."""
    choice = _first_choice(data if isinstance(data, dict) else {})
    message = choice.get("message")
    if not isinstance(message, dict):
        raise CallFailed("deterministic", "reply without a message", billable=True)
    texts = _text(message.get("content")), _text(message.get("refusal"))
    return _usable(_reply(data, *texts, choice.get("finish_reason")))


class EventReader:
    """A streamed chat completion, fed as its bytes come in. A stream that ends without a finish reason was cut."""

    def __init__(self) -> None:
        self.done = False  # [DONE] has come
        self._rest, self._size = b"", 0
        self._texts: list[str] = []
        self._refusals: list[str] = []
        self._finish: Any = None
        self._head: dict[str, Any] = {}
        self._usage: Any = None

    @property
    def has_text(self) -> bool:
        """Whether the model has said anything yet."""
        return bool(self._texts)

    def feed(self, part: bytes) -> None:
        """Read the lines that `part` completes. Raises CallFailed."""
        self._size += len(part)
        bounded(self._size)
        *lines, self._rest = (self._rest + part).split(b"\n")
        for line in lines:
            self._line(line)

    def reply(self) -> Reply:
        """The Reply of a stream that has ended. Raises CallFailed."""
        self._line(self._rest)
        if not (self.done or self._finish):
            raise CallFailed("transient", "the stream was cut", billable=True)
        data = self._head | {"usage": self._usage}
        return _usable(_reply(data, "".join(self._texts), "".join(self._refusals), self._finish))

    def _line(self, line: bytes) -> None:
        if self.done or not line.startswith(b"data:"):
            return
        payload = line[5:].strip()
        if payload == b"[DONE]":
            self.done = True
            return
        event = parse_object(payload)
        self._head = self._head or event
        self._usage = event.get("usage") or self._usage
        if not event.get("choices") and "error" not in event:
            return
        choice = _first_choice(event)
        delta = choice.get("delta")
        delta = delta if isinstance(delta, dict) else {}
        if text := _text(delta.get("content")):
            self._texts.append(text)
        if refusal := _text(delta.get("refusal")):
            self._refusals.append(refusal)
        self._finish = choice.get("finish_reason") or self._finish


def _usable(reply: Reply) -> Reply:
    """The reply, unless it holds nothing that a model said."""
    if reply.finish_reason == "tool_calls":
        raise CallFailed("deterministic", "the model called a tool instead of answering", reply=reply)
    ended_badly = reply.refusal or reply.finish_reason in ("length", "content_filter")
    if not reply.text.strip() and not ended_badly:
        raise CallFailed("deterministic", "empty answer", reply=reply)
    return reply


def _first_choice(data: dict[str, Any]) -> dict[str, Any]:
    """The first choice of a reply or chunk; an error inside a 200 is a failure like any other."""
    if error := data.get("error"):
        said = error.get("message") if isinstance(error, dict) else error
        raise CallFailed("transient", f"error in the reply: {said}", billable=True)
    choices = data.get("choices")
    if not (isinstance(choices, list) and choices and isinstance(choices[0], dict)):
        raise CallFailed("deterministic", "reply without choices", billable=True)
    return choices[0]


def _text(value: Any) -> str:
    """A text field; null is empty, anything but text is malformed."""
    if value is None:
        return ""
    if not isinstance(value, str):
        raise CallFailed("deterministic", f"content is a {type(value).__name__}, not text", billable=True)
    return value


def _reply(data: Mapping[str, Any], text: str, refusal: str, finish: Any) -> Reply:
    usage = data.get("usage")
    usage = usage if isinstance(usage, dict) else {}
    served = data.get("model")
    return Reply(
        text=text,
        finish_reason=finish if isinstance(finish, str) else None,
        refusal=refusal,
        served_model=served if isinstance(served, str) else None,
        input_tokens=_count(usage.get("prompt_tokens")),
        output_tokens=_count(usage.get("completion_tokens")),
    )


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**53 else None
