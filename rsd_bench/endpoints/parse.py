"""What an endpoint sent, read strictly into a Reply or CallFailed. Pure, no I/O.

A chat completion comes whole (over HTTP, in a Batch file) or as server-sent events; an HTTP error status has a body of
its own.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

from rsd_bench.endpoints.reply import CallFailed, Reply, usable
from rsd_bench.endpoints.url_keys import without_keys

_MAX_BYTES = 32 << 20  # of one reply: an endpoint that never stops must not fill the memory
_TRANSIENT = {408, 409, 425, 429}
_OF_REQUEST = {400, 413, 414, 415, 422}  # HTTP statuses that refuse what was sent, not who sent it
_FILTER_CODES = {"content_filter", "content_policy_violation"}

_BOM = b"\xef\xbb\xbf"
_EVENT_STARTS = (b"data:", b"event:", b"id:", b"retry:", b":")


def bounded(size: int) -> None:
    """CallFailed where a reply has grown beyond what any answer needs. size: bytes."""
    if size > _MAX_BYTES:
        raise CallFailed("deterministic", f"reply longer than {_MAX_BYTES >> 20} MiB", billable=True)


def parse_refusal(status: int, headers: Mapping[str, str], body: bytes) -> CallFailed:
    """An HTTP status that is no success as a CallFailed; `body` may be anything."""
    if 300 <= status < 400:
        place = _place(headers.get("location", ""))
        return CallFailed("deterministic", f"HTTP {status}: redirected to {place}, which is not followed")
    said, code = _complaint(body)
    what = f"HTTP {status}: {said}"
    if status == 400 and isinstance(code, str) and code in _FILTER_CODES:
        return CallFailed("filtered", what)
    if code == "insufficient_quota":  # a 429 that no waiting fixes
        return CallFailed("deterministic", what)
    if status >= 500 or status in _TRANSIENT:
        return CallFailed("transient", what, retry_after=_retry_after(headers))
    return CallFailed("deterministic", what, of_request=status in _OF_REQUEST)


def _complaint(body: bytes) -> tuple[Any, Any]:
    """(message, code) of an error, in any of the forms that endpoints have for it."""
    try:
        data = json.loads(body)
    except (ValueError, RecursionError):
        data = None
    error = data.get("error", data) if isinstance(data, dict) else {}
    error = error if isinstance(error, dict) else {"message": error}
    said = error.get("message") or error.get("detail") or body.decode("utf-8", "replace").strip() or "no reason given"
    return said, error.get("code")


def _place(url: str) -> str:
    """A URL without what may be secret in it: user, password, query, fragment, a key in its path."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "an unreadable place"
    netloc, path = parts.netloc.rpartition("@")[2], without_keys(parts.path)
    return parts._replace(netloc=netloc, path=path, query="", fragment="").geturl() or "nowhere"


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds of a Retry-After header (seconds or an HTTP date, RFC 9110 10.2.3); None where absent or unreadable."""
    value = headers.get("retry-after", "").strip()
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds()
        except (ValueError, TypeError, OverflowError):
            return None
    return max(seconds, 0.0) if seconds == seconds else None


def parse_body(body: bytes) -> Reply:
    """The Reply of a whole body: a completion, or events of a server that does not say so. Raises CallFailed."""
    if start_of(body).startswith(_EVENT_STARTS):
        events = EventReader()
        events.feed(body)
        return events.reply()
    return parse_completion(_object(body))


def parse_completion(data: Any) -> Reply:
    """The Reply of a whole chat completion object. Raises CallFailed."""
    choice = _choice(data) if isinstance(data, dict) else None
    message = choice.get("message") if choice else None
    if not choice or not isinstance(message, dict):
        raise CallFailed("deterministic", "reply without choices or message", billable=True)
    texts = _text(message.get("content")), _text(message.get("refusal"))
    return usable(_reply(data, *texts, choice.get("finish_reason")))


def start_of(body: bytes) -> bytes:
    """From the first byte on that says anything."""
    return body.removeprefix(_BOM).lstrip()


class EventReader:
    """A streamed chat completion, fed as its bytes come in: server-sent events as the HTML standard reads them.

    A stream that ends without a finish reason was cut, with or without [DONE]. One with it is an answer, whatever the
    connection did then; an error that the endpoint sends before [DONE] makes it none.
    """

    def __init__(self) -> None:
        self.done = False  # [DONE] has come
        self._rest, self._size, self._after_cr = b"", 0, False
        self._data: list[bytes] = []  # of the event that is being read, and its type
        self._type = b""
        self._texts: list[str] = []
        self._refusals: list[str] = []
        self._finish: Any = None
        self._head: dict[str, Any] = {}
        self._usage: Any = None

    @property
    def has_text(self) -> bool:
        """Whether the model has said anything yet."""
        return bool(self._texts)

    @property
    def settled(self) -> bool:
        """Whether finish reason and usage have come, or the end."""
        return self.done or bool(self._finish and isinstance(self._usage, dict))

    def feed(self, part: bytes) -> None:
        """Read the lines that `part` completes; they end in LF, CR, or CRLF. Raises CallFailed."""
        self._size += len(part)
        bounded(self._size)
        half, self._after_cr = self._after_cr, part.endswith(b"\r")
        if half:
            part = part.removeprefix(b"\n")
        data = (self._rest + part).replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        *lines, self._rest = data.split(b"\n")
        for line in lines:
            self._line(line)

    def reply(self) -> Reply:
        """The Reply of a stream that has ended. Raises CallFailed."""
        try:
            self._line(self._rest)
            self._line(b"")
        except _Malformed:
            if not self._finish:  # else the answer was over before the last event was broken off
                raise
        if not self._finish:
            raise CallFailed("transient", "the stream was cut", billable=True)
        data = self._head | {"usage": self._usage}
        return usable(_reply(data, "".join(self._texts), "".join(self._refusals), self._finish))

    def _line(self, line: bytes) -> None:
        if not line:
            self._event()
            return
        name, _, value = line.removeprefix(_BOM).partition(b":")
        if name == b"data":
            self._data.append(value)
        elif name == b"event":
            self._type = value.strip()

    def _event(self) -> None:
        payload, kind = b"\n".join(self._data).strip(), self._type
        self._data, self._type = [], b""
        if self.done or (not payload and kind != b"error"):
            return
        if kind == b"error":
            raise CallFailed("transient", f"error in the reply: {_complaint(payload)[0]}", billable=True)
        if payload == b"[DONE]":
            self.done = True
            return
        chunk = _object(payload)
        self._head = self._head or chunk
        self._usage = chunk.get("usage") or self._usage
        choice = _choice(chunk)
        if choice is None:
            return
        delta = choice.get("delta")
        delta = delta if isinstance(delta, dict) else {}
        if text := _text(delta.get("content")):
            self._texts.append(text)
        if refusal := _text(delta.get("refusal")):
            self._refusals.append(refusal)
        self._finish = choice.get("finish_reason") or self._finish


class _Malformed(CallFailed):
    """What came is no JSON; perhaps it was broken off."""

    def __init__(self) -> None:
        super().__init__("deterministic", "malformed JSON in the reply", billable=True)


def _object(data: bytes) -> dict[str, Any]:
    """The JSON object of a reply or event. Raises CallFailed."""
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        raise _Malformed from None
    if not isinstance(value, dict):
        raise CallFailed("deterministic", "the reply is no JSON object", billable=True)
    return value


def _choice(data: Mapping[str, Any]) -> dict[str, Any] | None:
    """Choice 0, the one that was asked for, where there is one; an error inside a 200 is a failure like any other."""
    _require_no_error(data)
    choices = data.get("choices")
    for choice in choices if isinstance(choices, list) else ():
        if isinstance(choice, dict) and not choice.get("index"):
            _require_no_error(choice)
            return choice
    return None


def _require_no_error(data: Mapping[str, Any]) -> None:
    """CallFailed where an object is an error or brings one along, an empty one too."""
    error = data.get("error")
    if error is None or error is False or error == "":
        if "error" not in (data.get("object"), data.get("type")):
            return
        error = data
    said = error.get("message") or error if isinstance(error, dict) else error
    raise CallFailed("transient", f"error in the reply: {said}", billable=True)


def _text(value: Any) -> str:
    """A text field: text, null, or a list of text parts; anything else is malformed."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, list):
        parts = [part for part in value if isinstance(part, dict) and part.get("type") == "text"]
        texts = [text for part in parts if isinstance(text := part.get("text"), str)]
        if len(texts) == len(value):
            return "".join(texts)
    raise CallFailed("deterministic", f"content is a {type(value).__name__}, not text", billable=True)


def _reply(data: Mapping[str, Any], text: str, refusal: str, finish: Any) -> Reply:
    usage = data.get("usage")
    usage = usage if isinstance(usage, dict) else {}
    served = data.get("model")
    return Reply(
        text=text,
        finish_reason=str(finish) if finish else None,
        refusal=refusal,
        served_model=served if isinstance(served, str) else None,
        input_tokens=_count(usage.get("prompt_tokens")),
        output_tokens=_count(usage.get("completion_tokens")),
        id=name if isinstance(name := data.get("id"), str) and name else None,
    )


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**53 else None
