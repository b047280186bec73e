"""generate -> judge -> audit -> build -> check -> load on the command line, and what stops or kills it on the way.

Guards against answers paid for and lost, failed calls that become answers, denominators that shrink, and keys on disk.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from chat_server import Loopback
from conftest import RECIPE, Records, run_cli

import rsd_bench as rsd

SECRET = "sk-live-0123456789abcdefghij"
PRICES = 'date = "2026-11-24"\n' + "".join(
    f"[models.{name}]\ninput = 1\noutput = 10\n" for name in ("tiny", "huge", "judge", "judge-noisy")
)


def records_of(folder: Path, n: int = 60, faults: tuple[str, ...] = ()) -> Path:
    """Toy queries to be answered, the first of them with faults, and one published score of another model."""
    records = Records(folder, n=n, models=("published",))
    records.responses = records.responses[:1]
    for query, fault in zip(records.queries, faults, strict=False):
        query["question"] += f" fault={fault}"
    return records.write()


def generate(server: Loopback, queries: Path, store: Path, *more: object):
    models = [part for name in ("tiny", "huge") for part in ("--model", f"{name}@{server.url}")]
    return run_cli("generate", queries, *models, "--out", store, *more)


def outcomes(store: Path, table: str = "responses") -> pd.DataFrame:
    return pd.read_parquet(store / "sources" / "toy" / f"{table}.parquet")


def answers(store: Path) -> list[tuple]:
    """What the database holds, but for times."""
    connection = sqlite3.connect(store / "requests.sqlite")
    rows = connection.execute("SELECT key, model, status, text, input_tokens, output_tokens FROM answers ORDER BY key")
    found = rows.fetchall()
    connection.close()
    return found


def test_two_endpoints_and_a_judge_become_a_dataset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TINY_KEY", SECRET)
    queries, store = records_of(tmp_path / "toy", faults=("refusal", "400", "length")), tmp_path / "store"
    assert run_cli("data", "import", "records", queries, "--out", store).returncode == 0
    (tmp_path / "prices.toml").write_text(PRICES)
    (tmp_path / "recipe.toml").write_text(RECIPE)
    with Loopback() as server:
        options = ("--key-env", "tiny=TINY_KEY", "--hardware", "tiny=a toy", "--prices", tmp_path / "prices.toml")
        made = generate(server, store, store, *options)
        assert made.returncode == 1
        assert made.stderr == "error: run: 2 queries ended in error -> run again: it asks these and no others\n"
        assert "120 calls to make, 0 answered already; at most about $" in made.stdout
        assert made.stdout.splitlines()[2].split() == ["tiny", "60", "57", "1", "1", "1"]
        judge = (
            "judge",
            store,
            "--judge",
            f"judge-noisy@{server.url}",
            "--repeats",
            "3",
            "--prices",
            tmp_path / "prices.toml",
        )
        judged = run_cli(*judge)
        assert judged.returncode == 0, judged.stderr
        before = server.stats()["requests"]
        assert run_cli(*judge).returncode == 0
        again = generate(server, store, store, *options)
        assert server.stats()["requests"] == before + 2 * 3  # the two 400s only
        assert again.returncode == 1
    table = outcomes(store)
    assert Counter(table["status"]) == {"ok": 115, "refused": 2, "error": 2, "truncated": 2}
    assert table[table["model"] == "published"]["judge"].tolist() == ["a test"]
    live = table[(table["model"] != "published") & (table["status"] == "ok")]
    assert set(live["latency_basis"]) == {"measured"}
    assert (live["latency_s"] > 0).all()
    assert set(live["n_judgments"]) == {3}
    assert table[table["status"].isin(["error", "refused"])]["response"].isna().all()
    assert table[table["status"] != "ok"]["score"].isna().all()
    calls = outcomes(store, "judgments")
    assert calls.groupby(["query_id", "model"])["score"].mean().tolist() == pytest.approx(
        live.sort_values(["query_id", "model"])["score"].tolist()
    )
    human = tmp_path / "human.csv"
    live[["query_id", "model", "score"]].assign(score=lambda t: (t["score"] + 1).clip(0, 10)).to_csv(human, index=False)
    audit = run_cli(
        "judge", "audit", store, "--human", human, "--small", "tiny", "--large", "huge", "--n-boot", "50", "--json"
    )
    assert audit.returncode == 0, audit.stderr
    (found,) = json.loads(audit.stdout)["audits"]
    assert found["repeats"]["variance"] == pytest.approx(1.0)  # each answer gets a score, one less and two less
    assert found["human"]["bias"]["value"] == pytest.approx(-1.0)
    text = run_cli("judge", "audit", store, "--human", human, "--small", "tiny", "--large", "huge", "--n-boot", "50")
    assert "flips on judging again" in text.stdout
    for command in (
        ("data", "build", tmp_path / "recipe.toml", "--store", store, "--out", tmp_path / "ds"),
        ("data", "check", tmp_path / "ds"),
    ):
        ran = run_cli(*command)
        assert ran.returncode == 0, ran.stderr
    manifest = json.loads((tmp_path / "ds" / "manifest.json").read_text())
    assert manifest["flip_prob"]["all"] == found["flip_prob"]["all"]
    assert max(manifest["flip_prob"]["all"].values()) > 0
    assert manifest["sources"]["toy"]["live"]["tiny"]["hardware"] == "a toy"
    assert "127.0.0.1" not in (tmp_path / "ds" / "manifest.json").read_text()
    assert "Label noise" in (tmp_path / "ds" / "README.md").read_text()
    assert manifest["latency_basis"] == {"measured": 57}
    assert Counter(row["reason"] for row in manifest["missing"]) == {
        f"tiny: {status}; huge: {status}": 1 for status in ("refused", "error", "truncated")
    }
    assert len(rsd.load(tmp_path / "ds", mes=6, split="train")) == manifest["splits"]["train"]
    everything = b"".join(p.read_bytes() for p in tmp_path.rglob("*") if p.is_file())
    said = "".join(ran.stdout + ran.stderr for ran in (made, judged, again, audit, text))
    assert SECRET.encode() not in everything
    assert SECRET not in said


def test_board_shows_the_noise_of_an_audited_dataset(toy_dataset: Path) -> None:
    from rsd_bench.board.build_board import build_board
    from rsd_bench.dataset.benchmark import open_benchmark

    benchmark = open_benchmark(toy_dataset)
    empty = toy_dataset.parent / "no-submissions"
    empty.mkdir(exist_ok=True)
    assert b"Noise ceiling" not in build_board(empty, benchmark, n_boot=10)["leaderboard.md"]
    audited = replace(benchmark.manifest, flip_prob={"all": {"5": 0.25, "6": 0.125}})
    benchmark = replace(benchmark, manifest=audited)
    files = build_board(empty, benchmark, n_boot=10)
    assert b"12.5% in fast_response" in files["leaderboard.md"]
    assert json.loads(files["leaderboard.json"])["noise"]["low_energy"]["flip_prob"] == 0.25


def delivered(log: Path) -> list[tuple[str, str]]:
    return [tuple(json.loads(line)) for line in log.read_text().splitlines()] if log.exists() else []


def acknowledged(store: Path) -> set[tuple[str, str]]:
    """(model, question) of every answer in the database."""
    if not (store / "requests.sqlite").exists():
        return set()
    return {(model, key) for key, model, *_ in answers(store)}


def kill_and_resume(folder: Path, kills: int, n: int, latency: float) -> None:
    queries, log = records_of(folder / "toy", n), folder / "delivered.log"
    from rsd_bench.endpoints.calls import Endpoint
    from rsd_bench.generate.answer_queries import Plan
    from rsd_bench.generate.queries import bring_queries
    from rsd_bench.sources.store.store_tables import rows_of

    with Loopback(latency, log) as server:
        calm, store = folder / "calm", folder / "store"
        assert generate(server, queries, calm).returncode == 0
        plan = Plan(
            calm, bring_queries(str(calm), calm), [Endpoint("tiny", server.url)], {"temperature": 0, "max_tokens": 1024}
        )
        key_of = {
            (model, row["question"]): plan.request(model, row).key
            for model in ("tiny", "huge")
            for row in rows_of(calm, "toy", "queries")
        }
        assert {key for key, *_ in answers(calm)} == set(key_of.values())
        assert generate(server, queries, store, "--limit", 1).returncode == 0
        rng = random.Random(0)
        command = [sys.executable, "-m", "rsd_bench", "generate", str(store), "--out", str(store), "--concurrency", "4"]
        for name in ("tiny", "huge"):
            command += ["--model", f"{name}@{server.url}"]
        killed = 0
        while killed < kills:
            known, start = acknowledged(store), len(delivered(log))
            process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            target = start + rng.randrange(1, max(2, 2 * n // kills))
            while process.poll() is None and len(delivered(log)) < target:
                time.sleep(0.005)
            time.sleep(rng.random() * 2 * latency)
            if process.poll() is None:
                os.kill(process.pid, signal.SIGKILL)
                killed += 1
            process.wait()
            time.sleep(2 * latency)
            new = delivered(log)[start:]
            assert not {(model, key_of[model, text]) for model, text in new} & known
            assert known <= acknowledged(store)
            if len(acknowledged(store)) == 2 * n:
                break
        assert killed == kills
        last = subprocess.run(command, capture_output=True, text=True)
        assert last.returncode == 0, last.stderr
    assert answers(store) == answers(calm)
    figures = ["latency_s", "first_token_s"]
    pd.testing.assert_frame_equal(outcomes(store).drop(columns=figures), outcomes(calm).drop(columns=figures))


def test_killed_runs_resume_without_losing_or_repeating_an_answer(tmp_path: Path) -> None:
    kill_and_resume(tmp_path, kills=4, n=60, latency=0.05)


@pytest.mark.heavy
def test_twenty_kills(tmp_path: Path) -> None:
    kill_and_resume(tmp_path, kills=20, n=400, latency=0.05)


def test_interrupt_finishes_the_calls_in_flight_and_says_how_to_go_on(tmp_path: Path) -> None:
    log = tmp_path / "delivered.log"
    with Loopback(0.3, log) as server:
        queries, store = records_of(tmp_path / "toy"), tmp_path / "store"
        command = [sys.executable, "-m", "rsd_bench", "generate", queries, "--model", f"tiny@{server.url}"]
        process = subprocess.Popen(
            [*map(str, command), "--out", str(store), "--concurrency", "4"], stderr=subprocess.PIPE, text=True
        )
        while len(delivered(log)) < 8:
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=20)
        assert process.returncode == 1
        assert "error: run: stopped: interrupted -> what was answered is stored; run again to go on" in said
        assert "Traceback" not in said
        assert len(answers(store)) == len(delivered(log)) < 60
        assert len(outcomes(store)) >= 8


def test_cost_cap_stops_with_exit_1_and_json_says_so(tmp_path: Path) -> None:
    (tmp_path / "prices.toml").write_text(PRICES)
    with Loopback() as server:
        queries = records_of(tmp_path / "toy")
        limits = ("--prices", tmp_path / "prices.toml", "--max-cost", "0.01", "--concurrency", "2")
        run = generate(server, queries, tmp_path / "store", *limits, "--json")
        assert run.returncode == 1
        said = json.loads(run.stdout)
        assert said["ok"] is False
        assert 0.01 <= said["cost_usd"] <= 0.01 + 4 * 200e-6 + 1e-12
        assert sum(said["models"]["tiny"].values()) == 60
        before = server.stats()["requests"]
        nothing = generate(server, queries, tmp_path / "free", "--prices", tmp_path / "prices.toml", "--max-cost", "0")
        assert "120 calls to make" in nothing.stdout  # an estimate, and no call
        assert server.stats()["requests"] == before
        unpriced = generate(server, queries, tmp_path / "store", "--max-cost", "1")
        assert unpriced.returncode == 1
        assert "'tiny' has no price" in unpriced.stderr


def test_batch_files_judge_without_a_call(tmp_path: Path) -> None:
    queries, store, batch = records_of(tmp_path / "toy"), tmp_path / "store", tmp_path / "batch.jsonl"
    with Loopback() as server:
        assert generate(server, queries, store).returncode == 0
        before = server.stats()["requests"]
        judge = ("judge", store, "--judge", f"judge@{server.url}")
        assert "90 requests" in run_cli(*judge, "--batch-out", batch).stdout
        output = tmp_path / "output.jsonl"
        with output.open("w") as stream:
            for i, line in enumerate(batch.open()):
                text = '{"rationale": "x", "score": 8}' if i else "eight of ten"
                choice = {"message": {"content": text}, "finish_reason": "stop"}
                body = {"choices": [choice], "model": "judge-2026-11-01"}
                key = json.loads(line)["custom_id"]
                stream.write(json.dumps({"custom_id": key, "response": {"status_code": 200, "body": body}}) + "\n")
        read = run_cli(*judge, "--batch-in", output)
        assert read.returncode == 1
        assert "1 requests are not answered" in read.stderr
        assert "90 ok" in read.stdout  # 30 answers of the two models are the same, and so is their judge call
        table = outcomes(store)
        assert Counter(table["status"]) == {"ok": 118, "unscored": 2}  # its repair is still to be asked
        assert set(table["score"].dropna()) == {8.0}
        for other in (("--param", "seed=1"), ("--repeats", "2")):  # was exit 0 with lines unread
            wrong = run_cli(*judge, *other, "--batch-in", output, "--json")
            said = json.loads(wrong.stdout)
            assert (wrong.returncode, said["ok"]) == (1, False)
            assert any("are not answered" in problem["what"] for problem in said["problems"])
            assert any("answer nothing" in problem["what"] for problem in said["problems"]) == (other[0] == "--param")
        assert run_cli(*judge, "--batch-in", output).returncode == 1
        assert "1 requests" in run_cli(*judge, "--batch-out", tmp_path / "repair.jsonl").stdout
        assert server.stats()["requests"] == before
        assert run_cli(*judge).returncode == 0
        assert server.stats()["requests"] == before + 1
        assert Counter(outcomes(store)["status"]) == {"ok": 120}


def test_closed_answer_judges_need_no_endpoint(tmp_path: Path) -> None:
    queries, store = records_of(tmp_path / "toy"), tmp_path / "store"
    with Loopback() as server:
        assert generate(server, queries, store).returncode == 0
    assert run_cli("judge", store, "--judge", "numeric", "--model", "tiny").returncode == 0
    table = outcomes(store)
    assert Counter(table[table["model"] == "tiny"]["status"]) == {"ok": 30, "unparseable": 30}
    assert table[table["model"] == "huge"]["score"].isna().all()
    exact = run_cli("judge", store, "--judge", "exact-match")
    assert exact.returncode == 0, exact.stderr
    table = outcomes(store)
    assert table.groupby("model")["score"].mean().to_dict() == {"huge": 10.0, "tiny": 5.0}
    assert table[table["model"] == "huge"]["score"].tolist() == [10.0] * 60


def test_changed_queries_are_refused_and_others_are_named(tmp_path: Path) -> None:
    from conftest import png

    queries, store = records_of(tmp_path / "toy"), tmp_path / "store"
    with Loopback() as server:
        assert generate(server, queries, store, "--limit", 2).returncode == 0
        (queries / "images" / "3.png").write_bytes(png(99))
        changed = generate(server, queries, store)
        assert changed.returncode == 1
        assert "'toy/3' differs from that in" in changed.stderr
        assert len(changed.stderr.splitlines()) == 1
        for wrong, says in (
            (tmp_path / "nothing", "neither"),
            (Path(rsd.__file__).parent / "editions" / "rsd-open-lite", "lite edition has no images"),
        ):
            run = generate(server, wrong, tmp_path / "other")
            assert run.returncode == 1
            assert says in run.stderr
            assert "Traceback" not in run.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["--model", "tiny"], 1, "is not ID@BASE_URL"),
        (["--model", "t@http://u:p@h/v1"], 1, "holds more than a place"),
        (["--model", "t@http://h/v1", "--key-env", "NOT_SET_ANYWHERE"], 1, "NOT_SET_ANYWHERE is not set"),
        (["--model", "t@http://h/v1", "--key-env", "u=X"], 1, "none of the models"),
        (["--model", "t@http://h/v1", "--model", "t@http://g/v1"], 1, "given twice"),
        (["--model", "t@http://h/v1", "--param", "stream=true"], 2, "not NAME=JSON"),
        (["--model", "t@http://h/v1", "--param", "seed"], 2, "not NAME=JSON"),
        (["--model", "t@http://h/v1", "--param", "seed=1e400"], 2, "not NAME=JSON"),
        (["--model", "t@http://h/v1", "--concurrency", "0"], 2, "concurrency"),
        (["--model", "t@http://h/v1", "--energy", "nvml"], 1, "several calls at once"),
        (["--model", "t@http://h/v1", "--energy", "nvml", "--concurrency", "1"], 1, "another machine"),
        (["--model", "t@http://h/v1", "--prices", "/none.toml"], 1, "/none.toml"),
    ],
)
def test_wrong_options_are_one_line_each(tmp_path: Path, arguments: list[str], code: int, says: str) -> None:
    run = run_cli("generate", tmp_path, "--out", tmp_path / "store", *arguments)
    assert (run.returncode, says in run.stderr) == (code, True), run.stderr
    assert "Traceback" not in run.stderr
    assert "u:p" not in run.stderr


def test_judge_help_and_wrong_stores(tmp_path: Path) -> None:
    said = run_cli("judge", "--help").stdout
    assert all(part in said for part in ("audit", "judge STORE --judge", "--repeats", "--batch-out"))
    for arguments in ((tmp_path, "--judge", "exact-match"), ("audit", tmp_path)):
        run = run_cli("judge", *arguments)
        assert run.returncode == 1
        assert "is not a store" in run.stderr
