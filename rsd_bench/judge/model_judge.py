"""A judge that is a model: which answers it judges, and with which requests.

Judged are answers that nobody scored and those that a judge of this package scored; published scores are left alone. K
repeats are K requests that differ in their sample index.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rsd_bench.config import load_aliases
from rsd_bench.endpoints.answer_store import AnswerStore
from rsd_bench.endpoints.calls import Endpoint, Request, make_request
from rsd_bench.judge.prompt import JudgePrompt
from rsd_bench.judge.texts import QueryTexts, query_texts
from rsd_bench.judge.verdict import NoVerdictError, Verdict, read_verdict
from rsd_bench.model_names import find_model
from rsd_bench.sources.store.store_media import content_to_send
from rsd_bench.sources.store.store_tables import JUDGE_PREFIX, rows_of, scored_by_us, sources_in
from rsd_bench.types import InputError, Problem
from rsd_bench.version import __version__

_DIGEST_LENGTH = 8


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
        """Two judges have one name only where they ask the same: prompt files, model and parameters."""
        asked = json.dumps([self.prompt.key, self.request_params], sort_keys=True)
        digest = hashlib.sha256(asked.encode()).hexdigest()[:_DIGEST_LENGTH]
        return f"{JUDGE_PREFIX}{self.prompt.name}@{self.prompt.version}:{digest}/{self.endpoint.model}"

    @property
    def request_params(self) -> dict[str, Any]:
        if not self.structured:
            return dict(self.params)
        verdict = {"name": "verdict", "strict": True, "schema": dict(self.prompt.schema)}
        return {**self.params, "response_format": {"type": "json_schema", "json_schema": verdict}}

    def request(self, messages: list[dict[str, Any]], repeat: int) -> Request:
        return make_request(self.endpoint.model, messages, self.request_params, self.prompt.key, repeat)

    def messages(self, texts: QueryTexts, candidate: str) -> list[dict[str, Any]] | None:
        """What the judge reads about an answer; None where it is not asked: no reference, media it cannot be shown."""
        if not texts.reference or self.unsent(texts):
            return None
        return self.prompt.messages(texts.question, texts.reference, candidate, texts.media)

    def unsent(self, texts: QueryTexts) -> str:
        """Why the judge cannot be shown a query that its prompt shows; "" where it can."""
        return texts.unsent if self.prompt.image else ""

    def verdict(self, text: str) -> Verdict | None:
        """The verdict of a reply; None where it is none."""
        try:
            return read_verdict(text, self.prompt.schema)
        except NoVerdictError:
            return None

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
        return (
            row["status"] in ("ok", "unscored", "unparseable")
            and bool(row["response"])
            and (row["score"] is None or scored_by_us(row))
            and (self.models is None or row["model"] in self.models)
        )

    def media(self, sha256: str) -> bytes:
        """Original bytes of a medium of the store. OSError where they are gone or damaged."""
        return content_to_send(self.store, sha256)


def open_scope(store: Path, sources: list[str] | None, models: list[str] | None) -> Scope:
    """InputError where the store lacks a named source, or a named model has no answers."""
    known = sources_in(store)
    problems = [
        Problem(str(store), f"has no source {s!r}", f"use {', '.join(known)}") for s in sources or () if s not in known
    ]
    chosen = sources or known
    if problems:
        raise InputError(problems)
    return Scope(store, chosen, set(answering_models(store, chosen, models)) if models else None)


def answering_models(store: Path, sources: Iterable[str], asked: Sequence[str]) -> list[str]:
    """Canonical ids of the models that `asked` means, in order. InputError where one has no answers in the sources."""
    scores: Counter[str] = Counter()
    for name in sources:
        for row in rows_of(store, name, "responses", ["model", "score"]):
            scores[row["model"]] += row["score"] is not None
    aliases, problems, meant = load_aliases(), [], []
    for name in asked:
        try:
            meant.append(find_model(name, scores, aliases))
        except ValueError as error:
            problems.append(Problem(str(store), str(error), "name a model that answered, or `generate` first"))
    if problems:
        raise InputError(problems)
    return meant


def first_requests(judge: ModelJudge, scope: Scope) -> Iterator[Request]:
    """Every first try, in the order of the store."""
    for messages in messages_of(judge, scope):
        for repeat in range(judge.repeats):
            yield judge.request(messages, repeat)


def repair_requests(judge: ModelJudge, scope: Scope, answers: AnswerStore) -> Iterator[Request]:
    """The second try of every reply in the store that is no verdict."""
    for messages in messages_of(judge, scope):
        for repeat in range(judge.repeats):
            if request := repair_of(judge, messages, repeat, answers):
                yield request


def messages_of(judge: ModelJudge, scope: Scope) -> Iterator[list[dict[str, Any]]]:
    """What the judge reads about each answer in scope, in the order of the store."""
    for source in scope.sources:
        with query_texts(scope.store, source) as texts:
            for row in rows_of(scope.store, source, "responses", _SCOPE_COLUMNS):
                if scope.covers(row) and (messages := judge.messages(texts(row["query_id"]), row["response"])):
                    yield messages


_SCOPE_COLUMNS = ["query_id", "model", "status", "response", "score", "judge"]


def repair_of(judge: ModelJudge, messages: list[dict[str, Any]], repeat: int, answers: AnswerStore) -> Request | None:
    """The second try where the store holds a first reply that is no verdict."""
    first = answers.get(judge.request(messages, repeat).key)
    if first is None or not first.text or judge.verdict(first.text):
        return None
    return judge.request(judge.prompt.repair_messages(messages, first.text), repeat)
