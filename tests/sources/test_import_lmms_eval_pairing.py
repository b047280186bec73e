"""Two questions of one log were swapped; the import took every doc_hash for proof, since all were sha256("null") in
both logs, and noted "2 prompts were worded otherwise": answers and scores stood under questions that nobody had put.
"""

from __future__ import annotations

import json
import os
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from lmms_logs import Read, sample, write_log

from rsd_bench.sources.source import SourceProblem

Row = dict[str, Any]


def read_pair(folder: Path, first: list[Row], second: list[Row], **options: Any) -> Read:
    write_log(folder, first, "a")
    write_log(folder, second, "b")
    return Read(folder, **options)


def refused(folder: Path, first: list[Row], second: list[Row], **options: Any) -> str:
    """What is told of two logs that must not be joined, in either order: nothing that leaving out rows would mend."""
    told = read_pair(folder / "ab", first, second, **options)
    turned = read_pair(folder / "ba", second, first, **options)
    for read in (told, turned):
        assert any(isinstance(problem, SourceProblem) for problem in read.problems), read.told
    return told.told


def swapped(rows: list[Row], one: int, other: int, *names: str) -> list[Row]:
    """The rows with the fields `names` of two of them swapped."""
    out = [dict(row) for row in rows]
    for name in names:
        out[one][name], out[other][name] = out[other][name], out[one][name]
    return out


def hashed(rows: list[Row]) -> list[Row]:
    """The rows with a doc_hash of their own."""
    return [row | {"doc_hash": sha256(json.dumps(row["input"]).encode()).hexdigest()} for row in rows]


def worded(rows: list[Row], before: str = "USER: ", after: str = "\nOne word!") -> list[Row]:
    """The rows as another model is asked."""
    return [row | {"input": f"{before}{row['input']}{after}"} for row in rows]


ROWS = [sample(i, target="cat" if i % 2 else "dog") for i in range(6)]


def test_logs_that_agree_are_joined_without_any_hash(tmp_path: Path) -> None:
    read = read_pair(tmp_path, ROWS, ROWS)
    assert not read.problems
    assert len(read.queries) == 6
    assert len(read.responses) == 12


def test_two_swapped_questions_are_refused(tmp_path: Path) -> None:
    told = refused(tmp_path, ROWS, swapped(ROWS, 1, 3, "input"))
    assert "doc_id 1 is not the query it is at" in told
    assert "doc_id 3" in told


@pytest.mark.parametrize("names", [("input",), ("input", "target"), ("input", "target", "doc_hash"), ("doc_id",)])
@pytest.mark.parametrize("give_hash", [False, True], ids=["one hash", "own hashes"])
def test_rows_that_changed_places_are_refused(tmp_path: Path, names: tuple[str, ...], give_hash: bool) -> None:
    rows = hashed(ROWS) if give_hash else ROWS
    refused(tmp_path, rows, swapped(rows, 1, 3, *names))
    refused(tmp_path / "otherwise", rows, swapped(rows, 1, 2, *names))


def test_a_log_that_is_numbered_one_further_is_refused(tmp_path: Path) -> None:
    for rows, folder in ((ROWS, "null"), (hashed(ROWS), "own")):
        shifted = [row | {"doc_id": row["doc_id"] + 1} for row in rows]
        refused(tmp_path / folder, rows, shifted)


def test_rows_in_another_order_are_the_same_rows(tmp_path: Path) -> None:
    assert not read_pair(tmp_path / "order", ROWS, ROWS[::-1]).problems
    numbered = [row | {"doc_id": i} for i, row in enumerate(ROWS[::-1])]
    refused(tmp_path / "numbered", ROWS, numbered)


def test_swapped_questions_are_seen_through_another_wording(tmp_path: Path) -> None:
    """An equal hash of its own allows another wording; the wording of a log is what all of its prompts share."""
    rows = hashed(ROWS)
    read = read_pair(tmp_path / "sound", rows, worded(rows))
    assert not read.problems
    assert "6 prompts were worded otherwise" in read.infos[0].notes
    assert "word for word" in refused(tmp_path / "swapped", rows, worded(swapped(rows, 1, 3, "input")))
    refused(tmp_path / "shorter", rows, worded(swapped(rows, 1, 3, "input"))[:4])


