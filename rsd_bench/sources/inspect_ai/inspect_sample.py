"""A sample of an inspect-ai log: what was asked, and what came of it, before any score is put on a scale.

What was asked is `input` (a text, or messages whose texts and media stand in their order), `choices` as lettered lines
below it, and `target`. Prompts that a solver wrapped around it are the run's, not the query's, and are left out.

An outcome is one of `source.STATUSES`: `error` where the sample failed or a person stopped it, `filtered` where a
content filter ended the answer, `truncated` where max_tokens, the context or a limit on the sample did, else `ok` until
the score is looked for. Latency is `output.time`, which clocks the call that answered, where the sample made one call;
else `working_time`, which leaves out waits for rate limits but holds tools and the scorer; else `total_time`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from typing import Any

from rsd_bench.config import is_latency
from rsd_bench.sources.inspect_ai.inspect_media import Identity, LoggedMedia
from rsd_bench.sources.source import MEDIA_KINDS, modality_of

_ENDINGS = {
    "content_filter": "filtered",
    **dict.fromkeys(("max_tokens", "length", "model_length"), "truncated"),
}
_ATTACHED = ("attachment://", "tc://")
_UNASKED = ("reasoning", "tool_use", "data")  # parts of the messages that no reader of the question needs
_CACHED = ("input_tokens_cache_write", "input_tokens_cache_read")  # counted apart from input_tokens
_LETTERS = 26
_LONGEST_ID = 400  # with the source before it, a query id that records may have


@dataclass(frozen=True)
class Sample:
    """A sample, read. `scores` is as it was logged, by scorer; `clock` names the field that `latency_s` is from."""

    where: str
    sample_id: str
    epoch: int
    question: str
    target: str | None
    media: tuple[LoggedMedia, ...]
    metadata: Mapping[str, Any]
    status: str
    text: str | None
    scores: Mapping[str, Any]
    answered_by: str = ""
    input_tokens: int | None = None
    output_tokens: int | None = None
    cost_usd: float | None = None
    latency_s: float | None = None
    clock: str = ""
    invalid: bool = False

    @cached_property
    def identities(self) -> tuple[Identity, ...]:
        return tuple(medium.identity for medium in self.media)

    @property
    def asked(self) -> bytes:
        """A digest of question and target."""
        return sha256(json.dumps([self.question, self.target]).encode()).digest()

    @property
    def modality(self) -> str:
        return modality_of(medium.kind for medium in self.media)

    @property
    def content(self) -> bytes:
        """A digest of all that is read of it."""
        told = (self.sample_id, self.question, self.target, self.identities, sorted(self.metadata), self.status)
        outcome = (self.text, self.scores, self.input_tokens, self.output_tokens, self.latency_s, self.invalid)
        return sha256(repr((told, outcome)).encode()).digest()


def read_sample(where: str, raw: Any, model: str) -> Sample:
    """The sample that a log holds. ValueError saying what is wrong where it cannot be told what was asked or came."""
    if not isinstance(raw, dict):
        raise ValueError("is no object")
    sample_id, epoch = raw.get("id"), raw.get("epoch", 1)
    if isinstance(sample_id, bool) or not isinstance(sample_id, int | str) or not str(sample_id).strip():
        raise ValueError(f"id {str(sample_id)[:40]!r} is neither a whole number nor a text")
    if len(str(sample_id)) > _LONGEST_ID:
        raise ValueError(f"id {str(sample_id)[:40]!r}... is longer than {_LONGEST_ID} characters")
    if isinstance(epoch, bool) or not isinstance(epoch, int) or epoch < 1:
        raise ValueError(f"epoch {str(epoch)[:40]!r} is no whole number from 1")
    attachments = _object(raw, "attachments")
    question, media = _asked(raw, attachments)
    output = _object(raw, "output")
    text, ending = _answer(output, attachments)
    status = _status(raw, output, ending, text)
    calls = sum(1 for message in _list(raw, "messages") if _is_answer(message))
    latency, clock = _latency(raw, output, calls)
    usage = _usage(raw, output, model, calls)
    return Sample(
        where=where,
        sample_id=str(sample_id).strip(),
        epoch=epoch,
        question=question,
        target=_target(raw.get("target")),
        media=media,
        metadata=_object(raw, "metadata"),
        status=status,
        text=None if status == "error" else text,
        scores=_scores(raw),
        answered_by=output["model"] if isinstance(output.get("model"), str) else "",
        input_tokens=_tokens(usage, "input_tokens", *_CACHED),
        output_tokens=_tokens(usage, "output_tokens"),
        cost_usd=_number(usage.get("total_cost")),
        latency_s=latency,
        clock=clock,
        invalid=raw.get("invalidation") is not None,
    )


def _object(raw: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = raw.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise ValueError(f"{name} is no object")
    return value


def _list(raw: Mapping[str, Any], name: str) -> list[Any]:
    value = raw.get(name)
    if value is None:
        return []
    if not isinstance(value, list):
        raise ValueError(f"{name} is no list")
    return value


def _asked(raw: Mapping[str, Any], attachments: Mapping[str, Any]) -> tuple[str, tuple[LoggedMedia, ...]]:
    """The question with its choices, and its media in order."""
    asked = raw.get("input")
    messages = [{"role": "user", "content": asked}] if isinstance(asked, str) else _list(raw, "input")
    texts: list[str] = []
    media: list[LoggedMedia] = []
    for number, message in enumerate(messages):
        content = message.get("content") if isinstance(message, dict) else None
        if not isinstance(content, str | list):
            raise ValueError(f"input[{number}] is no message with a content")
        said = []
        for part in [{"type": "text", "text": content}] if isinstance(content, str) else content:
            found = _part(part, attachments)
            if isinstance(found, LoggedMedia):
                media.append(found)
            elif found.strip():
                said.append(found.strip() if len(messages) > 1 else found)
        role = f"{message.get('role')}: " if len(messages) > 1 else ""
        texts += [role + "\n".join(said)] if said else []
    question = "\n\n".join(texts)
    if not question.strip():
        raise ValueError("input holds no text")
    choices = _list(raw, "choices")
    if not all(isinstance(choice, str) for choice in choices):
        raise ValueError("choices are not all texts")
    lines = (f"{_letter(number)}) {choice}" for number, choice in enumerate(choices))
    return "\n".join([question, *lines]), tuple(media)


def _letter(number: int) -> str:
    """The character of a choice, as inspect-ai has it: A to Z, then 1, 2 ..."""
    return chr(ord("A") + number) if number < _LETTERS else str(number - _LETTERS + 1)


def _part(part: Any, attachments: Mapping[str, Any]) -> str | LoggedMedia:
    """A part of a message: its text, or its medium."""
    kind = part.get("type") if isinstance(part, dict) else None
    if kind == "text" or kind in MEDIA_KINDS:
        value = part.get(kind)
        if not isinstance(value, str) or not value.strip():
            raise ValueError(f"a part of type {kind} holds no {kind}")
        value = _resolved(value, attachments)
        return value if kind == "text" else LoggedMedia(kind, value.strip())
    if kind in _UNASKED:
        return ""
    raise ValueError(f"a part of the input is of type {str(kind)[:40]!r}, which no query can hold")


def _resolved(value: str, attachments: Mapping[str, Any]) -> str:
    """What an attachment's name stands for; any other text is itself."""
    for protocol in _ATTACHED:
        if value.startswith(protocol):
            found = attachments.get(value.removeprefix(protocol))
            if not isinstance(found, str) or not found:
                raise ValueError(f"{value[:60]} is not among its attachments")
            return found
    return value


