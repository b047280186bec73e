"""`rsd-bench data`: build a dataset and check it. `data import` is in data_import.py, publishing in publish.py."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rsd_bench.cli import data_import, data_inspect, panels, publish
from rsd_bench.cli.output import AsJson, fail, print_json, say, warn

if TYPE_CHECKING:
    from rsd_bench.dataset.manifest import Manifest

app = panels.App("Import sources, build a dataset, check it, publish it.")
app.add_typer(data_import.app, name="import")
app.command("inspect")(data_inspect.inspect_path)
app.command("diff")(publish.diff)
app.command("push")(publish.push)


class Edition(StrEnum):
    """full: images and texts; lite: figures only."""

    full = "full"
    lite = "lite"


@app.command()
def build(
    recipe: Annotated[Path, typer.Argument(metavar="RECIPE", help="TOML that names sources and the model pair.")],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="The dataset folder to write.")],
    store: Annotated[Path, typer.Option(help="Where the sources were imported to.")] = Path("store"),
    edition: Annotated[
        Edition, typer.Option(help="lite leaves out images and texts.", rich_help_panel=panels.CONTENT)
    ] = Edition.full,
    features: Annotated[
        Path | None,
        typer.Option(
            metavar="STORE", help="Encoder features to put into a lite edition.", rich_help_panel=panels.CONTENT
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Build a dataset folder: byte-reproducible, whole or not at all."""
    from rsd_bench.build.build_dataset import build_dataset
    from rsd_bench.build.provenance import moved_models, ungrouped, unvaried
    from rsd_bench.build.recipe import read_recipe
    from rsd_bench.dataset.manifest import manifest_sha256

    if features and edition is not Edition.lite:
        raise typer.BadParameter("features go into a lite edition: add --edition lite", param_hint="--features")
    manifest = build_dataset(read_recipe(recipe), store, out, lite=edition is Edition.lite, features=features)
    sha256 = manifest_sha256(out)
    moved = [*moved_models(manifest), *ungrouped(out, manifest), *unvaried(manifest)]
    if as_json:
        warnings = [problem.to_dict() for problem in moved]
        figures = {"folder": str(out), "manifest_sha256": sha256, "warnings": warnings, "manifest": manifest.to_dict()}
        print_json({"ok": True, **figures})
        return
    say(_summary(manifest))
    if manifest.missing:
        say(f"left out  {len(manifest.missing)} queries without a score of both models (named in manifest.json)")
    for source, why in (manifest.left_out or {}).items():
        say(f"left out  source {source}: {why}")
    say(f"manifest  {sha256}")
    say(f"dataset   {out}")
    warn(moved)


def _summary(manifest: Manifest) -> str:
    splits = ", ".join(f"{n} {split}" for split, n in manifest.splits.items())
    basis = ", ".join(f"{name} ({n})" for name, n in manifest.latency_basis.items())
    return "\n".join(
        [
            f"{manifest.name} {manifest.version}, {manifest.edition} edition",
            f"pair      {manifest.pair.small} -> {manifest.pair.large}",
            *(f"pair      {pair.small} -> {pair.large} of {name}" for name, pair in (manifest.pairs or {}).items()),
            f"queries   {manifest.queries} in {manifest.groups} groups ({splits})",
            f"tracks    {', '.join(track.name for track in manifest.tracks)}",
            f"latency   {basis}",
        ]
    )


@app.command()
def check(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A dataset folder.")],
    as_json: AsJson = False,
) -> None:
    """Verify a dataset folder: hashes, schemas, splits, labels, outcomes, tracks, card, licences, Croissant, sizes."""
    from rsd_bench.dataset.check_dataset import check_dataset
    from rsd_bench.dataset.manifest import read_manifest

    problems = check_dataset(folder)
    if problems:
        raise fail(problems, as_json)
    manifest = read_manifest(folder)
    if as_json:
        print_json({"ok": True, "problems": [], "queries": manifest.queries, "files": len(manifest.files)})
    else:
        say(f"ok: {manifest.queries} queries, {len(manifest.files)} files, no problem")
