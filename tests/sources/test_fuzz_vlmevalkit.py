"""Files are spoiled on the way: a spreadsheet sorted by one column, a download that ended early, an index twice.
Whatever happens to a file, no answer may end under another question, nor with another answer's score: it goes in
rightly, or it is refused with a reason. What was paired is held against the spoiled rows, looked up here by index.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Iterator, Sequence
from itertools import islice, product
from pathlib import Path
from random import Random
from typing import Any

import openpyxl
import pytest
from conftest import ROOT
from kit_files import FORMATS, absent, b64, write_rows
from mutations import cut, mutated

from rsd_bench.sources.source import Query, Response, SourceProblem
from rsd_bench.sources.vlmevalkit.open_vlmevalkit import open_vlmevalkit
from rsd_bench.sources.vlmevalkit.vlmevalkit_benchmark import Reading
from rsd_bench.types import InputError, Problem

Rows = list[dict[str, Any]]
MODELS = ("small", "large")
TRIALS = 300


def benchmark() -> Rows:
    """Nine questions, one of which shares the image of another, and one has two."""
    return [
        {
            "index": i,
            "image": "2" if i == 5 else str([b64(i), b64(100 + i)]) if i == 7 else b64(i),
            "question": f"What does picture {i} show?" if i % 4 else "What is it?",
            "hint": f"Look at part {i}." if i % 3 == 0 else None,
            **{letter: f"thing {letter}{i}" if i % 2 else None for letter in "ABC"},
            "answer": "ABC"[i % 3] if i % 2 else 10 * i,
            "category": ("chart", "maths")[i % 2],
        }
        for i in (0, 1, 2, 3, 5, 7, 8, 21, 340)
    ]


def answers_to(rows: Rows, model: str) -> Rows:
    told = [{name: value for name, value in row.items() if name != "image"} for row in rows]
    return [row | {"prediction": f"{model} says {row['answer']} to {row['index']}"} for row in told]


def judged(predictions: Rows) -> Rows:
    return [row | {"log": "Succeed", "hit": int(hash(i) % 3 > 0)} for i, row in enumerate(predictions)]


def extracted(predictions: Rows) -> Rows:
    """Judge files of MathVista: no hit, only what the judge read out of the answer."""
    kind = {"question_type": "free_form", "answer_type": "integer", "log": "Succeed"}
    return [row | kind | {"answer": 10 * i, "res": 10 * i + i % 2} for i, row in enumerate(predictions)]


def test_three_hundred_spoiled_files(tmp_path: Path) -> None:
    folders = [Files(tmp_path / f"{kind}", *made(*kind)) for kind in product((False, True), repeat=3)]
    counts = [spoil(Random(seed).choice(folders), Random(seed)) for seed in range(TRIALS)]
    assert 60 < sum(counts) < TRIALS - 60  # both happen: files that go in, and files that are refused


def test_three_hundred_spoiled_real_files(tmp_path: Path) -> None:
    folder = Path(os.environ.get("RSD_SHARED", ROOT.parent / "shared")) / "files" / "vlmevalkit"
    if not folder.is_dir():
        pytest.skip(f"the files of VLMEvalKit are not at {folder} (set RSD_SHARED)")
    name, tables = "Qwen2.5-VL-{}-Instruct_LogicVista{}.xlsx", {}
    for model, size in zip(MODELS, ("3B", "7B"), strict=True):
        tables[f"{model}.pred"] = real_rows(folder / name.format(size, ""))
        tables[f"{model}.judge"] = real_rows(folder / name.format(size, "_gpt4o-mini"))
    files = Files(tmp_path / "real", tables)
    counts = [spoil(files, Random(seed)) for seed in range(TRIALS)]
    assert 60 < sum(counts) < TRIALS - 60


def real_rows(path: Path) -> Rows:
    header, *rows = islice(openpyxl.load_workbook(path, read_only=True).worksheets[0].iter_rows(values_only=True), 13)
    return [dict(zip(map(str, header), row, strict=True)) for row in rows]


def made(with_tsv: bool, by_extraction: bool, bare: bool) -> tuple[dict[str, Rows], Rows | None]:
    """The tables of two models. bare: an older judge file, which keeps neither question nor answer."""
    rows = [row | ({"answer": 10 * i} if by_extraction else {}) for i, row in enumerate(benchmark())]
    tables: dict[str, Rows] = {}
    for model in MODELS:
        tables[f"{model}.pred"] = answers_to(rows, model)
        tables[f"{model}.judge"] = (extracted if by_extraction else judged)(tables[f"{model}.pred"])
    if bare and not by_extraction:
        tables["small.judge"] = [{name: row[name] for name in ("index", "hit")} for row in tables["small.judge"]]
    return tables, rows if with_tsv else None


class Files:
    """Sound tables, each written once in each format."""

    def __init__(self, folder: Path, tables: dict[str, Rows], tsv: Rows | None = None) -> None:
        folder.mkdir()
        self.folder, self.tables = folder, tables | ({"tsv": tsv} if tsv else {})

    def sound(self, name: str, suffix: str) -> Path:
        path = self.path(name, suffix)
        return path if path.is_file() else write_rows(path, self.tables[name])

    def path(self, name: str, suffix: str) -> Path:
        return self.folder / f"{name.replace('.', '_')}_Bench{suffix}"


def spoil(sound: Files, rng: Random) -> bool:
    """Import with one file spoiled; whether it went in. Fails where anything is paired otherwise than in the files."""
    tables = dict(sound.tables)
    suffixes = {name: ".tsv" if name == "tsv" else rng.choice(FORMATS) for name in tables}
    spoiled = rng.choice(list(tables))
    is_cut = rng.random() < 0.15
    what, tables[spoiled] = ("cut", tables[spoiled]) if is_cut else mutated(tables[spoiled], rng)
    files = {name: sound.sound(name, suffix) for name, suffix in suffixes.items() if name != spoiled}
    files[spoiled] = write_rows(sound.path(f"spoiled.{spoiled}", suffixes[spoiled]), tables[spoiled])
    if is_cut:
        files[spoiled].write_bytes(cut(files[spoiled].read_bytes(), rng))
    problems: list[Problem] = []
    predictions = {model: files[f"{model}.pred"] for model in MODELS}
    judges = {model: files[f"{model}.judge"] for model in MODELS}
    try:
        reading = Reading(no_images="tsv" not in files)
        source = open_vlmevalkit(files.get("tsv"), predictions, judges, "bench", problems.append, reading)
        queries, responses = list(source.queries), list(source.responses)
    except InputError as error:
        queries, responses, problems = [], [], [SourceProblem("", str(error), "told")]
    assert all(problem.what and problem.fix for problem in problems)
    if any(isinstance(problem, SourceProblem) for problem in problems):
        return False
    context = f"{spoiled} as {suffixes[spoiled]}, {what}"
    assert len({query.query_id for query in queries}) == len(queries), context
    for query in queries:
        held_against_questions(query, tables, context)
    for response in responses:
        held_against_answers(response, tables, context)
    if not problems:
        for model in MODELS:
            given = {key_of(row) for row in tables[f"{model}.pred"] if key_of(row)}
            assert {r.query_id.partition("/")[2] for r in responses if r.model == model} == given, context
    return True


def cell(row: dict[str, Any], column: str) -> str:
    """The text of a cell, whatever the capitals of its column."""
    value = next((value for name, value in row.items() if name.strip().lower() == column), None)
    return "" if absent(value) else str(value).strip()


def key_of(row: dict[str, Any], column: str = "index") -> str:
    return cell(row, column).removesuffix(".0")


def same(a: str, b: str) -> bool:
    a, b = (" ".join(text.replace("_x000D_", " ").split()) for text in (a, b))  # a workbook's carriage return
    try:
        return a == b or float(a) == float(b)
    except ValueError:
        return False


def rows_of(rows: Rows, key: str) -> Rows:
    return [row for row in rows if key_of(row) == key]


def held_against_questions(query: Query, tables: dict[str, Rows], context: str) -> None:
    key = query.query_id.partition("/")[2]
    tellers = ["tsv"] if "tsv" in tables else [f"{model}.pred" for model in MODELS]
    asked = [row for name in tellers for row in rows_of(tables[name], key) if cell(row, "question")]
    assert asked, context
    lines = [" ".join(line.split()) for line in query.question.split("\n")]
    for row in asked:
        if "\n" not in cell(row, "question"):
            assert any(same(cell(row, "question"), line) for line in lines), context
        reference = query.reference_answer or ""
        if cell(row, "answer") and not cell(row, "answer").startswith("["):
            assert same(reference, cell(row, "answer")), context
    if "tsv" in tables:
        seen = [media.read() for media in query.media]
        assert all(seen == list(images_of(tables["tsv"], row)) for row in rows_of(tables["tsv"], key)), context


def images_of(rows: Rows, row: dict[str, Any]) -> Iterator[bytes]:
    text = cell(row, "image")
    if len(text) <= 64:
        yield from images_of(rows, rows_of(rows, key_of(row, "image"))[0])
    else:
        for encoded in text.strip("[]").replace("'", "").split(", "):
            yield base64.b64decode(encoded)


def held_against_answers(response: Response, tables: dict[str, Rows], context: str) -> None:
    key = response.query_id.partition("/")[2]
    said = rows_of(tables[f"{response.model}.pred"], key)
    text, was_cut = response.response or "", context.endswith("cut")
    assert said, context
    for row in said:
        told = cell(row, "prediction")
        assert same(told, text) or (was_cut and told.startswith(text)), context
    if response.score is not None:
        verdicts = rows_of(tables[f"{response.model}.judge"], key)
        scores = scores_of(verdicts, response.score)
        assert scores == {response.score}, context
        for row in verdicts:
            assert "prediction" not in row or same(cell(row, "prediction"), text) or was_cut, context


def scores_of(verdicts: Sequence[dict[str, Any]], given: float) -> set[float]:
    scores = set()
    for row in verdicts:
        stated = next(filter(None, (cell(row, column) for column in ("hit", "score", "judge"))), "")
        if stated:
            scores.add(10 * float({"True": "1", "False": "0"}.get(stated, stated)))
        elif cell(row, "answer") and cell(row, "answer_type") == "integer":
            scores.add(10.0 * same(cell(row, "res"), cell(row, "answer")))
        else:
            scores.add(given)  # a cell that the answer was taken for is gone; the benchmark's stands for it
    return scores
