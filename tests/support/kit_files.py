"""Files as VLMEvalKit writes them, a table in each of its formats, and what the importer makes of them."""

from __future__ import annotations

import base64
import csv
import io
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import openpyxl
from PIL import Image

from rsd_bench.sources.source import Query, Response, Source, SourceProblem
from rsd_bench.sources.vlmevalkit.open_vlmevalkit import open_vlmevalkit
from rsd_bench.sources.vlmevalkit.vlmevalkit_benchmark import Reading
from rsd_bench.types import Problem

AS_WRITTEN = Reading()
FORMATS = (".xlsx", ".tsv", ".csv", ".json", ".columns.json", ".jsonl")


def png(shade: int) -> bytes:
    data = io.BytesIO()
    Image.new("RGB", (9, 7), (shade, 40, 90)).save(data, "PNG")
    return data.getvalue()


def b64(shade: int) -> str:
    return base64.b64encode(png(shade)).decode()


def absent(value: Any) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))


def write_rows(path: Path, rows: Sequence[dict[str, Any]]) -> Path:
    """A table of dicts, in the format of the suffix; `.columns.json` is the JSON that pandas writes by column."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    cells = [["" if absent(row.get(name)) else row[name] for name in columns] for row in rows]
    kind = path.suffixes[-2:] == [".columns", ".json"]
    if path.suffix == ".xlsx":
        book = openpyxl.Workbook()
        for row in [columns, *cells]:
            book.active.append([None if cell == "" else cell for cell in row])
        book.save(path)
    elif path.suffix == ".jsonl":
        path.write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in rows), "utf-8")
    elif kind:
        by_column = {name: {str(i): row.get(name) for i, row in enumerate(rows)} for name in columns}
        path.write_text(json.dumps(by_column), "utf-8")
    elif path.suffix == ".json":
        path.write_text(json.dumps(list(rows), indent=4, ensure_ascii=False), "utf-8")
    else:
        with path.open("w", newline="", encoding="utf-8") as stream:
            writer = csv.writer(stream, delimiter="\t" if path.suffix == ".tsv" else ",", quoting=csv.QUOTE_ALL)
            writer.writerows([columns, *cells])
    return path


class KitFolder:
    """Files of one benchmark, opened by the importer: rows as dicts, models by the name of their files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.tsv: Path | None = None
        self.predictions: dict[str, Path] = {}
        self.judges: dict[str, Path] = {}
        self.problems: list[Problem] = []

    def benchmark(self, rows: Sequence[dict[str, Any]], name: str = "Bench") -> None:
        self.tsv = write_rows(self.folder / f"{name}.tsv", rows)

    def predict(self, rows: Sequence[dict[str, Any]], model: str = "small", suffix: str = ".xlsx") -> Path:
        path = write_rows(self.folder / f"{model}_Bench{suffix}", rows)
        self.predictions[model] = path.rename(path.with_name(path.name.replace(".columns", "")))
        return self.predictions[model]

    def judge(self, rows: Sequence[dict[str, Any]], model: str = "small") -> Path:
        self.judges[model] = write_rows(self.folder / f"{model}_Bench_gpt-4o.xlsx", rows)
        return self.judges[model]

    def open(self, reading: Reading = AS_WRITTEN, source: str | None = None) -> Source:
        self.problems.clear()
        return open_vlmevalkit(self.tsv, self.predictions, self.judges, source, self.problems.append, reading)

    def read(self, reading: Reading = AS_WRITTEN) -> tuple[dict[str, Query], list[Response]]:
        """Queries by index and responses, of files that hold no fault."""
        source = self.open(reading)
        queries = {query.query_id.partition("/")[2]: query for query in source.queries}
        responses = list(source.responses)
        assert not self.problems
        return queries, responses

    def faults(self, reading: Reading = AS_WRITTEN) -> tuple[list[str], list[str]]:
        """What is wrong with rows, and what with a file as a whole."""
        source = self.open(reading)
        self.left = list(source.queries), list(source.responses)
        whole = [problem for problem in self.problems if isinstance(problem, SourceProblem)]
        return [str(found) for found in self.problems if found not in whole], [str(found) for found in whole]


def outcomes(responses: Sequence[Response]) -> dict[str, tuple[str, float | None]]:
    """Status and score by index."""
    return {response.query_id.partition("/")[2]: (response.status, response.score) for response in responses}