def _target(target: Any) -> str | None:
    """A target as the reference answer; several that count as right stay a list, as JSON."""
    if isinstance(target, list) and len(target) == 1:
        target = target[0]
    if target is None or isinstance(target, str):
        return (target or "").strip() or None
    if not isinstance(target, list) or not all(isinstance(item, str) for item in target):
        raise ValueError("target is neither a text nor a list of texts")
    return json.dumps(target, ensure_ascii=False) if target else None


def _answer(output: Mapping[str, Any], attachments: Mapping[str, Any]) -> tuple[str | None, str | None]:
    """The text of the answer and why it ended; None where the log has none."""
    completion, choices = output.get("completion"), _list(output, "choices")
    if not choices:
        if completion is not None and not isinstance(completion, str):
            raise ValueError("output.completion is no text")
        return completion or None, None
    choice = choices[0] if isinstance(choices[0], dict) else {}
    message, ending = choice.get("message"), choice.get("stop_reason")
    if not isinstance(message, dict) or not isinstance(ending, str | None):
        raise ValueError("output.choices[0] is no answer")
    content = message.get("content")
    if content is None:  # a call of a tool, which says nothing
        return None, ending
    parts = content if isinstance(content, list) else [{"type": "text", "text": content}]
    texts = [part.get("text") for part in parts if isinstance(part, dict) and part.get("type") == "text"]
    said = [_resolved(text, attachments) for text in texts if isinstance(text, str)]
    if len(said) < len(texts):
        raise ValueError("output.choices[0].message holds no text")
    return "\n".join(said), ending


