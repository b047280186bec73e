"""People have prediction files without the benchmark's TSV, in five formats, some made outside of the kit with columns
of their own, and import them model by model. Files that speak of other questions under the same index must not be read
as if they spoke of these; a pickle must not be opened at all.
"""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import pytest
from conftest import call_cli
from kit_files import FORMATS, KitFolder, b64, png, write_rows

from rsd_bench.sources.vlmevalkit.vlmevalkit_benchmark import Reading
from rsd_bench.sources.vlmevalkit.vlmevalkit_names import judged_model, model_of, read_column_map
from rsd_bench.types import InputError

NO_IMAGES = Reading(no_images=True)
ASKED = [
    {"index": 3, "question": "How many?", "hint": "Count.", "A": "two", "B": "six", "answer": "B", "category": "count"},
    {"index": 5, "question": "What colour?", "hint": "Look.", "A": "red", "B": None, "answer": "A", "category": "see"},
]


def answered(*texts: object) -> list[dict[str, object]]:
    return [{**row, "prediction": text} for row, text in zip(ASKED, texts, strict=True)]


@pytest.fixture
def kit(tmp_path: Path) -> KitFolder:
    return KitFolder(tmp_path)


@pytest.mark.parametrize("suffix", FORMATS)
def test_without_a_tsv_the_questions_are_those_that_the_predictions_repeat(kit: KitFolder, suffix: str) -> None:
    kit.predict(answered("B", float("nan")), suffix=suffix)
    queries, responses = kit.read(NO_IMAGES)
    assert queries["3"].question == "Count.\nHow many?\nA. two\nB. six"
    assert (queries["3"].reference_answer, queries["3"].domain) == ("B", "count")
    assert (queries["5"].media, queries["5"].modality, queries["5"].media_available) == ((), "image", False)
    assert [(found.status, found.response) for found in responses] == [("unscored", "B"), ("error", None)]
    assert kit.open(NO_IMAGES).info.source == "Bench"


def test_models_imported_one_by_one_meet_the_same_queries(kit: KitFolder) -> None:
    seen = []
    for model, suffix in (("small", ".xlsx"), ("large", ".jsonl"), ("other", ".csv")):
        kit.predictions.clear()
        kit.predict(answered("A", "B"), model, suffix)
        queries, _ = kit.read(NO_IMAGES)
        seen.append([(q.query_id, q.domain, q.group, q.question, q.reference_answer) for q in queries.values()])
    assert seen[0] == seen[1] == seen[2]


@pytest.mark.parametrize("column", ["question", "hint", "A", "answer", "category"])
def test_files_that_differ_on_a_question_are_refused(kit: KitFolder, column: str) -> None:
    kit.predict(answered("A", "B"))
    kit.predict([row | {column: "quite another"} for row in answered("A", "B")], "large")
    rows, whole = kit.faults(NO_IMAGES)
    assert not rows and len(whole) == 1
    assert f"large_Bench.xlsx: row 2: {column} of index '3' is not that of " in whole[0] and "in 2 rows" in whole[0]


def test_what_one_file_lacks_another_may_have(kit: KitFolder) -> None:
    kit.predict([{"index": 3, "question": "How many?", "prediction": "A"}])
    kit.predict(answered("A", "B"), "large")
    queries, responses = kit.read(NO_IMAGES)
    assert queries["3"].question == "Count.\nHow many?\nA. two\nB. six" and queries["3"].domain == "count"
    assert len(queries) == 2 and len(responses) == 3


def test_files_of_other_indexes_are_no_files_of_one_benchmark(kit: KitFolder) -> None:
    kit.predict(answered("A", "B"))
    kit.predict([row | {"index": f"v1_{row['index']}"} for row in answered("A", "B")], "large")
    assert "shares no index with the files before it" in kit.faults(NO_IMAGES)[1][0]


