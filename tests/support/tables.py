"""Small tables of outcomes in every format that is read, long and wide, and what an import of one gives."""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from conftest import png

from rsd_bench.sources.source import Query, Response, SourceProblem
from rsd_bench.sources.table.open_table import open_table
from rsd_bench.types import InputError, Problem

LONG = """
source = "quiz"
license = "CC0-1.0"
redistributable = true
score_scale = "0-1"
images = "pictures"
[columns]
id = "qid"
question = "ask"
reference_answer = "truth"
domain = "kind"
image = "picture"
[outcomes]
model = "who"
score = "right"
response = "said"
latency_ms = "ms"
cost_usd = "usd"
"""
WIDE = LONG.replace('model = "who"\n', "").replace('"right"', '"{model}_right"').replace('"said"', '"{model}|said"')
WIDE = WIDE.replace('"ms"', '"{model}_ms"').replace('"usd"', '"{model}_usd"')
MODELS = ("tiny-1.5", "org/huge")


def rows_of(n: int = 12) -> list[dict[str, Any]]:
    """A row for each query and model: typed values, graded scores."""
    return [
        {
            "qid": f"q{i}",
            "ask": f'How many, "exactly", are in picture {i}?\nOne number.',
            "truth": str(i),
            "kind": ("chart", "photo")[i % 2],
            "picture": f"{i % 3}.png",
            "who": model,
            "right": round(((7 * i + 3 * at) % 11) / 10, 1),
            "said": f"{model} says {i}",
            "ms": 100.0 * at + i + 1,
            "usd": (i + 1) / 1000,
        }
        for i in range(n)
        for at, model in enumerate(MODELS)
    ]


def widened(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The same outcomes, a row for each query."""
    wide: dict[str, dict[str, Any]] = {}
    for row in rows:
        of_query = {name: row[name] for name in ("qid", "ask", "truth", "kind", "picture")}
        model, their = row["who"], wide.setdefault(row["qid"], of_query)
        their |= {f"{model}_{name}": row[name] for name in ("right", "ms", "usd")} | {f"{model}|said": row["said"]}
    return list(wide.values())


def write(path: Path, rows: Sequence[Mapping[str, Any]]) -> Path:
    """Rows as the format that the name tells; .gz too."""
    plain = path.name.removesuffix(".gz")
    if plain.endswith(".parquet"):
        pq.write_table(pa.Table.from_pylist([dict(row) for row in rows]), path)
        return path
    if plain.endswith((".csv", ".tsv")):
        text = io.StringIO()
        columns = list(dict.fromkeys(name for row in rows for name in row))
        table = csv.DictWriter(text, columns, delimiter="\t" if plain.endswith(".tsv") else ",")
        table.writeheader()
        table.writerows(rows)
        data = text.getvalue().encode()
    elif plain.endswith(".json"):
        data = json.dumps(rows, indent=1).encode()
    else:
        data = "".join(json.dumps(row) + "\n" for row in rows).encode()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


@dataclass
class Read:
    """What an import of a table gives."""

    queries: dict[str, Query] = field(default_factory=dict)
    outcomes: dict[tuple[str, str], Response] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    @property
    def said(self) -> str:
        return "\n".join(map(str, self.problems))

    @property
    def of_source(self) -> list[Problem]:
        return [problem for problem in self.problems if isinstance(problem, SourceProblem)]


def read(files: Path | Sequence[Path], mapping: Path) -> Read:
    """Read a table as the store does; an InputError counts as a problem of the source."""
    found = Read()
    try:
        source = open_table([files] if isinstance(files, Path) else files, mapping, found.problems.append)
        for query in source.queries:
            assert query.query_id not in found.queries
            found.queries[query.query_id] = query
        for outcome in source.responses:
            assert (outcome.query_id, outcome.model) not in found.outcomes
            assert outcome.query_id in found.queries
            found.outcomes[outcome.query_id, outcome.model] = outcome
    except InputError as error:
        found.problems += [SourceProblem(p.where, p.what, p.fix) for p in error.problems]
    return found


def prepare(folder: Path, mapping: str) -> Path:
    """A folder with the pictures and a map; the map's path."""
    (folder / "pictures").mkdir(parents=True, exist_ok=True)
    for i in range(3):
        (folder / "pictures" / f"{i}.png").write_bytes(png(i))
    (folder / "map.toml").write_text(mapping, "utf-8")
    return folder / "map.toml"