def _status(raw: Mapping[str, Any], output: Mapping[str, Any], ending: str | None, text: str | None) -> str:
    limit = raw.get("limit")
    if raw.get("error") or (isinstance(limit, dict) and limit.get("type") == "operator"):
        return "error"
    if ending in _ENDINGS:
        return _ENDINGS[ending]
    if limit:
        return "truncated"
    if output.get("error"):
        return "filtered"
    return "ok" if text is not None or raw.get("scores") else "error"


def _is_answer(message: Any) -> bool:
    return isinstance(message, dict) and message.get("role") == "assistant" and message.get("source") != "input"


def _latency(raw: Mapping[str, Any], output: Mapping[str, Any], calls: int) -> tuple[float | None, str]:
    of_call = {"output.time": output.get("time")} if calls <= 1 else {}
    for clock, value in (of_call | {name: raw.get(name) for name in ("working_time", "total_time")}).items():
        seconds = _number(value)
        if seconds is not None and is_latency(seconds):
            return seconds, clock
    return None, ""


def _usage(raw: Mapping[str, Any], output: Mapping[str, Any], model: str, calls: int) -> Mapping[str, Any]:
    """Token counts of the answer: those of its one call, else all that the model used in the sample."""
    of_call, of_sample = output.get("usage"), _object(raw, "model_usage").get(model)
    candidates = (of_call, of_sample) if calls <= 1 else (of_sample,)
    return next((usage for usage in candidates if isinstance(usage, dict)), {})


def _tokens(usage: Mapping[str, Any], first: str, *further: str) -> int | None:
    """A count with what is counted apart from it; 0 is what a backend that does not count writes."""
    counts = [usage.get(name) for name in (first, *further)]
    found = sum(n for n in counts if isinstance(n, int) and not isinstance(n, bool) and n > 0)
    return found if isinstance(counts[0], int) and 0 < found < 2**62 else None


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e300:
        return None
    return float(value)


def _scores(raw: Mapping[str, Any]) -> Mapping[str, Any]:
    """Score objects by scorer; before 2024-06 a sample had one, under `score`."""
    if "scores" not in raw and raw.get("score") is not None:
        return _object({"scores": {"score": raw["score"]}}, "scores")
    return _object(raw, "scores")


def values_of(scores: Mapping[str, Any]) -> dict[str, Any]:
    """Each value under the name that chooses it: SCORER, or SCORER.KEY where a scorer gives several.

    None stands for "unscored": a value that is NaN (`inspect_log`), null or absent. Raises ValueError where a score is
    no object.
    """
    found: dict[str, Any] = {}
    for scorer, score in scores.items():
        if not isinstance(score, dict):
            raise ValueError(f"the score of {scorer!r} is no object")
        value = score.get("value")
        named = {f"{scorer}.{key}": item for key, item in value.items()} if isinstance(value, dict) else {scorer: value}
        for name, item in named.items():
            if name in found:
                raise ValueError(f"two scores go by the name {name!r}")
            found[name] = item
    return found
