"""The importer on files that VLMEvalKit really wrote: its own figures of them must come out, to the row. And on 5,000
rows with images: nothing may be read more often than the layout needs, and no image kept.
"""

from __future__ import annotations

import base64
import csv
import json
import os
import tracemalloc
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any
from unittest import mock

import pyarrow.parquet as pq
import pytest
from conftest import ROOT, call_cli
from kit_files import KitFolder

from rsd_bench.sources.source import Query, Response
from rsd_bench.sources.vlmevalkit.open_vlmevalkit import open_vlmevalkit
from rsd_bench.sources.vlmevalkit.vlmevalkit_benchmark import Reading
from rsd_bench.sources.vlmevalkit.vlmevalkit_images import listed
from rsd_bench.sources.vlmevalkit.vlmevalkit_names import read_column_map

MODELS = ("Qwen2.5-VL-3B-Instruct", "Qwen2.5-VL-7B-Instruct", "Llama-3.2-11B-Vision-Instruct", "LLaVA-CoT")
LOGICVISTA = "{}_LogicVista.xlsx", "{}_LogicVista_gpt4o-mini.xlsx"
MATHVISTA = "{}_MathVista_MINI.xlsx", "{}_MathVista_MINI_gpt-4o-mini.xlsx"
OUTSIDE = "VLM-R1-Qwen2.5VL-3B-Math-0305_LogicVista.jsonl"


@pytest.fixture(scope="module")
def files() -> Path:
    folder = Path(os.environ.get("RSD_SHARED", ROOT.parent / "shared")) / "files" / "vlmevalkit"
    if not folder.is_dir():
        pytest.skip(f"the files of VLMEvalKit are not at {folder} (set RSD_SHARED)")
    return folder


def read(
    predictions: dict[str, Path], judges: dict[str, Path], reading: Reading
) -> tuple[dict[str, Query], list[Response]]:
    problems: list[Any] = []
    source = open_vlmevalkit(None, predictions, judges, None, problems.append, reading)
    queries = {query.query_id: query for query in source.queries}
    responses = list(source.responses)
    assert not problems
    return queries, responses


def stated(path: Path) -> dict[str, tuple[int, int]]:
    """Answers and hits by task and skill, as the kit states them."""
    with path.open(newline="") as stream:
        return {row["Task&Skill"]: (int(row["tot"]), int(row["hit"])) for row in csv.DictReader(stream)}


def tally(responses: list[Response], names: dict[str, list[str]]) -> dict[str, tuple[int, int]]:
    """The same of responses, given the tasks and skills of each query."""
    of = [("Overall", r) for r in responses] + [(name, r) for r in responses for name in names[r.query_id]]
    total, hits = Counter(name for name, _ in of), Counter(name for name, r in of if r.score == 10)
    return {name: (total[name], hits[name]) for name in total}


def test_logicvista_model_by_model_then_built(files: Path, records: Path, tmp_path: Path) -> None:
    store, queries = tmp_path / "store", []
    for model in MODELS:
        prediction, judge = (files / name.format(model) for name in LOGICVISTA)
        run = call_cli(
            *("data", "import", "vlmevalkit", "--pred", prediction, "--judge", judge, "--domain-column", "skill"),
            *("--images", records / "logicvista" / "images", "--out", store, "--json"),
        )
        assert run.returncode == 0, run.stderr
        queries.append(json.loads(run.stdout)["sources"][0]["queries"])
    assert queries == [447] * 4
    folder = store / "sources" / "LogicVista"
    rows = pq.read_table(folder / "responses.parquet", columns=["model", "score"]).to_pylist()
    hits = Counter(row["model"] for row in rows if row["score"] == 10)
    assert (hits["qwen2.5-vl-3b"], hits["qwen2.5-vl-7b"]) == (177, 209)
    (tmp_path / "recipe.toml").write_text(
        'name = "logic"\nversion = "1.0.0"\npair = { small = "qwen2.5-vl-3b", large = "qwen2.5-vl-7b" }\n'
    )
    run = call_cli("data", "build", tmp_path / "recipe.toml", "--store", store, "--out", tmp_path / "dataset")
    assert run.returncode == 0, run.stderr


def test_each_question_of_logicvista_has_its_own_image(files: Path, records: Path) -> None:
    """Index 382 is v1_383: from there on the image of the index would be that of the question before."""
    with (records / "logicvista" / "queries.jsonl").open() as stream:
        known = {Path(row["image"]).name: row for row in map(json.loads, stream)}
    reading = Reading(images=records / "logicvista" / "images")
    queries, _ = read({"m": files / LOGICVISTA[0].format(MODELS[0])}, {}, reading)
    for query in queries.values():
        row = known[query.media[0].name]
        assert (query.question, query.reference_answer) == (row["question"].strip(), row["reference_answer"].strip())
    assert queries["LogicVista/385"].media[0].name == "v1_386.png"


