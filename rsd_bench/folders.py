"""Folders that appear whole or not at all.

`new_folder(dest)` gives a hidden sibling to write into and renames it onto `dest` at the end. A killed process leaves
only the sibling, which the next call for the same `dest` clears; a lock keeps two writers apart.
"""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from rsd_bench.locks import lock_file
from rsd_bench.types import InputError

_REFUSES_OPEN_FILES = os.name == "nt"  # Windows replaces no file that somebody is reading
_WAITS = (0.01, 0.05, 0.25, 1.0)  # seconds


@contextmanager
def new_folder(dest: Path, may_replace: Callable[[Path], bool]) -> Iterator[Path]:
    """A folder to fill, which becomes `dest` when the block ends without an error.

    An existing `dest` is replaced when it is empty or `may_replace(dest)` holds, else InputError before anything is
    written. The replaced folder is gone only after the new one is complete.
    """
    dest = Path(os.path.abspath(dest))  # noqa: PTH100 - resolve() would follow a symlinked dest
    if dest.exists() and not (dest.is_dir() and not any(dest.iterdir())) and not (dest.is_dir() and may_replace(dest)):
        raise InputError.at(dest, "exists and was not written by this command", "name a new or an empty folder")
    dest.parent.mkdir(parents=True, exist_ok=True)
    partial, old = (dest.with_name(f".{dest.name}.{suffix}") for suffix in ("partial", "old"))
    with lock_file(dest.with_name(f".{dest.name}.lock"), dest, "is being written by another process"):
        if old.exists() and not dest.exists():  # killed between the two renames below
            old.rename(dest)
        for left in (partial, old):
            shutil.rmtree(left, ignore_errors=True)
        partial.mkdir()
        try:
            yield partial
            if dest.exists():
                dest.rename(old)
            partial.rename(dest)
        finally:
            if old.exists() and not dest.exists():
                old.rename(dest)
            for left in (partial, old):
                shutil.rmtree(left, ignore_errors=True)


def write_file(path: Path, data: bytes) -> None:
    """Write a file whole: a reader sees the old bytes or the new ones."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}.partial")
    partial.write_bytes(data)
    for wait in _WAITS if _REFUSES_OPEN_FILES else ():
        with suppress(PermissionError):
            partial.replace(path)
            return
        time.sleep(wait)
    partial.replace(path)