@pytest.mark.parametrize("of_judge", [False, True])
def test_a_file_of_another_version_of_the_benchmark_is_refused(kit: KitFolder, of_judge: bool) -> None:
    """Its indexes are all there: only what it repeats tells that they are those of other questions."""
    kit.benchmark([row | {"image": b64(1)} for row in ASKED])
    shifted = [row | {"question": f"{row['question']} And why?"} for row in answered("A", "B")]
    kit.predict(answered("A", "B") if of_judge else shifted)
    if of_judge:
        kit.judge([row | {"hit": 1} for row in shifted])
    rows, whole = kit.faults()
    assert not rows and "question of index '3' is not that of" in whole[0]


def test_what_pandas_changes_is_no_difference(kit: KitFolder) -> None:
    asked = {"index": 1, "image": b64(1), "question": "One  more\r\n?", "A": "None", "B": "1.0", "answer": "True"}
    kit.benchmark([asked])
    kit.predict([{"index": 1.0, "question": "One more\n?", "A": "", "B": 1, "answer": True, "prediction": "A"}])
    assert len(kit.read()[1]) == 1


def test_a_row_twice_counts_once_and_two_that_differ_are_a_fault_of_the_file(kit: KitFolder) -> None:
    kit.predict([*answered("A", "B"), answered("A", "B")[0]])
    assert [found.response for found in kit.read(NO_IMAGES)[1]] == ["A", "B"]
    kit.predict([*answered("A", "B"), answered("C", "B")[0]])
    rows, whole = kit.faults(NO_IMAGES)
    assert not rows and "on 'Bench/3' stands at" in whole[0] and "the rows differ" in whole[0]
    kit.benchmark([row | {"image": b64(1)} for row in (*ASKED, ASKED[0] | {"answer": "A"})])
    assert any("'Bench/3' stands at" in found for found in kit.faults()[1])


def test_a_faulty_row_is_left_out_with_its_answers(kit: KitFolder) -> None:
    kit.benchmark([{**ASKED[0], "question": " ", "image": b64(1)}, {**ASKED[1], "image": b64(1)}])
    kit.predict(answered("A", "B"))
    rows, whole = kit.faults()
    assert not whole and len(rows) == 1 and "Bench.tsv:2: has no question" in rows[0]
    assert [len(left) for left in kit.left] == [1, 1] and kit.left[1][0].query_id == "Bench/5"


OUTSIDE = [{"id": "5", "response": "blue"}, {"id": "3", "response": "two"}]


def test_predictions_made_outside_of_the_kit(kit: KitFolder) -> None:
    kit.predict(answered("A", "B"))
    kit.predict(OUTSIDE, "outside", ".jsonl")
    responses = kit.read(NO_IMAGES)[1]
    assert {r.query_id: r.response for r in responses if r.model == "outside"} == {"Bench/3": "two", "Bench/5": "blue"}


@pytest.mark.parametrize("columns", ["index=Id,prediction=response", "index=qid,prediction=text"])
def test_a_map_names_their_columns_and_leaves_files_of_the_kit_as_they_are(kit: KitFolder, columns: str) -> None:
    names = dict(part.split("=") for part in columns.split(","))
    rows = [{names["index"]: row["id"], names["prediction"]: row["response"], "output": "x"} for row in OUTSIDE]
    kit.predict([row | {"id": f"v1_{row['index']}"} for row in answered("A", "B")])
    kit.predict(rows, "outside", ".jsonl")
    responses = kit.read(Reading(no_images=True, columns=read_column_map(columns)))[1]
    said = {(r.model, r.query_id): r.response for r in responses}
    assert (said["outside", "Bench/3"], said["outside", "Bench/5"]) == ("two", "blue")
    assert (said["small", "Bench/3"], said["small", "Bench/5"]) == ("A", "B")


@pytest.mark.parametrize(
    ("rows", "columns", "told"),
    [
        (OUTSIDE, "", "no prediction file has a column question -> give the benchmark by --tsv"),
        (OUTSIDE, "index=nr", "--columns index=nr: no file that was read has a column 'nr'"),
        ([{"id": "5", "response": "a", "output": "b"}], "", "has no column prediction; it has id, response, output"),
    ],
)
def test_what_is_missing_for_them_is_told(kit: KitFolder, rows: list[dict[str, str]], columns: str, told: str) -> None:
    if columns:
        kit.predict(answered("A", "B"))
    kit.predict(rows, "outside", ".jsonl")
    assert any(told in found for found in kit.faults(Reading(no_images=True, columns=read_column_map(columns)))[1])


