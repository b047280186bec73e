"""Replies of a judge that are no verdict: why, with an example, and a way to have them asked for again.

A judge whose replies lack one key scores nothing, and its replies are final: no later run would ask for them. `reopen`
makes them failures that are asked for again, once the server is mended; what they cost stays in the total.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from rsd_bench.endpoints.answer_store import AnswerStore
from rsd_bench.endpoints.calls import Answer
from rsd_bench.judge.model_judge import ModelJudge, Scope, messages_of, repair_of
from rsd_bench.judge.verdict import NoVerdictError, read_verdict

_SHOWN = 300  # characters of a reply


class Commonest(NamedTuple):
    """The reason that most replies share, and one of them."""

    reason: str
    replies: int
    example: str


@dataclass
class Unread:
    """Why replies are no verdict, counted, with the first reply of each reason."""

    reasons: Counter[str] = field(default_factory=Counter)
    _examples: dict[str, str] = field(default_factory=dict)

    def add(self, found: Iterable[tuple[str, str]]) -> None:
        """found: (reason, reply) pairs."""
        for reason, reply in found:
            self.reasons[reason] += 1
            self._examples.setdefault(reason, reply[:_SHOWN])

    @property
    def commonest(self) -> Commonest | None:
        for reason, replies in self.reasons.most_common(1):
            return Commonest(reason, replies, self._examples[reason])
        return None


def why_no_verdict(judge: ModelJudge, answer: Answer) -> tuple[str, str]:
    """(reason, reply) of a final answer that is no verdict."""
    if answer.status != "ok" or not answer.text:
        return f"the judge's reply was {answer.status}", answer.text or answer.detail or ""
    try:
        read_verdict(answer.text, judge.prompt.schema)
    except NoVerdictError as error:
        return error.reason, answer.text
    raise ValueError("the reply is a verdict")


def reopen(judge: ModelJudge, scope: Scope, answers: AnswerStore) -> int:
    """Have every judgment asked for again whose first reply and repair are no verdict; return how many those are."""
    reopened: set[str] = set()
    for messages in messages_of(judge, scope):
        for repeat in range(judge.repeats):
            request = judge.request(messages, repeat)
            first, repair = answers.get(request.key), repair_of(judge, messages, repeat, answers)
            second = answers.get(repair.key) if repair else None
            last = second if repair else first
            if request.key in reopened or not last or not last.final or (last.text and judge.verdict(last.text)):
                continue  # asked for a verdict already, or still to be asked
            reopened.add(request.key)
            for answer in filter(None, (first, second)):
                answers.reopen(answer.key, f"no verdict: {why_no_verdict(judge, answer)[0]}")
    return len(reopened)