def test_another_wording_needs_a_hash_of_its_own(tmp_path: Path) -> None:
    for folder, rows in {
        "null": ROWS,
        "none": [{k: v for k, v in row.items() if k != "doc_hash"} for row in ROWS],
        "shared": [row | {"doc_hash": "a1" if row["doc_id"] < 3 else "b2"} for row in ROWS],
    }.items():
        assert "no doc_hash proves" in refused(tmp_path / folder, rows, worded(rows))


def test_a_hash_that_two_rows_of_a_log_share_proves_neither(tmp_path: Path) -> None:
    rows = [row | {"doc_hash": f"{row['doc_id'] // 2}"} for row in ROWS]
    for i in range(6):
        other = [worded([row])[0] if row["doc_id"] == i else row for row in rows]
        assert "no doc_hash proves" in refused(tmp_path / str(i), rows, other)


def test_a_hash_that_proves_in_one_log_only_proves_nothing(tmp_path: Path) -> None:
    rows = hashed(ROWS)
    refused(tmp_path, rows, worded([row | {"doc_hash": rows[0]["doc_hash"]} for row in rows]))


def test_a_lone_row_with_the_hash_of_null_proves_nothing(tmp_path: Path) -> None:
    refused(tmp_path, ROWS[:1], worded(ROWS[:1]))


def test_a_prompt_of_another_row_is_an_error_though_hashes_agree(tmp_path: Path) -> None:
    rows = hashed(ROWS)
    other = [dict(row) for row in rows]
    other[2]["input"] = rows[4]["input"]
    assert "word for word" in refused(tmp_path, rows, other)


def test_a_prompt_of_a_row_that_the_other_log_lacks_is_seen_too(tmp_path: Path) -> None:
    rows = hashed(ROWS)
    fewer = [row | {"input": rows[5]["input"]} if row["doc_id"] == 1 else row for row in rows[:3]]
    assert "its prompt is that of doc_id 5 there, word for word" in refused(tmp_path, rows, fewer)


STANDING = [sample(i, input="Describe the image.", input_media=[f"{'ab'[i % 2]}/{i}.png"]) for i in range(4)]


def test_one_prompt_for_all_images_is_told_apart_by_their_names(tmp_path: Path) -> None:
    assert not read_pair(tmp_path / "sound", STANDING, STANDING).problems
    assert "names other media" in refused(tmp_path / "swapped", STANDING, swapped(STANDING, 0, 1, "input_media"))
    several = [row | {"input_media": [*row["input_media"], "c/9.png"]} for row in STANDING]
    turned = [row | {"input_media": row["input_media"][::-1]} for row in several]
    refused(tmp_path / "order", several, turned)
    refused(tmp_path / "fewer", several, STANDING)
    silent = [{k: v for k, v in row.items() if k != "input_media"} for row in STANDING]
    assert not read_pair(tmp_path / "silent", STANDING, silent).problems


def test_one_prompt_and_target_for_all_images_is_told_apart_by_its_hash(tmp_path: Path) -> None:
    rows = [sample(i, input="Describe the image.", doc_hash=f"of {i}") for i in range(4)]
    assert not read_pair(tmp_path / "sound", rows, rows).problems
    assert "its doc_hash is that of doc_id 0 there" in refused(
        tmp_path / "swapped", rows, swapped(rows, 0, 1, "doc_id")
    )
    later = [row | {"doc_hash": f"of the next version's {row['doc_id']}"} for row in rows]
    assert not read_pair(tmp_path / "version", rows, later).problems


