"""What a call ends in: a Reply, or CallFailed saying what kind of failure it is.

Whatever is no answer of a model - malformed, empty, broken off, an error inside a 200 - is a failure, never a text.
Only finish reasons that are known to end an answer make one: servers name new ways to break off all the time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

#: How an answer with this finish reason, in lower case, ended: OpenAI, vLLM, Ollama, TGI, llama.cpp, Anthropic, Gemini
#: (which adds its own reason after a colon), Mistral, Bedrock. None: small servers leave it out of a whole reply.
_ENDINGS: dict[str | None, str] = {
    None: "ok",
    **dict.fromkeys(("stop", "eos", "eos_token", "end_turn", "stop_sequence"), "ok"),
    **dict.fromkeys(("length", "max_tokens", "max_output_tokens", "model_length"), "truncated"),
    **dict.fromkeys(("content_filter", "content_filtered", "guardrail_intervened", "refusal"), "filtered"),
    **dict.fromkeys(("safety", "recitation", "blocklist", "prohibited_content", "spii"), "filtered"),
    **dict.fromkeys(("image_safety", "image_recitation", "image_prohibited_content"), "filtered"),
}
_TOOLS = {"tool_calls", "tool_use", "function_call"}


@dataclass(slots=True)
class Reply:
    """What an endpoint said, and when. `refusal` is the structured refusal of the API, not a reading of the text.

    id: what the endpoint calls this reply; None where it does not say.
    """

    text: str
    finish_reason: str | None
    refusal: str
    served_model: str | None
    input_tokens: int | None
    output_tokens: int | None
    id: str | None = None
    first_token_s: float | None = None
    latency_s: float = 0.0

    @property
    def outcome(self) -> tuple[str, str | None, str | None]:
        """(status, text, detail) of a usable reply. Only ok and truncated have text: the model's own."""
        if self.refusal:
            return "refused", None, self.refusal
        status = _ENDINGS[_normal(self.finish_reason)]
        text = self.text if status in ("ok", "truncated") else None
        return status, text, None if status == "ok" else f"finish reason {self.finish_reason}"


class CallFailed(Exception):  # noqa: N818 - an outcome, not a bug
    """A call without a usable reply.

    kind: `transient` may pass by itself, `deterministic` may well come again, `filtered` is the endpoint's last word.
    retry_after: seconds the endpoint asked to wait. reply: set where tokens were spent on it. billable: the request may
    have been paid for although no usage came back. of_request: the endpoint works, it is this request that failed.
    latency_s: until an HTTP status refused the request, where one did.
    """

    latency_s: float | None = None

    def __init__(
        self,
        kind: Literal["transient", "deterministic", "filtered"],
        what: str,
        *,
        retry_after: float | None = None,
        reply: Reply | None = None,
        billable: bool = False,
        of_request: bool = False,
    ) -> None:
        super().__init__(what)
        self.kind, self.what, self.retry_after = kind, what, retry_after
        self.reply, self.billable, self.of_request = reply, billable, of_request


def usable(reply: Reply) -> Reply:
    """The reply, unless it is no whole answer or holds nothing that a model said."""
    if reply.refusal:
        return reply
    reason = _normal(reply.finish_reason)
    if reason in _TOOLS:
        what = "the model called a tool instead of answering"
        raise CallFailed("deterministic", what, reply=reply, of_request=True)
    if reason not in _ENDINGS:
        raise CallFailed("transient", f"broken off, finish reason {reply.finish_reason}", reply=reply)
    if _ENDINGS[reason] == "ok" and not reply.text.strip():
        raise CallFailed("deterministic", "empty answer", reply=reply, of_request=True)
    return reply


def _normal(finish_reason: str | None) -> str | None:
    return finish_reason and finish_reason.partition(":")[0].lower()
