"""Two writers of one folder mixed two versions; a lock that is a mere file outlives a killed process and lies."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from rsd_bench.locks import lock_file
from rsd_bench.types import InputError

HOLD = """
import sys
from pathlib import Path
from rsd_bench.locks import lock_file
with lock_file(Path(sys.argv[1]), Path("thing"), "is busy"):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_lock_is_held_by_a_living_process_and_by_no_other(tmp_path: Path) -> None:
    path = tmp_path / ".lock"
    command = [sys.executable, "-c", HOLD, str(path)]
    holder = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None and holder.stdout.readline() == "held\n"
    with (
        pytest.raises(InputError, match=r"^thing: is busy -> wait for it to end$"),
        lock_file(path, Path("thing"), "is busy"),
    ):
        pass
    os.kill(holder.pid, signal.SIGKILL)
    holder.communicate()
    assert path.exists()
    with lock_file(path, Path("thing"), "is busy"):
        pass
    assert not path.exists()


def test_a_place_that_cannot_be_locked_is_told_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import fcntl

    def refused(*_: object) -> None:
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr(fcntl, "flock", refused)
    with (
        pytest.raises(InputError, match="cannot be locked: Function not implemented"),
        lock_file(tmp_path / ".lock", tmp_path, "is busy"),
    ):
        pass
