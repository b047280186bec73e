"""The records format: source.json, queries.jsonl, responses.jsonl and images (`rsd-bench schema records`)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from rsd_bench.jsonl import describe, parse_json, read_rows
from rsd_bench.metrics.arrays import entered
from rsd_bench.schemas import validator
from rsd_bench.sources.named_media import image_in, media_in, require_no_way_out
from rsd_bench.sources.source import (
    TEXT,
    Judgment,
    Media,
    Query,
    Response,
    Source,
    SourceInfo,
    SourceProblem,
    VariantScores,
    modality_of,
)
from rsd_bench.types import InputError, Problem, Report

_VOTE_SCORES = {"win": 10.0, "undecided": 5.0, "loss": 0.0}


def open_records(folder: Path, report: Report) -> Source:
    """Open a records folder. Raises InputError where it is no such folder; faults of rows go to `report`."""
    if not folder.is_dir():
        raise InputError.at(folder, "is not a folder", "name a folder with source.json, queries.jsonl, responses.jsonl")
    info = _read_info(folder, report)
    return Source(info, _queries(folder, info.source, report), _responses(folder, report), _variants(folder, report))


def _read_info(folder: Path, report: Report) -> SourceInfo:
    path = folder / "source.json"
    source = re.sub(r"[^A-Za-z0-9._-]+", "-", folder.resolve().name).strip("-._") or "source"
    try:
        data = parse_json(path.read_bytes().decode("utf-8-sig"))
    except (OSError, ValueError) as error:
        what = error.strerror if isinstance(error, OSError) else str(error)
        report(SourceProblem(str(path), what or "cannot be read", "give name and license: `rsd-bench schema records`"))
        data = {"name": source, "license": "unknown"}
    faults = list(validator("records", "source").iter_errors(data))
    for fault in faults:
        report(SourceProblem(str(path), describe(fault), "see `rsd-bench schema records`"))
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
        media = tuple(_media(folder, row))
        if what := _media_fault(row, media):
            report(Problem(where, f"query {row['query_id']!r} {what}", "see `rsd-bench schema records`"))
            continue
        yield Query(
            where=where,
            query_id=row["query_id"],
            domain=row["domain"],
            group=row.get("group", row["query_id"]),
            question=row["question"],
            reference_answer=row.get("reference_answer"),
            media=media,
            modality="" if media else row.get("modality") or "",
        )


def _media(folder: Path, row: dict[str, Any]) -> Iterator[Media]:
    """The media that a query names: its images in order, then sound, then video."""
    for kind, key in (("image", "image"), ("image", "images"), ("audio", "audio"), ("video", "video")):
        named = row.get(key) or []
        for name in [named] if isinstance(named, str) else named:
            require_no_way_out(folder, name)
            read = image_in if kind == "image" else media_in
            yield Media(kind, partial(read, folder, name), name)


def _media_fault(row: dict[str, Any], media: tuple[Media, ...]) -> str:
    """What is wrong with how a query states its media, in words; "" where nothing is."""
    stated, given = row.get("modality"), modality_of(item.kind for item in media)
    known = stated is None or stated == modality_of(stated.split("+"))
    if row.get("image") and row.get("images"):
        return "has both image and images: name all in images"
    if media and row.get("media_available") is False:
        return "names media and says media_available false"
    if media and known and stated not in (None, given):
        return f"is of modality {stated!r} and names media of {given!r}"
    if not media and not known:
        return f"names no file, and {stated!r} is no modality: text, image, audio, video, or several joined by +"
    if not media and stated not in (None, TEXT) and row.get("media_available") is not False:
        return f"is of modality {stated!r} and names no file: name it, or say media_available false"
    if not media and stated in (None, TEXT) and row.get("media_available") is False:
        return "says media_available false and not which modality they are of"
    if not media and not row["question"].strip():
        return "has neither a question nor media"
    return ""


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
            first_token_s=row.get("first_token_s"),
            cost_usd=row.get("cost_usd"),
            energy_j=row.get("energy_j"),
            energy_basis=row.get("energy_basis"),
            judgments=_judgments(row.get("votes"), row["model"]),
        )


def _variants(folder: Path, report: Report) -> Iterator[VariantScores]:
    """The scores of `variants.jsonl`, which a source need not have."""
    if (path := folder / "variants.jsonl").exists():
        for where, row in read_rows(path, validator("records", "variants"), report):
            yield VariantScores(where, row["group"], row["model"], tuple(entered(score) for score in row["scores"]))


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
