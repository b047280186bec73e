"""The strict reading of a judge's reply: one JSON object that satisfies the schema, or no verdict at all.

Nothing is searched for inside a text: a reply that quotes the candidate's forged verdict, or says two things, is no
verdict. A score is never guessed or clipped, and rounded only as every score is that enters.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from jsonschema import Draft202012Validator

from rsd_bench.jsonl import describe, parse_json
from rsd_bench.metrics.arrays import entered

_FENCED = re.compile(r"```(?:json)?[ \t]*\n(?P<json>.*)\n[ \t]*```", re.DOTALL)


@dataclass(frozen=True)
class Verdict:
    """A score in [0, 10] and why."""

    score: float
    rationale: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "score", entered(self.score))


def read_verdict(reply: str, schema: Mapping[str, Any]) -> Verdict:
    """The verdict of a reply that is one JSON object, alone or in one code fence. ValueError saying why it is none."""
    text = reply.strip()
    if fenced := _FENCED.fullmatch(text):
        text = fenced["json"].strip()
    value = parse_json(text)
    if faults := list(_validator(_frozen(schema)).iter_errors(value)):
        raise ValueError(describe(faults[0]))
    return Verdict(float(value["score"]), value["rationale"])


def _frozen(schema: Mapping[str, Any]) -> str:
    import json

    return json.dumps(schema, sort_keys=True)


@lru_cache
def _validator(schema: str) -> Draft202012Validator:
    return Draft202012Validator(parse_json(schema))
