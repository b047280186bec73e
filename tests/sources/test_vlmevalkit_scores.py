"""MathVista's judge files hold no score, only what the judge read out of the answer; circular evaluation asks a
question once for each rolling of its options, and its judge files speak of all rolls in one row. Read as if they were
others, both would give wrong labels without a word.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from conftest import call_cli
from kit_files import KitFolder, b64, outcomes

from rsd_bench.sources.vlmevalkit.vlmevalkit_benchmark import Reading
from rsd_bench.sources.vlmevalkit.vlmevalkit_extraction import named_option

OPTIONS = str(["145 degrees", "135 degrees", "90", "none"])


@pytest.fixture
def kit(tmp_path: Path) -> KitFolder:
    return KitFolder(tmp_path)


def choice(res: str, **cells: Any) -> dict[str, Any]:
    return {"question_type": "multi_choice", "answer_type": "text", "choices": OPTIONS, "answer_option": "B"} | {
        "answer": "135 degrees",
        "res": res,
        **cells,
    }


def free(kind: str, answer: object, res: object, **cells: Any) -> dict[str, Any]:
    return {"question_type": "free_form", "answer_type": kind, "answer": answer, "res": res, **cells}


def judged(kit: KitFolder, *cells: dict[str, Any]) -> None:
    """A prediction file, and a judge file with `res` and `log`."""
    rows = [{"index": i, "question": f"What is {i}?", "prediction": "so", **cell} for i, cell in enumerate(cells)]
    kit.predict([{name: value for name, value in row.items() if name not in ("res", "log")} for row in rows])
    kit.judge([{"log": "Succeed", **row} for row in rows])


@pytest.mark.parametrize(
    ("row", "hit"),
    [
        (choice("B"), True),
        (choice("(B) 135 degrees"), True),
        (choice("A"), False),
        (choice("it has 135 DEGREES."), True),
        (choice("135 degrees or 145 degrees"), False),
        (choice("A or B"), False),
        (choice("Z"), False),
        (choice("Z: not 135 degrees"), False),
        (choice("no option"), False),
        (choice("B", answer_option=None), True),
        (choice("A", answer_option=None), False),
        (choice("B", question_type=None), True),
        (free("integer", "22", "22"), True),
        (free("integer", 22, 22.0), True),
        (free("integer", "22", "N/A"), False),
        (free("integer", "22", "22 cm"), False),
        (free("float", "0.5", ".50"), True),
        (free("float", "0.5", "0.51"), False),
        (free("float", "0.5", "0.51", precision=1.0), True),
        (free("float", "0.5", "0.56", precision=1), False),
        (free("float", "0.5", "nan"), False),
        (free("integer", "22", "9" * 400), False),
        (free("integer", "22", "9" * 5000), False),
        (free("list", "[2014, 2016]", "[2014,2016]"), True),
        (free("list", "[2014, 2016]", "[2014, 2015]"), False),
        (free("text", "a cat", "a cat"), True),
        (free("text", "a cat", "a dog"), False),
    ],
)
def test_what_the_judge_read_is_compared_by_the_kind_of_answer(kit: KitFolder, row: dict[str, Any], hit: bool) -> None:
    judged(kit, row)
    assert outcomes(kit.read(Reading(no_images=True))[1]) == {"0": ("ok", 10.0 * hit)}
    assert kit.open(Reading(no_images=True)).info.score_rule.startswith("VLMEvalKit res (0-1: it is the answer;")


@pytest.mark.parametrize("cells", [{"log": "Try 0: ...\nAll 5 retries failed.\n"}, {"res": None}])
def test_a_judge_that_read_nothing_gives_no_score(kit: KitFolder, cells: dict[str, Any]) -> None:
    judged(kit, free("integer", 5, 5) | cells)
    assert outcomes(kit.read(Reading(no_images=True))[1]) == {"0": ("unparseable", None)}


@pytest.mark.parametrize(
    ("row", "told"),
    [
        (free("integer", "five", "5"), "answer 'five' is no integer"),
        (free("float", "five", "5"), "answer 'five' is no number"),
        (free("float", "1e999", "1e999"), "answer '1e999' is no number"),
        (free("float", "5", "5", precision="9" * 5000), "is no number of decimals"),
        (free("integer", None, "5"), "has no answer"),
        (free("word", "five", "five"), "answer_type 'word' is none of integer, float, list, text"),
        (free("float", "5", "5", precision="x"), "precision 'x' is no number of decimals"),
        (choice("B", choices=None), "choices '' is no list of options"),
        (choice("B", answer_option="G"), "answer 'G' is none of its options"),
        (choice("B", answer_option=None, answer="no such"), "answer 'no such' is none of its options"),
    ],
)
def test_a_row_that_cannot_be_compared_is_left_unscored(kit: KitFolder, row: dict[str, Any], told: str) -> None:
    judged(kit, row, free("integer", 5, 5))
    faulty, whole = kit.faults(Reading(no_images=True))
    assert not whole and len(faulty) == 1 and told in faulty[0]
    assert outcomes(kit.left[1]) == {"0": ("unscored", None), "1": ("ok", 10.0)}


def test_what_the_judge_file_dropped_is_taken_from_the_benchmark_and_no_other_is_believed(kit: KitFolder) -> None:
    judged(kit, free("float", "0.5", "0.51", precision=1), choice("B"))
    rows = [{"index": 0, "res": "0.51", "log": "", "answer": "", "answer_type": ""}, {"index": 1, "res": "B"}]
    kit.judge(rows)
    assert outcomes(kit.read(Reading(no_images=True))[1]) == {"0": ("ok", 10.0), "1": ("ok", 10.0)}
    kit.judge([rows[0] | {"answer": "0.51", "answer_type": "float"}, rows[1]])
    assert "answer of index '0' is not that of" in kit.faults(Reading(no_images=True))[1][0]


def test_res_without_the_kind_of_answer_is_no_score(kit: KitFolder) -> None:
    kit.predict([{"index": 0, "question": "What?", "answer": "5", "prediction": "5"}])
    kit.judge([{"index": 0, "answer": "5", "res": "5", "log": "Succeed"}])
    assert "to compare res takes columns answer and answer_type" in kit.faults(Reading(no_images=True))[1][0]


def test_an_option_letter_that_is_an_article_is_still_one() -> None:
    """As in the kit, whose scores are to be met: the only letter that stands alone is the option."""
    assert named_option("A cat is 135", ["145", "135"]) == "A"
    assert named_option("Cannot determine the answer: B", ["145", "135"]) is None


ROLLS = {0: ("one", "two", "six"), 1_000_000: ("two", "six", "one"), 2_000_000: ("six", "one", "two")}


def roll(index: int, base: int = 0, **cells: Any) -> dict[str, Any]:
    options = dict(zip("ABC", ROLLS[index], strict=True))
    return {
        "index": index + base,
        "question": f"How many in {base}?",
        **options,
        "answer": "A",
        "image": b64(1),
    } | cells


def circular(kit: KitFolder, verdicts: dict[int, int], said: dict[int, str] | None = None) -> None:
    rows = [*(roll(i) for i in ROLLS), *(roll(i, 7) for i in ROLLS)]
    kit.benchmark(rows)
    told = [{**row, "image": None, "prediction": (said or {}).get(row["index"], f"as {row['index']}")} for row in rows]
    kit.predict([row for row in told if row["prediction"] != "absent"])
    kit.judge([row | {"hit": verdicts[row["index"]], "log": "x"} for row in told if row["index"] in verdicts])


EACH = {0: 1, 1_000_000: 1, 2_000_000: 1, 7: 1, 1_000_007: 0, 2_000_007: 1}


def test_the_first_roll_counts_or_all(kit: KitFolder) -> None:
    circular(kit, EACH)
    queries, responses = kit.read()
    assert list(queries) == ["0", "7"] and queries["0"].question == "How many in 0?\nA. one\nB. two\nC. six"
    assert outcomes(responses) == {"0": ("ok", 10), "7": ("ok", 10)}
    info = kit.open().info
    assert info.score_rule == "VLMEvalKit hit (0-1) x 10, circular: of the first roll"
    assert info.notes == "VLMEvalKit: Bench.tsv; 4 further rolls of 2 questions are no queries"
    reading = Reading(circular="all")
    responses = kit.read(reading)[1]
    assert outcomes(responses) == {"0": ("ok", 10), "7": ("ok", 0)}
    assert [response.response for response in responses] == ["as 0", "as 7"]
    assert kit.open(reading).info.score_rule.endswith(", circular: right only where every roll is")


@pytest.mark.parametrize("reading", [Reading(), Reading(circular="all")])
def test_the_kits_own_verdict_is_of_all_rolls(kit: KitFolder, reading: Reading) -> None:
    circular(kit, {0: 1, 7: 0})
    assert outcomes(kit.read(reading)[1]) == {"0": ("ok", 10), "7": ("ok", 0)}
    rule = kit.open(reading).info.score_rule
    assert rule == "VLMEvalKit hit (0-1) x 10, circular as VLMEvalKit judged it: right only where every roll is"


@pytest.mark.parametrize(
    ("failed", "expected"),
    [(1_000_000, ("error", None)), (1_000_007, ("error", None)), (2_000_007, ("ok", 0)), (0, ("error", None))],
)
def test_a_roll_without_an_answer_leaves_the_question_unscored_but_where_another_is_wrong(
    kit: KitFolder, failed: int, expected: tuple[str, float | None]
) -> None:
    circular(kit, EACH, {failed: "Failed to obtain answer via API."})
    assert outcomes(kit.read(Reading(circular="all"))[1])[str(failed % 1_000_000)] == expected


def test_rolls_that_were_not_answered_are_told(kit: KitFolder) -> None:
    circular(kit, {0: 1, 7: 1}, {1_000_007: "absent"})
    faulty, whole = kit.faults(Reading(circular="all"))
    assert not whole and "has no answer to roll '1000007' of it" in faulty[0]
    assert outcomes(kit.left[1]) == {"0": ("ok", 10)}


@pytest.mark.parametrize(
    ("rows", "indexes"),
    [
        ([roll(0), roll(1_000_000, question="Quite another?")], ["0", "1000000"]),
        ([roll(0), {**roll(0), "index": 1_000_000}], ["0", "1000000"]),
        ([{**roll(0), "index": 5}, roll(1_000_000)], ["5", "1000000"]),
    ],
)
def test_a_high_index_alone_is_no_roll(kit: KitFolder, rows: list[dict[str, Any]], indexes: list[str]) -> None:
    kit.benchmark(rows)
    kit.predict([row | {"image": None, "prediction": "A"} for row in rows])
    assert list(kit.read()[0]) == indexes


def test_a_roll_that_was_damaged_is_no_question_of_its_own(kit: KitFolder) -> None:
    rows = [roll(0), roll(1_000_000), roll(2_000_000, C=None)]
    kit.benchmark(rows)
    kit.predict([row | {"image": None, "prediction": "A"} for row in rows])
    assert "is no roll of" in kit.faults()[1][0]
    rows[2] |= {"C": "two", "question": None}
    kit.benchmark(rows)
    kit.predict([row | {"image": None, "prediction": "A"} for row in rows])
    assert [len(kit.faults(Reading(circular=kind))[0]) for kind in ("first", "all")] == [1, 1]
    assert kit.left == ([], [])


def test_the_command_takes_it(kit: KitFolder) -> None:
    circular(kit, EACH)
    run = call_cli(
        *("data", "import", "vlmevalkit", "--tsv", kit.tsv, "--pred", kit.predictions["small"], "--circular", "all"),
        *("--judge", f"small={kit.judges['small']}", "--out", kit.folder / "store"),
    )
    assert run.returncode == 0, run.stderr
    assert "right only where every roll is" in (kit.folder / "store/sources/Bench/source.json").read_text()
