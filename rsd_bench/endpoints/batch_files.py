"""OpenAI Batch files: the same requests at half the price, answered within a day.

Out: one JSON line a request that the store lacks, `custom_id` its key, split where the provider's limits (50,000
requests, 200 MB a file) ask for it. In: the output and error files of a batch; what they answer goes into the store
under the same keys, so that it makes no difference how an answer came.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tqdm import tqdm

from rsd_bench.endpoints.answer_store import AnswerStore
from rsd_bench.endpoints.calls import Answer, Request, wire_body
from rsd_bench.endpoints.media import takes_none
from rsd_bench.endpoints.parse import parse_completion
from rsd_bench.endpoints.prices import Budget
from rsd_bench.endpoints.reply import CallFailed
from rsd_bench.model_names import is_version
from rsd_bench.types import InputError, Problem

MAX_REQUESTS, MAX_BYTES = 50_000, 200_000_000
_URL = "/v1/chat/completions"
_KEY_SHOWN = 12  # digits of a key in a message


def write_batch(
    requests: Iterable[Request], answers: AnswerStore, media: Callable[[str], bytes], path: Path
) -> list[tuple[Path, int]]:
    """Write what the store lacks to `path` (further parts beside it as NAME-2.jsonl ...); return files and lines."""
    files: list[tuple[Path, int]] = []
    written: set[str] = set()
    stream, lines, size = None, 0, 0
    try:
        for request in tqdm(requests, desc="batch file", unit="request", disable=None):
            if request.key in written or answers.has_final(request.key):
                continue
            written.add(request.key)
            line = b'{"custom_id":"%s","method":"POST","url":"%s","body":%s}\n' % (
                request.key.encode(),
                _URL.encode(),
                wire_body(request, media),
            )
            if stream is None or lines == MAX_REQUESTS or size + len(line) > MAX_BYTES:
                if stream:
                    stream.close()
                    files[-1] = (files[-1][0], lines)
                part = path if not files else path.with_stem(f"{path.stem}-{len(files) + 1}")
                stream, lines, size = part.open("wb"), 0, 0
                files.append((part, 0))
            stream.write(line)
            lines, size = lines + 1, size + len(line)
    finally:
        if stream:
            stream.close()
    if files:
        files[-1] = (files[-1][0], lines)
    return files


@dataclass(frozen=True)
class _Line:
    """A line of batch output: what came of the request `key`."""

    where: str
    key: str
    response: Any
    failure: Any

    @property
    def failed(self) -> bool:
        return bool(self.failure) or self.response.get("status_code") != 200

    def outcome(self) -> tuple[str, str | None, str | None] | None:
        """(status, text, detail) as they would be stored; None where the line holds no answer."""
        try:
            reply = None if self.failed else parse_completion(self.response.get("body"))
        except CallFailed:
            return None
        return _as_stored(Answer(self.key, "", *reply.outcome)) if reply else None


def _as_stored(answer: Answer) -> tuple[str, str | None, str | None]:
    return answer.status, answer.text, answer.detail


def read_batch(
    paths: Sequence[Path], requests: Iterable[Request], answers: AnswerStore, budget: Budget
) -> Counter[str]:
    """Store the answers of batch output files; return how many ended how. `unknown`: lines that answer nothing asked.

    What the store holds already, from these files or before, is neither counted nor paid for again; `differs` counts
    lines that answer otherwise than it does. InputError listing every line that is no batch output, and every one that
    answers otherwise than another; then nothing is stored.
    """
    _require_sound(paths)
    known = {request.key: request for request in requests}
    ended: dict[str, str] = {}
    unknown = differs = 0
    for line in _lines(paths, []):
        if line.key not in known:
            unknown += 1
            continue
        held = answers.get(line.key)
        if held and held.final:
            differs += (said := line.outcome()) is not None and said != _as_stored(held)
            continue
        before = budget.spent_usd, budget.estimated
        answer = _answer(known[line.key], line, budget)
        if held and (held.status, held.detail) == (answer.status, answer.detail):
            budget.spent_usd, budget.estimated = before  # the same failure, read again
            continue
        answers.put(answer)
        ended[line.key] = answer.status
    return Counter(ended.values()) + Counter(unknown=unknown, differs=differs)


def _require_sound(paths: Sequence[Path]) -> None:
    """InputError for lines that are none, and for two that answer one request in two ways."""
    problems: list[Problem] = []
    first: dict[str, tuple[str, bytes]] = {}
    for line in _lines(paths, problems):
        if (said := line.outcome()) is None:
            continue
        digest = hashlib.sha256(repr(said).encode("utf-8", "surrogatepass")).digest()
        where, known = first.setdefault(line.key, (line.where, digest))
        if known != digest:
            what = f"answers {line.key[:_KEY_SHOWN]} otherwise than {where}"
            problems.append(Problem(line.where, what, "one request has one answer: give the files of one batch"))
    if problems:
        raise InputError(problems)


def _lines(paths: Sequence[Path], problems: list[Problem]) -> Iterator[_Line]:
    """Every line of batch output. Read as endpoints are, not as records: a text may be anything."""
    for path in paths:
        try:
            lines = path.read_bytes().splitlines()
        except OSError as error:
            raise InputError.at(path, error.strerror or "cannot be read", "name the output file of a batch") from None
        for number, raw in enumerate(lines, 1):
            if not raw.strip():
                continue
            where = f"{path}:{number}"
            try:
                line = json.loads(raw)
                key, response, failure = line["custom_id"], line.get("response"), line.get("error")
                if not isinstance(key, str) or not (isinstance(response, dict) or failure):
                    raise ValueError("needs custom_id, and response or error")
            except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
                what = f"is no line of batch output: {error}"
                problems.append(Problem(where, what, "use the file as the provider gave it"))
                continue
            yield _Line(where, key, response, failure)


def _answer(request: Request, line: _Line, budget: Budget) -> Answer:
    key, model = request.key, request.model
    if line.failed:
        body = line.failure or line.response.get("body")
        said = body.get("error", body) if isinstance(body, dict) else body
        detail = said.get("message") if isinstance(said, dict) else said
        unsupported = takes_none(str(detail), {kind for kind, _ in request.media})
        return Answer(key, model, "unsupported" if unsupported else "error", detail=f"batch: {detail}")
    try:
        reply = parse_completion(line.response.get("body"))
    except CallFailed as error:
        spent = error.reply  # a reply without a text is billed like any other
        cost = budget.cost(request, spent.input_tokens, spent.output_tokens, spent.text, batch=True) if spent else None
        return Answer(key, model, "error", detail=f"batch: {error.what}", cost_usd=cost)
    served = reply.served_model
    if served and not is_version(served, model):
        return Answer(key, model, "error", detail=f"batch: answered by {served}", served_model=served)
    cost = budget.cost(request, reply.input_tokens, reply.output_tokens, reply.text, batch=True)
    tokens = reply.input_tokens, reply.output_tokens
    return Answer(key, model, *reply.outcome, served, *tokens, cost_usd=cost)
