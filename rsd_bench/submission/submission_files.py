"""The folder of a submission and its files: plain, of the known names, and bounded in size before anything is read."""

from __future__ import annotations

from pathlib import Path

from rsd_bench.submission.submission import ALLOWED_FILES, README, SLUG, SLUG_FIX
from rsd_bench.types import InputError, Problem

_README_BYTES = 1 << 20


def need_folder(folder: Path) -> None:
    """InputError for what is no folder: then there is nothing to look at."""
    if folder.is_symlink() or not folder.is_dir():
        raise InputError.at(folder, "is not a folder", "make one: rsd-bench submit new SLUG --from FILE")


def need_slug(folder: Path) -> None:
    """InputError for a folder whose name no submission may have."""
    if not SLUG.fullmatch(folder.resolve().name):
        raise InputError.at(folder, "is no slug", SLUG_FIX)


def stray_files(folder: Path) -> list[Problem]:
    """A problem for each file that no submission has."""
    extra = sorted(path.name for path in folder.iterdir() if path.name not in ALLOWED_FILES)
    fix = f"keep {', '.join(sorted(ALLOWED_FILES))}"
    return [Problem(str(folder / name), "does not belong here", fix) for name in extra]


def need_plain_readme(folder: Path) -> None:
    """README.md, where there is one, is never parsed, but hashed and copied: it must be a file of bounded size too."""
    path = folder / README
    if path.exists() or path.is_symlink():
        need_plain_file(path, _README_BYTES)


def need_plain_file(path: Path, max_bytes: int) -> None:
    """InputError for what is no regular file (but a link, say), or one of more than `max_bytes`."""
    try:
        if path.is_symlink() or not path.is_file():
            what = "is missing" if not path.exists() else "is not a plain file"
            raise InputError.at(path, what, "add the file itself")
        size = path.stat().st_size
    except OSError as error:
        raise InputError.at(path, error.strerror or "cannot be read") from None
    if size > max_bytes:
        raise InputError.at(path, f"has {size} bytes, more than the {max_bytes} a valid file can need")
