"""An importer that was given a file of another kind says which command tells what it is; what is wrong with a row is
said first, not behind 200 characters of the row itself. `import lmms-eval` of a folder of lm-eval gave ten lines of
wrong advice, `import inspect` of a workbook "codec can't decode".
"""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from conftest import call_cli
from inspect_logs import log, write_json
from inspect_logs import sample as inspect_sample
from kit_files import write_rows
from lmms_logs import Read, sample, write_log

from rsd_bench.sources.source import SourceProblem
from rsd_bench.types import InputError

LM_EVAL: dict[str, Any] = {
    "doc_id": 0,
    "doc": {"q": "What?"},
    "target": "x",
    "arguments": {"gen_args_0": {"arg_0": "What?", "arg_1": {"until": []}}},
    "resps": [["x"]],
    "filtered_resps": ["x"],
    "filter": "none",
    "metrics": ["acc"],
    "acc": 1.0,
}


def files(folder: Path) -> dict[str, Path]:
    rows = [{"index": 1, "question": "What?", "answer": "x"}]
    made = {
        "kit.xlsx": write_rows(folder / "kit.xlsx", rows),
        "kit.tsv": write_rows(folder / "kit.tsv", rows),
        "lmms": write_log(folder / "lmms", [sample(i) for i in range(12)], results={}).parent,
        "lm": write_log(
            folder / "lm", [LM_EVAL | {"doc_id": i} for i in range(12)], name="samples_{task}.jsonl"
        ).parent,
        "log.json": write_json(folder / "log.json", log([inspect_sample(1)])),
        "outside.jsonl": folder / "outside.jsonl",
        "notes.json": folder / "notes.json",
        "results.csv": folder / "results.csv",
        "absent.json": folder / "absent.json",
    }
    made["outside.jsonl"].write_text('{"id": 1, "response": "x"}\n{"id": 2, "response": "y"}\n')
    made["notes.json"].write_text('{"name": "x", "rows": 3}')
    with made["results.csv"].open("w", newline="") as file:
        csv.writer(file).writerows([["model", "accuracy"], ["m", "0.5"]])
    return made


WRONG = [
    *(("inspect", name) for name in ("outside.jsonl", "kit.xlsx", "kit.tsv", "notes.json", "lmms", "results.csv")),
    *(("lmms-eval", name) for name in ("lm", "log.json", "kit.xlsx", "outside.jsonl")),
    *(("lm-eval", name) for name in ("lmms", "log.json", "kit.xlsx", "outside.jsonl")),
    *(("vlmevalkit", name) for name in ("log.json", "notes.json", "results.csv", "lmms")),
    *(("records", name) for name in ("log.json", "lmms", "kit.xlsx")),
    *(("table", name) for name in ("kit.xlsx", "lmms", "log.json")),
]


@pytest.mark.parametrize(("importer", "name"), WRONG)
def test_a_wrong_importer_points_to_data_inspect(tmp_path: Path, importer: str, name: str) -> None:
    path = files(tmp_path)[name]
    mapping = tmp_path / "map.toml"
    stated = 'source = "s"\nmodality = "text"\nscore_scale = "0-1"\n[constants]\ndomain = "d"\n'
    mapping.write_text(stated + '[columns]\nid = "id"\nquestion = "q"\n[outcomes]\nmodel = "m"\nscore = "s"\n')
    arguments: dict[str, list[object]] = {
        "lmms-eval": [path, "--no-images"],
        "vlmevalkit": ["--pred", f"x={path}", "--no-images", "--source", "s"],
        "table": [path, "--map", mapping],
    }
    run = call_cli("data", "import", importer, *arguments.get(importer, [path]), "--out", tmp_path / "store")
    assert run.returncode == 1
    assert "rsd-bench data inspect " in run.stderr, run.stderr
    said = run.stderr.partition("rsd-bench data inspect ")[2]
    assert str(path) in said or said.startswith("FILE`")
    assert "codec" not in run.stderr
    assert len(run.stderr.splitlines()) == 1, run.stderr


def test_a_log_of_lm_eval_is_not_taken_for_one_of_lmms_eval(tmp_path: Path) -> None:
    read = Read(files(tmp_path)["lm"])
    (problem,) = read.problems
    assert isinstance(problem, SourceProblem)
    assert "is a log of lm-eval" in problem.what and "rsd-bench data import lm-eval" in problem.fix


def test_a_log_of_lm_eval_beside_one_of_lmms_eval_is_left_alone(tmp_path: Path) -> None:
    write_log(tmp_path, [sample(0), sample(1)])
    write_log(tmp_path, [LM_EVAL, LM_EVAL | {"doc_id": 1, "resps": [["a", "b"]], "filtered_resps": {}}], "other")
    read = Read(tmp_path)
    assert [problem.what for problem in read.problems] == ["is a log of lm-eval, not of lmms-eval"]
    assert {response.model for response in read.responses} == {"small"}


SHAPES: list[tuple[Any, str]] = [
    ([1] * 300, "a list is not of type 'object'"),
    ("text" * 300, "a text is not of type 'object'"),
    ({"target": "t" * 300, "filtered_resps": "x"}, "'doc_id' is a required property"),
    ({"doc_id": 1, "target": "t" * 300}, "has neither resps nor filtered_resps"),
    ({"doc_id": 1, "filtered_resps": "r" * 300}, "'target' is a required property"),
    (
        {"doc_id": ["d" * 300], "target": "t", "filtered_resps": "x"},
        "doc_id: a list is not of type 'integer', 'string'",
    ),
    ({"doc_id": 1, "doc": "d" * 300, "target": "t", "filtered_resps": "x"}, "doc: a text is not of type 'object'"),
    ({"doc_id": 2**60, "target": "t", "filtered_resps": "x"}, "doc_id: 1152921504606846976 is greater than"),
]


@pytest.mark.parametrize(("row", "what"), SHAPES, ids=[what for _, what in SHAPES])
def test_what_is_wrong_with_a_row_is_said_without_the_row(tmp_path: Path, row: Any, what: str) -> None:
    path = write_log(tmp_path, [sample(0), sample(1)])
    path.write_text(path.read_text() + json.dumps(row) + "\n")
    (problem,) = Read(tmp_path).problems
    assert problem.where == f"{path}:3" and problem.what.startswith(what)
    assert len(str(problem.what)) < 100


@pytest.mark.parametrize("indent", [None, 1])
def test_a_json_array_in_place_of_lines_is_said_once(tmp_path: Path, indent: int | None) -> None:
    path = write_log(tmp_path, [sample(0)])
    path.write_text(json.dumps([sample(i) for i in range(9)], indent=indent))
    read = Read(tmp_path)
    (problem,) = read.problems
    assert isinstance(problem, SourceProblem) and problem.where == f"{path}:1"
    assert problem.what == "is a JSON array, not a JSON object a line"
    assert "jq -c '.[]'" in problem.fix


def test_a_folder_without_any_log_raises(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="data inspect"):
        Read(tmp_path)
