"""`data inspect` names the importer of whatever people have, and its command can be typed as it stands.

Guards against 3,000 lines of errors for a folder that another importer reads, a path with a blank that split the
command in two, a pipe that was waited for, and a pickle or a huge file that was opened to see what it is.
"""

from __future__ import annotations

import json
import os
import pickle
import shlex
import zipfile
from pathlib import Path
from typing import Any

import pytest
from conftest import LITE, Records, call_cli, png
from inspect_logs import zstd_zip
from openpyxl import Workbook
from tables import LONG, prepare, rows_of, widened, write
from toy_builds import imported

from rsd_bench.sources.recognise import file_shapes, recognise


def inspected(path: Path) -> list[dict[str, Any]]:
    run = call_cli("data", "inspect", path, "--json")
    assert run.returncode == 0, run.stderr
    parts: list[dict[str, Any]] = json.loads(run.stdout)["parts"]
    text = call_cli("data", "inspect", path).stdout
    assert all(command in text for part in parts for command in part["commands"])
    return parts


def one(path: Path) -> dict[str, Any]:
    (part,) = inspected(path)
    return part


def typed(part: dict[str, Any]) -> list[str]:
    """The arguments of the command that a part says."""
    (command,) = part["commands"]
    program, *arguments = shlex.split(command)
    assert program == "rsd-bench"
    return arguments


