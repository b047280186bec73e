"""What a row of an lmms-eval sample log says: the query it asks, the answer, its tokens and seconds.

    latency_s      preprocess_seconds + generation_seconds
    first_token_s  preprocess_seconds + time_to_first_token_seconds

A client waits for both: generation_seconds (and the time to the first token, its beginning) runs from the call of the
model; preprocess_seconds, of prompt and images, ends before it. A backend that does not count or clock leaves figures
out, or logs 0. The answer: `logged_answer`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from jsonschema import Draft202012Validator

from rsd_bench.config import NO_LATENCY_S, is_latency
from rsd_bench.sources.ids import slug
from rsd_bench.sources.lmms_eval.lmms_eval_media import Wanted, doc_paths, media_names
from rsd_bench.sources.lmms_eval.lmms_eval_pairing import Doc
from rsd_bench.sources.logged_answer import logged_answer

_MOST = 2**53 - 1  # beyond it, a number need not be the one that was written
ROW = Draft202012Validator(
    {
        "type": "object",
        "properties": {
            "doc_id": {"type": ["integer", "string"], "minimum": -_MOST, "maximum": _MOST},
            "doc": {"type": ["object", "null"]},
        },
        "required": ["doc_id", "target"],
        "anyOf": [{"required": ["resps"]}, {"required": ["filtered_resps"]}],
    }
)
_FAILED = "[lmms_eval_request_failed"
_LABELS = ("category", "question_id")


def is_sound(row: Any) -> bool:
    """A quick test that only rows of the schema pass."""
    return (
        isinstance(row, dict)
        and (type(doc_id := row.get("doc_id")) is str or (type(doc_id) is int and abs(doc_id) <= _MOST))
        and isinstance(row.get("doc", {}), dict)
        and "target" in row
        and ("filtered_resps" in row or "resps" in row)
    )


def is_of_lm_eval(row: Mapping[str, Any]) -> bool:
    """Whether a row is one of lm-eval, whose `arguments` are an object."""
    arguments = row.get("arguments")
    return isinstance(arguments, dict) and any(name.startswith("gen_args_") for name in arguments)


def key_of(row: Mapping[str, Any]) -> str:
    """The doc_id as text; 7.0 is 7."""
    doc_id = row["doc_id"]
    return str(int(doc_id) if isinstance(doc_id, float) else doc_id)


def read_doc(where: str, row: Mapping[str, Any]) -> Doc:
    """The query of a row; its question is "" where the row holds no prompt."""
    doc = row.get("doc") or {}
    prompts = (row.get("input"), _innermost(row.get("arguments"), first=True), doc.get("question"))
    target = row["target"]
    return Doc(
        where=where,
        question=next((prompt for prompt in prompts if isinstance(prompt, str) and prompt.strip()), ""),
        target=target if isinstance(target, str) else json.dumps(target, ensure_ascii=False),
        doc_hash=str(row.get("doc_hash") or ""),
        media=media_names(row),
        labels=tuple(
            (f"{name}.{label}", str(value[label]))
            for name, value in row.items()
            if isinstance(value, dict)
            for label in _LABELS
            if isinstance(value.get(label), (str, int)) and value[label] != ""
        ),
    )


def wanted_media(row: Mapping[str, Any]) -> Wanted:
    return Wanted(media_names(row), doc_paths(row))


def domain_of(row: Mapping[str, Any], default: str) -> str:
    """The category of a row, of its document or of a metric."""
    categories = [value.get("category") for value in (row.get("doc"), *row.values()) if isinstance(value, dict)]
    return next((name for c in categories if isinstance(c, str) and (name := slug(c))), default)


def _innermost(value: Any, first: bool = False) -> Any:
    """What lists of one item hold; with `first`, the first item of any list."""
    while isinstance(value, list) and value and (first or len(value) == 1):
        value = value[0]
    return value


def read_answer(row: Mapping[str, Any]) -> tuple[str | None, bool]:
    """What the model said, None where no text of it is logged, and whether it was got at all; ValueError as there.

    One that was not got is "[LMMS_EVAL_REQUEST_FAILED ...", or empty: what API models give after their last retry.
    """
    text, there = logged_answer(row)
    return text, there and (text is None or bool(text.strip() and not text.strip().lower().startswith(_FAILED)))


@dataclass(frozen=True)
class Cost:
    """Tokens and seconds of an answer, as far as they were counted and clocked."""

    input_tokens: int | None
    output_tokens: int | None
    latency_s: float | None
    first_token_s: float | None


def read_cost(row: Mapping[str, Any]) -> Cost:
    """Tokens and seconds of a row. ValueError that says which figure is no number of seconds."""
    counts = _innermost(row.get("token_counts"))
    counts = counts if isinstance(counts, dict) else {}
    before = _seconds(counts, "preprocess_seconds") or 0.0
    whole, first = _seconds(counts, "generation_seconds"), _seconds(counts, "time_to_first_token_seconds")
    latency_s, first_token_s = (None if seconds is None else before + seconds for seconds in (whole, first))
    if not all(is_latency(seconds or 0.0) for seconds in (latency_s, first_token_s)):
        raise ValueError(f"token_counts add up to {max(latency_s or 0, first_token_s or 0):g} seconds")
    return Cost(_tokens(counts, "input_tokens"), _tokens(counts, "output_tokens"), latency_s, first_token_s)


def _tokens(counts: Mapping[str, Any], name: str) -> int | None:
    value = counts.get(name)
    return value if type(value) is int and 0 < value <= _MOST else None


def _seconds(counts: Mapping[str, Any], name: str) -> float | None:
    """A clocked time; None for 0, of what was not clocked."""
    value = counts.get(name)
    if value is None:
        return None
    if type(value) not in (int, float) or not is_latency(value):
        raise ValueError(f"token_counts.{name} is {str(value)[:40]!r}, which is no latency")
    return float(value) if value >= NO_LATENCY_S else None