@pytest.mark.parametrize(
    ("model", "names", "columns"),
    [
        (MODELS[0], LOGICVISTA, ["skill"]),
        (MODELS[1], LOGICVISTA, ["skill"]),
        (MODELS[1], MATHVISTA, ["task", "skills"]),
    ],
)
def test_the_kits_own_figures_come_out(files: Path, model: str, names: tuple[str, str], columns: list[str]) -> None:
    prediction, judge = (files / name.format(model) for name in names)
    queries, responses = read({model: prediction}, {model: judge}, Reading(no_images=True))
    kinds = [cells_of(prediction, column) for column in columns]
    of_query = {key: [name for kind in kinds for name in kind[key.partition("/")[2]]] for key in queries}
    assert tally(responses, of_query) == stated(judge.with_name(f"{judge.stem}_score.csv"))


def cells_of(path: Path, column: str) -> dict[str, list[str]]:
    """A column's items by index, read apart from the importer."""
    import pandas as pd

    table = pd.read_excel(path, dtype=str, keep_default_na=False)
    return {
        index: [str(item) for item in listed(cell)] or [cell]
        for index, cell in zip(table["index"], table[column], strict=True)
    }


def test_textvqa_goes_in_unscored_with_its_ten_references(files: Path) -> None:
    predictions = {model: files / f"{model}_TextVQA_VAL.xlsx" for model in MODELS[:2]}
    queries, responses = read(predictions, {}, Reading(no_images=True))
    assert len(queries) == 5_000 and Counter(r.status for r in responses) == {"unscored": 10_000}
    references = [query.reference_answer or "" for query in queries.values()]
    assert all(references) and not any(reference.startswith("[") for reference in references)


@pytest.mark.parametrize("columns", ["", "index=id,prediction=response"])
def test_a_run_outside_of_the_kit_goes_in_beside_a_file_of_the_kit(files: Path, columns: str) -> None:
    reading = Reading(no_images=True, columns=read_column_map(columns))
    predictions = {"kit": files / LOGICVISTA[0].format(MODELS[0]), "VLM-R1": files / OUTSIDE}
    queries, responses = read(predictions, {}, reading)
    assert len(queries) == 447 and Counter(r.model for r in responses) == {"kit": 447, "VLM-R1": 447}
    with (files / OUTSIDE).open() as stream:
        said = {f"LogicVista/{row['id']}": row["response"] for row in map(json.loads, stream)}
    assert {r.query_id: r.response for r in responses if r.model == "VLM-R1"} == said


def test_alone_it_is_refused_with_what_it_lacks(files: Path, tmp_path: Path) -> None:
    run = call_cli(
        *("data", "import", "vlmevalkit", "--pred", files / OUTSIDE, "--no-images", "--out", tmp_path / "store"),
        *("--columns", "index=id,prediction=response"),
    )
    assert run.returncode == 1 and "no prediction file has a column question -> give" in run.stderr


@pytest.mark.parametrize("with_tsv", [True, False])
def test_five_thousand_rows_are_read_once_or_twice_and_no_image_is_kept(tmp_path: Path, with_tsv: bool) -> None:
    kit, rng = KitFolder(tmp_path), Random(0)
    images = [base64.b64encode(rng.randbytes(6_000)).decode() for _ in range(50)]
    rows = [{"index": i, "question": f"What is {i}?", "answer": "A", "A": "x", "B": "y"} for i in range(5_000)]
    if with_tsv:
        kit.benchmark([row | {"image": images[row["index"] % 50]} for row in rows])
    kit.predict([row | {"prediction": "A"} for row in rows], suffix=".csv")
    opened: Counter[str] = Counter()
    plain = Path.open

    def counted(path: Path, *given: Any, **named: Any) -> Any:
        opened[path.name] += 1
        return plain(path, *given, **named)

    tracemalloc.start()
    try:
        with mock.patch.object(Path, "open", counted):
            source = kit.open(Reading(no_images=not with_tsv))
            assert sum(1 for _ in source.queries) == 5_000 == sum(1 for _ in source.responses)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert not kit.problems
    assert opened["small_Bench.csv"] == (1 if with_tsv else 2)  # without a TSV once for the questions
    assert opened["Bench.tsv"] <= 3 * with_tsv  # for its header, its rows, and where in a row the image stands
    assert peak < 30_000_000  # the TSV has 41 MB
