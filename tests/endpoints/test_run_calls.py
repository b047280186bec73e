"""How requests end: statuses, retries, endpoints that are down.

Guards against failed calls that become answers (VLMEvalKit, simple-evals), retries without end (METR/hawk#945), and one
endpoint, or one request, that stops all others.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from functools import partial
from pathlib import Path

import pytest
from asking import IMAGE, PRICES, QUICK, question, run
from chat_server import Loopback

from rsd_bench.endpoints.answer_store import open_answers
from rsd_bench.endpoints.calls import Answer, Endpoint
from rsd_bench.endpoints.engine import Lane, Tally
from rsd_bench.endpoints.prices import Budget
from rsd_bench.endpoints.ray_calls import Desk
from rsd_bench.endpoints.retry import Asking, RetryPolicy
from rsd_bench.endpoints.run_calls import Run, run_requests


def test_a_run_stores_answers_tokens_times_and_costs_and_asks_once(tmp_path: Path) -> None:
    requests = [question(f"q{i}") for i in range(30)] + [question("q0")]
    with Loopback(latency=0.1) as server:
        tally, answers, budget = run(tmp_path, server.url, requests)
        again, same, _ = run(tmp_path, server.url, requests)
        assert server.stats()["requests"] == 30
    assert (tally.asked, again.asked) == (Counter({("m", "ok"): 30}), Counter())
    assert answers == same
    for request in requests:
        answer = answers[request.key]
        assert answer.text == f"An answer to: q{json.loads(request.body)['messages'][0]['content'][1]['text'][1:]}"
        assert (answer.input_tokens, answer.output_tokens, answer.served_model) == (100, 10, "m-2026-11-01")
        assert 0.1 <= answer.first_token_s <= answer.latency_s < 1
        assert answer.cost_usd == pytest.approx(200e-6)
    assert budget.spent_usd == pytest.approx(30 * 200e-6)


FAULTS = {
    "429-once": "ok",
    "500-once": "ok",
    "hang-once": "ok",
    "cut-once": "ok",
    "stop-once": "ok",
    "drop-once": "ok",
    "noise-once": "ok",
    "json-once": "ok",
    "html-once": "ok",
    "empty-once": "ok",
    "error200-once": "ok",
    "event-once": "ok",
    "abort-once": "ok",
    "429long": "error",
    "500": "error",
    "400": "error",
    "cut": "error",
    "stop": "error",
    "noise": "error",
    "json": "error",
    "html": "error",
    "empty": "error",
    "list": "error",
    "event": "error",
    "abort": "error",
    "301": "error",
    "refusal": "refused",
    "filter": "filtered",
    "filter400": "filtered",
    "SAFETY": "filtered",
    "length": "truncated",
    "max_tokens": "truncated",
}


@pytest.mark.parametrize("stream", [True, False])
def test_every_fault_ends_in_one_status_and_never_in_text(tmp_path: Path, stream: bool) -> None:
    requests = {f"{fault} {i}": question(f"fault={fault} {i}") for fault in FAULTS for i in range(3)}
    requests |= {f"fine {i}": question(f"fine {i}") for i in range(40)}
    started = time.monotonic()
    with Loopback() as server:
        asking = Asking(lambda sha256: IMAGE, QUICK, stream)
        tally, answers, _ = run(tmp_path, server.url, list(requests.values()), 32, asking=asking)
        stats = server.stats()
    assert time.monotonic() - started < 8 + 1.5 + 5  # total_s, one try, and room
    expected = Counter("ok" if name.startswith("fine") else FAULTS[name.split()[0]] for name in requests)
    assert Counter({status: n for (_, status), n in tally.asked.items()}) == expected
    assert tally.stopped is None
    for name, request in requests.items():
        answer, status = answers[request.key], "ok" if name.startswith("fine") else FAULTS[name.split()[0]]
        assert answer.status == status, name
        if status == "ok":
            assert answer.text == f"An answer to: {name if name.startswith('fine') else 'fault=' + name}"
        elif status == "truncated":
            assert answer.text == "It is a long st"
        else:
            assert answer.text is None
            assert answer.detail
    assert stats["fault json"] == 9 + 3  # the same deterministic failure three times, and each -once
    assert stats["fault 400"] == 9
    assert stats["fault 429long"] == 3  # a day of waiting is refused at once
    assert stats["fault 500"] == 3 * 4 + 3
    assert stats["requests"] == sum(a.attempts for a in answers.values())


def test_retry_after_is_honoured(tmp_path: Path) -> None:
    with Loopback() as server:
        started = time.monotonic()
        _, answers, _ = run(tmp_path, server.url, [question("fault=429-once")])
    (answer,) = answers.values()
    assert time.monotonic() - started > 1
    assert (answer.status, answer.attempts) == ("ok", 2)
    assert answer.latency_s < 0.9  # of the try that succeeded


def test_errors_are_asked_again_by_the_next_run_and_final_states_are_not(tmp_path: Path) -> None:
    requests = [question("fault=refusal"), question("fault=400"), *(question(f"q{i}") for i in range(3))]
    with Loopback() as server:
        run(tmp_path, server.url, requests)
        before = server.stats()["requests"]
        run(tmp_path, server.url, requests)
        assert server.stats()["requests"] - before == 3  # the 400, tried three times
    with open_answers(tmp_path) as store:
        store.put(Answer(requests[0].key, "m", "ok", text="something else"))
        assert store.get(requests[0].key).status == "refused"


def test_a_dead_endpoint_stops_the_run(tmp_path: Path) -> None:
    with Loopback() as server:
        tally, _, _ = run(tmp_path, server.url, [question(f"fault=401 {i}") for i in range(500)], 4)
        assert server.stats()["requests"] < 100
    assert "401" in tally.stopped
    policy = RetryPolicy(attempts=2, timeout_s=1, total_s=2, backoff_s=0.01)
    closed = Asking(lambda sha256: IMAGE, policy)
    tally, _, _ = run(tmp_path, "http://127.0.0.1:9/v1", [question(f"x{i}") for i in range(99)], 4, asking=closed)
    assert "no connection" in tally.stopped


def test_refused_requests_block_nothing_behind_them(tmp_path: Path) -> None:
    """25 pictures too large at the head of a store ended each run after ten errors, at the same place."""
    requests = [question(f"fault=400 {i}") for i in range(25)] + [question(f"q{i}") for i in range(15)]
    with Loopback() as server:
        tally, _, _ = run(tmp_path, server.url, requests)
    assert tally.stopped is None
    assert tally.asked == {("m", "error"): 25, ("m", "ok"): 15}


def test_a_dead_endpoint_does_not_stop_the_others(tmp_path: Path) -> None:
    """One model that was down ended the run of all."""
    asked = {
        "dead": [question(f"fault=403 {i}", model="dead") for i in range(200)],
        "m": [question(f"q{i}") for i in range(200)],
    }
    with Loopback(latency=0.02) as server, open_answers(tmp_path) as store:
        lanes = [Lane(Endpoint(model, server.url), partial(asked.get, model), 4) for model in asked]
        asking = Asking(lambda sha256: IMAGE, QUICK, stream=True)
        tally = run_requests(lanes, store, Run(asking=asking, budget=Budget(PRICES), output_tokens=10))
    assert tally.asked["m", "ok"] == 200
    assert tally.asked["dead", "error"] < 20
    assert tally.stopped.startswith("dead: 10 requests, 10 errors; the last: HTTP 403")


def test_the_desk_of_a_ray_run_gives_up_one_model_only(tmp_path: Path) -> None:
    with open_answers(tmp_path) as store:
        desk = Desk(store.path, None, Budget(PRICES), Tally())
        refused = [desk.put(Answer(f"r{i}", "m", "error"), 0, True) for i in range(20)]
        failed = [desk.put(Answer(f"f{i}", "dead", "error"), 0) for i in range(10)]
        assert refused == [True] * 20
        assert failed == [True] * 9 + [False]
        assert desk.missing("dead", ["new"]) == set()
        assert desk.missing("m", ["new"]) == {"new"}
        desk.stop("reached --max-cost 1")
        assert desk.missing("m", ["new"]) == set()


def test_nothing_that_an_endpoint_says_can_fail_to_be_stored(tmp_path: Path) -> None:
    """A lone surrogate in an answer ended the run with UnicodeEncodeError, this one and every one after it."""
    with Loopback() as server:
        tally, answers, _ = run(tmp_path, server.url, [question("fault=surrogate"), question("q")])
    assert tally.asked == {("m", "ok"): 2}
    odd = next(a for a in answers.values() if a.text.startswith("half"))
    assert (odd.text, odd.served_model) == ("half \ufffd of a pair, and \ufffd", "m\ufffd-2026-11-01")
