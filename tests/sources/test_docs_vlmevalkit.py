"""Every command of the page on formats is run as it stands there, on files of the names that it speaks of."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from conftest import ROOT, call_cli
from kit_files import b64, png, write_rows

SECTION = (ROOT / "docs" / "formats.md").read_text("utf-8").partition("\n## VLMEvalKit\n")[2].partition("\n## ")[0]
COMMANDS = re.findall(r"^\$ rsd-bench (data import vlmevalkit .*)$", SECTION, re.MULTILINE)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    same = {"A": "x", "B": "y", "answer": "A", "skill": "['b', 'a']"}
    asked = [{"index": i, "question": f"What is {i}?", "id": f"v{i}", **same} for i in range(4)]
    said = [row | {"prediction": "A"} for row in asked]
    write_rows(tmp_path / "MiniBench.tsv", [row | {"image": b64(row["index"])} for row in asked])
    write_rows(tmp_path / "tiny_MiniBench.xlsx", said)
    write_rows(tmp_path / "tiny_MiniBench_gpt-4o.xlsx", [row | {"hit": 1, "log": "Succeed"} for row in said])
    write_rows(tmp_path / "huge_MiniBench.json", said)
    write_rows(tmp_path / "answers.jsonl", [{"index": i, "prediction": "A"} for i in range(4)])
    write_rows(tmp_path / "verdicts.csv", [{"index": i, "score (0-5)": i} for i in range(4)])
    write_rows(tmp_path / "run.jsonl", [{"qid": i, "text": "B"} for i in range(4)])
    rolls = [{**asked[0], "image": b64(1)}, {**asked[0], "image": "0", "index": 1_000_000, "A": "y", "B": "x"}]
    write_rows(tmp_path / "Rolled.tsv", rolls)
    told = [{**row, "image": None, "prediction": "A"} for row in rolls]
    write_rows(tmp_path / "tiny_Rolled.xlsx", told)
    write_rows(tmp_path / "tiny_Rolled_each.xlsx", [row | {"hit": i} for i, row in enumerate(told)])
    (tmp_path / "images").mkdir()
    for i in range(4):
        (tmp_path / "images" / f"v{i}.png").write_bytes(png(i))
    return tmp_path


def test_the_commands_run_as_they_stand(folder: Path) -> None:
    assert len(COMMANDS) == 6
    for command in COMMANDS:
        run = call_cli(*shlex.split(command))
        assert run.returncode == 0, f"{command}: {run.stderr}"
    rows = pq.read_table(folder / "store/sources/MiniBench/responses.parquet", columns=["model", "score"]).to_pylist()
    scores = {model: sorted(str(row["score"]) for row in rows if row["model"] == model) for model in ("tiny", "huge")}
    assert scores == {"tiny": ["10.0"] * 4, "huge": ["0.0", "2.0", "4.0", "6.0"]}
    assert {row["model"] for row in rows} == {"tiny", "huge", "outside"}
    domains = pq.read_table(folder / "by-folder/sources/MiniBench/queries.parquet", columns=["domain"]).to_pylist()
    assert domains == [{"domain": "a_b"}] * 4
    (rolled,) = pq.read_table(folder / "rolled/sources/Rolled/responses.parquet", columns=["score"]).to_pylist()
    assert rolled == {"score": 0.0}


def test_every_option_named_is_one_of_the_command() -> None:
    shown = call_cli("data", "import", "vlmevalkit", "--help").stdout
    assert {name for name in re.findall(r"(?<![\w-])--[a-z][a-z-]+", SECTION) if name not in shown} == set()
