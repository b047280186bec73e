"""A pull request as data: `submit ci BASE HEAD` reads blobs below submissions/ and never checks out what was proposed.

A proposal adds or changes the files of one submission, as plain files, and nothing else; what else it holds is told,
and the files that a submission may have are looked at all the same. Its blobs are read from git's object store, bounded
in size before they are read; no hook, filter, attribute or code of the proposal ever runs.

A submission that the base branch has was scored where everybody sees it. Its words may be fixed (name, authors, url,
description, hardware, README); what decides its scores may not, else decisions would be tuned on the test.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from rsd_bench.jsonl import parse_json
from rsd_bench.submission.submission import ALLOWED_FILES, PREDICTION_FILES, QUERY, SLUG, SUBMISSION
from rsd_bench.types import InputError, Problem
from rsd_bench.version import SUBMISSION_SCHEMA_VERSION

_ROOT = "submissions"
_PLAIN = "100644"
_MAX_BYTES = 512 << 20
_SHOWN = 20
_FIX = "a changed router is a new row: submit it under another slug"
_QUIET = {"GIT_CONFIG_NOSYSTEM": "1", "GIT_TERMINAL_PROMPT": "0", "GIT_NO_LAZY_FETCH": "1", "GIT_OPTIONAL_LOCKS": "0"}
_CALM = ("-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false", "-c", "protocol.allow=never")


@dataclass(frozen=True)
class Replaced:
    """The submission of the base branch that a proposal replaces."""

    slug: str
    authors: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Proposal:
    """The one submission that is proposed, as a folder. `problems`: what no proposal may hold, or may not change."""

    folder: Path
    replaces: Replaced | None = None
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True)
class _Change:
    mode: str
    status: str
    path: str


@dataclass(frozen=True)
class _Blob:
    mode: str
    sha: str
    size: str


def _git(repository: Path, *arguments: str) -> bytes:
    command = ["git", "-C", str(repository), *_CALM, *arguments]
    try:
        run = subprocess.run(command, capture_output=True, check=True, env=os.environ | _QUIET, timeout=300)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise InputError.at(repository, f"git cannot run: {error}", "install git") from None
    except subprocess.CalledProcessError as error:
        said = error.stderr.decode("utf-8", "replace").strip().splitlines()
        raise InputError.at(repository, f"git: {said[-1] if said else 'failed'}", "name two commits it has") from None
    return run.stdout


def _commit(repository: Path, name: str) -> str:
    return _git(repository, "rev-parse", "--verify", "--end-of-options", f"{name}^{{commit}}").decode().strip()


@contextmanager
def proposed_submission(repository: Path, base: str, head: str) -> Iterator[Proposal]:
    """The one submission that `head` proposes over its common ancestor with `base`, in a temporary place.

    InputError where it proposes none, or more than one.
    """
    base_commit, head_commit = _commit(repository, base), _commit(repository, head)
    ancestor = _git(repository, "merge-base", base_commit, head_commit).decode().strip()
    slug, problems = _the_slug(list(_changes(repository, ancestor, head_commit)))
    proposed = _blobs(repository, head_commit, slug)
    if not proposed:
        gone = Problem(f"{_ROOT}/{slug}", "is removed", "ask a maintainer to remove a submission")
        raise InputError([*problems, gone])
    with TemporaryDirectory(prefix="rsd-bench-") as root:
        folder = Path(root) / slug
        folder.mkdir()
        told = {problem.where for problem in problems}
        problems += (p for p in _write(repository, proposed, slug, folder) if p.where not in told)
        proposal = _proposal(repository, folder, proposed, _blobs(repository, base_commit, slug))
        yield replace(proposal, problems=(*problems, *proposal.problems))


def _changes(repository: Path, old: str, new: str) -> Iterator[_Change]:
    out = _git(
        repository, "diff-tree", "-r", "-z", "--no-relative", "--no-renames", "--no-ext-diff", "--no-textconv", old, new
    )
    parts = out.split(b"\0")[:-1]
    for head, path in zip(parts[::2], parts[1::2], strict=True):
        _, mode, _, _, status = head.decode().split(" ")
        yield _Change(mode, status, path.decode("utf-8", "backslashreplace"))


def _the_slug(changes: list[_Change]) -> tuple[str, list[Problem]]:
    """The one submission that the changes touch, and what does not belong into its proposal."""
    problems, slugs = [], set()
    for change in changes:
        found = re.fullmatch(rf"{_ROOT}/([^/]+)/([^/]+)", change.path)
        if not found or not SLUG.fullmatch(found[1]):
            fix = f"change {_ROOT}/<slug>/ only; propose code apart"
            problems.append(Problem(change.path[:200], "is no file of a submission", fix))
            continue
        slugs.add(found[1])
        if change.status == "D":
            continue
        if found[2] not in ALLOWED_FILES:
            problems.append(
                Problem(change.path[:200], "does not belong there", f"keep {', '.join(sorted(ALLOWED_FILES))}")
            )
        elif change.mode != _PLAIN:
            problems.append(Problem(change.path, f"has mode {change.mode}", "add it as a plain file (100644)"))
    if len(problems) > _SHOWN:
        problems[_SHOWN:] = [Problem(_ROOT, f"{len(problems) - _SHOWN} more files do not belong in a submission")]
    if len(slugs) > 1:
        problems.append(Problem(_ROOT, f"holds {len(slugs)} submissions", "propose one at a time"))
    if not changes:
        problems.append(Problem(_ROOT, "is unchanged", "add a submission"))
    if len(slugs) != 1:
        raise InputError(problems)
    return slugs.pop(), problems


def _blobs(repository: Path, commit: str, slug: str) -> dict[str, _Blob]:
    """What a commit has below submissions/<slug>/, by the path within it."""
    listed = _git(repository, "ls-tree", "-r", "-z", "-l", "--full-tree", commit, f"{_ROOT}/{slug}/")
    blobs = {}
    for entry in listed.split(b"\0")[:-1]:
        head, _, path = entry.decode("utf-8", "backslashreplace").partition("\t")
        mode, kind, blob, size = head.split()
        blobs[path.removeprefix(f"{_ROOT}/{slug}/")] = _Blob(mode if kind == "blob" else kind, blob, size)
    return blobs


def _write(repository: Path, blobs: dict[str, _Blob], slug: str, folder: Path) -> list[Problem]:
    """The submission's blobs as files of `folder`; a problem for each that may not be one."""
    problems = []
    for name, blob in blobs.items():
        where = f"{_ROOT}/{slug}/{name}"[:200]
        if blob.mode != _PLAIN or name not in ALLOWED_FILES:
            problems.append(Problem(where, "is no plain file of a submission", "remove it"))
        elif int(blob.size) > _MAX_BYTES:
            problems.append(Problem(where, f"has {blob.size} bytes, more than {_MAX_BYTES}", "make it smaller"))
        else:
            (folder / name).write_bytes(_git(repository, "cat-file", "blob", blob.sha))
    if len(problems) > _SHOWN:
        problems[_SHOWN:] = [Problem(f"{_ROOT}/{slug}", f"{len(problems) - _SHOWN} more files do not belong there")]
    return problems


