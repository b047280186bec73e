"""VLMEvalKit: a benchmark TSV, one prediction file a model and, where there is one, its judge file.

    TSV          index, image, question; hint, A ... Z, answer, category, l2-category where the benchmark has them.
                 `image` is base64, or, at most 64 characters long, the index of the row that holds the image.
    predictions  index, prediction (.xlsx, .tsv, .csv)
    judge files  index and a score column: see `records.vlmevalkit_judge`

A query is SOURCE/index; its question is hint, question and options as lines; its domain the category, else the
l2-category, else the source. Rows with several images are Problems: a query here has one.

An answer that VLMEvalKit failed to get is stored by it as "Failed to obtain answer ..." and then judged. Here it is
status `error` without response and score, whatever the judge file says. So is an empty prediction: a table cannot
tell an empty answer from a call that gave none, and VLMEvalKit hands its judge the text "nan" in its place. An answer
without a verdict is `unscored`; no answer is matched with the reference here. In circular evaluation only the first of
the rolled rows carries a verdict, on all of them.
"""

from __future__ import annotations

import ast
import base64
import binascii
import string
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from rsd_bench.sources.ids import is_name, row_id, slug
from rsd_bench.sources.source import Media, Query, Response, Source, SourceInfo
from rsd_bench.sources.spreadsheets import Row, columns_of, read_table, row_at
from rsd_bench.sources.vlmevalkit_judge import JudgeFile, judge_name, read_judge_file
from rsd_bench.types import InputError, Problem, Report

_LONGEST_REFERENCE = 64  # characters of an image cell that is an index; the limit is VLMEvalKit's
_FAILED = "failed to obtain answer"


@dataclass
class _Benchmark:
    columns: list[str] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)  # with a short image cell, or "" for one in base64
    by_index: dict[str, Row] = field(default_factory=dict)
    faulty: set[str] = field(default_factory=set)  # indexes whose row is left out: their answers are, too


def open_vlmevalkit(
    tsv: Path, predictions: Mapping[str, Path], judges: Mapping[str, Path], source: str | None, report: Report
) -> Source:
    """Open a benchmark with the predictions and judge files of its models, by model name.

    source: short id, default the TSV's name. The files carry no licence: SourceInfo says "unknown", not to be
    re-hosted. Raises InputError where `source` is no legal id; all other faults go to `report`.
    """
    name = source or slug(tsv.stem.removesuffix("_local")) or "vlmevalkit"
    if not is_name(name):
        raise InputError.at(name, "is no source id", "use letters, digits, dot, dash, underscore; at most 63")
    for model in judges.keys() - predictions.keys():
        report(Problem(str(judges[model]), f"judges {model!r}, which has no predictions", "name its prediction file"))
    benchmark = _read_benchmark(tsv, report)
    files = {
        model: read_judge_file(judges[model], judge_name(judges[model], path), tsv.stem, set(benchmark.columns), report)
        for model, path in predictions.items()
        if model in judges
    }
    rules = sorted({file.rule for file in files.values() if file.rule})
    info = SourceInfo(
        source=name,
        name=tsv.stem,
        license="unknown",
        redistributable=False,
        notes=f"VLMEvalKit: {tsv.name}, predictions of {len(predictions)} models, {len(files)} judge files",
        score_rule="VLMEvalKit " + "; ".join(rules) if rules else "unscored: no judge file",
    )
    return Source(info, _queries(tsv, name, benchmark, report), _responses(name, benchmark, predictions, files, report))


def _read_benchmark(tsv: Path, report: Report) -> _Benchmark:
    """All rows but for images in base64, which are read again when they are asked for."""
    benchmark = _Benchmark()
    if tsv.suffix.lower() != ".tsv":
        report(Problem(str(tsv), "is no .tsv file", "name the benchmark's TSV"))
        return benchmark
    for row in read_table(tsv, ("index", "question", "image"), report):
        index, image = row_id(row.cells["index"]), row.cells["image"].strip()
        faults = [] if index else ["has no index"]
        if not _question(row.cells):
            faults.append("has no question")
        if not image:
            faults.append("has no image")
        if len(_listed(image)) > 1 or len(_listed(row.cells.get("image_path", ""))) > 1:
            faults.append("has several images; a query has one")
        for fault in faults:
            report(Problem(row.where, fault, "fix the row or leave it out"))
        if faults:
            benchmark.faulty.add(index)
            continue
        cells = row.cells | {"index": index, "image": image if len(image) <= _LONGEST_REFERENCE else ""}
        benchmark.rows.append(Row(row.where, cells, row.span))
        benchmark.by_index.setdefault(index, benchmark.rows[-1])
    if benchmark.rows:
        benchmark.columns = columns_of(tsv)
    return benchmark


