"""What `generate` and `judge` say at their end, and with which exit code.

Guards against runs that look whole and are not: exit 0 with queries in error, options that were ignored, an estimate
that a script cannot tell from a result, and text of an endpoint that reached the terminal as control characters.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from conftest import Records, run_cli
from typer.testing import CliRunner

from rsd_bench.cli.main import app

HOSTILE = "\x1b[31mred\x1b]0;title\x07\nmodel  queries  ok\nall is well"


class Rude(BaseHTTPRequestHandler):
    """Answers every call with 400 and a message that talks to the terminal."""

    def do_POST(self) -> None:
        body = json.dumps({"error": {"message": HOSTILE}}).encode()
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(400)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def rude() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), Rude)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/v1"
    server.shutdown()
    server.server_close()


def store_of(folder: Path) -> Path:
    """A store of four queries with unscored answers of `tiny`."""
    records = Records(folder / "toy", n=4, models=("tiny",))
    for row in records.responses:
        row |= {"score": None, "judge": None}
    ran = run_cli("data", "import", "records", records.write(), "--out", folder / "store")
    assert ran.returncode == 0, ran.stderr
    return folder / "store"


def test_errors_end_with_exit_1_and_one_printable_line(tmp_path: Path, rude: str) -> None:
    store = store_of(tmp_path)
    for command in (
        ("generate", store, "--out", store, "--model", f"other@{rude}"),
        ("judge", store, "--judge", f"judge@{rude}"),
    ):
        run = run_cli(*command)
        assert run.returncode == 1
        assert all(character.isprintable() or character == "\n" for character in run.stdout)
        (last,) = (line for line in run.stdout.splitlines() if line.startswith("last error of"))
        assert "red" in last
        assert "all is well" in last
        assert run.stderr.startswith("error: run: 4 ")
        assert run.stderr.endswith(" ended in error -> run again: it asks these and no others\n")
        again = run_cli(*command, "--json")
        assert again.returncode == 1
        said = json.loads(again.stdout)
        assert said["ok"] is False
        assert "4 " in said["problems"][0]["what"]


def test_published_outcomes_are_refused_before_anything_is_asked(tmp_path: Path) -> None:
    store = store_of(tmp_path)
    before = (store / "sources" / "toy" / "responses.parquet").read_bytes()
    run = run_cli("generate", store, "--out", store, "--model", "tiny@http://127.0.0.1:1/v1")
    assert run.returncode == 1
    assert "toy: holds published outcomes of 'tiny'" in run.stderr
    assert (store / "sources" / "toy" / "responses.parquet").read_bytes() == before


@pytest.mark.parametrize(
    ("judge", "options"),
    [
        ("exact-match", ["--batch-out", "x.jsonl"]),
        ("numeric", ["--batch-in", "x.jsonl"]),
        ("j@http://127.0.0.1:1/v1", ["--batch-out", "x.jsonl", "--batch-in", "y.jsonl"]),
    ],
)
def test_batch_options_that_would_be_ignored_are_refused(tmp_path: Path, judge: str, options: list[str]) -> None:
    run = run_cli("judge", tmp_path, "--judge", judge, *options)
    assert run.returncode == 2
    assert "--batch-" in run.stderr
    assert "leave one out" in run.stderr


@pytest.mark.parametrize("as_json", [False, True])
def test_interrupt_outside_the_asking_is_one_line_and_exit_130(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, as_json: bool
) -> None:
    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("rsd_bench.generate.queries.bring_queries", interrupted)
    monkeypatch.setattr("rsd_bench.judge.model_judge.open_scope", interrupted)
    for command in (
        ["generate", str(tmp_path), "--out", str(tmp_path), "--model", "t@http://h/v1"],
        ["judge", str(tmp_path), "--judge", "exact-match"],
        ["judge", "audit", str(tmp_path)],
    ):
        run = CliRunner().invoke(app, [*command, *(["--json"] if as_json else [])])
        assert run.exit_code == 130
        if as_json:
            assert json.loads(run.stdout)["problems"][0]["what"] == "interrupted"
        else:
            assert run.stderr == "error: run: interrupted -> what was stored stays; run again to go on\n"
