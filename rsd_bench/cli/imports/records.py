"""`rsd-bench data import records`: folders in this package's own format."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rsd_bench.cli.imports.run_import import ImportOptions, Opener, run_import
from rsd_bench.cli.option_groups import grouped


@grouped
def import_records(
    folders: Annotated[list[Path], typer.Argument(metavar="SRC...", help="Records folders.")],
    options: ImportOptions,
) -> None:
    """Import records folders: source.json, queries.jsonl, responses.jsonl, images/ (`rsd-bench schema records`)."""
    from rsd_bench.sources.records_folder import open_records

    def opener(folder: Path) -> Opener:
        return lambda report: [open_records(folder, report)]

    run_import({str(folder): opener(folder) for folder in folders}, options)
