"""Live answers: ask models the queries of a store, and file what they said as outcomes of its sources.

What is sent are the media of a query in their order, then its question, nothing else, unless a system prompt is given.
A query whose media cannot be sent is asked of nobody, and its outcomes say why. Answers live in the store's request
database; the outcomes of a source are put together from it, so a run can stop anywhere and be run again.

Only a final answer takes the place of an answer, query by query: a run that was stopped, limited or only an estimate
leaves all others as they are, with their scores. Where outcomes of a model stem from several settings after that, its
entry `live` in source.json says so.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

from rsd_bench.config import UNSUPPORTED
from rsd_bench.endpoints.answer_store import AnswerStore
from rsd_bench.endpoints.calls import Answer, Endpoint, Request, make_request, user_content
from rsd_bench.endpoints.media import HEAD, why_unsent
from rsd_bench.sources.source import UNSENT, Response
from rsd_bench.sources.store.outcomes import Outcome, replace_outcomes
from rsd_bench.sources.store.store_media import content_to_send, head_of, media_of
from rsd_bench.sources.store.store_tables import outcome_row, rows_of, source_info
from rsd_bench.types import InputError, Problem
from rsd_bench.version import __version__

PROMPT_VERSION = "generate@1"
_COLUMNS = ["query_id", "question", "modality", "media", "image_sha256"]


@dataclass(frozen=True)
class Plan:
    """Which queries (`limit`: the first so many of each source) go to which models, asked how."""

    store: Path
    sources: list[str]
    endpoints: list[Endpoint]
    params: Mapping[str, Any]
    system: str = ""
    hardware: Mapping[str, str] | None = None  # model -> note
    limit: int | None = None

    def requests(self, model: str) -> Iterator[Request]:
        """The requests of one model, in the order of the store; none of a query that cannot be sent."""
        for row in self._asked():
            if not self.why_unsent(row):
                yield self.request(model, row)

    def _asked(self) -> Iterator[dict[str, Any]]:
        for source in self.sources:
            yield from islice(rows_of(self.store, source, "queries", _COLUMNS), self.limit)

    def why_unsent(self, row: Mapping[str, Any]) -> str:
        """Why a query is asked of nobody; "" where it can be sent."""
        return why_unsent(row["modality"], _contents(row), partial(head_of, self.store, size=HEAD))

    def unsent(self) -> Counter[str]:
        """How many queries are asked of nobody, by reason."""
        return Counter(filter(None, map(self.why_unsent, self._asked())))

    def request(self, model: str, row: Mapping[str, Any]) -> Request:
        """The request of a query that can be sent."""
        user = {"role": "user", "content": user_content(_contents(row), row["question"])}
        system = [{"role": "system", "content": self.system}] if self.system else []
        return make_request(model, [*system, user], self.params, PROMPT_VERSION)

    def media(self, sha256: str) -> bytes:
        """Original bytes of a medium of the store. OSError where they are gone or damaged."""
        return content_to_send(self.store, sha256)


def _contents(row: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [(item["kind"], item["sha256"]) for item in media_of(row)]


def require_live(plan: Plan) -> None:
    """InputError naming each model with imported outcomes: live ones would take their place, and nothing keeps them."""
    problems: list[Problem] = []
    for source in plan.sources:
        info = source_info(plan.store, source)
        imported = info["models"].keys() - info.get("live", {}).keys()
        fix = "import them under another id, or name the live model otherwise"
        problems += [
            Problem(f"{plan.store}: {source}", f"holds published outcomes of {endpoint.model!r}", fix)
            for endpoint in plan.endpoints
            if endpoint.model in imported
        ]
    if problems:
        raise InputError(problems)


@dataclass(frozen=True)
class _Standing:
    """A model on a query: the outcome that the store holds, the answer to this plan, and the outcome from here on."""

    held: dict[str, Any] | None
    answer: Answer | None
    outcome: dict[str, Any] | None
    asked: bool  # within the limit of the plan

    @property
    def changed(self) -> bool:
        return self.outcome != self.held

    @property
    def calls(self) -> tuple[()] | None:
        """None: the judge calls of the outcome stay. One that lost its score has none."""
        lost = self.held and self.outcome and self.outcome["score"] is None and self.held["score"] is not None
        return () if lost else None


@dataclass
class _Survey:
    """Of the outcomes of a model: how many there are, changed, and answer this plan; and who was served for those."""

    outcomes: int = 0
    changed: int = 0
    final: int = 0
    served: set[str] = field(default_factory=set)


def file_outcomes(plan: Plan, answers: AnswerStore) -> Counter[tuple[str, str]]:
    """Write the answers into the sources as outcomes; return how many queries ended how, by (model, status).

    An outcome whose text came out the same keeps its score; another one is unscored until judged.
    """
    counts: Counter[tuple[str, str]] = Counter()
    for source in plan.sources:
        before = source_info(plan.store, source).get("live", {})
        live, changed = dict(before), []
        for endpoint in plan.endpoints:
            survey = _survey(plan, source, endpoint.model, answers, counts)
            if survey.changed:
                changed.append(endpoint.model)
            if entry := _provenance(plan, endpoint, before.get(endpoint.model), survey):
                live[endpoint.model] = entry
        if changed or live != before:
            replace_outcomes(
                plan.store, source, _outcomes(plan, source, sorted(changed), answers), partial(dict, live=live)
            )
    return counts


def served_models(plan: Plan) -> dict[str, list[str]]:
    """Under which names the models of a plan answered what their outcomes in the store hold."""
    live = [source_info(plan.store, source).get("live", {}) for source in plan.sources]
    return {
        model: sorted({name for entries in live if model in entries for name in entries[model]["served_models"]})
        for model in (endpoint.model for endpoint in plan.endpoints)
    }


def _survey(plan: Plan, source: str, model: str, answers: AnswerStore, counts: Counter[tuple[str, str]]) -> _Survey:
    survey = _Survey()
    for standing in _standings(plan, source, model, answers):
        answer = standing.answer
        if standing.asked:
            counts[model, answer.status if answer else "not asked"] += 1
        survey.outcomes += standing.outcome is not None
        survey.changed += standing.changed
        if answer and answer.final:
            survey.final += 1
            if answer.served_model:
                survey.served.add(answer.served_model)
    return survey


def _outcomes(plan: Plan, source: str, models: list[str], answers: AnswerStore) -> Iterator[Outcome]:
    """Every outcome of a source, those of `models` last."""
    for row in rows_of(plan.store, source, "responses"):
        if row["model"] not in models:
            yield row, None
    for model in models:
        for standing in _standings(plan, source, model, answers):
            if standing.outcome:
                yield standing.outcome, standing.calls


def _standings(plan: Plan, source: str, model: str, answers: AnswerStore) -> Iterator[_Standing]:
    """A model on every query, in the order of the store: live outcomes are filed in that order too."""
    rows = (row for row in rows_of(plan.store, source, "responses") if row["model"] == model)
    following = next(rows, None)
    for position, query in enumerate(rows_of(plan.store, source, "queries", _COLUMNS)):
        held = None
        if following and following["query_id"] == query["query_id"]:
            held, following = following, next(rows, None)
        asked = plan.limit is None or position < plan.limit
        answer = _answer(plan, model, query, answers) if asked else None
        yield _Standing(held, answer, _outcome(query["query_id"], model, held, answer), asked)
    if following:
        where = f"{plan.store}: {source}"
        raise InputError.at(where, f"outcomes of {model!r} are not in the order of the queries", "name a new STORE")


def _answer(plan: Plan, model: str, query: Mapping[str, Any], answers: AnswerStore) -> Answer | None:
    if why := plan.why_unsent(query):
        return Answer("", model, UNSENT, detail=why, attempts=0)
    return answers.get(plan.request(model, query).key)


def _outcome(query_id: str, model: str, held: dict[str, Any] | None, answer: Answer | None) -> dict[str, Any] | None:
    if answer is None or (held and not answer.final and not _gives_way(held["status"], answer.status)):
        return held
    row = outcome_row(_response(query_id, model, answer), model, "measured")
    if held and held["status"] in _JUDGEABLE and answer.status == "ok" and held["response"] == answer.text:
        row |= {name: held[name] for name in _VERDICT}
    return row


def _gives_way(held: str, new: str) -> bool:
    """Whether an outcome without an answer takes the place of another: an error says nothing of what a model takes."""
    return held in ("error", UNSENT) or (held == UNSUPPORTED and new != "error")


_JUDGEABLE = ("unscored", "ok", "unparseable")  # an answer with a text, before and after judging
_VERDICT = ("status", "score", "judge", "n_judgments", "score_std")


def _response(query_id: str, model: str, answer: Answer) -> Response:
    return Response(
        where=f"answer of {model} to {query_id}",
        query_id=query_id,
        model=model,
        status="unscored" if answer.status == "ok" else answer.status,  # a failure keeps its name and has no text
        response=answer.text,
        input_tokens=answer.input_tokens,
        output_tokens=answer.output_tokens,
        latency_s=answer.latency_s,
        latency_basis="measured",
        first_token_s=answer.first_token_s,
        cost_usd=answer.cost_usd,
        energy_j=answer.energy_j,
        energy_basis=answer.energy_basis,
        detail=answer.detail,
    )


_REQUEST = ("parameters", "prompt", "system")
_SETTING = (*_REQUEST, "hardware")


def _provenance(plan: Plan, endpoint: Endpoint, held: dict[str, Any] | None, survey: _Survey) -> dict[str, Any] | None:
    """Who answered: the entry of a model in `live` of source.json; `held` where nothing of this plan stands.

    `earlier`: the settings that outcomes which are not of this plan may stem from. The requests tell which those are;
    where only the place differs, what did not change is of the earlier one, its latencies with it. The key of an
    endpoint is never part of it.
    """
    new: dict[str, Any] = {
        "endpoint": endpoint.base_url,
        "served_models": sorted(survey.served),
        "hardware": (plan.hardware or {}).get(endpoint.model, ""),
        "parameters": dict(plan.params),
        "prompt": PROMPT_VERSION,
        "system": plan.system,
        "rsd_bench": __version__,
    }
    if held is None:
        return new if survey.outcomes else None
    same_requests = _same(held, new, _REQUEST)
    same_place = held["endpoint"] == new["endpoint"] and (
        held["hardware"] == new["hardware"] or not (held["hardware"] and new["hardware"])
    )
    if not (survey.changed if same_requests and not same_place else survey.final):
        return held
    if same_place:
        new["hardware"] = new["hardware"] or held["hardware"]
    if survey.final < survey.outcomes:
        new["served_models"] = sorted(survey.served | set(held["served_models"]))
    before = [] if same_requests and same_place else [{name: held[name] for name in _SETTING}]
    earlier: list[dict[str, Any]] = []
    for entry in [*before, *held.get("earlier", [])]:
        ours = survey.changed if _same(entry, new, _REQUEST) else survey.final
        if ours < survey.outcomes and entry not in earlier and not _same(entry, new, _SETTING):
            earlier.append(entry)
    return new | {"earlier": earlier} if earlier else new


def _same(entry: Mapping[str, Any], other: Mapping[str, Any], names: tuple[str, ...]) -> bool:
    return all(entry[name] == other[name] for name in names)
