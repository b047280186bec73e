"""VLMEvalKit stores "Failed to obtain answer via API." as a prediction and judges it; where its own judge fails it
matches a random option (`Failed to predict, thus randomly generate one.`) or stores 0.0. pandas reads an answer "None"
as no answer at all and an index 7 as 7.0. None of these may become a score, and no such row may disappear unseen.
"""

from __future__ import annotations

import base64
import csv
import io
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import openpyxl
import pyarrow.parquet as pq
import pytest
from conftest import run_cli
from kit_files import b64, png

from rsd_bench.sources.source import Source
from rsd_bench.sources.store.import_sources import Policy, import_source
from rsd_bench.sources.store.store_media import image_path
from rsd_bench.sources.vlmevalkit.open_vlmevalkit import open_vlmevalkit
from rsd_bench.types import InputError, Problem

FAILED = "Failed to obtain answer via API."
RANDOM = "Match Log: Failed to predict, thus randomly generate one. . "
HEADER = ["index", "image", "question", "hint", "A", "B", "C", "answer", "category", "l2-category"]


def question(index: object, image: str, **cells: str) -> list[object]:
    row = {"index": index, "image": image, "question": f"What is {index}?", "answer": "A", "category": "chart"} | cells
    return [row.get(name, "") for name in HEADER]


BENCHMARK = [
    question(0, b64(1), hint="Look left.", A="None", B="a\tcat", category="Chart & table"),
    question(1, "0", A="x", B="y", **{"category": "", "l2-category": "maths"}),
    question(2, b64(2), question='He said "two\u2028lines"\nand left.', category="", answer=""),
]


def write_text(path: Path, rows: Sequence[Sequence[object]], delimiter: str = "\t", ends: str = "\n") -> Path:
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter, lineterminator=ends, quoting=csv.QUOTE_ALL).writerows(rows)
    path.write_bytes(text.getvalue().encode())
    return path


def write_xlsx(path: Path, rows: Sequence[Sequence[Any]]) -> Path:
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(list(row))
    book.save(path)
    return path