def _proposal(repository: Path, folder: Path, proposed: dict[str, _Blob], scored: dict[str, _Blob]) -> Proposal:
    """The proposal, held against the submission of that slug on the base branch, if it has one."""
    where = f"{_ROOT}/{folder.name}"
    try:
        old = json.loads(_git(repository, "cat-file", "blob", scored[SUBMISSION].sha))
        replaces = Replaced(folder.name, tuple(map(str, old["authors"])))
        decided, version = _deciding(old), old["schema_version"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return Proposal(folder)  # there is none, or none that was ever scored
    if version != SUBMISSION_SCHEMA_VERSION:
        return Proposal(folder, replaces)  # made anew: that one is on no board
    changed = []
    if _predictions(proposed) != _predictions(scored):
        changed.append(Problem(where, "changes its predictions after they were scored", _FIX))
    try:
        new = _deciding(parse_json((folder / SUBMISSION).read_bytes().decode("utf-8-sig")))
    except (OSError, ValueError, KeyError, TypeError):
        new = decided  # the check names what is wrong with it
    for name, value in decided.items():
        if new[name] != value:
            changed.append(Problem(f"{where}/{SUBMISSION}", f"changes {name} after it was scored", _FIX))
    return Proposal(folder, replaces, tuple(changed))


def _deciding(meta: Any) -> dict[str, Any]:
    """What decides a submission's scores besides its predictions."""
    latency, kind = meta["router_latency"]["seconds"], meta.get("kind", QUERY)
    return {"tau": meta["tau"], "router latency": latency, "kind": kind}


def _predictions(blobs: dict[str, _Blob]) -> dict[str, str]:
    return {name: blobs[name].sha for name in PREDICTION_FILES if name in blobs}