def test_media_of_two_machines_are_the_same_below_the_folder_that_holds_them(tmp_path: Path) -> None:
    def at(root: str, rows: list[Row]) -> list[Row]:
        return [row | {"input_media": [f"{root}/{row['input_media'][0]}"]} for row in rows]

    assert not read_pair(tmp_path / "two", at("/home/ann/cache", STANDING), at("/mnt/hf/set", STANDING)).problems
    assert not read_pair(tmp_path / "limit", at("/home/ann/cache", STANDING), at("/mnt/hf/set", STANDING[:1])).problems
    assert not read_pair(tmp_path / "url", STANDING, at("https://host/set", STANDING)).problems
    refused(tmp_path / "swapped", at("/home/ann", STANDING), at("/mnt", swapped(STANDING, 0, 1, "input_media")))


@pytest.mark.parametrize("name", ["category", "question_id"])
def test_what_a_metric_says_of_its_query_must_agree(tmp_path: Path, name: str) -> None:
    rows = [row | {"acc": {"score": 1.0, name: f"of {row['doc_id']}"}} for row in ROWS]
    other = [row | {"acc": {"score": 0.0, name: f"of {row['doc_id']}"}} for row in ROWS]
    assert not read_pair(tmp_path / "sound", rows, other).problems
    refused(tmp_path / "swapped", rows, swapped(other, 0, 2, "acc"))


def test_the_third_log_is_compared_with_both(tmp_path: Path) -> None:
    """What only the second log has words for is no less a proof."""
    rows = hashed(ROWS)
    write_log(tmp_path, rows, "a")
    write_log(tmp_path, worded(rows, "Q: Look!"), "b")
    write_log(tmp_path, swapped(worded(rows, "Q: Look!"), 1, 3, "input"), "c")
    assert "word for word" in Read(tmp_path).told


def test_each_pair_of_logs_is_one_problem(tmp_path: Path) -> None:
    rows = [sample(i) for i in range(300)]
    read = read_pair(tmp_path, rows, [row | {"target": "cow"} for row in rows])
    (problem,) = read.problems
    assert isinstance(problem, SourceProblem)
    assert "and 295 more" in problem.what


def test_a_doc_id_that_stands_twice_in_a_log_is_not_picked_from(tmp_path: Path) -> None:
    path = write_log(tmp_path, [ROWS[0], ROWS[1], ROWS[0] | {"acc": 0.0}])
    read = Read(tmp_path)
    assert [type(problem) for problem in read.problems] == [SourceProblem]
    assert f"{path}:3: outcome of 'small' on 'pets/0' stands at {path}:1 too" in read.told
    path = write_log(tmp_path, [ROWS[0], ROWS[1], ROWS[0]])
    read = Read(tmp_path)
    assert not any(isinstance(problem, SourceProblem) for problem in read.problems)
    assert [response.where for response in read.responses] == [f"{path}:1", f"{path}:2"]


def test_a_row_left_out_leaves_out_its_outcome(tmp_path: Path) -> None:
    write_log(tmp_path, ROWS[:2], "a")
    path = write_log(tmp_path, [ROWS[0] | {"input": " "}, ROWS[1]], "b")
    read = Read(tmp_path)
    assert f"{path}:1: has no prompt" in read.told
    assert [(r.model, r.query_id) for r in read.responses] == [("a", "pets/0"), ("a", "pets/1"), ("b", "pets/1")]


@pytest.fixture
def llava() -> list[Row]:
    shared = Path(os.environ.get("RSD_SHARED", Path(__file__).resolve().parents[3] / "shared"))
    found = sorted(shared.glob("files/lmms-eval/*llava*/*_samples_*.jsonl"))
    if not found:
        pytest.skip(f"real files are not at {shared} (set RSD_SHARED)")
    return [json.loads(line) for line in found[0].read_bytes().splitlines()]


def test_two_questions_swapped_in_a_real_log(tmp_path: Path, llava: list[Row]) -> None:
    assert {row["doc_hash"] for row in llava} == {sha256(b"null").hexdigest()}
    assert not read_pair(tmp_path / "sound", llava, llava).problems
    for one, other in ((0, 1), (3, 190), (198, 199)):
        refused(tmp_path / f"{one}", llava, swapped(llava, one, other, "input"))
        refused(tmp_path / f"{one} with target", llava, swapped(llava, one, other, "input", "target"))
