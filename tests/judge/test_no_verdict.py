"""Judges that give no verdict: what the summary says of it, and how they are asked again.

Guards against a judge whose replies lacked one key: 120 times `unparseable`, no word of why, and no way to ask again.
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pandas as pd
import pytest
from chat_server import Loopback
from conftest import Records, run_cli

from rsd_bench.judge.no_verdict import Unread
from rsd_bench.judge.prompt import load_prompt
from rsd_bench.judge.verdict import NoVerdictError, read_verdict

SCHEMA = load_prompt("reference").schema


def store_of(folder: Path, n: int = 20) -> Path:
    """A store of n unscored answers of `tiny`, no two alike."""
    records = Records(folder / "toy", n=n, models=("tiny",))
    for i, row in enumerate(records.responses):
        row |= {"score": None, "judge": None, "response": f"answer {i}"}
    ran = run_cli("data", "import", "records", records.write(), "--out", folder / "store")
    assert ran.returncode == 0, ran.stderr
    return folder / "store"


def statuses(store: Path) -> dict[str, int]:
    return Counter(pd.read_parquet(store / "sources" / "toy" / "responses.parquet")["status"])


def test_a_judge_that_leaves_one_key_out_is_explained_mended_and_asked_again(tmp_path: Path) -> None:
    store = store_of(tmp_path)
    with Loopback() as server:
        judge = ("judge", store, "--judge", f"judge-lacking@{server.url}", "--repeats", "2")
        run = run_cli(*judge)
        assert run.returncode == 0, run.stderr
        assert statuses(store) == {"unparseable": 20}
        assert "no verdict in 40 judgments, 40 of them: 'rationale' is a required property\n" in run.stdout
        assert 'one reply says: {"score": 10}\n' in run.stdout
        assert "--retry unparseable" in run.stdout
        before = server.stats()["requests"]
        told = json.loads(run_cli(*judge, "--json").stdout)  # what was asked is not asked again by itself
        assert server.stats()["requests"] == before == 80
        assert told["no_verdict"] == {
            "reason": "'rationale' is a required property",
            "replies": 40,
            "example": '{"score": 10}',
            "of": 40,
        }
        spent = told["store_cost_usd"]

        run_cli(*judge, "--retry", "unparseable")  # not mended yet: asked again, and again no verdict
        assert (server.stats()["requests"], statuses(store)) == (160, {"unparseable": 20})
        server.mend()
        again = run_cli(*judge, "--retry", "unparseable")
        assert again.returncode == 0, again.stderr
        assert "40 judgments without a verdict are asked for again\n" in again.stdout
        assert "no verdict" not in again.stdout.replace("without a verdict", "")
        assert server.stats()["requests"] == 160 + 40
        assert statuses(store) == {"ok": 20}
        nothing = json.loads(run_cli(*judge, "--retry", "unparseable", "--json").stdout)
        assert (nothing["calls"], nothing["no_verdict"]) == (0, None)
        assert nothing["store_cost_usd"] >= spent
        assert server.stats()["requests"] == 200


def test_a_retry_that_is_stopped_takes_nothing_away_and_is_taken_up_by_the_next_run(tmp_path: Path) -> None:
    store = store_of(tmp_path, n=4)
    prices = tmp_path / "prices.toml"
    prices.write_text('date = "2026-11-24"\n[models.judge-lacking]\ninput = 1\noutput = 10\n')
    with Loopback() as server:
        judge = ("judge", store, "--judge", f"judge-lacking@{server.url}", "--prices", prices)
        spent = json.loads(run_cli(*judge, "--json").stdout)["store_cost_usd"]
        stopped = run_cli(*judge, "--retry", "unparseable", "--max-cost", "0")
        assert (stopped.returncode, statuses(store)) == (1, {"unparseable": 4})
        server.mend()
        told = json.loads(run_cli(*judge, "--json").stdout)
        assert (told["calls"], statuses(store)) == (4, {"ok": 4})
        assert told["store_cost_usd"] == pytest.approx(spent * 1.5)  # what the replies without a verdict cost stays


@pytest.mark.parametrize(
    "options",
    [["--judge", "exact-match"], ["--judge", "j@http://127.0.0.1:1/v1", "--batch-in", "x.jsonl"]],
)
def test_a_retry_that_would_ask_nothing_is_refused(tmp_path: Path, options: list[str]) -> None:
    run = run_cli("judge", tmp_path, *options, "--retry", "unparseable")
    assert run.returncode == 2
    assert "leave one out" in run.stderr


def test_replies_with_the_same_fault_have_the_same_reason() -> None:
    """Reasons that carried the value were one for each reply, and none was the commonest."""
    reasons = Counter()
    for reply in (
        *(f'{{"rationale": "x", "score": {score}}}' for score in (11, 12, 99)),
        *('{"rationale": "x"', "Eight of ten", "Score: 7"),
        '{"score": 1}',
        '{"rationale": "x"}',
    ):
        with pytest.raises(NoVerdictError) as error:
            read_verdict(reply, SCHEMA)
        reasons[error.value.reason] += 1
    assert reasons["score is against maximum 10 of the schema"] == 3
    assert reasons["'rationale' is a required property"] == reasons["'score' is a required property"] == 1
    assert reasons["not JSON: Expecting value"] == 2


def test_the_commonest_reason_comes_with_a_reply_of_its_own() -> None:
    unread = Unread()
    assert unread.commonest is None
    unread.add([("a", "one")])
    unread.add([("b", "two"), ("b", "x" * 1000)])
    assert unread.commonest == ("b", 2, "two")
