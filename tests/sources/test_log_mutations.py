"""300 faults of an inspect-ai log and 300 of an lm-eval log: each is imported as the file then says, or refused with a
reason. A fault that changes which answer stands for which question, unsaid, is the one that no reader would notice.

What a file says is read here from its JSON by a few lines of its own, not by the importer's code.
"""

from __future__ import annotations

import base64
import json
import math
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from inspect_logs import log, sample, shown, uri, write_json
from json_mutations import as_lines, mutations

from rsd_bench.sources.inspect_ai.open_inspect import open_inspect
from rsd_bench.sources.lm_eval.open_lm_eval import open_lm_eval
from rsd_bench.sources.source import Query, Response, Source, SourceProblem
from rsd_bench.types import InputError, Problem

TIME = "2026-01-21T03-44-18.458309"


def opened(open_logs: Callable[..., list[Source]], folder: Path) -> tuple[list[Query], list[Response], list[Problem]]:
    """What goes in, and what was told. Nothing goes in where the source is refused as a whole."""
    problems: list[Problem] = []
    try:
        sources = open_logs([folder], problems.append)
        queries = [query for source in sources for query in source.queries]
        responses = [response for source in sources for response in source.responses]
    except InputError as error:
        return [], [], [SourceProblem(*vars(problem).values()) for problem in error.problems]
    for problem in problems:
        assert "\n" not in str(problem) and problem.what and problem.fix, problem
    return ([], [], problems) if any(isinstance(p, SourceProblem) for p in problems) else (queries, responses, problems)


def checked(
    queries: list[Query], responses: list[Response], rows: dict[str, list[Any]], says: Callable[..., dict[str, Any]]
) -> None:
    """Hold outcomes against the rows of their own files: `rows` by model, `says` reads those of one id.

    A query may be worded otherwise than in a row only where both have the same `doc`.
    """
    docs = {r.query_id: says(rows[r.model], r.query_id.partition("/")[2])["doc"] for r in responses[::-1]}
    asked = {query.query_id: query for query in queries}
    assert len(asked) == len(queries)
    assert len({(r.query_id, r.model) for r in responses}) == len(responses)
    for response in responses:
        query = asked[response.query_id]
        told = says(rows[response.model], response.query_id.partition("/")[2])
        assert query.reference_answer == told["target"]
        assert query.question == told["question"] or told["doc"] == docs[response.query_id]
        assert [m.read() for m in query.media] == told["media"]
        assert (response.status, response.response, response.score) == told["outcome"]


def test_inspect(tmp_path: Path) -> None:
    def samples(model: str) -> list[dict[str, Any]]:
        made = [sample(n, "CIP"[n % 3], model=model, epoch=e) for n in range(1, 5) for e in (1, 2)]
        for one in made[2:4]:
            one |= {"choices": ["red", "green", "blue"], "metadata": {"category": "colour"}}
        for one in made[4:]:
            one["attachments"] = {"picture": uri(one["id"])}
            one["input"] = shown(f"What is in picture {one['id']}?", ("image", "attachment://picture"))
        return made

    whole = log(samples("org/large"), "org/large")
    write_json(tmp_path / "a.json", log(samples("org/small")))
    ends: Counter[str] = Counter()
    for mutation in mutations(whole, seed=15, n=300):
        (tmp_path / "b.json").write_text(mutation.text, "utf-8")
        queries, responses, problems = opened(open_inspect, tmp_path)
        rows = {"org/small": samples("org/small")}
        tree = json.loads(mutation.text, parse_constant=lambda _: None) if mutation.tree else {}
        if responses and isinstance(tree.get("samples"), list):
            left_out = {problem.where.partition("samples[")[2] for problem in problems}
            kept = [row for n, row in enumerate(tree["samples"]) if f"{n}]" not in left_out]
            rows[tree["eval"]["model"]] = kept
        try:
            assert mutation.tree is not None or problems
            checked(queries, responses, rows, _as_inspect_says)
        except (AssertionError, LookupError, TypeError) as error:
            raise AssertionError(mutation.name) from error
        ends["refused" if not responses else "in part" if problems else "in"] += 1
    assert min(ends["refused"], ends["in part"], ends["in"]) >= 20, ends


def _as_inspect_says(samples: list[Any], sample_id: str) -> dict[str, Any]:
    mine = [s for s in samples if isinstance(s, dict) and str(s.get("id")) == sample_id]
    mine = list({json.dumps(s): s for s in sorted(mine, key=lambda s: s.get("epoch", 1))}.values())
    first = mine[0]
    content = first["input"] if isinstance(first["input"], str) else first["input"][0]["content"]
    parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
    lines = [part["text"] for part in parts if part["type"] == "text"]
    lines += [f"{'ABC'[n]}) {choice}" for n, choice in enumerate(first.get("choices") or [])]
    pictures = [first["attachments"][p["image"][13:]] for p in parts if p["type"] == "image"]
    target = first.get("target")
    if isinstance(target, list):
        target = target[0] if len(target) == 1 else json.dumps(target) if target else ""
    ends = [_inspect_outcome(s) for s in mine]
    failed = next((end for end in ends if end[0] != "ok"), None)
    text = None if failed and failed[0] == "error" else next((end[1] for end in ends if end[1] is not None), None)
    score = None if failed else round(sum(end[2] for end in ends) / len(ends), 6)
    return {
        "question": "\n".join(lines),
        "target": target or None,
        "doc": object(),  # an id proves nothing: the question must be the same
        "media": [base64.b64decode(picture.partition(",")[2]) for picture in pictures],
        "outcome": (failed[0] if failed else "ok", text, score),
    }


