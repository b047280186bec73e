"""`rsd-bench features`: encode images and questions once, for every router after."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rsd_bench.cli import panels
from rsd_bench.cli.live import Engine
from rsd_bench.cli.option_groups import OnDevice
from rsd_bench.cli.output import AsJson, print_json, say
from rsd_bench.config import ENCODER_BATCH, IMAGE_ENCODER, TEXT_ENCODER

if TYPE_CHECKING:
    from rsd_bench.features.blocks import Kind
    from rsd_bench.features.encode import EncoderChoice

app = panels.App("Encode images and questions of a dataset.")


@app.callback()
def _group() -> None:
    pass


class Pooling(StrEnum):
    """cls: the first token; mean: the mean over the others."""

    cls = "cls"
    mean = "mean"


Name = Annotated[
    str | None,
    typer.Option(
        help="What to call it in the feature spec; default: its id or folder name.", rich_help_panel=panels.ENCODERS
    ),
]


@app.command()
def encode(
    data: Annotated[str, typer.Argument(metavar="DATA", help="Full edition: a dataset folder or Hub id.")],
    out: Annotated[Path, typer.Option("--out", metavar="STORE", help="Folder of the features and their cache.")],
    image_encoder: Annotated[
        str,
        typer.Option(
            metavar="ID_OR_PATH",
            help="AutoModel of the images; none: no image vectors.",
            rich_help_panel=panels.ENCODERS,
        ),
    ] = IMAGE_ENCODER,
    text_encoder: Annotated[
        str,
        typer.Option(
            metavar="ID_OR_PATH",
            help="AutoModel of the questions; none: no text vectors.",
            rich_help_panel=panels.ENCODERS,
        ),
    ] = TEXT_ENCODER,
    image_name: Name = None,
    text_name: Name = None,
    image_pooling: Annotated[
        Pooling, typer.Option(help="One vector an image.", rich_help_panel=panels.ENCODERS)
    ] = Pooling.cls,
    text_pooling: Annotated[
        Pooling, typer.Option(help="One vector a question.", rich_help_panel=panels.ENCODERS)
    ] = Pooling.mean,
    batch_size: Annotated[
        int | None,
        typer.Option(
            min=1,
            help=f"Contents encoded at once; default: {ENCODER_BATCH} on the CPU, else by trial.",
            rich_help_panel=panels.ENGINE,
        ),
    ] = None,
    device: OnDevice = "auto",
    engine: Annotated[
        Engine, typer.Option(help="This machine, or a Ray cluster.", rich_help_panel=panels.ENGINE)
    ] = Engine.local,
    ray_address: Annotated[
        str | None,
        typer.Option(help="Ray cluster; default: RAY_ADDRESS, else a local one.", rich_help_panel=panels.ENGINE),
    ] = None,
    workers: Annotated[
        int, typer.Option(min=1, help="Ray: encoders that run side by side.", rich_help_panel=panels.ENGINE)
    ] = 2,
    as_json: AsJson = False,
) -> None:
    """Encode every image and question once, float16, and count n-grams; run again to resume.

    `router train --features STORE` reads it. Without encoders (`none` and `none`) it takes seconds.
    """
    from rsd_bench.dataset.open import dataset_folder
    from rsd_bench.features.encode import EncoderChoice, encode_dataset, run_here
    from rsd_bench.features.ray_encode import ray_engine

    pooling = {"image": image_pooling, "text": text_pooling}

    def choice(kind: Kind, source: str, name: str | None) -> EncoderChoice | None:
        return None if source == "none" else EncoderChoice(kind, source, name, pooling[kind].value, device)

    run = run_here if engine is Engine.local else ray_engine(ray_address, workers)
    spec = encode_dataset(
        dataset_folder(data).resolve(),
        out,
        choice("image", image_encoder, image_name),
        choice("text", text_encoder, text_name),
        batch=batch_size,
        engine=run,
    )
    if as_json:
        print_json({"ok": True, "folder": str(out), "spec": spec.to_dict()})
        return
    for encoder in spec.encoders:
        made = f"{encoder.pooling}, {encoder.revision[:19]}, on {encoder.device}"
        say(f"{encoder.kind:9} {encoder.name}, {encoder.dimension}-d, {made}")
    if spec.ngrams:
        say(f"n-grams   of {' and '.join(map(str, spec.ngrams.orders))} tokens, {spec.ngrams.buckets:,} buckets")
    say(f"features  {out / 'features'}")