def _queries(tsv: Path, source: str, benchmark: _Benchmark, report: Report) -> Iterator[Query]:
    for row in benchmark.rows:
        cells = row.cells
        holder = _holder(row, benchmark)
        category = cells.get("category", "").strip() or cells.get("l2-category", "").strip() or source
        domain = slug(category)
        if holder is None:
            what = f"image is that of row {cells['image']!r}, which is missing or has none"
            report(Problem(row.where, what, "import the whole TSV"))
        if domain is None:
            report(Problem(row.where, f"category {category!r} has no Latin letter or digit", "rename the category"))
        if holder is None or domain is None:
            benchmark.faulty.add(cells["index"])
            continue
        query_id = f"{source}/{cells['index']}"
        yield Query(
            where=row.where,
            query_id=query_id,
            domain=domain,
            group=query_id,
            question=_question(cells),
            reference_answer=cells.get("answer", "").strip() or None,
            media=(Media("image", _image_reader(tsv, holder, benchmark.columns.index("image"))),),
        )


def _question(cells: Mapping[str, str]) -> str:
    """Hint, question and "A. ..." lines; empty where there is no question."""
    question = cells["question"].strip()
    options = [
        f"{letter}. {cells[letter].strip()}" for letter in string.ascii_uppercase if cells.get(letter, "").strip()
    ]
    return "\n".join(filter(None, [cells.get("hint", "").strip(), question, *options])) if question else ""


def _holder(row: Row, benchmark: _Benchmark) -> Row | None:
    """The row that holds the image of a row, over references; None where they lead nowhere."""
    holder: Row | None = row
    for _ in range(len(benchmark.rows)):
        if holder is None or not holder.cells["image"]:
            return holder
        holder = benchmark.by_index.get(row_id(holder.cells["image"]))
    return None


def _image_reader(tsv: Path, row: Row, column: int) -> Callable[[], bytes]:
    def read() -> bytes:
        cell = row_at(tsv, row.span)[column].strip()
        encoded = (_listed(cell) or [cell])[0]
        encoded = encoded.partition(",")[2] if encoded.startswith("data:") else encoded
        try:
            return base64.b64decode("".join(encoded.split()), validate=True)
        except (binascii.Error, ValueError) as error:
            raise ValueError(f"image of {row.where} is not base64: {error}") from None

    return read


def _listed(cell: str) -> list[str]:
    """Items of a cell that is a Python list of strings, as VLMEvalKit writes several images; else []."""
    if not (cell.startswith("[") and cell.endswith("]")):
        return []
    try:
        items = ast.literal_eval(cell)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return []
    return [str(item) for item in items]


def _responses(
    source: str,
    benchmark: _Benchmark,
    predictions: Mapping[str, Path],
    files: Mapping[str, JudgeFile],
    report: Report,
) -> Iterator[Response]:
    if not benchmark.rows:
        return  # what is wrong with the TSV has been told; its answers are not all unknown queries besides
    for model, path in predictions.items():
        file = files.get(model, JudgeFile(""))
        answered: set[str] = set()
        changed: list[str] = []
        for row in read_table(path, ("index", "prediction"), report):
            index, text = row_id(row.cells["index"]), row.cells["prediction"]
            answered.add(index)
            verdict = file.verdicts.get(index)
            if verdict and verdict.prediction is not None and not _same_text(text, verdict.prediction):
                changed.append(verdict.where)
            if index in benchmark.faulty:
                continue
            query_id = f"{source}/{index}"
            if not text.strip() or text.strip().lower().startswith(_FAILED):
                yield Response(row.where, query_id, model, "error")
            elif verdict is None:
                yield Response(row.where, query_id, model, "unscored", text)
            else:
                yield Response(row.where, query_id, model, verdict.status, text, verdict.score, file.judge)
        if changed:
            what = f"judges another answer than {path} in {len(changed)} rows"
            report(Problem(changed[0], what, "name the judge file of these predictions"))
        if not_answered := [v.where for index, v in file.verdicts.items() if index not in answered]:
            what = f"judges {len(not_answered)} answers that are not in {path}"
            report(Problem(not_answered[0], what, "name the judge file of these predictions"))


def _same_text(prediction: str, judged: str) -> bool:
    """Equal up to what a round trip through pandas changes: spaces, "3" to "3.0", an empty cell to "nan"."""
    a, b = " ".join(prediction.split()), " ".join(judged.split())
    return row_id(a) == row_id(b) or {a, b} == {"", "nan"}
