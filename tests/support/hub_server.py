"""A Hub on loopback: what huggingface_hub and datasets ask of huggingface.co.

Models and datasets: create, settings, info, tree, refs, tags, branches, pull requests, preupload, LFS batch / PUT /
verify, commit (ndjson, `parentCommit`), resolve with ranges, card YAML, tokens, gates; routes are in endpoints.py.
State is a dict of commits; a commit appears whole or not at all. `faults` makes it fail as real servers do.

It proves that the client side is consistent: one commit, a race that fails, a rerun that sends nothing twice. It cannot
prove what huggingface.co accepts: its limits, its YAML rules, its benchmark allow-list, its Xet storage.
"""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

from hub_client import WRITE as WRITE

READ = "hf_loopbackread"


def git_oid(data: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


@dataclass(frozen=True)
class Blob:
    oid: str
    size: int
    sha256: str | None = None  # set where the bytes lie in LFS


@dataclass(frozen=True)
class Commit:
    oid: str
    title: str
    files: dict[str, Blob]


@dataclass
class Repo:
    kind: str
    name: str
    private: bool = False
    gated: str | bool = False
    commits: dict[str, Commit] = field(default_factory=dict)
    refs: dict[str, str] = field(default_factory=dict)  # refs/heads/main, refs/tags/v1.0.0, refs/pr/1 -> oid

    def find(self, revision: str) -> Commit | None:
        for ref in (revision, f"refs/heads/{revision}", f"refs/tags/{revision}"):
            if ref in self.refs:
                return self.commits[self.refs[ref]]
        return self.commits.get(revision)

    def add(self, ref: str, title: str, files: dict[str, Blob]) -> Commit:
        told = json.dumps([ref, title, len(self.commits), {k: v.oid for k, v in sorted(files.items())}])
        commit = Commit(hashlib.sha1(told.encode()).hexdigest(), title, files)
        self.commits[commit.oid] = commit
        self.refs[ref] = commit.oid
        return commit


@dataclass
class Fault:
    """What goes wrong with requests whose "METHOD path" matches: a status, a cut connection, slowness, a lost answer.

    cut: hang up after so many bytes of the body. lost: do the work, then hang up. slow: seconds per 64 KiB. do: called
    first (another writer comes in between).
    """

    match: str
    times: int = 1
    status: int = 0
    cut: int | None = None
    lost: bool = False
    slow: float = 0.0
    do: Callable[[], Any] | None = None


class LoopbackHub:
    """Use as a context manager; `url` is the HF_ENDPOINT. `log`: ("METHOD path", bytes received) of each request."""

    def __init__(self, folder: Path) -> None:
        self.lfs = folder / "lfs"
        self.lfs.mkdir(parents=True)
        self.blobs: dict[str, bytes] = {}
        self.repos: dict[tuple[str, str], Repo] = {}
        self.faults: list[Fault] = []
        self.log: list[tuple[str, int]] = []
        self.lock = threading.RLock()
        from hub_routes import Handler

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (Handler,), {"hub": self}))
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def reset(self) -> None:
        """Forget everything."""
        for state in (self.blobs, self.repos, self.faults, self.log):
            state.clear()
        for stored in self.lfs.iterdir():
            stored.unlink()

    def __enter__(self) -> LoopbackHub:
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()

    def repo(self, name: str, kind: str = "dataset") -> Repo:
        return self.repos[kind, name]

    def files(self, name: str, revision: str = "main", kind: str = "dataset") -> dict[str, bytes]:
        commit = self.repo(name, kind).find(revision)
        return {path: self.read(blob) for path, blob in commit.files.items()} if commit else {}

    def read(self, blob: Blob) -> bytes:
        return (self.lfs / blob.sha256).read_bytes() if blob.sha256 else self.blobs[blob.oid]

    def write(self, name: str, path: str, data: bytes) -> None:
        """Another writer's commit on main of a dataset."""
        repo = self.repo(name)
        repo.add("refs/heads/main", f"add {path}", {**repo.find("main").files, path: self.keep(data)})

    def keep(self, data: bytes) -> Blob:
        self.blobs[git_oid(data)] = data
        return Blob(git_oid(data), len(data))

    def requests(self, pattern: str) -> list[str]:
        return [told for told, _ in self.log if re.search(pattern, told)]
