"""One commit, then a tag: how any folder becomes a version of a Hub repository of any type.

`plan_commit` compares files with the repository as it is; `send` uploads what differs and commits it on exactly that
state (`parent_commit`), so that a second writer makes it fail instead of mixing two versions. Large files are stored
before the commit names them: whoever dies in between leaves the old version, and what was stored is not sent again.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rsd_bench.dataset.manifest import file_sha256, files_below
from rsd_bench.types import InputError

if TYPE_CHECKING:
    from huggingface_hub import HfApi

Content = Path | bytes


@dataclass(frozen=True)
class CommitPlan:
    """What a commit would change. `head` is the commit it builds on, None where the repository is yet to be made."""

    repo: str
    repo_type: str
    head: str | None
    add: dict[str, Content]
    delete: tuple[str, ...]
    unchanged: tuple[str, ...]

    @property
    def empty(self) -> bool:
        return not self.add and not self.delete

    @property
    def bytes(self) -> int:
        return sum(_size(content) for content in self.add.values())


@contextmanager
def hub_errors(repo: str) -> Iterator[None]:
    """Failures of the Hub and of the way to it as InputError, each with what to do."""
    import httpx2
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    try:
        yield
    except InputError:
        raise
    except HFValidationError as error:
        raise InputError.at(repo, f"is no Hub id: {_first_line(error)}", "name it org/name") from None
    except HfHubHTTPError as error:
        raise _refused(repo, error) from None
    except (httpx2.HTTPError, OSError, RuntimeError) as error:
        cause = error.__cause__ if isinstance(error, RuntimeError) and error.__cause__ else error
        if isinstance(cause, HfHubHTTPError):
            raise _refused(repo, cause) from None
        if isinstance(error, RuntimeError) and not isinstance(cause, (httpx2.HTTPError, OSError)):
            raise
        fix = "nothing is published by halves: run the command again"
        raise InputError.at(repo, f"the connection failed: {_first_line(cause)}", fix) from None
    except ValueError as error:  # how the client tells that the Hub finds fault with the card's YAML
        told = " ".join(str(error).split())[:500]
        raise InputError.at(repo, f"refused: {told}", "fix the recipe's [card]") from None


def _refused(repo: str, error: Any) -> InputError:
    status = error.response.status_code if error.response is not None else 0
    fixes = {
        401: "log in with `hf auth login`, with a token that may write",
        403: "use a token that may write to this repository",
        404: "check the name, and that your token may see it",
        409: "look at the repository, then run the command again",
        412: "somebody else changed the repository meanwhile: run `rsd-bench data diff`, then push again",
        429: "the Hub asks for patience: run the command again later",
    }
    fix = fixes.get(status, "nothing is published by halves: run the command again")
    return InputError.at(repo, f"the Hub answered {status}: {_first_line(error)}", fix)


def _first_line(error: BaseException) -> str:
    told = getattr(error, "server_message", None) or str(error).strip() or type(error).__name__
    return str(told).strip().splitlines()[0][:300]


def hub_api() -> HfApi:
    """The Hub's client, named in its requests; without progress bars where nobody looks."""
    from huggingface_hub import HfApi
    from huggingface_hub.utils.tqdm import disable_progress_bars

    from rsd_bench.version import __version__

    if not sys.stderr.isatty():
        disable_progress_bars()
    return HfApi(library_name="rsd_bench", library_version=__version__)


def folder_files(folder: Path) -> dict[str, Content]:
    """Every file below a folder by its path in the repository."""
    return {p.relative_to(folder).as_posix(): p for p in files_below(folder)}


def head_of(api: HfApi, repo: str, repo_type: str, revision: str | None = None) -> str | None:
    """The commit a revision stands at; None where there is no such repository."""
    from huggingface_hub.errors import RepositoryNotFoundError

    try:
        sha: str | None = api.repo_info(repo, repo_type=repo_type, revision=revision).sha
        return sha
    except RepositoryNotFoundError:
        return None


def tags_of(api: HfApi, repo: str, repo_type: str) -> dict[str, str]:
    """Tag -> commit."""
    return {ref.name: ref.target_commit for ref in api.list_repo_refs(repo, repo_type=repo_type).tags}


def plan_commit(
    api: HfApi,
    repo: str,
    repo_type: str,
    files: Mapping[str, Content],
    stale: Iterable[str] = (),
    at: str | None = None,
) -> CommitPlan:
    """Compare `files` with a repository at commit `at` (default: its head). `stale`: paths to remove where they are."""
    head = at or head_of(api, repo, repo_type)
    remote = _remote(api, repo, repo_type, head) if head else {}
    unchanged = tuple(path for path, content in files.items() if path in remote and _same(remote[path], content))
    return CommitPlan(
        repo=repo,
        repo_type=repo_type,
        head=head,
        add={path: content for path, content in files.items() if path not in unchanged},
        delete=tuple(sorted(path for path in set(stale) & remote.keys() if path not in files)),
        unchanged=unchanged,
    )


def remote_paths(api: HfApi, repo: str, repo_type: str, head: str) -> list[str]:
    """Paths of all files of a repository at a commit."""
    return list(_remote(api, repo, repo_type, head))


def _remote(api: HfApi, repo: str, repo_type: str, head: str) -> dict[str, Any]:
    from huggingface_hub.hf_api import RepoFile

    tree = api.list_repo_tree(repo, repo_type=repo_type, revision=head, recursive=True)
    return {entry.path: entry for entry in tree if isinstance(entry, RepoFile)}


def _size(content: Content) -> int:
    return len(content) if isinstance(content, bytes) else content.stat().st_size


def _same(remote: Any, content: Content) -> bool:
    """Whether a file of the repository holds these bytes: by SHA-256 in LFS, by git's id elsewhere."""
    import hashlib

    from huggingface_hub.utils.sha import git_hash

    if remote.size != _size(content):
        return False
    if remote.lfs is None:
        data = content if isinstance(content, bytes) else content.read_bytes()
        return bool(git_hash(data) == remote.blob_id)
    sha256 = hashlib.sha256(content).hexdigest() if isinstance(content, bytes) else file_sha256(content)
    return bool(sha256 == remote.lfs.sha256)


def send(api: HfApi, plan: CommitPlan, message: str, tag: str | None = None, *, private: bool = False) -> str:
    """Carry out a plan: make the repository where there is none, commit once, tag. Returns the commit.

    An empty plan commits nothing and only sets the tag. InputError through `hub_errors` where the Hub refuses.
    """
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete

    head = plan.head
    if head is None:
        sdk = "static" if plan.repo_type == "space" else None
        api.create_repo(plan.repo, repo_type=plan.repo_type, private=private or None, exist_ok=True, space_sdk=sdk)
        head = head_of(api, plan.repo, plan.repo_type)
    commit = str(head)
    if not plan.empty:
        operations: list[Any] = [
            CommitOperationAdd(path, content if isinstance(content, bytes) else str(content))
            for path, content in plan.add.items()
        ]
        operations += [CommitOperationDelete(path, is_folder=False) for path in plan.delete]
        made = api.create_commit(
            plan.repo, operations, commit_message=message, repo_type=plan.repo_type, parent_commit=head
        )
        commit = str(made.oid)
    if tag is not None and tags_of(api, plan.repo, plan.repo_type).get(tag) != commit:
        api.create_tag(plan.repo, tag=tag, revision=commit, repo_type=plan.repo_type, tag_message=message)
    return commit
