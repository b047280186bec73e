"""The outcomes of a source, and the judge calls behind their scores, go into its new folder or are merged into it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any
from unicodedata import normalize

from tqdm import tqdm

from rsd_bench.config import canonical_model
from rsd_bench.sources.source import Response, Source, SourceProblem
from rsd_bench.sources.store.import_queries import QueryIds
from rsd_bench.sources.store.merge import REPLACE, merged_outcome
from rsd_bench.sources.store.store_tables import TableWriter, outcome_row, rows_of, scored_by_us
from rsd_bench.types import Problem, Report

_Key = tuple[str, str]  # query and model


def import_outcomes(
    source: Source,
    store: Path,
    folder: Path,
    merging: bool,
    ids: QueryIds,
    aliases: Mapping[str, str],
    report: Report,
) -> tuple[dict[str, int], dict[str, int]]:
    """Write responses.parquet and judgments.parquet: the new, then what the store has where `merging`, completed.

    Returns the number of scored answers by model, and of the others by status, earlier imports included.
    """
    name = source.info.source
    held = {(row["query_id"], row["model"]): row for row in rows_of(store, name, "responses")} if merging else {}
    completed: dict[_Key, dict[str, Any]] = {}
    scored, others = Counter({model: 0 for _, model in held}), Counter[str]()
    with (
        TableWriter(folder / "responses.parquet", "responses") as outcomes,
        TableWriter(folder / "judgments.parquet", "judgments") as calls,
    ):
        rows = _checked(source, ids, aliases, report)
        for response, model in tqdm(rows, desc=f"{name}: responses", unit="response", disable=None):
            row, key = outcome_row(response, model, source.info.latency_basis), (response.query_id, model)
            new_calls = bool(response.judgments)
            if (known := held.get(key)) is not None:
                merged = merged_outcome(known, row, scored_by_us(known))
                if isinstance(merged, str):
                    what = f"outcome of {model!r} on {response.query_id!r}: {merged}"
                    report(Problem(response.where, what, REPLACE))
                    continue
                completed[key] = merged
                new_calls = new_calls and not known["n_judgments"]
            else:
                outcomes.write(row)
                scored[model] += row["score"] is not None
                others[row["status"]] += row["score"] is None
            for judgment in response.judgments if new_calls else ():
                calls.write({"query_id": key[0], "model": model, "judge": response.judge, **asdict(judgment)})
        for row in rows_of(store, name, "responses") if merging else ():
            row = completed.get((row["query_id"], row["model"]), row)
            outcomes.write(row)
            scored[row["model"]] += row["score"] is not None
            others[row["status"]] += row["score"] is None
        for call in rows_of(store, name, "judgments") if merging else ():
            calls.write(call)
    return dict(sorted(scored.items())), {status: n for status, n in sorted(others.items()) if n}


def _checked(
    source: Source, ids: QueryIds, aliases: Mapping[str, str], report: Report
) -> Iterator[tuple[Response, str]]:
    """Responses with their canonical model; those of unknown queries and repeats are reported.

    One that stands twice and differs cannot be told right from wrong, whatever is left out.
    """
    name = source.info.source
    seen: dict[_Key, tuple[str, int]] = {}
    composed = {normalize("NFC", query_id) for query_id in ids.kept if not query_id.isascii()}
    for response in source.responses:
        if response.query_id in ids.left_out:
            continue  # what is wrong with its query was told
        model = canonical_model(aliases, name, response.model)
        key, content = (response.query_id, model), hash((response.status, response.score, response.response))
        if response.query_id not in ids.kept:
            what = f"query_id {response.query_id!r} is no query of {name}"
            if normalize("NFC", response.query_id) in composed:
                what += ": a query's id looks like it and is made of other characters (NFC, NFD)"
            report(Problem(response.where, what, "fix the id"))
        elif key in seen:
            first, as_it_was = seen[key]
            alias = "" if model == response.model else f" (alias {response.model!r})"
            what = f"outcome of {model!r}{alias} on {response.query_id!r} stands at {first} too"
            kind = Problem if content == as_it_was else SourceProblem
            report(kind(response.where, what, "one outcome a query and model"))
        else:
            seen[key] = response.where, content
            yield response, model
