"""`rsd-bench data import inspect`: logs of inspect-ai."""

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
def import_inspect(
    logs: Annotated[list[Path], typer.Argument(metavar="SRC...", help="Logs (.eval, .json), or folders of them.")],
    options: ImportOptions,
    licence: LicenceOptions,
    images: Annotated[
        Path | None,
        typer.Option(help="Folder of the images, sounds and videos that logs only name.", rich_help_panel=panels.FILES),
    ] = None,
    scorer: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="Whose score to read, where samples have several.", rich_help_panel=panels.CONTENT
        ),
    ] = None,
    scale: Annotated[
        float, typer.Option(help="Full marks of scores that are numbers.", rich_help_panel=panels.CONTENT)
    ] = 1.0,
    domain_column: Annotated[
        str | None,
        typer.Option(
            metavar="FIELD",
            help="Field of the samples' metadata that is the domain; default: category, subject or domain.",
            rich_help_panel=panels.CONTENT,
        ),
    ] = None,
) -> None:
    """Import logs of inspect-ai, one source per task."""
    from rsd_bench.sources.inspect_ai.open_inspect import open_inspect

    def opened(report: Callable[[Problem], None]) -> list[Source]:
        chosen = {"scorer": scorer, "domain_column": domain_column}
        return open_inspect(logs, report, images=images, scale=scale, **chosen)

    run_import({", ".join(map(str, logs)): licence.stated(opened)}, options)