def lines(path: Path, *rows: dict[str, Any]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return path


def workbook(path: Path, *rows: list[Any]) -> Path:
    book = Workbook()
    for row in rows:
        book.active.append(row)
    book.save(path)
    return path


def test_records_folders_and_their_command_runs(tmp_path: Path) -> None:
    home = tmp_path / "my records"
    folders = [Records(home / f"{name}'s", source=name, n=6).write() for name in ("one", "two")]
    part = one(home)
    assert (part["what"], part["importer"]) == ("2 records folders", "records")
    assert part["counts"] == {"sources": 2, "queries": 12, "answers": 24, "scores": 24, "models": 2, "images": 12}
    assert part["models"] == ["huge", "tiny"]
    arguments = typed(part)
    assert arguments == ["data", "import", "records", *map(str, folders), "--out", "store"]
    run = call_cli(*arguments[:-1], tmp_path / "store")
    assert run.returncode == 0, run.stderr
    stored = one(tmp_path / "store")
    assert stored["what"] == "a store of imported sources: one, two"
    assert stored["counts"] == {"sources": 2, "queries": 12, "models": 2, "scores": 24}
    assert one(folders[0])["what"] == "a records folder"


def test_a_dataset_and_a_submission(tmp_path: Path) -> None:
    part = one(LITE)
    assert part["what"].startswith("a dataset folder: rsd-open ") and part["counts"]["queries"] > 2000
    assert call_cli(*typed(part)).returncode == 0
    (tmp_path / "submission.json").write_text("{}")
    assert one(tmp_path)["commands"] == [f"rsd-bench submit check {shlex.quote(str(tmp_path))}"]


def test_vlmevalkit_files_of_two_models_run(tmp_path: Path) -> None:
    import base64

    home = tmp_path / "out puts"
    home.mkdir()
    image = base64.b64encode(png(1)).decode()
    table = "index\timage\tquestion\tanswer\n" + "".join(f"{i}\t{image}\tWhat, {i}?\tA\n" for i in range(3))
    (home / "My_Set.tsv").write_text(table)
    for model in ("Small-3B", "large_7B"):
        rows = [[i, f"What, {i}?", "A"] for i in range(3)]
        workbook(home / f"{model}_My_Set.xlsx", ["index", "question", "prediction"], *rows)
        judged = [[*row, i % 2] for i, row in enumerate(rows)]
        workbook(home / f"{model}_My_Set_gpt-4o.xlsx", ["index", "question", "prediction", "hit"], *judged)
        (home / f"{model}_My_Set_gpt-4o_score.csv").write_text("Task,hit\nOverall,1\n")
    part = one(home)
    assert (part["what"], part["importer"]) == ("VLMEvalKit files of My_Set", "vlmevalkit")
    assert part["counts"] == {"queries": 3, "answers": 6, "scores": 6, "models": 2, "images": 3}
    arguments = typed(part)
    assert arguments[3:5] == ["--tsv", str(home / "My_Set.tsv")]
    assert f"large_7B={home / 'large_7B_My_Set.xlsx'}" in arguments
    run = call_cli(*arguments[:-1], tmp_path / "store")
    assert run.returncode == 0, run.stderr
    lines(home / "other_My_Set.jsonl", *[{"id": i, "response": "B"} for i in range(3)])
    (home / "My_Set.tsv").rename(tmp_path / "elsewhere")
    part = one(home)
    assert part["models"] == ["Small-3B", "large_7B", "other"]
    assert {"--no-images", "--source"} < {*typed(part)} and "--tsv" not in typed(part)
    run = call_cli(*typed(part)[:-1], tmp_path / "texts")
    assert run.returncode == 0, run.stderr
    assert one(home / "Small-3B_My_Set.xlsx")["importer"] == "vlmevalkit"


def test_sample_logs_are_told_apart(tmp_path: Path) -> None:
    sample = {"doc_id": 0, "target": "A", "filtered_resps": ["A"], "exact_match": 1.0}
    lines(tmp_path / "logs" / "m__1" / "d_samples_t.jsonl", sample, sample | {"input_media": ["a.png"]})
    (tmp_path / "logs" / "m__1" / "d_results.json").write_text(
        json.dumps({"results": {}, "configs": {}, "model_name": "m/1"})
    )
    lines(tmp_path / "h" / "samples_t_2026-01-01T00-00-00.jsonl", sample | {"prompt_hash": "x", "arguments": {}})
    lmms, lm = inspected(tmp_path)
    assert (lmms["importer"], lmms["models"], lmms["path"]) == ("lmms-eval", ["m/1"], typed(lmms)[3])
    assert lmms["counts"] == {"files": 1, "rows": 2, "scores": 2, "models": 1, "images": 1}
    assert (lm["importer"], lm["path"], lm["models"]) == ("lm-eval", typed(lm)[3], ["h"])


def test_inspect_logs_of_both_kinds(tmp_path: Path) -> None:
    message = {"role": "user", "content": [{"type": "image", "image": "data:image/png;base64,"}]}
    scored = {"id": 1, "input": [message], "scores": {"match": {"value": "C"}}}
    samples = [scored, {"id": 2, "input": "x", "scores": {}}]
    header = {"version": 2, "status": "success", "eval": {"task": "t", "model": "openai/m"}, "plan": {}}
    (tmp_path / "a.json").write_text(json.dumps(header | {"samples": samples}))
    with zipfile.ZipFile(tmp_path / "b.eval", "w") as archive:
        archive.writestr("header.json", json.dumps(header))
        archive.writestr("summaries.json", json.dumps([{"id": 1, "scores": {"match": 1}}]))
        archive.writestr("samples/1_epoch_1.json", "{}")
    part = one(tmp_path)
    assert (part["importer"], part["models"]) == ("inspect", ["openai/m"])
    assert part["counts"] == {"files": 2, "rows": 3, "scores": 2, "models": 1, "images": 1}
    (tmp_path / "c.json").write_text(json.dumps(header))  # a log without samples
    part = one(tmp_path)
    assert typed(part)[2:5] == ["inspect", str(tmp_path / "a.json"), str(tmp_path / "b.eval")]
    assert any("the log holds no samples" in note for note in part["notes"])
    assert typed(one(tmp_path / "b.eval"))[3] == str(tmp_path / "b.eval")


@pytest.mark.parametrize("header", [b"{", b"[]", b'{"eval": 3}', b'{"eval": {"model": "m"}}'])
def test_an_archive_packed_otherwise_or_damaged_is_still_a_log(tmp_path: Path, header: bytes) -> None:
    (tmp_path / "a.eval").write_bytes(zstd_zip({"header.json": header, "samples/1_epoch_1.json": b"{}"}))
    with zipfile.ZipFile(tmp_path / "b.eval", "w") as archive:
        archive.writestr("header.json", header)
        archive.writestr("summaries.json", header)
        archive.writestr("samples/1_epoch_1.json", "{}")
    part = one(tmp_path)
    assert (part["importer"], part["counts"]["files"], part["counts"]["rows"]) == ("inspect", 2, 2)
    assert part["models"] == (["m"] if b"model" in header else [])


@pytest.mark.parametrize("name", ["t.csv", "t.tsv", "t.jsonl", "t.json", "t.parquet", "t.csv.gz"])
def test_a_table_whose_command_runs_with_a_map(tmp_path: Path, name: str) -> None:
    mapping = prepare(tmp_path, LONG.replace('"who"', '"model"'))
    rows = [{("model" if key == "who" else key): cell for key, cell in row.items()} for row in rows_of()]
    part = one(write(tmp_path / name, rows))
    assert (part["importer"], part["counts"]["rows"], part["counts"]["models"]) == ("table", 24, 2)
    assert "with columns qid, ask, truth" in part["what"]
    arguments = [str(mapping) if argument == "MAP.toml" else argument for argument in typed(part)]
    run = call_cli(*arguments[:-1], tmp_path / "store")
    assert run.returncode == 0, run.stderr


def test_tables_of_the_same_columns_are_one_import(tmp_path: Path) -> None:
    mapping = prepare(tmp_path, LONG)
    home = tmp_path / "many tables"
    home.mkdir()
    for i in range(25):
        write(home / f"{i}.csv", [row | {"qid": f"{i}-{row['qid']}"} for row in rows_of(1)])
    part = one(home)
    assert (part["counts"]["files"], part["counts"]["rows"]) == (25, 50)
    assert part["commands"] == [f"rsd-bench data import table '{home}'/*.csv --map MAP.toml --out store"]
    for i in range(22):
        (home / f"{i}.csv").unlink()
    arguments = [str(mapping) if argument == "MAP.toml" else argument for argument in typed(one(home))]
    assert call_cli(*arguments[:-1], tmp_path / "store").returncode == 0


def test_rows_within_a_document(tmp_path: Path) -> None:
    (tmp_path / "t.json").write_text(json.dumps({"model_name": "m", "n": 1, "rows": widened(rows_of())}))
    part = one(tmp_path / "t.json")
    assert (part["counts"]["rows"], part["models"]) == (12, ["m"])
    assert any('records = "rows"; beside it stand model_name, n' in note for note in part["notes"])


def test_what_nothing_reads_is_told_and_no_pickle_is_opened(tmp_path: Path) -> None:
    class Program:
        def __reduce__(self) -> tuple[object, tuple[str, str]]:
            return (open, (str(tmp_path / "ran"), "w"))

    (tmp_path / "a.pkl").write_bytes(pickle.dumps(Program()))
    (tmp_path / "b.txt").write_text("words")
    (tmp_path / "c.png").write_bytes(png(1))
    (tmp_path / "d.json").write_text("{")
    (tmp_path / "e.parquet").write_bytes(b"version https://git-lfs.github.com/spec/v1\n")
    (tmp_path / "f.csv").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "g.eval").write_bytes(b"PK\3\4 cut")
    workbook(tmp_path / "h.xlsx", ["a", "b"], [1, 2])
    parts = inspected(tmp_path)
    assert not (tmp_path / "ran").exists()
    assert [part["importer"] for part in parts] == [None, None, None, None]
    told = {part["what"]: part["notes"] for part in parts}
    assert "pandas.read_pickle" in told["a pickle, which is never opened"][0]
    assert any(note.startswith("e.parquet: is a Git LFS pointer") for note in told["other files"])
    assert any(note.startswith("d.json: not JSON") for note in told["other files"])
    assert any(note.startswith("f.csv: cannot be read: line 1: not UTF-8") for note in told["other files"])
    assert "a workbook with columns a, b" in told
    assert "no importer reads this" in call_cli("data", "inspect", tmp_path / "b.txt").stdout
    (tmp_path / "none").mkdir()
    assert one(tmp_path / "none")["what"] == "an empty folder"
    run = call_cli("data", "inspect", tmp_path / "absent")
    assert (run.returncode, len(run.stderr.splitlines())) == (1, 1)


