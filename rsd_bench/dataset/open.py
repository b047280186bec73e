"""Where a dataset is: the embedded lite edition, a local folder, or a Hub repository."""

from __future__ import annotations

import re
from pathlib import Path

from rsd_bench.dataset.layout import LITE
from rsd_bench.types import InputError

_REPO = re.compile(r"^[\w.-]+/[\w.-]+$")


def split_revision(path_or_repo: str) -> tuple[str, str | None]:
    """`org/name@revision` -> (org/name, revision)."""
    repo, _, revision = path_or_repo.partition("@")
    return repo, revision or None


def dataset_folder(path_or_repo: str | Path | None = None, revision: str | None = None) -> Path:
    """The local folder of a dataset: nothing = the embedded lite edition; a Hub id is fetched into the Hub's cache.

    Raises InputError where it is neither a folder nor a Hub id, or cannot be fetched.
    """
    if path_or_repo is None:
        return LITE
    folder = Path(path_or_repo).expanduser()
    if folder.is_dir():
        return folder
    repo, at = split_revision(str(path_or_repo))
    if not _REPO.match(repo):
        raise InputError.at(path_or_repo, "is neither a folder nor a Hub id", "name a dataset folder, or org/name")
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(repo, repo_type="dataset", revision=revision or at))
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        reason = str(error).strip().splitlines()[0]
        raise InputError.at(path_or_repo, f"cannot be fetched: {reason}", "check the name, or go online") from None
