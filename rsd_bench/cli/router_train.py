"""`rsd-bench router train`: from a dataset to a checkpoint of any router."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rsd_bench.cli import panels
from rsd_bench.cli.option_groups import OnDevice
from rsd_bench.cli.output import AsJson, Data, Scenarios, print_json, say
from rsd_bench.cli.router_options import FeatureStore, Seed, open_all

if TYPE_CHECKING:
    from rsd_bench.dataset.benchmark import Benchmark
    from rsd_bench.features.feature_table import Features
    from rsd_bench.routers.saved_router import SavedRouter
    from rsd_bench.routers.training_report import TrainingReport


def train(
    router: Annotated[
        str, typer.Argument(metavar="[NAME|FILE.py]", help="A router of `router list`, or your own file.")
    ] = "reference",
    data: Data = None,
    scenario: Annotated[
        str | None,
        typer.Option(
            help="Its MES gives the labels, its weights tau; default: each of the dataset's, in one checkpoint."
        ),
    ] = None,
    scenarios: Scenarios = None,
    track: Annotated[str, typer.Option(help="in-domain or a cross-domain track.")] = "in-domain",
    seed: Seed = 0,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="The checkpoint folder to write.")] = Path("router"),
    features: FeatureStore = None,
    epochs: Annotated[
        int, typer.Option(min=1, help="At most; training stops early.", rich_help_panel=panels.TRAINING)
    ] = 50,
    without: Annotated[
        list[str] | None, typer.Option(help="Leave out image, text or statistics.", rich_help_panel=panels.TRAINING)
    ] = None,
    threshold: Annotated[
        str,
        typer.Option(help="grid: best RCS on validation; bayes: from calibrated p.", rich_help_panel=panels.DECISIONS),
    ] = "grid",
    device: OnDevice = "auto",
    as_json: AsJson = False,
) -> None:
    """Train a router on a track and write the checkpoint that `load_router` reads; of `reference` with its report."""
    if router != "reference":
        if (epochs, without, threshold, device) != (50, None, "grid", "auto"):
            raise typer.BadParameter(
                "are of `reference` alone", param_hint="--epochs, --without, --threshold, --device"
            )
        _train_other(router, data, scenarios, features, as_json, out=out, scenario=scenario, track=track, seed=seed)
        return
    from rsd_bench.features.feature_table import BLOCKS
    from rsd_bench.routers.checkpoint import train_checkpoint, train_for_all
    from rsd_bench.routers.reference_training import THRESHOLDS, Settings

    left_out = set(without or ())
    if left_out - set(BLOCKS) or len(left_out) == len(BLOCKS):
        raise typer.BadParameter(f"leave out one or two of {', '.join(BLOCKS)}", param_hint="--without")
    if threshold not in THRESHOLDS:
        raise typer.BadParameter(f"use {' or '.join(THRESHOLDS)}", param_hint="--threshold")
    benchmark, read = open_all(data, features, scenarios)
    blocks = tuple(name for name in BLOCKS if name not in left_out)
    settings = Settings(seed=seed, epochs=epochs, blocks=blocks, threshold=threshold)
    encoders = _found_at(benchmark, read, features, blocks)
    options: dict[str, Any] = {"track": track, "settings": settings, "encoders": encoders, "device": device}
    if scenario is None:
        saved, reports = train_for_all(out, benchmark, read, **options)
    else:
        named = train_checkpoint(out, benchmark, read, scenario=scenario, **options)
        saved, reports = None, {scenario: named}
    if as_json:
        print_json({"ok": True, "folder": str(out), **(_told(saved, reports) if saved else named.to_dict())})
        return
    for report in reports.values():
        _say_report(report, track)
    say(f"router    {out}")


def _found_at(benchmark: Benchmark, read: Features, store: Path | None, blocks: tuple[str, ...]) -> dict[str, str]:
    """Kind -> the folder of each encoder that a router of these blocks needs, of those that came from one."""
    from rsd_bench.features.vector_cache import encoder_folders

    folders = encoder_folders(store or benchmark.folder, read.spec.encoders)
    return {kind: path for kind, path in folders.items() if kind in blocks}


def _told(saved: SavedRouter, reports: dict[str, TrainingReport] | None = None) -> dict[str, Any]:
    """A checkpoint of every scenario as JSON."""
    taus = {scenario: decider.tau for scenario, decider in saved.deciders.items()}
    shown = {"reports": {name: report.to_dict() for name, report in reports.items()}} if reports else {}
    return {"router": saved.name, "tau": taus, "trained_on": dict(saved.trained_on), **shown}


def _say_report(report: TrainingReport, track: str) -> None:
    figures = report.validation
    say(f"trained   {report.scenario}, {track}: {report.best_epoch} epochs, {report.parameters:,} parameters")
    say(f"tau       {report.tau:g} (temperature {report.temperature:.2f})")
    say(
        f"validation RCS {figures.score.rcs:.4f} ({100 * figures.gain:+z.1f} points to {figures.best_fixed}), APSP "
        f"{figures.score.apsp:.3f}, CA {figures.score.ca:.3f}, AUROC {_number(figures.auroc)}"
    )
    for signature in report.signatures:
        if signature.seen:
            say(f"warning   {signature.name}: {signature.figure:.4g} {signature.meaning}")


def _train_other(
    name: str, data: str | None, scenarios: Path | None, features: Path | None, as_json: bool, out: Path, **options: Any
) -> None:
    """Train a router other than the reference router."""
    from rsd_bench.dataset.open import is_hub_id
    from rsd_bench.routers.registry import router_entry
    from rsd_bench.routers.saved_router import train_router

    if Path(name).is_dir() or is_hub_id(name):
        raise typer.BadParameter(f"{name} is a dataset's place: --data {name}", param_hint="NAME|FILE.py")
    entry = router_entry(name)
    benchmark, read = open_all(data, features, scenarios)
    if entry.cascade:
        from rsd_bench.routers.cascade_router import cascade_features

        read = cascade_features(benchmark, read, [options["track"]])
    encoders = _found_at(benchmark, read, features, entry.blocks)
    saved = train_router(out, entry, benchmark, read, encoders=encoders, **options)
    if as_json:
        print_json({"ok": True, "folder": str(out), **_told(saved)})
        return
    for scenario, decider in saved.deciders.items():
        say(f"tau       {scenario}: {decider.tau:g}")
    say(f"trained   {saved.name} on {saved.trained_on['track']}, {saved.trained_on['train_queries']} queries")
    say(f"router    {out}")


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
