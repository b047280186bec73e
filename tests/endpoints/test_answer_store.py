"""The database of answers.

Guards against two processes in one store, damage without a name, final states that are overwritten, and the cost of a
failure that is lost when the answer comes.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from rsd_bench.endpoints.answer_store import open_answers
from rsd_bench.endpoints.calls import Answer
from rsd_bench.types import InputError


def test_store_is_for_one_process_at_a_time_and_damage_is_named(tmp_path: Path) -> None:
    with open_answers(tmp_path), pytest.raises(InputError, match="in use"), open_answers(tmp_path):
        pass
    (tmp_path / "requests.sqlite").write_bytes(b"not a database, but long enough to look at" * 100)
    with pytest.raises(InputError, match=r"requests\.sqlite"), open_answers(tmp_path):
        pass


def test_database_is_wal_with_one_row_a_key(tmp_path: Path) -> None:
    with open_answers(tmp_path) as store:
        store.put(Answer("k", "m", "error", detail="first"))
        store.put(Answer("k", "m", "ok", text="then"))
        store.put(Answer("k", "m", "error", detail="late"))
    connection = sqlite3.connect(tmp_path / "requests.sqlite")
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert connection.execute("SELECT key, status, text FROM answers").fetchall() == [("k", "ok", "then")]
    connection.close()


def test_what_failures_cost_stays_in_the_total(tmp_path: Path) -> None:
    """The answer of a later run overwrote the row of an error, and with it what the error had cost."""
    with open_answers(tmp_path) as store:
        for cost in (0.25, None, 0.5):
            store.put(Answer("k", "m", "error", cost_usd=cost))
        store.put(Answer("k", "m", "ok", text="then", cost_usd=1.0))
        assert (store.spent_usd(), store.get("k").cost_usd) == (1.75, 1.75)
        store.put(Answer("free", "m", "error"))
        assert store.get("free").cost_usd is None
