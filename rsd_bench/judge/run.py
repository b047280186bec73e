"""Score the answers of a store: which ones, with which requests, and what the verdicts make of each outcome.

Judged are answers that nobody scored and those that a judge of this package scored; published scores are left alone. K
repeats are K requests that differ in their sample index. The score is the mean of the verdicts; an outcome without any
verdict is `unparseable`, or stays `unscored` where calls failed or are still to be made.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rsd_bench.judge.closed import ClosedJudge
from rsd_bench.judge.prompt import JudgePrompt
from rsd_bench.judge.texts import query_texts
from rsd_bench.judge.verdict import Verdict, read_verdict
from rsd_bench.records.outcomes import Outcome, replace_outcomes, rows_of
from rsd_bench.records.store import image_path, source_info, sources_in, spread
from rsd_bench.requests.model import Endpoint, Request, make_request
from rsd_bench.requests.store import AnswerStore
from rsd_bench.types import InputError, Problem
from rsd_bench.version import __version__

JUDGE_PREFIX = "rsd-bench:"  # of the `judge` of every score that this package gave
_REPEAT = "repeat-{}"


@dataclass(frozen=True)
class ModelJudge:
    """A judge that is a model: K requests an answer, and one repair for each reply that is no verdict."""

    endpoint: Endpoint
    prompt: JudgePrompt
    repeats: int = 1
    structured: bool = True
    params: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return f"{JUDGE_PREFIX}{self.prompt.name}@{self.prompt.version}/{self.endpoint.model}"

    @property
    def request_params(self) -> dict[str, Any]:
        if not self.structured:
            return dict(self.params)
        verdict = {"name": "verdict", "strict": True, "schema": dict(self.prompt.schema)}
        return {**self.params, "response_format": {"type": "json_schema", "json_schema": verdict}}

    def request(self, messages: list[dict[str, Any]], repeat: int) -> Request:
        return make_request(self.endpoint.model, messages, self.request_params, self.prompt.key, repeat)

    def provenance(self) -> dict[str, Any]:
        return {
            "endpoint": self.endpoint.base_url,
            "prompt": self.prompt.key,
            "repeats": self.repeats,
            "structured": self.structured,
            "parameters": dict(self.params),
            "rsd_bench": __version__,
        }


@dataclass(frozen=True)
class Scope:
    """What is judged: the store, its sources, and the models (None: all)."""

    store: Path
    sources: list[str]
    models: Collection[str] | None = None

    def covers(self, row: Mapping[str, Any]) -> bool:
        """Whether an outcome is to be judged: it has a text, and no score but one of ours."""
        ours = row["judge"] is None or row["judge"].startswith(JUDGE_PREFIX)
        return (
            row["status"] in ("ok", "unscored", "unparseable")
            and bool(row["response"])
            and ours
            and (self.models is None or row["model"] in self.models)
        )

    def leaves(self, call: Mapping[str, Any]) -> bool:
        """Whether an old judge call stays: it is not ours, or of a model out of scope."""
        out_of_scope = self.models is not None and call["model"] not in self.models
        return out_of_scope or not (call["judge"] or "").startswith(JUDGE_PREFIX)

    def image(self, sha256: str) -> bytes:
        return image_path(self.store, sha256).read_bytes()


def open_scope(store: Path, sources: list[str] | None, models: list[str] | None) -> Scope:
    """InputError where the store lacks a named source, or a named model has no answers."""
    known = sources_in(store)
    problems = [
        Problem(str(store), f"has no source {s!r}", f"use {', '.join(known)}") for s in sources or () if s not in known
    ]
    chosen = sources or known
    if models and not problems:
        there = {row["model"] for name in chosen for row in rows_of(store, name, "responses", ["model"])}
        mend = f"use {', '.join(sorted(there)) or 'generate first'}"
        problems += [Problem(str(store), f"has no answers of {m!r}", mend) for m in models if m not in there]
    if problems:
        raise InputError(problems)
    return Scope(store, chosen, set(models) if models else None)


def first_requests(judge: ModelJudge, scope: Scope) -> Iterator[Request]:
    """Every first try, in the order of the store."""
    for messages in _messages(judge, scope):
        for repeat in range(judge.repeats):
            yield judge.request(messages, repeat)


def repair_requests(judge: ModelJudge, scope: Scope, answers: AnswerStore) -> Iterator[Request]:
    """The second try of every reply in the store that is no verdict."""
    for messages in _messages(judge, scope):
        for repeat in range(judge.repeats):
            if request := _repair(judge, messages, repeat, answers):
                yield request


def _messages(judge: ModelJudge, scope: Scope) -> Iterator[list[dict[str, Any]]]:
    for source in scope.sources:
        with query_texts(scope.store, source) as texts:
            for row in rows_of(scope.store, source, "responses", _SCOPE_COLUMNS):
                if scope.covers(row):
                    question, reference, image = texts(row["query_id"])
                    if reference:
                        yield judge.prompt.messages(question, reference, row["response"], image)


_SCOPE_COLUMNS = ["query_id", "model", "status", "response", "judge"]


def _repair(judge: ModelJudge, messages: list[dict[str, Any]], repeat: int, answers: AnswerStore) -> Request | None:
    first = answers.get(judge.request(messages, repeat).key)
    if first is None or not first.text or isinstance(_verdict(judge, first.text), Verdict):
        return None
    return judge.request(judge.prompt.repair_messages(messages, first.text), repeat)


def _verdict(judge: ModelJudge, text: str) -> Verdict | None:
    try:
        return read_verdict(text, judge.prompt.schema)
    except ValueError:
        return None


Scored = tuple[str, list[tuple[str, Verdict]]]  # status, and a verdict for each repeat that has one
Score = Callable[[Mapping[str, Any], str, str | None, str], Scored]  # outcome, question, reference, image


def score_by_model(judge: ModelJudge, answers: AnswerStore) -> Score:
    """Verdicts from the answers in the store."""

    def score(row: Mapping[str, Any], question: str, reference: str | None, image: str) -> Scored:
        if not reference:
            return "unscored", []
        messages = judge.prompt.messages(question, reference, row["response"], image)
        verdicts: list[tuple[str, Verdict]] = []
        hopeless = True
        for repeat in range(judge.repeats):
            request: Request | None = judge.request(messages, repeat)
            for _ in range(2):  # the first try, then its repair
                answer = answers.get(request.key) if request else None
                if request and (answer is None or not answer.final):
                    hopeless = False  # still to be asked, or to be asked again
                    break
                found = _verdict(judge, answer.text) if answer and answer.text else None
                if found:
                    verdicts.append((_REPEAT.format(repeat + 1), found))
                    break
                request = _repair(judge, messages, repeat, answers)
        return ("ok" if verdicts else "unparseable" if hopeless else "unscored"), verdicts

    return score


def score_closed(judge: ClosedJudge) -> Score:
    """Verdicts from a comparison with the reference answer."""

    def score(row: Mapping[str, Any], question: str, reference: str | None, image: str) -> Scored:
        if not reference or not judge.usable(reference):
            return "unscored", []
        verdict = judge.decide(reference, row["response"])
        return ("ok", [(_REPEAT.format(1), verdict)]) if verdict else ("unparseable", [])

    return score


def file_scores(scope: Scope, judge: str, score: Score, provenance: Mapping[str, Any]) -> Counter[tuple[str, str]]:
    """Write scores and judge calls into the sources; return how many judged outcomes ended how, by (model, status)."""
    counts: Counter[tuple[str, str]] = Counter()
    for source in scope.sources:
        found = source_info(scope.store, source)
        info = {
            "judging": found.get("judging", {}) | {judge: dict(provenance)},
            "score_rule": _score_rule(scope, source, found.get("score_rule", ""), judge),
        }

        outcomes = _rescored(scope, source, judge, score, counts)
        replace_outcomes(scope.store, source, outcomes, keep=lambda row: False, keep_call=scope.leaves, info=info)
    return counts


_LIVE_RULE = "scored live by "


def _score_rule(scope: Scope, source: str, held: str, judge: str) -> str:
    """How the scores of a source came about: by the rule it came with, live, or both."""
    rows = rows_of(scope.store, source, "responses", ["score", "judge"])
    published = any(row["score"] is not None and not (row["judge"] or "").startswith(JUDGE_PREFIX) for row in rows)
    before = held.split(_LIVE_RULE)[0].removesuffix("; ")
    return f"{before}; {_LIVE_RULE}{judge}" if published and before else f"{_LIVE_RULE}{judge}"


def _rescored(
    scope: Scope, source: str, judge: str, score: Score, counts: Counter[tuple[str, str]]
) -> Iterator[Outcome]:
    """Every outcome of a source, in order, those in scope with their new score."""
    with query_texts(scope.store, source) as texts:
        for row in rows_of(scope.store, source, "responses"):
            if not scope.covers(row):
                yield row, ()
                continue
            status, verdicts = score(row, *texts(row["query_id"]))
            counts[row["model"], status] += 1
            given = [verdict.score for _, verdict in verdicts]
            mean = sum(given) / len(given) if given else None
            yield (
                row | {"status": status, "score": mean, "judge": judge if given else None, **spread(given)},
                [
                    {
                        "query_id": row["query_id"],
                        "model": row["model"],
                        "judge": judge,
                        "repeat": repeat,
                        "score": verdict.score,
                        "verdict": verdict.rationale,
                    }
                    for repeat, verdict in verdicts
                ],
            )
