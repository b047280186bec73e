"""What can go wrong with a request, as errors in the form that OpenAI's clients read."""

from __future__ import annotations

from typing import Any

import orjson


class Refused(Exception):  # noqa: N818 - an ending
    """The request cannot be asked of anybody: what the client gets instead of an answer."""

    def __init__(self, status: int, message: str, code: str, retry_after: int | None = None) -> None:
        super().__init__(message)
        self.status, self.message, self.code, self.retry_after = status, message, code, retry_after


class UpstreamFailed(Exception):  # noqa: N818 - an ending
    """A tier gave no answer.

    reason: a word for headers and metrics. of_request: it refused what was asked, and is no less alive for it. status:
    what the client gets where no other tier answers either.
    """

    def __init__(
        self, reason: str, what: str, *, status: int = 502, of_request: bool = False, retry_after: float | None = None
    ) -> None:
        super().__init__(what)
        self.reason, self.what, self.status = reason, what, status
        self.of_request, self.retry_after = of_request, retry_after


def error_body(message: str, code: str, status: int) -> bytes:
    """The JSON of an error."""
    kind = "invalid_request_error" if status < 500 else "api_error"
    error: dict[str, Any] = {"message": message, "type": kind, "param": None, "code": code}
    return orjson.dumps({"error": error})


def error_event(message: str, code: str) -> bytes:
    """An error as the last event of a stream that had begun."""
    return b"data: " + error_body(message, code, 502) + b"\n\n"
