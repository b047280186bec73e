"""What was asked and answered, kept as it happens, in STORE/served.sqlite.

    served    a row a request: the query, who decided what, what it cost to decide
    answers   a row an answer of a model to it; shadow = 1 where only the log asked for it
    media     images by content, until they are filed
    shown     which images a request showed, in order

Contract: WAL, one transaction a batch of records, and `keep` returns when the record is in it: a client sees the end of
an answer once the answer is kept, so `kill -9` loses nothing that was acknowledged. A record that cannot be kept - a
full disk, a redaction that fails, a text or number that SQLite does not take, the size bound - costs no answer: it is
dropped whole, and counted, and those beside it are kept. Texts pass the redaction before they are written. `filing`
makes sources of it, also while a server writes.
"""

from __future__ import annotations

import asyncio
import hashlib
import importlib
import queue
import sqlite3
import threading
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from rsd_bench.endpoints.calls import Answer
from rsd_bench.types import InputError

FILE = "served.sqlite"
_VERSION = 1
_QUEUE = 1024  # records that wait to be written
_BATCH = 64
_PATIENCE_S = 2.0  # that an answer waits for its record
_GB = 1e9

Redact = Callable[[str], str]
Dropped = Callable[[str], None]


@dataclass(frozen=True)
class Kept:
    """A model's answer: who gave it, and whether the log alone asked. The answer's key is the record's."""

    tier: str
    shadow: bool
    answer: Answer


@dataclass(frozen=True)
class Record:
    """A request. `alone`: question and images are all that was asked, so that its answers are about them."""

    id: str
    at: float
    question: str
    images: tuple[bytes, ...] = field(repr=False)
    alone: bool
    scenario: str
    chosen: str
    fallback: str
    p_edge: float | None
    tau: float | None
    expected_gain: float | None
    decision_s: float | None
    problem: str


_SCHEMA = """
CREATE TABLE served (
    id TEXT PRIMARY KEY, at REAL NOT NULL, question TEXT NOT NULL, alone INTEGER NOT NULL, scenario TEXT, chosen TEXT,
    fallback TEXT, p_edge REAL, tau REAL, expected_gain REAL, decision_s REAL, problem TEXT, filed INTEGER DEFAULT 0
) WITHOUT ROWID;
CREATE TABLE answers (
    id TEXT NOT NULL, model TEXT NOT NULL, tier TEXT NOT NULL, shadow INTEGER NOT NULL, status TEXT NOT NULL, text TEXT,
    detail TEXT, served_model TEXT, input_tokens INTEGER, output_tokens INTEGER, first_token_s REAL, latency_s REAL,
    cost_usd REAL, filed INTEGER DEFAULT 0, PRIMARY KEY (id, model)
) WITHOUT ROWID;
CREATE TABLE media (sha256 TEXT PRIMARY KEY, bytes BLOB NOT NULL);
CREATE TABLE shown (id TEXT NOT NULL, position INTEGER NOT NULL, sha256 TEXT NOT NULL, PRIMARY KEY (id, position));
CREATE INDEX answers_unfiled ON answers (filed) WHERE filed = 0;
"""
_OF_RECORD = [one.name for one in fields(Record) if one.name != "images"]
_PUT = f"INSERT OR IGNORE INTO served ({', '.join(_OF_RECORD)}) VALUES ({', '.join('?' * len(_OF_RECORD))})"
OF_ANSWER = (
    *("model", "status", "text", "detail", "served_model", "input_tokens", "output_tokens"),
    *("first_token_s", "latency_s", "cost_usd"),
)
_ANSWER = (
    f"INSERT OR IGNORE INTO answers (id, tier, shadow, {', '.join(OF_ANSWER)}) "
    f"VALUES ({', '.join('?' * (3 + len(OF_ANSWER)))})"
)


def new_id() -> str:
    return uuid.uuid4().hex


def load_redaction(named: str) -> Redact:
    """The function MODULE:NAME, from text to text. InputError where there is none."""
    module, _, name = named.partition(":")
    fix = "name it MODULE:NAME, a function from text to text, in a module that can be imported"
    try:
        found = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise InputError.at("--redact", f"{named!r:.80} cannot be loaded: {error}", fix) from None
    if not callable(found):
        raise InputError.at("--redact", f"{named!r:.80} is no function", fix)
    redact: Redact = found
    return redact


