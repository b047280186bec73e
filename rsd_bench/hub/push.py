"""`data push`: check -> project -> plan -> one commit -> tag. A dry run stops at the plan.

Private test outcomes go first and to their own gated repository, so that no public version ever names outcomes that are
not there. A version is a tag that never moves: the same data under the same version is already done, other data is
refused, on either side. The key of the noise on private figures is made by the first push and kept by the later ones.
What was published with private outcomes is not published without them.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex
from tempfile import gettempdir
from typing import TYPE_CHECKING, Any

from rsd_bench.dataset.check_dataset import check_dataset
from rsd_bench.dataset.layout import CARD, MANIFEST, TABLES
from rsd_bench.dataset.manifest import Manifest, manifest_sha256, read_manifest
from rsd_bench.dataset.private_outcomes import KEY_BYTES, LEDGER, NOISE_KEY, read_noise_key
from rsd_bench.hub.publication import Version, write_publication
from rsd_bench.hub.repository import (
    CommitPlan,
    Content,
    folder_files,
    head_of,
    hub_api,
    hub_errors,
    plan_commit,
    remote_paths,
    send,
    tags_of,
)
from rsd_bench.locks import lock_file
from rsd_bench.types import InputError

if TYPE_CHECKING:
    from huggingface_hub import HfApi

_TYPE = "dataset"
_LOCK = ".lock"


@dataclass(frozen=True)
class PushPlan:
    """What a push would do. `done`: this version stands on the Hub already, as it is here."""

    version: Version
    commit: CommitPlan
    private: CommitPlan | None
    manifest: Manifest
    manifest_sha256: str
    folder: Path  # the publication
    done: bool
    private_done: bool = False

    @property
    def repo(self) -> str:
        return self.commit.repo

    def to_dict(self) -> dict[str, Any]:
        """Plain data for --json."""
        sides = {"public": self.commit, "private": self.private}
        return {
            "repository": self.repo,
            "version": self.version.tag,
            "manifest_sha256": self.manifest_sha256,
            "withheld": list(self.manifest.withheld),
            "already_published": self.done,
            **{name: _plan_dict(side) for name, side in sides.items() if side is not None},
        }


def _plan_dict(plan: CommitPlan) -> dict[str, Any]:
    return {
        "repository": plan.repo,
        "parent_commit": plan.head,
        "send": sorted(plan.add),
        "send_bytes": plan.bytes,
        "delete": list(plan.delete),
        "unchanged": sorted(plan.unchanged),
    }


@contextmanager
def beside(folder: Path) -> Iterator[Path]:
    """An empty temporary folder, on the dataset's own file system where that can be written (for hard links).

    Its process holds a lock file beside it: what stands there without that lock is of a process that was killed.
    """
    parent = Path(os.path.abspath(folder)).parent  # noqa: PTH100 - resolve() would follow a symlinked dataset
    where = parent if os.access(parent, os.W_OK) else Path(gettempdir())
    prefix = f".{folder.name}.publish."
    for lock in where.glob(f"{prefix}*{_LOCK}"):
        with suppress(InputError, OSError), lock_file(lock, lock, "is in use"):
            shutil.rmtree(lock.with_suffix(""), ignore_errors=True)
    temporary = where / f"{prefix}{token_hex(8)}"
    lock = temporary.with_name(temporary.name + _LOCK)
    with lock_file(lock, lock, "is in use"):
        temporary.mkdir(mode=0o700)
        try:
            yield temporary
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


@contextmanager
def planned_push(
    folder: Path, repo: str, version: Version | None = None, private_repo: str | None = None, benchmark: bool = True
) -> Iterator[PushPlan]:
    """Check a dataset folder and say what pushing it would do; the publication lives as long as the block.

    version: default that of the folder. private_repo: where test outcomes go. benchmark: with eval.yaml, which the Hub
    checks against a list of evaluation frameworks. InputError for a folder with problems, and where the Hub refuses.
    """
    if private_repo and private_repo.casefold() == repo.casefold():
        what = f"{repo} would get the public files and the private outcomes"
        raise InputError.at("--private-outcomes", what, "name another repository")
    if problems := check_dataset(folder):
        raise InputError(problems)
    built = read_manifest(folder)
    if built.repository is not None:
        raise InputError.at(folder, f"is a published copy of {built.repository}", "push the folder that was built")
    version = version or _own_version(folder, built)
    with beside(folder) as temporary:
        public, private = temporary / "public", temporary / "private"
        public.mkdir()
        private.mkdir()
        manifest = write_publication(
            folder, public, repo, version, (private_repo, private) if private_repo else None, benchmark=benchmark
        )
        if problems := check_dataset(public):
            raise InputError(problems)
        with hub_errors(repo):
            api = hub_api()
            commit = _plan_public(api, repo, folder_files(public))
            done = _is_published(api, commit, version, folder_files(public))
            earlier = _private_repository(api, repo, commit.head)
            if earlier and not private_repo:
                fix = f"give --private-outcomes {earlier}; to publish them, push to a new repository"
                raise InputError.at(repo, f"keeps its test outcomes private, in {earlier}", fix)
            secret, private_done = None, False
            if private_repo:
                files = folder_files(private) | {NOISE_KEY: _noise_key(api, private_repo, earlier)}
                secret = _plan_private(api, private_repo, files)
                private_done = _is_published(api, secret, version, files)
        yield PushPlan(version, commit, secret, manifest, manifest_sha256(public), public, done, private_done)


def _own_version(folder: Path, manifest: Manifest) -> Version:
    version = Version.parse(manifest.version)
    if version is None:
        raise InputError.at(folder, f"has version {manifest.version!r}", "give --version vMAJOR.MINOR.PATCH")
    return version


def _plan_public(api: HfApi, repo: str, files: dict[str, Content]) -> CommitPlan:
    head = head_of(api, repo, _TYPE)
    stale = _ours(api, repo, head, files) if head else []
    return plan_commit(api, repo, _TYPE, files, stale, at=head)


def _ours(api: HfApi, repo: str, head: str, files: Iterable[str]) -> list[str]:
    """Files of the repository that a dataset owns: those its manifest lists, and all below the tables' folders."""
    tables = {*TABLES, *(path.split("/")[0] for path in files if path.endswith(".parquet"))}
    paths = remote_paths(api, repo, _TYPE, head)
    owned = {path for path in paths if "/" in path and path.split("/")[0] in tables}
    if MANIFEST in paths:
        with suppress(
            ValueError, KeyError, TypeError
        ):  # somebody else's manifest.json: its files are not ours to remove
            owned |= set(json.loads(_bytes_of(api, repo, MANIFEST, head))["files"])
    return sorted(owned)


