"""A second import of a source took the place of the first; a failed one left some of its sources behind, unsaid.

What was imported stays until somebody says --replace; what contradicts it is named, both sides; all of a command goes
in or none of it; and rows with problems can be left out, in the open.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from conftest import Records, call_cli, png

from rsd_bench.sources.store.outcomes import replace_outcomes
from rsd_bench.sources.store.store_tables import rows_of, source_info

N = 6


def tree(folder: Path) -> dict[str, bytes]:
    """What somebody finds who looks at the sources of a store."""
    files = (path for path in (folder / "sources").rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def records(folder: Path, *models: str, source: str = "toy") -> Records:
    """Records in which each model's outcomes do not depend on the others."""
    made = Records(folder / "-".join((source, *models)), source, N, ("tiny", "huge", "third"))
    made.responses = [row for row in made.responses if row["model"] in models]
    return made


class Importing:
    def __init__(self, folder: Path) -> None:
        self.folder, self.store = folder, folder / "store"

    def __call__(self, *given: Records, more: tuple[str, ...] = (), code: int = 0) -> str:
        folders = [one.write() for one in given]
        run = call_cli("data", "import", "records", *folders, "--out", self.store, *more)
        assert run.returncode == code, run.stderr
        return run.stdout if code == 0 and not more else run.stdout + run.stderr

    def outcomes(self, source: str = "toy") -> dict[tuple[str, str], Any]:
        return {(row["query_id"], row["model"]): row for row in rows_of(self.store, source, "responses")}

    def queries(self, source: str = "toy") -> dict[str, Any]:
        return {row["query_id"]: row for row in rows_of(self.store, source, "queries")}


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
    told, before = importing(second, code=1), tree(importing.store)
    assert f"query 'toy/3': its {'media' if field == 'image' else field} is" in told and "in the store" in told
    importing(second, more=("--skip-bad",))
    assert ("toy/3", "huge") not in importing.outcomes()  # its outcomes are about something else
    assert len(importing.outcomes()) == 2 * N - 1
    assert tree(importing.store) != before


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
    assert "left out  5 rows" in told and "warning: " in told
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


def test_media_of_all_kinds(importing: Importing, tmp_path: Path) -> None:
    given = records(tmp_path, "tiny")
    (given.folder / "clips").mkdir(parents=True)
    (given.folder / "clips" / "a.wav").write_bytes(b"RIFF sound")
    (given.folder / "clips" / "a.mp4").write_bytes(b"a film")
    several, heard, seen, said, away, own = given.queries
    several["images"] = ["images/2.png", "images/1.png"]
    heard["audio"], seen["video"] = "clips/a.wav", ["clips/a.mp4"]
    away |= {"modality": "video", "media_available": False}
    own["modality"] = "radiograph"  # the source's own word
    for row in (several, heard, seen, said, away):
        del row["image"]
    importing(given)
    held = importing.queries()
    modalities = ["image", "audio", "video", "text", "video", "image"]
    assert [held[f"toy/{i}"]["modality"] for i in range(N)] == modalities
    assert [len(held[f"toy/{i}"]["media"]) for i in range(N)] == [2, 1, 1, 0, 0, 1]
    for i, data in ((1, b"RIFF sound"), (2, b"a film")):
        sha256 = held[f"toy/{i}"]["media"][0]["sha256"]
        assert (importing.store / "media" / sha256[:2] / sha256).read_bytes() == data
    first = importing.store / "images" / held["toy/0"]["image_sha256"][:2] / held["toy/0"]["image_sha256"]
    assert first.read_bytes() == given.images["images/2.png"]
    assert held["toy/1"]["statistics"]["width"] is None and held["toy/1"]["statistics"]["words"] > 0


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"images": ["images/0.png"]}, "both image and images"),
        ({"media_available": False}, "names media and says media_available false"),
        ({"modality": "audio"}, "is of modality 'audio' and names media of 'image'"),
        ({"image": ..., "modality": "video"}, "names no file: name it, or say media_available false"),
        ({"image": ..., "modality": "smell"}, "'smell' is no modality"),
        ({"image": ..., "media_available": False}, "not which modality they are of"),
        ({"image": ..., "audio": "clips/none.wav"}, "No such file"),
        ({"image": ..., "audio": "../../secret.wav"}, "lies outside the folder"),
    ],
)
def test_media_that_are_stated_wrongly(importing: Importing, tmp_path: Path, change: Any, told: str) -> None:
    given = records(tmp_path, "tiny")
    given.queries[0] |= change
    given.queries[0] = {key: value for key, value in given.queries[0].items() if value is not ...}
    assert told in importing(given, code=1)


def test_what_a_response_cost_is_kept(importing: Importing, tmp_path: Path) -> None:
    given = records(tmp_path, "tiny")
    given.responses[0] |= {"latency_s": 1.5, "first_token_s": 0.25, "cost_usd": 0.0031}
    importing(given)
    row = importing.outcomes()["toy/0", "tiny"]
    assert (row["latency_s"], row["first_token_s"], row["cost_usd"]) == (1.5, 0.25, 0.0031)


def variants(given: Records, *lines: dict[str, Any]) -> Records:
    given.folder.mkdir(exist_ok=True)
    (given.folder / "variants.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return given


def test_variants_are_kept_merged_and_not_lost(importing: Importing, tmp_path: Path) -> None:
    group = "toy/g0"
    importing(variants(records(tmp_path, "tiny"), {"group": group, "model": "tiny", "scores": [10, 0, 6.9999999999]}))
    importing(variants(records(tmp_path, "huge"), {"group": group, "model": "huge", "scores": [10, 10, 10]}))
    importing(records(tmp_path, "third"))
    replace_outcomes(
        importing.store, "toy", ((row, None) for row in rows_of(importing.store, "toy", "responses")), dict
    )
    held = {row["model"]: row["scores"] for row in rows_of(importing.store, "toy", "variants")}
    assert held == {"tiny": [10.0, 0.0, 7.0], "huge": [10.0, 10.0, 10.0]}
    for line, told in (
        ({"group": "toy/none", "model": "tiny", "scores": [1, 2, 3]}, "is that of no query"),
        ({"group": group, "model": "third", "scores": [1]}, "1 scores, where another model has 3"),
        ({"group": group, "model": "tiny", "scores": [1, 2, 3]}, "differ from those in the store"),
        ({"group": group, "model": "tiny", "scores": [11]}, "11 is greater than the maximum of 10"),
    ):
        assert told in importing(variants(records(tmp_path, "tiny"), line), code=1)


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
