"""What the error of an importer points to when it is given something of another kind."""

from __future__ import annotations

import shlex
from pathlib import Path


def inspect_hint(path: Path) -> str:
    """The command, to be typed as it is, that says what a file or folder is and which importer reads it."""
    return f"run `rsd-bench data inspect {shlex.quote(str(path))}`"
