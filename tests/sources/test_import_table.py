"""Outcome tables of other routing benchmarks come in by their columns, and a map that is slightly wrong must be told.

Guards against a score of 0.7 on a scale of 0-1 that became 0.7 of 10, milliseconds taken for seconds, a mistyped column
that made all answers "unscored", a model that was lost because its column was named otherwise, two questions under one
id, and a failed call that counted as an answer.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import call_cli
from tables import LONG, MODELS, WIDE, prepare, read, rows_of, widened, write

FORMATS = ("t.csv", "t.tsv", "t.jsonl", "t.json", "t.parquet", "t.csv.gz", "t.jsonl.gz", "t.json.gz")


def expected(rows: list[dict[str, Any]]) -> dict[tuple[str, str], tuple[float, float, float, str]]:
    return {
        (f"quiz/{row['qid']}", row["who"]): (10 * row["right"], row["ms"] / 1000, row["usd"], row["said"])
        for row in rows
    }


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("mapping", [LONG, WIDE], ids=["long", "wide"])
def test_every_format_gives_the_same(tmp_path: Path, name: str, mapping: str) -> None:
    rows = rows_of()
    found = read(write(tmp_path / name, rows if mapping is LONG else widened(rows)), prepare(tmp_path, mapping))
    assert found.problems == []
    want = expected(rows)
    assert found.outcomes.keys() == want.keys()
    for key, outcome in found.outcomes.items():
        score, latency, cost, said = want[key]
        assert (outcome.status, outcome.response, outcome.cost_usd) == ("ok", said, cost)
        assert (outcome.score, outcome.latency_s) == (pytest.approx(score), pytest.approx(latency))
    for row in rows:
        query = found.queries[f"quiz/{row['qid']}"]
        assert (query.question, query.reference_answer, query.domain) == (row["ask"], row["truth"], row["kind"])
        assert [medium.name for medium in query.media] == [row["picture"]]
        assert query.media[0].read() == (tmp_path / "pictures" / row["picture"]).read_bytes()
        assert (query.group, query.modality) == (query.query_id, "image")


def test_through_the_command_into_a_store_5000_rows_in_seconds(tmp_path: Path) -> None:
    mapping, table = prepare(tmp_path, LONG), write(tmp_path / "t.csv", rows_of(2500))
    start = time.monotonic()
    run = call_cli("data", "import", "table", table, "--map", mapping, "--out", tmp_path / "store", "--json")
    assert run.returncode == 0, run.stderr
    assert time.monotonic() - start < 10
    (info,) = json.loads(run.stdout)["sources"]
    assert (info["queries"], info["models"]) == (2500, dict.fromkeys(sorted(MODELS), 2500))
    assert (info["license"], info["redistributable"]) == ("CC0-1.0", True)
    assert info["score_rule"] == "column right (0-1) x 10"
    stored = pq.read_table(tmp_path / "store" / "sources" / "quiz" / "responses.parquet").to_pylist()
    want = expected(rows_of(2500))
    assert all(row["score"] == pytest.approx(want[row["query_id"], row["model"]][0]) for row in stored)


def test_models_come_one_by_one_and_bad_rows_can_be_left_out(tmp_path: Path) -> None:
    """A second import took the place of the first; and one bad row kept all others out."""
    text = LONG.replace('image = "picture"\n', "").replace('images = "pictures"', 'modality = "text"')
    mapping, rows = prepare(tmp_path, text), rows_of(4)
    rows[3]["right"] = 7
    store = tmp_path / "store"
    for at, model in enumerate(MODELS):
        table = write(tmp_path / f"{at}.csv", [row for row in rows if row["who"] == model])
        run = call_cli("data", "import", "table", table, "--map", mapping, "--out", store)
        assert run.returncode == at, run.stderr
    assert "right is '7', which is not in [0, 1]" in run.stderr
    run = call_cli("data", "import", "table", table, "--map", mapping, "--out", store, "--skip-bad", "--json")
    assert run.returncode == 0
    (info,) = json.loads(run.stdout)["sources"]
    assert (info["queries"], info["models"]) == (4, {MODELS[0]: 4, MODELS[1]: 3})
    stored = pq.read_table(store / "sources" / "quiz" / "queries.parquet").to_pylist()
    assert {row["modality"] for row in stored} == {"text"}
    write(table, [row | {"ask": "Another?"} for row in rows_of(4) if row["who"] == MODELS[1]])
    run = call_cli("data", "import", "table", table, "--map", mapping, "--out", store)
    assert run.returncode == 1
    assert "query 'quiz/q0': its question is 'Another?' here" in run.stderr


@pytest.mark.heavy
def test_200_000_rows_in_bounded_memory(tmp_path: Path) -> None:
    """2.2 million outcomes of a table of 400 MB: what is kept of a query is its id and a digest."""
    models = [f"org/model-{at}.5" for at in range(11)]
    columns = ["id", "ask", "kind", *(f"{model}{end}" for model in models for end in ("_right", "|said", "_usd"))]
    with (tmp_path / "t.csv").open("w") as table:
        table.write(",".join(columns) + "\n")
        for i in range(200_000):
            cells = [f"{(i * (at + 3)) % 11 / 10},{'answer ' * 20},0.001" for at in range(len(models))]
            table.write(f"q{i},{'What is it? ' * 20}{i},set{i % 9},{','.join(cells)}\n")
    wide = WIDE.replace('image = "picture"\n', "").replace('images = "pictures"', 'modality = "text"')
    for line in ('reference_answer = "truth"\n', 'latency_ms = "{model}_ms"\n'):
        wide = wide.replace(line, "")
    (tmp_path / "map.toml").write_text(wide.replace('id = "qid"', 'id = "id"'))
    code = (
        "import resource; from pathlib import Path; told = [];"
        "from rsd_bench.sources.table.open_table import open_table;"
        "source = open_table([Path('t.csv')], Path('map.toml'), told.append);"
        "n = sum(1 for _ in source.queries), sum(1 for _ in source.responses);"
        "print(*n, len(told), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    queries, outcomes, problems, megabytes = map(int, done.stdout.split())
    assert (queries, outcomes, problems) == (200_000, 2_200_000, 0)
    assert megabytes < 300


@pytest.mark.parametrize(
    ("scale", "cells", "scores"),
    [
        ("0-1", ["0", "1.0", " .25 ", "1e-1"], [0, 10, 2.5, 1]),
        ("0-10", ["7", "6.999999999999999", "0", "10"], [7, 7, 0, 10]),
        ("0-100", ["70", "33.3", "0", "100"], [7, 3.33, 0, 10]),
        ("true/false", ["True", "false", "1.0", "0"], [10, 0, 10, 0]),
    ],
)
def test_scores_come_from_the_stated_scale(tmp_path: Path, scale: str, cells: list[str], scores: list[float]) -> None:
    rows = [row | {"right": cell} for row, cell in zip(rows_of(2), cells, strict=True)]
    found = read(write(tmp_path / "t.csv", rows), prepare(tmp_path, LONG.replace("0-1", scale)))
    assert found.problems == []
    assert [outcome.score for outcome in found.outcomes.values()] == pytest.approx(scores)


@pytest.mark.parametrize(
    ("scale", "cell", "told"),
    [
        ("0-1", "2", "right is '2', which is not in [0, 1]"),
        ("0-1", "-0.1", "right is '-0.1', which is not in [0, 1]"),
        ("0-1", "True", "right is 'True', which is no number"),
        ("0-1", "nan", "right is 'nan', which is no number"),
        ("0-1", "0,5", "right is '0,5', which is no number"),
        ("0-1", "1_0", "right is '1_0', which is no number"),
        ("0-100", "inf", "right is 'inf', which is no number"),
        ("true/false", "0.5", "right is '0.5', which is neither true nor false"),
        ("true/false", "yes", "right is 'yes', which is neither true nor false"),
    ],
)
def test_a_cell_off_its_scale_costs_that_outcome_alone(tmp_path: Path, scale: str, cell: str, told: str) -> None:
    rows = [row | {"right": "1"} for row in rows_of(4)]
    rows[5]["right"] = cell
    found = read(write(tmp_path / "t.csv", rows), prepare(tmp_path, LONG.replace("0-1", scale)))
    (problem,) = found.problems
    assert told in str(problem) and problem not in found.of_source
    assert found.outcomes.keys() == expected(rows).keys() - {("quiz/q2", MODELS[1])}
    assert len(found.queries) == 4


def test_labels_and_statuses(tmp_path: Path) -> None:
    mapping = LONG.replace('score_scale = "0-1"\n', "").replace('cost_usd = "usd"', 'status = "done"')
    mapping += '[labels]\nright = 10\n"half right" = 5\nWrong = 0\n[statuses]\ntrue = "ok"\nfalse = "error"\n'
    rows = rows_of(2)
    for row, label, done in zip(rows, ("Right", "half right", "wrong", ""), (True, False, True, True), strict=True):
        row |= {"right": label, "done": done}
    for name in ("t.csv", "t.jsonl"):
        found = read(write(tmp_path / name, rows), prepare(tmp_path, mapping))
        assert found.problems == []
        outcomes = [(outcome.status, outcome.score) for outcome in found.outcomes.values()]
        assert outcomes == [("ok", 10), ("error", None), ("ok", 0), ("unscored", None)]
    rows[0]["right"], rows[1]["done"] = "rigth", "maybe"
    found = read(write(tmp_path / "t.csv", rows), prepare(tmp_path, mapping))
    assert "right is 'rigth', which is none of right, half right, wrong" in found.said
    assert "done is 'maybe', which is none of true, false" in found.said


def test_figures_that_are_none_are_told_with_their_column(tmp_path: Path) -> None:
    mapping = LONG.replace('cost_usd = "usd"', 'cost_usd = "usd"\noutput_tokens = "out"\nfirst_token_s = "first"')
    good = {"out": "12.0", "first": "0.5"}
    bad = [{"ms": "1e13"}, {"usd": "-1"}, {"out": "1.5"}, {"first": "fast"}]
    rows = [row | good | (bad[at - 2] if at >= 2 else {}) for at, row in enumerate(rows_of(3))]
    found = read(write(tmp_path / "t.csv", rows), prepare(tmp_path, mapping))
    first = found.outcomes["quiz/q0", MODELS[0]]
    assert (first.output_tokens, first.first_token_s, first.latency_s) == (12, 0.5, 0.001)
    assert [problem.what.split(" is ")[0] for problem in found.problems] == ["ms", "usd", "out", "first"]
    assert len(found.outcomes) == 2


@pytest.mark.parametrize("name", ["t.csv", "t.jsonl", "t.json", "t.parquet"])
@pytest.mark.parametrize("lost", ["right", "ask", "qid", "picture", "usd"])
def test_a_column_that_no_row_has_is_told_once(tmp_path: Path, name: str, lost: str) -> None:
    """Absent from JSON, it read as always empty: all answers were unscored."""
    rows = [{key: value for key, value in row.items() if key != lost} for row in rows_of()]
    found = read(write(tmp_path / name, rows), prepare(tmp_path, LONG))
    assert f"has no column {lost}; it has " in found.said
    assert found.problems == found.of_source and len(found.problems) == 1
    assert not found.outcomes


def test_models_of_a_wide_table(tmp_path: Path) -> None:
    wide = widened(rows_of())
    mapping = prepare(tmp_path, WIDE)
    for row in wide:
        row["total_usd"] = 1
    found = read(write(tmp_path / "t.csv", wide), mapping)
    assert "model 'total' has no column total_right, total|said, total_ms -> fix the pattern" in found.said
    assert found.of_source == found.problems
    mapping.write_text(f"models = {json.dumps(MODELS)}\n{WIDE}")
    assert read(tmp_path / "t.csv", mapping).problems == []
    mapping.write_text(f'models = ["tiny-1.5", "hug"]\n{WIDE}')
    assert "model 'hug' has no column hug_right" in read(tmp_path / "t.csv", mapping).said


def test_a_model_that_was_not_asked_has_no_outcome_and_one_without_a_score_is_unscored(tmp_path: Path) -> None:
    wide = widened(rows_of(3))
    for name in ("_right", "_ms", "_usd", "|said"):
        wide[0][f"{MODELS[0]}{name}"] = ""
    wide[1][f"{MODELS[0]}_right"] = ""
    found = read(write(tmp_path / "t.csv", wide), prepare(tmp_path, WIDE))
    assert found.problems == []
    assert len(found.outcomes) == 5 and ("quiz/q0", MODELS[0]) not in found.outcomes
    assert found.outcomes["quiz/q1", MODELS[0]].status == "unscored"


@pytest.mark.parametrize("field", ["ask", "truth", "kind", "picture"])
def test_rows_that_describe_a_query_differently_are_refused(tmp_path: Path, field: str) -> None:
    rows = rows_of()
    rows[3][field] = "another" if field != "picture" else "2.png"
    found = read(write(tmp_path / "t.csv", rows), prepare(tmp_path, LONG))
    (problem,) = found.of_source
    named = {"ask": "question", "truth": "reference_answer", "kind": "domain", "picture": "image"}[field]
    assert f"says another {named} of query 'q1' than {tmp_path / 't.csv'}:6" in problem.what


def test_an_empty_cell_says_nothing(tmp_path: Path) -> None:
    rows = rows_of(3)
    rows[0] |= {"truth": "", "picture": ""}
    rows[3] |= {"ask": ""}
    found = read(write(tmp_path / "t.jsonl", rows), prepare(tmp_path, LONG))
    assert found.problems == []
    assert len(found.outcomes) == 6
    assert [query.reference_answer for query in found.queries.values()] == ["0", "1", "2"]
    assert all(query.media and query.question for query in found.queries.values())
    for row in rows[4:]:
        row["ask"] = ""
    found = read(write(tmp_path / "t.jsonl", rows), prepare(tmp_path, LONG))
    assert "ask is empty: query 'q2' has no question" in found.said
    assert found.problems and not found.of_source
    assert {key[0] for key in found.outcomes} == {"quiz/q0", "quiz/q1"}


def test_a_table_of_which_no_row_can_be_used_is_a_fault_of_its_own(tmp_path: Path) -> None:
    """Left out one by one, they made an empty source."""
    found = read(write(tmp_path / "t.csv", [row | {"ask": ""} for row in rows_of(2)]), prepare(tmp_path, LONG))
    assert [problem.what for problem in found.of_source] == ["gives no query: every row has a problem"]


def test_an_answer_stays_as_it_is(tmp_path: Path) -> None:
    rows = [row | {"said": "  two\n"} for row in rows_of(1)]
    for name in ("t.csv", "t.jsonl", "t.parquet"):
        found = read(write(tmp_path / name, rows), prepare(tmp_path, LONG))
        assert {outcome.response for outcome in found.outcomes.values()} == {"  two\n"}


@pytest.mark.parametrize("mapping", [LONG, WIDE], ids=["long", "wide"])
def test_an_outcome_that_stands_twice(tmp_path: Path, mapping: str) -> None:
    rows = rows_of() if mapping is LONG else widened(rows_of())
    found = read(write(tmp_path / "t.csv", [*rows, rows[0]]), prepare(tmp_path, mapping))
    assert found.problems and not found.of_source
    assert f"says of 'tiny-1.5' on 'quiz/q0' what {tmp_path / 't.csv'}:2 says" in found.said
    other = rows[0] | {("right" if mapping is LONG else "tiny-1.5_right"): 0.9}
    found = read(write(tmp_path / "t.csv", [*rows, other]), prepare(tmp_path, mapping))
    (problem,) = found.of_source
    assert f"says something else of 'tiny-1.5' on 'quiz/q0' than {tmp_path / 't.csv'}:2" in problem.what


def test_several_files_and_one_named_twice(tmp_path: Path) -> None:
    rows, mapping = rows_of(), prepare(tmp_path, LONG)
    files = [write(tmp_path / f"{at}.csv", [row for row in rows if row["who"] == m]) for at, m in enumerate(MODELS)]
    found = read(files, mapping)
    assert found.problems == [] and found.outcomes.keys() == expected(rows).keys()
    assert "is named twice" in read([files[0], tmp_path / "." / "0.csv"], mapping).said


def test_ids_by_a_rule(tmp_path: Path) -> None:
    columns = WIDE.replace('id = "qid"\n', "").replace('source = "quiz"', 'source = "quiz"\nid_rule = "row"')
    found = read(write(tmp_path / "t.csv", widened(rows_of(2))), prepare(tmp_path, columns))
    assert list(found.queries) == ["quiz/t/1", "quiz/t/2"]
    found = read(tmp_path / "t.csv", prepare(tmp_path, columns.replace('"row"', '"question"')))
    assert found.problems == [] and len({*found.queries}) == 2
    twice = [row | {"ask": "What is it?"} for row in widened(rows_of(2))]
    assert read(write(tmp_path / "t.csv", twice), tmp_path / "map.toml").of_source


def test_queries_in_files_of_their_own(tmp_path: Path) -> None:
    rows = rows_of(3)
    mapping = LONG.replace("[outcomes]\n", '[queries]\nfiles = ["q/*.jsonl"]\n[outcomes]\nid = "sample"\n')
    (tmp_path / "q").mkdir()
    write(tmp_path / "q" / "a.jsonl", widened(rows[:4]))
    write(tmp_path / "q" / "b.jsonl", widened(rows[4:]))
    outcomes = [{name: row[name] for name in ("who", "right", "said", "ms", "usd")} for row in rows]
    table = [{"sample": row["qid"], **outcome} for row, outcome in zip(rows, outcomes, strict=True)]
    found = read(write(tmp_path / "t.parquet", table), prepare(tmp_path, mapping))
    assert found.problems == [] and found.outcomes.keys() == expected(rows).keys()
    found = read(write(tmp_path / "t.parquet", [*table, table[0] | {"sample": "q9"}]), tmp_path / "map.toml")
    assert "is about 'q9', which is no query of a.jsonl, b.jsonl" in found.said
    rows = write(tmp_path / "t.jsonl", table).read_text() + "{\n"
    (tmp_path / "t.jsonl").write_text(rows)
    assert [problem.what[:8] for problem in read(tmp_path / "t.jsonl", tmp_path / "map.toml").problems] == ["not JSON"]
    prepare(tmp_path, mapping.replace("q/*", "none/*"))
    assert "queries.files: no file 'none/*.jsonl'" in read(tmp_path / "t.parquet", tmp_path / "map.toml").said


def test_cells_within_cells_and_what_stands_beside_the_rows(tmp_path: Path) -> None:
    rows = [
        {"index": i, "ask": f"How many, {i}?", "eval": {"score": i / 2, "notes": [{"truth": str(i)}]}} for i in range(3)
    ]
    mapping = """source = "quiz"
