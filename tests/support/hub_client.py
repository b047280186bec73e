"""Real clients in processes of their own: HF_ENDPOINT is read when huggingface_hub is imported.

`Client` is one such process that runs many commands, so that a test does not pay for imports again and again;
`environment` is for a process that must be its own (to be killed, or offline).
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
import sys
import traceback
from pathlib import Path
from typing import Any

WRITE = "hf_loopbackwrite"


def environment(hub: Any, home: Path, **more: str) -> dict[str, str]:
    """The environment of a client whose caches lie in `home`; Xet is off, as the loopback Hub has none."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("HF_")}
    paths = [str(Path(__file__).parent), *sys.path]
    ours = {"HF_ENDPOINT": hub.url, "HF_HUB_DISABLE_XET": "1", "HF_HOME": str(home), "HF_TOKEN": WRITE}
    return {**kept, **ours, "HF_HUB_DISABLE_TELEMETRY": "1", "PYTHONPATH": os.pathsep.join(filter(None, paths)), **more}


class Client:
    """A process that runs `rsd-bench` commands and Python against one Hub; use as a context manager."""

    def __init__(self, hub: Any, home: Path) -> None:
        self.hub, self.home = hub, home

    def __enter__(self) -> Client:
        command = [sys.executable, __file__]
        env = environment(self.hub, self.home)
        self.process = subprocess.Popen(command, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        return self

    def __exit__(self, *_: object) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait(timeout=30)

    def _ask(self, **asked: Any) -> dict[str, Any]:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        print(json.dumps(asked), file=self.process.stdin, flush=True)
        told: dict[str, Any] = json.loads(self.process.stdout.readline())
        assert "Traceback" not in told["err"], told["err"]
        return told

    def run(self, *arguments: object, token: str = WRITE) -> dict[str, Any]:
        """`rsd-bench ...`: code, out, err."""
        return self._ask(arguments=list(map(str, arguments)), token=token)

    def json(self, *arguments: object, token: str = WRITE) -> dict[str, Any]:
        """`rsd-bench ... --json`: what it printed, and its exit code as `code`."""
        told = self.run(*arguments, "--json", token=token)
        return {**json.loads(told["out"]), "code": told["code"]}

    def push(self, folder: Path, *more: object, repo: str = "org/toy", token: str = WRITE) -> dict[str, Any]:
        """`data push --no-dry-run --json`."""
        return self.json("data", "push", folder, repo, "--no-dry-run", *more, token=token)

    def python(self, code: str) -> Any:
        """Run code that sets `out`; return it."""
        return self._ask(python=code, token=WRITE)["value"]


def _serve() -> None:
    """Answer one JSON line on stdin with one on stdout, until stdin ends."""
    from rsd_bench.cli.main import main

    answers = sys.stdout
    for line in sys.stdin:
        asked = json.loads(line)
        os.environ["HF_TOKEN"] = asked["token"]
        code, value, out, err = 0, None, io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                if "python" in asked:
                    names: dict[str, Any] = {}
                    exec(asked["python"], names)
                    value = names.get("out")
                else:
                    sys.argv = ["rsd-bench", *asked["arguments"]]
                    main()
            except SystemExit as exit_:
                code = exit_.code if isinstance(exit_.code, int) else 0
            except Exception:
                traceback.print_exc(file=err)
        told = {"code": code, "out": out.getvalue(), "err": err.getvalue(), "value": value}
        print(json.dumps(told), file=answers, flush=True)


if __name__ == "__main__":
    _serve()