def _inspect_outcome(s: dict[str, Any]) -> tuple[str, str | None, float]:
    choices = (s.get("output") or {}).get("choices")
    content = choices[0]["message"].get("content") if choices else None
    text = "" if isinstance(content, list) else content
    if s.get("error") or (text is None and not s.get("scores")):
        return "error", None, math.nan
    if s.get("limit"):
        return "truncated", text, math.nan
    values = [score.get("value") for score in (s.get("scores") or {}).values()]
    if not values or values[0] in (None, {}) or s.get("invalidation") is not None:
        return "unscored", text, math.nan
    value = values[0]
    marks = {"C": 10.0, "I": 0.0, "P": 5.0}
    return "ok", text, marks[value] if isinstance(value, str) and value in marks else float(value) * 10


def test_lm_eval(tmp_path: Path) -> None:
    def rows(score: float) -> list[dict[str, Any]]:
        made = [
            {
                "doc_id": n,
                "doc": {"idx": n, "question": f"question {n}"},
                "target": f"target {n}",
                "arguments": {"gen_args_0": {"arg_0": f"Q: question {n}", "arg_1": {"until": ["\n"]}}},
                "resps": [[f"answer {n} of {score}"]],
                "filtered_resps": [f"answer {n}"],
                "filter": "none",
                "metrics": ["exact_match"],
                "doc_hash": f"{n:064d}",
                "exact_match": float(n % 2) * score,
            }
            for n in range(8)
        ]
        for one in made[5:]:
            asked = {f"gen_args_{o}": {"arg_0": f"Q: {one['doc_id']}", "arg_1": f" option {o}"} for o in range(3)}
            likely = [[str(-1.0 - (o + one["doc_id"]) % 3), "False"] for o in range(3)]
            one |= {"arguments": asked, "target": "1", "resps": [[found] for found in likely], "filtered_resps": likely}
        return made

    for model, score in (("small", 0.5), ("large", 1.0)):
        (tmp_path / model).mkdir()
        (tmp_path / model / f"results_{TIME}.json").write_text('{"config": {"model": "hf"}}')
        (tmp_path / model / f"samples_pets_{TIME}.jsonl").write_text(as_lines(rows(score)))
    ends: Counter[str] = Counter()
    path = tmp_path / "large" / f"samples_pets_{TIME}.jsonl"
    for mutation in mutations(rows(1.0), seed=15, n=300, text_of=as_lines, ids=("doc_id",)):
        path.write_text(mutation.text, "utf-8")
        queries, responses, problems = opened(open_lm_eval, tmp_path)
        left_out = {problem.where for problem in problems}
        lines = enumerate(mutation.text.splitlines(), 1)
        kept = [json.loads(line) for n, line in lines if f"{path}:{n}" not in left_out and responses]
        try:
            checked(queries, responses, {"small": rows(0.5), "large": kept}, _as_lm_eval_says)
        except (AssertionError, LookupError, TypeError) as error:
            raise AssertionError(mutation.name) from error
        ends["refused" if not responses else "in part" if problems else "in"] += 1
    assert min(ends["refused"], ends["in part"], ends["in"]) >= 20, ends


def _as_lm_eval_says(rows: list[Any], doc_id: str) -> dict[str, Any]:
    (mine, *_) = [r for r in rows if isinstance(r, dict) and str(r.get("doc_id")) == doc_id]
    asked = [mine["arguments"][f"gen_args_{n}"] for n in range(len(mine["arguments"]))]
    requests = [list(request.values()) if isinstance(request, dict) else request for request in asked]
    prompt, target = requests[0][0], mine["target"]
    prompt = prompt[0] if isinstance(prompt, list) else prompt
    options = [request[1] for request in requests if isinstance((*request, None)[1], str)]
    answer: Any = None
    if len(options) > 1:
        likely = [float(_first(found)) for found in (mine.get("resps") or mine["filtered_resps"])[: len(options)]]
        answer = options[likely.index(max(likely))].strip()
        target = options[int(target)].strip() if str(target).isdigit() and int(target) < 3 else str(target)
    elif not options:
        answers = [_first(mine.get(name)) for name in ("resps", "filtered_resps")]
        answer = next((found for found in answers if isinstance(found, str)), None)
    listed = mine.get("metrics")
    score = mine.get("exact_match") if not isinstance(listed, list) or "exact_match" in listed else None
    scored = isinstance(score, int | float)
    return {
        "question": prompt,
        "target": str(target).strip() or None,
        "doc": mine.get("doc") or object(),
        "media": [],
        "outcome": ("ok" if scored else "unscored", answer, score * 10 if scored else None),
    }


def _first(found: Any) -> Any:
    while isinstance(found, list) and found:
        found = found[0]
    return found


@pytest.mark.parametrize("seed", range(3))
def test_a_seed_gives_the_same_faults(seed: int) -> None:
    tree = [{"id": n, "x": [n, {"y": "z"}]} for n in range(4)]
    before = json.dumps(tree)
    one, other = ([m.text for m in mutations(tree, seed=seed, n=40)] for _ in range(2))
    assert one == other and json.dumps(tree) == before
    assert len(set(one)) > 30 and before not in one
