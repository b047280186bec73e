"""A pull request as data: `submit ci BASE HEAD` reads blobs below submissions/ and never checks out what was proposed.

A proposal adds or changes the files of one submission, as plain files, and nothing else. Its blobs are read from git's
object store, bounded in size before they are read; no hook, filter, attribute or code of the proposal ever runs.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from rsd_bench.records.jsonl import parse_json
from rsd_bench.submission.check import ALLOWED_FILES
from rsd_bench.submission.model import SLUG, SUBMISSION
from rsd_bench.types import InputError, Problem

_ROOT = "submissions"
_PLAIN = "100644"
_MAX_BYTES = 512 << 20
_SHOWN = 20
_QUIET = {"GIT_CONFIG_NOSYSTEM": "1", "GIT_TERMINAL_PROMPT": "0", "GIT_NO_LAZY_FETCH": "1", "GIT_OPTIONAL_LOCKS": "0"}
_CALM = ("-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false", "-c", "protocol.allow=never")


@dataclass(frozen=True)
class _Change:
    mode: str
    status: str
    path: str


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
def proposed_submission(repository: Path, base: str, head: str) -> Iterator[Path]:
    """The folder of the one submission that `head` proposes over its common ancestor with `base`, in a temporary place.

    InputError listing everything that a submission's pull request may not hold.
    """
    head_commit = _commit(repository, head)
    ancestor = _git(repository, "merge-base", _commit(repository, base), head_commit).decode().strip()
    slug = _the_slug(list(_changes(repository, ancestor, head_commit)))
    with TemporaryDirectory(prefix="rsd-bench-") as root:
        folder = Path(root) / slug
        folder.mkdir()
        _write(repository, head_commit, slug, folder)
        _tau_stands(repository, _commit(repository, base), slug, folder)
        yield folder


def _changes(repository: Path, old: str, new: str) -> Iterator[_Change]:
    out = _git(repository, "diff-tree", "-r", "-z", "--no-renames", "--no-ext-diff", "--no-textconv", old, new)
    parts = out.split(b"\0")[:-1]
    for head, path in zip(parts[::2], parts[1::2], strict=True):
        _, mode, _, _, status = head.decode().split(" ")
        yield _Change(mode, status, path.decode("utf-8", "backslashreplace"))


def _the_slug(changes: list[_Change]) -> str:
    """The one submission that the changes touch."""
    problems, slugs = [], set()
    for change in changes:
        found = re.fullmatch(rf"{_ROOT}/([^/]+)/([^/]+)", change.path)
        if not found or not SLUG.fullmatch(found[1]):
            mend = f"change {_ROOT}/<slug>/ only; propose code apart"
            problems.append(Problem(change.path[:200], "is no file of a submission", mend))
        elif change.status == "D":
            slugs.add(found[1])
        elif found[2] not in ALLOWED_FILES:
            problems.append(
                Problem(change.path[:200], "does not belong there", f"keep {', '.join(sorted(ALLOWED_FILES))}")
            )
        elif change.mode != _PLAIN:
            problems.append(Problem(change.path, f"has mode {change.mode}", "add it as a plain file (100644)"))
        else:
            slugs.add(found[1])
    if len(problems) > _SHOWN:
        problems[_SHOWN:] = [Problem(_ROOT, f"{len(problems) - _SHOWN} more files do not belong in a submission")]
    if len(slugs) > 1:
        problems.append(Problem(_ROOT, f"holds {len(slugs)} submissions", "propose one at a time"))
    if not changes:
        problems.append(Problem(_ROOT, "is unchanged", "add a submission"))
    if problems:
        raise InputError(problems)
    return slugs.pop()


def _write(repository: Path, commit: str, slug: str, folder: Path) -> None:
    """The submission's blobs at a commit as files of `folder`."""
    entries = _git(repository, "ls-tree", "-r", "-z", "-l", commit, f"{_ROOT}/{slug}/").split(b"\0")[:-1]
    if not entries:
        raise InputError.at(f"{_ROOT}/{slug}", "is removed", "ask a maintainer to remove a submission")
    for entry in entries:
        head, _, name = entry.decode("utf-8", "backslashreplace").partition("\t")
        mode, kind, blob, size = head.split()
        name = name.rpartition("/")[2]
        if mode != _PLAIN or kind != "blob" or name not in ALLOWED_FILES:
            raise InputError.at(f"{_ROOT}/{slug}/{name}"[:200], "is no plain file of a submission", "remove it")
        if int(size) > _MAX_BYTES:
            raise InputError.at(
                f"{_ROOT}/{slug}/{name}", f"has {size} bytes, more than {_MAX_BYTES}", "make it smaller"
            )
        (folder / name).write_bytes(_git(repository, "cat-file", "blob", blob))


def _tau_stands(repository: Path, base: str, slug: str, folder: Path) -> None:
    """Refuse another tau for a submission that the board already has: thresholds are fixed before the test."""
    path = f"{_ROOT}/{slug}/{SUBMISSION}"
    if not _git(repository, "ls-tree", base, path):
        return
    try:
        old = json.loads(_git(repository, "cat-file", "blob", f"{base}:{path}"))["tau"]
        new = parse_json((folder / SUBMISSION).read_text("utf-8-sig"))["tau"]
    except (OSError, ValueError, KeyError, TypeError):
        return  # the check names what is wrong with it
    if old != new:
        raise InputError.at(path, "changes tau after it was scored", "submit it under another slug, as another router")
