"""Locks between processes, kept by the operating system: who is killed holds none, and no file says otherwise.

flock on Unix, LockFileEx on Windows. Where a file system has neither, locking is an error: a file that stands for a
lock would outlive its process.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from filelock import FileLock, Timeout, lock_descriptor

from rsd_bench.types import InputError


@contextmanager
def lock_file(path: Path, where: Path, busy: str) -> Iterator[None]:
    """Hold the lock file `path`, which is gone afterwards. InputError at `where` where another process holds it."""
    lock = FileLock(path, blocking=False, thread_local=False, fallback_to_soft=False)
    with _locking(path):
        try:
            lock.acquire()
        except Timeout:
            raise InputError.at(where, busy, "wait for it to end") from None
    try:
        yield
    finally:
        with suppress(OSError):  # while it is held, so that nobody else's lock is removed; Windows does it on release
            path.unlink()
        lock.release()


def lock_stream(stream: IO[Any], path: Path) -> None:
    """Wait for the lock of an open file, which closing it releases."""
    with _locking(path):
        lock_descriptor(stream.fileno())


@contextmanager
def _locking(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.filename is not None:  # it could not be opened, and says so
            raise
        what = f"cannot be locked: {error.strerror or error}"
        raise InputError.at(path, what, "use a folder on a file system with locks") from None
