"""`rsd-bench data import hub`: the queries of a dataset of the Hub."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rsd_bench.cli.imports.run_import import ImportOptions, run_import
from rsd_bench.cli.option_groups import grouped


@grouped
def import_hub(
    repo: Annotated[str, typer.Argument(metavar="REPO", help="Hub dataset org/name[@revision], or a local folder.")],
    mapping: Annotated[Path, typer.Option("--map", metavar="MAP.toml", help="Which columns hold what.")],
    options: ImportOptions,
) -> None:
    """Import the queries of a Hub dataset, to be answered with `rsd-bench generate`."""
    from rsd_bench.sources.hub_queries import open_hub

    run_import({repo: lambda report: [open_hub(repo, mapping, report)]}, options)
