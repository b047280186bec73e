"""`rsd-bench data import vlmevalkit`: prediction and judge files, with the benchmark's TSV or without."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rsd_bench.cli import panels
from rsd_bench.cli.imports.run_import import ImportOptions, LicenceOptions, run_import
from rsd_bench.cli.option_groups import grouped
from rsd_bench.types import Problem

if TYPE_CHECKING:
    from rsd_bench.sources.source import Source
    from rsd_bench.sources.vlmevalkit.vlmevalkit_benchmark import Reading


class Circular(StrEnum):
    """Which rolls of a question that was asked in several count."""

    first = "first"
    all = "all"


@dataclass(frozen=True)
class ReadingOptions:
    """How the rows of a benchmark become queries."""

    images: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Folder of images that rows name by path, or that are called after their id or index.",
            rich_help_panel=panels.FILES,
        ),
    ] = None
    no_images: Annotated[
        bool,
        typer.Option("--no-images", help="Import texts and outcomes alone.", rich_help_panel=panels.FILES),
    ] = False
    columns: Annotated[
        str,
        typer.Option(
            metavar="KIT=FILE,...",
            help="Columns of files made outside of the kit: index=id,prediction=response.",
            rich_help_panel=panels.FILES,
        ),
    ] = ""
    domain_column: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN",
            help="The domain; default: category, else l2-category, else the source.",
            rich_help_panel=panels.CONTENT,
        ),
    ] = None
    circular: Annotated[
        Circular,
        typer.Option(
            help="Of a question asked in several rolls, score the first, or right only where all are.",
            rich_help_panel=panels.CONTENT,
        ),
    ] = Circular.first

    def reading(self) -> Reading:
        from rsd_bench.sources.vlmevalkit.vlmevalkit_benchmark import Reading
        from rsd_bench.sources.vlmevalkit.vlmevalkit_names import read_column_map

        columns = read_column_map(self.columns)
        return Reading(self.images, self.no_images, columns, self.domain_column, self.circular.value)


def _named_files(values: list[str], option: str, model_of: Callable[[Path], str]) -> dict[str, Path]:
    """MODEL=FILE arguments, or FILEs whose name tells the model, as a dict; a usage error for anything else."""
    out: dict[str, Path] = {}
    for value in values:
        model, equals, file = value.partition("=")
        if equals and not (model and file):
            raise typer.BadParameter(f"{value!r} is not MODEL=FILE", param_hint=option)
        path = Path(file if equals else value)
        model = model if equals else model_of(path)
        if model in out:
            raise typer.BadParameter(f"{model!r} is given twice", param_hint=option)
        out[model] = path
    return out


@grouped
def import_vlmevalkit(
    pred: Annotated[
        list[str],
        typer.Option(
            "--pred",
            metavar="[MODEL=]FILE",
            help="Predictions, xlsx, tsv, csv, json or jsonl; MODEL from <model>_<benchmark>.xlsx.",
            rich_help_panel=panels.FILES,
        ),
    ],
    options: ImportOptions,
    reading: ReadingOptions,
    licence: LicenceOptions,
    tsv: Annotated[
        Path | None,
        typer.Option(
            "--tsv",
            metavar="DATA.tsv",
            help="The benchmark; default: the questions that the predictions repeat.",
            rich_help_panel=panels.FILES,
        ),
    ] = None,
    judge: Annotated[
        list[str] | None,
        typer.Option(
            "--judge",
            metavar="[MODEL=]FILE",
            help="Judge results: hit, score, or res with answer_type.",
            rich_help_panel=panels.FILES,
        ),
    ] = None,
    source: Annotated[
        str | None,
        typer.Option(help="Source id; default: the benchmark's name.", rich_help_panel=panels.CONTENT),
    ] = None,
) -> None:
    """Import predictions of VLMEvalKit; answers without a judge file stay unscored."""
    from rsd_bench.sources.vlmevalkit.open_vlmevalkit import open_vlmevalkit
    from rsd_bench.sources.vlmevalkit.vlmevalkit_names import judged_model, model_of

    benchmark = tsv.stem.removesuffix("_local") if tsv else None

    def opened(report: Callable[[Problem], None]) -> list[Source]:
        predictions = _named_files(pred, "--pred", lambda path: model_of(path, benchmark, source))
        judges = _named_files(judge or [], "--judge", lambda path: judged_model(path, predictions))
        return [open_vlmevalkit(tsv, predictions, judges, source, report, reading.reading())]

    run_import({str(tsv or pred[0]): licence.stated(opened)}, options)
