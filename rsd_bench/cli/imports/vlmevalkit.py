"""`rsd-bench data import vlmevalkit`: a benchmark's TSV with predictions and judge files."""

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


def _named_files(values: list[str], option: str) -> dict[str, Path]:
    """MODEL=FILE arguments as a dict; a usage error for anything else."""
    out: dict[str, Path] = {}
    for value in values:
        model, equals, file = value.partition("=")
        if not (model and equals and file):
            raise typer.BadParameter(f"{value!r} is not MODEL=FILE", param_hint=option)
        if model in out:
            raise typer.BadParameter(f"{model!r} is given twice", param_hint=option)
        out[model] = Path(file)
    return out


@grouped
def import_vlmevalkit(
    tsv: Annotated[
        Path,
        typer.Option(
            "--tsv",
            metavar="DATA.tsv",
            help="The benchmark's TSV with base64 images.",
            rich_help_panel=panels.FILES,
        ),
    ],
    pred: Annotated[
        list[str],
        typer.Option("--pred", metavar="MODEL=FILE", help="Predictions, xlsx or tsv.", rich_help_panel=panels.FILES),
    ],
    options: ImportOptions,
    licence: LicenceOptions,
    judge: Annotated[
        list[str] | None,
        typer.Option(
            "--judge", metavar="MODEL=FILE", help="Judge results (hit or score).", rich_help_panel=panels.FILES
        ),
    ] = None,
    source: Annotated[
        str | None, typer.Option(help="Source id; default: the TSV's name.", rich_help_panel=panels.CONTENT)
    ] = None,
) -> None:
    """Import a VLMEvalKit benchmark with predictions; answers without a judge file stay unscored."""
    from rsd_bench.sources.vlmevalkit import open_vlmevalkit

    predictions, judges = _named_files(pred, "--pred"), _named_files(judge or [], "--judge")

    def opened(report: Callable[[Problem], None]) -> list[Source]:
        return [open_vlmevalkit(tsv, predictions, judges, source, report)]

    run_import({str(tsv): licence.stated(opened)}, options)