class Kit:
    """A benchmark in VLMEvalKit's own files, imported into a store."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.store = folder, folder / "store"
        self.tsv = write_text(folder / "MiniBench.tsv", [HEADER, *BENCHMARK])
        self.predictions: dict[str, Path] = {}
        self.judges: dict[str, Path] = {}
        self.problems: list[Problem] = []

    def predict(self, rows: Sequence[Sequence[Any]], model: str = "small", suffix: str = ".xlsx") -> Path:
        path = self.folder / f"{model}_MiniBench{suffix}"
        write = write_xlsx if suffix == ".xlsx" else write_text
        self.predictions[model] = write(path, [["index", "question", "prediction"], *([i, None, p] for i, p in rows)])
        return path

    def judge(self, rows: Sequence[Sequence[Any]], *columns: str, model: str = "small") -> None:
        path = self.folder / f"{model}_MiniBench_gpt-4o_result.xlsx"
        self.judges[model] = write_xlsx(path, [["index", *columns], *rows])

    def open(self, source: str | None = None) -> Source:
        return open_vlmevalkit(self.tsv, self.predictions, self.judges, source, self.problems.append)

    def table(self, name: str = "responses", source: str | None = None) -> list[dict[str, Any]]:
        info = import_source(self.open(source), self.store, {}, self.problems, Policy(replace=True))
        rows: list[dict[str, Any]] = pq.read_table(
            self.store / "sources" / info["source"] / f"{name}.parquet"
        ).to_pylist()
        return rows

    def refused(self) -> str:
        with pytest.raises(InputError) as error:
            self.table()
        assert not list(self.store.glob("sources/*/*.parquet"))
        return str(error.value)


@pytest.fixture
def kit(tmp_path: Path) -> Kit:
    return Kit(tmp_path)


def outcomes(rows: list[dict[str, Any]]) -> dict[str, tuple[str, str | None, float | None]]:
    return {row["query_id"].rpartition("/")[2]: (row["status"], row["response"], row["score"]) for row in rows}


def test_a_query_is_what_a_reader_sees(kit: Kit) -> None:
    kit.predict([(0, "A")])
    first, second, third = kit.table("queries")
    assert first["query_id"] == "MiniBench/0" == first["group"]
    assert first["question"] == "Look left.\nWhat is 0?\nA. None\nB. a\tcat"  # the option "None" is not an absent one
    assert (first["domain"], second["domain"], third["domain"]) == ("Chart-table", "maths", "MiniBench")
    assert (first["reference_answer"], third["reference_answer"]) == ("A", None)
    assert third["question"] == 'He said "two\u2028lines"\nand left.'
    assert first["image_sha256"] == second["image_sha256"] != third["image_sha256"]
    assert image_path(kit.store, first["image_sha256"]).read_bytes() == png(1)
    assert image_path(kit.store, third["image_sha256"]).read_bytes() == png(2)


def test_a_failed_call_is_an_error_whatever_its_judge_says(kit: Kit) -> None:
    kit.predict([(0, FAILED + " "), (1, "Failed to obtain answer: <class 'RuntimeError'> CUDA"), (2, "B")])
    kit.judge([(0, 0, "x"), (1, 1, "x"), (2, 0, "x")], "hit", "log")
    assert outcomes(kit.table()) == {"0": ("error", None, None), "1": ("error", None, None), "2": ("ok", "B", 0.0)}


def test_an_empty_prediction_is_an_error_even_though_the_text_nan_was_judged(kit: Kit) -> None:
    kit.predict([(0, None), (1, "  ")])
    kit.judge([(0, "nan", 0), (1, "nan", 0)], "prediction", "hit")
    assert outcomes(kit.table()) == {"0": ("error", None, None), "1": ("error", None, None)}


def test_a_judge_that_failed_gives_no_score(kit: Kit) -> None:
    kit.predict([(0, "a cat"), (1, "a dog"), (2, "A")])
    kit.judge([(0, 1, RANDOM), (1, 0, "Try 0: ...\nAll 5 retries failed.\n"), (2, 1, "Succeed")], "hit", "log")
    rows = kit.table()
    assert outcomes(rows)["0"] == ("unparseable", "a cat", None)
    assert outcomes(rows)["1"] == ("unparseable", "a dog", None)
    assert outcomes(rows)["2"] == ("ok", "A", 10.0)
    assert {row["judge"] for row in rows} == {"gpt-4o"}


@pytest.mark.parametrize("suffix", [".xlsx", ".tsv"])
def test_cells_stay_text(kit: Kit, suffix: str) -> None:
    kit.predict([(0, "nan"), ("1.0", "None"), (2, "=1+1")], suffix=suffix)
    expected = {"0": ("unscored", "nan", None), "1": ("unscored", "None", None), "2": ("unscored", "=1+1", None)}
    assert outcomes(kit.table()) == expected


def test_without_a_judge_file_nothing_is_scored_though_the_answer_matches(kit: Kit) -> None:
    kit.predict([(0, "A")])
    assert kit.open().info.score_rule == "unscored: no judge file"
    assert outcomes(kit.table()) == {"0": ("unscored", "A", None)}


@pytest.mark.parametrize(
    ("column", "given", "expected"),
    [
        ("hit", ["True", False, 1], [10, 0, 10]),
        ("score", [0.1, 0.55, 1], [1, 5.5, 10]),
        ("score (0-5)", [0, 4, 5], [0, 8, 10]),
        ("Score_0_100", [0, 73, 1], [0, 7.3, 0.1]),
        ("judge", ["Yes", "no", "correct"], [10, 0, 10]),
    ],
)
def test_scores_become_0_to_10_by_the_recorded_rule(
    kit: Kit, column: str, given: list[Any], expected: list[float]
) -> None:
    kit.predict([(i, "A") for i in range(3)])
    kit.judge(list(enumerate(given)), column)
    assert column.lower() in kit.open().info.score_rule
    assert [row["score"] for row in kit.table()] == pytest.approx(expected)


def test_a_benchmark_with_a_known_scale_keeps_its_low_scores_low(kit: Kit) -> None:
    """Every answer scored 1 of 10: read as a share of 1, the worst answers would become perfect ones."""
    kit.tsv = kit.tsv.rename(kit.folder / "LLaVABench.tsv")
    kit.predict([(0, "a"), (1, "b"), (2, "c")])
    kit.judge([(0, 1, 8), (1, 1, 9), (2, -1, -1)], "score", "gpt4_score")
    assert [(row["status"], row["score"]) for row in kit.table()] == [("ok", 1.0), ("ok", 1.0), ("unparseable", None)]


def test_windows_files_read_alike(kit: Kit) -> None:
    kit.predict([(0, "A"), (2, "B")], suffix=".tsv")
    plain = kit.table("queries"), outcomes(kit.table())
    write_text(kit.tsv, [HEADER, *BENCHMARK], ends="\r\n")
    for path in (kit.tsv, kit.predictions["small"]):
        path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert (kit.table("queries"), outcomes(kit.table())) == plain


def test_a_line_separator_in_an_unquoted_cell_ends_no_row(kit: Kit) -> None:
    kit.tsv.write_text(f"index\tquestion\timage\n0\tone\u2028two\x0bthree\t{b64(4)}\n", "utf-8")
    (query,) = kit.table("queries")
    assert query["question"] == "one\u2028two\x0bthree"
    assert image_path(kit.store, query["image_sha256"]).read_bytes() == png(4)


def test_names_are_stated_once_and_used(kit: Kit) -> None:
    kit.predict([(0, "A")], model="qwen")
    assert {row["query_id"] for row in kit.table("queries", source="mb-1")} == {"mb-1/0", "mb-1/1", "mb-1/2"}
    with pytest.raises(InputError, match="no source id"):
        kit.open("not a name")


def broken_tsv(rows: list[list[object]]) -> Callable[[Kit], None]:
    return lambda kit: (write_text(kit.tsv, [HEADER, *rows]), kit.predict([(0, "A")]))[0] and None


def judged(rows: list[tuple[Any, ...]], *columns: str) -> Callable[[Kit], None]:
    def spoil(kit: Kit) -> None:
        kit.predict([(row[0], "A") for row in BENCHMARK])
        kit.judge(rows, *columns)

    return spoil


def predicted(rows: list[tuple[Any, Any]]) -> Callable[[Kit], None]:
    return lambda kit: kit.predict(rows) and None


def spoiled_prediction_file(data: bytes, suffix: str) -> Callable[[Kit], None]:
    return lambda kit: kit.predict([(0, "A")], suffix=suffix).write_bytes(data) and None


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (broken_tsv([question(0, "x" * 101)]), "MiniBench.tsv:2: image is not base64"),
        (broken_tsv([question(0, base64.b64encode(bytes(90)).decode())]), "query 'MiniBench/0': is not an image"),
        (broken_tsv([question(0, b64(1)[:9] + "!" + b64(1)[9:])]), "MiniBench.tsv:2: image is not base64"),
        (broken_tsv([question(0, "41")]), "MiniBench.tsv:2: image is that of row '41', which is missing"),
        (broken_tsv([question(0, "1"), question(1, "0")]), "row '0', which is missing or has none"),
        (broken_tsv([question(0, str([b64(1), "x" * 101]))]), "MiniBench.tsv:2: image 2 of 2 is not base64"),
        (broken_tsv([question(0, "")]), "MiniBench.tsv:2: has no image"),
        (broken_tsv([question(0, b64(1), question="")]), "MiniBench.tsv:2: has no question"),
        (broken_tsv([question(0, b64(1), category="机器")]), "category '机器'"),
        (broken_tsv([question(0, b64(1)), question("0.0", b64(2))]), "'MiniBench/0' stands at"),
        (broken_tsv([question(0, b64(1)), ["1", "short"]]), "MiniBench.tsv:3: row has 2 cells, the header 10"),
        (lambda kit: write_text(kit.tsv, [["index", "query"], ["0", "q"]]), "has no column question, image; it has"),
        (lambda kit: kit.tsv.write_bytes(b""), "MiniBench.tsv: is empty"),
        (lambda kit: kit.tsv.write_bytes("index\tquestion".encode("utf-16")), "not UTF-8"),
        (lambda kit: kit.tsv.unlink(), "MiniBench.tsv: No such file"),
        (predicted([(0, "A"), (99, "B")]), "row 3: query_id 'MiniBench/99' is no query"),
        (predicted([(0, "A"), ("0.0", "B")]), "on 'MiniBench/0' stands at"),
        (spoiled_prediction_file(b"PK\x03\x04 no workbook", ".xlsx"), "small_MiniBench.xlsx: is not a workbook"),
        (spoiled_prediction_file(b"index,prediction\n0,A\n", ".tsv"), "has no column index, prediction"),
        (spoiled_prediction_file(b"index\tprediction\n0\t\xff\n", ".tsv"), "small_MiniBench.tsv:2: not UTF-8"),
        (spoiled_prediction_file(b'index\tprediction\n0\t"A\n', ".tsv"), "small_MiniBench.tsv:2: not a table row"),
        (lambda kit: kit.predictions.update(m=kit.folder / "m.pkl"), "m.pkl: is a pickle, which can run code"),
        (lambda kit: kit.predictions.update(m=kit.folder / "m.xls"), "m.xls: is no .xlsx, .tsv, .csv, .json or .jsonl"),
        (judged([(0, "nan")], "hit"), "row 2: hit is 'nan', not a number"),
        (judged([(0, None), (1, 1)], "hit"), "row 2: hit is '', not a number"),
        (judged([(0, "=1")], "hit"), "hit is '=1', not a number"),
        (judged([(0, 2)], "hit"), "row 2: hit 2 lies outside 0-1"),
        (judged([(0, 6)], "score (0-5)"), "6 lies outside 0-5"),
        (judged([(0, 1), (1, 4)], "score"), "score goes up to 4: its scale cannot be told"),
        (judged([(0, 1, 1)], "hit", "score"), "has several score columns: hit, score"),
        (judged([(0, "x")], "log"), "has no score column of its own; beside the benchmark's it has log"),
        (judged([(0, 1), (0, 0)], "hit"), "row 3: index '0' is judged at"),
        (judged([(0, 1), (5, 0)], "hit"), "row 3: judges 1 answers that are not in"),
        (judged([(0, 1, "A"), (1, 1, "C")], "hit", "prediction"), "row 3: judges another answer than"),
        (lambda kit: kit.judges.update(other=kit.tsv), "judges 'other', which has no predictions"),
    ],
)
def test_a_fault_is_told_with_its_place_and_nothing_is_stored(
    kit: Kit, spoil: Callable[[Kit], object], told: str
) -> None:
    spoil(kit)
    assert told in kit.refused()


def test_all_faults_are_told_at_once_and_those_of_a_query_not_again_for_each_answer(kit: Kit) -> None:
    write_text(kit.tsv, [HEADER, question(0, ""), question(1, b64(1), question=""), question(2, b64(2))])
    kit.predict([(0, "A"), (1, "A"), (2, "A"), (77, "A")])
    kit.judge([(0, 1), (1, 1), (2, "inf")], "hit")
    kit.refused()
    assert len(kit.problems) == 4
    assert all(problem.fix for problem in kit.problems)


def test_the_licence_is_what_the_importer_is_told(kit: Kit, tmp_path: Path) -> None:
    def imported(*more: str) -> Any:
        prediction = kit.predict([(row[0], "A") for row in BENCHMARK])
        run = run_cli(
            *("data", "import", "vlmevalkit", "--tsv", kit.tsv, "--pred", f"small={prediction}", "--json"),
            *("--out", tmp_path / "store", *more),
        )
        return run.returncode, json.loads(run.stdout)["sources"][0] if run.returncode == 0 else run.stderr

    code, info = imported()
    assert (code, info["license"], info["redistributable"]) == (0, "unknown", False)
    code, info = imported("--license", "CC-BY-4.0", "--redistributable")
    assert (code, info["license"], info["redistributable"]) == (0, "CC-BY-4.0", True)
    assert imported("--redistributable")[0] == 2
