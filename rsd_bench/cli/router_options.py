"""Options that commands about routers share, and how they open what these name."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rsd_bench.cli import panels

if TYPE_CHECKING:
    from rsd_bench.dataset.benchmark import Benchmark
    from rsd_bench.features.feature_table import Features

DataArgument = Annotated[
    str | None, typer.Argument(metavar="[DATA]", help="Dataset folder or Hub id; default: the embedded rsd-open lite.")
]
FeatureStore = Annotated[
    Path | None,
    typer.Option("--features", metavar="STORE", help="What `features encode` wrote; default: the dataset's own."),
]
Seed = Annotated[
    int, typer.Option(min=0, help="Seed of the weights and of the order of the rows.", rich_help_panel=panels.TRAINING)
]
Tracks = Annotated[list[str] | None, typer.Option("--track", help="May be repeated; default: every track.")]
Trust = Annotated[bool, typer.Option("--trust", help="Run the checkpoint's router.py: a router of somebody's own.")]
Latency = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE", help="JSON of `router bench`: its latency is declared.", rich_help_panel=panels.AUTHORSHIP
    ),
]


def open_all(data: str | None, store: Path | None, scenarios: Path | None = None) -> tuple[Benchmark, Features]:
    """The dataset, to be scored on the scenarios of a file where one is given, and its features."""
    from rsd_bench.dataset.benchmark import open_benchmark
    from rsd_bench.dataset.open import dataset_folder
    from rsd_bench.features.feature_table import read_features

    benchmark = open_benchmark(dataset_folder(data), scenarios)
    return benchmark, read_features(benchmark, store)
