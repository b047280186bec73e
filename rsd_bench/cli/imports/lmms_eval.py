"""`rsd-bench data import lmms-eval`: sample logs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rsd_bench.cli import panels
from rsd_bench.cli.imports.run_import import ImportOptions, LicenceOptions, run_import
from rsd_bench.cli.option_groups import grouped
from rsd_bench.types import Problem

if TYPE_CHECKING:
    from rsd_bench.sources.source import Source


@grouped
def import_lmms_eval(
    logdir: Annotated[
        Path, typer.Argument(metavar="LOGDIR", help="Folder with *_samples_*.jsonl or .jsonl.gz, or one of them.")
    ],
    options: ImportOptions,
    licence: LicenceOptions,
    images: Annotated[
        Path | None,
        typer.Option(
            help="Folder of the images, which the logs lack, named as in the log or by doc_id.",
            rich_help_panel=panels.FILES,
        ),
    ] = None,
    no_images: Annotated[
        bool,
        typer.Option("--no-images", help="Take text and outcomes alone.", rich_help_panel=panels.FILES),
    ] = False,
    metric: Annotated[
        str | None,
        typer.Option(
            help='The metric to read as score, where logs hold several; "NAME/5" states its full marks.',
            rich_help_panel=panels.CONTENT,
        ),
    ] = None,
) -> None:
    """Import lmms-eval sample logs, one source per task."""
    from rsd_bench.sources.lmms_eval.open_lmms_eval import open_lmms_eval

    def opened(report: Callable[[Problem], None]) -> list[Source]:
        return open_lmms_eval(logdir, report, images=images, no_images=no_images, metric=metric)

    run_import({str(logdir): licence.stated(opened)}, options)
