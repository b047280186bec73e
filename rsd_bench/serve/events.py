"""A streamed chat completion on its way through: events are passed on as they came, and looked at in passing.

Contract: an event is passed on whole or not at all. `begun` turns true with the first event in which the model says
something - text, reasoning, a tool call, a refusal, an end; what came before is held back by who calls, so that another
tier can still be asked. An error in the stream, an event that is no JSON, or an end with neither a finish reason nor
[DONE] is UpstreamFailed. Nothing after [DONE] is passed on or looked at: a stream has one end.
"""

from __future__ import annotations

import re
from typing import Any

import orjson

from rsd_bench.serve.failures import UpstreamFailed

_END = re.compile(rb"\r?\n\r?\n|\r\r")
_MAX_EVENT = 8 << 20  # bytes


class Passing:
    """Feed it what comes; it gives the events to pass on. usage_wanted: whether the client asked for usage itself."""

    def __init__(self, usage_wanted: bool) -> None:
        self._usage_wanted, self._rest = usage_wanted, b""
        self.begun = self.done = False
        self.finish: str | None = None
        self.id: str | None = None
        self.served: str | None = None
        self.usage: dict[str, Any] = {}
        self.texts: list[str] = []
        self.refusals: list[str] = []

    def feed(self, part: bytes) -> list[bytes]:
        """The whole events of what has come, those apart that only we asked for. Raises UpstreamFailed."""
        data = self._rest + part
        out, start = [], 0
        for end in _END.finditer(data):
            event = data[start : end.start()]
            start = end.end()
            if self._pass(event):
                out.append(event + b"\n\n")
        self._rest = data[start:]
        if self.done:
            self._rest = b""
        if len(self._rest) > _MAX_EVENT:
            raise UpstreamFailed("broken", "an event without an end")
        return out

    def end(self) -> None:
        """To be called when nothing more comes. Raises UpstreamFailed where something is missing."""
        if self._rest.strip():
            self.feed(b"\n\n")
        if not self.finish and not (self.done and self.begun):
            raise UpstreamFailed("cut", "the stream was cut")

    def _pass(self, event: bytes) -> bool:
        if self.done:
            return False
        lines = event.lstrip(b"\xef\xbb\xbf\r\n").splitlines()
        payload = b"\n".join(line[5:].strip() for line in lines if line.startswith(b"data:"))
        if any(line.startswith(b"event:") and line[6:].strip() == b"error" for line in lines):
            raise UpstreamFailed("broken", "an error in the stream")
        if not payload:
            if any(line[:1] in b"{[<" for line in lines if line):
                raise UpstreamFailed("broken", "no event in the stream")
            return bool(lines) and self.begun  # a comment that keeps the connection alive
        if payload == b"[DONE]":
            self.done = True
            return True
        try:
            chunk = orjson.loads(payload)
        except orjson.JSONDecodeError:
            raise UpstreamFailed("broken", "malformed JSON in the stream") from None
        if not isinstance(chunk, dict) or chunk.get("error"):
            raise UpstreamFailed("broken", "an error in the stream")
        return self._read(chunk)

    def _read(self, chunk: dict[str, Any]) -> bool:
        """Look at a chunk; whether it is to be passed on."""
        if self.id is None and isinstance(chunk.get("id"), str):
            self.id = chunk["id"]
        if self.served is None and isinstance(chunk.get("model"), str):
            self.served = chunk["model"]
        if isinstance(usage := chunk.get("usage"), dict):
            self.usage = usage
        choices = chunk.get("choices")
        choices = choices if isinstance(choices, list) else []
        for choice in choices:
            if not isinstance(choice, dict):
                raise UpstreamFailed("broken", "a choice that is no object")
            delta = choice.get("delta")
            delta = delta if isinstance(delta, dict) else {}
            if not choice.get("index"):
                for name, kept in (("content", self.texts), ("refusal", self.refusals)):
                    if isinstance(text := delta.get(name), str):
                        kept.append(text)
                self.finish = str(choice.get("finish_reason") or self.finish or "") or None
            self.begun = self.begun or bool(self.finish) or any(v for k, v in delta.items() if k != "role")
        return bool(choices) or self._usage_wanted or not self.usage
