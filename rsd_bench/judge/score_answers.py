"""Score the answers of a store: which ones, with which requests, and what the verdicts make of each outcome.

Judged are answers that nobody scored and those that a judge of this package scored; published scores are left alone. K
repeats are K requests that differ in their sample index. The score is the mean of the verdicts; an outcome without any
verdict is `unparseable`, or stays `unscored` where calls failed or are still to be made.

A score of ours gives way to another judge's only when that one is done with the answer, and to the same judge's only
when it has more verdicts: a run that was stopped, or only an estimate, takes no score away.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from rsd_bench.endpoints.answer_store import AnswerStore
from rsd_bench.endpoints.calls import Endpoint, Request, make_request
from rsd_bench.judge.closed import ClosedJudge
from rsd_bench.judge.prompt import JudgePrompt
from rsd_bench.judge.texts import query_texts
from rsd_bench.judge.verdict import Verdict, read_verdict
from rsd_bench.sources.outcomes import JUDGE_PREFIX, Outcome, replace_outcomes, rows_of, scored_by_us
from rsd_bench.sources.store import source_info, sources_in, spread
from rsd_bench.sources.store_images import image_to_send
from rsd_bench.types import InputError, Problem
from rsd_bench.version import __version__

_DIGEST_LENGTH = 8
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

    def image(self, sha256: str) -> bytes:
        """Original bytes of an image of the store. OSError where they are gone or damaged."""
        return image_to_send(self.store, sha256)


def open_scope(store: Path, sources: list[str] | None, models: list[str] | None) -> Scope:
    """InputError where the store lacks a named source, or a named model has no answers."""
    known = sources_in(store)
    problems = [
        Problem(str(store), f"has no source {s!r}", f"use {', '.join(known)}") for s in sources or () if s not in known
    ]
    chosen = sources or known
    if models and not problems:
        there = {row["model"] for name in chosen for row in rows_of(store, name, "responses", ["model"])}
        fix = f"use {', '.join(sorted(there)) or 'generate first'}"
        problems += [Problem(str(store), f"has no answers of {m!r}", fix) for m in models if m not in there]
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


_SCOPE_COLUMNS = ["query_id", "model", "status", "response", "score", "judge"]


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


class Scored(NamedTuple):
    """What a judge made of an outcome. Of the repeats without a verdict, `pending` are still to be asked."""

    status: str
    verdicts: list[tuple[str, Verdict]]  # with the name of the repeat
    missing: int = 0
    pending: int = 0


Score = Callable[[Mapping[str, Any], str, str | None, str], Scored]  # outcome, question, reference, image


def score_by_model(judge: ModelJudge, answers: AnswerStore) -> Score:
    """Verdicts from the answers in the store."""

    def score(row: Mapping[str, Any], question: str, reference: str | None, image: str) -> Scored:
        if not reference:
            return Scored("unscored", [])
        messages = judge.prompt.messages(question, reference, row["response"], image)
        verdicts: list[tuple[str, Verdict]] = []
        pending = 0
        for repeat in range(judge.repeats):
            request: Request | None = judge.request(messages, repeat)
            for _ in range(2):  # the first try, then its repair
                answer = answers.get(request.key) if request else None
                if request and (answer is None or not answer.final):
                    pending += 1  # to be asked, or to be asked again
                    break
                found = _verdict(judge, answer.text) if answer and answer.text else None
                if found:
                    verdicts.append((_REPEAT.format(repeat + 1), found))
                    break
                request = _repair(judge, messages, repeat, answers)
        status = "ok" if verdicts else "unscored" if pending else "unparseable"
        return Scored(status, verdicts, judge.repeats - len(verdicts), pending)

    return score


def score_closed(judge: ClosedJudge) -> Score:
    """Verdicts from a comparison with the reference answer."""

    def score(row: Mapping[str, Any], question: str, reference: str | None, image: str) -> Scored:
        if not reference or not judge.usable(reference):
            return Scored("unscored", [])
        verdict = judge.decide(reference, row["response"], question)
        return Scored("ok", [(_REPEAT.format(1), verdict)]) if verdict else Scored("unparseable", [])

    return score


KEPT = "kept"  # in the counts: outcomes that keep the score of another judge of ours


@dataclass
class Filed:
    """How many judged outcomes ended how, by (model, status); `short`: those with fewer verdicts than repeats."""

    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    short: int = 0


@dataclass
class _Judges:
    """Whose scores a source holds as its outcomes now stand. `filed`: whether any of them took a new verdict."""

    ours: set[str] = field(default_factory=set)
    published: bool = False
    filed: bool = False


def file_scores(scope: Scope, judge: str, score: Score, provenance: Mapping[str, Any]) -> Filed:
    """Write scores and judge calls into the sources."""
    filed = Filed()
    for source in scope.sources:
        judges = _Judges()
        outcomes = _rescored(scope, source, judge, score, filed, judges)
        info = partial(_judging, source_info(scope.store, source), {judge: dict(provenance)}, judges)
        replace_outcomes(scope.store, source, outcomes, info)
    return filed


_LIVE_RULE = "scored live by "


def _judging(held: Mapping[str, Any], provenance: Mapping[str, Any], judges: _Judges) -> dict[str, Any]:
    """Entries of source.json: the judges that outcomes name and no others, and how the scores came about."""
    entries: dict[str, Any] = {}
    if known := held.get("judging", {}) | (provenance if judges.filed else {}):
        entries["judging"] = {name: entry for name, entry in known.items() if name in judges.ours}
    if judges.ours:
        entries["score_rule"] = score_rule(held.get("score_rule", ""), judges.ours, published=judges.published)
    return entries


def score_rule(held: str, ours: Collection[str], *, published: bool) -> str:
    """How scores came about: the imported part of the rule held, where published scores stand, then judges of ours."""
    imported = held.split(_LIVE_RULE)[0].removesuffix("; ") if published else ""
    return "; ".join(filter(None, [imported, _LIVE_RULE + ", ".join(sorted(ours)) if ours else ""]))


def _rescored(scope: Scope, source: str, judge: str, score: Score, filed: Filed, judges: _Judges) -> Iterator[Outcome]:
    """Every outcome of a source, in order, those in scope with their new score where it takes the place of the old."""
    with query_texts(scope.store, source) as texts:
        for row in rows_of(scope.store, source, "responses"):
            calls = None
            if scope.covers(row):
                scored = score(row, *texts(row["query_id"]))
                if _replaces(scored, judge, row):
                    row, calls = _judged(row, judge, scored)
                    judges.filed = judges.filed or bool(calls)
                kept = row["score"] is not None and row["judge"] != judge
                filed.counts[row["model"], KEPT if kept else row["status"]] += 1
                filed.short += bool(scored.verdicts and scored.missing)
            if scored_by_us(row):
                judges.ours.add(row["judge"])
            elif row["score"] is not None:
                judges.published = True
            yield row, calls


def _replaces(scored: Scored, judge: str, row: Mapping[str, Any]) -> bool:
    """Whether what a judge made of an outcome takes the place of the score that it has."""
    if row["score"] is None:
        return scored.status != "unscored"
    if row["judge"] == judge:
        return len(scored.verdicts) > int(row["n_judgments"])
    return bool(scored.verdicts) and not scored.pending


def _judged(row: Mapping[str, Any], judge: str, scored: Scored) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """An outcome with its new score, and its judge calls."""
    given = [verdict.score for _, verdict in scored.verdicts]
    mean = sum(given) / len(given) if given else None
    outcome = {**row, "status": scored.status, "score": mean, "judge": judge if given else None, **spread(given)}
    key = {"query_id": row["query_id"], "model": row["model"], "judge": judge}
    calls = [
        {**key, "repeat": repeat, "score": verdict.score, "verdict": verdict.rationale}
        for repeat, verdict in scored.verdicts
    ]
    return outcome, calls
