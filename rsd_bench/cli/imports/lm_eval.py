"""`rsd-bench data import lm-eval`: sample logs of lm-evaluation-harness."""

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
def import_lm_eval(
    logs: Annotated[
        list[Path], typer.Argument(metavar="SRC...", help="Sample logs (samples_*.jsonl), or folders of them.")
    ],
    options: ImportOptions,
    licence: LicenceOptions,
    metric: Annotated[
        str | None,
        typer.Option(
            metavar="NAME[,FILTER]",
            help="The metric to read as score, and of which filter, where logs hold several.",
            rich_help_panel=panels.CONTENT,
        ),
    ] = None,
    domain_column: Annotated[
        str | None,
        typer.Option(
            metavar="FIELD",
            help="Field of the samples' doc that is the domain; default: category, subject or domain.",
            rich_help_panel=panels.CONTENT,
        ),
    ] = None,
) -> None:
    """Import lm-eval sample logs, one source per task; texts only."""
    from rsd_bench.sources.lm_eval.open_lm_eval import open_lm_eval

    def opened(report: Callable[[Problem], None]) -> list[Source]:
        return open_lm_eval(logs, report, metric=metric, domain_column=domain_column)

    run_import({", ".join(map(str, logs)): licence.stated(opened)}, options)
