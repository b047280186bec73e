"""OpenAI Batch files: the same requests at half the price, answered within a day.

Out: one JSON line a request that the store lacks, `custom_id` its key, split where the provider's limits (50,000
requests, 200 MB a file) ask for it. In: the output and error files of a batch; what they answer goes into the store
under the same keys, so that it makes no difference how an answer came.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from tqdm import tqdm

from rsd_bench.records.jsonl import parse_json
from rsd_bench.requests.model import Answer, Request, wire_body
from rsd_bench.requests.prices import Budget
from rsd_bench.requests.reply import CallFailed, parse_completion
from rsd_bench.requests.retry import outcome
from rsd_bench.requests.store import AnswerStore
from rsd_bench.types import InputError, Problem

MAX_REQUESTS, MAX_BYTES = 50_000, 200_000_000
_URL = "/v1/chat/completions"


def write_batch(
    requests: Iterable[Request], answers: AnswerStore, image: Callable[[str], bytes], path: Path
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
                wire_body(request, image),
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


def read_batch(
    paths: Iterable[Path], requests: Iterable[Request], answers: AnswerStore, budget: Budget
) -> Counter[str]:
    """Store the answers of batch output files; return how many ended how. `unknown`: answers to nothing asked here.

    InputError listing every line that is no batch output; nothing of a file with such a line is stored.
    """
    known = {request.key: request for request in requests}
    counts: Counter[str] = Counter()
    for path in paths:
        for answer in _answers(path, known, budget, counts):
            if not answers.has_final(answer.key):
                answers.put(answer)
            counts[answer.status] += 1
    return counts


def _answers(path: Path, known: Mapping[str, Request], budget: Budget, counts: Counter[str]) -> list[Answer]:
    problems: list[Problem] = []
    found: list[Answer] = []
    try:
        lines = path.read_bytes().splitlines()
    except OSError as error:
        raise InputError.at(path, error.strerror or "cannot be read", "name the output file of a batch") from None
    for number, raw in enumerate(lines, 1):
        if not raw.strip():
            continue
        try:
            line = parse_json(raw.decode("utf-8-sig"))
            key, response, failure = line["custom_id"], line.get("response"), line.get("error")
            if not isinstance(key, str) or not (isinstance(response, dict) or failure):
                raise ValueError("needs custom_id, and response or error")
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            what = f"is no line of batch output: {error}"
            problems.append(Problem(f"{path}:{number}", what, "use the file as the provider gave it"))
            continue
        if key not in known:
            counts["unknown"] += 1
            continue
        found.append(_answer(known[key], response, failure, budget))
    if problems:
        raise InputError(problems)
    return found


def _answer(request: Request, response: Any, failure: Any, budget: Budget) -> Answer:
    if failure or response.get("status_code") != 200:
        body = failure or response.get("body")
        said = body.get("error", body) if isinstance(body, dict) else body
        detail = said.get("message") if isinstance(said, dict) else said
        return Answer(request.key, request.model, "error", detail=f"batch: {detail}"[:500])
    try:
        reply = parse_completion(response.get("body"))
    except CallFailed as error:
        return Answer(request.key, request.model, "error", detail=f"batch: {error.what}")
    status, text, detail = outcome(reply)
    answer = Answer(request.key, request.model, status, text, detail, reply.served_model)
    cost = budget.cost(request, reply.input_tokens, reply.output_tokens, reply.text, batch=True)
    return replace(answer, input_tokens=reply.input_tokens, output_tokens=reply.output_tokens, cost_usd=cost)
