"""`rsd-bench data import served`: what `rsd-bench serve --log` kept."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rsd_bench.cli.output import AsJson, print_json, say


def import_served(
    store: Annotated[Path, typer.Argument(metavar="STORE", help="The store that a server keeps its traffic in.")],
    reference: Annotated[
        str | None,
        typer.Option(metavar="MODEL", help="Take this model's answers for the reference answers of the queries."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """File the traffic of a server as sources of its store, a day each; also while it serves."""
    from rsd_bench.serve.filing import file_served

    added = file_served(store, reference)
    if as_json:
        print_json({"ok": True, "added": dict(sorted(added.items()))})
        return
    for name, count in sorted(added.items()):
        say(f"{name}  {count:,}")
    if not added:
        say("nothing new")
