"""`rsd-bench data import table`: any table of outcomes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rsd_bench.cli.imports.run_import import ImportOptions, run_import
from rsd_bench.cli.option_groups import grouped
from rsd_bench.types import Problem

if TYPE_CHECKING:
    from rsd_bench.sources.source import Source


@grouped
def import_table(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Tables of one source, of one shape.")],
    mapping: Annotated[Path, typer.Option("--map", metavar="MAP.toml", help="Which columns hold what.")],
    options: ImportOptions,
) -> None:
    """Import tables of outcomes (.csv, .tsv, .jsonl, .json, .parquet) through a map (`rsd-bench schema map`)."""
    from rsd_bench.sources.table.open_table import open_table

    def opened(report: Callable[[Problem], None]) -> list[Source]:
        return [open_table(files, mapping, report)]

    run_import({str(mapping): opened}, options)
