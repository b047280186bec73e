"""A second import of a source took the place of the first; a failed one left some of its sources behind, unsaid.

What was imported stays until somebody says --replace; what contradicts it is named, both sides; all of a command goes
in or none of it; and rows with problems can be left out, in the open.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from conftest import Records, call_cli, png
from importing import Importing, N, records, tree

from rsd_bench.sources.records_folder import open_records
from rsd_bench.sources.store.import_sources import import_source
from rsd_bench.sources.store.store_tables import source_info
from rsd_bench.types import InputError


@pytest.fixture
def importing(tmp_path: Path) -> Importing:
    return Importing(tmp_path)


def test_model_by_model_is_as_all_at_once(importing: Importing, tmp_path: Path) -> None:
    for model in ("tiny", "huge", "third"):
        importing(records(tmp_path, model))
    apart, together = importing.outcomes(), Importing(tmp_path / "other")
    together(records(tmp_path, "tiny", "huge", "third"))
    assert apart == together.outcomes() and len(apart) == 3 * N
    assert importing.queries() == together.queries()
    assert source_info(importing.store, "toy")["models"] == dict.fromkeys(("huge", "third", "tiny"), N)
    assert source_info(importing.store, "toy")["queries"] == N


def test_the_same_again_changes_no_byte(importing: Importing, tmp_path: Path) -> None:
    importing(records(tmp_path, "tiny", "huge"))
    (importing.store / "sources" / "toy" / "audit.json").write_text("{}")
    before = tree(importing.store)
    assert "merged  toy" in importing(records(tmp_path, "tiny", "huge"))
    assert tree(importing.store) == before


@pytest.mark.parametrize(("field", "value"), [("score", 1.23), ("response", "else"), ("judge", "another")])
def test_an_outcome_that_differs_is_named_with_both(
    importing: Importing, tmp_path: Path, field: str, value: Any
) -> None:
    first = records(tmp_path, "tiny")
    importing(first)
    held, before = first.responses[2][field], tree(importing.store)
    second = records(tmp_path, "tiny", "huge")
    second.responses[2][field] = value
    told = importing(second, code=1)
    assert f"outcome of 'tiny' on 'toy/2': its {field} is {value!r} here and {held!r} in the store" in told
    assert "--replace" in told
    assert tree(importing.store) == before
    importing(second, more=("--replace",))
    assert importing.outcomes()["toy/2", "tiny"][field] == value


def test_a_judge_file_that_comes_later_completes_the_answers(importing: Importing, tmp_path: Path) -> None:
    unscored = records(tmp_path, "tiny")
    for row in unscored.responses:
        row.update(score=None, judge=None)
    importing(unscored)
    importing(records(tmp_path, "tiny"))
    assert {row["status"] for row in importing.outcomes().values()} == {"ok"}
    importing(unscored)  # and no later import of the answers alone takes the scores away
    assert source_info(importing.store, "toy")["models"] == {"tiny": N}


@pytest.mark.parametrize("field", ["question", "domain", "group", "reference_answer", "image"])
def test_a_query_that_differs_is_another_query(importing: Importing, tmp_path: Path, field: str) -> None:
    importing(records(tmp_path, "tiny"))
    second = records(tmp_path, "huge")
    second.queries[3][field] = "images/0.png" if field == "image" else "else"
    before = tree(importing.store)
    for more in ((), ("--skip-bad",)):  # another query under one id: who knows which of the others are the same
        told = importing(second, code=1, more=more)
        assert f"query 'toy/3': its {'media' if field == 'image' else field} is" in told and "in the store" in told
    assert tree(importing.store) == before


def test_media_and_answers_that_one_import_lacks_are_filled_in(importing: Importing, tmp_path: Path) -> None:
    bare = records(tmp_path, "tiny")
    for row in bare.queries:
        row.update(modality="image", media_available=False, reference_answer=None)
        del row["image"]
    importing(bare)
    assert importing.queries()["toy/1"]["image_sha256"] is None
    importing(records(tmp_path, "huge"))
    importing(bare)
    row = importing.queries()["toy/1"]
    assert (row["reference_answer"], len(row["media"]), row["statistics"]["width"]) == ("1", 1, 24.0)


def test_a_licence_is_not_changed_in_passing(importing: Importing, tmp_path: Path) -> None:
    closed, free = records(tmp_path, "tiny"), records(tmp_path, "huge")
    closed.info |= {"redistributable": False, "license": "none stated"}
    importing(closed)
    told = importing(free, code=1, more=("--skip-bad",))
    assert "'CC0-1.0 (may be re-hosted)' here and 'none stated (may not be re-hosted)' in the store" in told


@pytest.mark.parametrize("first", ["closed", "free"])
def test_a_licence_speaks_of_the_queries_that_came_with_it(importing: Importing, tmp_path: Path, first: str) -> None:
    """Queries without a licence became CC0 when others of the source came with one, and could be published."""
    closed, free = records(tmp_path, "tiny"), records(tmp_path, "huge")
    closed.info |= {"redistributable": False, "license": "unknown"}
    closed.queries, free.queries = closed.queries[:4], free.queries[2:]
    for one in (closed, free):
        asked = {row["query_id"] for row in one.queries}
        one.responses = [row for row in one.responses if row["query_id"] in asked]
    one, other = (closed, free) if first == "closed" else (free, closed)
    importing(one)
    assert "its licence is" in importing(other, code=1)


def test_a_licence_may_be_stated_later_for_the_same_queries(importing: Importing, tmp_path: Path) -> None:
    closed = records(tmp_path, "tiny")
    closed.info |= {"redistributable": False, "license": "unknown"}
    importing(closed)
    importing(records(tmp_path, "huge"))
    importing(closed)
    assert source_info(importing.store, "toy")["license"] == "CC0-1.0"


def imported_by(importing: Importing, metric: str, *models: str) -> list[str]:
    """Import scores of a metric; the problems, if any."""
    problems: list[Any] = []
    source = open_records(records(importing.folder, *models).write(), problems.append)
    source = replace(source, info=replace(source.info, metric=metric))
    try:
        import_source(source, importing.store, {}, problems)
    except InputError as error:
        return [problem.what for problem in error.problems]
    return []


def test_scores_of_two_metrics_are_no_scores_of_one_source(importing: Importing) -> None:
    """Two models were scored by two metrics, one import each, and a dataset was built of the pair."""
    assert imported_by(importing, "", "third") == []
    assert imported_by(importing, "tool exact_match (0-1) x 10", "tiny") == []
    assert imported_by(importing, "", "third") == []
    (told,) = imported_by(importing, "tool f1 (0-1) x 10", "huge")
    assert "its scores are 'tool f1 (0-1) x 10' here and 'tool exact_match (0-1) x 10' in the store" in told


def test_queries_that_come_again_under_other_ids_are_told(importing: Importing, tmp_path: Path) -> None:
    """A benchmark's files and its records called a question `0` and `v1_0`: it stood twice, and models never met."""
    importing(records(tmp_path, "tiny"))
    again = records(tmp_path, "huge")
    for row in (*again.queries, *again.responses):
        row["query_id"] = row["query_id"].replace("toy/", "toy/v1_")
    assert "6 of 6 new queries are in the store under other ids: 'toy/v1_0' is 'toy/0'" in importing(again, code=1)


