"""A row of an lm-eval sample log: what was asked and what the model answered, in every layout of `arguments`.

    "arguments": {"gen_args_0": {"arg_0": PROMPT, "arg_1": SETTINGS or CONTINUATION}, "gen_args_1": ...}
    "arguments": [[PROMPT, SETTINGS or CONTINUATION], ...]                      before 2024-07

One request with settings is a prompt that the model answered freely. Several with a continuation each are the options
of a multiple-choice question, of which the model is asked how likely each is: its answer is the likeliest, the one
with the highest likelihood a character where the score is `acc_norm`. Where the contexts differ and not the
continuations (winogrande), the model chose among wordings of the question, and no option is its answer.

A prompt may be chat messages, as a list or as JSON in a text; it is as the model saw it, few-shot examples included.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from rsd_bench.sources.logged_answer import logged_answer
from rsd_bench.sources.source import MEDIA_KINDS, modality_of

_REQUEST = re.compile(r"(?:gen_args_|arg_)?(\d+)")
_VISUAL = {"visual": "image", "image_url": "image", "image": "image", "input_audio": "audio"}


@dataclass(frozen=True)
class Row:
    """A sample under one filter. `modality` is not "text" where the log tells of media, which it never holds.

    text: the answer as it was written, None of a question with options. is_answered: whether anything stands there.
    """

    where: str
    doc_id: str
    filter: str
    question: str
    target: str
    modality: str
    doc: Mapping[str, Any]
    options: tuple[str, ...]
    likelihoods: tuple[float, ...]
    text: str | None
    is_answered: bool = True

    @property
    def proof(self) -> bytes | None:
        """A digest of the dataset's own row, where the log has it: equal ones are one query, however it was worded."""
        return sha256(json.dumps(self.doc, sort_keys=True).encode()).digest() if self.doc else None

    @property
    def prompt(self) -> bytes:
        return sha256(self.question.encode()).digest()

    @property
    def answer(self) -> bytes:
        """A digest of the target and of the options that it is one of: neither is worded per model."""
        return sha256(json.dumps([self.target, self.options]).encode()).digest()

    @property
    def reference(self) -> str | None:
        """The target as a text; of a multiple-choice question the option that it numbers."""
        text = self.target.strip()
        if not self.options:
            return text or None
        numbered = self.options[int(text)] if text.isdecimal() and int(text) < len(self.options) else None
        if numbered is None or text not in self.options or numbered == text:
            return numbered or text or None
        return None  # "2" of the options 1, 2, 3: the number of an option, or an option

    def response(self, metric: str) -> str | None:
        """The answer that a metric scored; None where the log holds no text of it."""
        if not self.options:
            return self.text
        lengths = [len(option) or 1 for option in self.options]
        of = (
            [ll / n for ll, n in zip(self.likelihoods, lengths, strict=True)]
            if metric == "acc_norm"
            else self.likelihoods
        )
        return self.options[max(range(len(of)), key=of.__getitem__)]


def read_row(where: str, row: Mapping[str, Any]) -> Row:
    """Raises ValueError that says what is wrong where it cannot be told what was asked or answered."""
    requests = _requests(row["arguments"])
    doc = row.get("doc") or {}
    kinds: set[str] = set()
    prompts = [_prompt(request[0], kinds) for request in requests]
    kinds |= {
        kind for request in requests for part in request[1:] if isinstance(part, dict) for kind in _media_in(part)
    }
    said = list(dict.fromkeys(prompt for prompt in prompts if prompt.strip()))  # mutual information asks with none too
    if not said:
        raise ValueError("arguments hold no prompt")
    target = row["target"]
    continuations = [request[1] if len(request) > 1 else None for request in requests]
    likely = [text for text in continuations if isinstance(text, str)]
    if likely and len(likely) < len(requests):
        raise ValueError("arguments lack the continuation of a request")
    if len(said) > 1 and len(set(likely)) > 1:
        raise ValueError("arguments differ in the question and in how it goes on")
    options: tuple[str, ...] = ()
    likelihoods: tuple[float, ...] = ()
    text, is_answered = None, True
    if len(likely) > 1 and len(said) == 1:
        chosen = [index for index, prompt in enumerate(prompts) if prompt.strip()]
        options = tuple(likely[index].strip() for index in chosen)
        likelihoods = tuple(_likelihood(row, index) for index in chosen)
    elif not likely and len(said) == 1:
        text, is_answered = logged_answer(row, repeats=True)
    return Row(
        where=where,
        doc_id=str(row["doc_id"]),
        filter=str(row.get("filter", "none")),
        question="\n".join(said),
        target=target if isinstance(target, str) else str(target),  # as lm-eval writes it since 2024-07
        modality=modality_of(kinds),
        doc=doc if isinstance(doc, dict) else {},
        options=options,
        likelihoods=likelihoods,
        text=text,
        is_answered=is_answered,
    )


