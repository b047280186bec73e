"""Folders that appear whole or not at all, and files likewise; `kill -9` at any moment loses nothing.

`new_folder(dest)` gives a hidden sibling to write into, which takes the place of `dest` at the end: in one step where
the system can exchange two folders (Linux, macOS), else by two renames. What a killed process leaves is hidden: a
sibling, which whoever looks at `dest` next puts back or clears (`settle`), or the unfinished copy of a file, which the
next writer clears (`clear_unfinished`).
"""

from __future__ import annotations

import ctypes
import os
import re
import shutil
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path

from rsd_bench.locks import lock_file
from rsd_bench.types import InputError

_REFUSES_OPEN_FILES = os.name == "nt"  # Windows replaces no file that somebody is reading
_WAITS = (0.01, 0.05, 0.25, 1.0)  # seconds
_HOST = re.sub(r"\W", "-", socket.gethostname())[:32]
_UNFINISHED = re.compile(r"\..+\.(?P<host>[\w-]+)\.(?P<pid>\d+)\.\d+\.partial", re.DOTALL)
_FORGOTTEN_S = 86_400  # after a day, the unfinished file of any machine
_SUFFIXES = ("old", "partial", "lock")  # of what may stand beside a folder
_AT_CWD, _EXCHANGE, _SWAP = -100, 2, 2  # AT_FDCWD, RENAME_EXCHANGE, RENAME_SWAP


@contextmanager
def new_folder(dest: Path, may_replace: Callable[[Path], bool]) -> Iterator[Path]:
    """A folder to fill, which becomes `dest` when the block ends without an error.

    An existing `dest` is replaced when it is empty or `may_replace(dest)` holds, else InputError before anything is
    written. The replaced folder is gone only after the new one is complete.
    """
    dest = Path(os.path.abspath(dest))  # noqa: PTH100 - resolve() would follow a symlinked dest
    if dest.exists() and not (dest.is_dir() and not any(dest.iterdir())) and not (dest.is_dir() and may_replace(dest)):
        raise InputError.at(dest, "exists and is nothing that this may replace", "name a new or an empty folder")
    dest.parent.mkdir(parents=True, exist_ok=True)
    partial, old = _beside(dest, "partial"), _beside(dest, "old")
    with _locked(dest):
        _clear(dest)
        partial.mkdir()
        try:
            yield partial
            if not dest.exists():
                partial.rename(dest)
            elif not _exchanged(partial, dest):
                dest.rename(old)
                partial.rename(dest)
        finally:
            _clear(dest)


def settle(dest: Path) -> None:
    """Make up for a process that was killed while it wrote `dest`: what it had set aside is put back, the rest cleared.

    Nothing is done while a process writes `dest`, or where nothing may be written.
    """
    if any(_beside(dest, suffix).exists() for suffix in _SUFFIXES):
        with suppress(InputError, OSError), _locked(dest):
            _clear(dest)


def settle_all(parent: Path) -> None:
    """`settle` every folder of `parent`."""
    for left in [left for suffix in _SUFFIXES for left in parent.glob(f".*.{suffix}")]:
        settle(left.with_name(left.stem[1:]))


def _locked(dest: Path) -> AbstractContextManager[None]:
    return lock_file(_beside(dest, "lock"), dest, "is being written by another process")


def _clear(dest: Path) -> None:
    """Leave `dest` alone beside its lock: as it was before the two renames, where only one of them was made."""
    partial, old = _beside(dest, "partial"), _beside(dest, "old")
    if old.exists() and not dest.exists():
        old.rename(dest)
    for left in (partial, old):
        shutil.rmtree(left, ignore_errors=True)


def _beside(dest: Path, suffix: str) -> Path:
    return dest.with_name(f".{dest.name}.{suffix}") if dest.name else dest / f".{suffix}"


def _exchanged(one: Path, other: Path) -> bool:
    """Let two folders change places in one step; False where the system or the file system cannot."""
    if sys.platform == "linux" and hasattr(library := ctypes.CDLL(None), "renameat2"):
        return bool(library.renameat2(_AT_CWD, os.fsencode(one), _AT_CWD, os.fsencode(other), _EXCHANGE) == 0)
    if sys.platform == "darwin" and hasattr(library := ctypes.CDLL(None), "renamex_np"):
        return bool(library.renamex_np(os.fsencode(one), os.fsencode(other), _SWAP) == 0)
    return False


def write_file(path: Path, data: bytes) -> None:
    """Write a file whole: a reader sees the old bytes or the new ones."""
    partial = path.with_name(f".{path.name}.{_HOST}.{os.getpid()}.{threading.get_ident()}.partial")
    partial.write_bytes(data)
    for wait in _WAITS if _REFUSES_OPEN_FILES else ():
        with suppress(PermissionError):
            partial.replace(path)
            return
        time.sleep(wait)
    partial.replace(path)


def clear_unfinished(folder: Path) -> None:
    """Remove what processes that were killed in `write_file` left in a folder; not what a running one is writing."""
    for path in folder.glob(".*.partial"):
        if (found := _UNFINISHED.fullmatch(path.name)) and path.is_file():
            with suppress(OSError):  # another process was quicker
                dead = found["host"] == _HOST and not _runs(int(found["pid"]))
                if dead or time.time() - path.stat().st_mtime > _FORGOTTEN_S:
                    path.unlink()


def _runs(pid: int) -> bool:
    """Whether a process of this machine runs, or may: Windows knows no signal that only asks."""
    if os.name != "posix":
        return True
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:  # it is somebody else's
        return True
    return True