def test_reading_is_bounded_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = write(tmp_path / "t.jsonl", rows_of(50))
    monkeypatch.setattr(file_shapes, "_MOST_ROWS", 10)
    part = one(table)
    assert part["at_least"] and part["counts"]["rows"] == 10
    assert "at least 10 rows" in call_cli("data", "inspect", table).stdout
    monkeypatch.setattr(recognise, "_MOST_FILES", 3)
    for i in range(5):
        (tmp_path / f"{i}.txt").write_text("x")
    assert inspected(tmp_path)[-1]["what"] == "more files"


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    if not hasattr(os, "mkfifo"):
        pytest.skip("no pipes here")
    os.mkfifo(tmp_path / "t.csv")
    assert one(tmp_path)["what"] == "other files"


def test_the_error_of_a_wrong_importer_points_here(tmp_path: Path) -> None:
    home = tmp_path / "of others"
    lines(home / "m" / "x_samples_t.jsonl", {"doc_id": 0, "target": "A", "filtered_resps": ["A"]})
    run = imported(home, tmp_path / "store")
    (line,) = run.stderr.splitlines()
    assert "is no records folder" in line and f"run `rsd-bench data inspect '{home}'`" in line
    assert one(home)["importer"] == "lmms-eval"
    assert f"run `rsd-bench data inspect '{home / 'x'}'`" in imported(home / "x", tmp_path / "store").stderr


