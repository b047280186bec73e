"""Symbolic links to folders among the files that are looked through: they are not followed, and so are named."""

from __future__ import annotations

import os
from pathlib import Path

from rsd_bench.types import Problem


def linked_folders(folder: Path) -> list[Path]:
    """The links to folders in a folder, at any depth, those whose names begin with a dot left out."""
    links = []
    for root, names, _ in os.walk(folder):
        names[:] = sorted(name for name in names if not name.startswith("."))
        links += [path for name in names if (path := Path(root) / name).is_symlink()]
    return links


def not_followed(link: Path) -> str:
    return f"a symbolic link to {link.resolve()}, not followed"


def not_followed_problems(folder: Path) -> list[Problem]:
    """What to say of a folder in which nothing was found: a problem for each link in it."""
    fix = f"name it in place of {folder}"
    return [Problem(str(link), f"is {not_followed(link)}", fix) for link in linked_folders(folder)]