def test_an_unknown_id_in_a_file_that_does_not_say_what_was_asked_condemns_the_file(kit: KitFolder) -> None:
    """Ids that run on by one would fit all questions but the last."""
    kit.predict(answered("A", "B"))
    kit.predict([{"id": 3, "response": "x"}, {"id": 4, "response": "y"}], "outside", ".jsonl")
    rows, whole = kit.faults(NO_IMAGES)
    assert not rows and "query_id 'Bench/4' is no query of Bench; no column says what was asked" in whole[0]


@pytest.mark.parametrize("columns", ["index", "index=", "=id", "key=id", "index=a,index=b"])
def test_a_map_that_is_none(columns: str) -> None:
    with pytest.raises(InputError, match="--columns"):
        read_column_map(columns)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{", "not JSON"),
        ("[", "not JSON"),
        ('"x"', "holds no table"),
        ("{}", "holds an object whose values are no columns"),
        ('{"index": {"0": 1}, "prediction": {"1": "A"}}', "columns 'index' and 'prediction' are not of the same rows"),
        ('{"index": [1, 2], "prediction": ["A"]}', "columns 'index' and 'prediction' are not of the same rows"),
        ('[{"index": 1, "index": 2}]', "key 'index' stands twice"),
        ('[{"index": 1, "prediction": "\\ud800"}]', "half of a surrogate pair"),
        ("[7, null]", "has no row that can be read"),
        ("[]", "is empty"),
        ("", "is empty"),
        ('[{"index": 1}]', "has no column prediction; it has index"),
    ],
)
def test_json_that_is_no_table_is_refused(kit: KitFolder, text: str, told: str) -> None:
    kit.predictions["small"] = kit.folder / "small_Bench.json"
    kit.predictions["small"].write_text(text)
    assert any(told in found for found in kit.faults(NO_IMAGES)[1])


def test_a_broken_line_costs_its_row(kit: KitFolder) -> None:
    path = kit.predict(answered("A", "B"), suffix=".jsonl")
    path.write_text(path.read_text()[:-5])
    rows, whole = kit.faults(NO_IMAGES)
    assert not whole and "small_Bench.jsonl:2: not JSON" in rows[0] and len(kit.left[1]) == 1


def test_a_pickle_is_never_opened(kit: KitFolder, tmp_path: Path) -> None:
    class Touch:
        def __reduce__(self) -> tuple[Any, ...]:
            return open, (str(tmp_path / "opened"), "w")

    kit.predictions["small"] = tmp_path / "small_Bench.pkl"
    kit.predictions["small"].write_bytes(pickle.dumps(Touch()))
    (told,) = kit.faults(NO_IMAGES)[1][:1]
    assert 'pandas.read_pickle("small_Bench.pkl").to_json("small_Bench.jsonl", orient="records", lines=True)' in told
    assert not (tmp_path / "opened").exists()


@pytest.mark.parametrize(
    ("file", "benchmark", "source", "model"),
    [
        ("a_b_MMBench_DEV_EN.xlsx", "MMBench_DEV_EN", None, "a_b"),
        ("a_b_LogicVista.xlsx", None, "logicvista", "a_b"),
        ("Qwen2.5-VL_LogicVista.jsonl", None, None, "Qwen2.5-VL"),
        ("Qwen2.5-VL_LogicVista.jsonl", None, "lv", "Qwen2.5-VL"),
        ("a_MMBench_DEV_EN.xlsx", "MMBench", None, None),
        ("a_MMBench_DEV_EN.xlsx", None, None, None),
        ("MMBench.xlsx", None, None, None),
        ("_MMBench.xlsx", "MMBench", None, None),
    ],
)
def test_a_model_is_taken_from_a_name_that_tells_it(
    file: str, benchmark: str | None, source: str | None, model: str | None
) -> None:
    if model:
        assert model_of(Path(file), benchmark, source) == model
        return
    with pytest.raises(InputError, match="name it as MODEL=FILE"):
        model_of(Path(file), benchmark, source)