@pytest.mark.parametrize("importer", ["records", "lmms-eval", "lm-eval", "inspect", "table", "hub", "vlmevalkit"])
def test_every_importer_points_here(tmp_path: Path, importer: str) -> None:
    """What is read by none of them."""
    (tmp_path / "a folder").mkdir()
    (tmp_path / "a folder" / "a.jsonl").write_text('{"a": 1}\n')
    mapping = prepare(tmp_path, LONG)
    arguments: list[Any] = [tmp_path / "a folder"]
    if importer == "hub":
        mapping.write_text('split = "no"\n[columns]\nquestion = "q"\n[constants]\ndomain = "d"\n')
    if importer == "vlmevalkit":
        arguments = ["--pred", f"m={tmp_path / 'a folder' / 'a.jsonl'}", "--source", "s", "--no-images"]
    arguments += ["--map", mapping] if importer in ("hub", "table") else []
    arguments += ["--no-images"] if importer == "lmms-eval" else []
    run = call_cli("data", "import", importer, *arguments, "--out", tmp_path / "store")
    assert run.returncode == 1
    hint = "FILE" if importer == "vlmevalkit" else f"'{tmp_path / 'a folder'}'"
    assert f"`rsd-bench data inspect {hint}`" in run.stderr


def test_real_files(tmp_path: Path, records: Path) -> None:
    files = records.parent / "files"
    if not files.is_dir():
        pytest.skip(f"real files are not at {files}")
    parts = inspected(files)
    counts = {(part["importer"], part["what"].rpartition(" ")[2]): part["counts"] for part in parts}
    logicvista = counts["vlmevalkit", "LogicVista"]
    assert (logicvista["models"], logicvista["answers"]) == (5, 5 * 447)
    importers = [part["importer"] for part in parts if part["importer"]]
    assert importers == [*["vlmevalkit"] * 3, "lmms-eval", "lm-eval", "inspect"]
    for part in parts[: len(importers)]:
        run = call_cli(*typed(part)[:-1], tmp_path / "store")
        assert run.returncode == 0, run.stderr
    assert counts["vlmevalkit", "TextVQA_VAL"]["scores"] == 0
    assert counts["lmms-eval", "lmms-eval"] == {"files": 3, "rows": 216, "scores": 216, "models": 3, "images": 16}
    assert counts["lm-eval", "lm-eval"]["rows"] == 10
    assert counts["inspect", "inspect-ai"]["models"] == 2
    part = one(records)
    assert (part["what"], part["counts"]["queries"]) == ("11 records folders", 10_146)