@pytest.mark.parametrize(
    ("held", "new", "told"),
    [
        ({"status": "unscored", "response": "t"}, {"status": "error", "response": None}, "its status is 'error' here"),
        ({"status": "error", "response": None}, {"status": "unscored", "response": "t"}, "its status is 'unscored'"),
        ({"status": "unscored", "response": "t"}, {"status": "unparseable", "response": "t"}, ""),
        ({"status": "refused", "response": "t"}, {"status": "unscored", "response": "t"}, ""),
    ],
)
def test_no_verdict_gives_way_to_one_on_the_same_answer(
    importing: Importing, tmp_path: Path, held: dict[str, Any], new: dict[str, Any], told: str
) -> None:
    """Which of two statuses stood in the end depended on the order of the imports."""
    for fields in (held, new):
        one = records(tmp_path, "tiny")
        one.responses[0] |= {"score": None, "judge": None, **fields}
        said = importing(one, code=1 if told and fields is new else 0)
    if told:
        assert told in said
    else:
        assert importing.outcomes()["toy/0", "tiny"]["status"] in {held["status"], new["status"]} - {"unscored"}


def test_calls_behind_a_score_are_as_many_as_it_says(importing: Importing, tmp_path: Path) -> None:
    one, two = records(tmp_path, "tiny"), records(tmp_path, "tiny")
    one.responses[0] |= {"score": 10, "votes": {"first": "tiny"}}
    two.responses[0] |= {"score": 10, "votes": {"first": "tiny", "second": "tiny"}}
    importing(one)
    assert "its n_judgments is 2 here and 1 in the store" in importing(two, code=1)


