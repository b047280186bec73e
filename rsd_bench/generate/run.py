"""Live answers: ask models the queries of a store, and file what they said as outcomes of its sources.

What is sent is the image and the question, nothing else, unless a system prompt is given. Answers live in the store's
request database; the outcomes of a source are put together from it, so a run can stop anywhere and be run again.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

from rsd_bench.records.model import Response
from rsd_bench.records.outcomes import Outcome, replace_outcomes, rows_of
from rsd_bench.records.store import image_path, outcome_row, source_info
from rsd_bench.requests.model import Answer, Endpoint, Request, image_part, make_request, text_part
from rsd_bench.requests.store import AnswerStore
from rsd_bench.version import __version__

PROMPT_VERSION = "generate@1"
_COLUMNS = ["query_id", "question", "image_sha256"]


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
        """The requests of one model, in the order of the store."""
        for source in self.sources:
            for row in islice(rows_of(self.store, source, "queries", _COLUMNS), self.limit):
                yield self.request(model, row)

    def request(self, model: str, row: Mapping[str, Any]) -> Request:
        user = {"role": "user", "content": [image_part(row["image_sha256"]), text_part(row["question"])]}
        system = [{"role": "system", "content": self.system}] if self.system else []
        return make_request(model, [*system, user], self.params, PROMPT_VERSION)

    def image(self, sha256: str) -> bytes:
        """Original bytes of an image of the store."""
        return image_path(self.store, sha256).read_bytes()


def file_outcomes(plan: Plan, answers: AnswerStore) -> Counter[tuple[str, str]]:
    """Write the answers into the sources as outcomes; return how many queries ended how, by (model, status).

    A model whose answers did not change keeps its rows, and with them its scores; another one is unscored until judged.
    """
    counts: Counter[tuple[str, str]] = Counter()
    for source in plan.sources:
        changed: set[str] = set()
        served: dict[str, set[str]] = {}
        for endpoint in plan.endpoints:
            model = endpoint.model
            served[model] = set()
            digest = hashlib.sha256()
            for row, answer in _answered(plan, source, model, answers):
                counts[model, answer.status if answer else "not asked"] += 1
                if answer:
                    digest.update(_identity(row["query_id"], *_status_and_text(answer)))
                    if answer.served_model:
                        served[model].add(answer.served_model)
            if digest.digest() != _held(plan.store, source, model):
                changed.add(model)
        if changed:
            names = sorted(changed)
            info = {"live": source_info(plan.store, source).get("live", {}) | _provenance(plan, changed, served)}
            others = partial(_of_another, names)
            outcomes = _outcomes(plan, source, names, answers)
            replace_outcomes(plan.store, source, outcomes, keep=others, keep_call=others, info=info)
    return counts


def _of_another(models: list[str], row: Mapping[str, Any]) -> bool:
    return row["model"] not in models


def _answered(
    plan: Plan, source: str, model: str, answers: AnswerStore
) -> Iterator[tuple[dict[str, Any], Answer | None]]:
    for row in islice(rows_of(plan.store, source, "queries", _COLUMNS), plan.limit):
        yield row, answers.get(plan.request(model, row).key)


def _status_and_text(answer: Answer) -> tuple[str, str | None]:
    """An answer to be judged is `unscored` in a store until it is; a failure keeps its name and has no text."""
    return ("unscored" if answer.status == "ok" else answer.status), answer.text


def _identity(query_id: str, status: str, text: str | None) -> bytes:
    return repr((query_id, status, text)).encode()


_JUDGED = ("ok", "unparseable")  # what judging makes of an unscored answer


def _held(store: Path, source: str, model: str) -> bytes:
    """Digest of the live outcomes of a model that the store holds, its scores left aside."""
    digest = hashlib.sha256()
    for row in rows_of(store, source, "responses", ["query_id", "model", "status", "response"]):
        if row["model"] == model:
            status = "unscored" if row["status"] in _JUDGED else row["status"]
            digest.update(_identity(row["query_id"], status, row["response"]))
    return digest.digest()


def _outcomes(plan: Plan, source: str, models: list[str], answers: AnswerStore) -> Iterator[Outcome]:
    for model in models:
        for row, answer in _answered(plan, source, model, answers):
            if answer:
                yield outcome_row(_response(row["query_id"], model, answer), model, "measured"), ()


def _response(query_id: str, model: str, answer: Answer) -> Response:
    status, text = _status_and_text(answer)
    return Response(
        where="",
        query_id=query_id,
        model=model,
        status=status,
        response=text,
        input_tokens=answer.input_tokens,
        output_tokens=answer.output_tokens,
        latency_s=answer.latency_s,
        latency_basis="measured",
        energy_j=answer.energy_j,
        energy_basis=answer.energy_basis,
    )


def _provenance(plan: Plan, models: set[str], served: Mapping[str, set[str]]) -> dict[str, Any]:
    """Who answered: the entry `live` of source.json, by model. The key of an endpoint is never part of it."""
    return {
        endpoint.model: {
            "endpoint": endpoint.base_url,
            "served_models": sorted(served[endpoint.model]),
            "hardware": (plan.hardware or {}).get(endpoint.model, ""),
            "parameters": dict(plan.params),
            "prompt": PROMPT_VERSION,
            "system": plan.system,
            "rsd_bench": __version__,
        }
        for endpoint in plan.endpoints
        if endpoint.model in models
    }
