"""Records are imported rightly or refused whole: leniency made answers of failed calls, and guessed at rows."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
from conftest import Records, call_cli
from toy_builds import imported, responses


def test_windows_line_ends_bom_and_graded_scores_import_rightly(tmp_path: Path) -> None:
    records = Records(tmp_path / "elsewhere", source="other", models=("new-a", "new-b"))
    records.responses[0]["score"] = 3.3
    records.responses[1] |= {"score": None, "response": None}
    records.responses[2]["response"] = ["one\u2028two"]
    run = imported(records.write(newline="\r\n", bom=True), tmp_path / "store")
    assert run.returncode == 0, run.stderr
    table = responses(tmp_path / "store", "other")
    assert list(table["score"][:1]) == [3.3]
    assert (table["status"][1], pd.isna(table["score"][1])) == ("unscored", True)
    assert table["response"][2] == "one\u2028two"
    assert set(table["model"]) == {"new-a", "new-b"}


def test_every_problem_is_listed_and_nothing_is_stored(tmp_path: Path, toy_records: Records) -> None:
    toy_records.queries[7]["query_id"] = toy_records.queries[6]["query_id"]
    toy_records.queries[9]["image"] = "../../etc/passwd"
    toy_records.responses[0]["score"] = 11
    toy_records.responses[1]["score"] = "7"
    toy_records.responses[2]["score"] = True
    toy_records.responses[3]["score"] = float("nan")
    toy_records.responses[4]["query_id"] = "toy/none"
    toy_records.responses[6] = dict(toy_records.responses[5])
    toy_records.responses[8]["status"] = "error"
    for name in ("images/20.png", "images/21.png"):
        del toy_records.images[name]
    toy_records.images["images/22.png"] = toy_records.images["images/22.png"][:200]
    toy_records.images["images/23.png"] = b"%!PS-Adobe-3.0 EPSF-3.0\n"  # Ghostscript was started
    run = imported(toy_records.write(), tmp_path / "store")
    assert run.returncode == 1
    folder = toy_records.folder
    for where, what in (
        (f"{folder}/queries.jsonl:8", "stands at"),
        (f"{folder}/queries.jsonl:10", "outside the folder"),
        (f"{folder}/queries.jsonl:21", "No such file"),
        (f"{folder}/queries.jsonl:22", "No such file"),
        (f"{folder}/queries.jsonl:23", "image 'images/22.png' is not an image that can be read: it is damaged"),
        (f"{folder}/queries.jsonl:24", "image 'images/23.png' is not an image that can be read: it is EPS; give"),
        (f"{folder}/responses.jsonl:1", "11 is greater than the maximum of 10"),
        (f"{folder}/responses.jsonl:2", "'7' is not of type"),
        (f"{folder}/responses.jsonl:3", "True is not of type"),
        (f"{folder}/responses.jsonl:4", "NaN is not JSON"),
        (f"{folder}/responses.jsonl:5", "is no query of toy"),
        (f"{folder}/responses.jsonl:7", "stands at"),
        (f"{folder}/responses.jsonl:9", "status 'error' with score"),
    ):
        assert any(line.startswith(f"error: {where}: ") and what in line for line in run.stderr.splitlines()), where
    assert "Traceback" not in run.stderr
    assert not (tmp_path / "store" / "sources" / "toy").exists()
    as_json = json.loads(imported(folder, tmp_path / "store", "--json").stdout)
    assert len(as_json["problems"]) == len(run.stderr.splitlines()) - 1


@pytest.mark.parametrize("name", ["queries.jsonl", "responses.jsonl", "source.json"])
def test_empty_and_missing_files_are_refused(tmp_path: Path, toy_records: Records, name: str) -> None:
    (toy_records.write() / name).write_bytes(b"")
    empty = imported(toy_records.folder, tmp_path / "store")
    (toy_records.folder / name).unlink()
    missing = imported(toy_records.folder, tmp_path / "store")
    assert (empty.returncode, missing.returncode) == (1, 1)
    assert name in empty.stderr
    assert name in missing.stderr


def test_aliases_of_one_model_in_one_source_clash(tmp_path: Path, toy_records: Records) -> None:
    models = tmp_path / "models.toml"
    models.write_text('[models]\n"one" = ["toy:tiny", "huge"]\n')
    run = imported(toy_records.write(), tmp_path / "store", "--models", models)
    assert run.returncode == 1
    assert "outcome of 'one' (alias 'huge')" in run.stderr
    models.write_text('[models]\n"one" = ["toy:tiny"]\n"two" = ["other:huge"]\n')
    assert imported(toy_records.folder, tmp_path / "store", "--models", models).returncode == 0
    assert set(responses(tmp_path / "store")["model"]) == {"one", "huge"}


def test_two_inputs_of_one_source_id_are_refused(tmp_path: Path) -> None:
    """The second took the place of the first, and both were reported as stored."""
    parts = [Records(tmp_path / part, n=6).write() for part in ("part1", "part2")]
    run = call_cli("data", "import", "records", *parts, "--out", tmp_path / "store")
    assert run.returncode == 1
    assert run.stderr.startswith(f"error: {parts[1]}: is source 'toy', as {parts[0]} is -> ")
    assert len(run.stderr.splitlines()) == 1
    assert not (tmp_path / "store").exists()


@pytest.mark.parametrize(
    ("field", "value", "told"),
    [
        ("completion_tokens", "1e23", "completion_tokens: 1e+23 is greater than the maximum"),
        ("latency_s", "1e400", "1e400 is too large a number"),
        ("latency_s", "1e12", "latency_s: 1000000000000.0 is greater than the maximum"),
    ],
)
def test_numbers_beyond_reason_are_faults_of_their_line(tmp_path: Path, field: str, value: str, told: str) -> None:
    """1e23 tokens ended in an OverflowError, and 1e400 seconds were read as infinity."""
    records = Records(tmp_path / "toy", n=6)
    records.responses[2][field] = "VALUE"
    path = records.write() / "responses.jsonl"
    path.write_text(path.read_text().replace('"VALUE"', value))
    run = call_cli("data", "import", "records", records.folder, "--out", tmp_path / "store")
    assert run.returncode == 1
    assert run.stderr.startswith(f"error: {path}:3: {told}")


def test_sources_that_differ_in_case_alone_are_not_mixed(
    tmp_path: Path, toy_records: Records, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the file system ignores case, source "toy" would have taken the place of "Toy"."""
    assert imported(toy_records.write(), tmp_path / "store").returncode == 0
    sources = tmp_path / "store" / "sources"
    monkeypatch.setattr(Path, "iterdir", lambda folder: iter([folder / "Toy"] if folder == sources else []))
    run = call_cli("data", "import", "records", toy_records.folder, "--out", tmp_path / "store")
    assert run.stderr.startswith(f"error: {sources / 'toy'}: is the folder of source 'Toy' here -> ")
