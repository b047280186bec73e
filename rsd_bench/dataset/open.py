"""Where a dataset is: the embedded lite edition, a local folder, or a Hub repository."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from rsd_bench.dataset.layout import CARD, LITE, MANIFEST
from rsd_bench.folders import settle
from rsd_bench.types import InputError

_REPO = re.compile(r"^[\w.-]+/[\w.-]+$")


def is_hub_id(text: str) -> bool:
    """Whether a text has the form org/name."""
    return bool(_REPO.match(text))


def split_revision(path_or_repo: str) -> tuple[str, str | None]:
    """`org/name@revision` -> (org/name, revision)."""
    repo, _, revision = path_or_repo.partition("@")
    return repo, revision or None


def dataset_folder(
    path_or_repo: str | Path | None = None, revision: str | None = None, tables: Sequence[str] | None = None
) -> Path:
    """The local folder of a dataset: nothing = the embedded lite edition; a Hub id is fetched into the Hub's cache.

    tables: fetch only these (and card and manifest); None: everything.
    Raises InputError where it is neither a folder nor a Hub id, or cannot be fetched; ValueError for a revision that
    cannot be.
    """
    folder = LITE if path_or_repo is None else Path(path_or_repo).expanduser()
    settle(folder)
    if folder.is_dir():
        if revision is not None:
            raise ValueError(f"revision: {folder} is a folder; only a Hub repository has revisions")
        return folder.absolute()  # `datasets` names a dataset after its folder: "." has no name
    repo, at = split_revision(str(path_or_repo))
    if revision and at and revision != at:
        raise ValueError(f"revision: {revision!r} is not that of {path_or_repo}")
    if not is_hub_id(repo):
        raise InputError.at(path_or_repo, "is neither a folder nor a Hub id", "name a dataset folder, or org/name")
    patterns = None if tables is None else [CARD, MANIFEST, *(f"{table}/*" for table in tables)]
    return _fetch(repo, revision or at, patterns)


def _fetch(repo: str, revision: str | None, patterns: list[str] | None) -> Path:
    import httpx2
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    where = f"{repo}@{revision}" if revision else repo
    try:
        return Path(snapshot_download(repo, repo_type="dataset", revision=revision, allow_patterns=patterns))
    except (HfHubHTTPError, LocalEntryNotFoundError, httpx2.HTTPError, OSError, ValueError) as error:
        reason = str(error).strip().splitlines()[0]
        raise InputError.at(where, f"cannot be fetched: {reason}", "check the name, or go online") from None


def fetched_from(folder: Path) -> tuple[str, str] | None:
    """(Hub id, commit) of a folder in the Hub's cache; None for any other."""
    parts = folder.parts
    if len(parts) > 2 and parts[-2] == "snapshots" and parts[-3].startswith("datasets--"):
        return parts[-3].removeprefix("datasets--").replace("--", "/", 1), parts[-1]
    return None