def _bytes_of(api: HfApi, repo: str, path: str, revision: str) -> bytes:
    return Path(api.hf_hub_download(repo, path, repo_type=_TYPE, revision=revision)).read_bytes()


def _private_repository(api: HfApi, repo: str, head: str | None) -> str | None:
    """Where the test outcomes of what is published lie; None where they are public, or nothing is published."""
    if head is None or MANIFEST not in remote_paths(api, repo, _TYPE, head):
        return None
    try:
        return str(json.loads(_bytes_of(api, repo, MANIFEST, head))["private_outcomes"]["repository"])
    except (ValueError, KeyError, TypeError):
        return None


def _noise_key(api: HfApi, repo: str, earlier: str | None) -> bytes:
    """The key file of the private repository: the one that it or its predecessor has; a new one where neither had any.

    Before 0.2.0 the key was kept in the ledger, which `score.yml` puts beside the outcomes. InputError where a key was
    lost: a new one would answer anew what was told before.
    """
    for known in dict.fromkeys(filter(None, (repo, earlier))):
        head = head_of(api, known, _TYPE)
        paths = remote_paths(api, known, _TYPE, head) if head else []
        if head and NOISE_KEY in paths:
            text = _bytes_of(api, known, NOISE_KEY, head)
            read_noise_key(text, f"{known}: {NOISE_KEY}")
            return text
        if head and LEDGER in paths:
            with suppress(ValueError, KeyError, TypeError, IndexError, AttributeError):
                text = json.loads(_bytes_of(api, known, LEDGER, head).splitlines()[0])["key"].encode()
                read_noise_key(text, f"{known}: {LEDGER}")
                return bytes(text + b"\n")
        if head and MANIFEST in paths and b'"of_manifest"' in _bytes_of(api, known, MANIFEST, head):
            raise InputError.at(
                known, f"has lost its {NOISE_KEY}", "restore it from an earlier commit, then push again"
            )
    return f"{token_hex(KEY_BYTES)}\n".encode()


def _is_published(api: HfApi, plan: CommitPlan, version: Version, files: dict[str, Content]) -> bool:
    """Whether the tag stands and holds these files. InputError where it holds others, or a later version stands."""
    if plan.head is None:
        return False
    tags = tags_of(api, plan.repo, _TYPE)
    if version.tag in tags:
        tagged = plan_commit(api, plan.repo, _TYPE, files, at=tags[version.tag])
        if tagged.empty:
            return True
        what = f"{version.tag} is published with other content ({', '.join(sorted(tagged.add)[:3])} ...)"
        raise InputError.at(plan.repo, what, "a version never changes: push under a higher one (`rsd-bench data diff`)")
    later = [known for tag in tags if (known := Version.parse(tag)) and known > version]
    if later:
        what = f"{max(later).tag} is published, which is later than {version.tag}"
        raise InputError.at(plan.repo, what, "push under a higher version")
    return False


def _plan_private(api: HfApi, repo: str, files: dict[str, Content]) -> CommitPlan:
    head = head_of(api, repo, _TYPE)
    if head is not None:
        info = api.dataset_info(repo)
        if not (info.private or info.gated):
            raise InputError.at(repo, "is open to everybody", "make it private or gated first: it gets test outcomes")
    stale = _ours(api, repo, head, files) if head else []
    return plan_commit(api, repo, _TYPE, files, stale, at=head)


def push(plan: PushPlan) -> str:
    """Carry out a planned push; returns the commit that the version's tag names. InputError where the Hub refuses."""
    api, title = hub_api(), f"{plan.manifest.name} {plan.version.tag}"
    if plan.private is not None:
        with hub_errors(plan.private.repo):
            secret = plan.private
            if not plan.private_done:
                send(api, secret, f"Test outcomes of {title}", plan.version.tag, private=True)
            if not api.dataset_info(secret.repo).gated:
                api.update_repo_settings(secret.repo, gated="manual", repo_type=_TYPE)
    with hub_errors(plan.repo):
        if plan.done:
            return tags_of(api, plan.repo, _TYPE)[plan.version.tag]
        return send(api, plan.commit, title, plan.version.tag)


def publish_model(
    folder: Path, repo: str, card: str, eval_results: dict[str, bytes], *, message: str, private: bool = False
) -> str:
    """Publish a model folder, its card and its `.eval_results/*.yaml` in one commit; returns the commit.

    eval_results: path in the repository -> content (see `hub.eval_results`). InputError where the Hub refuses.
    """
    files = folder_files(folder) | {CARD: card.encode()} | eval_results
    with hub_errors(repo):
        api = hub_api()
        return send(api, plan_commit(api, repo, "model", files), message, private=private)