def test_a_source_folder_that_is_a_link_blocks_no_later_import(importing: Importing, tmp_path: Path) -> None:
    importing(records(tmp_path, "tiny"))
    place = importing.store / "sources" / "toy"
    place.rename(tmp_path / "elsewhere")
    place.symlink_to(tmp_path / "elsewhere")
    importing(records(tmp_path, "huge"))
    importing(records(tmp_path, "third"))
    assert len(importing.outcomes()) == 3 * N


def test_a_damaged_source_is_named_with_what_mends_it(importing: Importing, tmp_path: Path) -> None:
    importing(records(tmp_path, "tiny"))
    (importing.store / "sources" / "toy" / "source.json").write_text("{}")
    assert "source.json: is damaged: it is not what an import wrote -> import the source again with --replace" in (
        importing(records(tmp_path, "tiny"), code=1)
    )
    importing(records(tmp_path, "tiny"), more=("--replace",))


def test_of_three_sources_all_go_in_or_none(importing: Importing, tmp_path: Path) -> None:
    sources = [records(tmp_path, "tiny", source=name) for name in ("one", "two", "three")]
    sources[1].responses[0]["score"] = 11
    told = importing(*sources, code=1)
    assert "11 is greater than the maximum of 10" in told
    assert not list(importing.store.glob("sources/*"))
    sources[1].responses[0]["score"] = 10
    assert importing(*sources).count("CC0-1.0") == 3


def test_bad_rows_can_be_left_out_and_are_listed(importing: Importing, tmp_path: Path) -> None:
    given = records(tmp_path, "tiny", "huge")
    given.queries[0]["domain"] = ""
    given.images["images/1.png"] = b"no image"
    given.responses[2]["score"] = "ten"
    assert importing(given, code=1).count("error: ") == 5  # two queries, two outcomes of the first, a score
    told = importing(given, more=("--skip-bad",))
    assert "left out  rows with problems: 5 problems" in told and "warning: " in told
    assert {query for query, _ in importing.outcomes()} == {f"toy/{i}" for i in range(2, N)}
    assert ("toy/2", "tiny") not in importing.outcomes() and ("toy/2", "huge") in importing.outcomes()
    listed = source_info(importing.store, "toy")["left_out"]
    assert len(listed) == 5 and {"where", "what", "fix"} == set(listed[0])


def test_what_leaving_out_rows_does_not_mend_is_refused_all_the_same(importing: Importing, tmp_path: Path) -> None:
    twice = records(tmp_path, "tiny")
    twice.queries.append(twice.queries[0] | {"question": "Another one?"})
    assert "stands at" in importing(twice, code=1, more=("--skip-bad",))
    unclear = records(tmp_path, "tiny")
    unclear.responses.append(unclear.responses[0] | {"score": 3.3})
    assert "stands at" in importing(unclear, code=1, more=("--skip-bad",))
    nameless = records(tmp_path, "tiny")
    del nameless.info["license"]
    assert "license" in importing(nameless, code=1, more=("--skip-bad",))


