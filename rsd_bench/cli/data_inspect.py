"""`rsd-bench data inspect`: what is this, and which importer reads it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rsd_bench.cli.output import AsJson, one_line, print_json, say

_SHOWN_MODELS = 20


def inspect_path(
    path: Annotated[Path, typer.Argument(metavar="PATH", help="A file or a folder.")],
    as_json: AsJson = False,
) -> None:
    """Say what a file or folder is, what it holds, which importer reads it, and the command to type."""
    from rsd_bench.sources.recognise.recognise import recognise

    parts = recognise(path)
    if as_json:
        print_json({"ok": True, "parts": [part.to_dict() for part in parts]})
        return
    for at, part in enumerate(parts):
        say(("\n" if at else "") + one_line(f"{part.path}: {part.what}"))
        if part.counts:
            least = "at least " if part.at_least else ""
            say("  " + ", ".join(f"{least}{n:,} {name}" for name, n in part.counts.items()))
        if part.models:
            more = f" and {len(part.models) - _SHOWN_MODELS} more" if len(part.models) > _SHOWN_MODELS else ""
            say(one_line(f"  models: {', '.join(part.models[:_SHOWN_MODELS])}{more}"))
        for command in part.commands:
            say(one_line(f"  $ {command}"))
        for note in part.notes:
            say(one_line(f"  {note}"))
        if part.importer is None and not part.commands:
            say("  no importer reads this")