def _requests(arguments: Any) -> list[list[Any]]:
    """The requests of a row in their order, each as a list of arguments."""
    requests = [_in_order(request) for request in _in_order(arguments)]
    if not requests or not all(requests):
        raise ValueError("arguments hold no request")
    return requests


def _in_order(held: Any) -> list[Any]:
    """A list, or the values of an object in the order of their numbers."""
    if isinstance(held, list):
        return held
    if not isinstance(held, dict):
        raise ValueError("arguments are neither an object nor a list of requests")
    numbers = {name: _REQUEST.fullmatch(name) for name in held}
    if not all(numbers.values()):
        raise ValueError(f"arguments hold {next(n for n, m in numbers.items() if not m)[:40]!r}, which is no request")
    order = {name: int(match[1]) for name, match in numbers.items() if match}
    if sorted(order.values()) != list(range(len(order))):
        raise ValueError("arguments lack a request, or part of one")
    return [held[name] for name in sorted(held, key=order.__getitem__)]


def _prompt(prompt: Any, kinds: set[str]) -> str:
    """A prompt as text; what media its messages have goes to `kinds`."""
    if isinstance(prompt, list) and len(prompt) == 1 and isinstance(prompt[0], str):
        prompt = prompt[0]
    if isinstance(prompt, str):
        messages = _messages(prompt)
        if messages is None:
            return prompt
    else:
        messages = prompt
    if not isinstance(messages, list) or not all(isinstance(message, dict) for message in messages):
        raise ValueError("a prompt is neither a text nor messages")
    texts = [_content(message.get("content"), kinds) for message in messages]
    if len(messages) == 1:
        return texts[0]
    return "\n\n".join(f"{message.get('role')}: {text}" for message, text in zip(messages, texts, strict=True))


def _messages(text: str) -> Any:
    """Chat messages that a text holds as JSON; None where it is a plain text."""
    if not text.startswith("[{"):
        return None
    try:
        messages = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return messages if all(isinstance(m, dict) and "role" in m and "content" in m for m in messages) else None


def _content(content: Any, kinds: set[str]) -> str:
    parts = content if isinstance(content, list) else [{"type": "text", "text": content}]
    texts = []
    for part in parts:
        kind = part.get("type") if isinstance(part, dict) else None
        if kind == "text" and isinstance(part.get("text"), str):
            texts.append(part["text"])
        elif kind in _VISUAL:
            kinds.add(_VISUAL[kind])
        else:
            raise ValueError(f"a message holds {str(kind)[:40]!r}, which is no text")
    return "\n".join(texts)


def _media_in(settings: Mapping[str, Any]) -> set[str]:
    """The media that go with a prompt: `visual`, `audio` ... beside its settings."""
    named = {_VISUAL.get(name, name) for name, value in settings.items() if value}
    return named.intersection(MEDIA_KINDS)


def _likelihood(row: Mapping[str, Any], index: int) -> float:
    """Of a request's continuation; written as a number or as text."""
    answers = row.get("resps") or row["filtered_resps"]
    value = answers[index] if isinstance(answers, list) and index < len(answers) else None
    while isinstance(value, list) and value:
        value = value[0]
    try:
        found = float(value) if isinstance(value, int | float | str) and not isinstance(value, bool) else math.nan
    except (ValueError, OverflowError):
        found = math.nan
    if not math.isfinite(found):
        raise ValueError(f"resps hold no likelihood of option {index}")
    return found