def test_a_link_that_leads_out_is_named_once(importing: Importing, tmp_path: Path) -> None:
    """3,724 lines said that images lay outside of the folder; that `images` was a link, none did."""
    given = records(tmp_path, "tiny")
    folder = given.write()
    (folder / "images").rename(tmp_path / "elsewhere")
    (folder / "images").symlink_to(tmp_path / "elsewhere")
    run = call_cli("data", "import", "records", folder, "--out", importing.store)
    assert run.returncode == 1 and run.stderr.count("\n") == 1
    assert f"{folder / 'images'}: is a symbolic link to {tmp_path / 'elsewhere'}" in run.stderr


def test_many_problems_of_a_kind_are_counted(importing: Importing, tmp_path: Path) -> None:
    given = Records(tmp_path / "toy", n=60)
    for row in given.responses:
        row["score"] = 99
    told = importing(given, code=1).splitlines()
    assert len(told) == 7
    assert "... and 115 more like this, the last at" in told[5] and told[6] == "120 problems"
    listed = json.loads(importing(given, code=1, more=("--json",)))
    assert len(listed["problems"]) == 120


def test_an_empty_question_blocks_no_source(importing: Importing, tmp_path: Path) -> None:
    given = records(tmp_path, "tiny")
    given.queries[0]["question"] = ""  # the picture holds it
    importing(given)
    assert importing.queries()["toy/0"]["question"] == ""
    del given.queries[0]["image"]
    assert "has neither a question nor media" in importing(given, code=1)


def test_what_a_response_cost_is_kept(importing: Importing, tmp_path: Path) -> None:
    given = records(tmp_path, "tiny")
    given.responses[0] |= {"latency_s": 1.5, "first_token_s": 0.25, "cost_usd": 0.0031}
    importing(given)
    row = importing.outcomes()["toy/0", "tiny"]
    assert (row["latency_s"], row["first_token_s"], row["cost_usd"]) == (1.5, 0.25, 0.0031)


def test_a_store_of_an_older_release_is_read(importing: Importing, tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    importing(records(tmp_path, "tiny"))
    for table, new in (("queries", ["modality", "media"]), ("responses", ["first_token_s", "cost_usd"])):
        path = importing.store / "sources" / "toy" / f"{table}.parquet"
        pq.write_table(pq.read_table(path).drop_columns(new), path)
    importing(records(tmp_path, "tiny", "huge"))
    assert len(importing.outcomes()) == 2 * N
    assert {row["modality"] for row in importing.queries().values()} == {"image"}


def test_the_bytes_of_a_picture_decide_not_its_name(importing: Importing, tmp_path: Path) -> None:
    importing(records(tmp_path, "tiny"))
    second = records(tmp_path, "huge")
    second.images["images/4.png"] = png(99)
    assert "query 'toy/4': its media is" in importing(second, code=1)


def test_what_nothing_is_said_of_contradicts_nothing(importing: Importing, tmp_path: Path) -> None:
    """VLMEvalKit trims questions and has no domains: its answers could not be merged into a source that has them."""
    said = records(tmp_path, "tiny")
    importing(said)
    for query in said.queries:
        query["domain"], query["question"] = "toy", f" {query['question']} "
    said.responses = [row | {"model": "third"} for row in said.responses]
    before = {query_id: row["domain"] for query_id, row in importing.queries().items()}
    importing(said)
    assert {query_id: row["domain"] for query_id, row in importing.queries().items()} == before
    assert {model for _, model in importing.outcomes()} == {"tiny", "third"}


@pytest.mark.parametrize("first", ["chart", "toy"])
def test_a_domain_that_one_import_states_is_kept_in_any_order(importing: Importing, tmp_path: Path, first: str) -> None:
    for model, domain in zip(("tiny", "huge"), (first, "toy" if first == "chart" else "chart"), strict=True):
        given = records(tmp_path, model)
        for query in given.queries:
            query["domain"] = domain
        importing(given)
    assert {row["domain"] for row in importing.queries().values()} == {"chart"}
