"""Files of ratings: read whole or refused whole, each fault with its row.

Guards against 45 on a scale of 1 to 5 that counts as satisfied, a rating counted twice, "no" taken for yes, and a
model that is found under one name in human scores and under another in ratings.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from rsd_bench.judge.human import HumanScore, read_human_scores
from rsd_bench.judge.satisfaction import Rating, Scale, read_ratings
from rsd_bench.types import InputError

KNOWN = [(f"q/{i}", model) for i in range(3) for model in ("gpt-4o", "tiny")]
HEAD = "query_id,model,satisfied"
FIVE = Scale(1, 5, 4)


def read(tmp_path: Path, text: str, scale: Scale | None = None, name: str = "a.csv") -> list[Rating]:
    (tmp_path / name).write_text(text, "utf-8", newline="")
    return read_ratings(tmp_path / name, KNOWN, scale)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.csv", f"{HEAD}\nq/0,tiny,1\n"),
        ("a.csv", f"\ufeff{HEAD},annotator,cohort\r\nq/0,tiny,True,,\r\n"),
        ("a.csv", "satisfied,model,query_id,note\n1.0,tiny,q/0,good\n"),
        ("a.tsv", "query_id\tmodel\tsatisfied\nq/0\ttiny\ttrue\n"),
        ("a.jsonl", '\n{"query_id": "q/0", "model": "tiny", "satisfied": true}\n'),
        ("a.jsonl", '{"query_id": "q/0", "model": "tiny", "satisfied": 1, "cohort": null}'),
    ],
)
def test_files_that_are_read(tmp_path: Path, name: str, text: str) -> None:
    assert read(tmp_path, text, name=name) == [Rating("q/0", "tiny", True, "", "")]


def test_ratings_are_satisfied_from_where_the_scale_says(tmp_path: Path) -> None:
    rows = "".join(f"q/0,tiny,{rating},{rating}\n" for rating in (1, 3.9, 4, 5))
    found = read(tmp_path, f"query_id,model,rating,annotator\n{rows}", FIVE)
    assert [one.satisfied for one in found] == [False, False, True, True]
    assert Scale.of("1-5", 4) == Scale.of(" 1..5", 4) == FIVE
    assert Scale.of("-2-2", 1) == Scale.of("-2..2", 1) == Scale(-2, 2, 1)
    assert Scale.of("0-1", 0.5) == Scale(0, 1, 0.5)


@pytest.mark.parametrize(
    ("text", "satisfied_from"),
    [("5-1", 4), ("1-1", 1), ("5", 4), ("", 4), ("1-5-7", 4), ("a-b", 4), ("nan-5", 4), ("1-5", 1), ("1-5", 5.1)],
)
def test_scales_that_are_none(text: str, satisfied_from: float) -> None:
    with pytest.raises(ValueError, match=r"^(scale|satisfied_from): "):
        Scale.of(text, satisfied_from)


def test_a_model_is_found_by_its_aliases_in_every_file_of_people(tmp_path: Path) -> None:
    (found,) = read(tmp_path, f"{HEAD}\nq/1,GPT4o,0\n")
    assert found.model == "gpt-4o"
    (tmp_path / "scores.csv").write_text("query_id,model,score\nq/1,GPT4o,7\n")
    assert read_human_scores(tmp_path / "scores.csv", KNOWN) == [HumanScore("q/1", "gpt-4o", 7.0, "")]


def test_one_person_speaks_of_an_answer_once_in_each_cohort(tmp_path: Path) -> None:
    head = f"{HEAD},annotator,cohort\n"
    assert len(read(tmp_path, f"{head}q/0,tiny,1,ann,day\nq/0,tiny,0,ann,night\nq/0,tiny,0,bob,day\n")) == 3
    with pytest.raises(InputError, match=r"a\.csv:3: the same answer is rated at .*a\.csv:2 too"):
        read(tmp_path, f"{head}q/0,tiny,1,ann,day\nq/0,tiny,0,ann,day\n")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "has no column query_id, model, satisfied"),
        (f"{HEAD}\n", "is empty"),
        ("query_id,model,rating\nq/0,tiny,4\n", "has no column satisfied -> .*--scale 1-5 --satisfied-from 4"),
        (f"{HEAD}\nq/9,tiny,1\n", "a.csv:2: no scored answer of 'tiny' to 'q/9'"),
        (f"{HEAD}\nq/0,tinny,1\n", r"a.csv:2: no model 'tinny'; the nearest are tiny \(3 scores\)"),
        (f"{HEAD}\nq/0,tiny,2\n", "a.csv:2: satisfied '2' is neither 0 nor 1"),
        (f"{HEAD}\nq/0,tiny,nan\n", "satisfied 'nan' is neither"),
        (f"{HEAD}\nq/0,tiny,\n", "satisfied '' is neither"),
        (f"{HEAD}\nq/0,tiny\n", "satisfied 'None' is neither"),
        (f"{HEAD}\nq/0,tiny,1\nq/0,tiny,1\n", "the same answer is rated at .*:2 too -> name the annotator"),
        (f"{HEAD}\nq/0,tiny,1,0\n", "has more cells than the header"),
        (f"{HEAD};cohort\n".replace(",", ";"), "it is separated by ';'"),
    ],
)
def test_faults_of_a_table_are_one_line(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(InputError, match=says) as error:
        read(tmp_path, text)
    assert len(error.value.problems) == 1
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("rating", ["0", "5.01", "nan", "inf", "", "four", "1e999", "9" * 5_000])
def test_ratings_off_the_scale_are_refused(tmp_path: Path, rating: str) -> None:
    with pytest.raises(InputError, match=r"a\.csv:2: rating .* is (no number|not in \[1, 5\])") as error:
        read(tmp_path, f"query_id,model,rating\nq/0,tiny,{rating}\n", FIVE)
    assert len(str(error.value)) < 500


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "is empty"),
        ('{"query_id": "q/0", "model": "tiny"}', "lacks 'satisfied'"),
        ('{"query_id": "q/0", "model": "tiny", "satisfied": NaN}', "NaN is not JSON"),
        ('{"query_id": "q/0", "model": "tiny", "satisfied": [1]}', "is neither 0 nor 1"),
        ('{"query_id": {}, "model": [], "satisfied": 1}', "no model"),
        (f'{{"query_id": "{"q" * 10_000}", "model": "{"m" * 10_000}", "satisfied": 1}}', "no model"),
        ("[1]", "not a JSON object"),
        ("{", "not JSON"),
    ],
)
def test_faults_of_json_lines_are_one_line(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(InputError, match=says) as error:
        read(tmp_path, text, name="a.jsonl")
    assert len(str(error.value)) < 1_000


def test_every_fault_is_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(InputError) as error:
        read(tmp_path, f"{HEAD}\nq/9,tiny,1\nq/0,nobody,1\nq/0,tiny,7\nq/1,tiny,1\nq/1,tiny,0\n")
    assert [problem.where[-1] for problem in error.value.problems] == ["2", "3", "4", "6"]


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    for name, data in {"a.csv": b"\xff\xfe", "b.csv": None}.items():
        if data:
            (tmp_path / name).write_bytes(data)
        with pytest.raises(InputError, match=name):
            read_ratings(tmp_path / name, KNOWN)
