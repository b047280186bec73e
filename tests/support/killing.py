"""Commands that are killed with SIGKILL at a moment of choice, each in a process of its own.

    python tests/support/killing.py ROOT [MODULE ...]     imports the modules, then answers a JSON line with a JSON line

`Killer` is such a process. It forks for each command, so that none pays for imports. A command counts its steps: each
time Python opens a file below ROOT to write, makes, renames, links or removes one. It can be killed just before a step,
which puts the kill around the last renames as often as one likes, or after some seconds.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

_STEPS = ("os.mkdir", "os.rename", "os.link", "os.remove", "os.rmdir", "shutil.rmtree")


class Killer:
    """Use as a context manager. `run` gives the exit code (-9: killed), what was printed, and the steps it took."""

    def __init__(self, root: Path, *modules: str, env: dict[str, str] | None = None) -> None:
        self.command = [sys.executable, __file__, str(root), *modules]
        self.env = env

    def __enter__(self) -> Killer:
        self.process = subprocess.Popen(
            self.command, env=self.env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        return self

    def __exit__(self, *_: object) -> None:
        self.process.stdin.close()
        self.process.wait(timeout=30)

    def run(self, *arguments: object, before: int | None = None, after: float | None = None) -> dict[str, Any]:
        """`rsd-bench ARGUMENTS`, killed just before a step, or after so many seconds."""
        asked = {"arguments": list(map(str, arguments)), "before": before, "after": after}
        print(json.dumps(asked), file=self.process.stdin, flush=True)
        return json.loads(self.process.stdout.readline())


def _count_steps(root: str, before: int | None, log: Path) -> None:
    """Write down each step; die before that of number `before`."""
    steps, taken = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), 0

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal taken
        if event == "open":
            path, mode, flags = arguments
            if not (isinstance(mode, str) and set(mode) & set("wax+")) and not (flags or 0) & (os.O_WRONLY | os.O_RDWR):
                return
        elif event in _STEPS:
            path = arguments[0]
        else:
            return
        if not isinstance(path, (str, os.PathLike)) or not os.fspath(path).startswith(root):
            return
        if taken == before:
            os.kill(os.getpid(), signal.SIGKILL)
        os.write(steps, f"{event} {os.fspath(path)}\n".encode())
        taken += 1

    sys.addaudithook(hook)


def _run(root: str, asked: dict[str, Any], printed: Path, steps: Path) -> int:
    child = os.fork()
    if child == 0:
        code = 1
        try:
            out = os.open(printed, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            os.dup2(out, 1)
            os.dup2(out, 2)
            from rsd_bench.cli.main import main

            sys.argv = ["rsd-bench", *asked["arguments"]]
            _count_steps(root, asked["before"], steps)
            main()
            code = 0
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else int(end.code is not None)
        except BaseException:
            import traceback

            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
    if asked["after"] is not None:
        time.sleep(asked["after"])
        os.kill(child, signal.SIGKILL)  # nobody has waited for it, so the number is still its own
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _serve(root: str, modules: list[str]) -> None:
    import importlib
    from tempfile import TemporaryDirectory

    for module in ("rsd_bench.cli.main", "pandas", "pyarrow.parquet", *modules):
        importlib.import_module(module)
    with TemporaryDirectory() as own:
        printed, steps = Path(own) / "printed", Path(own) / "steps"
        for line in sys.stdin:
            printed.write_bytes(b"")
            steps.write_bytes(b"")
            code = _run(root, json.loads(line), printed, steps)
            told = {"code": code, "out": printed.read_text("utf-8", "replace"), "steps": steps.read_text().splitlines()}
            sys.stdout.write(json.dumps(told) + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    _serve(sys.argv[1], sys.argv[2:])
