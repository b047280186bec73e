"""Logs as lmms-eval writes them, made on the spot: models with rows, read back by the importer."""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rsd_bench.sources.lmms_eval.open_lmms_eval import open_lmms_eval
from rsd_bench.sources.source import Query, Response, SourceInfo
from rsd_bench.types import Problem

#: sha256 of "null": the doc_hash of every row of real logs.
NULL_HASH = "74234e98afe7498fb5daf1f36ac2d78acc339464f950703b8c019892f982b90b"


def sample(doc_id: int, **fields: Any) -> dict[str, Any]:
    """A row as logs of two public repositories have it: no doc, no resps, no arguments, a hash that says nothing."""
    return {
        "doc_id": doc_id,
        "target": "cat",
        "filtered_resps": "cat",
        "doc_hash": NULL_HASH,
        "input": f"What is in picture {doc_id}?",
        "acc": 1.0,
    } | fields


def write_log(
    folder: Path,
    rows: Sequence[Mapping[str, Any]],
    model: str = "small",
    task: str = "pets",
    name: str = "20261101_120000_samples_{task}.jsonl",
    results: Mapping[str, Any] | None = None,
) -> Path:
    """A sample log in FOLDER/MODEL/, packed where its name ends in .gz; its results file where there are `results`."""
    path = folder / model / name.format(task=task)
    path.parent.mkdir(parents=True, exist_ok=True)
    data = "".join(json.dumps(row) + "\n" for row in rows).encode()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    if results is not None:
        path.with_name(path.name.partition("_samples_")[0] + "_results.json").write_text(json.dumps(results))
    return path


class Read:
    """What the importer makes of a folder of logs: one task, its queries and responses, and the problems."""

    def __init__(self, logdir: Path, **options: Any) -> None:
        self.problems: list[Problem] = []
        options = options if options.get("images") else {"no_images": True} | options
        self.sources = open_lmms_eval(logdir, self.problems.append, **options)
        self.infos: list[SourceInfo] = [source.info for source in self.sources]
        self.queries: list[Query] = [query for source in self.sources for query in source.queries]
        self.responses: list[Response] = [response for source in self.sources for response in source.responses]

    @property
    def told(self) -> str:
        return "\n".join(map(str, self.problems))
