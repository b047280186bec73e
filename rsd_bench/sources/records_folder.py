"""The records format: source.json, queries.jsonl, responses.jsonl and images (`rsd-bench schema records`)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from rsd_bench.jsonl import describe, parse_json, read_rows
from rsd_bench.schemas import validator
from rsd_bench.sources.inspect_hint import inspect_hint
from rsd_bench.sources.named_images import image_in
from rsd_bench.sources.source import Judgment, Media, Query, Response, Source, SourceInfo
from rsd_bench.types import InputError, Problem, Report

_FILES = ("source.json", "queries.jsonl", "responses.jsonl")
_VOTE_SCORES = {"win": 10.0, "undecided": 5.0, "loss": 0.0}


def open_records(folder: Path, report: Report) -> Source:
    """Open a records folder. Raises InputError where it is no such folder; faults of rows go to `report`."""
    if not folder.is_dir():
        raise InputError.at(folder, "is not a folder", f"name a records folder, or {inspect_hint(folder)} to see")
    if not any((folder / name).exists() for name in _FILES):
        what = f"is no records folder: it has none of {', '.join(_FILES)}"
        raise InputError.at(folder, what, f"{inspect_hint(folder)} to see which importer reads it")
    info = _read_info(folder, report)
    return Source(info, _queries(folder, info.source, report), _responses(folder, report))


def _read_info(folder: Path, report: Report) -> SourceInfo:
    path = folder / "source.json"
    source = re.sub(r"[^A-Za-z0-9._-]+", "-", folder.resolve().name).strip("-._") or "source"
    try:
        data = parse_json(path.read_bytes().decode("utf-8-sig"))
    except (OSError, ValueError) as error:
        what = error.strerror if isinstance(error, OSError) else str(error)
        report(Problem(str(path), what or "cannot be read", "give name and license: `rsd-bench schema records`"))
        data = {"name": source, "license": "unknown"}
    faults = list(validator("records", "source").iter_errors(data))
    for fault in faults:
        report(Problem(str(path), describe(fault), "see `rsd-bench schema records`"))
    if faults:
        data = {"name": source, "license": "unknown"}
    return SourceInfo(
        source=_source_of_queries(folder) or source,
        name=data["name"],
        license=data["license"],
        redistributable=data.get("redistributable", False),
        repository=data.get("repository", ""),
        commit=data.get("commit", ""),
        notes=data.get("notes", ""),
        score_rule="scores are published on 0-10",
        latency_basis=data.get("latency_basis", "reported"),
    )


def _source_of_queries(folder: Path) -> str | None:
    """The `source` of the first good query; the others must agree with it."""
    rows = read_rows(folder / "queries.jsonl", validator("records", "query"), lambda _: None)
    return next((row.get("source") for _, row in rows), None)


def _queries(folder: Path, source: str, report: Report) -> Iterator[Query]:
    for where, row in read_rows(folder / "queries.jsonl", validator("records", "query"), report):
        if row.get("source", source) != source:
            report(Problem(where, f"source is {row['source']!r}, not {source!r}", "one source a folder"))
            continue
        yield Query(
            where=where,
            query_id=row["query_id"],
            domain=row["domain"],
            group=row.get("group", row["query_id"]),
            question=row["question"],
            reference_answer=row.get("reference_answer"),
            media=(Media("image", partial(image_in, folder, row["image"]), row["image"]),),
        )


def _responses(folder: Path, report: Report) -> Iterator[Response]:
    for where, row in read_rows(folder / "responses.jsonl", validator("records", "response"), report):
        score = None if row["score"] is None else float(row["score"])
        status = row.get("status", "unscored" if score is None else "ok")
        if (status == "ok") != (score is not None):
            fix = "only status ok has a score" if score is not None else "give a score or another status"
            report(Problem(where, f"status {status!r} with score {row['score']}", fix))
            continue
        text = row.get("response")
        text = text[0] if isinstance(text, list) else text
        yield Response(
            where=where,
            query_id=row["query_id"],
            model=row["model"],
            status=status,
            response=text,
            score=score,
            judge=row.get("judge"),
            input_tokens=row.get("prompt_tokens"),
            output_tokens=_token_count(row.get("completion_tokens"), text),
            latency_s=row.get("latency_s"),
            energy_j=row.get("energy_j"),
            energy_basis=row.get("energy_basis"),
            judgments=_judgments(row.get("votes"), row["model"]),
        )


def _token_count(tokens: int | None, text: str | None) -> int | None:
    """A count below the number of words is impossible (a known fault of some logs): unknown, not wrong."""
    return None if tokens is not None and text and tokens < len(text.split()) else tokens


def _judgments(votes: dict[str, Any] | None, model: str) -> tuple[Judgment, ...]:
    """Pairwise verdicts as judge calls: win 10, undecided 5, loss 0, one per presentation order."""
    out = []
    for order, winner in sorted((votes or {}).items()):
        verdict = "win" if winner == model else "undecided" if winner.startswith("undecided") else "loss"
        out.append(Judgment(_VOTE_SCORES[verdict], verdict, order))
    return tuple(out)
