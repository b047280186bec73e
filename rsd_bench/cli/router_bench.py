"""`rsd-bench router bench`: what a decision of a router costs, part by part."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from rsd_bench.cli import panels
from rsd_bench.cli.option_groups import EncoderPlace, OnDevice
from rsd_bench.cli.output import AsJson, print_json, say, table
from rsd_bench.cli.router_options import Trust


def bench(
    checkpoint: Annotated[Path, typer.Argument(metavar="DIR", help="A checkpoint of `router train`.")],
    data: Annotated[
        str | None,
        typer.Option(
            "--data",
            metavar="DIR",
            help="Full edition whose queries are routed; default: of a router of words made-up ones, else head only.",
        ),
    ] = None,
    image_encoder: EncoderPlace = None,
    text_encoder: EncoderPlace = None,
    threads: Annotated[
        int | None,
        typer.Option(
            min=1, help="Threads of torch and BLAS; default: their own choice.", rich_help_panel=panels.TIMING
        ),
    ] = None,
    device: OnDevice = "auto",
    calls: Annotated[int, typer.Option(min=5, help="Timed calls at batch 1.", rich_help_panel=panels.TIMING)] = 50,
    out: Annotated[Path | None, typer.Option("--out", metavar="FILE", help="Write the figures as JSON.")] = None,
    trust: Trust = False,
    as_json: AsJson = False,
) -> None:
    """Time any router: p50 and p95 at batch 1 and 64, what it reads and its head apart, hardware stamped."""
    from rsd_bench.routers.latency_bench import run_bench, write_bench

    options: dict[str, Any] = {"threads": threads, "calls": calls, "trust": trust, "device": device}
    measured = run_bench(checkpoint, data, image_encoder, text_encoder, **options)
    if out:
        write_bench(out, measured)
    if as_json:
        print_json(asdict(measured))
        return
    rows: list[tuple[str, ...]] = [("stage", "batch", "p50 ms", "p95 ms", "p50 ms/query")]
    for stage, by_batch in measured.stages.items():
        for batch, row in by_batch.items():
            figures = (f"{figure:.3f}" for figure in (row.p50_ms, row.p95_ms, row.p50_ms_per_query))
            rows.append((stage, str(batch), *figures))
    say(table(rows))
    say("\n" + ", ".join(f"{key} {value}" for key, value in asdict(measured.hardware).items() if value))