def test_a_judge_file_is_that_of_the_longest_name_it_begins_with() -> None:
    predictions = {"a": Path("x/a_Bench.xlsx"), "b": Path("x/a_Bench_V2.xlsx")}
    assert judged_model(Path("y/a_Bench_gpt-4o.xlsx"), predictions) == "a"
    assert judged_model(Path("y/a_Bench_V2_gpt-4o.xlsx"), predictions) == "b"
    with pytest.raises(InputError, match="called after none of the prediction files"):
        judged_model(Path("y/a_Benchmark_gpt-4o.xlsx"), predictions)


def test_a_file_that_holds_answers_and_verdicts_may_be_both(kit: KitFolder) -> None:
    path = kit.predict([row | {"hit": hit} for row, hit in zip(answered("A", "B"), (1, 0), strict=True)])
    kit.judges["small"] = path
    assert [found.score for found in kit.read(NO_IMAGES)[1]] == [10, 0]


@pytest.mark.parametrize(
    ("cell", "column", "domain"),
    [
        ("['spatial', 'Inductive']", "skill", "Inductive_spatial"),
        ('["spatial"]', "Skill", "spatial"),
        ("3-D & more", "skill", "3-D-more"),
        ("", "skill", "Bench"),
        ("x", None, "count"),
    ],
)
def test_a_column_may_be_the_domain(kit: KitFolder, cell: str, column: str | None, domain: str) -> None:
    kit.predict([row | {"skill": cell} for row in answered("A", "B")])
    assert kit.read(Reading(no_images=True, domain_column=column))[0]["3"].domain == domain


def test_a_domain_column_that_is_none(kit: KitFolder) -> None:
    kit.predict(answered("A", "B"))
    assert "has no column 'skil' to be the domain" in kit.faults(Reading(no_images=True, domain_column="skil"))[1][0]


@pytest.mark.parametrize(
    ("answer", "reference"),
    [
        ("['dakota', 'nous', 'dakota']", "dakota (2 of 3) | nous"),
        ('["red", "blue"]', "red | blue"),
        ("[2014, 2016]", "[2014, 2016]"),
        ("[sic]", "[sic]"),
        ("A, C", "A, C"),
    ],
)
def test_a_list_of_answers_is_a_readable_reference(kit: KitFolder, answer: str, reference: str) -> None:
    kit.predict([row | {"answer": answer} for row in answered("A", "B")])
    assert kit.read(NO_IMAGES)[0]["3"].reference_answer == reference


def test_the_command_takes_files_by_their_names(kit: KitFolder, tmp_path: Path) -> None:
    small, large = kit.predict(answered("A", "B")), kit.predict(answered("B", "B"), "large")
    judge = kit.judge([row | {"hit": 1} for row in answered("A", "B")])
    images = tmp_path / "images"
    images.mkdir()
    for index in (3, 5):
        (images / f"{index}.PNG").write_bytes(png(index))
    command = ("data", "import", "vlmevalkit", "--pred", small, "--pred", f"huge={large}", "--judge", judge)
    run = call_cli(*command, "--images", images, "--out", tmp_path / "store", "--json")
    assert run.returncode == 0, run.stderr
    (info,) = json.loads(run.stdout)["sources"]
    assert (info["source"], info["queries"], info["models"]) == ("Bench", 2, {"huge": 0, "small": 2})
    run = call_cli(*command, "--out", tmp_path / "other")
    assert run.returncode == 1 and "prediction files hold no images -> give --tsv, --images" in run.stderr
    run = call_cli("data", "import", "vlmevalkit", "--pred", "=x.xlsx", "--no-images", "--out", tmp_path / "other")
    assert run.returncode == 2 and "is not MODEL=FILE" in run.stderr
    write_rows(tmp_path / "one_two_three.csv", answered("A", "B"))
    run = call_cli(*command[:3], "--pred", tmp_path / "one_two_three.csv", "--no-images", "--out", tmp_path / "other")
    assert run.returncode == 1 and "does not tell where the model ends" in run.stderr