def connect(store: Path) -> sqlite3.Connection:
    """The journal of a store, made when absent. InputError where it cannot be opened."""
    path = store / FILE
    if store.exists() and not store.is_dir():
        raise InputError.at(store, "is a file", "name a folder with --log")
    try:
        store.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(path, timeout=30, check_same_thread=False, isolation_level=None)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        if version == 0:
            connection.executescript(f"BEGIN IMMEDIATE; {_SCHEMA} PRAGMA user_version = {_VERSION}; COMMIT;")
    except (sqlite3.Error, OSError) as error:
        raise InputError.at(path, f"SQLite: {error}", "free disk space, or move the file away") from None
    if version not in (0, _VERSION):
        raise InputError.at(path, f"has version {version}, this package reads {_VERSION}", "use the matching rsd-bench")
    return connection


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """All or nothing."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:  # SQLite has ended it already where the disk is full
            connection.execute("ROLLBACK")
        raise


_Item = tuple[Record | None, Sequence[Kept], Callable[[bool], None]]


class Journal:
    """The journal of a running server, with one thread that writes. dropped: hears why a record was not kept."""

    def __init__(self, store: Path, max_gb: float, redact: Redact | None, dropped: Dropped) -> None:
        self._connection = connect(store)
        self._most, self._redact, self._dropped = max_gb * _GB, redact, dropped
        self._queue: queue.Queue[_Item | None] = queue.Queue(_QUEUE)
        self._thread = threading.Thread(target=self._run, name="journal", daemon=True)
        self._thread.start()

    async def keep(self, record: Record | None, kept: Sequence[Kept]) -> bool:
        """Keep a record with answers, or (record None) answers to one that is kept; whether it is on disk."""
        loop = asyncio.get_running_loop()
        done: asyncio.Future[bool] = loop.create_future()

        def settle(well: bool) -> None:
            with suppress(RuntimeError):  # the server has ended meanwhile
                loop.call_soon_threadsafe(_settle, done, well)

        try:
            self._queue.put_nowait((record, kept, settle))
        except queue.Full:
            self._dropped("queue")
            return False
        try:
            async with asyncio.timeout(_PATIENCE_S):
                return await done
        except TimeoutError:
            return False  # a disk that hangs holds up no answer; the record is still on its way

    def close(self) -> None:
        """Write what waits, and end."""
        self._queue.put(None)
        self._thread.join(30)
        self._connection.close()

    def _run(self) -> None:
        while (first := self._queue.get()) is not None:
            batch: list[_Item] = [first]
            ended = False
            while len(batch) < _BATCH and not self._queue.empty():
                if (item := self._queue.get()) is None:
                    ended = True
                    break
                batch.append(item)
            self._write(batch)
            if ended:
                return

    def _write(self, batch: list[_Item]) -> None:
        ready: list[_Item] = []
        for item in batch:
            try:
                ready.append(self._redacted(item))
            except (Exception, SystemExit):  # whatever a redaction of the user's does: what it cannot take is not kept
                self._dropped("redaction")
                item[2](False)
        try:
            if self._size() > self._most:
                raise _FullError
            with transaction(self._connection):
                written = [self._written(record, kept) for record, kept, _ in ready]
        except Exception as error:  # whatever it is: without this thread every answer would wait, and none be kept
            for _, _, settle in ready:
                self._dropped("size" if isinstance(error, _FullError) else "disk")
                settle(False)
            return
        for (_, _, settle), well in zip(ready, written, strict=True):
            if not well:
                self._dropped("record")
            settle(well)

    def _written(self, record: Record | None, kept: Sequence[Kept]) -> bool:
        """Whether SQLite takes what a record holds; where it does not, nothing of the record is written."""
        self._connection.execute("SAVEPOINT record")
        try:
            self._put(record, kept)
        except _UNFIT:
            self._connection.execute("ROLLBACK TO record")
            return False
        finally:
            self._connection.execute("RELEASE record")
        return True

    def _redacted(self, item: _Item) -> _Item:
        if self._redact is None:
            return item
        record, kept, settle = item
        if record is not None:
            record = replace(record, question=_text(self._redact(record.question)))
        answers = [
            replace(one, answer=replace(one.answer, text=_text(self._redact(one.answer.text))))
            if one.answer.text
            else one
            for one in kept
        ]
        return record, answers, settle

    def _size(self) -> int:
        """Bytes that are in use: what was filed makes room."""
        pages, free, size = (
            self._connection.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("page_count", "freelist_count", "page_size")
        )
        return int((pages - free) * size)

    def _put(self, record: Record | None, kept: Sequence[Kept]) -> None:
        execute = self._connection.execute
        if record is not None:
            execute(_PUT, [getattr(record, name) for name in _OF_RECORD])
            for position, data in enumerate(record.images):
                sha256 = hashlib.sha256(data).hexdigest()
                execute("INSERT OR IGNORE INTO media VALUES (?, ?)", (sha256, data))
                execute("INSERT OR IGNORE INTO shown VALUES (?, ?, ?)", (record.id, position, sha256))
        for one in kept:
            values = [getattr(one.answer, name) for name in OF_ANSWER]
            execute(_ANSWER, [one.answer.key, one.tier, int(one.shadow), *values])


def _settle(done: asyncio.Future[bool], well: bool) -> None:
    if not done.done():
        done.set_result(well)


class _FullError(Exception):
    """The journal has reached its bound."""


# What a value is refused with: half a character, a number beyond 64 bits, a text beyond what a row holds, another type.
_UNFIT = (ValueError, OverflowError, TypeError, sqlite3.DataError, sqlite3.InterfaceError, sqlite3.ProgrammingError)


def _text(redacted: Any) -> str:
    if not isinstance(redacted, str):
        raise TypeError("a redaction gives a text")
    return redacted