records = "data.rows"
score_scale = "0-1"
modality = "text"
[columns]
id = ["head.set", "index"]
question = "ask"
domain = "head.set"
reference_answer = "eval.notes.0.truth"
[outcomes]
model = "head.by.model"
score = "eval.score"
"""
    for name, model in (("a.json", "tiny"), ("b.json", "huge")):
        document = {"set": "sums", "data": {"n": 3, "rows": rows}, "by": {"model": model}}
        (tmp_path / name).write_text(json.dumps(document))
    found = read([tmp_path / "a.json", tmp_path / "b.json"], prepare(tmp_path, mapping))
    assert found.problems == []
    assert [(q.query_id, q.domain, q.modality) for q in found.queries.values()] == [
        (f"quiz/sums/{i}", "sums", "text") for i in range(3)
    ]
    assert [query.reference_answer for query in found.queries.values()] == ["0", "1", "2"]
    assert {key[1]: outcome.score for key, outcome in found.outcomes.items()} == {"tiny": 10, "huge": 10}


def test_parts_of_a_cell(tmp_path: Path) -> None:
    mapping = LONG.replace('domain = "kind"', 'domain = "qid"\ngroup = "qid"')
    mapping += '[match]\ndomain = "^([a-z]+)"\ngroup = "([0-9])$"\n'
    found = read(write(tmp_path / "t.csv", rows_of(3)), prepare(tmp_path, mapping))
    assert [(query.domain, query.group) for query in found.queries.values()] == [("q", f"quiz/{i}") for i in range(3)]
    rows = [row | {"qid": row["qid"].upper() if row["qid"] == "q1" else row["qid"]} for row in rows_of(3)]
    found = read(write(tmp_path / "t.csv", rows), tmp_path / "map.toml")
    assert "qid is 'Q1', which match.domain does not fit" in found.said
    assert len(found.queries) == 2 and not found.of_source


def test_parquet_reads_no_column_that_the_map_does_not_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table, asked = write(tmp_path / "t.parquet", [row | {"heavy": "x"} for row in rows_of()]), []
    batches = pq.ParquetFile.iter_batches

    def spy(self: Any, size: int, columns: list[str]) -> Any:
        asked.append(columns)
        return batches(self, size, columns=columns)

    monkeypatch.setattr(pq.ParquetFile, "iter_batches", spy)
    assert read(table, prepare(tmp_path, LONG)).problems == []
    assert asked and all("heavy" not in columns and "qid" in columns for columns in asked)


def test_a_float_column_of_parquet_with_nan(tmp_path: Path) -> None:
    rows = rows_of(2)
    table = pa.Table.from_pylist([row | {"right": float("nan") if at == 1 else 1.0} for at, row in enumerate(rows)])
    pq.write_table(table, tmp_path / "t.parquet")
    found = read(tmp_path / "t.parquet", prepare(tmp_path, LONG))
    assert "right is NaN; leave the cell empty where there is no number" in found.said
    assert len(found.outcomes) == 3
