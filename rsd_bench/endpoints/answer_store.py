"""The answers of a store, content-addressed, in STORE/requests.sqlite.

    answers   one row a request key: status, text, tokens, times, cost (the fields of `Answer`)
    runs      one row a run: when, which command, endpoint, hardware note, parameters; never a key of an endpoint

Contract: WAL, one transaction per answer, so an answer is either whole in the file or was never acknowledged, also
after `kill -9`. A final state is never overwritten, unless `reopen` made it a failure. A row with status `error` or
`unsupported` is a failure that is asked for again; what it cost is added to what comes in its place. An error does not
take the place of `unsupported`: a server that is down says nothing of what its model takes.
`synchronous=NORMAL`: a killed process loses nothing; a power cut may lose the last answers, never the file.
One process at a time: a lock file says so. Only the process that opened the store writes, or the one writer of its Ray
run, which joins it.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from datetime import UTC, datetime
from operator import attrgetter
from pathlib import Path
from typing import Any

from rsd_bench.endpoints.calls import FINAL, Answer
from rsd_bench.locks import lock_file
from rsd_bench.types import InputError

FILE = "requests.sqlite"
_VERSION = 1
_WAL_PAGES = 4_000  # 16 MB between checkpoints: each stops every call in flight for 15 ms
_COLUMNS = tuple(field.name for field in fields(Answer))
_row_of = attrgetter(*_COLUMNS)
_SCHEMA = """
CREATE TABLE answers (
    key TEXT PRIMARY KEY, model TEXT NOT NULL, status TEXT NOT NULL, text TEXT, detail TEXT, served_model TEXT,
    input_tokens INTEGER, output_tokens INTEGER, first_token_s REAL, latency_s REAL, energy_j REAL, energy_basis TEXT,
    attempts INTEGER NOT NULL, cost_usd REAL
) WITHOUT ROWID;
CREATE TABLE runs (started TEXT NOT NULL, command TEXT NOT NULL, settings TEXT NOT NULL);
"""
_STAYS = "answers.status = 'unsupported' AND excluded.status = 'error'"
_PUT = (
    f"INSERT INTO answers ({', '.join(_COLUMNS)}) VALUES ({', '.join('?' * len(_COLUMNS))}) "
    "ON CONFLICT(key) DO UPDATE SET "
    f"{', '.join(f'{c} = iif({_STAYS}, answers.{c}, excluded.{c})' for c in _COLUMNS[1:-1])}, "
    "cost_usd = coalesce(answers.cost_usd + excluded.cost_usd, answers.cost_usd, excluded.cost_usd) "
    "WHERE answers.status IN ('error', 'unsupported')"
)
_REOPEN = "UPDATE answers SET status = 'error', text = NULL, detail = ? WHERE key = ?"
_GET = f"SELECT {', '.join(_COLUMNS)} FROM answers WHERE key = ?"


class AnswerStore:
    """The open database. Every method raises InputError naming the file where SQLite fails (full disk, damage)."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path, self._connection = path, connection

    def put(self, answer: Answer) -> None:
        """Commit one answer; it survives the death of the process from here on."""
        with self._guard():
            self._connection.execute(_PUT, _row_of(answer))

    def get(self, key: str) -> Answer | None:
        """The answer or recorded failure of a key."""
        with self._guard():
            row = self._connection.execute(_GET, (key,)).fetchone()
        return Answer(*row) if row else None

    def has_final(self, key: str) -> bool:
        """Whether a request of this key was answered for good."""
        with self._guard():
            row = self._connection.execute("SELECT status FROM answers WHERE key = ?", (key,)).fetchone()
        return row is not None and row[0] in FINAL

    def reopen(self, key: str, why: str) -> None:
        """Make an answer a failure that is asked for again; what it cost stays."""
        with self._guard():
            self._connection.execute(_REOPEN, (why, key))

    def spent_usd(self) -> float:
        """What all answers and failures of the store cost, at the prices of their days."""
        with self._guard():
            return float(self._connection.execute("SELECT total(cost_usd) FROM answers").fetchone()[0])

    def note_run(self, command: str, settings: dict[str, Any]) -> None:
        """Record that a run started."""
        row = (datetime.now(UTC).isoformat(timespec="seconds"), command, json.dumps(settings, sort_keys=True))
        with self._guard():
            self._connection.execute("INSERT INTO runs VALUES (?, ?, ?)", row)

    @contextmanager
    def _guard(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise InputError.at(self.path, f"SQLite: {error}", "free disk space or restore the file") from None


@contextmanager
def open_answers(store: Path) -> Iterator[AnswerStore]:
    """The answers of store folder `store`, made when absent. InputError where another process has it open."""
    store.mkdir(parents=True, exist_ok=True)
    path = store / FILE
    with lock_file(store / f".{FILE}.lock", path, "is in use by another process"):
        try:
            connection = _connect(path)
        except sqlite3.Error as error:
            raise InputError.at(path, f"SQLite: {error}", "restore the file or move it away") from None
        try:
            yield AnswerStore(path, connection)
        finally:
            connection.close()


def join_answers(path: Path) -> AnswerStore:
    """The database that another process of this run holds open and locked."""
    return AnswerStore(path, _connect(path))


def _connect(path: Path) -> sqlite3.Connection:
    """Open or make the database; autocommit, so that each statement is a transaction of its own."""
    connection = sqlite3.connect(path, isolation_level=None, timeout=30)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute(f"PRAGMA wal_autocheckpoint = {_WAL_PAGES}")
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version == 0:
        connection.executescript(f"BEGIN; {_SCHEMA} PRAGMA user_version = {_VERSION}; COMMIT;")
    elif version != _VERSION:
        connection.close()
        raise InputError.at(path, f"has version {version}, this package reads {_VERSION}", "use the matching rsd-bench")
    return connection
