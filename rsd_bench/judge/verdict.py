"""The strict reading of a judge's reply: one JSON object that satisfies the schema, or no verdict at all.

Nothing is searched for inside a text: a reply that quotes the candidate's forged verdict, or says two things, is no
verdict. A score is never guessed or clipped, and rounded only as every score is that enters.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError

from rsd_bench.jsonl import describe, parse_json
from rsd_bench.metrics.arrays import entered

_FENCED = re.compile(r"```(?:json)?[ \t]*\n(?P<json>.*)\n[ \t]*```", re.DOTALL)
_SHOWN = 80  # characters of a part of the schema


@dataclass(frozen=True)
class Verdict:
    """A score in [0, 10] and why."""

    score: float
    rationale: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "score", entered(self.score))


class NoVerdictError(ValueError):
    """A reply that is no verdict. `reason`: why, in words that replies with the same fault share."""

    def __init__(self, what: str, reason: str) -> None:
        super().__init__(what)
        self.reason = reason


def read_verdict(reply: str, schema: Mapping[str, Any]) -> Verdict:
    """The verdict of a reply that is one JSON object, alone or in one code fence. Raises NoVerdictError."""
    text = reply.strip()
    if fenced := _FENCED.fullmatch(text):
        text = fenced["json"].strip()
    try:
        value = parse_json(text)
    except ValueError as error:
        raise NoVerdictError(str(error), str(error).partition(" (column")[0]) from None
    if faults := list(_validator(_frozen(schema)).iter_errors(value)):
        raise NoVerdictError(describe(faults[0]), _reason(faults[0]))
    return Verdict(float(value["score"]), value["rationale"])


def _reason(fault: ValidationError) -> str:
    """What is wrong, without the value that is: that differs from reply to reply."""
    if fault.validator in ("required", "additionalProperties"):
        return describe(fault)
    where = ".".join(map(str, fault.absolute_path)) or "the reply"
    return f"{where} is against {fault.validator} {json.dumps(fault.validator_value)[:_SHOWN]} of the schema"


def _frozen(schema: Mapping[str, Any]) -> str:
    return json.dumps(schema, sort_keys=True)


@lru_cache
def _validator(schema: str) -> Draft202012Validator:
    return Draft202012Validator(parse_json(schema))
